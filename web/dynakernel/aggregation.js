/** KernelAggregation: K kernels, mixed for each image, and the convolution with the mixture. */
import { checkStatus } from './abi.js';
import { backwardPass } from './backward.js';
import { guardClass } from './boundary.js';
import { readOptions } from './check.js';
import { weightShape } from './config.js';
import { DynakernelError } from './errors.js';
import { Module, gradientsOf, handleOf, isTraining, recordOf, wantsGradients } from './module.js';
import { packedEntry, sliceOf } from './packed.js';
import { checkSize, convolvedShape, readShape, sameShape, shapeText, sizeOf } from './shape.js';
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
 * How a forward pass is done.
 *
 * @typedef {object} Plan
 * @property {Algorithm} algorithm never 'auto'
 * @property {number} tile outputs in a row that are computed as one, along each transformed axis;
 *   1 where nothing is transformed
 * @property {number} workspaceBytes memory that each thread convolves in
 */

/**
 * Records the input shape of a forward pass that the block ran.
 *
 * @type {(aggregation: KernelAggregation, shape: readonly number[]) => void}
 */
export let noteForward;

/**
 * [N, C, H, W] -> [N, O, Ho, Wo], as convolvedShape; what it answered last is kept.
 *
 * @type {(aggregation: KernelAggregation, shape: readonly number[]) => readonly number[]}
 */
export let outputShape;

/**
 * The C object of an aggregation that is about to compute. The kernels are packed again if somebody may have
 * written into a view on them.
 *
 * @type {(aggregation: KernelAggregation) => number}
 */
export let readyHandleOf;

/**
 * For each image n the kernels are mixed, w[n] = sum over k of a[n, k] * weight[k] and likewise the
 * biases, and the image is convolved with the mixture. Made by dk.kernelAggregation, or as
 * `block.aggregation`.
 */
export class KernelAggregation extends Module {
  #heap;
  #config;
  /** @type {readonly number[] | null} */
  #latest = null;
  /** @type {{ input: readonly number[], output: readonly number[] }} */
  #shapes = { input: [], output: [] };
  /** The gradient of the attention, [N, K].
   * @type {Tensor | null} */
  #attentionGradient = null;
  #watched;

  static {
    guardClass(this, 'KernelAggregation');
    readyHandleOf = (aggregation) => {
      const handle = handleOf(aggregation);
      if (aggregation.#watched.length > 0) aggregation.#noteViews(handle);
      return handle;
    };
    noteForward = (aggregation, shape) => {
      aggregation.#latest = shape;
    };
    outputShape = (aggregation, input) => {
      // Tensors' shapes are frozen: the same array is the same shape.
      if (aggregation.#shapes.input !== input) {
        aggregation.#shapes = { input, output: convolvedShape(aggregation.#config, input) };
      }
      return aggregation.#shapes.output;
    };
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {AggregationConfig} config
   */
  constructor(heap, config) {
    // Kernels go in and out through it: a block can then be saved when the heap is full.
    heap.scratch(sliceOf(weightShape(config)).bytes);
    const pointer = createAggregation(heap, config);
    /** Tensors of `weight` that views were made of.
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
   * How the latest forward pass was done; null before the first.
   *
   * @returns {Plan | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * aggregation.forward(x, a);
   * console.log(aggregation.plan?.algorithm); // 'winograd'
   */
  get plan() {
    handleOf(this);
    return this.#latest && this.planFor(this.#latest);
  }

  /**
   * How a forward pass over an input of this shape would be done.
   *
   * @param {readonly number[]} shape [N, C, H, W]
   * @returns {Plan}
   * @throws {DynakernelError} ERR_SHAPE; ERR_CONFIG where the configuration asks for an algorithm
   *   that cannot do it; ERR_MEMORY where the input or the output would be larger than any tensor, or
   *   that algorithm has no room to compute in
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
   * x [N, C, H, W], attention [N, K] -> [N, O, Ho, Wo], where
   * Ho = floor((H + 2 * padding - dilation * (R - 1) - 1) / stride) + 1.
   *
   * @param {Tensor} x
   * @param {Tensor} attention how much of each kernel goes into each image's mixture
   * @param {{ out?: Tensor | undefined }} [options] out: a tensor [N, O, Ho, Wo] to write into,
   *   instead of a new one
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_SHAPE; ERR_CONFIG where an argument is no tensor of this runtime,
   *   out is an input, or the configuration asks for an algorithm that cannot do it; ERR_MEMORY;
   *   ERR_DISPOSED
   * @example
   * const a = dk.tensor([0.7, 0.1, 0.1, 0.1], [1, 4]);
   * const y = aggregation.forward(x, a);
   */
  forward(x, attention, options) {
    const { out } = readOptions(options, 'aggregation.forward', ['out']);
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
      const [pixels, mixtures] = [sizeOf(shapeOf(x)), sizeOf(shapeOf(attention))];
      const pass = { input: shapeOf(x), output: shape, training: isTraining(this) };
      return recordOf(this).write(pass, [4 * pixels, 4 * mixtures], (inputCopy, weightsCopy) => {
        run();
        this.#heap.copy(inputCopy, input, pixels);
        this.#heap.copy(weightsCopy, weights, mixtures);
      });
    });
    this.#latest = shapeOf(x);
    return y;
  }

  /**
   * Takes the gradient of the output [N, O, Ho, Wo] of the latest forward pass, and returns that of
   * its input x [N, C, H, W]; `attentionGradient` then is that of its attention. Adds to the
   * gradients of the parameters. It may be called again for the same pass, but before parameters
   * change.
   *
   * @overload
   * @param {Tensor} gradOutput
   * @param {InputGradientOptions} [options]
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_MODE without a forward pass that was kept, see requiresGrad;
   *   ERR_SHAPE, ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * aggregation.requiresGrad = true;
   * const y = aggregation.forward(x, a);
   * const { gradient } = dk.mseLoss(y, target);
   * const xGradient = aggregation.backward(gradient);
   * const aGradient = aggregation.attentionGradient;
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
      if (attentionGradient !== this.#attentionGradient) this.#attentionGradient?.dispose();
      this.#attentionGradient = attentionGradient;
      gradients.noteAdded();
    });
  }

  /**
   * The gradient [N, K] of the attention that the forward pass was given, from the latest
   * backward(), for whatever the attention came from; null before the first. It is the module's own
   * memory: the next backward() overwrites it, or ends it where the batch has another size.
   *
   * @returns {Tensor | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * aggregation.backward(gradient);
   * attention.backward(aggregation.attentionGradient); // of a module that made the attention
   */
  get attentionGradient() {
    handleOf(this);
    const memory = this.#attentionGradient;
    return memory && new Tensor(this.#heap, pointerOf(this.#heap, memory, 'the gradient'),
      memory.shape, { owner: memory, name: 'its backward pass' });
  }

  /** @override */
  dispose() {
    const gradient = this.#attentionGradient; // read first, since it refuses another object as `this`
    super.dispose();
    gradient?.dispose();
  }

  /**
   * Values that were written into a view may still have to be packed when the view is gone: one more pass
   * packs them, and the next ones cost nothing again.
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

  /** @param {number} N */
  #attentionGradientFor(N) {
    const shape = [N, this.#config.numKernels];
    const latest = this.#attentionGradient;
    if (latest && sameShape(latest.shape, shape)) return latest;
    return emptyTensor(this.#heap, shape, "the attention's gradient");
  }

  /**
   * What a forward pass with this attention applies: attention [N, K] -> weight
   * [N, O, C/G, R, R] and bias [N, O], or null where the module has none.
   *
   * @param {Tensor} attention
   * @returns {{ weight: Tensor, bias: Tensor | null }}
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

/**
 * A call in words, for errors that C answers.
 *
 * @param {AggregationConfig} config
 * @param {readonly number[]} shape
 */
export const convolutionText = ({ algorithm }, shape) => `a convolution of ${shapeText(shape)}` +
  (algorithm === 'auto' ? '' : ` with algorithm '${algorithm}'`);

/**
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
 * @param {Heap} heap
 * @param {AggregationConfig} config
 */
function createAggregation(heap, config) {
  return heap.scope((take) => {
    const struct = take(40);
    const result = take(4);
    heap.words(struct, 10).set([ // struct dk_aggregation_config
      config.inChannels, config.outChannels, config.kernelSize, config.stride, config.padding,
      config.dilation, config.groups, config.numKernels, Number(config.bias),
      heap.algorithms.indexOf(config.algorithm),
    ]);
    const shape = shapeText(weightShape(config));
    const forced = config.algorithm === 'auto' ? '' : ` with algorithm '${config.algorithm}'`;
    checkStatus(heap.c.dk_aggregation_create(struct, result), () => `kernels ${shape}${forced}`);
    return heap.words(result, 1)[0];
  });
}

/**
 * @param {Heap} heap
 * @param {number} aggregation
 * @param {AggregationConfig} config
 * @param {WeakRef<Tensor>[]} watched gets each tensor of the kernels that a view is made of
 * @returns {StateEntry[]}
 */
function aggregationState(heap, aggregation, config, watched) {
  const { numKernels: K, outChannels: O, bias } = config;
  const weight = packedEntry(heap, aggregation, weightShape(config), watched);
  if (!bias) return [weight];
  return [weight, parameterEntry(heap, 'bias', [K, O], heap.c.dk_aggregation_bias(aggregation))];
}
