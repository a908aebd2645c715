/**
 * DyConv and ODConv.
 *
 * @import { DynamicConvolution, Plan, Runtime, StateDict, Tensor } from '../dynakernel/index.js'
 * @import { Out } from './kind-block.js'
 * @import { Attentions, BlockConfig } from './types.js'
 */
import { KindBlock } from './kind-block.js';
import { KINDS, geometry } from './kinds.js';

/** DyConv or ODConv: one module, whose attention runs within it only. */
export class WholeBlock extends KindBlock {
  separate = /** @type {const} */ (false);
  #dk;
  /** Convolves with kernels that are mixed outside the block. @type {DynamicConvolution | null} */
  #plain = null;

  /**
   * @param {Runtime} dk
   * @param {'dyconv' | 'odconv'} kind
   * @param {BlockConfig} config
   */
  constructor(dk, kind, config) {
    const options = /** @type {any} */ (KINDS[kind].options(config));
    const module = kind === 'dyconv' ? dk.dyConv2d(options) : dk.odConv2d(options);
    super(kind, config, [module]);
    this.module = module;
    this.#dk = dk;
  }

  /**
   * Convolves with the mixture that weights [N, K] give.
   *
   * @param {Tensor} x
   * @param {Tensor} a
   * @param {Out} options
   */
  apply(x, a, { out }) {
    this.#plain ??= this.#dk.dynamicConvolution(geometry(this.config));
    const { weight, bias } = this.mix(a);
    try {
      return this.#plain.forward(x, weight, bias, { out });
    } finally {
      weight.dispose();
      bias?.dispose();
    }
  }

  /**
   * @param {Tensor} x
   * @param {Out} options
   */
  forward(x, { out }) {
    return this.module.forward(x, { out });
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
    this.module.backward(gradient, { input: false });
  }

  /** @returns {Attentions} */
  get attentions() {
    const kernel = this.module.lastAttention ?? new Float32Array(0);
    const others = 'lastAttentions' in this.module ? this.module.lastAttentions : null;
    return {
      kernel, channel: others?.channel ?? null, filter: others?.filter ?? null, spatial: others?.spatial ?? null,
    };
  }

  /** Returns the mixture that weights [N, K] give, scaled by the latest pass's other attentions. @param {Tensor} a */
  mix(a) {
    if (!('lastAttentions' in this.module)) return this.module.mix(a);
    const { channel, filter, spatial } = this.attentions;
    const [N, K] = a.shape;
    const scales = [channel, filter, spatial].map((scale) => scale && this.#dk.tensor(scale, [N, scale.length / N]));
    try {
      return this.module.mix({ kernel: K > 1 ? a : null, channel: scales[0], filter: scales[1], spatial: scales[2] });
    } finally {
      for (const scale of scales) scale?.dispose();
    }
  }

  /** @param {Tensor} x */
  observe(x) {
    if (this.kind.id !== 'odconv') return; // DyConv has no batch norm
    this.module.train();
    try {
      this.module.forward(x).dispose();
    } finally {
      this.module.eval();
    }
  }

  get kernels() {
    return this.module.parameters().weight.toArray();
  }

  /** @returns {StateDict} */
  stateDict() {
    return this.module.stateDict();
  }

  /** @param {StateDict} state */
  loadStateDict(state) {
    this.module.loadStateDict(state);
  }

  /** @override @returns {number} */
  get temperature() {
    return this.module.temperature;
  }

  /** @override */
  set temperature(degrees) {
    this.module.temperature = degrees;
    this.config = { ...this.config, temperature: degrees };
  }

  /** @returns {Plan | null} */
  get plan() {
    return this.module.plan;
  }

  /** @param {number[]} shape */
  check(shape) {
    this.module.planFor(shape);
  }

  /** @override */
  dispose() {
    this.#plain?.dispose();
    super.dispose();
  }
}
