/** Recognises dynamic convolutions: those whose kernels are a mixture of constant ones. */
import { layerNames } from './layer-names.js';
import { findMixture } from './mixture.js';

/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./mixture.js').Mixture} Mixture */
/** @typedef {import('./rewriter.js').Rewriter} Rewriter */

/**
 * A convolution with computed kernels: a dynamic one if it can be, else one with a runtime kernel. A batch that was
 * folded into groups becomes a batch again.
 *
 * @param {Node} node
 * @param {Rewriter} r
 * @returns {Value | null}
 */
export function recogniseDynamic(node, r) {
  if (node.op !== 'conv2d') return null;
  const [x, weight, bias = null] = /** @type {Value[]} */ (node.inputs);
  if (weight.constant && (!bias || bias.constant)) return null;
  const { attributes, name } = node;
  const { shape } = node.outputs[0];
  if (weight.constant) return withBias(r.add('conv2d', name, [x, weight], attributes), bias, name, r);

  const found = findMixture(weight, r);
  const dynamic = found && makeDynamic(node, found, r);
  if (dynamic) return withBias(r.reshape(dynamic.y, shape, name), dynamic.bias, name, r);

  // a batch of the kernels: a reshape of the input folded it into the channels
  const N = foldedBatch(x, weight, attributes.groups, r);
  if (N === 1) return bias ? withBias(r.add('conv2d', name, [x, weight], attributes), bias, name, r) : null;
  const images = r.reshape(x, [N, x.shape[1] / N, x.shape[2], x.shape[3]], name);
  const kernels = r.reshape(weight, [N, weight.shape[0] / N, ...weight.shape.slice(1)], name);
  const y = r.add('conv2d', name, [images, kernels], { ...attributes, groups: attributes.groups / N });
  return withBias(r.reshape(y, shape, name), bias, name, r);
}

/**
 * Adds a bias after a convolution.
 *
 * @param {Value} y
 * @param {Value | null} bias
 * @param {string} name
 * @param {Rewriter} r
 */
const withBias = (y, bias, name, r) =>
  (bias ? r.add('add', `${name}/bias`, [y, r.reshape(bias, [bias.shape[0], 1, 1], name)]) : y);

/**
 * @param {Value} x
 * @param {Value} weight
 * @param {number} groups
 * @param {Rewriter} r
 */
function foldedBatch(x, weight, groups, r) {
  if (x.shape[0] !== 1) return 1;
  const [N, C, H, W] = r.beforeReshape(x).shape;
  const rank = r.beforeReshape(x).shape.length;
  const isFolded = rank === 4 && N * C === x.shape[1] && H === x.shape[2] && W === x.shape[3];
  return isFolded && groups % N === 0 && weight.shape[0] % N === 0 ? N : 1;
}

/**
 * @param {Node} node
 * @param {{ mixture: Mixture, order: ArrayLike<number> | null }} found
 * @param {Rewriter} r
 * @returns {{ y: Value, bias: Value | null } | null} the bias that is left to add
 */
function makeDynamic(node, { mixture, order }, r) {
  const [x, weight, bias = null] = /** @type {Value[]} */ (node.inputs);
  const { N, K } = mixture;
  const { groups } = node.attributes;
  const [B, channels, H, W] = x.shape;
  const [outputs, depth, ...taps] = weight.shape;
  // each sample has kernels of its own
  if (B !== 1 || outputs % N || groups % N) return null;
  const O = outputs / N;
  const name = node.name;
  const other = bias && !bias.constant ? findMixture(bias, r) : null;
  const names = layerNames(name, mixture.constant.stateName, other?.mixture.constant.stateName);
  const kernels = kernelsOf(mixture, order, [K, O, depth, ...taps], names.weight, r);
  const attention = attentionOf(mixture, names.layer, r);

  // the bias is a mixture by the same attention, or added afterwards
  const isMixed = other !== null && isSameAttention(other.mixture, mixture, r) && other.mixture.L === O;
  const biases = isMixed ? kernelsOf(other.mixture, other.order, [K, O], names.bias, r) : null;
  const inputs = [r.reshape(x, [N, channels / N, H, W], name), attention, kernels, ...(biases ? [biases] : [])];
  const y = r.add('dynamicConv2d', names.layer, inputs, { ...node.attributes, groups: groups / N });
  return { y, bias: isMixed ? null : bias };
}

/**
 * Whether two mixtures, one of them of biases, have the same weights of kernels.
 *
 * @param {Mixture} bias
 * @param {Mixture} kernels
 * @param {Rewriter} r
 */
function isSameAttention(bias, kernels, r) {
  if (bias.N !== kernels.N || bias.K !== kernels.K || bias.transposed !== kernels.transposed) return false;
  return r.beforeReshape(bias.attention) === r.beforeReshape(kernels.attention);
}

/**
 * The constants as [K, ...]: a view if they are in order.
 *
 * @param {Mixture} mixture
 * @param {ArrayLike<number> | null} order
 * @param {number[]} shape
 * @param {string} stateName
 * @param {Rewriter} r
 */
function kernelsOf({ constant, K, L, strideK, strideL }, order, shape, stateName, r) {
  const data = /** @type {Float32Array} */ (constant.constant);
  const isRead = constant.stateName === stateName;
  if (!order && strideK === L && strideL === 1) {
    return r.builder.constant(data, shape, constant.name,
      { stateName, stateShape: isRead ? constant.stateShape : shape });
  }
  const kernels = new Float32Array(K * L);
  for (let k = 0; k < K; k++) {
    for (let l = 0; l < L; l++) kernels[k * L + l] = data[k * strideK + (order ? order[l] : l) * strideL];
  }
  // a parameter in another order is that of the layer only if the file has no name for it
  return r.builder.constant(kernels, shape, constant.name, isRead ? {} : { stateName, stateShape: shape });
}

/**
 * @param {Mixture} mixture
 * @param {string} name
 * @param {Rewriter} r
 * @returns {Value} [N, K]
 */
function attentionOf({ attention, transposed, N, K }, name, r) {
  if (!transposed) return r.reshape(attention, [N, K], name);
  return r.add('transpose', `${name}/transpose`, [r.reshape(attention, [K, N], name)], { order: [1, 0] });
}
