// Milliseconds of a training step: forward, MSE loss, backward and Adam, in Node.
import { cell, engineText, meanRatio, milliseconds, ratio, times } from '../web/bench/report.js';
import { loadNotes, machine } from './machine.mjs';
import { reportName, showProgress } from './reports.mjs';
import { dynakernel } from './train/ours.mjs';
import { LEARNING_RATE, STEPS, TOLERANCE, faults, trainWorkload } from './train/session.mjs';

/** Each peer imports its module itself, because the module may import packages that are not installed. */
const peerLoaders = {
  'tfjs-cpu': async () => (await import('./train/tfjs.mjs')).tfjsCpu(),
  pytorch: async (options) => (await import('./train/pytorch.mjs')).pytorch(options),
};

/** @param {import('./options.mjs').Options} options */
export async function measureTraining({ workloads, peers, threads: [threads], simd, pace }) {
  const loaded = [await dynakernel({ simd, threads })];
  for (const peer of peers) loaded.push(await peerLoaders[peer]({ threads }));
  const missing = loaded.filter((engine) => 'missing' in engine);
  for (const { id, missing: reason } of missing) console.error(`without ${id}: ${reason}`);
  const trainers = loaded.filter((engine) => !('missing' in engine));

  const data = {
    date: new Date().toISOString(), environment: machine(), missing,
    engines: trainers.map(({ id, version, threads: used, simd: build }) =>
      ({ id, version, threads: used, ...(build ? { simd: build } : {}) })),
    learningRate: LEARNING_RATE, steps: STEPS, tolerance: TOLERANCE, rows: [],
  };
  for (const [index, workload] of workloads.entries()) {
    showProgress({ workload, index, count: workloads.length });
    data.rows.push(await trainWorkload(workload, trainers, pace));
  }
  for (const trainer of trainers) trainer.close();

  const failures = data.rows.flatMap(faults);
  return [{ name: reportName('train', { threads, simd }), table: table(data), notes: notes(data), failures, data }];
}

/** @param {{ [name: string]: any }} data @returns {import('../web/bench/report.js').Table} */
function table({ engines: [first, ...others], rows }) {
  const body = rows.map((row) => [
    row.name, milliseconds(row.timings[first.id].ms),
    ...others.flatMap(({ id }) => [cell(row.timings[id]?.ms, milliseconds), cell(ratio(row, first.id, id), times)]),
  ]);
  if (others.length > 0) {
    const means = others.flatMap(({ id }) => ['', cell(meanRatio(rows, first.id, id), times)]);
    body.push(['geometric mean', '', ...means]);
  }
  return { columns: ['workload', `${first.id} ms`, ...others.flatMap(({ id }) => [`${id} ms`, 'ratio'])], rows: body };
}

function notes({ date, environment, engines, missing, rows }) {
  const { engine, machine: processor, system } = environment;
  const has = (peer) => engines.some(({ id }) => id === peer);
  const differences = rows.flatMap((row) => Object.values(row.differences));
  return [
    `${engines.map(engineText).join(', ')}. ${[engine, processor, system, date.slice(0, 10)].join(', ')}.`,
    ...missing.map(({ id, missing: reason }) => `Without ${id}: ${reason}.`),
    'Milliseconds of one training step, medians of bursts taken in turn: input copied in, forward, MSE loss, ' +
      "gradients of all parameters but not of the input, Adam's step. Every engine uses the running statistics of " +
      'batch norm.',
    ...(has('pytorch') ? ["PyTorch's malloc is set to keep its memory; otherwise page faults would count."] : []),
    ...(rows.some(({ timings }) => timings['tfjs-cpu'] === null) ? [
      'tfjs-cpu has no gradients of grouped or dilated convolutions, and no kernel for each image of a batch.',
    ] : []),
    ...(differences.length === 0 ? [] : [
      `Losses of the first ${STEPS} steps from the same numbers differ by at most ` +
        `${Math.max(...differences).toExponential(1)} of their value (allowed: ${TOLERANCE}); the losses ` +
        `change by ${(100 * Math.min(...rows.map(({ change }) => change))).toFixed(0)} % or more.`,
    ]),
    ...loadNotes(environment),
  ];
}
