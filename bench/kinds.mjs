// Measures what each kind of dynamic convolution costs beside Dite-HRNet's block: the same layers, by every kind.
import { load } from '../web/dynakernel/index.js';
import { Random } from '../web/shared/random.js';
import { timeInTurn } from '../web/bench/timing.js';
import { blockOptions } from '../web/bench/workload.js';
import { machine } from './machine.mjs';
import { reportName, showProgress } from './reports.mjs';

/** A kind's forward pass over x, into y. No kind has a bias, because ODConv has none.
 * @type {{ [kind: string]: (dk: any, options: any, x: any, y: any) => { run: () => void, modules: any[] } }} */
const kinds = {
  block: (dk, options, x, y) => single(dk.dynamicKernelAggregation(options), x, y),
  DyConv: (dk, options, x, y) => single(dk.dyConv2d(options), x, y),
  CondConv: (dk, { numKernels, ...options }, x, y) => {
    const routing = dk.routing({ channels: options.inChannels, numExperts: numKernels, seed: options.seed });
    const convolution = dk.condConv2d({ ...options, numExperts: numKernels });
    const a = routing.forward(x);
    const run = () => void convolution.forward(x, routing.forward(x, { out: a }), { out: y });
    return { run, modules: [routing, convolution, a] };
  },
  ODConv: (dk, { bias: _bias, ...options }, x, y) => single(dk.odConv2d(options), x, y),
};

const single = (module, x, y) => ({ run: () => void module.forward(x, { out: y }), modules: [module] });

/** @param {import('./options.mjs').Options} options */
export async function measureKinds({ workloads, simd, revectorize, threads: [threads], pace }) {
  const dk = await load({ simd, threads });
  const names = Object.keys(kinds);
  const data = { date: new Date().toISOString(), environment: machine(), threads, simd: dk.info.simd, rows: [] };
  for (const [i, workload] of workloads.entries()) {
    showProgress({ workload, index: i, count: workloads.length });
    data.rows.push({ name: workload.name, ms: await measure(dk, workload, pace) });
  }
  dk.dispose();

  const mean = (kind) => Math.exp(data.rows.reduce((sum, { ms }) => sum + Math.log(ms[kind] / ms.block), 0) /
    data.rows.length);
  const others = names.slice(1);
  const table = {
    columns: ['workload', 'block, ms', ...others.map((kind) => `${kind} / block`)],
    rows: [
      ...data.rows.map(({ name, ms }) =>
        [name, ms.block.toFixed(4), ...others.map((kind) => (ms[kind] / ms.block).toFixed(3))]),
      ['geometric mean', '', ...others.map((kind) => mean(kind).toFixed(3))],
    ],
  };
  const notes = ['The time of each kind by that of the block, without biases; medians, timed in turn.',
    `${data.environment.engine}, ${data.simd} SIMD, ${data.environment.machine}, ${data.date.slice(0, 10)}.`];
  return [{ name: reportName('kinds', { threads, simd, revectorize }), table, notes, failures: [], data }];
}

/**
 * Milliseconds of each kind.
 *
 * @param {any} dk
 * @param {import('../web/bench/workload.js').Workload} workload
 * @param {import('../web/bench/timing.js').Pace} pace
 */
async function measure(dk, workload, pace) {
  const { N, C, O, H, W, Ho, Wo } = workload;
  const random = new Random(2);
  const x = dk.zeros([N, C, H, W]), y = dk.zeros([N, O, Ho, Wo]);
  x.data.set(Float32Array.from(x.data, () => random.between(-1, 1)));
  const options = { ...blockOptions(workload), bias: false, seed: 3 };
  const contestants = Object.values(kinds).map((make) => make(dk, options, x, y));
  const timings = await timeInTurn(contestants, pace);
  for (const thing of [x, y, ...contestants.flatMap(({ modules }) => modules)]) thing.dispose();
  return Object.fromEntries(Object.keys(kinds).map((kind, i) => [kind, timings[i].ms]));
}
