/** The options of convolutions and pools: kernel, stride, padding and dilation of windows that move over an image. */
import { MAX_ELEMENTS, MAX_EXTENT } from '../../abi.js';
import { boolean, integer, readList } from '../../check.js';
import { given } from '../../errors.js';
import { pooledLength } from '../infer.js';
import { refusal, shapeRefusal } from './refusals.js';

/** @typedef {number | readonly [vertical: number, horizontal: number]} Pair */
/** @typedef {Pair | readonly [top: number, left: number, bottom: number, right: number]} Padding */

/**
 * @param {unknown} value a number for both directions, or [vertical, horizontal]
 * @param {string} what
 * @param {number} least
 * @returns {[number, number]}
 */
export function readPair(value, what, least) {
  const list = readList(value, () => true, 2);
  if (!list) return [integer(value, what, least, MAX_EXTENT), Number(value)];
  if (list.length !== 2) throw notAPair(what, value);
  return [integer(list[0], what, least, MAX_EXTENT), integer(list[1], what, least, MAX_EXTENT)];
}

/**
 * @param {string} what
 * @param {unknown} value
 */
const notAPair = (what, value) => refusal(`${what} must be a number or [vertical, horizontal]; got ${given(value)}`);

/**
 * @param {unknown} value a number, [vertical, horizontal] or [top, left, bottom, right]
 * @param {string} what
 * @returns {[number, number, number, number]} [top, left, bottom, right]
 */
export function readPadding(value, what) {
  const list = readList(value, () => true, 4);
  if (list?.length === 4) {
    return /** @type {[number, number, number, number]} */ (list.map((side) => integer(side, what, 0, MAX_EXTENT)));
  }
  const [vertical, horizontal] = readPair(value, what, 0);
  return [vertical, horizontal, vertical, horizontal];
}

/**
 * What all convolutions have in common.
 *
 * @typedef {object} Convolution
 * @property {number} C input channels
 * @property {number} O output channels
 * @property {boolean} bias
 * @property {[number, number]} kernel
 * @property {{ stride: number[], padding: number[], dilation: number[], groups: number }} attributes of the op
 */

/** The options that readConvolution reads. */
export const CONVOLUTION_NAMES = /** @type {const} */ (
  ['outChannels', 'kernelSize', 'stride', 'padding', 'dilation', 'groups', 'bias']);

/**
 * @param {string} layer for messages
 * @param {readonly number[]} shape of the input
 * @param {{ [name: string]: any }} options
 * @returns {Convolution}
 */
export function readConvolution(layer, shape, options) {
  const { outChannels, kernelSize, stride = 1, padding = 0, dilation = 1, groups = 1, bias = true } = options;
  const C = imageChannels(layer, shape);
  const O = integer(outChannels, `${layer}: outChannels`, 1, MAX_ELEMENTS);
  const G = integer(groups, `${layer}: groups`, 1, MAX_ELEMENTS);
  if (C % G !== 0 || O % G !== 0) {
    throw refusal(`${layer}: groups must divide the channels of the input and outChannels; ` +
      `got groups ${G}, ${C} channels, outChannels ${O}`);
  }
  const kernel = readPair(kernelSize, `${layer}: kernelSize`, 1);
  const strides = readPair(stride, `${layer}: stride`, 1);
  const dilations = readPair(dilation, `${layer}: dilation`, 1);
  const sides = readConvolutionPadding(layer, padding, { shape, kernel, strides, dilations });
  return {
    C, O, kernel, bias: boolean(bias, `${layer}: bias`),
    attributes: { stride: strides, padding: sides, dilation: dilations, groups: G },
  };
}

/**
 * @param {string} layer
 * @param {unknown} padding 'same' pads as TensorFlow does, so that there are length / stride outputs, rounded up. With
 *   stride 1 that is also PyTorch's 'same'
 * @param {{ shape: readonly number[], kernel: number[], strides: number[], dilations: number[] }} window
 */
function readConvolutionPadding(layer, padding, { shape, kernel, strides, dilations }) {
  if (padding !== 'same') return readPadding(padding, `${layer}: padding`);
  const totals = [0, 1].map((i) => {
    const length = shape[2 + i];
    const reach = dilations[i] * (kernel[i] - 1) + 1;
    return Math.max(0, (Math.ceil(length / strides[i]) - 1) * strides[i] + reach - length);
  });
  return [...totals.map((total) => Math.floor(total / 2)), ...totals.map((total) => Math.ceil(total / 2))];
}

/**
 * The channels of an image.
 *
 * @param {string} layer
 * @param {readonly number[]} shape
 */
export function imageChannels(layer, shape) {
  if (shape.length === 4) return shape[1];
  throw shapeRefusal(`${layer}: the input must have 4 dimensions, [N, C, H, W]; got [${shape.join(', ')}]`);
}

/** The options that readPool reads. */
export const POOL_NAMES = /** @type {const} */ (['kernelSize', 'stride', 'padding', 'ceilMode']);

/**
 * The attributes of a pool.
 *
 * @param {string} layer
 * @param {readonly number[]} shape
 * @param {{ [name: string]: any }} options
 */
export function readPool(layer, shape, options) {
  const { kernelSize, stride = kernelSize, padding = 0, dilation = 1, ceilMode = false } = options;
  imageChannels(layer, shape);
  const kernel = readPair(kernelSize, `${layer}: kernelSize`, 1);
  const strides = readPair(stride, `${layer}: stride`, 1);
  const sides = readPadding(padding, `${layer}: padding`);
  const dilations = readPair(dilation, `${layer}: dilation`, 1);
  const isCeil = boolean(ceilMode, `${layer}: ceilMode`);
  // a window of padding alone would have no maximum
  if (sides.some((side, i) => 2 * side > kernel[i % 2])) {
    throw refusal(`${layer}: padding must be at most half of kernelSize; ` +
      `got padding ${given(padding)}, kernelSize ${given(kernelSize)}`);
  }
  const size = [0, 1].map((i) => {
    const reach = dilations[i] * (kernel[i] - 1) + 1;
    const [length, padded] = [shape[2 + i], /** @type {const} */ ([sides[i], sides[2 + i]])];
    const count = pooledLength(length, reach, strides[i], padded, isCeil);
    if (count > 0) return count;
    throw shapeRefusal(`${layer}: a window that reaches over ${reach} does not fit into ${length} ` +
      `with padding ${padded.join(' and ')}`);
  });
  return { kernel, stride: strides, padding: sides, dilation: dilations, size };
}
