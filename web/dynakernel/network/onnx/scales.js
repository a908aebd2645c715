/** Joins scales of channels to dynamic convolutions: the input's before them, the output's after them. */
import { sameShape } from '../../shape.js';
import { headOf, isSameBranch } from './attention.js';
import { layerNames } from './layer-names.js';

/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./rewriter.js').Rewriter} Rewriter */

/**
 * The image and the scale that a value is the product of, if nothing else needs it.
 *
 * @param {Value} value
 * @param {readonly number[]} shape [N, C, H, W], which the value must have
 * @param {Rewriter} r
 * @returns {{ x: Value, scale: Value } | null}
 */
export function scaledImage(value, shape, r) {
  const node = r.maker(value, 'multiply');
  if (!node || value.shape.length !== 4 || value.shape.some((length, i) => length !== shape[i])) return null;
  return r.isUsedOnce(value) ? partsOf(node) : null;
}

/**
 * The computed scale of channels in a product, and what it scales.
 *
 * @param {Node} node a multiplication that makes [N, C, H, W]
 * @returns {{ x: Value, scale: Value } | null}
 */
export function partsOf(node) {
  const { shape } = node.outputs[0];
  const [a, b] = /** @type {Value[]} */ (node.inputs);
  for (const [x, scale] of [[a, b], [b, a]]) {
    const isWhole = x.shape.length === 4 && x.shape.every((length, i) => length === shape[i]);
    const [N, C, H, W] = scale.shape;
    const isScale = scale.shape.length === 4 && (N === 1 || N === shape[0]) && C === shape[1] && H === 1 && W === 1;
    if (shape.length === 4 && isWhole && isScale && !scale.constant) return { x, scale };
  }
  return null;
}

/**
 * A scale of channels as [N, C].
 *
 * @param {Value} scale [N, C, 1, 1] or [1, C, 1, 1]
 * @param {number} N
 * @param {string} name
 * @param {Rewriter} r
 */
export function channelScale(scale, N, name, r) {
  const flat = r.reshape(scale, scale.shape.slice(0, 2), name);
  return flat.shape[0] === N ? flat : r.add('expand', `${name}/expand`, [flat], { shape: [N, flat.shape[1]] });
}

/**
 * Whether only reshapes between two values need them, and one node the last.
 *
 * @param {Value} last
 * @param {Value} first
 * @param {Rewriter} r
 */
export function isUsedOnceBackTo(last, first, r) {
  let value = last;
  for (let maker = r.maker(value, 'reshape'); maker; maker = r.maker(value, 'reshape')) {
    if (!r.isUsedOnce(value)) return false;
    value = /** @type {Value} */ (maker.inputs[0]);
  }
  return value === first && r.isUsedOnce(value);
}

/**
 * A product of a convolution and a scale of its output channels.
 *
 * @param {Node} node
 * @param {Rewriter} r that has counted uses
 * @returns {Value | null}
 */
export function recogniseScaled(node, r) {
  const parts = node.op === 'multiply' ? partsOf(node) : null;
  if (!parts) return null;
  const y = r.beforeReshape(parts.x);
  const convolution = r.maker(y);
  if (!convolution || !sameShape(y.shape, node.outputs[0].shape) || !isUsedOnceBackTo(parts.x, y, r)) return null;
  if (convolution.op === 'dynamicConv2d') return withOutputScale(convolution, parts.scale, r);
  return convolution.op === 'conv2d' ? betweenAttentions(convolution, parts.scale, r) : null;
}

/**
 * @param {Node} convolution
 * @param {Value} scale
 * @param {Rewriter} r
 */
function withOutputScale({ inputs, outputs, attributes, name }, scale, r) {
  const [x, a, weight, bias = null, f = null, s = null, q = null] = inputs;
  if (bias) return null; // it would be scaled too
  const factor = channelScale(scale, outputs[0].shape[0], name, r);
  const both = f ? r.add('multiply', `${name}/multiply`, [f, factor]) : factor;
  return r.add('dynamicConv2d', name, withoutLast([x, a, weight, null, both, s, q]), attributes);
}

/**
 * ODConv with one constant kernel of one tap: a convolution between two scales that are heads of one attention. Other
 * scales, such as those of squeeze and excitation, stay outside.
 *
 * @param {Node} convolution
 * @param {Value} scale
 * @param {Rewriter} r
 */
function betweenAttentions({ inputs, outputs, attributes, name }, scale, r) {
  const [x, weight, bias = null] = inputs;
  if (bias || !x || !weight?.constant) return null;
  const before = scaledImage(x, x.shape, r);
  const [first, second] = [before && headOf(before.scale, r), headOf(scale, r)];
  if (!before || !first || !second || !isSameBranch(first, second) || first.branch.x !== before.x) return null;
  const N = outputs[0].shape[0];
  const { layer } = layerNames(name, weight.stateName, undefined);
  const [s, f] = [channelScale(before.scale, N, layer, r), channelScale(scale, N, layer, r)];
  const kernels = r.reshape(weight, [1, ...weight.shape], layer);
  return r.add('dynamicConv2d', layer, [before.x, null, kernels, null, f, s], attributes);
}

/**
 * Inputs without those that are left out at the end.
 *
 * @param {(Value | null)[]} inputs
 */
export function withoutLast(inputs) {
  let count = inputs.length;
  while (count > 0 && inputs[count - 1] === null) count--;
  return inputs.slice(0, count);
}
