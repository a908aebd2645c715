// Where the time of a network goes: its layers by time, and the sums of each op.
import { makeNumbers } from '../../web/bench/network.js';
import { openRuntime } from '../../web/bench/engine.js';
import { engineText, milliseconds } from '../../web/bench/report.js';
import { median } from '../../web/bench/timing.js';
import { loadNotes, machine } from '../machine.mjs';
import { reportName } from '../reports.mjs';
import { readModels } from './models.mjs';

/** @typedef {import('../../web/dynakernel/network/network.js').ProfiledLayer} ProfiledLayer */

/** The most layers in a table. The JSON file has all of them. */
const MOST_ROWS = 40;

/** @param {import('../options.mjs').Options} options */
export async function measureLayers({ files, simd, threads: [threads], quick }) {
  const { models, failures } = readModels(files);
  const { dk, engine } = await openRuntime({ simd, threads });
  const environment = machine();
  const [passes, runs] = quick ? [5, 5] : [15, 10];
  const reports = models.flatMap((model) => {
    console.error(model.name);
    const net = dk.onnxNetwork(model.bytes, { shapes: model.inputs });
    const inputs = Object.fromEntries(Object.entries(makeNumbers(model)).map(([name, data]) =>
      [name, dk.tensor(data, model.inputs[name])]));
    const profiles = Array.from({ length: passes }, () => net.profile(inputs, { runs }));
    const layers = profiles[0].map((layer, i) => ({ ...layer, ms: median(profiles.map((profile) => profile[i].ms)) }))
      .sort((a, b) => b.ms - a.ms);
    net.dispose();
    const total = layers.reduce((sum, { ms }) => sum + ms, 0);
    const notes = [
      `${model.name}: ${layers.length} layers, ${milliseconds(total)} ms together, each run by itself; medians of ${passes} means of ${runs} runs.`,
      `${engineText(engine)}. ${environment.engine}, ${environment.machine}, ${environment.system}.`,
      ...loadNotes(environment),
    ];
    const name = reportName(`layers-${model.name}`, { threads, simd });
    const data = { date: new Date().toISOString(), environment, engine: engineText(engine), passes, runs, total, layers };
    return [
      { name: `${name}-by-op`, table: tableOfOps(layers, total), notes, failures: [], data },
      { name, table: tableOfLayers(layers, total), notes, failures: [], data },
    ];
  });
  await engine.close();
  if (failures.length > 0) console.error(failures.join('\n'));
  if (reports.length === 0) throw new Error('no network can be measured');
  reports[0].failures = failures;
  return reports;
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
 * @param {ProfiledLayer[]} layers by time
 * @param {number} total
 */
function tableOfLayers(layers, total) {
  const columns = ['layer', 'op', 'algorithm', 'output', 'ms', 'share', 'M multiply-adds', 'a ns'];
  const rows = layers.slice(0, MOST_ROWS).map((layer) => [
    layer.name, [layer.op, ...(layer.fused.length > 0 ? [`+${layer.fused.length}`] : [])].join(' '),
    layer.algorithm ?? '-', layer.output.join('×'), milliseconds(layer.ms), share(layer.ms, total),
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
