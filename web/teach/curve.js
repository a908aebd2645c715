/** Points that are kept of a run of any length; beyond them, neighbours are merged. */
const CAPACITY = 480;

/** @typedef {{ step: number, dynamic: number, single: number }} Point */

/** The two losses over the steps, in bounded memory. */
export class Curve {
  /** @type {Point[]} */
  points = [];
  /** Steps that one point stands for. */
  #stride = 1;
  #inLast = 0;

  clear() {
    this.points = [];
    this.#stride = 1;
    this.#inLast = 0;
  }

  /** @param {readonly [step: number, dynamic: number, single: number][]} losses */
  add(losses) {
    for (const [step, dynamic, single] of losses) {
      if (!(dynamic > 0 && single > 0 && Number.isFinite(dynamic + single))) continue; // no place on a log axis
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
    // An odd one out at the end stands for half as many steps as it may.
    this.#inLast = points.length % 2 ? this.#inLast : this.#stride * 2;
    this.#stride *= 2;
  }
}

/**
 * The geometric mean, which is the mean of what is drawn.
 *
 * @param {Point} point  of `count` steps, to which another is added
 * @param {Point} other
 * @param {number} count
 */
function merge(point, other, count) {
  const mean = (/** @type {number} */ a, /** @type {number} */ b) =>
    Math.exp((Math.log(a) * count + Math.log(b)) / (count + 1));
  point.step = other.step;
  point.dynamic = mean(point.dynamic, other.dynamic);
  point.single = mean(point.single, other.single);
}
