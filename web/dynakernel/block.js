/** DynamicKernelAggregation: attention and aggregation as one. */
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
   * @param {{ out?: Tensor | undefined }} [options] out: a tensor [N, O, Ho, Wo] to write into,
   *   instead of a new one, so that a steady loop allocates nothing
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_SHAPE; ERR_MODE in training mode with N = 1; ERR_CONFIG where an
   *   argument is no tensor of this runtime, out is the input, or the configuration asks for an
   *   algorithm that cannot do it; ERR_MEMORY; ERR_DISPOSED
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
    this.#check();
    const attention = handleOf(this.#attention);
    const aggregation = readyHandleOf(this.#aggregation);
    const { config } = this.#aggregation;
    const training = isTraining(this.#attention);
    const input = pointerOf(this.#heap, x, 'x');
    const shape = outputShape(this.#aggregation, shapeOf(x));
    checkBatch(training, shapeOf(x));
    const [N, , H, W] = shapeOf(x);

    const mixture = this.#attentionFor(N);
    try {
      const { c, context } = this.#heap;
      const weights = pointerOf(this.#heap, mixture, 'attention');
      const y = produceInto(this.#heap, shape, out, [x], (output) => {
        const run = (/** @type {number} */ tape) => checkStatus(c.dk_block_forward_taped(context,
          attention, aggregation, Number(training), input, N, H, W, weights, output, tape),
        () => convolutionText(config, shapeOf(x)));
        if (!wantsGradients(this)) return run(0);
        const pixels = sizeOf(shapeOf(x));
        const sizes = [c.dk_attention_tape_bytes(attention, N) >>> 0, 4 * pixels];
        return recordOf(this).write({ input: shapeOf(x), output: shape, training }, sizes, (tape, copy) => {
          run(tape);
          this.#heap.copy(copy, input, pixels);
        });
      });
      if (mixture !== this.#latest) this.#latest?.dispose();
      this.#latest = mixture;
      noteForward(this.#aggregation, shapeOf(x));
      return y;
    } catch (error) {
      if (mixture !== this.#latest) mixture.dispose();
      throw error;
    }
  }

  /**
   * Takes the gradient of the output [N, O, Ho, Wo] of the latest forward pass, and returns that of
   * its input [N, C, H, W]; adds to the gradients of the parameters. If that pass was in training
   * mode, the gradient passes through the batch's mean and variance. It may be called again for the
   * same pass, but before parameters change: it computes with the parameters as they are.
   *
   * @overload
   * @param {Tensor} gradOutput
   * @param {InputGradientOptions} [options]
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_MODE without a forward pass that was kept, see requiresGrad;
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
   * The same without the gradient of the input.
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
      const weights = pointerOf(this.#heap, this.#latest, 'attention');
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
   * A copy of the attention of the latest forward pass, [N * K]; null before the first.
   *
   * @returns {Floats | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * block.forward(x); // [1, C, H, W], 4 kernels
   * console.log(block.lastAttention); // Float32Array(4) [0.31, 0.87, 0.52, 0.44]
   */
  get lastAttention() {
    this.#check();
    return this.#latest && this.#latest.toArray();
  }

  /**
   * How the latest forward pass convolved; null before the first.
   *
   * @returns {Plan | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * block.forward(x);
   * console.log(block.plan?.algorithm); // 'toomcook'
   */
  get plan() {
    this.#check();
    return this.#aggregation.plan;
  }

  /** @override */
  dispose() {
    const latest = this.#latest; // read first, since it refuses another object as `this`
    super.dispose();
    latest?.dispose();
  }

  #check() {
    handleOf(this);
  }

  /** @param {number} N */
  #attentionFor(N) {
    const shape = [N, this.#aggregation.config.numKernels];
    if (this.#latest && sameShape(shapeOf(this.#latest), shape)) return this.#latest;
    return emptyTensor(this.#heap, shape, 'attention');
  }
}
