/** DyConv and ODConv: blocks whose attention over the kernels is a softmax with a temperature. */
import { HEADS, INITIALISATION } from './abi.js';
import { checkFactor } from './aggregation.js';
import { Attention, setTemperature, temperatureOf } from './attention.js';
import { Block, headCopy, mixedBlock, mixedLatest, partsOf } from './block.js';
import { guardClass } from './boundary.js';
import { readOptions } from './check.js';
import { readTemperature } from './config.js';
import { Convolution, convolutionOf, mixed } from './convolution.js';
import { DynakernelError } from './errors.js';
import { pairOf, sizeOf } from './shape.js';
import { pointerOf, shapeOf } from './tensor.js';

/** @typedef {import('./config-family.js').DyConv2dConfig} DyConv2dConfig */
/** @typedef {import('./config-family.js').OdConv2dConfig} OdConv2dConfig */
/** @typedef {import('./convolution.js').Mixed} Mixed */
/** @typedef {import('./heap.js').Floats} Floats */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./tensor.js').Tensor} Tensor */
/**
 * @template Config
 * @typedef {import('./config-family.js').BlockSettings<Config>} BlockSettings
 */

/** The names of ODConv's attentions, by the dk_head that computes them. */
const ATTENTIONS = /** @type {const} */ (['kernel', 'filter', 'channel', 'spatial']);

/**
 * ODConv's attentions: over the kernels [N, K], the input channels [N, C], the output channels [N, O] and the taps
 * [N, Rh * Rw].
 *
 * @template Item
 * @typedef {{ kernel: Item, channel: Item, filter: Item, spatial: Item }} Attentions
 */

/** The base class of DyConv2d and OdConv2d. */
export class TemperedBlock extends Block {
  #call;
  #attention;

  static {
    guardClass(this, 'TemperedBlock');
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {{ kind: string, call: string, initialisation: number, scaled: boolean }} kind
   * @param {BlockSettings<unknown>} settings
   */
  constructor(heap, { kind, call, ...convolution }, { attention, aggregation }) {
    super(heap, {
      kind,
      makeAttention: () => new Attention(heap, kind, call, attention),
      makeConvolution: () => new Convolution(heap, aggregation, { kind, ...convolution }),
    });
    this.#call = call;
    this.#attention = partsOf(this).attention;
  }

  /**
   * What the attention branch divides its outputs by before the softmax, and before ODConv's sigmoids. Training
   * often begins with a high temperature, at which all kernels learn, and lowers it to 1. A change takes effect at the
   * next forward pass: backward() uses the temperature of its forward pass.
   *
   * @throws {DynakernelError} ERR_CONFIG if the value is not a number of more than 0; ERR_DISPOSED
   * @example
   * block.temperature = Math.max(1, 34 - 3 * epoch);
   */
  get temperature() {
    return temperatureOf(this.#attention);
  }

  set temperature(value) {
    partsOf(this);
    setTemperature(this.#attention, readTemperature(value, `${this.#call}: temperature`));
  }
}

/**
 * DyConv (Chen et al., CVPR 2020). The attention is a softmax over the kernels, so that they compete.
 * dk.dyConv2d makes one.
 */
export class DyConv2d extends TemperedBlock {
  #config;

  static {
    guardClass(this, 'DyConv2d');
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {BlockSettings<DyConv2dConfig>} settings
   */
  constructor(heap, settings) {
    super(heap,
      { kind: 'DyConv2d', call: 'dyConv2d', initialisation: INITIALISATION.fanIn, scaled: false }, settings);
    this.#config = settings.config;
  }

  /**
   * The configuration with all defaults filled in, and the present temperature.
   *
   * @returns {DyConv2dConfig}
   */
  get config() {
    return Object.freeze({ ...this.#config, temperature: this.temperature });
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

/**
 * ODConv (Li et al., ICLR 2022). Four attentions weigh the kernels, the input channels, the output channels and
 * the taps. dk.odConv2d makes one.
 */
export class OdConv2d extends TemperedBlock {
  #heap;
  #config;

  static {
    guardClass(this, 'OdConv2d');
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {BlockSettings<OdConv2dConfig>} settings
   */
  constructor(heap, settings) {
    super(heap,
      { kind: 'OdConv2d', call: 'odConv2d', initialisation: INITIALISATION.fanOut, scaled: true }, settings);
    this.#heap = heap;
    this.#config = settings.config;
  }

  /**
   * The configuration with all defaults filled in, and the present temperature.
   *
   * @returns {OdConv2dConfig}
   */
  get config() {
    return Object.freeze({ ...this.#config, temperature: this.temperature });
  }

  /**
   * A copy of the attention over the kernels in the latest forward pass, [N * K], or null before the first. With one
   * kernel there is no such attention, and all numbers are 1.
   *
   * @override
   * @returns {Floats | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * block.forward(x); // [1, C, H, W], 4 kernels
   * console.log(block.lastAttention); // Float32Array(4) [0.1, 0.4, 0.2, 0.3]
   */
  get lastAttention() {
    const channel = headCopy(this, HEADS.inputs);
    if (!channel || this.#config.numKernels > 1) return headCopy(this, HEADS.kernels);
    return new Float32Array(channel.length / this.#config.inChannels).fill(1);
  }

  /**
   * Copies of the attentions of the latest forward pass: over the kernels [N * K], the input channels [N * C], the
   * output channels [N * O] and the taps [N * Rh * Rw]. Those that ODConv's authors leave out are null: `kernel` with
   * one kernel, `filter` if C = G = O, and `spatial` with one tap. Null before the first pass.
   *
   * @returns {Attentions<Floats | null> | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * block.forward(x);
   * const { channel } = block.lastAttentions; // which input channels count
   */
  get lastAttentions() {
    const [kernel, filter, channel, spatial] = ATTENTIONS.map((_, head) => headCopy(this, head));
    return channel && { kernel, channel, filter, spatial };
  }

  /**
   * Mixes and scales the kernels as a forward pass does, -> weight [N, O, C/G, Rh, Rw]. There is no bias.
   *
   * @param {Partial<Attentions<Tensor | null>>} [attentions] kernel [N, K], channel [N, C], filter [N, O], spatial
   *   [N, Rh * Rw]. One that is missing or null is 1 everywhere; `kernel` may be missing only if K is 1. By default
   *   those of the latest forward pass
   * @returns {Mixed}
   * @throws {DynakernelError} ERR_MODE if there was no forward pass yet; ERR_SHAPE, ERR_CONFIG, ERR_MEMORY,
   *   ERR_DISPOSED
   * @example
   * block.forward(x);
   * const { weight } = block.mix();
   */
  mix(attentions) {
    if (attentions === undefined) return mixedLatest(this);
    const given = readOptions(attentions, 'odConv2d.mix', ATTENTIONS);
    const { convolution } = partsOf(this);
    const { numKernels: K, outChannels: O, inChannels: C, kernelSize } = convolutionOf(convolution);
    const lengths = /** @type {const} */ ([['K', K], ['O', O], ['C', C], ['Rh * Rw', sizeOf(pairOf(kernelSize))]]);
    // each property is read once
    const tensors = ATTENTIONS.map((name) => given[name] ?? null);
    if (!tensors[HEADS.kernels] && K > 1) {
      throw new DynakernelError('ERR_CONFIG', `odConv2d.mix needs kernel, the attention [N, ${K}] over the kernels`);
    }
    const first = tensors.find((tensor) => tensor !== null);
    if (!first) {
      throw new DynakernelError('ERR_CONFIG', 'odConv2d.mix needs one attention at least, which tells N; got none');
    }
    const mixture = tensors.map((tensor, head) => tensor && pointerOf(this.#heap, tensor, ATTENTIONS[head]));
    const [N] = shapeOf(first);
    tensors.forEach((tensor, head) => {
      if (tensor) checkFactor(ATTENTIONS[head], shapeOf(tensor), N, lengths[head]);
    });
    return mixed(convolution, N, mixture.map((pointer) => pointer ?? 0));
  }
}
