// Measures how well the planner chooses. Convolves each shape by every algorithm that covers it, in turn, and compares
// the planned algorithm with the fastest.
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

/** Leaves out the reference: it computes in double precision and is written for readers. */
const rivalsOf = (dk) => heapOf(dk).algorithms.filter((name) => !['auto', 'reference'].includes(name));

const pace = { warmUp: 60, budget: 300, rounds: 7 };
/** The limits of the drawn shapes. The fit also draws larger shapes, because its costs must hold for them too. */
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
 * Draws shapes of convolutions that are not depthwise, from tiny images and few channels on. A convolution takes from
 * some microseconds to some ten milliseconds.
 *
 * @param {number} count
 * @param {{ seed: number, edge: number, flops: number }} limits edge: limits an output's rows and columns
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
 * Calls work with the contestants of a workload, one for each algorithm that covers it. Returns the result of work.
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
  // A name may stand for a family of algorithms. Keep a module only if its plan has the same name.
  const contestants = modules
    .filter(({ name, module }) => planned(module, [N, C, H, W]) === name)
    .map(({ name, module }) => ({ name, run: () => void module.forward(x, a, { out: y }) }));
  const result = await work(contestants);
  for (const thing of [x, a, y, ...modules.map(({ module }) => module)]) thing.dispose();
  return result;
}

/** Returns the algorithm that a module convolves this shape by, or null if the forced algorithm cannot. */
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
 * Measures shapes by each algorithm and writes the measurements, or reads the stored ones if `refit` is true. Then fits
 * the constants of src/convolution/costs.h to the measurements and writes the constants.
 *
 * @param {import('./options.mjs').Options} options
 */
export async function fitPlanner({ simd, quick, refit }) {
  if (build('fit') !== 0) fail('The cost functions cannot be built: see the message above.');
  if (!refit) {
    const { shapes, ...rest } = await measureShapes(simd, quick ? most.quick : most.full);
    const lines = shapes.map((shape) => `\n${JSON.stringify(shape)}`); // one shape per line
    writeFileSync(measurements, `${JSON.stringify(rest).slice(0, -1)},"shapes":[${lines}\n]}\n`);
  }
  const { environment, simd: measured, shapes } = JSON.parse(readFileSync(measurements, 'utf8'));
  const dk = await load({ threads: 1 });
  const model = new CostModel(heapOf(dk).algorithms);
  dk.dispose();
  const present = readConstants(), names = Object.keys(present);
  const samples = shapes.map(({ shape, importance, nanoseconds }) => {
    const workload = readWorkload('a shape', shape);
    const counted = Object.keys(nanoseconds).map((name) => /** @type {const} */ ([name, model.counts(workload, name)]))
      .filter(([, counts]) => counts?.some((count) => count > 0));
    const { N, C, O, G, R } = workload;
    return { nanoseconds, counts: Object.fromEntries(counted), weights: N * O * (C / G) * R * R, importance };
  }).filter(({ counts }) => Object.keys(counts).length > 0);

  // Fit on each half and test on the other. This shows how well constants choose for shapes outside the fit.
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
 * Measures the benchmark's own workloads and drawn shapes.
 *
 * @param {import('./options.mjs').Options['simd']} simd
 * @param {number} count of the drawn shapes
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

/** Returns this process's processor time in nanoseconds. The time of other programs does not count. */
const clock = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
};

/**
 * Times the contestants in turn and returns the nanoseconds of one run of each. Returns a low quantile, because other
 * programs use the same caches and memory and only make runs longer.
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
