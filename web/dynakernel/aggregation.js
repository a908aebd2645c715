/** Aggregation: mixes K kernels for each image by an attention that the caller gives, and convolves the image with it. */
import { INITIALISATION, checkStatus } from './abi.js';
import { backwardPass } from './backward.js';
import { guardClass } from './boundary.js';
import { readOptions } from './check.js';
import {
  Convolution, convolutionOf, convolutionText, convolved, mixed, outputShape, readyHandleOf,
} from './convolution.js';
import { DynakernelError } from './errors.js';
import { KeptTensor } from './kept.js';
import { gradientsOf, handleOf } from './module.js';
import { shapeText } from './shape.js';
import { pointerOf, shapeOf } from './tensor.js';

/** @typedef {import('./backward.js').BackwardOptions} BackwardOptions */
/** @typedef {import('./backward.js').InputGradientOptions} InputGradientOptions */
/** @typedef {import('./backward.js').NoInputGradientOptions} NoInputGradientOptions */
/** @typedef {import('./config.js').AggregationConfig} AggregationConfig */
/** @typedef {import('./convolution.js').ConvolutionKind} ConvolutionKind */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * Mixes the kernels for each image n, w[n] = sum over k of a[n, k] * weight[k], and the biases likewise.
 * Convolves the image with the mixture. KernelAggregation and CondConv2d are kinds of it.
 */
export class Aggregation extends Convolution {
  #heap;
  #words;
  #attentionGradient;

  static {
    guardClass(this, 'Aggregation');
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {AggregationConfig} settings
   * @param {ConvolutionKind} kind
   * @param {{ call: string, attention: string }} words the object of the calls and the attention, for messages
   */
  constructor(heap, settings, kind, words) {
    super(heap, settings, kind);
    this.#heap = heap;
    this.#words = words;
    this.#attentionGradient = new KeptTensor(heap, "the attention's gradient");
  }

  /**
   * x [N, C, H, W], attention [N, K] -> [N, O, Ho, Wo], with
   * Ho = floor((H + 2 * padding - dilation * (Rh - 1) - 1) / stride) + 1, and Wo likewise. Of pairs, Ho
   * takes the vertical numbers and Wo the horizontal ones. With padding 'same', Ho = ceil(H / stride).
   *
   * @param {Tensor} x
   * @param {Tensor} attention the share of each kernel in each image's mixture
   * @param {{ out?: Tensor | undefined }} [options] out: a tensor [N, O, Ho, Wo] to write into,
   *   instead of a new one
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_SHAPE; ERR_CONFIG if an argument is not a tensor of this runtime, out
   *   is an input, or the requested algorithm does not support the configuration; ERR_MEMORY;
   *   ERR_DISPOSED
   * @example
   * const a = dk.tensor([0.7, 0.1, 0.1, 0.1], [1, 4]);
   * const y = aggregation.forward(x, a);
   */
  forward(x, attention, options) {
    const { out } = readOptions(options, `${this.#words.call}.forward`, ['out']);
    // check all arguments
    const aggregation = readyHandleOf(this);
    const input = pointerOf(this.#heap, x, 'x');
    const weights = pointerOf(this.#heap, attention, this.#words.attention);
    outputShape(this, shapeOf(x));
    checkFactor(this.#words.attention, shapeOf(attention), shapeOf(x)[0], ['K', convolutionOf(this).numKernels]);
    const [N, , H, W] = shapeOf(x);

    const { c, context } = this.#heap;
    return convolved(this, [x, attention], out, (output) => c.dk_aggregation_forward(
      context, aggregation, input, this.#heap.struct([weights, 0, 0, 0]), N, H, W, output));
  }

  /**
   * Computes the gradients of the latest forward pass from the gradient of its output [N, O, Ho, Wo].
   * Returns the gradient of the input x [N, C, H, W]. `attentionGradient` then holds the gradient of the
   * attention. Adds to the gradients of the parameters. You may call it again for the same pass, until
   * the parameters change.
   *
   * @overload
   * @param {Tensor} gradOutput
   * @param {InputGradientOptions} [options]
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_MODE if no forward pass was recorded, see requiresGrad;
   *   ERR_SHAPE, ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * aggregation.requiresGrad = true;
   * const y = aggregation.forward(x, a);
   * const { gradient } = dk.mseLoss(y, target);
   * const xGradient = aggregation.backward(gradient);
   * const aGradient = aggregation.attentionGradient;
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
    const what = `${this.#words.call}.backward`;
    const heap = this.#heap;
    return backwardPass(heap, this, what, gradOutput, options, (pass, gradient, gradInput) => {
      const { input: [N, , H, W], parts: [x, a] } = pass;
      const settings = convolutionOf(this);
      const gradients = gradientsOf(this);
      const { struct } = gradients;
      this.#attentionGradient.write([N, settings.numKernels], (gradAttention) => {
        // struct dk_mixture, then struct dk_mixture_gradients
        const mixture = heap.struct([a, 0, 0, 0, gradAttention, 0, 0, 0]);
        checkStatus(heap.c.dk_aggregation_backward(heap.context, readyHandleOf(this), x, mixture, N, H, W,
          gradient, gradInput, mixture + 16, struct),
        () => `the gradient of ${convolutionText(settings, pass.input)}`);
      });
      gradients.noteAdded();
    });
  }

  /**
   * The gradient [N, K] of the attention, from the latest backward(), or null before the first. Pass it to
   * the module that made the attention. The aggregation owns its memory: the next backward() overwrites
   * it, or disposes it if the batch has another size.
   *
   * @returns {Tensor | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * aggregation.backward(gradient);
   * attention.backward(aggregation.attentionGradient); // `attention` made the attention
   */
  get attentionGradient() {
    handleOf(this);
    return this.#attentionGradient.lend('its backward pass');
  }

  /**
   * Mixes the kernels as a forward pass does: attention [N, K] -> weight [N, O, C/G, Rh, Rw] and
   * bias [N, O].
   *
   * @param {Tensor} attention
   * @returns {{ weight: Tensor, bias: Tensor | null }} bias is null if the module has none
   * @throws {DynakernelError} ERR_SHAPE, ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * block.forward(x); // [1, C, H, W]
   * const { weight } = block.aggregation.mix(dk.tensor(block.lastAttention, [1, 4]));
   */
  mix(attention) {
    handleOf(this);
    return mixedByKernels(this.#heap, this, attention, this.#words.attention);
  }

  /** @override */
  dispose() {
    const gradient = this.#attentionGradient; // read first: this refuses another object as `this`
    super.dispose();
    gradient.dispose();
  }
}

/**
 * The mixing and the convolution of Dite-HRNet's block. dk.kernelAggregation makes one; a block has one as
 * `block.aggregation`.
 */
export class KernelAggregation extends Aggregation {
  static {
    guardClass(this, 'KernelAggregation');
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {AggregationConfig} config
   */
  constructor(heap, config) {
    super(heap, config, { kind: 'KernelAggregation', initialisation: INITIALISATION.fanIn },
      { call: 'aggregation', attention: 'attention' });
  }

  /** The configuration with all defaults filled in. */
  get config() {
    return convolutionOf(this);
  }
}

/**
 * The kernels mixed by an attention that the caller gives.
 *
 * @param {Heap} heap
 * @param {Convolution} convolution
 * @param {Tensor} attention
 * @param {string} [name] the attention's, for messages
 */
export function mixedByKernels(heap, convolution, attention, name = 'attention') {
  const weights = pointerOf(heap, attention, name);
  const [N] = shapeOf(attention);
  checkFactor(name, shapeOf(attention), N, ['K', convolutionOf(convolution).numKernels]);
  return mixed(convolution, N, [weights, 0, 0, 0]);
}

/**
 * Refuses a factor of the mixture whose shape is not [N, length].
 *
 * @param {string} name
 * @param {readonly number[]} shape
 * @param {number | undefined} N
 * @param {readonly [letter: string, length: number]} length
 */
export function checkFactor(name, shape, N, [letter, length]) {
  if (shape.length === 2 && shape[0] === N && N > 0 && shape[1] === length) return;
  throw new DynakernelError('ERR_SHAPE',
    `${name} must be [N, ${letter}] = [${N || 'at least 1'}, ${length}]; got ${shapeText(shape)}`);
}
