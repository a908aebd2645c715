/** Reductions over axes. */
import { isFloat } from '../tensors.js';
import { axesOf } from './shapes.js';

/** @typedef {import('./table.js').Entry} Entry */
/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */

/** The largest product that becomes a chain of multiplications. */
const LONGEST_PRODUCT = 256;

/** The longest axis of running sums. */
const LONGEST_SUM = 2048;

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
  CumSum: [2, 2, (node, [x, axisInput], t) => {
    const axis = t.axis(t.number(axisInput, 'axis'), x.shape.length);
    const direction = { isExclusive: node.int('exclusive', 0) !== 0, isReverse: node.int('reverse', 0) !== 0 };
    if (!x.data || isFloat(x.dtype)) return runningSums(node, x, axis, direction, t);
    const sums = runningSums(node, t.emit('cast', [x], { dtype: 'float' }), axis, direction, t);
    return t.emit('cast', [sums], { dtype: x.dtype });
  }],
};

/**
 * The sums of all elements before each, along an axis, as a product with a triangular matrix.
 *
 * @param {OnnxNode} node
 * @param {Operand} x
 * @param {number} axis
 * @param {{ isExclusive: boolean, isReverse: boolean }} direction whether an element is not in its own sum; whether
 *   those after it are summed instead
 * @param {Trace} t
 * @returns {Operand}
 */
export function runningSums(node, x, axis, { isExclusive, isReverse }, t) {
  const length = x.shape[axis];
  if (length > LONGEST_SUM) throw node.unsupported(`over ${length} elements`);
  const triangle = new Float32Array(length * length);
  for (let from = 0; from < length; from++) {
    for (let to = 0; to < length; to++) {
      const distance = isReverse ? from - to : to - from;
      triangle[from * length + to] = distance > 0 || (distance === 0 && !isExclusive) ? 1 : 0;
    }
  }
  // [..., length] * [length, length], with the axis last
  const rank = x.shape.length;
  const order = x.shape.map((_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
  const last = t.transpose(x, order);
  const rows = rank === 1 ? t.reshape(last, [1, length]) : last;
  const sums = t.emit('matmul', [rows, t.constant(triangle, [length, length])]);
  return t.transpose(t.reshape(sums, last.shape), order);
}

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
