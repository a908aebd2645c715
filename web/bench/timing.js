/** Timing several ways of doing the same work, side by side. */

/**
 * @typedef {object} Contestant
 * @property {() => void | Promise<void>} run the work, once
 */

/**
 * How long to measure, in milliseconds.
 *
 * @typedef {object} Pace
 * @property {number} warmUp for each contestant, before anything counts
 * @property {number} budget for all contestants together
 * @property {number} rounds at least, whatever the budget
 */

/**
 * Milliseconds of one run.
 *
 * @typedef {object} Timing
 * @property {number} ms the median
 * @property {number} low the 10th percentile
 * @property {number} high the 90th
 * @property {number} samples
 * @property {number} burst runs in each sample
 */

/** @type {{ full: Pace, quick: Pace }} */
export const PACES = {
  full: { warmUp: 500, budget: 3000, rounds: 15 },
  quick: { warmUp: 150, budget: 600, rounds: 9 },
};

/** Engines exchange their first code for an optimised version after so many calls. */
const WARM_CALLS = 300;
const MOST_ROUNDS = 1000;

/** The smallest step of the clock, in milliseconds: browsers coarsen it, above all on pages that are not isolated. */
export function clockStep() {
  let least = Infinity;
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    let now = start;
    while (now === start) now = performance.now();
    least = Math.min(least, now - start);
  }
  return least;
}

/**
 * @param {readonly number[]} sorted
 * @param {number} fraction 0..1
 */
function quantile(sorted, fraction) {
  const at = fraction * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.ceil(at);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

/** @param {readonly number[]} values */
export const median = (values) => quantile([...values].sort((a, b) => a - b), 0.5);

/**
 * Runs the contestants in turn, round after round, so that whatever else the machine does meets all of them alike, and
 * gives each one's timing. A sample is a burst of runs that is long against the clock's step; every other round goes
 * through the contestants backwards.
 *
 * @param {readonly Contestant[]} contestants
 * @param {Pace} pace
 * @param {() => unknown} [between] awaited between rounds
 * @returns {Promise<Timing[]>}
 */
export async function timeInTurn(contestants, { warmUp, budget, rounds }, between) {
  const long = Math.max(1, 50 * clockStep()); // a sample's least time
  /** @type {number[]} */
  const bursts = [];
  for (const { run } of contestants) {
    const once = await warm(run, warmUp, long / 5);
    bursts.push(Math.max(1, Math.ceil(long / once)));
  }

  /** @type {number[][]} */
  const samples = contestants.map(() => []);
  const order = contestants.map((_, i) => i);
  const end = performance.now() + budget;
  for (let round = 0; round < rounds || (round < MOST_ROUNDS && performance.now() < end); round++) {
    for (const i of order) {
      const start = performance.now();
      await repeat(contestants[i].run, bursts[i]);
      samples[i].push((performance.now() - start) / bursts[i]);
    }
    order.reverse();
    if (between) await between();
  }
  return samples.map((times, i) => {
    const sorted = times.sort((a, b) => a - b);
    const [low, ms, high] = [0.1, 0.5, 0.9].map((fraction) => quantile(sorted, fraction));
    return { ms, low, high, samples: sorted.length, burst: bursts[i] };
  });
}

/**
 * Runs until the time is over or the code is surely optimised, and gives the milliseconds of a run at the end.
 *
 * @param {Contestant['run']} run
 * @param {number} milliseconds
 * @param {number} visible a time that the clock measures well enough to choose a burst
 */
async function warm(run, milliseconds, visible) {
  const end = performance.now() + milliseconds;
  let calls = 0;
  do {
    await run();
    calls++;
  } while (calls < 3 || (calls < WARM_CALLS && performance.now() < end));
  for (let burst = 1; ; burst *= 2) {
    const start = performance.now();
    await repeat(run, burst);
    const time = performance.now() - start;
    if (time >= visible) return time / burst;
  }
}

/**
 * @param {Contestant['run']} run
 * @param {number} times
 */
async function repeat(run, times) {
  for (let i = 0; i < times; i++) {
    const promise = run();
    if (promise) await promise; // a run that answers at once is not made to wait for a microtask
  }
}
