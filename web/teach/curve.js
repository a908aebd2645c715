/** The most points that a curve keeps. If a run is longer, neighbours are merged. */
const CAPACITY = 480;

/** @typedef {{ step: number, dynamic: number, single: number }} Point */

/** The two losses over the steps, in memory that does not grow without limit. */
export class Curve {
  /** @type {Point[]} */
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

  /** Adds the losses of steps. @param {readonly [step: number, dynamic: number, single: number][]} losses */
  add(losses) {
    for (const [step, dynamic, single] of losses) {
      if (!(dynamic > 0 && single > 0 && Number.isFinite(dynamic + single))) continue; // a log axis has no place for it
      const last = this.points[this.points.length - 1];
      if (last && this.#inLast < this.#stride) merge(last, { step, dynamic, single }, this.#inLast++);
      else {
        this.points.push({ step, dynamic, single });
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
 * @param {Point} point
 * @param {Point} other
 * @param {number} count  the weight of `point`; the other's is 1
 */
function merge(point, other, count) {
  const mean = (/** @type {number} */ a, /** @type {number} */ b) =>
    Math.exp((Math.log(a) * count + Math.log(b)) / (count + 1));
  point.step = other.step;
  point.dynamic = mean(point.dynamic, other.dynamic);
  point.single = mean(point.single, other.single);
}
