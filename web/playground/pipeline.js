/** @import { Runtime, Tensor } from '../dynakernel/index.js' */
/** @import { Source } from '../shared/types.js' */
/** @import { Model } from './model.js' */
import { UNCHANGED, changesPixels, imageOptions } from '../shared/normalisation.js';

/** The first stage that has to run again; what is before it is kept. */
export const STAGE = { pixels: 0, attention: 1, convolution: 2, drawing: 3, none: 4 };

/** @typedef {{ pixels?: number, attention?: number, convolution?: number, drawing?: number }} Times  milliseconds */

/** Image → pixels → attention → convolution, in tensors that are kept from frame to frame. */
export class Pipeline {
  #x = new Slot();
  /** x before normalisation, where there is one */
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
    /** The longest side that the block is given; smaller images are not enlarged. */
    this.size = 384;
    this.normalisation = UNCHANGED;
    /** @type {Float32Array | null} weights [K] set by hand, in place of the attention's */
    this.manual = null;
    /** What the attention says, [K], whether or not it is applied. */
    this.automatic = new Float32Array(0);
  }

  /** Height and width that the block is given. */
  get inputSize() {
    const { width = 1, height = 1 } = this.source ?? {};
    const scale = Math.min(1, this.size / Math.max(width, height));
    return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
  }

  /** [1, C, H, W], what the block is fed. */
  get x() {
    return this.#x.tensor;
  }

  /** The same in 0..1, to be drawn. */
  get picture() {
    return this.#plain.tensor ?? this.x;
  }

  /** [1, K], the weights that were applied. */
  get a() {
    return this.#a.tensor;
  }

  /** [1, O, Ho, Wo]; null before the first frame, and after one that failed. */
  get y() {
    return this.#y.tensor;
  }

  /**
   * Runs the stages from `first` on, all of them where there is no y; y is then what they gave. Throws what the library
   * throws.
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
      this.#y.clear(); // what is there belongs to an earlier frame
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
    if (changesPixels(this.normalisation)) this.#plain.fill(shape, (out) => this.dk.fromImage(source.image, { ...size, out }));
    else this.#plain.clear();
  }

  /** @param {Model} model */
  #attend(model) {
    const x = /** @type {Tensor} */ (this.x);
    // In manual mode too: what the attention would say is shown beside the weights set by hand.
    const a = this.#a.fill([1, model.numKernels], (out) => model.block.attention.forward(x, { out }));
    this.automatic = a.toArray();
  }

  /** @param {Model} model */
  #convolve(model) {
    const { block } = model;
    const x = /** @type {Tensor} */ (this.x);
    const a = /** @type {Tensor} */ (this.a);
    if (this.manual) a.data.set(this.manual);
    this.#y.fill([model, ...x.shape], (out) => block.aggregation.forward(x, a, { out }));
  }
}

/** A tensor that is written anew for every frame, and made anew where what its shape follows from changes. */
class Slot {
  /** @type {Tensor | null} */
  tensor = null;
  /** @type {unknown[]} */
  #key = [];

  /**
   * @param {unknown[]} key  all that the shape follows from
   * @param {(out: Tensor | undefined) => Tensor} write  into out, where there is one
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
