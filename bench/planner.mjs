// How well the planner chooses: shapes are convolved by every algorithm that covers them, in turn, and the one that is
// planned is compared with the fastest.
import { load } from '../web/dynakernel/index.js';
import { ALGORITHMS } from '../web/dynakernel/abi.js';
import { Random } from '../web/shared/random.js';
import { timeInTurn } from '../web/bench/timing.js';
import { blockOptions, describe, readWorkload } from '../web/bench/workload.js';
import { machine } from './machine.mjs';
import { reportName } from './reports.mjs';

/** The reference computes in double precision, to be read; F(2x2) is for more channels than are drawn here. */
const rivals = ALGORITHMS.filter((name) => !['auto', 'reference', 'winograd2'].includes(name));

const pace = { warmUp: 60, budget: 300, rounds: 7 };
const seed = 1;
const most = { full: 200, quick: 40 };
const shown = 10;

/** @param {import('./options.mjs').Options} options */
export async function measurePlanner({ workloads, simd, threads: [threads], quick }) {
  const chosen = workloads.length > 0 ? workloads : drawWorkloads(quick ? most.quick : most.full);
  const dk = await load({ simd, threads });
  const data = { date: new Date().toISOString(), environment: machine(), threads, simd: dk.info.simd, rows: [] };
  for (const [i, workload] of chosen.entries()) {
    console.error(`${String(i + 1).padStart(3)} of ${chosen.length}  ${workload.name}`);
    data.rows.push(await measure(dk, workload));
  }
  dk.dispose();

  const planned = [...new Set(data.rows.map(({ algorithm }) => algorithm))].sort();
  const table = {
    columns: ['planned', 'shapes', 'the fastest', 'mean excess', 'most'],
    rows: [
      ...planned.map((name) => summary(name, data.rows.filter(({ algorithm }) => algorithm === name))),
      summary('all', data.rows),
    ],
  };
  const worst = [...data.rows].sort((a, b) => b.excess - a.excess).slice(0, shown).filter(({ excess }) => excess > 0);
  const notes = [
    `${chosen.length} shapes, by every algorithm that covers them, in turn. The excess is how much longer the ` +
      'planned one takes than the fastest, by the medians; its mean is geometric.',
    ...worst.map(({ description, algorithm, fastest, excess }) =>
      `  ${description}: ${algorithm} ${percent(excess)} above ${fastest}`),
    `${data.environment.engine}, ${data.simd} SIMD, ${data.environment.machine}, ${data.date.slice(0, 10)}.`,
  ];
  return [{ name: reportName('planner', { threads, simd }), table, notes, failures: [], data }];
}

/**
 * Shapes of kernels that are not depthwise, from tiny images and few channels on, whose convolution takes from some
 * microseconds to some ten milliseconds.
 *
 * @param {number} count
 */
function drawWorkloads(count) {
  const random = new Random(seed);
  const upTo = (limit) => Math.max(1, Math.round(limit ** random.next()));
  const drawn = [];
  while (drawn.length < count) {
    const k = [3, 3, 3, 5, 7, 2, 4][random.below(7)];
    const s = 1 + random.below(2);
    const d = k === 3 && s === 1 ? [1, 1, 1, 2, 4][random.below(5)] : 1;
    const g = [1, 1, 1, 2, 4][random.below(5)];
    const [cin, cout, h, w] = [g * upTo(128), g * upTo(128), s * (1 + upTo(112)), s * (1 + upTo(112))];
    const source = { cin, cout, k, s, d, g, p: Math.floor((d * (k - 1)) / 2), h, w };
    if (cin === g && g > 1) continue; // depthwise
    const workload = readWorkload(`shape ${drawn.length + 1}`, source);
    if (workload.flops > 4e4 && workload.flops < 1e8) drawn.push(workload);
  }
  return drawn;
}

/**
 * @param {import('../web/dynakernel/index.js').Runtime} dk
 * @param {import('../web/bench/workload.js').Workload} workload
 */
async function measure(dk, workload) {
  const { N, C, O, K, H, W, Ho, Wo } = workload;
  const random = new Random(2);
  const fill = (shape) => {
    const tensor = dk.zeros(shape);
    tensor.data.set(Float32Array.from(tensor.data, () => random.between(-1, 1)));
    return tensor;
  };
  const x = fill([N, C, H, W]), a = fill([N, K]), y = dk.zeros([N, O, Ho, Wo]);
  const make = (algorithm) => dk.kernelAggregation({ ...blockOptions(workload), algorithm, seed: 3 });
  const planner = make('auto');
  const { algorithm } = planner.planFor([N, C, H, W]);
  const contestants = [];
  for (const name of rivals) {
    const module = make(name);
    const run = () => void module.forward(x, a, { out: y });
    if (covers(module, [N, C, H, W])) contestants.push({ name, module, run });
    else module.dispose();
  }
  const timings = await timeInTurn(contestants, pace);
  const times = Object.fromEntries(contestants.map(({ name }, i) => [name, timings[i].ms]));
  for (const thing of [planner, x, a, y, ...contestants.map(({ module }) => module)]) thing.dispose();
  const fastest = Object.keys(times).reduce((best, name) => (times[name] < times[best] ? name : best));
  return { description: describe(workload), algorithm, fastest, excess: times[algorithm] / times[fastest] - 1, times };
}

/** Whether a module whose algorithm is forced can convolve such an input. */
function covers(module, shape) {
  try {
    module.planFor(shape);
    return true;
  } catch (error) {
    if (error.code === 'ERR_CONFIG' || error.code === 'ERR_MEMORY') return false;
    throw error;
  }
}

function summary(name, rows) {
  const right = rows.filter(({ excess }) => excess === 0).length;
  const mean = Math.exp(rows.reduce((sum, { excess }) => sum + Math.log(1 + excess), 0) / rows.length) - 1;
  const worst = Math.max(...rows.map(({ excess }) => excess));
  return [name, String(rows.length), percent(right / rows.length), percent(mean), percent(worst)];
}

const percent = (fraction) => `${(100 * fraction).toFixed(1)} %`;
