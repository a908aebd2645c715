/** Pools. */
import { asBefore, asImage, readWindows } from './windows.js';

/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */

/** @type {import('./table.js').Table} */
export const POOLING = {
  AveragePool: [1, 1, (node, [x], t) =>
    pool(node, x, 'averagePool', { countIncludePad: node.int('count_include_pad', 0) !== 0 }, t)],
  MaxPool: [1, 1, (node, [x], t) => pool(node, x, 'maxPool', {}, t)],
  GlobalAveragePool: [1, 1, (node, [x], t) => globalPool(node, x, 'reduceMean', t)],
  GlobalMaxPool: [1, 1, (node, [x], t) => globalPool(node, x, 'reduceMax', t)],
};

/**
 * @param {OnnxNode} node
 * @param {Operand} x
 * @param {string} op
 * @param {{ [name: string]: any }} attributes
 * @param {Trace} t
 */
function pool(node, x, op, attributes, t) {
  const { kernel, stride, padding, dilation } = readWindows(node, x.shape, node.ints('kernel_shape'));
  const ceil = node.int('ceil_mode', 0) !== 0;
  const image = asImage(x, t);
  const size = [0, 1].map((i) => {
    const length = image.shape[2 + i];
    const room = length + padding[i] + padding[2 + i] - dilation[i] * (kernel[i] - 1) - 1;
    if (room < 0) throw node.error(`has windows that are larger than its input of ${length} with padding`);
    const count = Math.floor(room / stride[i]) + 1;
    if (!ceil || room % stride[i] === 0) return count;
    // one more window, unless it begins in the padding at the end
    return count * stride[i] < length + padding[i] ? count + 1 : count;
  });
  return asBefore(t.emit(op, [image], { kernel, stride, padding, dilation, size, ...attributes }), x, t);
}

/**
 * @param {OnnxNode} node
 * @param {Operand} x
 * @param {string} op
 * @param {Trace} t
 */
function globalPool(node, x, op, t) {
  if (x.shape.length < 3) throw node.error(`must have an input of 3 dimensions or more; got [${x.shape.join(', ')}]`);
  return t.emit(op, [x], { axes: x.shape.map((_, i) => i).slice(2), keepDims: true });
}
