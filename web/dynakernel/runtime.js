/** The runtime: one WebAssembly module at work, and all that is made with it. */
import { KernelAggregation } from './aggregation.js';
import { KernelAttention } from './attention.js';
import { DynamicKernelAggregation } from './block.js';
import { guardClass, rememberSelf } from './boundary.js';
import { aggregationConfig, attentionConfig, blockConfig } from './config.js';
import { fromImage } from './image.js';
import { huberLoss, l1Loss, mseLoss } from './loss.js';
import { adam, sgd } from './optimizer.js';
import { PixelReader } from './source.js';
import { DISPOSE, tensorFrom, zeros } from './tensor.js';

/** @typedef {import('./config.js').AggregationOptions} AggregationOptions */
/** @typedef {import('./config.js').AttentionOptions} AttentionOptions */
/** @typedef {import('./config.js').BlockOptions} BlockOptions */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./image.js').ImageOptions} ImageOptions */
/** @typedef {import('./loss.js').HuberOptions} HuberOptions */
/** @typedef {import('./loss.js').LossOptions} LossOptions */
/** @typedef {import('./loss.js').LossResult} LossResult */
/** @typedef {import('./module.js').Module} Module */
/** @typedef {import('./numbers.js').NestedNumbers} NestedNumbers */
/** @typedef {import('./numbers.js').TypedArray} TypedArray */
/** @typedef {import('./optimizer.js').AdamOptions} AdamOptions */
/** @typedef {import('./optimizer.js').Optimizer} Optimizer */
/** @typedef {import('./optimizer.js').SgdOptions} SgdOptions */
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
 * @property {number} threads 1: none beside the caller's, or no longer
 * @property {string | null} threadsReason why there is one thread although load() might have started
 *   more, or did until a worker was lost; null if there are more, or if load() was asked for one
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
    guardClass(this, 'Runtime');
    heapOf = (runtime) => runtime.#heap;
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {Pick<Info, 'simd' | 'threads' | 'threadsReason'>} build
   */
  constructor(heap, build) {
    rememberSelf(this, heap);
    this.#heap = heap;
    this.#build = build;
  }

  /**
   * What is really running, and how much memory it takes.
   *
   * @returns {Readonly<Info>}
   * @throws {import('./errors.js').DynakernelError} ERR_DISPOSED
   * @example
   * const { simd, threads, heapBytes } = dk.info;
   * console.log(`${simd} SIMD, ${threads} threads, ${(heapBytes / 1e6).toFixed(1)} MB`);
   */
  get info() {
    const { simd, threads, threadsReason } = this.#build;
    const lost = threads > 1 ? this.#heap.lostThreads : null;
    return {
      version: VERSION, simd, threads: lost === null ? threads : 1, threadsReason: lost ?? threadsReason,
      heapBytes: this.#heap.size,
    };
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
   * @param {readonly number[]} shape of any number of dimensions; [] is one number
   * @returns {Tensor}
   * @throws {import('./errors.js').DynakernelError} ERR_SHAPE, ERR_MEMORY
   * @example
   * const x = dk.zeros([1, 3, 224, 224]); // for fromImage(video, { out: x })
   */
  zeros(shape) {
    return zeros(this.#heap, shape);
  }

  /**
   * A picture as a tensor [1, channels, H, W] of (v / 255 - mean) / std for each channel. With width
   * or height it is resized, antialiased and as a whole. Alpha is ignored, so that transparent pixels,
   * which canvases keep without a colour, read as black. Colours of wider spaces are converted to sRGB.
   *
   * An img has its natural size, which counts CSS pixels: half the file's with srcset="photo.png 2x".
   * The browser scales it to that; an ImageBitmap of the file has all its pixels.
   * A WebGL canvas without preserveDrawingBuffer reads as zeros once the task that drew it has ended.
   * With Firefox's resistFingerprinting, what pages read of canvases has noise.
   *
   * @param {ImageSource} source ImageData or any { data, width, height } of RGBA bytes, canvas,
   *   OffscreenCanvas, img, ImageBitmap, video or VideoFrame
   * @param {ImageOptions} [options]
   * @returns {Tensor} out, where the options have one
   * @throws {import('./errors.js').DynakernelError} ERR_IMAGE if the picture is not there yet, may not
   *   be read, or has more pixels than the option maxPixels allows; ERR_CONFIG, ERR_SHAPE, ERR_MEMORY,
   *   ERR_DISPOSED
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
    return new DynamicKernelAggregation(this.#heap, blockConfig(options, this.#heap.algorithms));
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
    return new KernelAggregation(this.#heap, aggregationConfig(options, this.#heap.algorithms));
  }

  /**
   * Mean squared error: the mean of (y - target)^2 over all elements.
   *
   * @param {Tensor} y a prediction of any shape
   * @param {Tensor} target of the same shape
   * @param {LossOptions} [options]
   * @returns {LossResult}
   * @throws {import('./errors.js').DynakernelError} ERR_SHAPE where the shapes differ or are empty;
   *   ERR_CONFIG, ERR_MEMORY
   * @example
   * const { loss, gradient } = dk.mseLoss(block.forward(x), target);
   * block.backward(gradient);
   */
  mseLoss(y, target, options) {
    return mseLoss(this.#heap, y, target, options);
  }

  /**
   * Mean absolute error: the mean of |y - target| over all elements. Its gradient is 0 where they
   * are equal.
   *
   * @param {Tensor} y a prediction of any shape
   * @param {Tensor} target of the same shape
   * @param {LossOptions} [options]
   * @returns {LossResult}
   * @throws {import('./errors.js').DynakernelError} as mseLoss
   * @example
   * const { loss, gradient } = dk.l1Loss(y, target);
   */
  l1Loss(y, target, options) {
    return l1Loss(this.#heap, y, target, options);
  }

  /**
   * Huber's loss: with d = y - target, the mean of d^2 / 2 where |d| <= delta, and of
   * delta * (|d| - delta / 2) elsewhere, so that outliers count less than in mseLoss.
   *
   * @param {Tensor} y a prediction of any shape
   * @param {Tensor} target of the same shape
   * @param {HuberOptions} [options]
   * @returns {LossResult}
   * @throws {import('./errors.js').DynakernelError} as mseLoss; ERR_CONFIG where delta is not
   *   positive
   * @example
   * const { loss, gradient } = dk.huberLoss(y, target, { delta: 0.1 });
   */
  huberLoss(y, target, options) {
    return huberLoss(this.#heap, y, target, options);
  }

  /**
   * Stochastic gradient descent with momentum, as torch.optim.SGD.
   *
   * @param {Module | readonly Module[]} modules whose parameters to train; one that is named twice,
   *   or as a part of another, counts once
   * @param {SgdOptions} [options]
   * @returns {Optimizer}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_DISPOSED
   * @example
   * const optimizer = dk.sgd(block, { lr: 0.05, momentum: 0.9 });
   */
  sgd(modules, options) {
    this.#heap.checkOpen();
    return sgd(this.#heap, modules, options);
  }

  /**
   * Adam (Kingma & Ba, ICLR 2015), as torch.optim.Adam.
   *
   * @param {Module | readonly Module[]} modules whose parameters to train; one that is named twice,
   *   or as a part of another, counts once
   * @param {AdamOptions} [options]
   * @returns {Optimizer}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_DISPOSED
   * @example
   * block.requiresGrad = true;
   * const optimizer = dk.adam(block, { lr: 1e-2 });
   * for (let step = 0; step < 100; step++) {
   *   const y = block.forward(x);
   *   const { gradient } = dk.mseLoss(y, target);
   *   optimizer.zeroGrad();
   *   block.backward(gradient).dispose();
   *   optimizer.step();
   *   for (const tensor of [y, gradient]) tensor.dispose();
   * }
   */
  adam(modules, options) {
    this.#heap.checkOpen();
    return adam(this.#heap, modules, options);
  }

  /**
   * Gives back the memory that is kept only to be used again: the workspace that forward and backward
   * passes compute in, which stays as large as the largest of them needed, and what pictures are read with.
   * The next call that needs it takes it again. Call it after the last large image, or when ERR_MEMORY says
   * that the heap is full. Tensors, modules and what backward() needs stay. `info.heapBytes` stays too,
   * since WebAssembly's memory never shrinks: what is given back is there for other tensors and modules.
   *
   * @returns {number} bytes of the heap that were given back
   * @throws {import('./errors.js').DynakernelError} ERR_DISPOSED
   * @example
   * const y = block.forward(photograph); // of 4000 x 3000 pixels
   * dk.trim(); // only small ones follow
   */
  trim() {
    const bytes = this.#heap.trim();
    this.#reader.close();
    return bytes;
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
