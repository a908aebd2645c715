/** The runtime: one WebAssembly module at work, and all that is made with it. */
import { KernelAggregation } from './aggregation.js';
import { KernelAttention } from './attention.js';
import { DynamicKernelAggregation } from './block.js';
import { aggregationConfig, attentionConfig, blockConfig } from './config.js';
import { fromImage } from './image.js';
import { PixelReader } from './source.js';
import { DISPOSE, tensorFrom, zeros } from './tensor.js';

/** @typedef {import('./config.js').AggregationOptions} AggregationOptions */
/** @typedef {import('./config.js').AttentionOptions} AttentionOptions */
/** @typedef {import('./config.js').BlockOptions} BlockOptions */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./image.js').ImageOptions} ImageOptions */
/** @typedef {import('./numbers.js').NestedNumbers} NestedNumbers */
/** @typedef {import('./numbers.js').TypedArray} TypedArray */
/** @typedef {import('./source.js').ImageSource} ImageSource */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/** The package's version; a test holds it to package.json's. */
export const VERSION = '0.1.0';

/**
 * What is really running.
 *
 * @typedef {object} Info
 * @property {string} version
 * @property {'baseline' | 'relaxed' | 'unknown'} simd 'unknown' for a module of the caller's own
 * @property {number} threads 1: none beside the caller's
 * @property {number} heapBytes memory of the WebAssembly module, which grows and never shrinks
 */

/**
 * The heap of a runtime, for tests.
 *
 * @type {(runtime: Runtime) => Heap}
 */
export let heapOf;

/** Makes tensors and modules, which belong to it. Made by load(). */
export class Runtime {
  #heap;
  #build;
  #reader = new PixelReader();

  static {
    heapOf = (runtime) => runtime.#heap;
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {Pick<Info, 'simd' | 'threads'>} build
   */
  constructor(heap, build) {
    this.#heap = heap;
    this.#build = build;
  }

  /**
   * What is really running, and how much memory it takes.
   *
   * @returns {Info}
   */
  get info() {
    const { simd, threads } = this.#build;
    return { version: VERSION, simd, threads, heapBytes: this.#heap.size };
  }

  /**
   * A tensor with these numbers, copied.
   *
   * @param {TypedArray | NestedNumbers} data flat, or nested as the shape says
   * @param {readonly number[]} shape images are [N, C, H, W]
   * @returns {Tensor}
   * @throws {import('./errors.js').DynakernelError} ERR_SHAPE where they do not agree; ERR_CONFIG
   *   for what is no number; ERR_MEMORY
   * @example
   * const x = dk.tensor(new Float32Array(3 * 8 * 8), [1, 3, 8, 8]);
   */
  tensor(data, shape) {
    return tensorFrom(this.#heap, data, shape);
  }

  /**
   * A tensor of zeros.
   *
   * @param {readonly number[]} shape
   * @returns {Tensor}
   */
  zeros(shape) {
    return zeros(this.#heap, shape);
  }

  /**
   * A picture as a tensor [1, channels, H, W] of (v / 255 - mean) / std for each channel. With width
   * or height it is resized, antialiased and as a whole; where alpha is not 255 it is ignored.
   *
   * @param {ImageSource} source ImageData or any { data, width, height } of RGBA bytes, canvas,
   *   OffscreenCanvas, img, ImageBitmap, video or VideoFrame
   * @param {ImageOptions} [options]
   * @returns {Tensor} out, where the options have one
   * @throws {import('./errors.js').DynakernelError} ERR_IMAGE where the picture is not there yet,
   *   or may not be read; ERR_CONFIG, ERR_SHAPE, ERR_MEMORY
   * @example
   * const x = dk.fromImage(video, {
   *   width: 192, height: 256, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225],
   * });
   */
  fromImage(source, options) {
    this.#heap.checkOpen();
    return fromImage(this.#heap, this.#reader, source, options);
  }

  /**
   * The whole block: attention, and the aggregation it steers.
   *
   * @param {BlockOptions} options
   * @returns {DynamicKernelAggregation}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_MEMORY
   * @example
   * const block = dk.dynamicKernelAggregation({
   *   inChannels: 3, outChannels: 8, kernelSize: 3, padding: 1,
   * });
   */
  dynamicKernelAggregation(options) {
    return new DynamicKernelAggregation(this.#heap, blockConfig(options));
  }

  /**
   * The attention branch alone.
   *
   * @param {AttentionOptions} options
   * @returns {KernelAttention}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_MEMORY
   * @example
   * const attention = dk.kernelAttention({ channels: 64, numKernels: 2 });
   */
  kernelAttention(options) {
    return new KernelAttention(this.#heap, attentionConfig(options));
  }

  /**
   * The mixing and the convolution alone, for an attention from elsewhere. With one kernel and an
   * attention of 1 it is an ordinary convolution.
   *
   * @param {AggregationOptions} options
   * @returns {KernelAggregation}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_MEMORY
   * @example
   * const conv = dk.kernelAggregation({ inChannels: 3, outChannels: 1, kernelSize: 5, numKernels: 1 });
   * const y = conv.forward(x, dk.tensor([1], [1, 1]));
   */
  kernelAggregation(options) {
    return new KernelAggregation(this.#heap, aggregationConfig(options));
  }

  get disposed() {
    return this.#heap.closed;
  }

  /** Gives all memory back, tensors' and modules' too. Any use of them is then an error. */
  dispose() {
    this.#heap.close();
    this.#reader.close();
  }

  [DISPOSE]() {
    this.dispose();
  }
}
