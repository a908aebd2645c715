// The networks that the benchmark runs: ONNX files, or a Dite-HRNet-18 that it writes itself.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { root } from '../../scripts/project.mjs';
import { MODULES, poseNetwork } from '../../web/dynakernel/dite-hrnet/network.js';
import { graphMaker } from '../../web/dynakernel/network/layers.js';
import { readOnnx } from '../../web/dynakernel/network/onnx/read-onnx.js';
import { Random } from '../../web/shared/random.js';
import { randomWeights, withWeights } from './weights.mjs';
import { writeGraph } from './write-graph.mjs';

/** @typedef {import('../../web/bench/network.js').NetworkWorkload & { bytes: Uint8Array }} Model */

const SEED = 1;

/**
 * Reads the files. Without any, makes the Dite-HRNet. A file that cannot be read is a failure; the others still run.
 *
 * @param {readonly string[]} files each a path, and perhaps the sizes of open inputs: model.onnx:x=1x3x320x320
 * @returns {{ models: Model[], failures: string[] }}
 */
export function readModels(files) {
  if (files.length === 0) return { models: [diteModel()], failures: [] };
  const models = [];
  const failures = [];
  for (const file of files) {
    try {
      models.push(readFile(file));
    } catch (error) {
      failures.push(`${file}: ${error.message}`);
    }
  }
  return { models, failures };
}

/** @param {string} file */
function readFile(file) {
  const { path, shapes } = parseFile(file);
  // npm runs this in the project's folder. INIT_CWD is the folder that npm was started in.
  const bytes = withWeights(readFileSync(resolve(process.env.INIT_CWD ?? '.', path)), SEED);
  return modelOf(basename(path, '.onnx'), bytes, shapes);
}

/**
 * @param {string} name
 * @param {Uint8Array} bytes
 * @param {{ [input: string]: number[] }} shapes
 * @returns {Model}
 */
function modelOf(name, bytes, shapes) {
  const { inputs } = readOnnx(bytes, { shapes });
  return { name, bytes, inputs: Object.fromEntries(inputs.map((value) => [value.name, value.shape])) };
}

/**
 * A path, and the sizes after it.
 *
 * @param {string} file
 */
export function parseFile(file) {
  const match = /^(.*?\.onnx)(?::(.+))?$/.exec(file);
  if (!match) throw new Error('expected a file whose name ends in .onnx');
  const shapes = (match[2]?.split(',') ?? []).map((given) => {
    const size = /^(.+)=(\d+(?:x\d+)*)$/.exec(given);
    if (!size) throw new Error(`expected sizes such as x=1x3x320x320; got '${given}'`);
    return [size[1], size[2].split('x').map(Number)];
  });
  return { path: match[1], shapes: Object.fromEntries(shapes) };
}

/** Dite-HRNet-18 at 256x192, with random parameters. */
function diteModel() {
  const shape = [1, 3, 256, 192];
  const build = (g, { image }) => ({ heatmaps: poseNetwork(g, image, { modules: MODULES[18], joints: 17 }) });
  const graph = graphMaker({ image: shape }, build, { seed: SEED })(null);
  // initial batch norms and biases do nothing: any fault of theirs would stay hidden
  const random = new Random(SEED);
  const draw = (value, op, place) => value?.constant?.set(randomWeights(value.shape, { op, place }, random));
  for (const { op, inputs } of graph.nodes) {
    const norm = { batchNorm: inputs.slice(1), attention: inputs.slice(2, 6) }[op] ?? [];
    norm.forEach((value, i) => draw(value, 'BatchNormalization', i + 1));
    if (op === 'conv2d') inputs.forEach((value, i) => draw(value, 'Conv', i));
  }
  return modelOf('dite_hrnet_18_256x192', writeGraph(graph, 'dite_hrnet_18'), {});
}

/**
 * Writes the models where the development server finds them, and returns them with addresses instead of bytes.
 *
 * @param {Model[]} models
 * @returns {import('../../web/bench/network.js').NetworkWorkload[]}
 */
export function serveModels(models) {
  const folder = join(root, 'dist/bench/networks');
  mkdirSync(folder, { recursive: true });
  return models.map(({ name, inputs, bytes }, i) => {
    writeFileSync(join(folder, `${i}.onnx`), bytes);
    return { name, inputs, url: `/dist/bench/networks/${i}.onnx` };
  });
}
