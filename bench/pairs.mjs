// Which pairs of 128-bit operations V8 joins into 256-bit ones, in the functions that each workload runs.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, fail, root } from '../scripts/project.mjs';
import { revectorizeFlag } from './engines.mjs';
import { machine } from './machine.mjs';
import { readTrace } from './pairs/trace.mjs';
import { reportName, showProgress } from './reports.mjs';

/** The most operations of a row. The JSON file has all of them. */
const MOST_OPERATIONS = 4;
/** These cost no time. */
const FREE = ['Phi', 'Simd128Constant'];

/** @param {import('./options.mjs').Options} options */
export async function measurePairs({ workloads, simd }) {
  if (build('named') !== 0) fail('The modules with names cannot be built: see the message above.');
  const variant = simd === 'auto' ? 'relaxed' : simd;
  const data = { date: new Date().toISOString(), environment: machine(), simd: variant, rows: [] };
  for (const [index, workload] of workloads.entries()) {
    showProgress({ workload, index, count: workloads.length });
    data.rows.push({ name: workload.name, functions: traceWorkload(workload, variant) });
  }
  const rows = data.rows.flatMap(({ name, functions }) => functions.map((one, i) => [
    i === 0 ? name : '', one.name, String(one.seeds), String(sum(working(one.pairs))), listOf(working(one.pairs), MOST_OPERATIONS) || '-',
    listOf(one.broken, Infinity) || (one.seeds === 0 ? 'no adjacent stores' : '-'),
  ]));
  const notes = [
    'Seeds are pairs of adjacent 16-byte stores, from which V8 looks for more pairs; pairs are what it joined. A store ' +
      'between the two halves of a pair breaks it (Break side effect).',
    `${data.environment.engine}, ${variant} SIMD, ${data.environment.machine}, ${data.date.slice(0, 10)}.`,
  ];
  const columns = ['workload', 'function', 'seeds', 'pairs', 'of which', 'broken by'];
  return [{ name: reportName('pairs', { threads: 1, simd }), table: { columns, rows, isText: true }, notes, failures: [], data }];
}

/**
 * Runs a workload in a process of its own, and returns its functions: those with most pairs first, then those with most
 * seeds.
 *
 * @param {import('../web/bench/workload.js').Workload} workload
 * @param {string} variant
 */
function traceWorkload(workload, variant) {
  const child = fileURLToPath(new URL('pairs/child.mjs', import.meta.url));
  const wasm = join(root, `build/named/dynakernel-${variant}.wasm`);
  // compiling at once keeps the traces of two functions apart
  const flags = [revectorizeFlag(process.execPath), '--trace-wasm-revectorize', '--wasm-sync-tier-up'];
  /** @type {import('node:child_process').SpawnSyncOptionsWithStringEncoding} */
  const options = { encoding: 'utf8', maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'inherit'] };
  const { status, stdout, error } = spawnSync(process.execPath, [...flags, child, JSON.stringify(workload), wasm], options);
  if (status !== 0) throw new Error(`the process that runs ${workload.name} failed${error ? `: ${error.message}` : ''}`);
  const functions = readTrace(stdout);
  if (functions.length === 0) throw new Error("V8 printed no trace: this Node's V8 is built without revectorization");
  return functions.sort((a, b) => sum(working(b.pairs)) - sum(working(a.pairs)) || b.seeds - a.seeds);
}

/** @param {{ [name: string]: number }} counts */
const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);

/** The operations that cost time. @param {{ [operation: string]: number }} pairs */
const working = (pairs) => Object.fromEntries(Object.entries(pairs).filter(([name]) => !FREE.includes(name)));

/** The names with the highest counts. @param {{ [name: string]: number }} counts @param {number} most */
const listOf = (counts, most) => Object.entries(counts).sort(([, a], [, b]) => b - a).slice(0, most)
  .map(([name, count]) => `${count} ${name}`).join(', ');
