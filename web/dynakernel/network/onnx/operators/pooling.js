/** Pools. */
import { pooledLength } from '../../infer.js';
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
    const reach = dilation[i] * (kernel[i] - 1) + 1;
    const count = pooledLength(length, reach, stride[i], [padding[i], padding[2 + i]], ceil);
    if (count === 0) throw node.error(`has windows that are larger than its input of ${length} with padding`);
    return count;
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
