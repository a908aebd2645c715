// The options of `npm run bench`.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fail, root } from '../scripts/project.mjs';
import { PACES } from '../web/bench/timing.js';
import { readWorkloads } from '../web/bench/workload.js';

export const usage = `usage: npm run bench [-- OPTION...]

Compares dynakernel with onnxruntime-web and TensorFlow.js on wasm: the same block with the same numbers, checked
against each other, then timed in turn. It installs what it compares with into bench/node_modules. The table is
printed; it and all figures are also written to build/bench/.

What to measure, instead of milliseconds in Node:
  --browser NAME    milliseconds in chromium or firefox, with 1 and with 2 threads
  --native          milliseconds in Node, against onnxruntime-node, on native code
  --start           from import to the first output map, in fresh processes, or pages with --browser
  --heap            memory of the WebAssembly module at each workload, against its limit
  --frame           a whole frame in Chromium: canvas pixels in, 3 to 8 channels, eight maps drawn; 512 x 512
  --train           milliseconds of a training step in Node, against tfjs-cpu and, where Python has it, PyTorch
  --planner         how much longer the planned algorithm takes than the fastest, on random shapes, in Node

  --fit             with --planner: fits the constants of its costs to measurements, and writes both
  --refit           with --planner: fits them to the measurements that there are
  --filter REGEX    only the workloads whose name matches
  --workloads FILE  other workloads than those of web/bench/workloads.json
  --peers LIST      of onnxruntime-web, tfjs-wasm, onnxruntime-node; with --train, of tfjs-cpu, pytorch; or none
  --threads N       threads of every engine that has them (1)
  --simd NAME       baseline or relaxed, instead of the fastest that the engine runs
  --quick           fewer repetitions
  --markdown        prints the table in Markdown
  --no-build        measures dist/ as it is
  --help            prints this`;

const modes = ['native', 'start', 'heap', 'frame', 'train', 'planner'];
const web = ['onnxruntime-web', 'tfjs-wasm'];
const trainers = ['tfjs-cpu', 'pytorch'];
/** What --train trains on unless told otherwise: a dense, a canvas and a depthwise layer. */
const trained = ['dense_64_3x3_56', 'canvas_rgb_3x3_512', 'dw_40_3x3_32x24'];

/**
 * @typedef {object} Options
 * @property {'compare' | 'start' | 'heap' | 'frame' | 'train' | 'planner'} mode
 * @property {'' | 'chromium' | 'firefox'} browser
 * @property {string[]} peers
 * @property {number[]} threads one comparison each
 * @property {'auto' | 'baseline' | 'relaxed'} simd
 * @property {boolean} quick
 * @property {boolean} fit
 * @property {boolean} refit
 * @property {boolean} markdown
 * @property {boolean} build
 * @property {import('../web/bench/timing.js').Pace} pace
 * @property {import('../web/bench/workload.js').Workload[]} workloads none: what the measurement draws itself
 */

/** @returns {Options} of the command line; ends the process where it is wrong */
export function readOptions() {
  const values = parse();
  if (values.help) {
    console.log(usage);
    process.exit();
  }
  const chosen = modes.filter((mode) => values[mode]);
  if (chosen.length > 1) refuse(`--${chosen.join(' and --')} are separate measurements`);
  const browser = oneOf('browser', values.browser ?? (values.frame ? 'chromium' : ''), ['', 'chromium', 'firefox']);
  if (browser && ['native', 'heap', 'train', 'planner'].includes(chosen[0])) {
    refuse(`--${chosen[0]} runs in Node: leave out --browser`);
  }
  if ((values.fit || values.refit) && chosen[0] !== 'planner') refuse('--fit and --refit go with --planner');
  if (values.frame && browser !== 'chromium') refuse('--frame runs in Chromium');

  const mode = ['start', 'heap', 'frame', 'train', 'planner'].find((name) => values[name]) ?? 'compare';
  return {
    mode,
    browser,
    peers: readPeers(values, browser),
    threads: readThreads(values, mode, browser),
    simd: oneOf('simd', values.simd ?? 'auto', ['auto', 'baseline', 'relaxed']),
    quick: values.quick === true,
    fit: values.fit === true,
    refit: values.refit === true,
    markdown: values.markdown === true,
    build: !values['no-build'],
    pace: values.quick ? PACES.quick : PACES.full,
    workloads: chooseWorkloads(values, mode),
  };
}

function parse() {
  const flag = { type: 'boolean' };
  const text = { type: 'string' };
  const options = {
    browser: text, native: flag, start: flag, heap: flag, frame: flag, train: flag, planner: flag, fit: flag,
    refit: flag, filter: text,
    workloads: text, peers: text, threads: text, simd: text, quick: flag, markdown: flag, 'no-build': flag, help: flag,
  };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return refuse(error.message);
  }
}

function readPeers(values, browser) {
  if (values.heap || values.planner || values.peers === 'none') return [];
  const { usual, able } = peersOf(values, browser);
  const names = values.peers?.split(',') ?? usual;
  for (const name of names) oneOf('peers', name, able);
  return names;
}

/** The peers that a measurement has, and those that it can have. */
function peersOf(values, browser) {
  if (values.train) return { usual: trainers, able: trainers };
  if (values.start) return { usual: ['onnxruntime-web'], able: ['onnxruntime-web'] };
  const able = browser ? web : [...web, 'onnxruntime-node'];
  return { usual: values.native ? ['onnxruntime-node'] : values.frame ? ['onnxruntime-web'] : web, able };
}

function readThreads(values, mode, browser) {
  if (values.threads === undefined) return browser && mode === 'compare' ? [1, 2] : [1];
  const threads = Number(values.threads);
  if (!Number.isInteger(threads) || threads < 1) {
    refuse(`--threads: expected a whole number, 1 or more; got '${values.threads}'`);
  }
  return [threads];
}

/**
 * What --filter leaves of the workloads; without it, of a cold start, which needs one, the first canvas layer, and for
 * the planner none.
 */
function chooseWorkloads({ workloads: file, filter }, mode) {
  // npm runs this in the project's folder, and says where it was itself started.
  const path = file === undefined ? join(root, 'web/bench/workloads.json') : resolve(process.env.INIT_CWD ?? '.', file);
  let all;
  try {
    all = readWorkloads(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    return refuse(`--workloads: ${error.message}`);
  }
  if (filter === undefined) {
    if (mode === 'planner' && file === undefined) return [];
    if (mode === 'start') return all.slice(0, 1);
    return mode === 'train' && file === undefined ? all.filter(({ name }) => trained.includes(name)) : all;
  }
  let pattern;
  try {
    pattern = new RegExp(filter);
  } catch (error) {
    return refuse(`--filter: ${error.message}`);
  }
  const found = all.filter(({ name }) => pattern.test(name));
  if (found.length === 0) {
    refuse(`--filter: no workload matches '${filter}'; there are ${all.map(({ name }) => name).join(', ')}`);
  }
  return found;
}

function oneOf(option, value, names) {
  if (names.includes(value)) return value;
  return refuse(`--${option}: expected ${names.filter(Boolean).join(', ')}; got '${value}'`);
}

function refuse(message) {
  return fail(`${message}\n\n${usage}`);
}
