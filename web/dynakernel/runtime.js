/** The runtime: one instance of the WebAssembly module, and everything made with it. */
import { KernelAggregation } from './aggregation.js';
import { KernelAttention } from './attention.js';
import { DynamicKernelAggregation } from './block.js';
import { DISPOSE, guardClass, rememberSelf } from './boundary.js';
import { CondConv2d, Routing } from './cond-conv.js';
import {
  condConvSettings, dyConvSettings, dynamicConvolutionSettings, odConvSettings, routingSettings,
} from './config-family.js';
import { aggregationConfig, attentionConfig, blockConfig } from './config.js';
import { DynamicConvolution } from './dynamic-convolution.js';
import { DynakernelError } from './errors.js';
import { fromImage } from './image.js';
import { PixelReader } from './source.js';
import { DyConv2d, OdConv2d } from './tempered.js';
import { tensorFrom, zeros } from './tensor.js';

/** @typedef {import('./config.js').AggregationOptions} AggregationOptions */
/** @typedef {import('./config.js').AttentionOptions} AttentionOptions */
/** @typedef {import('./config.js').BlockOptions} BlockOptions */
/** @typedef {import('./config-family.js').CondConv2dOptions} CondConv2dOptions */
/** @typedef {import('./config-family.js').DyConv2dOptions} DyConv2dOptions */
/** @typedef {import('./config-family.js').DynamicConvolutionOptions} DynamicConvolutionOptions */
/** @typedef {import('./config-family.js').OdConv2dOptions} OdConv2dOptions */
/** @typedef {import('./config-family.js').RoutingOptions} RoutingOptions */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./image.js').ImageOptions} ImageOptions */
/** @typedef {import('./loss.js').HuberOptions} HuberOptions */
/** @typedef {import('./loss.js').LossOptions} LossOptions */
/** @typedef {import('./loss.js').LossResult} LossResult */
/** @typedef {import('./module.js').Module} Module */
/** @typedef {import('./network/layers.js').BuildNetwork} BuildNetwork */
/** @typedef {import('./network/layers.js').NetworkOptions} NetworkOptions */
/** @typedef {import('./network/network.js').Network} Network */
/** @typedef {import('./network/onnx/onnx-network.js').OnnxOptions} OnnxOptions */
/** @typedef {import('./numbers.js').NestedNumbers} NestedNumbers */
/** @typedef {import('./numbers.js').TypedArray} TypedArray */
/** @typedef {import('./optimizer.js').AdamOptions} AdamOptions */
/** @typedef {import('./optimizer.js').Optimizer} Optimizer */
/** @typedef {import('./optimizer.js').SgdOptions} SgdOptions */
/** @typedef {import('./source.js').ImageSource} ImageSource */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/** The package's version. A test compares it with package.json's. */
export const VERSION = '0.1.0';

/**
 * The state of a runtime.
 *
 * @typedef {object} Info
 * @property {string} version
 * @property {'baseline' | 'relaxed' | 'unknown'} simd 'unknown' for a module of the caller's own
 * @property {number} threads 1 if only the caller's thread computes
 * @property {string | null} threadsReason why the runtime computes on one thread although load() tried to
 *   start more, or a worker was lost. null if there are more threads, or load() was asked for one
 * @property {number} heapBytes memory of the WebAssembly module. It grows and never shrinks
 */

/** Networks and training: the functions of features.js. @typedef {typeof import('./features.js')} Features */

/** Makes tensors and modules, which belong to it. load() makes one. */
export class Runtime {
  #heap;
  #build;
  #given;
  #reader = new PixelReader();

  static {
    guardClass(this, 'Runtime');
  }

  /**
   * The heap of a runtime, for tests.
   *
   * @internal
   * @param {Runtime} runtime
   */
  static heapOf(runtime) {
    return runtime.#heap;
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {Pick<Info, 'simd' | 'threads' | 'threadsReason'>} build
   * @param {Features | null} features null if the entry has none
   */
  constructor(heap, build, features) {
    rememberSelf(this, heap);
    this.#heap = heap;
    this.#build = build;
    this.#given = features;
  }

  /** @returns {Features} */
  get #features() {
    if (this.#given) return this.#given;
    throw new DynakernelError('ERR_CONFIG', 'this runtime has only blocks: networks and training need the load() of ' +
      'index.js, not of blocks.js');
  }

  /**
   * The build and the threads that are running, and the memory that they take.
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
   * Makes a tensor with a copy of these numbers.
   *
   * @param {TypedArray | NestedNumbers} data flat, or nested as the shape says
   * @param {readonly number[]} shape [N, C, H, W] for images
   * @returns {Tensor}
   * @throws {import('./errors.js').DynakernelError} ERR_SHAPE if data and shape do not agree; ERR_CONFIG
   *   if data holds anything but numbers; ERR_MEMORY; ERR_DISPOSED
   * @example
   * const x = dk.tensor(new Float32Array(3 * 8 * 8), [1, 3, 8, 8]);
   */
  tensor(data, shape) {
    return tensorFrom(this.#heap, data, shape);
  }

  /**
   * Makes a tensor of zeros.
   *
   * @param {readonly number[]} shape any number of dimensions; [] is a single number
   * @returns {Tensor}
   * @throws {import('./errors.js').DynakernelError} ERR_SHAPE, ERR_MEMORY, ERR_DISPOSED
   * @example
   * const x = dk.zeros([1, 3, 224, 224]); // for fromImage(video, { out: x })
   */
  zeros(shape) {
    return zeros(this.#heap, shape);
  }

  /**
   * Converts a picture to a tensor [1, channels, H, W] of (v / 255 - mean) / std for each channel. With
   * width or height, the picture is resized, with antialiasing. With crop, only that part is read. Alpha is ignored: transparent pixels
   * read as black, since canvases store no colour for them. Colours of wider spaces are converted to sRGB.
   *
   * An img has its natural size in CSS pixels. With srcset="photo.png 2x" that is half the file's size, and
   * the browser scales the picture. An ImageBitmap of the file has all its pixels. A WebGL canvas without
   * preserveDrawingBuffer reads as zeros once the task that drew it has ended. With Firefox's
   * resistFingerprinting, pages read noise from canvases.
   *
   * @param {ImageSource} source ImageData or any { data, width, height } of RGBA bytes, canvas,
   *   OffscreenCanvas, img, ImageBitmap, video or VideoFrame
   * @param {ImageOptions} [options]
   * @returns {Tensor} the option `out`, if there is one, or else a new tensor
   * @throws {import('./errors.js').DynakernelError} ERR_IMAGE if the picture is not loaded yet, may not
   *   be read, or has more pixels than the option maxPixels allows; ERR_CONFIG, ERR_SHAPE, ERR_MEMORY,
   *   ERR_DISPOSED
   * @example
   * const x = dk.fromImage(video, {
   *   width: 192, height: 256, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225],
   * });
   * const face = dk.fromImage(photo, { crop: { x: 310.5, y: 80, width: 96, height: 96 }, width: 48, height: 48 });
   */
  fromImage(source, options) {
    this.#heap.checkOpen();
    return fromImage(this.#heap, this.#reader, source, options);
  }

  /**
   * Makes a whole block: the attention branch, and the aggregation that it controls.
   *
   * @param {BlockOptions} options
   * @returns {DynamicKernelAggregation}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * const block = dk.dynamicKernelAggregation({
   *   inChannels: 3, outChannels: 8, kernelSize: 3, padding: 1,
   * });
   * // kernels of one row and seven columns, every other row of the image
   * const wide = dk.dynamicKernelAggregation({
   *   inChannels: 3, outChannels: 8, kernelSize: [1, 7], stride: [2, 1], padding: [0, 3],
   * });
   */
  dynamicKernelAggregation(options) {
    return new DynamicKernelAggregation(this.#heap, blockConfig(options, this.#heap.algorithms));
  }

  /**
   * Makes an attention branch alone.
   *
   * @param {AttentionOptions} options
   * @returns {KernelAttention}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * const attention = dk.kernelAttention({ channels: 64, numKernels: 2 });
   */
  kernelAttention(options) {
    return new KernelAttention(this.#heap, attentionConfig(options));
  }

  /**
   * Makes the mixing and the convolution alone, for an attention of your own. With one kernel and an
   * attention of 1 it is an ordinary convolution.
   *
   * @param {AggregationOptions} options
   * @returns {KernelAggregation}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * const conv = dk.kernelAggregation({ inChannels: 3, outChannels: 1, kernelSize: 5, numKernels: 1 });
   * const y = conv.forward(x, dk.tensor([1], [1, 1]));
   */
  kernelAggregation(options) {
    return new KernelAggregation(this.#heap, aggregationConfig(options, this.#heap.algorithms));
  }

  /**
   * Makes a DyConv: a block whose attention is a softmax over the kernels. Its parameters have the names of the
   * PyTorch code that is widely used, such as 'attention.fc1.weight'.
   *
   * @param {DyConv2dOptions} options
   * @returns {DyConv2d}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * const block = dk.dyConv2d({ inChannels: 16, outChannels: 32, kernelSize: 3, padding: 1, temperature: 1 });
   * block.loadStateDict(parseCheckpoint(bytes), { prefix: 'layer1.0.conv1.' });
   */
  dyConv2d(options) {
    return new DyConv2d(this.#heap, dyConvSettings(options, this.#heap.algorithms));
  }

  /**
   * Makes an ODConv: a block with four attentions, over kernels, input channels, output channels and taps. Its
   * parameters have the names of its authors' code, such as 'attention.channel_fc.weight'.
   *
   * @param {OdConv2dOptions} options
   * @returns {OdConv2d}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * const block = dk.odConv2d({ inChannels: 64, outChannels: 64, kernelSize: 3, padding: 1 });
   * block.forward(x);
   * const { spatial } = block.lastAttentions; // Float32Array(9)
   */
  odConv2d(options) {
    return new OdConv2d(this.#heap, odConvSettings(options, this.#heap.algorithms));
  }

  /**
   * Makes the convolution of a CondConv, whose kernels a routing mixes. Its parameters are those of timm's
   * CondConv2d: 'weight' [K, O * C/G * Rh * Rw] and 'bias' [K, O].
   *
   * @param {CondConv2dOptions} options
   * @returns {CondConv2d}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * const routing = dk.routing({ channels: 16, numExperts: 8 });
   * const conv = dk.condConv2d({ inChannels: 16, outChannels: 32, kernelSize: 3, padding: 'same', numExperts: 8 });
   * const y = conv.forward(x, routing.forward(x));
   */
  condConv2d(options) {
    return new CondConv2d(this.#heap, condConvSettings(options, this.#heap.algorithms));
  }

  /**
   * Makes the routing of one or several CondConvs: sigmoid(Linear(mean of x)). Its parameters are those of a Linear:
   * 'weight' [K, C] and 'bias' [K].
   *
   * @param {RoutingOptions} options
   * @returns {Routing}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * const routing = dk.routing({ channels: 16, numExperts: 8 });
   * routing.loadStateDict(bytes, { prefix: 'blocks.5.0.routing_fn.' });
   */
  routing(options) {
    return new Routing(this.#heap, routingSettings(options));
  }

  /**
   * Makes a convolution without parameters, for kernels that you compute: each image of a batch has its own.
   *
   * @param {DynamicConvolutionOptions} options
   * @returns {DynamicConvolution}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * const conv = dk.dynamicConvolution({ inChannels: 3, outChannels: 8, kernelSize: 3, padding: 1 });
   * const weight = dk.zeros([1, 8, 3, 3, 3]);
   * const y = conv.forward(x, weight);
   */
  dynamicConvolution(options) {
    return new DynamicConvolution(this.#heap, dynamicConvolutionSettings(options, this.#heap.algorithms));
  }

  /**
   * Makes a network, layer by layer. `build` gets the layers, named and parametrised as in PyTorch, and the inputs, and
   * returns the outputs. The whole network then runs in one call.
   *
   * Parameters have PyTorch's names: a conv2d that is named 'stem.0' has 'stem.0.weight' and 'stem.0.bias'. They are
   * initialised from the seed as PyTorch initialises each layer, and `loadStateDict` loads a checkpoint's.
   *
   * @param {{ [name: string]: readonly number[] }} inputs the shape of each input. forward() takes other sizes too, and
   *   then calls `build` again
   * @param {BuildNetwork} build
   * @param {NetworkOptions} [options]
   * @returns {Network}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_SHAPE, ERR_MEMORY, ERR_DISPOSED
   * @example
   * const net = dk.network({ image: [1, 3, 256, 192] }, (g, { image }) => {
   *   let x = g.conv2d(image, { name: 'stem.0', outChannels: 32, kernelSize: 3, stride: 2, padding: 1, bias: false });
   *   x = g.relu(g.batchNorm2d(x, { name: 'stem.1' }));
   *   x = g.dynamicKernelAggregation(x, { name: 'stem.3', outChannels: 32, kernelSize: 3, padding: 1 });
   *   return { features: x };
   * });
   * net.loadStateDict(bytes);
   */
  network(inputs, build, options) {
    this.#heap.checkOpen();
    const { createNetwork, graphMaker } = this.#features;
    return createNetwork(this.#heap, graphMaker(inputs, build, options), { label: 'network' });
  }

  /**
   * Makes a network from an ONNX file, as PyTorch, TensorFlow and PaddlePaddle export them, of opset 6 to 22. What the
   * file computes from constants and shapes is computed once. A convolution whose kernel is a mixture of constant
   * kernels becomes a dynamic layer.
   *
   * The weights are copied; nothing of the bytes is kept.
   *
   * @param {ArrayBuffer | ArrayBufferView} bytes the whole file
   * @param {OnnxOptions} [options]
   * @returns {Network}
   * @throws {import('./errors.js').DynakernelError} ERR_ONNX if the bytes are no ONNX file, or the model has operators
   *   that a network has not, all of which the message names; ERR_CONFIG if sizes are missing, or `keep` names
   *   nothing; ERR_SHAPE if a shape contradicts the file; ERR_MEMORY, ERR_DISPOSED
   * @example
   * const bytes = await (await fetch('pose.onnx')).arrayBuffer();
   * const net = dk.onnxNetwork(bytes, { shapes: { image: [1, 3, 256, 192] } });
   * const heatmaps = net.forward(dk.fromImage(canvas, { width: 192, height: 256 }));
   */
  onnxNetwork(bytes, options) {
    return this.#features.onnxNetwork(this.#heap, bytes, options);
  }

  /**
   * Mean squared error: the mean of (y - target)^2 over all elements.
   *
   * @param {Tensor} y a prediction of any shape
   * @param {Tensor} target of the same shape
   * @param {LossOptions} [options]
   * @returns {LossResult}
   * @throws {import('./errors.js').DynakernelError} ERR_SHAPE if the shapes differ or are empty;
   *   ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * const { loss, gradient } = dk.mseLoss(block.forward(x), target);
   * block.backward(gradient);
   */
  mseLoss(y, target, options) {
    return this.#features.mseLoss(this.#heap, y, target, options);
  }

  /**
   * Mean absolute error: the mean of |y - target| over all elements. The gradient of an element is 0 if
   * y equals target.
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
    return this.#features.l1Loss(this.#heap, y, target, options);
  }

  /**
   * Huber's loss. With d = y - target, it is the mean over all elements of d^2 / 2 if |d| <= delta, or
   * else of delta * (|d| - delta / 2). Outliers count less than in mseLoss.
   *
   * @param {Tensor} y a prediction of any shape
   * @param {Tensor} target of the same shape
   * @param {HuberOptions} [options]
   * @returns {LossResult}
   * @throws {import('./errors.js').DynakernelError} as mseLoss; ERR_CONFIG if delta is not positive
   * @example
   * const { loss, gradient } = dk.huberLoss(y, target, { delta: 0.1 });
   */
  huberLoss(y, target, options) {
    return this.#features.huberLoss(this.#heap, y, target, options);
  }

  /**
   * Makes an optimizer: stochastic gradient descent with momentum, as torch.optim.SGD.
   *
   * @param {Module | readonly Module[]} modules the modules to train. A module that is named twice, or
   *   also as a part of another, counts once
   * @param {SgdOptions} [options]
   * @returns {Optimizer}
   * @throws {import('./errors.js').DynakernelError} ERR_CONFIG, ERR_DISPOSED
   * @example
   * const optimizer = dk.sgd(block, { lr: 0.05, momentum: 0.9 });
   */
  sgd(modules, options) {
    this.#heap.checkOpen();
    return this.#features.sgd(this.#heap, modules, options);
  }

  /**
   * Makes an optimizer: Adam (Kingma & Ba, ICLR 2015), as torch.optim.Adam.
   *
   * @param {Module | readonly Module[]} modules the modules to train. A module that is named twice, or
   *   also as a part of another, counts once
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
    return this.#features.adam(this.#heap, modules, options);
  }

  /**
   * Frees the memory that is kept only for reuse: the workspace of forward and backward passes, which stays
   * as large as the largest pass needed, and the memory that pictures are read with. The next call that
   * needs such memory allocates it again. Call it after the last large image, or if ERR_MEMORY says that
   * the heap is full. Tensors, modules and the data for backward() stay.
   *
   * `info.heapBytes` does not change, since the memory of WebAssembly never shrinks. Other tensors and
   * modules can use the freed memory.
   *
   * @returns {number} bytes of the heap that were freed
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

  /** Whether the runtime is disposed. */
  get disposed() {
    return this.#heap.closed;
  }

  /** Frees all memory, also of tensors and modules. Any use of them then throws ERR_DISPOSED. */
  dispose() {
    this.#heap.close();
    this.#reader.close();
  }

  [DISPOSE]() {
    this.dispose();
  }
}

/** The internal method, as a function. */
export const { heapOf } = Runtime;
