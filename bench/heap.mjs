// Memory of the WebAssembly module at each workload. It never shrinks, so that what it has in the end is its peak.
import { load } from '../web/dynakernel/index.js';
import { blockOptions, makeNumbers, stateDict } from '../web/bench/workload.js';
import { threadsText } from '../web/shared/format.js';
import { machine } from './machine.mjs';
import { reportName } from './reports.mjs';

const forwards = 5;
const megabyte = 1e6;
const megabytes = (bytes) => (bytes / megabyte).toFixed(2);

/** @param {import('./options.mjs').Options} options */
export async function measureHeap({ workloads, simd, threads: [threads] }) {
  const data = { date: new Date().toISOString(), environment: machine(), threads, rows: [] };
  for (const workload of workloads) data.rows.push({ name: workload.name, ...await measure(workload, simd, threads) });

  const table = {
    columns: ['workload', 'input MB', 'output MB', 'kernels MB', 'heap MB', 'limit MB', 'of limit', 'algorithm'],
    rows: data.rows.map(({ name, input, output, kernels, heap, limit, algorithm }) => {
      const share = `${((100 * heap) / limit).toFixed(0)} %`;
      return [name, ...[input, output, kernels, heap, limit].map(megabytes), share, algorithm];
    }),
  };
  const notes = [
    `A fresh runtime for each workload, ${threadsText(threads)}, after loading the state dict and ${forwards} ` +
      'forward passes. The limit is input, output and kernels, and 25 % and 2 MB on top.',
    `${data.environment.engine}, ${data.date.slice(0, 10)}.`,
  ];
  const failures = data.rows.filter(({ heap, limit }) => heap > limit).map(({ name, heap, limit }) =>
    `${name}: the heap is ${megabytes(heap)} MB; at most ${megabytes(limit)} MB was expected.`);
  return [{ name: reportName('heap', { threads, simd }), table, notes, failures, data }];
}

/** @param {import('../web/bench/workload.js').Workload} workload */
async function measure(workload, simd, threads) {
  const { N, C, O, H, W, Ho, Wo } = workload;
  const { input: values, state } = makeNumbers(workload);
  const dk = await load({ simd, threads });
  const block = dk.dynamicKernelAggregation(blockOptions(workload));
  block.loadStateDict(stateDict(state));
  const x = dk.tensor(values, [N, C, H, W]);
  const y = dk.zeros([N, O, Ho, Wo]);
  for (let i = 0; i < forwards; i++) block.forward(x, { out: y });
  const heap = dk.info.heapBytes;
  const { algorithm } = block.plan;
  dk.dispose();

  const input = 4 * N * C * H * W;
  const output = 4 * N * O * Ho * Wo;
  const kernels = 4 * state['aggregation.weight'].data.length;
  return { input, output, kernels, heap, limit: 1.25 * (input + output + kernels) + 2 * megabyte, algorithm };
}
