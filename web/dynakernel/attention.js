/** The attention branch of every dynamic convolution, and KernelAttention, which is that of Dite-HRNet's block. */
import { HEADS, checkStatus } from './abi.js';
import { backwardPass } from './backward.js';
import { guardClass } from './boundary.js';
import { readOptions } from './check.js';
import { kernelAttentionSettings, layerName } from './config.js';
import { DynakernelError } from './errors.js';
import { Module, gradientsOf, handleOf, isTraining, recordOf, wantsGradients } from './module.js';
import { checkImages, shapeText } from './shape.js';
import { countEntry, floatEntry, parameterEntry } from './state.js';
import { pointerOf, produceInto, shapeOf } from './tensor.js';

/** @typedef {import('./backward.js').BackwardOptions} BackwardOptions */
/** @typedef {import('./backward.js').InputGradientOptions} InputGradientOptions */
/** @typedef {import('./backward.js').NoInputGradientOptions} NoInputGradientOptions */
/** @typedef {import('./config.js').AttentionConfig} AttentionConfig */
/** @typedef {import('./config.js').AttentionSettings} AttentionSettings */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./state.js').StateEntry} StateEntry */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/** Where struct dk_attention has its fields, in words of 32 bits. The count of batches is an int64. */
const FIELD = {
  temperature: 9, hiddenWeight: 10, bnWeight: 11, bnBias: 12, bnMean: 13, bnVariance: 14, weight: 15, bias: 19,
  batches: 24,
};

/** Where struct dk_attention_gradients has its pointers. */
const PLACE = { hiddenWeight: 0, bnWeight: 1, bnBias: 2, weight: 3, bias: 7 };

/**
 * An attention branch: mean over H x W, perhaps a hidden layer with batch norm and ReLU, and one or several
 * heads. KernelAttention and Routing are kinds of it, and blocks have one.
 */
export class Attention extends Module {
  #heap;
  #settings;
  #call;
  #temperature;

  static {
    guardClass(this, 'Attention');
  }

  /**
   * What the branch computes.
   *
   * @internal
   * @param {Attention} attention
   */
  static attentionOf(attention) {
    return attention.#settings;
  }

  /**
   * @internal
   * @param {Attention} attention
   */
  static temperatureOf(attention) {
    return attention.#temperature;
  }

  /**
   * Sets the temperature of the passes that follow.
   *
   * @internal
   * @param {Attention} attention
   * @param {number} value a valid one
   */
  static setTemperature(attention, value) {
    attention.#writeTemperature(value);
    attention.#temperature = value;
  }

  /**
   * Runs work with the temperature of the forward pass. The present one returns afterwards.
   *
   * @internal
   * @param {Attention} attention
   * @param {number} temperature of the recorded pass
   * @param {() => void} work
   */
  static withTemperature(attention, temperature, work) {
    attention.#writeTemperature(temperature);
    try {
      work();
    } finally {
      attention.#writeTemperature(attention.#temperature);
    }
  }

  /**
   * Refuses a batch of one image if batch norm would use its statistics.
   *
   * @internal
   * @param {Attention} attention
   * @param {readonly number[]} shape [N, C, H, W]
   */
  static checkBatch(attention, shape) {
    if (!isTraining(attention) || !attention.#settings.batchNorm || shape[0] > 1) return;
    throw new DynakernelError('ERR_MODE',
      'training mode needs a batch of at least 2 images, since one image has no variance; ' +
      `got ${shapeText(shape)}. Call eval() to use the running statistics`);
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {string} kind the class, for messages
   * @param {string} call the object of its calls, for messages
   * @param {AttentionSettings} settings
   */
  constructor(heap, kind, call, settings) {
    const pointer = createAttention(heap, settings);
    super(heap, {
      kind, pointer, destroy: 'dk_attention_destroy', state: attentionState(heap, pointer, settings),
    });
    this.#heap = heap;
    this.#settings = settings;
    this.#call = call;
    this.#temperature = settings.temperature;
    this.#writeTemperature(settings.temperature);
  }

  /**
   * x [N, C, H, W] -> attention [N, K], each between 0 and 1.
   *
   * @param {Tensor} x
   * @param {{ out?: Tensor | undefined }} [options] out: a tensor [N, K] to write into, instead of
   *   a new one
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_SHAPE; ERR_MODE if there is batch norm, in training mode with N = 1;
   *   ERR_CONFIG if an argument is not a tensor of this runtime, or out is the input; ERR_MEMORY;
   *   ERR_DISPOSED
   * @example
   * const a = attention.forward(x);
   * const y = aggregation.forward(x, a);
   */
  forward(x, options) {
    const { out } = readOptions(options, `${this.#call}.forward`, ['out']);
    // check all arguments
    const attention = handleOf(this);
    const input = pointerOf(this.#heap, x, 'x');
    checkImages(shapeOf(x), this.#settings.channels);
    const training = isTraining(this);
    checkBatch(this, shapeOf(x));
    const [N, , H, W] = shapeOf(x);
    const shape = [N, outputsOf(this.#settings)];

    const { c, context } = this.#heap;
    const call = () => `${this.#call} over ${shapeText(shapeOf(x))}`;
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
    const what = `${this.#call}.backward`;
    return backwardPass(this.#heap, this, what, gradOutput, options, (pass, gradient, gradInput) => {
      const { input: [N, , H, W], training, parts: [tape] } = pass;
      const gradients = gradientsOf(this);
      checkStatus(this.#heap.c.dk_attention_backward(this.#heap.context, handleOf(this),
        Number(training), tape, N, H, W, gradient, gradInput, gradients.struct),
      () => `the gradient of ${this.#call} over ${shapeText(pass.input)}`);
      gradients.noteAdded();
    });
  }

  /** @param {number} value */
  #writeTemperature(value) {
    this.#heap.floats(handleOf(this) + 4 * FIELD.temperature, 1)[0] = value;
  }
}

/** The internal methods, as functions. */
export const { attentionOf, checkBatch, setTemperature, temperatureOf, withTemperature } = Attention;

/**
 * The attention branch: mean over H x W, 1x1 convolution, batch norm, ReLU, 1x1 convolution, sigmoid.
 * dk.kernelAttention makes one; a block has one as `block.attention`.
 */
export class KernelAttention extends Attention {
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
    super(heap, 'KernelAttention', 'attention', kernelAttentionSettings(config));
    this.#config = config;
  }

  /** The configuration with all defaults filled in. */
  get config() {
    return this.#config;
  }
}

/**
 * How many numbers the branch computes for each image.
 *
 * @param {AttentionSettings} settings
 */
export const outputsOf = ({ heads }) => heads[0] + heads[1] + heads[2] + heads[3];

/**
 * Makes the C object, with initial parameters.
 *
 * @param {Heap} heap
 * @param {AttentionSettings} settings
 */
function createAttention(heap, { channels, hidden, batchNorm, softmax, heads, initialisation, seed }) {
  const pointer = heap.scope((take) => {
    const struct = take(32), result = take(4);
    heap.words(struct, 8).set([ // struct dk_attention_config
      channels, hidden, Number(batchNorm), Number(softmax), ...heads,
    ]);
    checkStatus(heap.c.dk_attention_create(struct, result), () =>
      `the attention branch over ${channels} channels, with ${hidden} hidden ones`, REASONS);
    return heap.words(result, 1)[0];
  });
  heap.c.dk_attention_initialise(pointer, initialisation, seed);
  return pointer;
}

/** Why C refuses a branch. */
const REASONS = { ERR_CONFIG: 'the branch has too many parameters' };

/**
 * The entries of the state dict, in the reference's order.
 *
 * @param {Heap} heap
 * @param {number} attention
 * @param {AttentionSettings} settings
 * @returns {StateEntry[]}
 */
function attentionState(heap, attention, { channels: C, hidden: M, batchNorm, heads, names }) {
  const fields = heap.words(attention, FIELD.batches).slice();
  const tail = names.linear ? [] : [1, 1];
  const entries = [];
  if (names.hidden) {
    entries.push({
      ...parameterEntry(heap, layerName(names.hidden, 'weight'), [M, C, ...tail], fields[FIELD.hiddenWeight],
        PLACE.hiddenWeight),
      axes: [`hidden channels by ${names.hiddenOption}`, 'channels'],
    });
  }
  if (batchNorm) {
    entries.push(
      parameterEntry(heap, 'bn.weight', [M], fields[FIELD.bnWeight], PLACE.bnWeight),
      parameterEntry(heap, 'bn.bias', [M], fields[FIELD.bnBias], PLACE.bnBias),
      floatEntry(heap, 'bn.running_mean', [M], fields[FIELD.bnMean]),
      floatEntry(heap, 'bn.running_var', [M], fields[FIELD.bnVariance]),
      countEntry('bn.num_batches_tracked', () => heap.longs(attention + 4 * FIELD.batches, 1)));
  }
  for (const [head, name] of names.heads) {
    entries.push(
      {
        ...parameterEntry(heap, layerName(name, 'weight'), [heads[head], M || C, ...tail],
          fields[FIELD.weight + head], PLACE.weight + head),
        axes: head !== HEADS.kernels ? [] : M > 0 ? ['numKernels'] : ['numExperts', 'channels'],
      },
      parameterEntry(heap, layerName(name, 'bias'), [heads[head]],
        fields[FIELD.bias + head], PLACE.bias + head));
  }
  return entries;
}
