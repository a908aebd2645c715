/** Reads and checks shapes, and computes the output shape of a convolution. */
import { MAX_ELEMENTS } from './abi.js';
import { readList } from './check.js';
import { DynakernelError, byteText, given, listText } from './errors.js';

/** @typedef {import('./config.js').AggregationConfig} AggregationConfig */
/** @typedef {import('./config.js').Extent} Extent */

/**
 * An extent in both directions: [vertical, horizontal].
 *
 * @param {Extent} value
 * @returns {readonly [vertical: number, horizontal: number]}
 */
export const pairOf = (value) => (typeof value === 'number' ? [value, value] : value);

/**
 * @param {readonly number[]} shape
 * @returns {number} elements
 */
export function sizeOf(shape) {
  let product = 1;
  for (let i = 0; i < shape.length; i++) product *= shape[i];
  return product;
}

/** @param {readonly number[]} shape */
export const shapeText = (shape) => `[${listText(shape.map(String))}]`;

/**
 * @param {readonly number[]} a
 * @param {readonly number[]} b
 */
export function sameShape(a, b) {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Whether a value can be the length of a dimension.
 * @param {unknown} item */
export const isLength = (item) => Number.isSafeInteger(item) && Number(item) >= 0;

/**
 * @param {unknown} shape
 * @param {string} what
 * @returns {number[]}
 */
export function readShape(shape, what) {
  const dims = readList(shape, isLength);
  if (dims) return dims;
  throw new DynakernelError('ERR_SHAPE',
    `${what} must be an array of whole numbers such as [1, 3, 224, 224]; got ${given(shape)}`);
}

/**
 * Refuses a shape of more than MAX_ELEMENTS numbers.
 *
 * @param {readonly number[]} shape
 * @param {string} what
 */
export function checkSize(shape, what) {
  const elements = sizeOf(shape);
  if (elements <= MAX_ELEMENTS) return;
  throw new DynakernelError('ERR_MEMORY',
    `${what} ${shapeText(shape)} needs ${byteText(elements * 4)}; ` +
    `a tensor has at most ${byteText(MAX_ELEMENTS * 4)}`);
}

/**
 * Refuses an input that is not [N, C, H, W] with the given C, or that is empty.
 *
 * @param {readonly number[]} shape
 * @param {number} C
 */
export function checkImages(shape, C) {
  const expected = `[N, ${C}, H, W]`;
  if (shape.length !== 4) {
    throw new DynakernelError('ERR_SHAPE',
      `the input must have 4 dimensions, ${expected}; got ${shape.length}: ${shapeText(shape)}`);
  }
  if (shape[1] !== C) {
    throw new DynakernelError('ERR_SHAPE',
      `the input must have ${C} channels, ${expected}; got ${shape[1]}: ${shapeText(shape)}`);
  }
  if (shape.includes(0)) {
    throw new DynakernelError('ERR_SHAPE',
      `the input must not be empty: ${expected} with N, H and W at least 1; got ${shapeText(shape)}`);
  }
}

/**
 * The pixels that a kernel spans, [rows, columns].
 *
 * @param {AggregationConfig} config
 */
export function reachOf({ kernelSize, dilation }) {
  const size = pairOf(kernelSize), step = pairOf(dilation);
  return [0, 1].map((axis) => step[axis] * (size[axis] - 1) + 1);
}

/**
 * The output shape of a convolution: [N, C, H, W] -> [N, O, Ho, Wo].
 *
 * @param {AggregationConfig} config
 * @param {readonly number[]} input
 */
export function convolvedShape(config, input) {
  checkImages(input, config.inChannels);
  const { kernelSize, padding, dilation } = config;
  const reach = reachOf(config), stride = pairOf(config.stride);
  if (padding === 'same') {
    // the padding makes every kernel fit
    const output = [input[0], config.outChannels,
      Math.ceil(input[2] / stride[0]), Math.ceil(input[3] / stride[1])];
    checkSize(output, 'the output');
    return output;
  }
  const zeros = pairOf(padding);
  const padded = [input[2] + 2 * zeros[0], input[3] + 2 * zeros[1]];
  if (padded[0] < reach[0] || padded[1] < reach[1]) {
    const isDilated = Math.max(...pairOf(dilation)) > 1;
    const dilated = isDilated ? ` (size ${given(kernelSize)}, dilation ${given(dilation)})` : '';
    throw new DynakernelError('ERR_SHAPE',
      `the kernel is ${reach.join('x')}${dilated} and must fit into the input; ` +
      `the input with padding ${given(padding)} is ${padded.join('x')}`);
  }
  const output = [
    input[0], config.outChannels,
    ...padded.map((length, axis) => Math.floor((length - reach[axis]) / stride[axis]) + 1),
  ];
  checkSize(output, 'the output');
  return output;
}
