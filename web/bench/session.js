/** A comparison: every workload on every engine, checked against each other, then timed in turn. */
import { measurePeak } from './peak.js';
import { timeInTurn } from './timing.js';
import { describe, kindOf, makeNumbers } from './workload.js';

/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('./engine.js').Prepared} Prepared */
/** @typedef {import('./timing.js').Pace} Pace */
/** @typedef {import('./timing.js').Timing} Timing */
/** @typedef {import('./workload.js').Workload} Workload */

/**
 * What is known of an engine.
 *
 * @typedef {Pick<Engine, 'id' | 'version' | 'threads'> & { simd?: string }} EngineInfo
 */

/**
 * One workload's result.
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} kind
 * @property {string} description
 * @property {number} flops
 * @property {string} plan the algorithm that the first engine chose
 * @property {{ [engine: string]: Timing | null }} timings null: the engine cannot do it
 * @property {{ [engine: string]: number }} differences from the first engine's output: the largest, over the largest
 *   magnitude
 */

/**
 * @typedef {object} Comparison
 * @property {string} date ISO 8601
 * @property {{ [name: string]: unknown }} environment
 * @property {EngineInfo[]} engines the first is the one that the others are compared with
 * @property {number} peak GFLOP/s of multiply-add on one thread
 * @property {Row[]} rows
 */

/**
 * What is known before the first row; the workload that is begun; the row that is done.
 *
 * @typedef {{ begin: Omit<Comparison, 'rows'> } | { workload: Workload, index: number, count: number }
 *   | { row: Row }} Progress
 */

/** Outputs that differ by more are wrong; rounding stays well below. */
export const TOLERANCE = 2e-4;

/**
 * @param {object} options
 * @param {readonly Workload[]} options.workloads
 * @param {readonly Engine[]} options.engines
 * @param {Pace} options.pace
 * @param {{ [name: string]: unknown }} options.environment
 * @param {(progress: Progress) => void} [options.onProgress]
 * @returns {Promise<Comparison>}
 */
export async function runSession({ workloads, engines, pace, environment, onProgress = () => {} }) {
  const begin = {
    date: new Date().toISOString(), environment, engines: engines.map(engineInfo), peak: await measurePeak(pace.warmUp),
  };
  onProgress({ begin });
  const rows = [];
  for (const [index, workload] of workloads.entries()) {
    onProgress({ workload, index, count: workloads.length });
    const row = await runWorkload(workload, engines, pace);
    onProgress({ row });
    rows.push(row);
  }
  return { ...begin, rows };
}

/** @param {Engine} engine */
const engineInfo = ({ id, version, threads, simd }) => ({ id, version, threads, ...(simd ? { simd } : {}) });

/** Engines whose output is not the first one's.
 * @param {Row} row */
export const wrongEngines = ({ differences }) =>
  Object.keys(differences).filter((id) => !(differences[id] <= TOLERANCE));

/**
 * @param {Workload} workload
 * @param {readonly Engine[]} engines
 * @param {Pace} pace
 * @returns {Promise<Row>}
 */
async function runWorkload(workload, engines, pace) {
  const numbers = makeNumbers(workload);
  /** @type {{ id: string, prepared: Prepared }[]} */
  const able = [];
  /** @type {Row} */
  const row = {
    name: workload.name, kind: kindOf(workload), description: describe(workload), flops: workload.flops, plan: '',
    timings: {}, differences: {},
  };
  try {
    for (const engine of engines) {
      const prepared = await engine.prepare(workload, numbers);
      if (prepared) able.push({ id: engine.id, prepared });
      else row.timings[engine.id] = null;
    }
    row.plan = able[0].prepared.plan ?? '';
    row.differences = await compareOutputs(able);
    const timings = await timeInTurn(able.map(({ prepared }) => prepared), pace);
    for (const [i, { id }] of able.entries()) row.timings[id] = timings[i];
    return row;
  } finally {
    for (const { prepared } of able) await prepared.dispose();
  }
}

/** @param {readonly { id: string, prepared: Prepared }[]} able */
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
 * @param {Float32Array} actual
 * @param {Float32Array} expected
 */
function difference(actual, expected) {
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
