/** KernelAttention: how much of each kernel an image asks for. */
import { checkStatus } from './abi.js';
import { readOptions } from './check.js';
import { DynakernelError } from './errors.js';
import { Module, handleOf } from './module.js';
import { checkImages, shapeText } from './shape.js';
import { countEntry, floatEntry, parameterEntry } from './state.js';
import { pointerOf, produceInto } from './tensor.js';

/** @typedef {import('./config.js').AttentionConfig} AttentionConfig */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./state.js').StateEntry} StateEntry */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * The attention branch: mean over H x W, 1x1 convolution, batch norm, ReLU, 1x1 convolution,
 * sigmoid. Made by dk.kernelAttention, or as `block.attention`.
 */
export class KernelAttention extends Module {
  #heap;
  #config;

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {AttentionConfig} config
   */
  constructor(heap, config) {
    const { channels: C, midChannels: M, numKernels: K, seed } = config;
    const pointer = heap.c.dk_attention_create(C, M, K) >>> 0;
    if (!pointer) heap.refuse(4 * (M * C + 4 * M + K * M + K), 'the attention branch');
    heap.c.dk_attention_initialise(pointer, seed);
    super(heap, {
      kind: 'KernelAttention', pointer, destroy: 'dk_attention_destroy',
      state: attentionState(heap, pointer, config),
    });
    this.#heap = heap;
    this.#config = config;
  }

  /** The configuration with all defaults filled in. */
  get config() {
    return this.#config;
  }

  /**
   * x [N, C, H, W] -> attention [N, K], each between 0 and 1.
   *
   * @param {Tensor} x
   * @param {{ out?: Tensor }} [options] out: a tensor [N, K] to write into, instead of a new one
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_SHAPE; ERR_MODE in training mode with N = 1; ERR_MEMORY
   */
  forward(x, options) {
    const { out } = readOptions(options, 'attention.forward', ['out']);
    const attention = handleOf(this);
    const input = pointerOf(this.#heap, x, 'x');
    const { channels, numKernels } = this.#config;
    checkImages(x.shape, channels);
    checkBatch(this.training, x.shape);
    const [N, , H, W] = x.shape;
    return produceInto(this.#heap, [N, numKernels], out, [x], (output) => {
      checkStatus(this.#heap.c.dk_attention_forward(this.#heap.context, attention,
        Number(this.training), input, N, H, W, output), `attention over ${shapeText(x.shape)}`);
    });
  }
}

/**
 * @param {boolean} training
 * @param {readonly number[]} shape [N, C, H, W]
 */
export function checkBatch(training, shape) {
  if (!training || shape[0] > 1) return;
  throw new DynakernelError('ERR_MODE',
    'training mode needs a batch of at least 2 images, since one has no variance to normalise by; ' +
    `got ${shapeText(shape)}. Call eval() to use the running statistics`);
}

/**
 * @param {Heap} heap
 * @param {number} attention
 * @param {AttentionConfig} config
 * @returns {StateEntry[]}
 */
function attentionState(heap, attention, { channels: C, midChannels: M, numKernels: K }) {
  // struct dk_attention: C, M, K, seven pointers to arrays, and a 64-bit count
  const [conv1, bnWeight, bnBias, mean, variance, conv2, conv2Bias] =
    heap.words(attention, 10).subarray(3);
  return [
    parameterEntry(heap, 'conv1.weight', [M, C, 1, 1], conv1),
    parameterEntry(heap, 'bn.weight', [M], bnWeight),
    parameterEntry(heap, 'bn.bias', [M], bnBias),
    floatEntry(heap, 'bn.running_mean', [M], mean),
    floatEntry(heap, 'bn.running_var', [M], variance),
    countEntry(heap, 'bn.num_batches_tracked', attention + 40),
    parameterEntry(heap, 'conv2.weight', [K, M, 1, 1], conv2),
    parameterEntry(heap, 'conv2.bias', [K], conv2Bias),
  ];
}
