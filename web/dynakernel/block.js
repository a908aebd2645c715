/** DynamicKernelAggregation: attention and aggregation as one. */
import { checkStatus } from './abi.js';
import { KernelAggregation, convolutionText, noteForward } from './aggregation.js';
import { KernelAttention, checkBatch } from './attention.js';
import { readOptions } from './check.js';
import { Module, handleOf } from './module.js';
import { convolvedShape, sameShape } from './shape.js';
import { emptyTensor, pointerOf, produceInto } from './tensor.js';

/** @typedef {import('./aggregation.js').Plan} Plan */
/** @typedef {import('./config.js').AggregationConfig} AggregationConfig */
/** @typedef {import('./config.js').AttentionConfig} AttentionConfig */
/** @typedef {import('./heap.js').Floats} Floats */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * The block of Dite-HRNet: an attention branch looks at the image and mixes K kernels, with whose
 * mixture the image is convolved. Made by dk.dynamicKernelAggregation.
 */
export class DynamicKernelAggregation extends Module {
  #heap;
  #attention;
  #aggregation;
  /** Attention of the latest forward pass, [N, K].
   * @type {Tensor | null} */
  #latest = null;

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {{ attention: AttentionConfig, aggregation: AggregationConfig }} config
   */
  constructor(heap, config) {
    const attention = new KernelAttention(heap, config.attention);
    let aggregation;
    try {
      aggregation = new KernelAggregation(heap, config.aggregation);
    } catch (error) {
      attention.dispose();
      throw error;
    }
    super(heap, { kind: 'DynamicKernelAggregation', children: { attention, aggregation } });
    this.#heap = heap;
    this.#attention = attention;
    this.#aggregation = aggregation;
  }

  get attention() {
    return this.#attention;
  }

  get aggregation() {
    return this.#aggregation;
  }

  /** The configuration with all defaults filled in. */
  get config() {
    const { midChannels } = this.#attention.config;
    return Object.freeze({ ...this.#aggregation.config, midChannels });
  }

  /**
   * x [N, C, H, W] -> [N, O, Ho, Wo], where
   * Ho = floor((H + 2 * padding - dilation * (R - 1) - 1) / stride) + 1. Batch norm uses the running
   * statistics after eval(), as at first, and the batch's after train(). A call that is refused
   * leaves those statistics as they were.
   *
   * @param {Tensor} x
   * @param {{ out?: Tensor }} [options] out: a tensor [N, O, Ho, Wo] to write into, instead of a
   *   new one, so that a steady loop allocates nothing
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_SHAPE; ERR_MODE in training mode with N = 1; ERR_MEMORY
   * @example
   * let y;
   * function frame() {
   *   x = dk.fromImage(video, { out: x });
   *   y = block.forward(x, { out: y });
   *   y.drawMap(canvas);
   * }
   */
  forward(x, options) {
    const { out } = readOptions(options, 'block.forward', ['out']);
    this.#check();
    const attention = handleOf(this.#attention);
    const aggregation = handleOf(this.#aggregation);
    const { config } = this.#aggregation;
    const training = this.#attention.training;
    const input = pointerOf(this.#heap, x, 'x');
    const shape = convolvedShape(config, x.shape);
    checkBatch(training, x.shape);
    const [N, , H, W] = x.shape;

    const mixture = this.#attentionFor(N);
    try {
      const y = produceInto(this.#heap, shape, out, [x], (output) => {
        checkStatus(this.#heap.c.dk_block_forward(this.#heap.context, attention, aggregation,
          Number(training), input, N, H, W, pointerOf(this.#heap, mixture, 'attention'), output),
        convolutionText(config, x.shape));
      });
      if (mixture !== this.#latest) this.#latest?.dispose();
      this.#latest = mixture;
      noteForward(this.#aggregation, x.shape);
      return y;
    } catch (error) {
      if (mixture !== this.#latest) mixture.dispose();
      throw error;
    }
  }

  /**
   * A copy of the attention of the latest forward pass, [N * K]; null before the first.
   *
   * @returns {Floats | null}
   */
  get lastAttention() {
    this.#check();
    return this.#latest && this.#latest.toArray();
  }

  /**
   * How the latest forward pass convolved; null before the first.
   *
   * @returns {Plan | null}
   */
  get plan() {
    this.#check();
    return this.#aggregation.plan;
  }

  /** @override */
  dispose() {
    super.dispose();
    this.#latest?.dispose();
  }

  #check() {
    handleOf(this);
  }

  /** @param {number} N */
  #attentionFor(N) {
    const shape = [N, this.#aggregation.config.numKernels];
    if (this.#latest && sameShape(this.#latest.shape, shape)) return this.#latest;
    return emptyTensor(this.#heap, shape, 'attention');
  }
}
