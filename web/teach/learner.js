/**
 * @import { BlockOptions, DynamicKernelAggregation as Block, Optimizer, Runtime, Tensor } from '../dynakernel/index.js'
 */
/** @import { Tuning } from './types.js' */

/** Width M of the attention branch: the reference's M = K leaves some seeds unable to tell four photographs apart. */
const MID_CHANNELS = 16;

/** Forward passes in training mode that bring the running statistics to the examples': 0.9 to the 64th is 0.1 %. */
const CALIBRATION = 64;

/**
 * First kernels are made this much smaller than the reference's. A block that starts by answering loudly and wrongly
 * learns to turn its attention off, from where a sigmoid hardly returns; one that starts quietly learns its kernels
 * first.
 */
const FIRST_SCALE = 0.25;

const MOMENTUM = 0.9;

/** Tensors that learners of the same shape share, since they work in turn. */
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

/** A block that is trained. */
export class Learner {
  /** @type {Optimizer | null} */
  #optimizer = null;
  #kind = '';
  /** @type {number[]} losses of the latest round over the batches */
  #latest = [];
  #steps = 0;

  /**
   * @param {Runtime} dk
   * @param {BlockOptions} config
   * @param {Tensor[]} batches  inputs, to which batch norm is fitted
   */
  constructor(dk, config, batches) {
    this.dk = dk;
    this.batches = batches.length;
    /** @type {Block} */
    this.block = dk.dynamicKernelAggregation({ ...config, midChannels: MID_CHANNELS });
    try {
      this.#soften();
      this.#calibrate(batches);
      this.block.requiresGrad = true;
    } catch (error) {
      this.block.dispose();
      throw error;
    }
  }

  #soften() {
    const state = this.block.stateDict();
    const kernels = /** @type {Float32Array} */ (state['aggregation.weight'].data);
    for (let i = 0; i < kernels.length; i++) kernels[i] *= FIRST_SCALE;
    this.block.loadStateDict(state);
  }

  /**
   * Fits batch norm's running statistics to the examples once; learning then goes on in evaluation mode, so that a
   * picture alone is treated as it was in its batch.
   *
   * @param {Tensor[]} batches
   */
  #calibrate(batches) {
    const { attention } = this.block;
    attention.train();
    for (let i = 0; i < CALIBRATION; i++) attention.forward(batches[i % batches.length]).dispose();
    attention.eval();
  }

  /**
   * One step of the optimizer.
   *
   * @param {Tensor} x
   * @param {Tensor} target
   * @param {Workspace} workspace
   * @param {Tuning['optimizer']} kind
   * @param {number} lr
   * @returns {number} the loss before it
   */
  learn(x, target, { y, gradient }, kind, lr) {
    const optimizer = this.#optimizerOf(kind, lr);
    optimizer.zeroGrad();
    this.block.forward(x, { out: y });
    const { loss } = this.dk.mseLoss(y, target, { out: gradient });
    this.block.backward(gradient, { input: false });
    optimizer.step();
    this.#latest[this.#steps++ % this.batches] = loss;
    return loss;
  }

  /** The mean of the latest losses, over one round of the batches; NaN before the first step. */
  get loss() {
    return this.#latest.reduce((sum, loss) => sum + loss, 0) / this.#latest.length;
  }

  /**
   * The optimizer of this kind; another kind starts without memory of the steps before.
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
      ? this.dk.adam([this.block], { lr })
      : this.dk.sgd([this.block], { lr, momentum: MOMENTUM });
    return this.#optimizer;
  }

  /** [K, O, C/G, R, R], a copy. */
  get kernels() {
    return this.block.parameters()['aggregation.weight'].toArray();
  }

  dispose() {
    this.#optimizer?.dispose();
    this.block.dispose();
  }
}
