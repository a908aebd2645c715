// The options of `npm run bench`.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fail, readArguments, root } from '../scripts/project.mjs';
import { PACES } from '../web/bench/timing.js';
import { readWorkloads } from '../web/bench/workload.js';

export const usage = `usage: npm run bench [-- OPTION... [FILE...]]

Measures milliseconds of a forward pass in Node 24, beside onnxruntime-web, TensorFlow.js on wasm and LiteRT.js. All
engines compute the same block; their outputs are compared, then they are timed in turn. Installs the other engines
into bench/node_modules. Prints a table and writes it and all figures to build/bench/.

Of LiteRT.js there are two: litert runs only the convolution, with a constant filter, which it is fastest at;
litert-runtime runs the whole block.

Other measurements:
  --browser NAME    milliseconds in chromium or firefox, with 1 and with 2 threads
  --native          milliseconds in Node, beside onnxruntime-node, which is native code
  --networks        milliseconds of whole networks, beside onnxruntime-web and onnxruntime-node: the ONNX files, or a
                    Dite-HRNet-18. A file may say the sizes of its open inputs: model.onnx:x=1x3x320x320. Files without
                    weights get random ones. With --start, from import to the first outputs
  --layers          with --networks: the layers of dynakernel by time
  --start           from import to the first output map, in fresh processes, or in fresh pages with --browser
  --frame           a whole frame in Chromium: canvas pixels in, 3 to 8 channels, eight maps drawn; 512 x 512
  --train           milliseconds of a training step in Node, beside tfjs-cpu and, if Python has it, PyTorch
  --kinds           every kind of dynamic convolution by the time of Dite-HRNet's block, in Node
  --planner         how much longer the planned algorithm takes than the fastest, on random shapes, in Node
  --pairs           which pairs of 128-bit operations V8 joins into 256-bit ones, and what breaks the others: Node 24's
                    trace of each workload
  --growth          how time grows with the sizes of a layer, with threads and with layers, beside what the machine can
                    do; with --publish, writes the figures and plots of docs/growth.md

  --fit             with --planner: fits the constants of its costs to measurements, and writes both
  --refit           with --planner: fits them to the measurements that there are
  --filter REGEX    only workloads whose name matches
  --workloads FILE  reads workloads from this file instead of web/bench/workloads.json
  --peers LIST      of onnxruntime-web, tfjs-wasm, litert, litert-runtime, onnxruntime-node; with --train, of tfjs-cpu,
                    pytorch; or none
  --node NODE       the Node that measures: 24, which npm installs into build/ (default); current; or a program's path
  --revectorize     with V8's flag that joins pairs of 128-bit operations into 256-bit ones, in Node or Chromium
  --threads N       threads of every engine that has them (default: 1)
  --simd NAME       baseline or relaxed (default: the fastest that runs here)
  --quick           fewer repetitions
  --markdown        prints the table in Markdown
  --no-build        measures dist/ as it is
  --help            prints this text`;

const modes = ['native', 'start', 'frame', 'train', 'kinds', 'planner', 'pairs', 'growth'];
/** These run in Node only. */
const nodeModes = ['native', 'train', 'kinds', 'planner', 'pairs', 'growth'];
/** These do not take --revectorize: --pairs sets it itself. */
const plainModes = ['train', 'planner', 'pairs', 'growth'];
const web = ['onnxruntime-web', 'tfjs-wasm', 'litert', 'litert-runtime'];
const trainers = ['tfjs-cpu', 'pytorch'];
/** The workloads of --train by default: a dense, a canvas and a depthwise layer. */
const trained = ['dense_64_3x3_56', 'canvas_rgb_3x3_512', 'dw_40_3x3_32x24'];

/**
 * @typedef {object} Options
 * @property {'compare' | 'networks' | 'layers' | 'start' | 'frame' | 'train' | 'kinds' | 'planner' | 'pairs' | 'growth'} mode
 * @property {boolean} networks whole networks are measured
 * @property {string[]} files of networks
 * @property {'' | 'chromium' | 'firefox'} browser
 * @property {string[]} peers
 * @property {number[]} threads each number is a comparison of its own
 * @property {'auto' | 'baseline' | 'relaxed'} simd
 * @property {string} node '24', 'current' or a path
 * @property {boolean} revectorize
 * @property {boolean} publish
 * @property {boolean} quick
 * @property {boolean} fit
 * @property {boolean} refit
 * @property {boolean} markdown
 * @property {boolean} build
 * @property {import('../web/bench/timing.js').Pace} pace
 * @property {import('../web/bench/workload.js').Workload[]} workloads empty: the measurement draws its own
 */

/**
 * Reads the options. Wrong ones end the process.
 *
 * @param {string[]} [args] the command line's by default
 * @returns {Options}
 */
export function readOptions(args = process.argv.slice(2)) {
  const flag = { type: 'boolean' };
  const text = { type: 'string' };
  const { values, positionals } = readArguments(usage, {
    browser: text, native: flag, networks: flag, layers: flag, start: flag, frame: flag, train: flag, kinds: flag,
    planner: flag, pairs: flag, growth: flag, publish: flag, fit: flag, refit: flag, filter: text, workloads: text,
    peers: text, threads: text, simd: text, node: text, revectorize: flag, quick: flag, markdown: flag, 'no-build': flag,
  }, true, args);
  const chosen = modes.filter((mode) => values[mode]);
  if (chosen.length > 1) refuse(`--${chosen.join(' and --')} are separate measurements`);
  const browser = oneOf('browser', values.browser ?? (values.frame ? 'chromium' : ''), ['', 'chromium', 'firefox']);
  if (browser && nodeModes.includes(chosen[0])) {
    refuse(`--${chosen[0]} runs in Node: leave out --browser`);
  }
  if (values.layers && !values.networks) refuse('--layers goes with --networks');
  if (values.layers && (browser || values.start)) refuse('--layers runs in Node, and alone');
  if (values.networks && chosen.some((mode) => mode !== 'start')) {
    refuse(`--networks and --${chosen[0]} are separate measurements`);
  }
  if (positionals.length > 0 && !values.networks) refuse(`files go with --networks; got ${positionals.join(' ')}`);
  if ((values.fit || values.refit) && chosen[0] !== 'planner') refuse('--fit and --refit go with --planner');
  if (values.frame && browser !== 'chromium') refuse('--frame runs in Chromium');
  if (values.revectorize && browser === 'firefox') refuse('--revectorize is a flag of V8: Firefox has none');
  if (values.revectorize && plainModes.includes(chosen[0])) refuse(`--revectorize does not go with --${chosen[0]}`);
  if (values.publish && !values.growth) refuse('--publish goes with --growth');
  if (values.node !== undefined && browser) refuse('--node goes with measurements in Node: leave out --browser');

  const named = /** @type {const} */ (['layers', 'start', 'networks', 'frame', 'train', 'kinds', 'planner', 'pairs', 'growth']);
  const mode = named.find((name) => values[name]) ?? 'compare';
  return {
    mode,
    networks: values.networks === true,
    files: positionals,
    browser,
    peers: readPeers(values, browser),
    threads: readThreads(values, mode, browser),
    simd: oneOf('simd', values.simd ?? 'auto', ['auto', 'baseline', 'relaxed']),
    node: values.node ?? '24',
    revectorize: values.revectorize === true,
    publish: values.publish === true,
    quick: values.quick === true,
    fit: values.fit === true,
    refit: values.refit === true,
    markdown: values.markdown === true,
    build: !values['no-build'],
    pace: values.quick ? PACES.quick : PACES.full,
    workloads: chooseWorkloads(values, mode),
  };
}

function readPeers(values, browser) {
  if (['planner', 'kinds', 'layers', 'pairs', 'growth'].some((mode) => values[mode]) || values.peers === 'none') return [];
  const { usual, able } = peersOf(values, browser);
  const names = values.peers?.split(',') ?? usual;
  for (const name of names) oneOf('peers', name, able);
  return names;
}

/** The default peers of each measurement, and all its possible peers. */
function peersOf(values, browser) {
  if (values.train) return { usual: trainers, able: trainers };
  if (values.networks) {
    const able = browser ? ['onnxruntime-web'] : ['onnxruntime-web', 'onnxruntime-node'];
    return { usual: able, able };
  }
  if (values.start) return { usual: ['onnxruntime-web'], able: ['onnxruntime-web'] };
  const able = browser ? web : [...web, 'onnxruntime-node'];
  if (values.native || values.frame) return { usual: [values.native ? 'onnxruntime-node' : 'onnxruntime-web'], able };
  // in Firefox, LiteRT.js does not start beside TensorFlow.js
  return { usual: browser === 'firefox' ? web.filter((name) => !name.startsWith('litert')) : web, able };
}

function readThreads(values, mode, browser) {
  if (values.threads === undefined) return browser && ['compare', 'networks'].includes(mode) ? [1, 2] : [1];
  const threads = Number(values.threads);
  if (!Number.isInteger(threads) || threads < 1) {
    refuse(`--threads: expected a whole number, 1 or more; got '${values.threads}'`);
  }
  return [threads];
}

/**
 * Returns the workloads that match --filter. Without --filter, --start takes the first workload, --train takes three,
 * and --planner takes none, because it draws its own.
 *
 * @param {{ [name: string]: any }} values
 * @param {string} mode
 */
function chooseWorkloads({ workloads: file, filter }, mode) {
  // npm runs this in the project's folder. INIT_CWD is the folder that npm was started in.
  const path = file === undefined ? join(root, 'web/bench/workloads.json') : resolve(process.env.INIT_CWD ?? '.', file);
  let listed;
  try {
    listed = readWorkloads(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    return refuse(`--workloads: ${error.message}`);
  }
  if (filter === undefined) {
    if (mode === 'planner' && file === undefined) return [];
    if (mode === 'start') return listed.slice(0, 1);
    return mode === 'train' && file === undefined ? listed.filter(({ name }) => trained.includes(name)) : listed;
  }
  let pattern;
  try {
    pattern = new RegExp(filter);
  } catch (error) {
    return refuse(`--filter: ${error.message}`);
  }
  const found = listed.filter(({ name }) => pattern.test(name));
  if (found.length === 0) {
    refuse(`--filter: no workload matches '${filter}'; there are ${listed.map(({ name }) => name).join(', ')}`);
  }
  return found;
}

function oneOf(option, value, names) {
  if (names.includes(value)) return value;
  return refuse(`--${option}: expected ${names.filter(Boolean).join(', ')}; got '${value}'`);
}

/** @param {string} message @returns {never} */
function refuse(message) {
  return fail(`${message}\n\n${usage}`);
}
