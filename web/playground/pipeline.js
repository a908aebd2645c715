/** @import { Runtime, Tensor } from '../dynakernel/index.js' */
/** @import { Source } from '../shared/types.js' */
/** @import { Model } from './model.js' */
import { UNCHANGED, changesPixels, imageOptions } from '../shared/normalisation.js';

/** The stages of a frame. A change names the first stage that must run again; earlier results are kept. */
export const STAGE = { pixels: 0, attention: 1, convolution: 2, drawing: 3, none: 4 };

/** @typedef {{ pixels?: number, attention?: number, convolution?: number, drawing?: number }} Times  milliseconds */

/** Image → pixels → attention → convolution, in tensors that all frames share. */
export class Pipeline {
  #x = new Slot();
  /** x before normalisation; empty if pixels are not normalised */
  #plain = new Slot();
  #a = new Slot();
  #y = new Slot();

  /** @param {Runtime} dk */
  constructor(dk) {
    this.dk = dk;
    /** @type {Model | null} */
    this.model = null;
    /** @type {Source | null} */
    this.source = null;
    /** The longest side of the block's input. Smaller images are not enlarged. */
    this.size = 384;
    this.normalisation = UNCHANGED;
    /** @type {Float32Array | null} weights [K] set by hand, instead of the attention's; or null */
    this.manual = null;
    /** The attention's weights [K], applied or not. @type {Float32Array} */
    this.automatic = new Float32Array(0);
  }

  /** Height and width of the block's input. */
  get inputSize() {
    const { width = 1, height = 1 } = this.source ?? {};
    const scale = Math.min(1, this.size / Math.max(width, height));
    return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
  }

  /** The block's input [1, C, H, W]. */
  get x() {
    return this.#x.tensor;
  }

  /** The input before normalisation, 0..1, for drawing. */
  get picture() {
    return this.#plain.tensor ?? this.x;
  }

  /** The weights [1, K] that were applied. */
  get a() {
    return this.#a.tensor;
  }

  /** The output [1, O, Ho, Wo]; null before the first frame and after a frame that failed. */
  get y() {
    return this.#y.tensor;
  }

  /**
   * Runs the stages from `first` on, or all if there is no y, and sets y. Throws the library's error, and then there is
   * no y.
   *
   * @param {number} first  a STAGE
   * @returns {Times}
   */
  run(first) {
    const { model, source } = this;
    if (!model || !source) return {};
    try {
      return this.#runStages(this.y ? first : STAGE.pixels, model, source);
    } catch (error) {
      this.#y.clear(); // it holds an earlier frame
      throw error;
    }
  }

  /**
   * @param {number} first
   * @param {Model} model
   * @param {Source} source
   */
  #runStages(first, model, source) {
    /** @type {Times} */
    const times = {};
    /** @type {[stage: keyof Times & keyof typeof STAGE, run: () => void][]} */
    const stages = [
      ['pixels', () => this.#readPixels(model.channels, source)],
      ['attention', () => this.#attend(model)],
      ['convolution', () => this.#convolve(model)],
    ];
    for (const [stage, run] of stages) {
      if (STAGE[stage] < first) continue;
      const start = performance.now();
      run();
      times[stage] = performance.now() - start;
    }
    if (!model.block.separate) delete times.attention; // it is part of the convolution
    return times;
  }

  /**
   * @param {number} channels
   * @param {Source} source
   */
  #readPixels(channels, source) {
    const { width, height } = this.inputSize;
    const shape = [1, channels, height, width];
    const size = { width, height, channels };
    this.#x.fill(shape, (out) =>
      this.dk.fromImage(source.image, { ...size, ...imageOptions(this.normalisation, channels), out }),
    );
    if (!changesPixels(this.normalisation)) this.#plain.clear();
    else this.#plain.fill(shape, (out) => this.dk.fromImage(source.image, { ...size, out }));
  }

  /**
   * Computes the attention's weights, also if weights are set by hand: the page shows both side by side.
   *
   * @param {Model} model
   */
  #attend({ block, numKernels }) {
    const x = /** @type {Tensor} */ (this.x);
    if (block.separate) {
      this.automatic = this.#a.fill([1, numKernels], (out) => block.attend(x, { out })).toArray();
    } else if (this.manual) {
      this.#look(x);
    }
  }

  /** @param {Model} model */
  #convolve({ block, numKernels }) {
    const x = /** @type {Tensor} */ (this.x);
    if (!block.separate) {
      if (!this.manual) this.#look(x);
      this.#a.fill([1, numKernels], (out) => out ?? this.dk.zeros([1, numKernels])).data.set(this.automatic);
    }
    const a = /** @type {Tensor} */ (this.a);
    if (this.manual) a.data.set(this.manual);
    if (block.separate || this.manual) this.#convolveWith(x, a);
  }

  /** Runs a block whose attention does not run by itself. @param {Tensor} x */
  #look(x) {
    const { block } = /** @type {Model} */ (this.model);
    this.#y.fill([this.model, ...x.shape], (out) => block.look(x, { out }));
    this.automatic = block.attentions.kernel;
  }

  /**
   * @param {Tensor} x
   * @param {Tensor} a
   */
  #convolveWith(x, a) {
    const { block } = /** @type {Model} */ (this.model);
    this.#y.fill([this.model, ...x.shape], (out) => block.apply(x, a, { out }));
  }
}

/** A tensor that every frame overwrites, and that is allocated again if its shape changes. */
class Slot {
  /** @type {Tensor | null} */
  tensor = null;
  /** @type {unknown[]} */
  #key = [];

  /**
   * Writes the tensor and returns it.
   *
   * @param {unknown[]} key  the values that decide the shape
   * @param {(out: Tensor | undefined) => Tensor} write  writes into `out`, or into a new tensor if `out` is undefined
   * @returns {Tensor}
   */
  fill(key, write) {
    if (key.length !== this.#key.length || key.some((part, i) => part !== this.#key[i])) this.clear();
    this.#key = key;
    this.tensor = write(this.tensor ?? undefined);
    return this.tensor;
  }

  clear() {
    this.tensor?.dispose();
    this.tensor = null;
  }
}
