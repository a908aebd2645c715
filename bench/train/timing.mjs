// Times training steps. web/bench/timing.js does not fit for two reasons. An engine in another process times its steps
// itself, because the messages must not count. An engine with steps of seconds cannot warm up with hundreds of steps.
import { median } from '../../web/bench/timing.js';

/**
 * @typedef {object} Burst
 * @property {number} ms of one step
 * @property {number[]} losses of each step, before its update
 */

/** @typedef {(steps: number) => Burst | Promise<Burst>} RunBurst */

/**
 * Milliseconds of one step.
 *
 * @typedef {object} Timing
 * @property {number} ms the median
 * @property {number} low the shortest
 * @property {number} high the longest
 * @property {number} samples
 * @property {number} burst steps in each sample
 */

/** The shortest time of a sample, in milliseconds. */
const SAMPLE = 50;
const MOST_ROUNDS = 200;
/** If a step takes more milliseconds, its engine has no warm-up and takes part in every third round only. */
const SLOW = 500;
const SLOW_ROUNDS = 3;

/**
 * @param {() => number} step returns its loss
 * @returns {RunBurst}
 */
export const burstOf = (step) => (steps) => {
  const losses = new Array(steps).fill(0);
  const start = performance.now();
  for (let i = 0; i < steps; i++) losses[i] = step();
  return { ms: (performance.now() - start) / steps, losses };
};

/**
 * Runs a burst of each contestant in turn, round after round. Every other round runs backwards.
 *
 * @param {readonly { run: RunBurst, ms: number }[]} started ms: of the first step
 * @param {import('../../web/bench/timing.js').Pace} pace
 * @returns {Promise<Timing[]>}
 */
export async function timeBursts(started, { warmUp, budget, rounds }) {
  const contestants = [];
  for (const { run, ms: first } of started) {
    const slow = first > SLOW;
    const ms = slow ? first : await warm(run, warmUp);
    contestants.push({ run, slow, burst: Math.max(1, Math.ceil(SAMPLE / ms)), samples: [] });
  }
  const order = [...contestants];
  const end = performance.now() + budget;
  for (let round = 0; round < rounds || (round < MOST_ROUNDS && performance.now() < end); round++) {
    for (const { run, slow, burst, samples } of order) {
      if (slow && round % SLOW_ROUNDS !== 0) continue;
      if (!slow) await run(1); // not counted, because the caches hold another engine's numbers
      samples.push((await run(burst)).ms);
    }
    order.reverse();
  }
  return contestants.map(({ samples, burst }) => ({
    ms: median(samples), low: Math.min(...samples), high: Math.max(...samples), samples: samples.length, burst,
  }));
}

/**
 * Runs longer and longer bursts until the time is over. Returns the milliseconds of a step in the last one.
 *
 * @param {RunBurst} run
 * @param {number} milliseconds
 */
async function warm(run, milliseconds) {
  const end = performance.now() + milliseconds;
  for (let steps = 1; ; steps *= 2) {
    const { ms } = await run(steps);
    if (performance.now() >= end) return ms;
  }
}
