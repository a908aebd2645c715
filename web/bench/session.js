/** A comparison: runs every workload on every engine, checks the outputs, then times the engines in turn. */
import { measurePeak } from './peak.js';
import { timeInTurn } from './timing.js';
import { LAYERS } from './workload.js';

/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('./engine.js').Prepared} Prepared */
/** @typedef {import('./timing.js').Pace} Pace */
/** @typedef {import('./timing.js').Timing} Timing */

/**
 * What is measured: layers, or whole networks.
 *
 * @template [Case=any]
 * @template [Numbers=any]
 * @typedef {object} Task
 * @property {(workload: Case) => { name: string, kind: string, description: string, flops: number }} describe
 * @property {(workload: Case) => Numbers} makeNumbers
 * @property {(engine: Engine, workload: Case, numbers: Numbers) => Promise<Prepared | null>} prepare
 */

/**
 * The description of an engine.
 *
 * @typedef {Pick<Engine, 'id' | 'version' | 'threads'> & { simd?: string, scope?: string }} EngineInfo
 */

/**
 * The results of one workload.
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} kind
 * @property {string} description
 * @property {number} flops
 * @property {string} plan the algorithm that the first engine chose
 * @property {{ [engine: string]: Timing | null }} timings null if the engine does not support the workload
 * @property {{ [engine: string]: number }} differences the largest difference from the first engine's, divided by the
 *   largest magnitude
 */

/**
 * @typedef {object} Comparison
 * @property {string} date ISO 8601
 * @property {{ [name: string]: unknown }} environment
 * @property {EngineInfo[]} engines the others are compared with the first
 * @property {number} peak GFLOP/s of multiply-add on one thread, in the first engine's SIMD
 * @property {Row[]} rows
 */

/**
 * A report on the way: the comparison before its first row, a workload that begins, or a finished row.
 *
 * @typedef {{ begin: Omit<Comparison, 'rows'> } | { workload: any, index: number, count: number }
 *   | { row: Row }} Progress
 */

/** Outputs that differ by more are wrong. Rounding stays well below. */
export const TOLERANCE = 2e-4;

/**
 * Runs a comparison.
 *
 * @param {object} options
 * @param {Task} [options.task] layers by default
 * @param {readonly { name: string }[]} options.workloads
 * @param {readonly Engine[]} options.engines
 * @param {Pace} options.pace
 * @param {{ [name: string]: unknown }} options.environment
 * @param {(progress: Progress) => void} [options.onProgress]
 * @returns {Promise<Comparison>}
 */
export async function runSession({ task = LAYERS, workloads, engines, pace, environment, onProgress = () => {} }) {
  const begin = {
    date: new Date().toISOString(), environment, engines: engines.map(engineInfo),
    peak: await measurePeak(engines[0].simd === 'relaxed' ? 'relaxed' : 'baseline', pace.warmUp),
  };
  onProgress({ begin });
  const rows = [];
  for (const [index, workload] of workloads.entries()) {
    onProgress({ workload, index, count: workloads.length });
    const row = await runWorkload(task, workload, engines, pace);
    onProgress({ row });
    rows.push(row);
  }
  return { ...begin, rows };
}

/** @param {Engine} engine */
const engineInfo = ({ id, version, threads, simd, scope }) =>
  ({ id, version, threads, ...(simd ? { simd } : {}), ...(scope ? { scope } : {}) });

/** Returns the ids of the engines whose output differs from the first engine's. @param {Row} row */
export const wrongEngines = ({ differences }) =>
  Object.keys(differences).filter((id) => !(differences[id] <= TOLERANCE));

/**
 * Runs a workload on all engines that support it.
 *
 * @param {Task} task
 * @param {unknown} workload
 * @param {readonly Engine[]} engines
 * @param {Pace} pace
 * @returns {Promise<Row>}
 */
async function runWorkload(task, workload, engines, pace) {
  const numbers = task.makeNumbers(workload);
  /** @type {{ id: string, prepared: Prepared }[]} */
  const entrants = [];
  /** @type {Row} */
  const row = { ...task.describe(workload), plan: '', timings: {}, differences: {} };
  try {
    for (const engine of engines) {
      const prepared = await task.prepare(engine, workload, numbers);
      if (prepared) entrants.push({ id: engine.id, prepared });
      else row.timings[engine.id] = null;
    }
    row.plan = entrants[0].prepared.plan ?? '';
    row.flops = entrants[0].prepared.flops ?? row.flops;
    row.differences = await compareOutputs(entrants);
    const timings = await timeInTurn(entrants.map(({ prepared }) => prepared), pace);
    for (const [i, { id }] of entrants.entries()) row.timings[id] = timings[i];
    return row;
  } finally {
    for (const { prepared } of entrants) await prepared.dispose();
  }
}

/** Returns each engine's difference from the first. @param {readonly { id: string, prepared: Prepared }[]} entrants */
async function compareOutputs([first, ...others]) {
  /** @type {{ [engine: string]: number }} */
  const differences = {};
  await first.prepared.run();
  const expected = first.prepared.output();
  for (const { id, prepared } of others) {
    await prepared.run();
    differences[id] = difference(prepared.output(), expected);
  }
  return differences;
}

/**
 * Returns the largest difference, divided by the largest expected magnitude; NaN if a difference is NaN. Of several
 * outputs, the worst counts.
 *
 * @param {Float32Array | Float32Array[]} actual
 * @param {Float32Array | Float32Array[]} expected
 * @returns {number}
 */
function difference(actual, expected) {
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return Infinity;
    return Math.max(...expected.map((output, i) => difference(actual[i], output)));
  }
  if (Array.isArray(actual)) return Infinity;
  if (actual.length !== expected.length) return Infinity;
  let most = 0;
  let magnitude = 0;
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(actual[i] - expected[i]);
    if (Number.isNaN(distance)) return NaN;
    most = Math.max(most, distance);
    magnitude = Math.max(magnitude, Math.abs(expected[i]));
  }
  return most / magnitude;
}
