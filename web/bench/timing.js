/** Times several ways to do the same work, side by side. */

/**
 * @typedef {object} Contestant
 * @property {() => void | Promise<void>} run does the work once
 */

/**
 * The length of a measurement.
 *
 * @typedef {object} Pace
 * @property {number} warmUp milliseconds for each contestant before the measurement
 * @property {number} budget milliseconds for all contestants together
 * @property {number} rounds the least number of rounds, even if they exceed the budget
 */

/**
 * Milliseconds of one run.
 *
 * @typedef {object} Timing
 * @property {number} ms the median
 * @property {number} low the 10th percentile
 * @property {number} high the 90th percentile
 * @property {number} samples the number of samples
 * @property {number} burst the number of runs in each sample
 */

/** @type {{ full: Pace, quick: Pace }} */
export const PACES = {
  full: { warmUp: 500, budget: 3000, rounds: 15 },
  quick: { warmUp: 150, budget: 600, rounds: 9 },
};

/** After this many calls, engines have replaced their first code by an optimised version. */
const WARM_CALLS = 300;
const MOST_ROUNDS = 1000;

/** Returns the clock's smallest step in milliseconds. It is coarse on pages that are not cross-origin isolated. */
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
 * Returns a quantile, interpolated between the two nearest values.
 *
 * @param {readonly number[]} sorted
 * @param {number} fraction 0..1
 */
function quantile(sorted, fraction) {
  const position = fraction * (sorted.length - 1);
  const low = Math.floor(position);
  const high = Math.ceil(position);
  return sorted[low] + (sorted[high] - sorted[low]) * (position - low);
}

/** Returns the median. @param {readonly number[]} values */
export const median = (values) => quantile([...values].sort((a, b) => a - b), 0.5);

/**
 * Times the contestants in turn, round after round, so that other work on the machine slows all of them alike. Every
 * second round runs backwards. A sample is a burst of runs that takes at least 50 steps of the clock.
 *
 * @param {readonly Contestant[]} contestants
 * @param {Pace} pace
 * @param {() => unknown} [between] awaited between rounds
 * @param {() => number} [clock] milliseconds that the samples are measured in: real time by default
 * @returns {Promise<Timing[]>}
 */
export async function timeInTurn(contestants, { warmUp, budget, rounds }, between, clock = () => performance.now()) {
  // Warm up, and choose the bursts.
  const leastTime = Math.max(1, 50 * clockStep());
  /** @type {number[]} */
  const bursts = [];
  for (const { run } of contestants) {
    const once = await warm(run, warmUp, leastTime / 5);
    bursts.push(Math.max(1, Math.ceil(leastTime / once)));
  }

  // Measure.
  /** @type {number[][]} */
  const samples = contestants.map(() => []);
  const order = contestants.map((_, i) => i);
  const end = performance.now() + budget;
  for (let round = 0; round < rounds || (round < MOST_ROUNDS && performance.now() < end); round++) {
    for (const i of order) {
      const start = clock();
      await repeat(contestants[i].run, bursts[i]);
      samples[i].push((clock() - start) / bursts[i]);
    }
    order.reverse();
    if (between) await between();
  }

  // Summarise.
  return samples.map((times, i) => {
    const sorted = times.sort((a, b) => a - b);
    const [low, ms, high] = [0.1, 0.5, 0.9].map((fraction) => quantile(sorted, fraction));
    return { ms, low, high, samples: sorted.length, burst: bursts[i] };
  });
}

/**
 * Runs until the time is over or the code is surely optimised. Returns the milliseconds of a run after that.
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
 * Runs a number of times.
 *
 * @param {Contestant['run']} run
 * @param {number} times
 */
async function repeat(run, times) {
  for (let i = 0; i < times; i++) {
    const promise = run();
    if (promise) await promise; // a synchronous run need not wait for a microtask
  }
}
