/** @import { Runtime, StateDict, Tensor } from '../dynakernel/index.js' */
/** @import { Definition } from '../shared/types.js' */
import { makeBlock } from '../shared/blocks.js';
import { WholeBlock } from '../shared/whole-block.js';

/** One block, its kernels, and the mixed kernel that the latest frame applied. */
export class Model {
  /**
   * Throws the library's error if the definition is invalid.
   *
   * @param {Runtime} dk
   * @param {Definition} definition
   */
  constructor(dk, definition) {
    this.dk = dk;
    this.definition = definition;
    this.block = makeBlock(dk, definition.kind, definition.config);
    try {
      if (definition.state) this.block.loadStateDict(definition.state);
      else if (definition.values) this.block.loadStateDict(withValues(this.block.stateDict(), definition.values));
      const [K, O, perGroup, R] = this.block.shape;
      this.numKernels = K;
      this.outChannels = O;
      this.perGroup = perGroup;
      this.kernelSize = R;
      /** @type {Tensor} [K·O, C/G, R, R]: kernel k of output channel o is image k·O + o */
      this.kernels = dk.tensor(this.block.kernels, [K * O, perGroup, R, R]);
      /** @type {Tensor} [O, C/G, R, R] */
      this.mixed = dk.zeros([O, perGroup, R, R]);
      /** @type {Float32Array | null} [O] */
      this.mixedBias = null;
    } catch (error) {
      this.block.dispose();
      this.kernels?.dispose();
      throw error;
    }
  }

  get kind() {
    return this.block.kind;
  }

  /** The number of input channels: 3 for red, green and blue, 1 for luma. */
  get channels() {
    return this.definition.config.inChannels;
  }

  /**
   * Returns the names of the input channels that output channel o reads.
   *
   * @param {number} o
   */
  inputNames(o) {
    if (this.channels === 1) return ['luma'];
    const group = Math.floor(o / (this.outChannels / this.definition.config.groups));
    return ['red', 'green', 'blue'].slice(group * this.perGroup, (group + 1) * this.perGroup);
  }

  /** @param {number} k */
  kernelName(k) {
    return this.definition.kernelNames?.[k] ?? `Kernel ${k}`;
  }

  /** @param {number} o */
  channelName(o) {
    return this.definition.channelNames?.[o] ?? '';
  }

  /**
   * Sets `mixed` and `mixedBias` to the mixture that the attention weights a give.
   *
   * @param {Tensor} a  [1, K]
   */
  mix(a) {
    const { weight, bias } = this.block.mix(a);
    try {
      this.mixed.data.set(weight.data);
      this.mixedBias = bias ? bias.toArray() : null;
    } finally {
      weight.dispose();
      bias?.dispose();
    }
  }

  /** Sets the temperature of the attention, in the definition too. @param {number} temperature */
  setTemperature(temperature) {
    if (!(this.block instanceof WholeBlock)) return;
    this.block.temperature = temperature;
    this.definition = { ...this.definition, config: { ...this.definition.config, temperature } };
  }

  dispose() {
    this.block.dispose();
    this.kernels.dispose();
    this.mixed.dispose();
  }
}

/**
 * Replaces some of a state dict's numbers and returns it.
 *
 * @param {StateDict} state
 * @param {Record<string, ArrayLike<number>>} values
 */
function withValues(state, values) {
  for (const [name, numbers] of Object.entries(values)) {
    const target = /** @type {Float32Array} */ (state[name].data);
    if (target.length !== numbers.length)
      throw new Error(`${name} has ${target.length} numbers, not ${numbers.length}`);
    target.set(numbers);
  }
  return state;
}

/**
 * Returns the largest absolute value of image n of a tensor, or 1 if all values are 0.
 *
 * @param {Tensor} tensor  [N, C, R, R]
 * @param {number} n
 */
export function peak(tensor, n) {
  const size = tensor.shape.slice(1).reduce((product, side) => product * side, 1);
  let greatest = 0;
  for (const value of tensor.data.subarray(n * size, (n + 1) * size)) greatest = Math.max(greatest, Math.abs(value));
  return Number.isFinite(greatest) && greatest > 0 ? greatest : 1;
}
