/** @import { Runtime, Tensor } from '../dynakernel/index.js' */
/** @import { Lesson } from './types.js' */
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
    this.model = model && dk.dynamicKernelAggregation(model.config);
    try {
      if (model?.state) this.model?.loadStateDict(model.state);
      this.aggregation = this.model?.aggregation ?? dk.kernelAggregation({
        inChannels: 3, outChannels: 3, kernelSize: R, padding: R >> 1, numKernels: effects.length,
      });
      if (!this.model) {
        const filters = effects.map((id) => effect(id).filter(R));
        this.aggregation.loadStateDict({
          weight: { shape: [effects.length, 3, 3, R, R], data: join(filters.map(({ weight }) => weight)) },
          bias: { shape: [effects.length, 3], data: join(filters.map(({ bias }) => bias)) },
        });
      }
    } catch (error) {
      this.dispose();
      throw error;
    }
    /** The name of each of the teacher's kernels, for people. */
    this.names = effects.length
      ? effects.map((id) => effect(id).title)
      : Array.from({ length: this.aggregation.config.numKernels }, (_, k) => `Kernel ${k}`);
  }

  /** The configuration that a learner must share with the teacher. */
  get config() {
    const { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias } = this.aggregation.config;
    return { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias };
  }

  /**
   * Returns the targets of a batch.
   *
   * @param {Tensor} x  [N, C, H, W]
   * @param {number[]} effects  the index of each image's effect
   */
  targets(x, effects) {
    if (this.model) return this.model.forward(x);
    const K = this.aggregation.config.numKernels;
    const choice = new Float32Array(effects.length * K);
    effects.forEach((k, n) => {
      choice[n * K + k] = 1;
    });
    const attention = this.dk.tensor(choice, [effects.length, K]);
    try {
      return this.aggregation.forward(x, attention);
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
