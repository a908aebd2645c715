/** The most points that a curve keeps. If a run is longer, neighbours are merged. */
const CAPACITY = 480;

/** @import { Losses } from './types.js' */

/** The losses over the steps, in memory that does not grow without limit. */
export class Curve {
  /** @type {Losses[]} */
  points = [];
  /** The number of steps that a point covers. */
  #stride = 1;
  /** The number of steps that the last point covers so far. */
  #inLast = 0;

  clear() {
    this.points = [];
    this.#stride = 1;
    this.#inLast = 0;
  }

  /** Adds the losses of steps. @param {readonly Losses[]} added */
  add(added) {
    for (const { step, losses } of added) {
      // A logarithmic axis has no place for other losses.
      if (!losses.every((loss) => loss > 0 && Number.isFinite(loss))) continue;
      const last = this.points[this.points.length - 1];
      if (last && this.#inLast < this.#stride) merge(last, { step, losses }, this.#inLast++);
      else {
        this.points.push({ step, losses: [...losses] });
        this.#inLast = 1;
      }
      if (this.points.length > CAPACITY) this.#halve();
    }
  }

  #halve() {
    const { points } = this;
    this.points = points.filter((point, i) => {
      if (i % 2) merge(points[i - 1], point, 1);
      return i % 2 === 0;
    });
    // A last point without a neighbour may cover twice as many steps now.
    this.#inLast = points.length % 2 ? this.#inLast : this.#stride * 2;
    this.#stride *= 2;
  }
}

/**
 * Merges another point into a point: their geometric mean, as the axis is logarithmic.
 *
 * @param {Losses} point
 * @param {Losses} other
 * @param {number} count  the weight of `point`; the other's is 1
 */
function merge(point, other, count) {
  point.step = other.step;
  point.losses = point.losses.map((loss, i) =>
    Math.exp((Math.log(loss) * count + Math.log(other.losses[i])) / (count + 1)));
}
