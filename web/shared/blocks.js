/**
 * Blocks of every kind with one set of methods. The library's modules differ in where their attention is; a page treats
 * all kinds alike.
 *
 * @import { Plan, Runtime, StateDict, Tensor } from '../dynakernel/index.js'
 * @import { Out } from './kind-block.js'
 * @import { Attentions, BlockConfig, KindId } from './types.js'
 */
import { KindBlock } from './kind-block.js';
import { CONDCONV_PREFIXES, KINDS } from './kinds.js';
import { WholeBlock } from './whole-block.js';

/** @typedef {DiteBlock | CondConvBlock | WholeBlock} Block */

/**
 * Makes a block. Throws the library's error if the configuration is invalid.
 *
 * @param {Runtime} dk
 * @param {KindId} kind
 * @param {BlockConfig} config
 * @returns {Block}
 */
export function makeBlock(dk, kind, config) {
  switch (kind) {
    case 'dynamic': return new DiteBlock(dk, config);
    case 'condconv': return new CondConvBlock(dk, config);
    default: return new WholeBlock(dk, kind, config);
  }
}

/** The block of Dite-HRNet. Its attention and its aggregation also run apart. */
export class DiteBlock extends KindBlock {
  /** True if attend() and apply() run the block's two halves. */
  separate = /** @type {const} */ (true);
  /** The attention [N, K] of look(), by N. @type {Map<number, Tensor>} */
  #seen = new Map();
  /** @type {Float32Array | null} */
  #attention = null;

  /**
   * @param {Runtime} dk
   * @param {BlockConfig} config
   */
  constructor(dk, config) {
    const block = dk.dynamicKernelAggregation(/** @type {any} */ (KINDS.dynamic.options(config)));
    super('dynamic', { ...config, midChannels: block.config.midChannels }, [block]);
    this.block = block;
  }

  /**
   * Returns the weights [N, K] of the kernels.
   *
   * @param {Tensor} x
   * @param {Out} options
   */
  attend(x, { out }) {
    const a = this.block.attention.forward(x, { out });
    this.#attention = a.toArray();
    return a;
  }

  /**
   * Convolves with the mixture that weights [N, K] give.
   *
   * @param {Tensor} x
   * @param {Tensor} a
   * @param {Out} options
   */
  apply(x, a, { out }) {
    return this.block.aggregation.forward(x, a, { out });
  }

  /**
   * Runs the block, and records the pass if gradients are wanted.
   *
   * @param {Tensor} x
   * @param {Out} options
   */
  forward(x, { out }) {
    const y = this.block.forward(x, { out });
    this.#attention = this.block.lastAttention;
    return y;
  }

  /**
   * Runs the block without a need for gradients.
   *
   * @param {Tensor} x
   * @param {Out} options
   */
  look(x, options) {
    // The block records its own passes for backward; these passes of its parts need no record.
    const parts = [this.block.attention, this.block.aggregation];
    const recording = parts.map(({ requiresGrad }) => requiresGrad);
    for (const part of parts) part.requiresGrad = false;
    try {
      const [N] = x.shape;
      const a = this.attend(x, { out: this.#seen.get(N) });
      this.#seen.set(N, a);
      return this.apply(x, a, options);
    } finally {
      parts.forEach((part, i) => {
        part.requiresGrad = recording[i];
      });
    }
  }

  /** Adds to the parameters' gradients. @param {Tensor} gradient  of the latest forward pass's output */
  backward(gradient) {
    this.block.backward(gradient, { input: false });
  }

  /** The attentions of the latest pass. @returns {Attentions} */
  get attentions() {
    return { kernel: this.#attention ?? new Float32Array(0), channel: null, filter: null, spatial: null };
  }

  /** Returns the mixture that weights [N, K] give. @param {Tensor} a */
  mix(a) {
    return this.block.aggregation.mix(a);
  }

  /** Moves batch norm's running statistics towards those of a batch. @param {Tensor} x */
  observe(x) {
    const { attention } = this.block;
    attention.train();
    try {
      attention.forward(x).dispose();
    } finally {
      attention.eval();
    }
  }

  /** A copy of the kernels [K, O, C/G, R, R]. */
  get kernels() {
    return this.block.parameters()['aggregation.weight'].toArray();
  }

  /** @returns {StateDict} */
  stateDict() {
    return this.block.stateDict();
  }

  /** @param {StateDict} state */
  loadStateDict(state) {
    this.block.loadStateDict(state);
  }

  /** @returns {Plan | null} */
  get plan() {
    return this.block.plan ?? this.block.aggregation.plan;
  }

  /** Throws if the block cannot read this shape. @param {number[]} shape  [N, C, H, W] */
  check(shape) {
    this.block.aggregation.planFor(shape);
  }

  /** @override */
  dispose() {
    for (const a of this.#seen.values()) a.dispose();
    super.dispose();
  }
}

/** CondConv: a convolution, and the routing that weighs its kernels. */
export class CondConvBlock extends KindBlock {
  separate = /** @type {const} */ (true);
  /** The routing's weights [N, K], by N. @type {Map<number, Tensor>} */
  #routed = new Map();

  /**
   * @param {Runtime} dk
   * @param {BlockConfig} config
   */
  constructor(dk, config) {
    const { inChannels, numKernels, seed } = config;
    const convolution = dk.condConv2d(/** @type {any} */ (KINDS.condconv.options(config)));
    let routing;
    try {
      routing = dk.routing({ channels: inChannels, numExperts: numKernels, seed });
    } catch (error) {
      convolution.dispose();
      throw error;
    }
    super('condconv', config, [convolution, routing]);
    this.convolution = convolution;
    this.routing = routing;
  }

  /**
   * @param {Tensor} x
   * @param {Out} options
   */
  attend(x, { out }) {
    return this.routing.forward(x, { out });
  }

  /**
   * @param {Tensor} x
   * @param {Tensor} a
   * @param {Out} options
   */
  apply(x, a, { out }) {
    return this.convolution.forward(x, a, { out });
  }

  /**
   * @param {Tensor} x
   * @param {Out} options
   */
  forward(x, options) {
    const [N] = x.shape;
    const a = this.attend(x, { out: this.#routed.get(N) });
    this.#routed.set(N, a);
    return this.apply(x, a, options);
  }

  /**
   * @param {Tensor} x
   * @param {Out} options
   */
  look(x, options) {
    return this.forward(x, options);
  }

  /** @param {Tensor} gradient */
  backward(gradient) {
    this.convolution.backward(gradient, { input: false });
    this.routing.backward(/** @type {Tensor} */ (this.convolution.attentionGradient), { input: false });
  }

  /** @returns {Attentions} */
  get attentions() {
    return { kernel: this.routing.lastAttention ?? new Float32Array(0), channel: null, filter: null, spatial: null };
  }

  /** @param {Tensor} a */
  mix(a) {
    return this.convolution.mix(a);
  }

  /** There is no batch norm. */
  observe() {}

  get kernels() {
    return this.convolution.parameters().weight.toArray();
  }

  /** @returns {StateDict} */
  stateDict() {
    const { convolution, routing } = CONDCONV_PREFIXES;
    return {
      ...prefixed(this.convolution.stateDict(), convolution),
      ...prefixed(this.routing.stateDict(), routing),
    };
  }

  /** @param {StateDict} state */
  loadStateDict(state) {
    this.convolution.loadStateDict(state, { prefix: CONDCONV_PREFIXES.convolution });
    this.routing.loadStateDict(state, { prefix: CONDCONV_PREFIXES.routing });
  }

  /** @returns {Plan | null} */
  get plan() {
    return this.convolution.plan;
  }

  /** @param {number[]} shape */
  check(shape) {
    this.convolution.planFor(shape);
  }

  /** @override */
  dispose() {
    for (const a of this.#routed.values()) a.dispose();
    super.dispose();
  }
}

/**
 * @param {StateDict} state
 * @param {string} prefix
 * @returns {StateDict}
 */
const prefixed = (state, prefix) =>
  Object.fromEntries(Object.entries(state).map(([name, value]) => [prefix + name, value]));
