/**
 * What blocks of every kind share.
 *
 * @import { Module, Tensor } from '../dynakernel/index.js'
 * @import { BlockConfig, KindId } from './types.js'
 */
import { KINDS } from './kinds.js';

/** @typedef {{ out?: Tensor | undefined }} Out */

/** The parts of a block that do not depend on its kind. */
export class KindBlock {
  /**
   * @param {KindId} kind
   * @param {BlockConfig} config
   * @param {Module[]} modules  those that hold parameters
   */
  constructor(kind, config, modules) {
    this.kind = KINDS[kind];
    this.config = config;
    /** The library's modules, for an optimizer. */
    this.modules = modules;
  }

  /** The shape of the kernels, [K, O, C/G, R, R]. */
  get shape() {
    const { numKernels, outChannels, inChannels, groups, kernelSize } = this.config;
    return [numKernels, outChannels, inChannels / groups, kernelSize, kernelSize];
  }

  /** Whether forward passes record what backward() needs. */
  set requiresGrad(/** @type {boolean} */ wanted) {
    for (const module of this.modules) module.requiresGrad = wanted;
  }

  /** The divisor of the attention's logits; null for a kind without. @returns {number | null} */
  get temperature() {
    return null;
  }

  dispose() {
    for (const module of this.modules) module.dispose();
  }
}
