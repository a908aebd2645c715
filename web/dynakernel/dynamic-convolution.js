/** DynamicConvolution: convolves each image with a kernel that the caller gives. */
import { checkStatus } from './abi.js';
import { checkFactor } from './aggregation.js';
import { backwardPass } from './backward.js';
import { guardClass } from './boundary.js';
import { readOptions } from './check.js';
import { weightShape } from './config.js';
import { Convolution, convolutionOf, convolutionText, convolved, outputShape, readyHandleOf } from './convolution.js';
import { DynakernelError } from './errors.js';
import { KeptTensor } from './kept.js';
import { handleOf } from './module.js';
import { sameShape, shapeText } from './shape.js';
import { pointerOf, shapeOf } from './tensor.js';

/** @typedef {import('./backward.js').BackwardOptions} BackwardOptions */
/** @typedef {import('./backward.js').InputGradientOptions} InputGradientOptions */
/** @typedef {import('./backward.js').NoInputGradientOptions} NoInputGradientOptions */
/** @typedef {import('./config.js').AggregationConfig} AggregationConfig */
/** @typedef {import('./config-family.js').DynamicConvolutionConfig} DynamicConvolutionConfig */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * A convolution without parameters: every image of a batch has a kernel of its own, which comes from elsewhere.
 * dk.dynamicConvolution makes one.
 */
export class DynamicConvolution extends Convolution {
  #heap;
  #config;
  #weightGradient;
  #biasGradient;

  static {
    guardClass(this, 'DynamicConvolution');
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {{ config: DynamicConvolutionConfig, aggregation: AggregationConfig }} settings
   */
  constructor(heap, { config, aggregation }) {
    super(heap, aggregation, { kind: 'DynamicConvolution', initialisation: 0, stateless: true });
    this.#heap = heap;
    this.#config = config;
    this.#weightGradient = new KeptTensor(heap, 'the gradient of the kernels');
    this.#biasGradient = new KeptTensor(heap, 'the gradient of the biases');
  }

  /** The configuration with all defaults filled in. */
  get config() {
    return this.#config;
  }

  /**
   * x [N, C, H, W], weight [N, O, C/G, Rh, Rw], bias [N, O] -> [N, O, Ho, Wo], with
   * Ho = floor((H + 2 * padding - dilation * (Rh - 1) - 1) / stride) + 1, and Wo likewise. Of pairs, Ho
   * takes the vertical numbers and Wo the horizontal ones. With padding 'same', Ho = ceil(H / stride).
   *
   * @param {Tensor} x
   * @param {Tensor} weight a kernel for each image
   * @param {Tensor | null} [bias] by default none
   * @param {{ out?: Tensor | undefined }} [options] out: a tensor [N, O, Ho, Wo] to write into,
   *   instead of a new one
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_SHAPE; ERR_CONFIG if an argument is not a tensor of this runtime, out
   *   is an input, or the requested algorithm does not support the configuration; ERR_MEMORY;
   *   ERR_DISPOSED
   * @example
   * const conv = dk.dynamicConvolution({ inChannels: 3, outChannels: 8, kernelSize: 3, padding: 1 });
   * const { weight, bias } = block.mix();
   * const y = conv.forward(x, weight, bias);
   */
  forward(x, weight, bias, options) {
    const { out } = readOptions(options, 'dynamicConvolution.forward', ['out']);
    // check all arguments
    const convolution = readyHandleOf(this);
    const settings = convolutionOf(this);
    const input = pointerOf(this.#heap, x, 'x');
    const kernels = pointerOf(this.#heap, weight, 'weight');
    const hasBias = bias !== undefined && bias !== null;
    const biases = hasBias ? pointerOf(this.#heap, bias, 'bias') : 0;
    outputShape(this, shapeOf(x));
    const [N, , H, W] = shapeOf(x);
    const expected = [N, ...weightShape(settings).slice(1)];
    if (!sameShape(shapeOf(weight), expected)) {
      throw new DynakernelError('ERR_SHAPE',
        `weight must be [N, O, C/G, Rh, Rw] = ${shapeText(expected)}; got ${shapeText(shapeOf(weight))}`);
    }
    if (hasBias) checkFactor('bias', shapeOf(bias), N, ['O', settings.outChannels]);

    const { c, context } = this.#heap;
    const inputs = hasBias ? [x, weight, bias] : [x, weight];
    return convolved(this, inputs, out, (output) =>
      c.dk_convolution_forward(context, convolution, input, kernels, biases, N, H, W, output), hasBias);
  }

  /**
   * Computes the gradients of the latest forward pass from the gradient of its output [N, O, Ho, Wo].
   * Returns the gradient of the input x [N, C, H, W]. `weightGradient` and `biasGradient` then hold the
   * gradients of the kernels and of the biases. You may call it again for the same pass.
   *
   * @overload
   * @param {Tensor} gradOutput
   * @param {InputGradientOptions} [options]
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_MODE if no forward pass was recorded, see requiresGrad;
   *   ERR_SHAPE, ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * conv.requiresGrad = true;
   * const y = conv.forward(x, weight, bias);
   * const { gradient } = dk.mseLoss(y, target);
   * const xGradient = conv.backward(gradient);
   * const { weightGradient, biasGradient } = conv;
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
    const { c, context } = this.#heap;
    const what = 'dynamicConvolution.backward';
    return backwardPass(this.#heap, this, what, gradOutput, options, (pass, gradient, gradInput) => {
      const { input: [N, , H, W], hasBias, parts: [x, kernels] } = pass;
      const settings = convolutionOf(this);
      const run = (/** @type {number} */ gradWeight, /** @type {number} */ gradBias) =>
        checkStatus(c.dk_convolution_backward(context, handleOf(this), x, kernels, N, H, W, gradient, gradInput,
          gradWeight, gradBias), () => `the gradient of ${convolutionText(settings, pass.input)}`);
      this.#weightGradient.write([N, ...weightShape(settings).slice(1)], (gradWeight) => {
        if (hasBias) this.#biasGradient.write([N, settings.outChannels], (gradBias) => run(gradWeight, gradBias));
        else run(gradWeight, 0);
      });
      if (!hasBias) this.#biasGradient.dispose();
    });
  }

  /**
   * The gradient [N, O, C/G, Rh, Rw] of the kernels, from the latest backward(), or null before the first. The
   * module owns its memory: the next backward() overwrites it, or disposes it if the batch has another size.
   *
   * @returns {Tensor | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * conv.backward(gradient);
   * hyperNetwork.backward(conv.weightGradient); // what made the kernels
   */
  get weightGradient() {
    handleOf(this);
    return this.#weightGradient.lend('its backward pass');
  }

  /**
   * The gradient [N, O] of the biases, from the latest backward(). Null before the first, and if the forward pass
   * had no biases. The module owns its memory, as of `weightGradient`.
   *
   * @returns {Tensor | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * conv.backward(gradient);
   * const { biasGradient } = conv;
   */
  get biasGradient() {
    handleOf(this);
    return this.#biasGradient.lend('its backward pass');
  }

  /** @override */
  dispose() {
    const gradients = [this.#weightGradient, this.#biasGradient]; // read first: this refuses another `this`
    super.dispose();
    for (const gradient of gradients) gradient.dispose();
  }
}
