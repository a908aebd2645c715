/** @import { Optimizer, Runtime, Tensor } from '../dynakernel/index.js' */
/** @import { BlockConfig } from '../shared/types.js' */
/** @import { Pupil } from './pupils.js' */
/** @import { Tuning } from './types.js' */
import { makeBlock } from '../shared/blocks.js';
import { WholeBlock } from '../shared/whole-block.js';

/** The width M of Dite-HRNet's attention. With the PyTorch module's M = K, some seeds cannot tell four photographs apart. */
const MID_CHANNELS = 16;

/**
 * The number of passes that fit batch norm's running statistics: 0.9 to the power of 64 leaves 0.1 % of the old ones.
 */
const CALIBRATION = 64;

/**
 * The first kernels are the PyTorch module's times this factor. With large wrong outputs a block learns to turn its
 * attention off, and a sigmoid hardly returns from there. With small outputs it learns its kernels first.
 */
const FIRST_SCALE = 0.25;

const MOMENTUM = 0.9;

/** Tensors that learners of the same shape share, as only one learns at a time. */
export class Workspace {
  /**
   * @param {Runtime} dk
   * @param {readonly number[]} output  [N, O, Ho, Wo]
   */
  constructor(dk, output) {
    this.y = dk.zeros(output);
    try {
      this.gradient = dk.zeros(output);
    } catch (error) {
      this.y.dispose();
      throw error;
    }
  }

  dispose() {
    this.y.dispose();
    this.gradient.dispose();
  }
}

/** A block in training, of any kind. */
export class Learner {
  /** @type {Optimizer | null} */
  #optimizer = null;
  #kind = '';
  /** @type {number[]} losses of the latest round over the batches */
  #latest = [];
  #steps = 0;

  /**
   * @param {Runtime} dk
   * @param {Pupil} pupil
   * @param {BlockConfig} config
   * @param {Tensor[]} batches  inputs that batch norm is fitted to
   */
  constructor(dk, pupil, config, batches) {
    this.dk = dk;
    this.pupil = pupil;
    this.batches = batches.length;
    const { kind, numKernels = config.numKernels, cooling } = pupil;
    this.block = makeBlock(dk, kind, { ...config, numKernels, midChannels: MID_CHANNELS, temperature: cooling?.[0] });
    try {
      this.#soften();
      this.#calibrate(batches);
      this.block.requiresGrad = true;
    } catch (error) {
      this.block.dispose();
      throw error;
    }
  }

  /** Scales the first kernels by FIRST_SCALE. */
  #soften() {
    const state = this.block.stateDict();
    const kernels = /** @type {Float32Array} */ (state[this.block.kind.kernels].data);
    for (let i = 0; i < kernels.length; i++) kernels[i] *= FIRST_SCALE;
    this.block.loadStateDict(state);
  }

  /**
   * Fits batch norm's running statistics to the examples once. Learning then runs in evaluation mode, so that the
   * output for a picture does not depend on its batch.
   *
   * @param {Tensor[]} batches
   */
  #calibrate(batches) {
    for (let i = 0; i < CALIBRATION; i++) this.block.observe(batches[i % batches.length]);
  }

  /** Sets the temperature of the attention, if the pupil cools. It never rises. @param {number} temperature */
  cool(temperature) {
    const { block } = this;
    if (block instanceof WholeBlock && temperature < block.temperature) block.temperature = temperature;
  }

  /**
   * Runs one step of the optimizer.
   *
   * @param {Tensor} x
   * @param {Tensor} target
   * @param {Workspace} workspace
   * @param {Tuning['optimizer']} kind
   * @param {number} lr
   * @returns {number} the loss before the step
   */
  learn(x, target, { y, gradient }, kind, lr) {
    const optimizer = this.#optimizerOf(kind, lr);
    optimizer.zeroGrad();
    this.block.forward(x, { out: y });
    const { loss } = this.dk.mseLoss(y, target, { out: gradient });
    this.block.backward(gradient);
    optimizer.step();
    this.#latest[this.#steps++ % this.batches] = loss;
    return loss;
  }

  /** The mean of the latest losses, one per batch; NaN before the first step. */
  get loss() {
    return this.#latest.reduce((sum, loss) => sum + loss, 0) / this.#latest.length;
  }

  /**
   * Returns the optimizer of this kind. Another kind than before starts without memory of the steps.
   *
   * @param {Tuning['optimizer']} kind
   * @param {number} lr
   */
  #optimizerOf(kind, lr) {
    if (this.#optimizer && this.#kind === kind) {
      this.#optimizer.lr = lr;
      return this.#optimizer;
    }
    this.#optimizer?.dispose();
    this.#kind = kind;
    this.#optimizer = kind === 'adam'
      ? this.dk.adam(this.block.modules, { lr })
      : this.dk.sgd(this.block.modules, { lr, momentum: MOMENTUM });
    return this.#optimizer;
  }

  dispose() {
    this.#optimizer?.dispose();
    this.block.dispose();
  }
}
