/** DynamicKernelAggregation: attention and aggregation in one module. */
import { checkStatus } from './abi.js';
import {
  KernelAggregation, convolutionText, noteForward, outputShape, readyHandleOf,
} from './aggregation.js';
import { KernelAttention, checkBatch } from './attention.js';
import { backwardPass } from './backward.js';
import { guardClass } from './boundary.js';
import { readOptions } from './check.js';
import { Module, gradientsOf, handleOf, isTraining, recordOf, wantsGradients } from './module.js';
import { sameShape, sizeOf } from './shape.js';
import { emptyTensor, pointerOf, produceInto, shapeOf } from './tensor.js';

/** @typedef {import('./aggregation.js').Plan} Plan */
/** @typedef {import('./backward.js').BackwardOptions} BackwardOptions */
/** @typedef {import('./backward.js').InputGradientOptions} InputGradientOptions */
/** @typedef {import('./backward.js').NoInputGradientOptions} NoInputGradientOptions */
/** @typedef {import('./config.js').AggregationConfig} AggregationConfig */
/** @typedef {import('./config.js').AttentionConfig} AttentionConfig */
/** @typedef {import('./heap.js').Floats} Floats */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * The block of Dite-HRNet. An attention branch looks at the image, the aggregation mixes K kernels by that
 * attention, and the image is convolved with the mixture. dk.dynamicKernelAggregation makes one.
 */
export class DynamicKernelAggregation extends Module {
  #heap;
  #attention;
  #aggregation;
  /** The attention [N, K] of the latest forward pass.
   * @type {Tensor | null} */
  #latestAttention = null;

  static {
    guardClass(this, 'DynamicKernelAggregation');
  }

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

  /** The attention branch. The block owns it. */
  get attention() {
    return this.#attention;
  }

  /** The mixing and the convolution. The block owns it. */
  get aggregation() {
    return this.#aggregation;
  }

  /** The configuration with all defaults filled in. */
  get config() {
    const { midChannels } = this.#attention.config;
    return Object.freeze({ ...this.#aggregation.config, midChannels });
  }

  /**
   * x [N, C, H, W] -> [N, O, Ho, Wo], with
   * Ho = floor((H + 2 * padding - dilation * (Rh - 1) - 1) / stride) + 1, and Wo likewise. Of pairs, Ho
   * takes the vertical numbers and Wo the horizontal ones. Batch norm uses the running
   * statistics at first and after eval(), and the batch's after train(). A call that throws leaves the
   * running statistics as they were.
   *
   * @param {Tensor} x
   * @param {{ out?: Tensor | undefined }} [options] out: a tensor [N, O, Ho, Wo] to write into,
   *   instead of a new one. With it, a steady loop allocates nothing
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_SHAPE; ERR_MODE in training mode with N = 1; ERR_CONFIG if an
   *   argument is not a tensor of this runtime, out is the input, or the requested algorithm does not
   *   support the configuration; ERR_MEMORY; ERR_DISPOSED
   * @example
   * const x = dk.zeros([1, 3, 256, 192]);
   * let y;
   * function frame() {
   *   dk.fromImage(video, { out: x });
   *   y = block.forward(x, { out: y });
   *   y.drawMap(canvas);
   * }
   */
  forward(x, options) {
    const { out } = readOptions(options, 'block.forward', ['out']);
    // check all arguments
    handleOf(this);
    const attention = handleOf(this.#attention);
    const aggregation = readyHandleOf(this.#aggregation);
    const { config } = this.#aggregation;
    const training = isTraining(this.#attention);
    const input = pointerOf(this.#heap, x, 'x');
    const shape = outputShape(this.#aggregation, shapeOf(x));
    checkBatch(training, shapeOf(x));
    const [N, , H, W] = shapeOf(x);

    const newAttention = this.#attentionFor(N);
    try {
      const { c, context } = this.#heap;
      const weights = pointerOf(this.#heap, newAttention, 'attention');
      const call = () => convolutionText(config, shapeOf(x));
      const y = produceInto(this.#heap, shape, out, [x], (output) => {
        if (!wantsGradients(this)) {
          return checkStatus(c.dk_block_forward(
            context, attention, aggregation, Number(training), input, N, H, W, weights, output), call);
        }
        // record the attention's intermediate results and a copy of the input for backward()
        const inputLength = sizeOf(shapeOf(x));
        const sizes = [c.dk_attention_tape_bytes(attention, N) >>> 0, 4 * inputLength];
        const pass = { input: shapeOf(x), output: shape, training };
        return recordOf(this).write(pass, sizes, (tape, inputCopy) => {
          checkStatus(c.dk_block_forward_taped(
            context, attention, aggregation, Number(training), input, N, H, W, weights, output, tape), call);
          this.#heap.copy(inputCopy, input, inputLength);
        });
      });
      // the pass succeeded: keep its attention
      if (newAttention !== this.#latestAttention) this.#latestAttention?.dispose();
      this.#latestAttention = newAttention;
      noteForward(this.#aggregation, shapeOf(x));
      return y;
    } catch (error) {
      if (newAttention !== this.#latestAttention) newAttention.dispose();
      throw error;
    }
  }

  /**
   * Computes the gradients of the latest forward pass from the gradient of its output [N, O, Ho, Wo].
   * Returns the gradient of the input [N, C, H, W]. Adds to the gradients of the parameters. If the pass
   * was in training mode, the gradient passes through the batch's mean and variance. You may call it
   * again for the same pass, until the parameters change: it computes with the current parameters.
   *
   * @overload
   * @param {Tensor} gradOutput
   * @param {InputGradientOptions} [options]
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_MODE if no forward pass was recorded, see requiresGrad;
   *   ERR_SHAPE, ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * block.requiresGrad = true;
   * const optimizer = dk.adam(block.train(), { lr: 1e-2 });
   * let y, gradient, loss;
   * for (let step = 0; step < 1000; step++) {
   *   y = block.forward(x, { out: y });
   *   ({ loss, gradient } = dk.mseLoss(y, target, { out: gradient }));
   *   optimizer.zeroGrad();
   *   block.backward(gradient, { input: false });
   *   optimizer.step();
   * }
   */
  /**
   * Does the same without the gradient of the input.
   *
   * @overload
   * @param {Tensor} gradOutput
   * @param {NoInputGradientOptions} options
   * @returns {null}
   */
  /**
   * @param {Tensor} gradOutput
   * @param {BackwardOptions} [options]
   * @returns {Tensor | null}
   */
  backward(gradOutput, options) {
    const what = 'block.backward';
    return backwardPass(this.#heap, this, what, gradOutput, options, (pass, gradient, gradInput) => {
      const { input: [N, , H, W], training, parts: [tape, x] } = pass;
      const attention = handleOf(this.#attention);
      const aggregation = readyHandleOf(this.#aggregation);
      const weights = pointerOf(this.#heap, this.#latestAttention, 'attention');
      // a frozen part gets no gradients
      const trained = [this.#attention, this.#aggregation].map((part) =>
        (part.requiresGrad ? gradientsOf(part) : null));
      const [attentionStruct, aggregationStruct] = trained.map((gradients) => gradients?.struct ?? 0);
      checkStatus(this.#heap.c.dk_block_backward(this.#heap.context, attention, aggregation,
        Number(training), tape, x, weights, N, H, W, gradient, gradInput, attentionStruct,
        aggregationStruct),
      () => `the gradient of ${convolutionText(this.#aggregation.config, pass.input)}`);
      for (const gradients of trained) gradients?.noteAdded();
    });
  }

  /**
   * A copy of the attention of the latest forward pass, [N * K], or null before the first.
   *
   * @returns {Floats | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * block.forward(x); // [1, C, H, W], 4 kernels
   * console.log(block.lastAttention); // Float32Array(4) [0.31, 0.87, 0.52, 0.44]
   */
  get lastAttention() {
    handleOf(this);
    return this.#latestAttention && this.#latestAttention.toArray();
  }

  /**
   * How the latest forward pass convolved, or null before the first.
   *
   * @returns {Plan | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * block.forward(x);
   * console.log(block.plan?.algorithm); // 'toomcook'
   */
  get plan() {
    handleOf(this);
    return this.#aggregation.plan;
  }

  /** @override */
  dispose() {
    const attention = this.#latestAttention; // read first: this refuses another object as `this`
    super.dispose();
    attention?.dispose();
  }

  /**
   * The memory for the attention of N images: the latest, if its size fits.
   *
   * @param {number} N
   */
  #attentionFor(N) {
    const shape = [N, this.#aggregation.config.numKernels];
    const latest = this.#latestAttention;
    if (latest && sameShape(shapeOf(latest), shape)) return latest;
    return emptyTensor(this.#heap, shape, 'attention');
  }
}
