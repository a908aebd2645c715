/** The common part of the modules that convolve: the kernels in C, and the plan. */
import { PRECISIONS, SAME_PADDING, checkStatus } from './abi.js';
import { guardClass } from './boundary.js';
import { weightShape } from './config.js';
import { Module, handleOf, recordOf, wantsGradients } from './module.js';
import { FOR_INFERENCE, halfEntry, packedEntry, sliceOf } from './packed.js';
import { checkSize, convolvedShape, pairOf, readShape, shapeText, sizeOf } from './shape.js';
import { parameterEntry } from './state.js';
import { emptyTensor, hasView, pointerOf, produce, produceInto, shapeOf } from './tensor.js';
import { warmUp } from './warmup.js';

/** @typedef {import('./abi.js').Algorithm} Algorithm */
/** @typedef {import('./config.js').AggregationConfig} AggregationConfig */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./state.js').StateEntry} StateEntry */
/** @typedef {import('./tensor.js').Tensor} Tensor */

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
 * The kind of a convolution.
 *
 * @typedef {object} ConvolutionKind
 * @property {string} kind the class, for messages
 * @property {number} initialisation a dk_initialisation
 * @property {readonly number[]} [shown] the shape of the kernels in state dicts, if it is not [K, O, C/G, Rh, Rw]
 * @property {readonly number[]} [stored] another shape of the kernels that loadStateDict takes
 * @property {boolean} [scaled] whether passes scale the mixed kernels
 * @property {boolean} [stateless] whether the kernels come from the caller
 */

/** The base class of the modules that convolve. A block has one inside. */
export class Convolution extends Module {
  #heap;
  #settings;
  /** The input's shape in the latest forward pass.
   * @type {readonly number[] | null} */
  #latestInput = null;
  /** The latest shapes of outputShape().
   * @type {{ input: readonly number[], output: readonly number[] }} */
  #shapes = { input: [], output: [] };
  #watched;

  static {
    guardClass(this, 'Convolution');
  }

  /**
   * What the module computes.
   *
   * @internal
   * @param {Convolution} convolution
   */
  static convolutionOf(convolution) {
    return convolution.#settings;
  }

  /**
   * The C object of a convolution that is about to compute. Marks the kernels for packing if the caller
   * may have written into a view on them. Refuses a disposed module.
   *
   * @internal
   * @param {Convolution} convolution
   */
  static readyHandleOf(convolution) {
    const handle = handleOf(convolution);
    if (convolution.#watched.length > 0) convolution.#noteViews(handle);
    return handle;
  }

  /**
   * Runs a forward pass. If gradients are wanted, records copies of its first two inputs for backward().
   *
   * @internal
   * @param {Convolution} convolution
   * @param {readonly Tensor[]} inputs x [N, C, H, W], what weighs or makes the kernels, and others; all checked
   * @param {Tensor | undefined} out
   * @param {(output: number) => number} run calls C, and returns its status
   * @param {boolean} [hasBias] what the record notes
   */
  static convolved(convolution, inputs, out, run, hasBias) {
    const heap = convolution.#heap;
    const input = shapeOf(inputs[0]), output = outputShape(convolution, input);
    const y = produceInto(heap, output, out, inputs, (pointer) => {
      const work = () => checkStatus(run(pointer), () => convolutionText(convolution.#settings, input));
      if (!wantsGradients(convolution)) return work();
      const recorded = inputs.slice(0, 2);
      const lengths = recorded.map((tensor) => sizeOf(shapeOf(tensor)));
      const bytes = lengths.map((length) => 4 * length);
      return recordOf(convolution).write({ input, output, hasBias }, bytes, (...copies) => {
        work();
        recorded.forEach((tensor, i) => heap.copy(copies[i], pointerOf(heap, tensor, 'the input'), lengths[i]));
      });
    });
    noteForward(convolution, input);
    return y;
  }

  /**
   * Records the input's shape in a forward pass.
   *
   * @internal
   * @param {Convolution} convolution
   * @param {readonly number[]} input [N, C, H, W]
   */
  static noteForward(convolution, input) {
    convolution.#latestInput = input;
  }

  /**
   * The output's shape [N, O, Ho, Wo]. Refuses an input that does not fit.
   *
   * @internal
   * @param {Convolution} convolution
   * @param {readonly number[]} input [N, C, H, W], the frozen shape of a tensor
   */
  static outputShape(convolution, input) {
    // the same frozen array is the same shape
    if (convolution.#shapes.input !== input) {
      convolution.#shapes = { input, output: convolvedShape(convolution.#settings, input) };
    }
    return convolution.#shapes.output;
  }

  /**
   * The kernels and biases of N images, mixed as in a forward pass.
   *
   * @internal
   * @param {Convolution} convolution
   * @param {number} N
   * @param {readonly number[]} mixture the pointers of struct dk_mixture
   * @returns {Mixed}
   */
  static mixed(convolution, N, mixture) {
    const handle = readyHandleOf(convolution);
    const heap = convolution.#heap;
    const { bias: hasBias, outChannels } = convolution.#settings;
    const bias = hasBias ? emptyTensor(heap, [N, outChannels], 'the mixed bias') : null;
    try {
      const shape = [N, ...weightShape(convolution.#settings).slice(1)];
      const weight = produce(heap, shape, 'the mixed kernels', (output) => {
        heap.c.dk_aggregation_mix(handle, heap.struct(mixture), N, output,
          bias ? pointerOf(heap, bias, 'bias') : 0);
      });
      return { weight, bias };
    } catch (error) {
      bias?.dispose();
      throw error;
    }
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {AggregationConfig} settings
   * @param {ConvolutionKind} kind
   */
  constructor(heap, settings, kind) {
    // take the memory that reads the kernels now: a module can then be saved when the heap is full
    heap.scratch(sliceOf(weightShape(settings)).bytes);
    const pointer = createConvolution(heap, settings);
    /** Tensors of `weight` that have views.
     * @type {WeakRef<Tensor>[]} */
    const watched = [];
    if (!kind.stateless) heap.c.dk_aggregation_initialise(pointer, kind.initialisation, settings.seed);
    super(heap, {
      kind: kind.kind, pointer, destroy: 'dk_aggregation_destroy',
      inference: settings.precision === 'float16' ? FOR_INFERENCE : '',
      state: kind.stateless ? [] : convolutionState(heap, pointer, settings, watched, kind),
    });
    this.#heap = heap;
    this.#settings = settings;
    this.#watched = watched;
    warmUp(heap, settings, pointer, createConvolution, kind.scaled ?? false);
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
    const convolution = handleOf(this);
    const input = readShape(shape, 'the shape');
    checkSize(input, 'the input');
    convolvedShape(this.#settings, input);
    const [N, , H, W] = input;
    return this.#heap.scope((take) => {
      const plan = take(20); // struct dk_plan: algorithm, tile, Ho, Wo, workspace
      checkStatus(this.#heap.c.dk_aggregation_plan(convolution, N, H, W, plan),
        () => convolutionText(this.#settings, input));
      const [algorithm, tile, , , workspaceBytes] = this.#heap.words(plan, 5);
      return { algorithm: this.#heap.algorithms[algorithm], tile, workspaceBytes };
    });
  }

  /**
   * Marks the kernels for packing and stops watching tensors whose views are gone. The pass after a view
   * is gone still packs, since the caller may have written before.
   *
   * @param {number} convolution
   */
  #noteViews(convolution) {
    this.#heap.c.dk_aggregation_changed(convolution);
    const alive = this.#watched.filter((reference) => {
      const tensor = reference.deref();
      return tensor !== undefined && hasView(tensor);
    });
    this.#watched.splice(0, Infinity, ...alive);
  }
}

/**
 * Kernels [N, O, C/G, Rh, Rw] and biases [N, O] of N images. bias is null if the module has none.
 *
 * @typedef {{ weight: Tensor, bias: Tensor | null }} Mixed
 */

/** The internal methods, as functions. */
export const { convolutionOf, convolved, mixed, noteForward, outputShape, readyHandleOf } = Convolution;

/**
 * Describes a call, for errors that C reports.
 *
 * @param {AggregationConfig} settings
 * @param {readonly number[]} shape
 */
export const convolutionText = ({ algorithm }, shape) => `a convolution of ${shapeText(shape)}` +
  (algorithm === 'auto' ? '' : ` with algorithm '${algorithm}'`);

/**
 * Makes the C object.
 *
 * @param {Heap} heap
 * @param {AggregationConfig} settings
 */
function createConvolution(heap, settings) {
  return heap.scope((take) => {
    const struct = take(68);
    const result = take(4);
    const [vertical, horizontal] = settings.padding === 'same'
      ? [SAME_PADDING, SAME_PADDING] : pairOf(settings.padding);
    heap.words(struct, 17).set([ // struct dk_aggregation_config
      settings.inChannels, settings.outChannels, ...pairOf(settings.kernelSize), ...pairOf(settings.stride),
      vertical, horizontal, vertical, horizontal, // top, left, bottom, right
      ...pairOf(settings.dilation), settings.groups, settings.numKernels, Number(settings.bias),
      heap.algorithms.indexOf(settings.algorithm), PRECISIONS.indexOf(settings.precision),
    ]);
    const shape = shapeText(weightShape(settings));
    const forced = settings.algorithm === 'auto' ? '' : ` with algorithm '${settings.algorithm}'`;
    checkStatus(heap.c.dk_aggregation_create(struct, result), () => `kernels ${shape}${forced}`);
    return heap.words(result, 1)[0];
  });
}

/**
 * The entries of the state dict.
 *
 * @param {Heap} heap
 * @param {number} convolution
 * @param {AggregationConfig} settings
 * @param {WeakRef<Tensor>[]} watched a tensor of the kernels is added to it when a view on it is made
 * @param {ConvolutionKind} kind
 * @returns {StateEntry[]}
 */
function convolutionState(heap, convolution, settings, watched, { shown, stored }) {
  const { numKernels: K, outChannels: O, bias, precision } = settings;
  const axes = shown ? ['numExperts'] : ['numKernels', 'outChannels', 'inChannels / groups', 'kernelSize', 'kernelSize'];
  const packed = packedEntry(heap, convolution, weightShape(settings), watched, shown);
  const weight = { ...packed, ...(precision === 'float16' ? halfEntry(packed) : {}), stored, axes };
  if (!bias) return [weight];
  return [weight, parameterEntry(heap, 'bias', [K, O], heap.c.dk_aggregation_bias(convolution), 1)];
}
