// Where the time of a network goes: its layers by time, and the sums of each op.
import { makeNumbers } from '../../web/bench/network.js';
import { openRuntime } from '../../web/bench/engine.js';
import { engineText, geometricMean, milliseconds, times } from '../../web/bench/report.js';
import { median } from '../../web/bench/timing.js';
import { loadNotes, machine } from '../machine.mjs';
import { reportName } from '../reports.mjs';
import { readModels } from './models.mjs';

/** @typedef {import('../../web/dynakernel/network/network.js').ProfiledLayer} ProfiledLayer */

/** The most layers in a table. The JSON file has all of them. */
const MOST_ROWS = 40;

/** Layers that take longer on one thread are compared, because threads cannot speed up shorter ones. */
const LONG_MS = 0.5;

/**
 * A layer's median times.
 *
 * @typedef {ProfiledLayer & { oneThread?: number }} TimedLayer oneThread: milliseconds on one thread, if ms are on several
 */

/** @param {import('../options.mjs').Options} options */
export async function measureLayers({ files, simd, revectorize, threads: [threads], quick }) {
  const { models, failures } = readModels(files);
  const runtimes = [await openRuntime({ simd, threads })];
  if (threads > 1) runtimes.push(await openRuntime({ simd, threads: 1 }));
  const [{ engine }] = runtimes;
  const environment = machine();
  const [passes, runs] = quick ? [5, 5] : [15, 10];
  const reports = models.flatMap((model) => {
    console.error(model.name);
    const layers = timeLayers(model, runtimes.map(({ dk }) => dk), passes, runs);
    const total = layers.reduce((sum, { ms }) => sum + ms, 0);
    const notes = [
      `${model.name}: ${layers.length} layers, ${milliseconds(total)} ms together, each run by itself; medians of ${passes} means of ${runs} runs.`,
      `${engineText(engine)}. ${environment.engine}, ${environment.machine}, ${environment.system}.`,
      ...(threads > 1 ? [threadsNote(layers, threads)] : []),
      ...loadNotes(environment),
    ];
    const name = reportName(`layers-${model.name}`, { threads, simd, revectorize });
    const data = { date: new Date().toISOString(), environment, engine: engineText(engine), passes, runs, total, layers };
    return [
      { name: `${name}-by-op`, table: tableOfOps(layers, total), notes, failures: [], data },
      { name, table: tableOfLayers(layers, total), notes, failures: [], data },
    ];
  });
  for (const runtime of runtimes) await runtime.engine.close();
  if (failures.length > 0) console.error(failures.join('\n'));
  if (reports.length === 0) throw new Error('no network can be measured');
  reports[0].failures = failures;
  return reports;
}

/**
 * Times a network's layers on each runtime in turn.
 *
 * @param {import('./models.mjs').Model} model
 * @param {any[]} runtimes the second has one thread
 * @param {number} passes
 * @param {number} runs
 * @returns {TimedLayer[]} by time
 */
function timeLayers(model, runtimes, passes, runs) {
  const numbers = Object.entries(makeNumbers(model));
  const networks = runtimes.map((dk) => {
    const net = dk.onnxNetwork(model.bytes, { shapes: model.inputs });
    const inputs = Object.fromEntries(numbers.map(([name, data]) => [name, dk.tensor(data, model.inputs[name])]));
    return { net, inputs, profiles: /** @type {ProfiledLayer[][]} */ ([]) };
  });
  for (let pass = 0; pass < passes; pass++) {
    for (const { net, inputs, profiles } of networks) profiles.push(net.profile(inputs, { runs }));
  }
  const medianOf = ({ profiles }, i) => median(profiles.map((profile) => profile[i].ms));
  const layers = networks[0].profiles[0].map((layer, i) => ({
    ...layer, ms: medianOf(networks[0], i), ...(networks[1] ? { oneThread: medianOf(networks[1], i) } : {}),
  }));
  for (const { net, inputs } of networks) [net, ...Object.values(inputs)].forEach((thing) => thing.dispose());
  return layers.sort((a, b) => b.ms - a.ms);
}

/**
 * Says how much faster the threads are, on the long layers and on all.
 *
 * @param {TimedLayer[]} layers
 * @param {number} threads
 */
export function threadsNote(layers, threads) {
  const long = layers.filter(({ oneThread }) => oneThread > LONG_MS);
  const sums = ['oneThread', 'ms'].map((key) => layers.reduce((sum, layer) => sum + layer[key], 0));
  const all = `all layers together ${times(sums[0] / sums[1])} times as fast`;
  if (long.length === 0) return `${threads} threads over one: ${all}; no layer takes more than ${LONG_MS} ms on one.`;
  const ratios = long.map(({ oneThread, ms }) => oneThread / ms);
  return `${threads} threads over one: ${times(geometricMean(ratios))} times as fast, the geometric mean of the ` +
    `${long.length} layers that take more than ${LONG_MS} ms on one (least ${times(Math.min(...ratios))}); ${all}.`;
}

/**
 * Multiply-adds a nanosecond, or nothing if there are none.
 *
 * @param {{ multiplyAdds: number, ms: number }} layer
 */
const speed = ({ multiplyAdds, ms }) => (multiplyAdds > 0 && ms > 0 ? (multiplyAdds / ms / 1e6).toFixed(1) : '-');

const millions = (multiplyAdds) => (multiplyAdds > 0 ? (multiplyAdds / 1e6).toFixed(2) : '-');

const share = (ms, total) => `${((100 * ms) / total).toFixed(1)} %`;

/**
 * @param {TimedLayer[]} layers by time
 * @param {number} total
 */
function tableOfLayers(layers, total) {
  const hasThreads = layers.some(({ oneThread }) => oneThread !== undefined);
  const columns = [
    'layer', 'op', 'algorithm', 'output', 'ms', ...(hasThreads ? ['one thread ms', 'ratio'] : []), 'share',
    'M multiply-adds', 'a ns',
  ];
  const rows = layers.slice(0, MOST_ROWS).map((layer) => [
    layer.name, [layer.op, ...(layer.fused.length > 0 ? [`+${layer.fused.length}`] : [])].join(' '),
    layer.algorithm ?? '-', layer.output.join('×'), milliseconds(layer.ms),
    ...(hasThreads ? [milliseconds(layer.oneThread), times(layer.oneThread / layer.ms)] : []), share(layer.ms, total),
    millions(layer.multiplyAdds), speed(layer),
  ]);
  return { columns, rows };
}

/**
 * @param {ProfiledLayer[]} layers
 * @param {number} total
 */
function tableOfOps(layers, total) {
  /** @type {Map<string, { count: number, ms: number, multiplyAdds: number }>} */
  const sums = new Map();
  for (const { op, algorithm, ms, multiplyAdds } of layers) {
    const key = algorithm ? `${op}, ${algorithm}` : op;
    const sum = sums.get(key) ?? { count: 0, ms: 0, multiplyAdds: 0 };
    sums.set(key, { count: sum.count + 1, ms: sum.ms + ms, multiplyAdds: sum.multiplyAdds + multiplyAdds });
  }
  const rows = [...sums].sort(([, a], [, b]) => b.ms - a.ms).map(([key, sum]) =>
    [key, String(sum.count), milliseconds(sum.ms), share(sum.ms, total), millions(sum.multiplyAdds), speed(sum)]);
  return { columns: ['op', 'layers', 'ms', 'share', 'M multiply-adds', 'a ns'], rows };
}
