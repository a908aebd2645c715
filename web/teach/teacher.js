/** @import { Runtime, Tensor } from '../dynakernel/index.js' */
/** @import { Lesson } from './types.js' */
import { effect } from './effects.js';

/**
 * Knows the answers. Effects are a kernel aggregation too: a kernel for each effect, and an attention that is 1 for the
 * wanted one. A model is another block as it is.
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
    /** Of each of the teacher's kernels, for people. */
    this.names = effects.length
      ? effects.map((id) => effect(id).title)
      : Array.from({ length: this.aggregation.config.numKernels }, (_, k) => `Kernel ${k}`);
  }

  /** The shape that a learner must have: the teacher's. */
  get config() {
    const { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias } = this.aggregation.config;
    return { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias };
  }

  /**
   * The right answers.
   *
   * @param {Tensor} x  [N, C, H, W]
   * @param {number[]} effects  which one is wanted of each image
   */
  answer(x, effects) {
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

/** @param {Float32Array[]} parts */
function join(parts) {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
