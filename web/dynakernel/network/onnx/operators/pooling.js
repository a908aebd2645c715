/** Pools. */
import { pooledLength } from '../../infer.js';
import { asBefore, asImage, readAxes, readWindows } from './windows.js';

/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */
/** @typedef {import('./windows.js').Padding} Padding */

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
  if (x.shape.length === 5) return poolVolume(node, x, op, attributes, t);
  const windows = readWindows(node, x.shape, node.ints('kernel_shape'));
  return asBefore(poolImage(node, asImage(x, t), op, windows, attributes, t), x, t);
}

/**
 * Three axes, as frameworks pool over channels: as an image, if the windows move along one or two neighbouring axes.
 *
 * @param {OnnxNode} node
 * @param {Operand} x [N, C, D, H, W]
 * @param {string} op
 * @param {{ [name: string]: any }} attributes
 * @param {Trace} t
 */
function poolVolume(node, x, op, attributes, t) {
  const kernel = node.ints('kernel_shape');
  const { stride, padding, dilation } = readAxes(node, x.shape, kernel);
  const isStill = kernel.map((length, i) => length === 1 && stride[i] === 1 && padding[i] === 0 && padding[i + 3] === 0);
  const [N, C, D, H, W] = x.shape;
  if (isStill[0]) {
    const last = (/** @type {number[]} */ values) => /** @type {[number, number]} */ (values.slice(1));
    const windows = { kernel: last(kernel), stride: last(stride), dilation: last(dilation),
      padding: /** @type {Padding} */ ([padding[1], padding[2], padding[4], padding[5]]) };
    const y = poolImage(node, t.reshape(x, [N, C * D, H, W]), op, windows, attributes, t);
    return t.reshape(y, [N, C, D, ...y.shape.slice(2)]);
  }
  if (!isStill[1] || !isStill[2]) throw node.unsupported('of 3 axes');
  const first = (/** @type {number[]} */ values) => /** @type {[number, number]} */ ([values[0], 1]);
  const windows = { kernel: first(kernel), stride: first(stride), dilation: first(dilation),
    padding: /** @type {Padding} */ ([padding[0], 0, padding[3], 0]) };
  const y = poolImage(node, t.reshape(x, [N, C, D, H * W]), op, windows, attributes, t);
  return t.reshape(y, [N, C, y.shape[2], H, W]);
}

/**
 * @param {OnnxNode} node
 * @param {Operand} image [N, C, H, W]
 * @param {string} op
 * @param {import('./windows.js').Windows} windows
 * @param {{ [name: string]: any }} attributes
 * @param {Trace} t
 */
function poolImage(node, image, op, { kernel, stride, padding, dilation }, attributes, t) {
  const ceil = node.int('ceil_mode', 0) !== 0;
  const size = [0, 1].map((i) => {
    const length = image.shape[2 + i];
    const reach = dilation[i] * (kernel[i] - 1) + 1;
    const count = pooledLength(length, reach, stride[i], [padding[i], padding[2 + i]], ceil);
    if (count === 0) throw node.error(`has windows that are larger than its input of ${length} with padding`);
    return count;
  });
  return t.emit(op, [image], { kernel, stride, padding, dilation, size, ...attributes });
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
