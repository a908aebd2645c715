// Trains on every workload with every engine: compares their losses, then times them in turn.
import { describe, kindOf, makeNumbers } from '../../web/bench/workload.js';
import { timeBursts } from './timing.mjs';

/** @typedef {import('../../web/bench/workload.js').Workload} Workload */

/** @typedef {import('../../web/bench/workload.js').Numbers & { target: Float32Array, lr: number }} Task */

/**
 * A block and its optimizer, ready to train. Each step copies the input from an array.
 *
 * @typedef {object} Prepared
 * @property {import('./timing.mjs').RunBurst} burst
 * @property {() => void} dispose
 */

/**
 * @typedef {object} Trainer
 * @property {string} id
 * @property {string} version
 * @property {number} threads
 * @property {string} [simd]
 * @property {(workload: Workload, task: Task) => Promise<Prepared | null>} prepare null: the engine cannot do it
 * @property {() => void} close
 */

/** @typedef {{ id: string, missing: string }} Missing an engine that is not on this machine, and the reason */

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {string} kind
 * @property {string} description
 * @property {{ [engine: string]: import('./timing.mjs').Timing | null }} timings null: the engine cannot do it
 * @property {{ [engine: string]: number[] }} losses of the first steps
 * @property {{ [engine: string]: number }} differences largest relative difference from the first engine's losses
 * @property {number} change relative change of the first engine's loss over these steps
 */

/** The number of steps with compared losses. The first loss is that of the initial parameters. */
export const STEPS = 3;
/** The relative difference above which losses are wrong. Rounding stays well below. */
export const TOLERANCE = 1e-4;
/** If a loss changes by less, losses agree even if the gradients are wrong. */
export const LEAST_CHANGE = 50 * TOLERANCE;
export const LEARNING_RATE = 0.01;

/**
 * @param {Workload} workload
 * @param {readonly Trainer[]} trainers
 * @param {import('../../web/bench/timing.js').Pace} pace
 * @returns {Promise<Row>}
 */
export async function trainWorkload(workload, trainers, pace) {
  const { N, O, Ho, Wo } = workload;
  const target = Float32Array.from({ length: N * O * Ho * Wo }, (_, i) => Math.sin(i));
  const task = { ...makeNumbers(workload), target, lr: LEARNING_RATE };
  const { name } = workload;
  const row = {
    name, kind: kindOf(workload), description: describe(workload), timings: {}, losses: {}, differences: {}, change: 0,
  };
  const able = []; // the engines that can do this workload
  try {
    for (const trainer of trainers) {
      const prepared = await trainer.prepare(workload, task);
      if (prepared) able.push({ id: trainer.id, prepared });
      else row.timings[trainer.id] = null;
    }
    const contestants = [];
    for (const { id, prepared } of able) {
      const { ms, losses } = await prepared.burst(STEPS);
      row.losses[id] = losses;
      contestants.push({ run: prepared.burst, ms });
    }
    const expected = row.losses[able[0].id];
    row.change = Math.abs(expected[STEPS - 1] / expected[0] - 1);
    for (const { id } of able.slice(1)) row.differences[id] = difference(row.losses[id], expected);
    const timings = await timeBursts(contestants, pace);
    for (const [i, { id }] of able.entries()) row.timings[id] = timings[i];
    return row;
  } finally {
    for (const { prepared } of able) prepared.dispose();
  }
}

/** Returns the largest relative difference, or NaN if a loss is NaN. */
const difference = (actual, expected) =>
  Math.max(...expected.map((loss, i) => Math.abs(actual[i] - loss) / Math.abs(loss)));

/**
 * Returns the faults of a row, as sentences.
 *
 * @param {Row} row
 */
export function faults({ name, losses, differences, change }) {
  const [first] = Object.keys(losses);
  const sentences = Object.keys(differences).filter((id) => !(differences[id] <= TOLERANCE)).map((id) =>
    `${name}: the losses of ${first} and ${id} in the first ${STEPS} steps differ by ` +
    `${differences[id].toExponential(1)} of their value; at most ${TOLERANCE} was expected.`);
  if (!(change >= LEAST_CHANGE)) {
    sentences.push(`${name}: the loss changed by ${change.toExponential(1)} in ${STEPS} steps; that is too little ` +
      'to show that the gradients agree.');
  }
  return sentences;
}
