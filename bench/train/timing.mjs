// Timing of training steps. Not web/bench/timing.js: an engine in another process times its own steps, lest the way
// there count, and one whose step takes seconds cannot be warmed up by hundreds of them.
import { median } from '../../web/bench/timing.js';

/**
 * @typedef {object} Burst
 * @property {number} ms of one step
 * @property {number[]} losses each before its step
 */

/** @typedef {(steps: number) => Burst | Promise<Burst>} RunBurst */

/**
 * Milliseconds of one step.
 *
 * @typedef {object} Timing
 * @property {number} ms the median
 * @property {number} low the least
 * @property {number} high the most
 * @property {number} samples
 * @property {number} burst steps in each sample
 */

/** A sample's least time in milliseconds. */
const SAMPLE = 50;
const MOST_ROUNDS = 200;
/** An engine whose step takes longer, in milliseconds, is not warmed up and takes part in every third round only. */
const SLOW = 500;
const SLOW_ROUNDS = 3;

/**
 * @param {() => number} step gives its loss
 * @returns {RunBurst}
 */
export const burstOf = (step) => (steps) => {
  const losses = new Array(steps).fill(0);
  const start = performance.now();
  for (let i = 0; i < steps; i++) losses[i] = step();
  return { ms: (performance.now() - start) / steps, losses };
};

/**
 * Bursts of all in turn, round after round, every other round backwards.
 *
 * @param {readonly { run: RunBurst, ms: number }[]} started ms: of a step, as far as is known
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
      if (!slow) await run(1); // not counted: the caches are full of another engine's numbers
      samples.push((await run(burst)).ms);
    }
    order.reverse();
  }
  return contestants.map(({ samples, burst }) => ({
    ms: median(samples), low: Math.min(...samples), high: Math.max(...samples), samples: samples.length, burst,
  }));
}

/**
 * Ever longer bursts until the time is over; the milliseconds of a step at the end.
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
