/** Removes nodes that only move numbers if one node, or none, does the same, and multiplications by 1. */
import { sameShape, sizeOf } from '../../shape.js';

/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./rewriter.js').Rewriter} Rewriter */

/**
 * @param {Node} node
 * @param {Rewriter} r
 * @returns {Value | null}
 */
export function simplify(node, r) {
  const x = /** @type {Value} */ (node.inputs[0]);
  if (node.op === 'reshape') return simplifyReshape(node, x, r);
  if (node.op === 'multiply' || node.op === 'divide') return simplifyScale(node);
  if (node.op !== 'transpose') return null;

  // axes of length 1 may stand anywhere
  const { order } = node.attributes;
  const long = order.filter((/** @type {number} */ axis) => x.shape[axis] > 1);
  const [{ shape }] = node.outputs;
  const isInOrder = long.every((/** @type {number} */ axis, /** @type {number} */ i) => i === 0 || axis > long[i - 1]);
  if (isInOrder) return r.reshape(r.beforeReshape(x), shape, node.name);
  const before = r.maker(x, 'transpose');
  if (!before) return null;
  const combined = order.map((/** @type {number} */ axis) => before.attributes.order[axis]);
  const source = /** @type {Value} */ (before.inputs[0]);
  if (combined.every((/** @type {number} */ axis, /** @type {number} */ i) => axis === i)) return source;
  return r.add('transpose', node.name, [source], { order: combined });
}

/**
 * A product with 1, as ODConv has for each attention that it lacks.
 *
 * @param {Node} node
 */
function simplifyScale({ op, inputs, outputs }) {
  const [a, b] = /** @type {Value[]} */ (inputs);
  const isOne = (/** @type {Value} */ value) => value.constant?.length === 1 && value.constant[0] === 1;
  const rest = isOne(b) ? a : op === 'multiply' && isOne(a) ? b : null;
  return rest && sameShape(rest.shape, outputs[0].shape) ? rest : null;
}

/**
 * @param {Node} node
 * @param {Value} x
 * @param {Rewriter} r
 */
function simplifyReshape(node, x, r) {
  const source = r.beforeReshape(x);
  const { shape } = node.outputs[0];
  if (sameShape(source.shape, shape)) return source;
  const shuffled = channelShuffle(node, source, r);
  if (shuffled) return shuffled;
  return source === x ? null : r.reshape(source, shape, node.name);
}

/**
 * [N, C, ...] -> [N, groups, C/groups, ...] -> [N, C/groups, groups, ...] -> [N, C, ...]
 *
 * @param {Node} node the last reshape
 * @param {Value} value what it reshapes
 * @param {Rewriter} r
 */
function channelShuffle(node, value, r) {
  const { shape } = node.outputs[0];
  const swap = r.maker(value, 'transpose');
  if (!swap || shape.length < 3) return null;
  const { order } = swap.attributes;
  const grouped = /** @type {Value} */ (swap.inputs[0]);
  const isSwap = order.length >= 3 &&
    order.every((/** @type {number} */ axis, /** @type {number} */ i) => axis === ([0, 2, 1][i] ?? i));
  const x = r.beforeReshape(grouped);
  const [, groups, each] = grouped.shape;
  if (!isSwap || x.constant || !sameShape(x.shape, shape) || shape[1] !== groups * each) return null;
  if (sizeOf(shape.slice(2)) !== sizeOf(grouped.shape.slice(3))) return null;
  return r.add('channelShuffle', swap.name, [x], { groups });
}
