/** KernelAggregation: mixes K kernels for each image, and convolves the image with the mixture. */
import { checkStatus } from './abi.js';
import { backwardPass } from './backward.js';
import { guardClass } from './boundary.js';
import { readOptions } from './check.js';
import { weightShape } from './config.js';
import { DynakernelError } from './errors.js';
import { Module, gradientsOf, handleOf, isTraining, recordOf, wantsGradients } from './module.js';
import { packedEntry, sliceOf } from './packed.js';
import { checkSize, convolvedShape, pairOf, readShape, sameShape, shapeText, sizeOf } from './shape.js';
import { parameterEntry } from './state.js';
import { Tensor, emptyTensor, hasView, pointerOf, produce, produceInto, shapeOf } from './tensor.js';
import { warmUp } from './warmup.js';

/** @typedef {import('./abi.js').Algorithm} Algorithm */
/** @typedef {import('./backward.js').BackwardOptions} BackwardOptions */
/** @typedef {import('./backward.js').InputGradientOptions} InputGradientOptions */
/** @typedef {import('./backward.js').NoInputGradientOptions} NoInputGradientOptions */
/** @typedef {import('./config.js').AggregationConfig} AggregationConfig */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./state.js').StateEntry} StateEntry */

/**
 * How a forward pass convolves.
 *
 * @typedef {object} Plan
 * @property {Algorithm} algorithm never 'auto'
 * @property {number} tile adjacent outputs that are computed together, along each transformed axis;
 *   1 if no axis is transformed
 * @property {number} workspaceBytes memory that each thread convolves in
 */

/**
 * Mixes the kernels for each image n, w[n] = sum over k of a[n, k] * weight[k], and the biases likewise.
 * Convolves the image with the mixture. dk.kernelAggregation makes one; a block has one as
 * `block.aggregation`.
 */
export class KernelAggregation extends Module {
  #heap;
  #config;
  /** The input's shape in the latest forward pass.
   * @type {readonly number[] | null} */
  #latestInput = null;
  /** The latest shapes of outputShape().
   * @type {{ input: readonly number[], output: readonly number[] }} */
  #shapes = { input: [], output: [] };
  /** The gradient of the attention, [N, K].
   * @type {Tensor | null} */
  #attentionGradient = null;
  #watched;

  static {
    guardClass(this, 'KernelAggregation');
  }

  /**
   * The C object of an aggregation that is about to compute. Marks the kernels for packing if the caller
   * may have written into a view on them. Refuses a disposed module.
   *
   * @internal
   * @param {KernelAggregation} aggregation
   */
  static readyHandleOf(aggregation) {
    const handle = handleOf(aggregation);
    if (aggregation.#watched.length > 0) aggregation.#noteViews(handle);
    return handle;
  }

  /**
   * Records the input's shape in a forward pass that the block ran.
   *
   * @internal
   * @param {KernelAggregation} aggregation
   * @param {readonly number[]} input [N, C, H, W]
   */
  static noteForward(aggregation, input) {
    aggregation.#latestInput = input;
  }

  /**
   * The output's shape [N, O, Ho, Wo]. Refuses an input that does not fit.
   *
   * @internal
   * @param {KernelAggregation} aggregation
   * @param {readonly number[]} input [N, C, H, W], the frozen shape of a tensor
   */
  static outputShape(aggregation, input) {
    // the same frozen array is the same shape
    if (aggregation.#shapes.input !== input) {
      aggregation.#shapes = { input, output: convolvedShape(aggregation.#config, input) };
    }
    return aggregation.#shapes.output;
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {AggregationConfig} config
   */
  constructor(heap, config) {
    // take the memory that reads the kernels now: a block can then be saved when the heap is full
    heap.scratch(sliceOf(weightShape(config)).bytes);
    const pointer = createAggregation(heap, config);
    /** Tensors of `weight` that have views.
     * @type {WeakRef<Tensor>[]} */
    const watched = [];
    heap.c.dk_aggregation_initialise(pointer, config.seed);
    super(heap, {
      kind: 'KernelAggregation', pointer, destroy: 'dk_aggregation_destroy',
      state: aggregationState(heap, pointer, config, watched),
    });
    this.#heap = heap;
    this.#config = config;
    this.#watched = watched;
    warmUp(heap, config, pointer, createAggregation);
  }

  /** The configuration with all defaults filled in. */
  get config() {
    return this.#config;
  }

  /**
   * How the latest forward pass convolved, or null before the first.
   *
   * @returns {Plan | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * aggregation.forward(x, a);
   * console.log(aggregation.plan?.algorithm); // 'winograd'
   */
  get plan() {
    handleOf(this);
    return this.#latestInput && this.planFor(this.#latestInput);
  }

  /**
   * How a forward pass over an input of this shape would convolve.
   *
   * @param {readonly number[]} shape [N, C, H, W]
   * @returns {Plan}
   * @throws {DynakernelError} ERR_SHAPE; ERR_CONFIG if the requested algorithm does not support the
   *   configuration; ERR_MEMORY if the input or the output is too large for a tensor, or the algorithm
   *   for its workspace; ERR_DISPOSED
   * @example
   * const { algorithm, workspaceBytes } = aggregation.planFor([1, 64, 56, 56]);
   */
  planFor(shape) {
    const aggregation = handleOf(this);
    const input = readShape(shape, 'the shape');
    checkSize(input, 'the input');
    convolvedShape(this.#config, input);
    const [N, , H, W] = input;
    return this.#heap.scope((take) => {
      const plan = take(20); // struct dk_plan: algorithm, tile, Ho, Wo, workspace
      checkStatus(this.#heap.c.dk_aggregation_plan(aggregation, N, H, W, plan),
        () => convolutionText(this.#config, input));
      const [algorithm, tile, , , workspaceBytes] = this.#heap.words(plan, 5);
      return { algorithm: this.#heap.algorithms[algorithm], tile, workspaceBytes };
    });
  }

  /**
   * x [N, C, H, W], attention [N, K] -> [N, O, Ho, Wo], with
   * Ho = floor((H + 2 * padding - dilation * (Rh - 1) - 1) / stride) + 1, and Wo likewise. Of pairs, Ho
   * takes the vertical numbers and Wo the horizontal ones.
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
    const { out } = readOptions(options, 'aggregation.forward', ['out']);
    // check all arguments
    const aggregation = readyHandleOf(this);
    const input = pointerOf(this.#heap, x, 'x');
    const weights = pointerOf(this.#heap, attention, 'attention');
    const shape = outputShape(this, shapeOf(x));
    checkAttention(shapeOf(attention), shapeOf(x)[0], this.#config.numKernels);
    const [N, , H, W] = shapeOf(x);

    const y = produceInto(this.#heap, shape, out, [x, attention], (output) => {
      const run = () => checkStatus(this.#heap.c.dk_aggregation_forward(this.#heap.context,
        aggregation, input, weights, N, H, W, output), () => convolutionText(this.#config, shapeOf(x)));
      if (!wantsGradients(this)) return run();
      // record copies of both inputs for backward()
      const inputLength = sizeOf(shapeOf(x)), weightsLength = sizeOf(shapeOf(attention));
      const pass = { input: shapeOf(x), output: shape, training: isTraining(this) };
      return recordOf(this).write(pass, [4 * inputLength, 4 * weightsLength], (inputCopy, weightsCopy) => {
        run();
        this.#heap.copy(inputCopy, input, inputLength);
        this.#heap.copy(weightsCopy, weights, weightsLength);
      });
    });
    this.#latestInput = shapeOf(x);
    return y;
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
    const what = 'aggregation.backward';
    return backwardPass(this.#heap, this, what, gradOutput, options, (pass, gradient, gradInput) => {
      const { input: [N, , H, W], parts: [x, a] } = pass;
      const gradients = gradientsOf(this);
      const { struct } = gradients;
      const attentionGradient = this.#attentionGradientFor(N);
      try {
        checkStatus(this.#heap.c.dk_aggregation_backward(this.#heap.context, readyHandleOf(this), x, a,
          N, H, W, gradient, gradInput, pointerOf(this.#heap, attentionGradient, 'its gradient'),
          struct), () => `the gradient of ${convolutionText(this.#config, pass.input)}`);
      } catch (error) {
        if (attentionGradient !== this.#attentionGradient) attentionGradient.dispose();
        throw error;
      }
      // nothing below can fail
      if (attentionGradient !== this.#attentionGradient) this.#attentionGradient?.dispose();
      this.#attentionGradient = attentionGradient;
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
    const memory = this.#attentionGradient;
    return memory && new Tensor(this.#heap, pointerOf(this.#heap, memory, 'the gradient'),
      memory.shape, { owner: memory, name: 'its backward pass' });
  }

  /** @override */
  dispose() {
    const gradient = this.#attentionGradient; // read first: this refuses another object as `this`
    super.dispose();
    gradient?.dispose();
  }

  /**
   * Marks the kernels for packing and stops watching tensors whose views are gone. The pass after a view
   * is gone still packs, since the caller may have written before.
   *
   * @param {number} aggregation
   */
  #noteViews(aggregation) {
    this.#heap.c.dk_aggregation_changed(aggregation);
    const alive = this.#watched.filter((reference) => {
      const tensor = reference.deref();
      return tensor !== undefined && hasView(tensor);
    });
    this.#watched.splice(0, Infinity, ...alive);
  }

  /**
   * The memory for the attention's gradient: the latest, if its size fits.
   *
   * @param {number} N
   */
  #attentionGradientFor(N) {
    const shape = [N, this.#config.numKernels];
    const latest = this.#attentionGradient;
    if (latest && sameShape(latest.shape, shape)) return latest;
    return emptyTensor(this.#heap, shape, "the attention's gradient");
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
    const aggregation = readyHandleOf(this);
    const weights = pointerOf(this.#heap, attention, 'attention');
    const { numKernels, outChannels } = this.#config;
    const N = shapeOf(attention)[0];
    checkAttention(shapeOf(attention), N, numKernels);
    const bias = this.#config.bias ? emptyTensor(this.#heap, [N, outChannels], 'the mixed bias') : null;
    try {
      const shape = [N, ...weightShape(this.#config).slice(1)];
      const weight = produce(this.#heap, shape, 'the mixed kernels', (output) => {
        this.#heap.c.dk_aggregation_mix(aggregation, weights, N, output,
          bias ? pointerOf(this.#heap, bias, 'bias') : 0);
      });
      return { weight, bias };
    } catch (error) {
      bias?.dispose();
      throw error;
    }
  }
}

/** The internal methods, as functions. */
export const { noteForward, outputShape, readyHandleOf } = KernelAggregation;

/**
 * Describes a call, for errors that C reports.
 *
 * @param {AggregationConfig} config
 * @param {readonly number[]} shape
 */
export const convolutionText = ({ algorithm }, shape) => `a convolution of ${shapeText(shape)}` +
  (algorithm === 'auto' ? '' : ` with algorithm '${algorithm}'`);

/**
 * Refuses an attention whose shape is not [N, K].
 *
 * @param {readonly number[]} shape
 * @param {number | undefined} N
 * @param {number} K
 */
function checkAttention(shape, N, K) {
  if (shape.length === 2 && shape[0] === N && N > 0 && shape[1] === K) return;
  throw new DynakernelError('ERR_SHAPE',
    `attention must be [N, K] = [${N || 'at least 1'}, ${K}]; got ${shapeText(shape)}`);
}

/**
 * Makes the C object.
 *
 * @param {Heap} heap
 * @param {AggregationConfig} config
 */
function createAggregation(heap, config) {
  return heap.scope((take) => {
    const struct = take(64);
    const result = take(4);
    const [vertical, horizontal] = pairOf(config.padding);
    heap.words(struct, 16).set([ // struct dk_aggregation_config
      config.inChannels, config.outChannels, ...pairOf(config.kernelSize), ...pairOf(config.stride),
      vertical, horizontal, vertical, horizontal, // top, left, bottom, right
      ...pairOf(config.dilation), config.groups, config.numKernels, Number(config.bias),
      heap.algorithms.indexOf(config.algorithm),
    ]);
    const shape = shapeText(weightShape(config));
    const forced = config.algorithm === 'auto' ? '' : ` with algorithm '${config.algorithm}'`;
    checkStatus(heap.c.dk_aggregation_create(struct, result), () => `kernels ${shape}${forced}`);
    return heap.words(result, 1)[0];
  });
}

/**
 * The entries of the state dict.
 *
 * @param {Heap} heap
 * @param {number} aggregation
 * @param {AggregationConfig} config
 * @param {WeakRef<Tensor>[]} watched a tensor of the kernels is added to it when a view on it is made
 * @returns {StateEntry[]}
 */
function aggregationState(heap, aggregation, config, watched) {
  const { numKernels: K, outChannels: O, bias } = config;
  const weight = packedEntry(heap, aggregation, weightShape(config), watched);
  if (!bias) return [weight];
  return [weight, parameterEntry(heap, 'bias', [K, O], heap.c.dk_aggregation_bias(aggregation))];
}
