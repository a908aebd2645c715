/** @import { Runtime, Tensor } from '../dynakernel/index.js' */
/** @import { Block } from '../shared/blocks.js' */
/** @import { BlockConfig } from '../shared/types.js' */
/** @import { Learner } from './learner.js' */
/** @import { Teacher } from './teacher.js' */
/** @import { Kernels, Photo, Pixels, Progress, Sample } from './types.js' */
import { SYMMETRIC, imageOptions } from '../shared/normalisation.js';
import { samples } from './examples.js';

/** The side of the pictures on screen in pixels. */
const SIDE = 128;

/** The factor by which differences are drawn stronger. */
export const DIFFERENCE_GAIN = 2;

/** The normalisation of the pixels. */
export const NORMALISATION = SYMMETRIC;

/** The pictures on screen, their targets, and the learners' predictions. */
export class Gallery {
  /**
   * @param {Runtime} dk
   * @param {Teacher} teacher
   * @param {import('./types.js').Lesson} lesson
   * @param {Photo[]} photos
   */
  constructor(dk, teacher, lesson, photos) {
    this.dk = dk;
    this.teacher = teacher;
    this.channel = lesson.channel;
    const shown = samples(lesson.kind, photos);
    this.names = shown.map(({ name }) => name);
    this.effects = shown.map(({ effect }) => effect);
    const { inChannels } = teacher.config;
    this.x = dk.zeros([shown.length, inChannels, SIDE, SIDE]);
    try {
      shown.forEach(({ data, side }, batch) => {
        dk.fromImage({ data, width: side, height: side }, {
          ...imageOptions(NORMALISATION, inChannels), width: SIDE, height: SIDE, out: this.x, batch,
        });
      });
      this.target = teacher.targets(this.x, this.effects);
      this.y = dk.zeros(this.target.shape);
      this.difference = dk.zeros(this.target.shape);
    } catch (error) {
      this.dispose();
      throw error;
    }
    /** The largest magnitude in the targets; NaN or infinite if one of their values is. */
    this.peak = this.target.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    /** The greatest value on screen. Effects reach ±1, like pixels; another block may reach any value. */
    this.range = teacher.model && this.peak > 0 ? this.peak : 1;
  }

  get count() {
    return this.names.length;
  }

  /** @returns {Sample[]} */
  samples() {
    const { names, effects, teacher } = this;
    return names.map((name, n) => ({
      name,
      effect: teacher.model ? '' : teacher.names[effects[n]],
      input: this.#picture(this.x, n, 1, 0),
      target: this.#picture(this.target, n, this.range, this.channel),
    }));
  }

  /**
   * Runs a learner on all pictures.
   *
   * @param {Learner} learner
   * @returns {Progress}
   */
  look(learner) {
    const { block, pupil } = learner;
    block.look(this.x, { out: this.y });
    const { kernel } = block.attentions;
    const errors = this.#compare();
    return {
      id: pupil.id,
      loss: learner.loss,
      errors,
      predictions: this.names.map((_, n) => this.#picture(this.y, n, this.range, this.channel)),
      differences: this.names.map((_, n) =>
        this.#picture(this.difference, n, this.range / DIFFERENCE_GAIN, this.channel)),
      attention: kernel.slice(),
      kernels: this.kernels(block.config, block.kernels),
      mixed: this.#mixed(block, kernel),
      temperature: block.temperature,
    };
  }

  /** Fills `difference`. @returns {number[]} the mean squared error of each picture */
  #compare() {
    const y = this.y.data;
    const target = this.target.data;
    const difference = this.difference.data;
    const size = y.length / this.count;
    return this.names.map((_, n) => {
      let sum = 0;
      for (let i = n * size; i < (n + 1) * size; i++) {
        difference[i] = y[i] - target[i];
        sum += difference[i] * difference[i];
      }
      return sum / size;
    });
  }

  /**
   * Returns the mixed kernels of all pictures.
   *
   * @param {Block} block
   * @param {Float32Array} kernel  the weights [samples, K] of its kernels
   */
  #mixed(block, kernel) {
    const a = this.dk.tensor(kernel, [this.count, kernel.length / this.count]);
    try {
      const { weight, bias } = block.mix(a);
      bias?.dispose();
      try {
        return this.kernels(block.config, weight.toArray());
      } finally {
        weight.dispose();
      }
    } finally {
      a.dispose();
    }
  }

  /**
   * Returns the kernels of the output channels on screen: all three if there are three, else the chosen one.
   *
   * @param {Pick<BlockConfig, 'outChannels' | 'inChannels' | 'groups' | 'kernelSize'>} config
   * @param {Float32Array} values  [count, O, C/G, R, R]
   * @returns {Kernels}
   */
  kernels({ outChannels: O, inChannels, groups, kernelSize: size }, values) {
    const planes = inChannels / groups;
    const depth = planes * size * size;
    const count = values.length / (O * depth);
    if (O === 3) return { count, outputs: O, planes, size, values: values.slice() };
    const shown = new Float32Array(count * depth);
    for (let k = 0; k < count; k++) {
      const start = (k * O + this.channel) * depth;
      shown.set(values.subarray(start, start + depth), k * depth);
    }
    return { count, outputs: 1, planes, size, values: shown };
  }

  /**
   * Returns an image of a tensor as pixels.
   *
   * @param {Tensor} tensor  [N, channels, H, W]
   * @param {number} batch
   * @param {number} range  black is minus this value, white is plus this value
   * @param {number} channel  the channel to draw if there are not three
   * @returns {Pixels}
   */
  #picture(tensor, batch, range, channel) {
    const view = tensor.shape[1] === 3
      ? /** @type {const} */ ({ channel: 'rgb' })
      : /** @type {const} */ ({ channel, colormap: 'gray' });
    const { width, height, data } = tensor.toImageData({ batch, ...view, range: [-range, range] });
    return { width, height, data: /** @type {Uint8ClampedArray<ArrayBuffer>} */ (data) };
  }

  dispose() {
    for (const tensor of [this.x, this.target, this.y, this.difference]) tensor?.dispose();
  }
}
