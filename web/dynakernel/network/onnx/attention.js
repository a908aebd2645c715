/** Recognises the attention of dynamic layers: sigmoid(W2 * relu(batchNorm(W1 * mean(x))) + b2). */
import { sizeOf } from '../../shape.js';

/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./rewriter.js').Rewriter} Rewriter */

/**
 * @param {readonly Node[]} nodes
 * @param {Rewriter} r after a pass
 * @returns {Map<Value, string>} attentions of dynamic layers, before reshapes, and the names for them
 */
export function attentionsOf(nodes, r) {
  /** @type {Map<Value, string>} */
  const attentions = new Map();
  for (const { op, inputs, name } of nodes) {
    if (op !== 'dynamicConv2d') continue;
    const attention = r.beforeReshape(/** @type {Value} */ (inputs[1]));
    if (!attentions.has(attention)) attentions.set(attention, `${name}.attention`);
  }
  return attentions;
}

/**
 * @param {Node} node
 * @param {Map<Value, string>} attentions
 * @param {Rewriter} r
 * @returns {Value | null}
 */
export function recogniseAttention(node, attentions, r) {
  if (node.op !== 'sigmoid') return null;
  const [output] = node.outputs;
  const name = attentions.get(output);
  if (name === undefined) return null;
  const second = dense(node.inputs[0], r);
  const relu = second && r.maker(r.beforeReshape(second.x), 'relu');
  if (!relu) return null;
  const inner = r.beforeReshape(/** @type {Value} */ (relu.inputs[0]));
  const norm = r.maker(inner, 'batchNorm');
  const first = dense(norm ? norm.inputs[0] : inner, r);
  const mean = first && r.maker(r.beforeReshape(first.x), 'reduceMean');
  const x = mean?.inputs[0];
  // a bias before a batch norm is not the reference's
  if (!first || !mean || !x || x.shape.length !== 4 || mean.attributes.axes.join() !== '2,3' || (norm && first.bias)) {
    return null;
  }
  const [M, K] = [first.weight.shape[0], second.weight.shape[0]];
  if (first.weight.shape[1] !== x.shape[1] || second.weight.shape[1] !== M || sizeOf(output.shape) !== x.shape[0] * K) {
    return null;
  }

  // a batch norm that the exporter folded leaves a bias: weight 1, mean 0, variance 1 and eps 0 keep every number
  const filled = (/** @type {number} */ number, /** @type {number} */ length) =>
    r.builder.constant(new Float32Array(length).fill(number), [length], `${name}/constant`);
  const statistics = norm ? norm.inputs.slice(1)
    : [filled(1, M), first.bias ?? filled(0, M), filled(0, M), filled(1, M)];
  const inputs = [x, first.weight, ...statistics, second.weight, second.bias ?? filled(0, K)];
  const eps = norm ? norm.attributes.eps : 0;
  return r.reshape(r.add('kernelAttention', name, inputs, { eps }), output.shape, name);
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
