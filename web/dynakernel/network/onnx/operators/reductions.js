/** Reductions over axes. */
import { axesOf } from './shapes.js';

/** @typedef {import('./table.js').Entry} Entry */
/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */

/** The largest product that becomes a chain of multiplications. */
const LONGEST_PRODUCT = 256;

/** @typedef {{ axes: number[], keepDims: boolean }} Along */

/**
 * @param {(x: Operand, along: Along, t: Trace, node: OnnxNode) => Operand} compute
 * @returns {Entry}
 */
const reduction = (compute) => [1, 2, (node, [x, axesInput], t) => {
  const given = axesOf(node, axesInput, t);
  const isEmpty = !given || given.length === 0;
  const rank = x.shape.length;
  const axes = isEmpty ? x.shape.map((/** @type {number} */ _, /** @type {number} */ i) => i) : t.axes(given, rank);
  // nothing is reduced if no axes are named and the node says so; what is done to each element remains
  if (isEmpty && node.int('noop_with_empty_axes', 0) !== 0) return compute(x, { axes: [], keepDims: true }, t, node);
  return compute(x, { axes, keepDims: node.int('keepdims', 1) !== 0 }, t, node);
}];

/**
 * @param {string} op
 * @param {Operand} x
 * @param {Along} along
 * @param {Trace} t
 */
const reduced = (op, x, along, t) => (along.axes.length === 0 ? x : t.emit(op, [x], along));

/** @type {import('./table.js').Table} */
export const REDUCTIONS = {
  ReduceMean: reduction((x, along, t) => reduced('reduceMean', x, along, t)),
  ReduceSum: reduction((x, along, t) => reduced('reduceSum', x, along, t)),
  ReduceMax: reduction((x, along, t) => reduced('reduceMax', x, along, t)),
  ReduceMin: reduction((x, along, t) => t.emit('negate', [reduced('reduceMax', t.emit('negate', [x]), along, t)])),
  ReduceL1: reduction((x, along, t) => reduced('reduceSum', t.emit('abs', [x]), along, t)),
  ReduceSumSquare: reduction((x, along, t) => reduced('reduceSum', t.emit('multiply', [x, x]), along, t)),
  ReduceL2: reduction((x, along, t) => t.emit('sqrt', [reduced('reduceSum', t.emit('multiply', [x, x]), along, t)])),
  ReduceLogSum: reduction((x, along, t) => t.emit('log', [reduced('reduceSum', x, along, t)])),
  ReduceLogSumExp: reduction((x, along, t) => {
    if (along.axes.length === 0) return x;
    const largest = t.emit('reduceMax', [x], { axes: along.axes, keepDims: true });
    const sum = t.emit('reduceSum', [t.emit('exp', [t.emit('subtract', [x, largest])])], along);
    return t.emit('add', [t.emit('log', [sum]), t.reshape(largest, sum.shape)]);
  }),
  ReduceProd: reduction(product),
};

/**
 * @param {Operand} x
 * @param {Along} along
 * @param {Trace} t
 * @param {OnnxNode} node
 */
function product(x, { axes, keepDims }, t, node) {
  let result = x;
  for (const axis of axes) {
    const length = result.shape[axis];
    if (length > LONGEST_PRODUCT) throw node.unsupported(`over ${length} elements`);
    if (length === 0) throw node.error('multiplies the elements of an empty tensor');
    const size = result.shape.map((whole, i) => (i === axis ? 1 : whole));
    const parts = Array.from({ length }, (_, place) =>
      t.emit('slice', [result],
        { starts: size.map((_one, i) => (i === axis ? place : 0)), steps: size.map(() => 1), size }));
    result = parts.reduce((a, b) => t.emit('multiply', [a, b]));
  }
  return keepDims ? result : t.reshape(result, x.shape.filter((_, i) => !axes.includes(i)));
}
