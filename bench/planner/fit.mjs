// Fits the planner's constants (src/convolution/costs.h) to measurements.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/project.mjs';
import { nonNegativeLeastSquares } from './least-squares.mjs';

const header = join(root, 'src/convolution/costs.h');
const constantLine = /^COST\((\w+), ([\d.e+-]+)\)/gm;

/** Returns the names and values of the constants. */
export function readConstants() {
  const text = readFileSync(header, 'utf8');
  const lines = [...text.matchAll(constantLine)];
  if (lines.length !== [...text.matchAll(/^COST\(/gm)].length) {
    throw new Error(`${header}: a COST is not on a line of its own`);
  }
  return Object.fromEntries(lines.map(([, name, value]) => [name, Number(value)]));
}

/** @param {{ [name: string]: number }} constants */
export function writeConstants(constants) {
  const text = readFileSync(header, 'utf8');
  const rounded = (value) => String(Number(value.toPrecision(3)));
  writeFileSync(header, text.replace(constantLine, (_, name) => `COST(${name}, ${rounded(constants[name])})`));
}

/** Calls the C library's cost functions with any constants, in build/fit/dynakernel.wasm; see fit.c. */
export class CostModel {
  /** @type {any} the module's exports */
  #c;
  #names;
  #algorithms;

  /** @param {readonly string[]} algorithms in the order of dk_algorithm */
  constructor(algorithms) {
    const module = new WebAssembly.Module(readFileSync(join(root, 'build/fit/dynakernel.wasm')));
    this.#c = new WebAssembly.Instance(module, {}).exports;
    this.#c._initialize?.();
    this.#algorithms = algorithms;
    this.#names = Object.keys(readConstants());
  }

  /**
   * Returns how often an algorithm's cost function counts each constant, for the whole batch. The cost is the sum of
   * each constant's count times its value. Returns null if the planner never chooses the algorithm for the shape.
   *
   * @param {import('../../web/bench/workload.js').Workload} workload
   * @param {string} algorithm
   */
  counts(workload, algorithm) {
    const aggregation = this.#create(workload);
    const id = this.#algorithms.indexOf(algorithm);
    const cost = () => this.#c.fit_cost(aggregation, workload.H, workload.W, id);
    const counts = this.#names.map((name) => {
      for (const other of this.#names) this.#set(other, other === name ? 1 : 0);
      return cost() * workload.G * workload.N;
    });
    this.#c.dk_aggregation_destroy(aggregation);
    return counts.every((count) => Number.isFinite(count) && count >= 0) ? counts : null;
  }

  /** @param {string} name @param {number} value */
  #set(name, value) {
    new DataView(this.#c.memory.buffer).setFloat64(this.#c[name].value, value, true);
  }

  /** @param {import('../../web/bench/workload.js').Workload} workload */
  #create({ C, O, R, G, stride, padding, dilation }) {
    const c = this.#c, config = c.dk_alloc(128);
    new Int32Array(c.memory.buffer, config, 16).set([
      C, O, R, R, stride, stride, padding, padding, padding, padding, dilation, dilation, G, 1, 0, 0,
    ]);
    const status = c.dk_aggregation_create(config, config + 64);
    const [aggregation] = new Int32Array(c.memory.buffer, config + 64, 1);
    c.dk_free(config);
    if (status !== 0) throw new Error(`the shape is refused: status ${status}`);
    return aggregation;
  }
}

/**
 * The measurements of a shape: the nanoseconds of a forward pass by each algorithm that covers it, and the counts of
 * each cost function that counts anything.
 *
 * @typedef {object} Sample
 * @property {{ [algorithm: string]: number }} nanoseconds
 * @property {{ [algorithm: string]: number[] }} counts
 * @property {number} importance how much its errors count
 * @property {number} weights of one kernel, times the samples of the batch; every algorithm mixes them
 */

/**
 * Returns the constants that bring the costs closest to the times, by the sum of squared relative errors. All
 * algorithms take time for a call and for the mixing of a weight. Both times are fitted too, but are no constants.
 *
 * @param {Sample[]} samples
 * @param {readonly string[]} names
 * @returns {{ constants: { [name: string]: number }, call: number, mixing: number, error: number }} error: the mean
 *   relative error
 */
export function fitConstants(samples, names) {
  const rows = samples.flatMap(({ nanoseconds, counts, weights, importance }) =>
    Object.entries(counts).map(([algorithm, count]) => {
      const scale = Math.sqrt(importance);
      return { scale, values: [...count, 1, weights].map((value) => scale * value / nanoseconds[algorithm]) };
    }));
  const solution = nonNegativeLeastSquares(rows.map(({ values }) => values), rows.map(({ scale }) => scale));
  const errors = rows.map(({ scale, values }) =>
    Math.abs(values.reduce((sum, value, i) => sum + value * solution[i], 0) / scale - 1));
  return {
    constants: Object.fromEntries(names.map((name, i) => [name, solution[i]])),
    call: solution[names.length],
    mixing: solution[names.length + 1],
    error: errors.reduce((sum, error) => sum + error, 0) / errors.length,
  };
}

/**
 * Returns how much longer the choices by these constants take than the fastest algorithms, as a geometric mean.
 *
 * @param {Sample[]} samples
 * @param {readonly number[]} values of the constants
 */
export function meanExcess(samples, values) {
  const logs = samples.map(({ nanoseconds, counts }) => {
    const cost = (algorithm) => counts[algorithm].reduce((sum, count, i) => sum + count * values[i], 0);
    const rivals = Object.keys(counts);
    const chosen = rivals.reduce((best, name) => (cost(name) < cost(best) ? name : best));
    return Math.log(nanoseconds[chosen] / Math.min(...rivals.map((name) => nanoseconds[name])));
  });
  return Math.exp(logs.reduce((sum, value) => sum + value, 0) / logs.length) - 1;
}
