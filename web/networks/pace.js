/** The times of runs. */

/** The time shown is the median of this many runs. */
const WINDOW = 9;

export class Pace {
  /** @type {number[]} milliseconds of the latest runs */
  #times = [];
  /** @type {number[]} when the runs of the last second ended */
  #ends = [];

  clear() {
    this.#times = [];
    this.#ends = [];
  }

  /** Adds a run that ended now. @param {number} ms */
  add(ms) {
    this.#times.push(ms);
    if (this.#times.length > WINDOW) this.#times.shift();
    const now = performance.now();
    this.#ends.push(now);
    while (now - this.#ends[0] > 1000) this.#ends.shift();
  }

  /** The median, in milliseconds; null before the first run. */
  get median() {
    const sorted = [...this.#times].sort((a, b) => a - b);
    return sorted.length > 0 ? sorted[sorted.length >> 1] : null;
  }

  /** Runs per second over the last second; null if there are too few to tell. */
  get rate() {
    const count = this.#ends.length;
    return count < 3 ? null : ((count - 1) * 1000) / (this.#ends[count - 1] - this.#ends[0]);
  }
}
