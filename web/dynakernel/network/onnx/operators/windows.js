/** What convolutions and pools share: strides, padding and dilation of windows that move over an image. */

/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').Trace} Trace */

/** @typedef {[number, number]} Pair */
/** @typedef {[top: number, left: number, bottom: number, right: number]} Padding */
/** @typedef {{ kernel: Pair, stride: Pair, padding: Padding, dilation: Pair }} Windows */

/** The largest kernel, stride, padding and dilation. */
const MAX_EXTENT = 2 ** 15;

/**
 * @param {OnnxNode} node
 * @param {number[]} shape of the image: [N, C, W] or [N, C, H, W]
 * @param {number[]} kernel
 * @returns {Windows} of an image with two axes; one with a single axis has H = 1
 */
export function readWindows(node, shape, kernel) {
  const rank = shape.length - 2;
  if (rank !== 1 && rank !== 2) throw node.unsupported(`of ${rank} axes`);
  const { stride, padding, dilation } = readAxes(node, shape, kernel);
  if (rank === 2) return /** @type {any} */ ({ kernel, stride, padding, dilation });
  return { kernel: [1, kernel[0]], stride: [1, stride[0]], padding: [0, padding[0], 0, padding[1]],
    dilation: [1, dilation[0]] };
}

/**
 * The same for any number of axes; padding has those before first.
 *
 * @param {OnnxNode} node
 * @param {number[]} shape
 * @param {number[]} kernel
 */
export function readAxes(node, shape, kernel) {
  const rank = shape.length - 2;
  if (kernel.length !== rank || !kernel.every((length) => length >= 1 && length <= MAX_EXTENT)) {
    throw node.error(`has a kernel [${kernel.join(', ')}] for ${rank} axes`);
  }
  const stride = extents(node, 'strides', rank, 1);
  const dilation = extents(node, 'dilations', rank, 1);
  const auto = node.string('auto_pad', 'NOTSET');
  const padding = auto === 'NOTSET' || auto === '' ? extents(node, 'pads', 2 * rank, 0) : new Array(2 * rank).fill(0);
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    for (let i = 0; i < rank; i++) {
      const length = shape[2 + i];
      const reach = dilation[i] * (kernel[i] - 1) + 1;
      const total = Math.max((Math.ceil(length / stride[i]) - 1) * stride[i] + reach - length, 0);
      const less = Math.floor(total / 2);
      [padding[i], padding[rank + i]] = auto === 'SAME_UPPER' ? [less, total - less] : [total - less, less];
    }
  } else if (auto !== 'NOTSET' && auto !== '' && auto !== 'VALID') {
    throw node.error(`has the unknown auto_pad ${auto}`);
  }
  return { stride, padding, dilation };
}

/**
 * A list of numbers, each by default the least that it may be.
 *
 * @param {OnnxNode} node
 * @param {string} name
 * @param {number} length
 * @param {number} least
 * @returns {number[]}
 */
function extents(node, name, length, least) {
  const values = node.ints(name, null) ?? new Array(length).fill(least);
  let i = 0;
  while (i < values.length && values[i] >= least && values[i] <= MAX_EXTENT) i++;
  if (i === length && values.length === length) return values;
  throw node.error(`must have ${length} numbers in ${name}, from ${least} to ${MAX_EXTENT}; ` +
    `got [${values.slice(0, 8).join(', ')}]`);
}

/**
 * An image with one axis as one with two: [N, C, W] -> [N, C, 1, W].
 *
 * @param {Operand} x
 * @param {Trace} t
 */
export const asImage = (x, t) => (x.shape.length === 3 ? t.reshape(x, [x.shape[0], x.shape[1], 1, x.shape[2]]) : x);

/**
 * The way back.
 *
 * @param {Operand} y [N, C, H, W]
 * @param {Operand} x the image at the beginning
 * @param {Trace} t
 */
export const asBefore = (y, x, t) => (x.shape.length === 3 ? t.reshape(y, [y.shape[0], y.shape[1], y.shape[3]]) : y);
