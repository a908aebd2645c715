/** Blocks: an attention branch, and the convolution whose kernels it mixes. */
import { HEADS, checkStatus } from './abi.js';
import { KernelAggregation, mixedByKernels } from './aggregation.js';
import {
  KernelAttention, attentionOf, checkBatch, outputsOf, temperatureOf, withTemperature,
} from './attention.js';
import { backwardPass } from './backward.js';
import { guardClass } from './boundary.js';
import { readOptions } from './check.js';
import { convolutionOf, convolutionText, mixed, noteForward, outputShape, readyHandleOf } from './convolution.js';
import { DynakernelError } from './errors.js';
import { KeptTensor } from './kept.js';
import { Module, gradientsOf, handleOf, isTraining, recordOf, wantsGradients } from './module.js';
import { sizeOf } from './shape.js';
import { pointerOf, produceInto, shapeOf } from './tensor.js';

/** @typedef {import('./attention.js').Attention} Attention */
/** @typedef {import('./backward.js').BackwardOptions} BackwardOptions */
/** @typedef {import('./backward.js').InputGradientOptions} InputGradientOptions */
/** @typedef {import('./backward.js').NoInputGradientOptions} NoInputGradientOptions */
/** @typedef {import('./config.js').AggregationConfig} AggregationConfig */
/** @typedef {import('./config.js').AttentionConfig} AttentionConfig */
/** @typedef {import('./convolution.js').Convolution} Convolution */
/** @typedef {import('./convolution.js').Mixed} Mixed */
/** @typedef {import('./convolution.js').Plan} Plan */
/** @typedef {import('./heap.js').Floats} Floats */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * The parts of a block.
 *
 * @typedef {object} BlockParts
 * @property {string} kind the class, for messages
 * @property {() => Attention} makeAttention
 * @property {() => Convolution} makeConvolution
 * @property {boolean} [nested] whether the names of the convolution's parameters begin with 'aggregation.'
 */

/**
 * The base class of dynamic convolutions with an attention branch of their own. The branch looks at the image,
 * the kernels are mixed by its attention, and the image is convolved with the mixture.
 */
export class Block extends Module {
  #heap;
  #attention;
  #convolution;
  /** The outputs of the attention branch in the latest forward pass: those of each head, one after the other. */
  #outputs;

  static {
    guardClass(this, 'Block');
  }

  /**
   * The two parts. Refuses a disposed block.
   *
   * @internal
   * @param {Block} block
   */
  static partsOf(block) {
    handleOf(block);
    return { attention: block.#attention, convolution: block.#convolution };
  }

  /**
   * The output of one head in the latest forward pass: its place in the heap and its length. Null before the
   * first pass, and if there is no such head.
   *
   * @internal
   * @param {Block} block
   * @param {number} head a dk_head
   */
  static headOf(block, head) {
    handleOf(block);
    const { heads } = attentionOf(block.#attention);
    if (!block.#outputs.shape || heads[head] === 0) return null;
    const [N] = block.#outputs.shape;
    const before = heads.slice(0, head).reduce((sum, length) => sum + length, 0);
    return { pointer: block.#outputs.pointer + 4 * N * before, length: N * heads[head] };
  }

  /**
   * A copy of the output of one head in the latest forward pass, or null.
   *
   * @internal
   * @param {Block} block
   * @param {number} head a dk_head
   */
  static headCopy(block, head) {
    const output = headOf(block, head);
    return output && block.#heap.floats(output.pointer, output.length).slice();
  }

  /**
   * The kernels and biases of the latest forward pass.
   *
   * @internal
   * @param {Block} block
   */
  static mixedLatest(block) {
    handleOf(block);
    const { shape } = block.#outputs;
    if (!shape) {
      throw new DynakernelError('ERR_MODE',
        'block.mix without an attention takes that of the latest forward pass; there was none yet');
    }
    const mixture = [0, 1, 2, 3].map((head) => headOf(block, head)?.pointer ?? 0);
    return mixed(block.#convolution, shape[0], mixture);
  }

  /**
   * The kernels and biases for an attention [N, K], or those of the latest forward pass.
   *
   * @internal
   * @param {Block} block
   * @param {Tensor | undefined} attention
   */
  static mixedBlock(block, attention) {
    handleOf(block);
    return attention === undefined
      ? mixedLatest(block) : mixedByKernels(block.#heap, block.#convolution, attention);
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {BlockParts} parts
   */
  constructor(heap, { kind, makeAttention, makeConvolution, nested }) {
    const attention = makeAttention();
    let convolution;
    try {
      convolution = makeConvolution();
    } catch (error) {
      attention.dispose();
      throw error;
    }
    // in the order of the reference's parameters
    /** @type {{ [prefix: string]: Module }} */
    const children = nested ? { attention, aggregation: convolution } : { '': convolution, attention };
    super(heap, { kind, children });
    this.#heap = heap;
    this.#attention = attention;
    this.#convolution = convolution;
    this.#outputs = new KeptTensor(heap, 'attention');
  }

  /**
   * x [N, C, H, W] -> [N, O, Ho, Wo], with
   * Ho = floor((H + 2 * padding - dilation * (Rh - 1) - 1) / stride) + 1, and Wo likewise. Of pairs, Ho
   * takes the vertical numbers and Wo the horizontal ones. With padding 'same', Ho = ceil(H / stride). Batch
   * norm, if there is one, uses the running statistics at first and after eval(), and the batch's after
   * train(). A call that throws leaves the running statistics as they were.
   *
   * @param {Tensor} x
   * @param {{ out?: Tensor | undefined }} [options] out: a tensor [N, O, Ho, Wo] to write into,
   *   instead of a new one. With it, a steady loop allocates nothing
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_SHAPE; ERR_MODE in training mode with N = 1 if there is batch norm; ERR_CONFIG if an
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
    const convolution = readyHandleOf(this.#convolution);
    const training = isTraining(this.#attention);
    const input = pointerOf(this.#heap, x, 'x');
    const shape = outputShape(this.#convolution, shapeOf(x));
    checkBatch(this.#attention, shapeOf(x));
    const [N, , H, W] = shapeOf(x);

    const { c, context } = this.#heap;
    const call = () => convolutionText(convolutionOf(this.#convolution), shapeOf(x));
    const outputsShape = [N, outputsOf(attentionOf(this.#attention))];
    const y = this.#outputs.write(outputsShape, (outputs) =>
      produceInto(this.#heap, shape, out, [x], (output) => {
        if (!wantsGradients(this)) {
          return checkStatus(c.dk_block_forward(
            context, attention, convolution, Number(training), input, N, H, W, outputs, output), call);
        }
        // record the attention's intermediate results and a copy of the input for backward()
        const inputLength = sizeOf(shapeOf(x));
        const sizes = [c.dk_attention_tape_bytes(attention, N) >>> 0, 4 * inputLength];
        const pass = { input: shapeOf(x), output: shape, training, temperature: temperatureOf(this.#attention) };
        return recordOf(this).write(pass, sizes, (tape, inputCopy) => {
          checkStatus(c.dk_block_forward_taped(
            context, attention, convolution, Number(training), input, N, H, W, outputs, output, tape), call);
          this.#heap.copy(inputCopy, input, inputLength);
        });
      }));
    noteForward(this.#convolution, shapeOf(x));
    return y;
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
    return backwardPass(this.#heap, this, 'block.backward', gradOutput, options, (pass, gradient, gradInput) => {
      const { input: [N, , H, W], training, temperature = 1, parts: [tape, x] } = pass;
      const attention = handleOf(this.#attention);
      const convolution = readyHandleOf(this.#convolution);
      const outputs = this.#outputs.pointer;
      // a frozen part gets no gradients
      const trained = [this.#attention, this.#convolution].map((part) =>
        (wantsGradients(part) ? gradientsOf(part) : null));
      const [attentionStruct, convolutionStruct] = trained.map((gradients) => gradients?.struct ?? 0);
      withTemperature(this.#attention, temperature, () => checkStatus(this.#heap.c.dk_block_backward(
        this.#heap.context, attention, convolution, Number(training), tape, x, outputs, N, H, W, gradient,
        gradInput, attentionStruct, convolutionStruct),
      () => `the gradient of ${convolutionText(convolutionOf(this.#convolution), pass.input)}`));
      for (const gradients of trained) gradients?.noteAdded();
    });
  }

  /**
   * A copy of the attention over the kernels in the latest forward pass, [N * K], or null before the first.
   *
   * @returns {Floats | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * block.forward(x); // [1, C, H, W], 4 kernels
   * console.log(block.lastAttention); // Float32Array(4) [0.31, 0.87, 0.52, 0.44]
   */
  get lastAttention() {
    return headCopy(this, HEADS.kernels);
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
    return this.#convolution.plan;
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
   * const { algorithm, workspaceBytes } = block.planFor([1, 64, 56, 56]);
   */
  planFor(shape) {
    handleOf(this);
    return this.#convolution.planFor(shape);
  }

  /** @override */
  dispose() {
    const outputs = this.#outputs; // read first: this refuses another object as `this`
    super.dispose();
    outputs.dispose();
  }
}

/** The internal methods, as functions. */
export const { headCopy, headOf, mixedBlock, mixedLatest, partsOf } = Block;

/**
 * The block of Dite-HRNet. An attention branch looks at the image, the aggregation mixes K kernels by that
 * attention, and the image is convolved with the mixture. dk.dynamicKernelAggregation makes one.
 */
export class DynamicKernelAggregation extends Block {
  #attention;
  #aggregation;

  static {
    guardClass(this, 'DynamicKernelAggregation');
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {{ attention: AttentionConfig, aggregation: AggregationConfig }} config
   */
  constructor(heap, config) {
    super(heap, {
      kind: 'DynamicKernelAggregation', nested: true,
      makeAttention: () => new KernelAttention(heap, config.attention),
      makeConvolution: () => new KernelAggregation(heap, config.aggregation),
    });
    const { attention, convolution } = partsOf(this);
    this.#attention = /** @type {KernelAttention} */ (attention);
    this.#aggregation = /** @type {KernelAggregation} */ (convolution);
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
   * Mixes the kernels as a forward pass does: attention [N, K] -> weight [N, O, C/G, Rh, Rw] and
   * bias [N, O].
   *
   * @param {Tensor} [attention] by default that of the latest forward pass
   * @returns {Mixed} bias is null if the block has none
   * @throws {DynakernelError} ERR_MODE if there was no forward pass yet; ERR_SHAPE, ERR_CONFIG, ERR_MEMORY,
   *   ERR_DISPOSED
   * @example
   * block.forward(x);
   * const { weight, bias } = block.mix();
   */
  mix(attention) {
    return mixedBlock(this, attention);
  }
}
