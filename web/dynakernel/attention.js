/** KernelAttention: computes each kernel's share in the mixture from the image. */
import { checkStatus } from './abi.js';
import { backwardPass } from './backward.js';
import { guardClass } from './boundary.js';
import { readOptions } from './check.js';
import { DynakernelError } from './errors.js';
import { Module, gradientsOf, handleOf, isTraining, recordOf, wantsGradients } from './module.js';
import { checkImages, shapeText } from './shape.js';
import { countEntry, floatEntry, parameterEntry } from './state.js';
import { pointerOf, produceInto, shapeOf } from './tensor.js';

/** @typedef {import('./backward.js').BackwardOptions} BackwardOptions */
/** @typedef {import('./backward.js').InputGradientOptions} InputGradientOptions */
/** @typedef {import('./backward.js').NoInputGradientOptions} NoInputGradientOptions */
/** @typedef {import('./config.js').AttentionConfig} AttentionConfig */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./state.js').StateEntry} StateEntry */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * The attention branch: mean over H x W, 1x1 convolution, batch norm, ReLU, 1x1 convolution, sigmoid.
 * dk.kernelAttention makes one; a block has one as `block.attention`.
 */
export class KernelAttention extends Module {
  #heap;
  #config;

  static {
    guardClass(this, 'KernelAttention');
  }

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
   * @param {{ out?: Tensor | undefined }} [options] out: a tensor [N, K] to write into, instead of
   *   a new one
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_SHAPE; ERR_MODE in training mode with N = 1; ERR_CONFIG if an
   *   argument is not a tensor of this runtime, or out is the input; ERR_MEMORY; ERR_DISPOSED
   * @example
   * const a = attention.forward(x);
   * const y = aggregation.forward(x, a);
   */
  forward(x, options) {
    const { out } = readOptions(options, 'attention.forward', ['out']);
    // check all arguments
    const attention = handleOf(this);
    const input = pointerOf(this.#heap, x, 'x');
    const { channels, numKernels } = this.#config;
    checkImages(shapeOf(x), channels);
    const training = isTraining(this);
    checkBatch(training, shapeOf(x));
    const [N, , H, W] = shapeOf(x);
    const shape = [N, numKernels];

    const { c, context } = this.#heap;
    const call = () => `attention over ${shapeText(shapeOf(x))}`;
    return produceInto(this.#heap, shape, out, [x], (output) => {
      if (!wantsGradients(this)) {
        return checkStatus(
          c.dk_attention_forward(context, attention, Number(training), input, N, H, W, output), call);
      }
      // record the intermediate results for backward()
      const bytes = c.dk_attention_tape_bytes(attention, N) >>> 0;
      return recordOf(this).write({ input: shapeOf(x), output: shape, training }, [bytes], (tape) =>
        checkStatus(c.dk_attention_forward_taped(
          context, attention, Number(training), input, N, H, W, output, tape), call));
    });
  }

  /**
   * Computes the gradients of the latest forward pass from the gradient of its attention [N, K]. Returns
   * the gradient of the input [N, C, H, W]. Adds to the gradients of the parameters. If the pass was in
   * training mode, the gradient passes through the batch's mean and variance. You may call it again for
   * the same pass, until the parameters change.
   *
   * @overload
   * @param {Tensor} gradOutput
   * @param {InputGradientOptions} [options]
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_MODE if no forward pass was recorded, see requiresGrad;
   *   ERR_SHAPE, ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * attention.requiresGrad = true;
   * const a = attention.forward(x);
   * const { gradient } = dk.mseLoss(a, wanted);
   * attention.backward(gradient, { input: false });
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
    const what = 'attention.backward';
    return backwardPass(this.#heap, this, what, gradOutput, options, (pass, gradient, gradInput) => {
      const { input: [N, , H, W], training, parts: [tape] } = pass;
      const gradients = gradientsOf(this);
      checkStatus(this.#heap.c.dk_attention_backward(this.#heap.context, handleOf(this),
        Number(training), tape, N, H, W, gradient, gradInput, gradients.struct),
      () => `the gradient of attention over ${shapeText(pass.input)}`);
      gradients.noteAdded();
    });
  }
}

/**
 * Refuses a batch of one image in training mode.
 *
 * @param {boolean} training
 * @param {readonly number[]} shape [N, C, H, W]
 */
export function checkBatch(training, shape) {
  if (!training || shape[0] > 1) return;
  throw new DynakernelError('ERR_MODE',
    'training mode needs a batch of at least 2 images, since one image has no variance; ' +
    `got ${shapeText(shape)}. Call eval() to use the running statistics`);
}

/**
 * The entries of the state dict.
 *
 * @param {Heap} heap
 * @param {number} attention
 * @param {AttentionConfig} config
 * @returns {StateEntry[]}
 */
function attentionState(heap, attention, { channels: C, midChannels: M, numKernels: K }) {
  // struct dk_attention has C, M, K, seven pointers to arrays, and a 64-bit count
  const [conv1, bnWeight, bnBias, mean, variance, conv2, conv2Bias] =
    heap.words(attention, 10).subarray(3);
  return [
    parameterEntry(heap, 'conv1.weight', [M, C, 1, 1], conv1),
    parameterEntry(heap, 'bn.weight', [M], bnWeight),
    parameterEntry(heap, 'bn.bias', [M], bnBias),
    floatEntry(heap, 'bn.running_mean', [M], mean),
    floatEntry(heap, 'bn.running_var', [M], variance),
    countEntry('bn.num_batches_tracked', () => heap.longs(attention + 40, 1)),
    parameterEntry(heap, 'conv2.weight', [K, M, 1, 1], conv2),
    parameterEntry(heap, 'conv2.bias', [K], conv2Bias),
  ];
}
