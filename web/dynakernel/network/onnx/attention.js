/** Recognises the attention of dynamic layers: heads on a hidden layer, or on the means of the image. */
import { sizeOf } from '../../shape.js';
import { HEADS } from '../infer.js';

/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./rewriter.js').Rewriter} Rewriter */
/** @typedef {typeof HEADS[number]} HeadName */

/**
 * What the heads of an attention compute with.
 *
 * @typedef {object} Branch
 * @property {Value} x the image
 * @property {Value | null} hidden [M, C]
 * @property {Value | null} bias [M] of the hidden layer
 * @property {Node | null} norm the batch norm
 */

/**
 * @typedef {object} Head
 * @property {Value} output of the sigmoid or softmax
 * @property {boolean} isSoftmax
 * @property {number} temperature
 * @property {Value} weight
 * @property {Value | null} bias
 * @property {Value} features that the head is a linear layer of
 * @property {Branch} branch
 */

/**
 * An attention that is to be one node.
 *
 * @typedef {object} Group
 * @property {string} name
 * @property {{ [head in HeadName]?: Head }} heads
 * @property {{ [head in HeadName]?: Value } | null} made
 */

/** @typedef {Map<Value, { group: Group, head: HeadName }>} Attentions by the outputs of heads */

/** The inputs of dynamicConv2d that the heads are, in their order. */
const INPUTS = [1, 4, 5, 6];

/**
 * @param {readonly Node[]} nodes
 * @param {Rewriter} r after a pass
 * @returns {Attentions} those of dynamic layers
 */
export function attentionsOf(nodes, r) {
  /** @type {Attentions} */
  const attentions = new Map();
  for (const { op, inputs, name } of nodes) {
    if (op !== 'dynamicConv2d') continue;
    /** @type {Group} */
    const group = { name: `${name}.attention`, heads: {}, made: null };
    /** @type {Head | null} */
    let first = null;
    HEADS.forEach((role, i) => {
      const head = inputs[INPUTS[i]] && headOf(/** @type {Value} */ (inputs[INPUTS[i]]), r);
      // one routing may serve several layers
      if (!head || attentions.has(head.output) || (head.isSoftmax && role !== 'kernels')) return;
      if (first && !isSameBranch(first, head)) return;
      first ??= head;
      group.heads[role] = head;
      attentions.set(head.output, { group, head: role });
    });
  }
  return attentions;
}

/**
 * Whether two heads can be those of one attention.
 *
 * @param {Head} one
 * @param {Head} other
 */
export const isSameBranch = (one, other) =>
  one.features === other.features && one.temperature === other.temperature;

/**
 * @param {Node} node
 * @param {Attentions} attentions
 * @param {Rewriter} r
 * @returns {Value | null}
 */
export function recogniseAttention(node, attentions, r) {
  const [output] = node.outputs;
  const found = attentions.get(output);
  if (!found) return null;
  const { group, head } = found;
  group.made ??= addAttention(group, r);
  return r.reshape(/** @type {Value} */ (group.made[head]), output.shape, group.name);
}

/**
 * @param {Group} group
 * @param {Rewriter} r
 */
function addAttention({ name, heads }, r) {
  const [first] = /** @type {Head[]} */ (Object.values(heads));
  const { x, hidden, bias, norm } = first.branch;
  const filled = (/** @type {number} */ number, /** @type {number} */ length) =>
    r.builder.constant(new Float32Array(length).fill(number), [length], `${name}/constant`);
  /** @type {(Value | null)[]} */
  let statistics = [null, null, null, null];
  if (norm) statistics = norm.inputs.slice(1);
  else if (hidden && bias) {
    // a batch norm that the exporter folded leaves a bias: weight 1, mean 0, variance 1 and eps 0 keep every number
    const M = hidden.shape[0];
    statistics = [filled(1, M), bias, filled(0, M), filled(1, M)];
  }
  const inputs = [r.resolve(x), hidden, ...statistics,
    ...HEADS.flatMap((role) => [heads[role]?.weight ?? null, heads[role]?.bias ?? null])];
  while (inputs.at(-1) === null) inputs.pop();
  r.add('attention', name, inputs, {
    eps: norm ? norm.attributes.eps : 0, temperature: first.temperature, softmax: heads.kernels?.isSoftmax ?? false,
  });
  const { outputs } = /** @type {Node} */ (r.builder.nodes.at(-1));
  return Object.fromEntries(HEADS.filter((role) => heads[role]).map((role, i) => [role, outputs[i]]));
}

/**
 * The head of an attention that a value is, before reshapes.
 *
 * @param {Value} value
 * @param {Rewriter} r
 * @returns {Head | null}
 */
export function headOf(value, r) {
  const output = r.beforeReshape(value);
  const node = r.maker(output);
  if (node?.op !== 'sigmoid' && node?.op !== 'softmax') return null;
  const { logits, temperature } = withoutTemperature(/** @type {Value} */ (node.inputs[0]), r);
  const layer = dense(logits, r);
  if (!layer) return null;
  const features = r.beforeReshape(layer.x);
  const branch = branchOf(features, r);
  if (!branch) return null;
  const [N, C] = branch.x.shape;
  const [length, M] = layer.weight.shape;
  if (M !== (branch.hidden ? branch.hidden.shape[0] : C) || sizeOf(output.shape) !== N * length) return null;
  // a softmax over the numbers of each sample
  const { axis } = node.attributes;
  const isSoftmax = node.op === 'softmax';
  if (isSoftmax && (output.shape[axis] !== length || sizeOf(output.shape.slice(axis + 1)) !== 1)) return null;
  return { output, isSoftmax, temperature, weight: layer.weight, bias: layer.bias, features, branch };
}

/**
 * Logits before they are divided by a temperature, or multiplied by its reciprocal.
 *
 * @param {Value} value
 * @param {Rewriter} r
 * @returns {{ logits: Value, temperature: number }}
 */
function withoutTemperature(value, r) {
  const whole = r.beforeReshape(value);
  const node = r.maker(whole);
  if (node?.op === 'divide' || node?.op === 'multiply') {
    const [a, b] = /** @type {Value[]} */ (node.inputs);
    const [logits, scale] = b.constant || node.op === 'divide' ? [a, b] : [b, a];
    const number = scale.constant?.length === 1 ? scale.constant[0] : 0;
    const temperature = node.op === 'divide' ? number : 1 / number;
    if (temperature > 0 && Number.isFinite(temperature)) return { logits: r.beforeReshape(logits), temperature };
  }
  return { logits: whole, temperature: 1 };
}

/**
 * The branch that makes the features of a head: a mean, or relu(batchNorm(hidden * mean)).
 *
 * @param {Value} features
 * @param {Rewriter} r
 * @returns {Branch | null}
 */
function branchOf(features, r) {
  const relu = r.maker(features, 'relu');
  if (!relu) {
    const x = pooledImage(features, r);
    return x && { x, hidden: null, bias: null, norm: null };
  }
  const inner = r.beforeReshape(/** @type {Value} */ (relu.inputs[0]));
  const norm = r.maker(inner, 'batchNorm');
  const layer = dense(norm ? norm.inputs[0] : inner, r);
  const x = layer && pooledImage(r.beforeReshape(layer.x), r);
  // a bias before a batch norm is not the references'
  if (!layer || !x || (norm && layer.bias) || layer.weight.shape[1] !== x.shape[1]) return null;
  return { x, hidden: layer.weight, bias: layer.bias, norm };
}

/**
 * The image whose means a value is: over both axes at once, over rows of all pixels, one axis after the other, or by a
 * pool of the image's size.
 *
 * @param {Value} value
 * @param {Rewriter} r
 * @returns {Value | null}
 */
function pooledImage(value, r) {
  const node = r.maker(value);
  if (node?.op !== 'reduceMean' && node?.op !== 'averagePool') return null;
  const x = /** @type {Value} */ (node.inputs[0]);
  const { axes, kernel, padding } = node.attributes;
  if (node.op === 'averagePool') {
    const isWhole = kernel[0] === x.shape[2] && kernel[1] === x.shape[3] && sizeOf(value.shape.slice(2)) === 1;
    return isWhole && padding.every((/** @type {number} */ side) => side === 0) ? x : null;
  }
  if (x.shape.length === 4 && axes.join() === '2,3') return x;
  if (axes.length !== 1 || axes[0] < 2) return null;

  const before = r.beforeReshape(x);
  const isFlat = x.shape.length === 3 && before.shape.length === 4 && before.shape[0] === x.shape[0] &&
    before.shape[1] === x.shape[1];
  if (isFlat) return before;
  const first = r.maker(before, 'reduceMean');
  const image = first?.inputs[0];
  if (!image || image.shape.length !== 4 || first.attributes.axes.length !== 1 || first.attributes.axes[0] < 2) return null;
  return sizeOf(value.shape) === image.shape[0] * image.shape[1] ? image : null;
}

/**
 * A product with a constant matrix, as a 1x1 convolution of one pixel or a linear layer.
 *
 * @param {Value | null} value
 * @param {Rewriter} r
 * @returns {{ x: Value, weight: Value, bias: Value | null } | null}
 */
function dense(value, r) {
  const node = value && r.maker(r.beforeReshape(value));
  if (node?.op !== 'conv2d' && node?.op !== 'linear') return null;
  const [x, weight, bias = null] = /** @type {Value[]} */ (node.inputs);
  if (!weight.constant || (bias && !bias.constant)) return null;
  if (node.op === 'linear') return { x, weight, bias };
  const { groups, padding } = node.attributes;
  const isPixel = x.shape[2] === 1 && x.shape[3] === 1 && sizeOf(weight.shape.slice(2)) === 1 && groups === 1;
  if (!isPixel || padding.some((/** @type {number} */ side) => side > 0)) return null;
  return { x, weight: r.reshape(weight, weight.shape.slice(0, 2), node.name), bias };
}
