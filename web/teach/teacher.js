/** @import { KernelAggregation, Runtime, Tensor } from '../dynakernel/index.js' */
/** @import { BlockConfig } from '../shared/types.js' */
/** @import { Lesson } from './types.js' */
import { makeBlock } from '../shared/blocks.js';
import { effect } from './effects.js';

/**
 * Computes the targets. For effects it is a kernel aggregation with a kernel per effect. The attention weight is 1 for
 * the effect of the picture. For a model it is that block.
 */
export class Teacher {
  /**
   * @param {Runtime} dk
   * @param {Lesson} lesson
   */
  constructor(dk, { model, effects, kernelSize: R }) {
    this.dk = dk;
    this.kernelSize = R;
    this.model = model && makeBlock(dk, model.kind, model.config);
    this.aggregation = model ? null : dk.kernelAggregation({
      inChannels: 3, outChannels: 3, kernelSize: R, padding: R >> 1, numKernels: effects.length,
    });
    try {
      if (model?.state) this.model?.loadStateDict(model.state);
      const filters = effects.map((id) => effect(id).filter(R));
      this.aggregation?.loadStateDict({
        weight: { shape: [effects.length, 3, 3, R, R], data: join(filters.map(({ weight }) => weight)) },
        bias: { shape: [effects.length, 3], data: join(filters.map(({ bias }) => bias)) },
      });
    } catch (error) {
      this.dispose();
      throw error;
    }
    /** The name of each of the teacher's kernels, for people. */
    this.names = this.model
      ? Array.from({ length: this.model.config.numKernels }, (_, k) => `Kernel ${k}`)
      : effects.map((id) => effect(id).title);
  }

  /** The configuration that a learner must share with the teacher. @returns {Omit<BlockConfig, 'numKernels'>} */
  get config() {
    if (!this.model) {
      const R = this.kernelSize;
      return {
        inChannels: 3, outChannels: 3, kernelSize: R, stride: 1, padding: R >> 1, dilation: 1, groups: 1, bias: true,
      };
    }
    const { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias } = this.model.config;
    return { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias };
  }

  /** The kernels that a learner should find, [K, O, C/G, R, R]. */
  get kernels() {
    return this.model?.kernels ?? this.aggregation?.parameters().weight.toArray() ?? new Float32Array(0);
  }

  /**
   * Returns the targets of a batch.
   *
   * @param {Tensor} x  [N, C, H, W]
   * @param {number[]} effects  the index of each image's effect
   */
  targets(x, effects) {
    if (this.model) return this.model.look(x, {});
    const aggregation = /** @type {KernelAggregation} */ (this.aggregation);
    const K = aggregation.config.numKernels;
    const choice = new Float32Array(effects.length * K);
    effects.forEach((k, n) => {
      choice[n * K + k] = 1;
    });
    const attention = this.dk.tensor(choice, [effects.length, K]);
    try {
      return aggregation.forward(x, attention);
    } finally {
      attention.dispose();
    }
  }

  dispose() {
    this.model?.dispose();
    this.aggregation?.dispose();
  }
}

/** Joins arrays end to end. @param {Float32Array[]} parts */
function join(parts) {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
