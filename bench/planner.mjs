// How well the planner chooses: shapes are convolved by every algorithm that covers them, in turn, and the one that is
// planned is compared with the fastest.
import { readFileSync, writeFileSync } from 'node:fs';
import { build, fail } from '../scripts/project.mjs';
import { load } from '../web/dynakernel/index.js';
import { heapOf } from '../web/dynakernel/runtime.js';
import { Random } from '../web/shared/random.js';
import { timeInTurn } from '../web/bench/timing.js';
import { blockOptions, describe, readWorkload } from '../web/bench/workload.js';
import { machine } from './machine.mjs';
import { CostModel, fitConstants, meanExcess, readConstants, writeConstants } from './planner/fit.mjs';
import { reportName } from './reports.mjs';

/** All but the reference, which computes in double precision, to be read. */
const rivalsOf = (dk) => heapOf(dk).algorithms.filter((name) => !['auto', 'reference'].includes(name));

const pace = { warmUp: 60, budget: 300, rounds: 7 };
/** What shapes are drawn: those of the fit are larger too, because its costs must hold for them as well. */
const draws = {
  choices: { seed: 1, edge: 112, flops: 1e8 },
  fit: { seed: 2, edge: 512, flops: 3e8 },
};
const most = { full: 200, quick: 40 };
const shown = 10;

/** @param {import('./options.mjs').Options} options */
export async function measurePlanner({ workloads, simd, threads: [threads], quick }) {
  const count = quick ? most.quick : most.full;
  const chosen = workloads.length > 0 ? workloads : drawWorkloads(count, draws.choices).map(({ workload }) => workload);
  const dk = await load({ simd, threads });
  const data = { date: new Date().toISOString(), environment: machine(), threads, simd: dk.info.simd, rows: [] };
  for (const [i, workload] of chosen.entries()) {
    showProgress(i, chosen.length, workload);
    data.rows.push(await measure(dk, workload));
  }
  dk.dispose();

  const names = [...new Set(data.rows.map(({ algorithm }) => algorithm))].sort();
  const table = {
    columns: ['planned', 'shapes', 'the fastest', 'mean excess', 'most'],
    rows: [
      ...names.map((name) => summary(name, data.rows.filter(({ algorithm }) => algorithm === name))),
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
 * @param {{ seed: number, edge: number, flops: number }} limits edge: of an output's rows and columns
 */
function drawWorkloads(count, { seed, edge, flops }) {
  const random = new Random(seed);
  const upTo = (limit) => Math.max(1, Math.round(limit ** random.next()));
  const drawn = [];
  while (drawn.length < count) {
    const k = [3, 3, 3, 5, 7, 2, 4][random.below(7)];
    const s = 1 + random.below(2);
    const d = k === 3 && s === 1 ? [1, 1, 1, 2, 4][random.below(5)] : 1;
    const g = [1, 1, 1, 2, 4][random.below(5)];
    const [cin, cout, h, w] = [g * upTo(128), g * upTo(128), s * (1 + upTo(edge)), s * (1 + upTo(edge))];
    const source = { cin, cout, k, s, d, g, p: Math.floor((d * (k - 1)) / 2), h, w };
    if (cin === g && g > 1) continue; // depthwise
    const workload = readWorkload(`shape ${drawn.length + 1}`, source);
    if (workload.flops > 4e4 && workload.flops < flops) drawn.push({ workload, source });
  }
  return drawn;
}

/**
 * @param {import('../web/dynakernel/index.js').Runtime} dk
 * @param {import('../web/bench/workload.js').Workload} workload
 */
async function measure(dk, workload) {
  const { N, C, H, W } = workload;
  const planner = dk.kernelAggregation({ ...blockOptions(workload), seed: 3 });
  const { algorithm } = planner.planFor([N, C, H, W]);
  planner.dispose();
  const times = await withContestants(dk, workload, async (contestants) => {
    const timings = await timeInTurn(contestants, pace);
    return Object.fromEntries(contestants.map(({ name }, i) => [name, timings[i].ms]));
  });
  const fastest = Object.keys(times).reduce((best, name) => (times[name] < times[best] ? name : best));
  return { description: describe(workload), algorithm, fastest, excess: times[algorithm] / times[fastest] - 1, times };
}

/**
 * Runs work on what computes a workload by each algorithm that covers it.
 *
 * @template Result
 * @param {import('../web/dynakernel/index.js').Runtime} dk
 * @param {import('../web/bench/workload.js').Workload} workload
 * @param {(contestants: { name: string, run: () => void }[]) => Result | Promise<Result>} work
 */
async function withContestants(dk, workload, work) {
  const { N, C, O, K, H, W, Ho, Wo } = workload;
  const random = new Random(2);
  const fill = (shape) => {
    const tensor = dk.zeros(shape);
    tensor.data.set(Float32Array.from(tensor.data, () => random.between(-1, 1)));
    return tensor;
  };
  const x = fill([N, C, H, W]), a = fill([N, K]), y = dk.zeros([N, O, Ho, Wo]);
  const modules = rivalsOf(dk).map((name) =>
    ({ name, module: dk.kernelAggregation({ ...blockOptions(workload), algorithm: name, seed: 3 }) }));
  // A name may stand for its family: a contestant is what its plan names.
  const contestants = modules
    .filter(({ name, module }) => planned(module, [N, C, H, W]) === name)
    .map(({ name, module }) => ({ name, run: () => void module.forward(x, a, { out: y }) }));
  const result = await work(contestants);
  for (const thing of [x, a, y, ...modules.map(({ module }) => module)]) thing.dispose();
  return result;
}

/** The algorithm by which a module convolves such an input; null if the one that is forced cannot. */
function planned(module, shape) {
  try {
    return module.planFor(shape).algorithm;
  } catch (error) {
    if (error.code === 'ERR_CONFIG' || error.code === 'ERR_MEMORY') return null;
    throw error;
  }
}

const showProgress = (index, count, { name }) =>
  console.error(`${String(index + 1).padStart(3)} of ${count}  ${name}`);

const measurements = new URL('planner/measurements.json', import.meta.url);

/**
 * Measures shapes by each algorithm, unless the measurements that there are will do, fits the constants of
 * src/convolution/costs.h to them and writes both.
 *
 * @param {import('./options.mjs').Options} options
 */
export async function fitPlanner({ simd, quick, refit }) {
  if (build('fit') !== 0) fail('The cost functions cannot be built: see the message above.');
  if (!refit) {
    const { shapes, ...rest } = await measureShapes(simd, quick ? most.quick : most.full);
    const lines = shapes.map((shape) => `\n${JSON.stringify(shape)}`); // one shape a line
    writeFileSync(measurements, `${JSON.stringify(rest).slice(0, -1)},"shapes":[${lines}\n]}\n`);
  }
  const { environment, simd: measured, shapes } = JSON.parse(readFileSync(measurements, 'utf8'));
  const dk = await load({ threads: 1 });
  const model = new CostModel(heapOf(dk).algorithms);
  dk.dispose();
  const present = readConstants(), names = Object.keys(present);
  const samples = shapes.map(({ shape, importance, nanoseconds }) => {
    const workload = readWorkload('a shape', shape);
    const counted = Object.keys(nanoseconds).map((name) => [name, model.counts(workload, name)])
      .filter(([, counts]) => counts?.some((count) => count > 0));
    const { N, C, O, G, R } = workload;
    return { nanoseconds, counts: Object.fromEntries(counted), weights: N * O * (C / G) * R * R, importance };
  }).filter(({ counts }) => Object.keys(counts).length > 0);

  // By halves: how well constants choose for shapes that they were not fitted to.
  const halves = [0, 1].map((half) => samples.filter((_, i) => i % 2 === half));
  const crossed = halves.map((half, i) =>
    meanExcess(half, Object.values(fitConstants(halves[1 - i], names).constants)));
  const { constants, call, mixing, error } = fitConstants(samples, names);
  writeConstants(constants);
  const excess = (/** @type {object} */ values) => meanExcess(samples, Object.values(values));
  const table = {
    columns: ['constant', 'before', 'fitted, ns'],
    rows: names.map((name) => [name, String(present[name]), constants[name].toPrecision(3)]),
  };
  const notes = [
    `${samples.length} shapes; costs are ${percent(error)} off the times on average; a call takes ` +
      `${call.toFixed(0)} ns more, and mixing a weight ${mixing.toFixed(2)} ns.`,
    `Choices take longer than the fastest: by the constants before ${percent(excess(present))}, by the fitted ones ` +
      `${percent(excess(constants))}, on shapes that they were not fitted to ${percent((crossed[0] + crossed[1]) / 2)}.`,
    `${environment.engine}, ${measured} SIMD, ${environment.machine}.`,
  ];
  return [{ name: 'planner-fit', table, notes, failures: [], data: { constants, call, mixing, error } }];
}

/**
 * The bench's own workloads, and shapes that are drawn.
 *
 * @param {import('./options.mjs').Options['simd']} simd
 * @param {number} count of those that are drawn
 */
async function measureShapes(simd, count) {
  const dk = await load({ simd, threads: 1 });
  const own = JSON.parse(readFileSync(new URL('../web/bench/workloads.json', import.meta.url), 'utf8'));
  const all = [
    ...Object.entries(own).map(([name, source]) => ({ workload: readWorkload(name, source), source, importance: 10 })),
    ...drawWorkloads(count, draws.fit).map((drawn) => ({ ...drawn, importance: 1 })),
  ];
  const shapes = [];
  for (const [i, { workload, source, importance }] of all.entries()) {
    showProgress(i, all.length, workload);
    const nanoseconds = await withContestants(dk, workload, processorTimes);
    shapes.push({ shape: source, importance, nanoseconds });
  }
  const data = { date: new Date().toISOString().slice(0, 10), environment: machine(), simd: dk.info.simd, shapes };
  dk.dispose();
  return data;
}

/** Nanoseconds that this process has computed: other programs that take the processor meanwhile do not count. */
const clock = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
};

/**
 * Nanoseconds of a run of each contestant, in turn: a low quantile, since what other programs do to the caches and the
 * memory that all share only makes it longer.
 *
 * @param {{ name: string, run: () => void }[]} contestants
 */
function processorTimes(contestants) {
  const long = 4e6, warm = 60e6, rounds = 15;
  const bursts = contestants.map(({ run }) => {
    const start = clock();
    let runs = 0;
    for (; clock() - start < warm || runs < 10; runs++) run();
    return Math.max(1, Math.ceil(long / ((clock() - start) / runs)));
  });
  const samples = contestants.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { run }] of contestants.entries()) {
      const start = clock();
      for (let burst = 0; burst < bursts[i]; burst++) run();
      samples[i].push((clock() - start) / bursts[i]);
    }
  }
  const low = (/** @type {number[]} */ times) => times.sort((a, b) => a - b)[Math.floor(rounds / 5)];
  return Object.fromEntries(contestants.map(({ name }, i) => [name, Math.round(low(samples[i]))]));
}

function summary(name, rows) {
  const right = rows.filter(({ excess }) => excess === 0).length;
  const mean = Math.exp(rows.reduce((sum, { excess }) => sum + Math.log(1 + excess), 0) / rows.length) - 1;
  const worst = Math.max(...rows.map(({ excess }) => excess));
  return [name, String(rows.length), percent(right / rows.length), percent(mean), percent(worst)];
}

const percent = (fraction) => `${(100 * fraction).toFixed(1)} %`;
