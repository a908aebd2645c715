// How time grows: with the sizes of a layer, with threads and with the depth of a network, beside the machine's limits.
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { root } from '../scripts/project.mjs';
import { openRuntime } from '../web/bench/engine.js';
import { measureBandwidth, measurePeak } from '../web/bench/peak.js';
import { engineText, milliseconds, times } from '../web/bench/report.js';
import { timeInTurn } from '../web/bench/timing.js';
import { blockOptions } from '../web/bench/workload.js';
import { DEPTHS, LAYER_PLOTS, STACKS, bytesOf, kernelBytesOf } from './growth/cases.mjs';
import { PAGE, pageFiles } from './growth/page.mjs';
import { loadNotes, machine } from './machine.mjs';

/** Milliseconds for each layer: before its measurement, and in it. */
const PACES = { full: { warmUp: 80, each: 350 }, quick: { warmUp: 30, each: 60 } };
/** With more threads than a runtime takes by default, little is gained. */
const MOST_THREADS = 4;

/**
 * @typedef {object} Point
 * @property {number} x
 * @property {number} ms
 * @property {number} [limit] milliseconds that the machine needs at least
 * @property {'arithmetic' | 'memory'} [bound] which of its limits that is
 */

/** @typedef {{ name: string, kernelBytes?: number, points: Point[] }} MeasuredLine kernelBytes: of one, at the first point */
/** @typedef {{ id: string, title: string, axis: string, lines: MeasuredLine[] }} Plot */

/**
 * @typedef {object} Growth
 * @property {string} date
 * @property {{ [name: string]: any }} environment
 * @property {string} engine
 * @property {number} threads of the plot "threads"
 * @property {{ peak: number, read: number, cached: number, copy: number }} limits GFLOP/s and GB/s of one thread
 * @property {Plot[]} plots
 */

/** @param {import('./options.mjs').Options} options */
export async function measureGrowth({ simd, quick, publish }) {
  const pace = quick ? PACES.quick : PACES.full;
  const { dk, engine } = await openRuntime({ simd, threads: 1 });
  const build = engine.simd === 'relaxed' ? 'relaxed' : 'baseline';
  const environment = machine();
  const limits = { peak: await measurePeak(build), ...await measureBandwidth(build) };
  /** @type {Plot[]} */
  const plots = [];
  for (const plot of LAYER_PLOTS) {
    console.error(plot.title);
    plots.push({ ...plot, lines: await measureLines(dk, plot.lines, limits, pace) });
  }
  const threads = Math.min(MOST_THREADS, availableParallelism());
  if (threads > 1) {
    console.error('Threads');
    const threaded = await openRuntime({ simd, threads });
    plots.push(await measureThreads(dk, threaded.dk, threads, pace));
    await threaded.engine.close();
  }
  console.error('Layers of a network');
  plots.push(await measureDepth(dk, pace));
  await engine.close();

  /** @type {Growth} */
  const data = { date: new Date().toISOString(), environment, engine: engineText(engine), threads, limits, plots: plots.map(rounded) };
  if (publish) writePage(data);
  return [{ name: 'growth', table: tableOf(data), notes: notesOf(data), failures: [], data }];
}

/**
 * Times the layers of all lines in turn.
 *
 * @param {any} dk
 * @param {import('./growth/cases.mjs').Line[]} lines
 * @param {Growth['limits']} limits
 * @param {{ warmUp: number, each: number }} pace
 * @returns {Promise<MeasuredLine[]>}
 */
async function measureLines(dk, lines, limits, pace) {
  const layers = lines.flatMap(({ points }) => points.map(({ workload }) => prepareLayer(dk, workload)));
  const timings = await timeAll(layers, pace);
  return lines.map(({ name, points }) => ({
    name, kernelBytes: kernelBytesOf(points[0].workload),
    points: points.map(({ x, workload }) => ({ x, ms: /** @type {number} */ (timings.shift()), ...limitOf(workload, limits) })),
  }));
}

/**
 * The speed of a threaded runtime over that of one thread, for the layers of the plot "size".
 *
 * @param {any} dk
 * @param {any} threaded
 * @param {number} threads
 * @param {{ warmUp: number, each: number }} pace
 * @returns {Promise<Plot>}
 */
async function measureThreads(dk, threaded, threads, pace) {
  const { lines } = LAYER_PLOTS[0];
  const workloads = lines.flatMap(({ points }) => points.map(({ workload }) => workload));
  const layers = workloads.flatMap((workload) => [prepareLayer(dk, workload), prepareLayer(threaded, workload)]);
  // threads need real time, in which a low quantile has the least of other programs
  const timings = await timeAll(layers, pace, { clock: () => performance.now(), quantile: 'low' });
  return {
    id: 'threads', title: 'Threads', axis: `ms of the layer on one thread; up: times as fast on ${threads}`,
    lines: lines.map(({ name, points }) => ({
      name,
      points: points.map(() => {
        const [one, many] = timings.splice(0, 2);
        return { x: one, ms: many };
      }),
    })),
  };
}

/**
 * @param {any} dk
 * @param {{ warmUp: number, each: number }} pace
 * @returns {Promise<Plot>}
 */
async function measureDepth(dk, pace) {
  const timings = await timeAll(STACKS.flatMap((stack) => DEPTHS.map((depth) => prepareStack(dk, stack, depth))), pace);
  return {
    id: 'layers', title: 'Layers of a network', axis: 'equal layers, one after the other',
    lines: STACKS.map(({ name }) => ({ name, points: DEPTHS.map((x) => ({ x, ms: /** @type {number} */ (timings.shift()) })) })),
  };
}

/** Milliseconds that this process has run, without the time of other programs. process.threadCpuUsage() is coarser. */
function processorTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** @type {{ clock: () => number, quantile: 'ms' | 'low' }} */
const MEDIAN = { clock: processorTime, quantile: 'ms' };

/**
 * Returns milliseconds, and frees what was prepared.
 *
 * @param {{ run: () => void, owned: { dispose: () => void }[] }[]} prepared
 * @param {{ warmUp: number, each: number }} pace
 * @param {{ clock: () => number, quantile: 'ms' | 'low' }} [how] the median of processor time by default
 */
async function timeAll(prepared, { warmUp, each }, { clock, quantile } = MEDIAN) {
  const timings = await timeInTurn(prepared, { warmUp, budget: each * prepared.length, rounds: 5 }, undefined, clock);
  for (const { owned } of prepared) for (const thing of owned) thing.dispose();
  return timings.map((timing) => timing[quantile]);
}

/** A block whose input and output stay in the module's memory. @param {any} dk @param {import('../web/bench/workload.js').Workload} workload */
function prepareLayer(dk, workload) {
  const { N, C, O, H, W, Ho, Wo } = workload;
  const block = dk.dynamicKernelAggregation({ ...blockOptions(workload), seed: 1 });
  const x = dk.zeros([N, C, H, W]);
  x.data.fill(0.5);
  const y = dk.zeros([N, O, Ho, Wo]);
  return { run: () => void block.forward(x, { out: y }), owned: [block, x, y] };
}

/** @param {any} dk @param {typeof STACKS[number]} stack @param {number} depth */
function prepareStack(dk, { channels, side, add }, depth) {
  const shape = [1, channels, side, side];
  const net = dk.network({ x: shape }, (g, { x }) => {
    let y = x;
    for (let i = 0; i < depth; i++) y = add(g, y, `layer${i}`);
    return y;
  }, { seed: 1 });
  const x = dk.zeros(shape);
  x.data.fill(0.5);
  const out = dk.zeros(shape);
  return { run: () => void net.forward(x, { out }), owned: [net, x, out] };
}

/**
 * The least milliseconds of a layer: of a direct convolution's arithmetic at the peak, or of its bytes at the speed of
 * reading.
 *
 * @param {import('../web/bench/workload.js').Workload} workload
 * @param {Growth['limits']} limits
 */
function limitOf(workload, { peak, read }) {
  const arithmetic = workload.flops / peak / 1e6;
  const memory = bytesOf(workload) / read / 1e6;
  return { limit: Math.max(arithmetic, memory), bound: arithmetic >= memory ? /** @type {const} */ ('arithmetic') : /** @type {const} */ ('memory') };
}

/** Four digits are more than the times are good for. @param {Plot} plot @returns {Plot} */
const rounded = ({ id, title, axis, lines }) => ({
  id, title, axis,
  lines: lines.map((line) => ({
    ...line,
    points: line.points.map((point) => /** @type {Point} */ (Object.fromEntries(Object.entries(point).map(([key, value]) =>
      [key, typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value])))),
  })),
});

/** @param {Growth} data */
function tableOf({ plots }) {
  const rows = plots.flatMap(({ id, lines }) => lines.flatMap(({ name, points }) => points.map(({ x, ms, limit }) =>
    [`${id}: ${name}`, String(x), milliseconds(ms), limit === undefined ? '-' : times(ms / limit)])));
  return { columns: ['plot', 'x', 'ms', 'of the limit'], rows };
}

/** @param {Growth} data */
function notesOf({ engine, environment, limits, date, threads }) {
  const { peak, read, cached, copy } = limits;
  return [
    `${engine}${threads > 1 ? `; the plot "threads" on ${threads}` : ''}. ${environment.engine}, ${environment.machine}, ${environment.system}, ${date.slice(0, 10)}.`,
    `One thread: ${peak.toFixed(1)} GFLOP/s, reads ${read.toFixed(0)} GB/s from memory and ${cached.toFixed(0)} from its L2 cache, ` +
      `copies ${copy.toFixed(0)}. A layer's limit is the time of a direct convolution's arithmetic at that peak, or of reading ` +
      'and writing each number once; Winograd and Toom-Cook need less arithmetic. Times on one thread are processor time.',
    ...loadNotes(environment),
  ];
}

/** @param {Growth} data */
function writePage(data) {
  mkdirSync(join(root, 'docs/growth'), { recursive: true });
  for (const [file, text] of Object.entries(pageFiles(data))) writeFileSync(join(root, file), text);
  console.error(`written to ${PAGE} and docs/growth/`);
}
