/** The JavaScript door of networks: a function that calls layers becomes a graph. */
import { guardClass } from '../boundary.js';
import { isArray, isObject, readList, readOptions, readSeed } from '../check.js';
import { DynakernelError, given, messageOf } from '../errors.js';
import { isLength } from '../shape.js';
import { checkShape } from './graph.js';
import { DynamicLayers } from './layers/dynamic.js';
import { refusal } from './layers/refusals.js';
import { Scope } from './layers/scope.js';
import { isHandle } from './layers/value.js';

/** @typedef {import('./graph.js').Graph} Graph */
/** @typedef {import('./layers/value.js').NetworkValue} NetworkValue */
/** @typedef {import('./network.js').MakeGraph} MakeGraph */

/**
 * The layers of a network, as methods that are named and parametrised as PyTorch's modules and functions. Each adds a
 * layer to the network and returns what it will compute. dk.network() passes one to the function that builds.
 */
export class NetworkLayers extends DynamicLayers {
  static {
    guardClass(this, 'NetworkLayers');
  }
}

/**
 * Builds a network from its inputs. It is called again for inputs of other sizes, and must then add the same layers.
 *
 * @typedef {(g: NetworkLayers, inputs: { [name: string]: NetworkValue })
 *   => NetworkValue | { [name: string]: NetworkValue }} BuildNetwork
 */

/**
 * @typedef {object} NetworkOptions
 * @property {readonly string[]} [keep] names of layers whose values stay readable: net.activation(name) ([])
 * @property {number | undefined} [seed] the seed of the initial parameters, 0 to 2^32 - 1. By default a random one
 */

/**
 * Checks the arguments of dk.network, and returns the function that makes its graph.
 *
 * @param {unknown} inputs the shape of each input by name
 * @param {unknown} build
 * @param {unknown} options
 * @returns {MakeGraph}
 */
export function graphMaker(inputs, build, options) {
  const { keep, seed } = readOptions(options, 'network', ['keep', 'seed']);
  const shapes = readShapes(inputs);
  if (typeof build !== 'function') {
    throw refusal(`network needs a function (g, inputs) => outputs; got ${given(build)}`);
  }
  const kept = keep === undefined ? [] : readList(keep, (name) => typeof name === 'string');
  if (!kept) throw refusal(`network: keep must be an array of names; got ${given(keep)}`);
  const first = readSeed(seed, 'network');
  // later calls need the parameters' shapes only
  return (others) => buildGraph(others ?? shapes, /** @type {BuildNetwork} */ (build), kept, others ? null : first);
}

/**
 * @param {unknown} inputs
 * @returns {{ [name: string]: number[] }}
 */
function readShapes(inputs) {
  const entries = isObject(inputs) ? Object.entries(inputs) : [];
  if (entries.length === 0) {
    throw refusal(
      `network needs the shape of each input, such as { image: [1, 3, 224, 224] }; got ${given(inputs)}`);
  }
  return Object.fromEntries(entries.map(([name, shape]) => {
    const lengths = readList(shape, isLength);
    if (!lengths) throw refusal(`network: input ${given(name)} needs a shape; got ${given(shape)}`);
    checkShape(lengths, `input ${given(name)}`);
    return [name, lengths];
  }));
}

/**
 * @param {{ [name: string]: number[] }} shapes
 * @param {BuildNetwork} build
 * @param {readonly string[]} keep
 * @param {number | null} seed
 * @returns {Graph}
 */
function buildGraph(shapes, build, keep, seed) {
  const scope = new Scope(seed);
  const inputs = Object.fromEntries(Object.entries(shapes).map(([name, shape]) =>
    [name, scope.handle(scope.builder.input(name, shape))]));
  const outputs = readOutputs(run(build, new NetworkLayers(scope), inputs), scope);
  return scope.finish(outputs, keep);
}

/**
 * Calls the caller's function. An error of its own becomes the cause of the library's.
 *
 * @param {BuildNetwork} build
 * @param {NetworkLayers} layers
 * @param {{ [name: string]: NetworkValue }} inputs
 */
function run(build, layers, inputs) {
  try {
    return build(layers, inputs);
  } catch (error) {
    if (error instanceof DynakernelError) throw error;
    throw new DynakernelError('ERR_CONFIG', `network: the function that builds it threw: ${messageOf(error)}`,
      { cause: error });
  }
}

/**
 * @param {unknown} built what the caller's function returned
 * @param {Scope} scope
 */
function readOutputs(built, scope) {
  if (isHandle(built)) return [{ name: 'output', value: scope.value(built, 'the output') }];
  const entries = isObject(built) && !isArray(built) && !(built instanceof Promise) ? Object.entries(built) : [];
  if (entries.length === 0) {
    throw refusal('network: the function that builds it must return a tensor of the network, or ' +
      `{ name: tensor }; got ${given(built)}`);
  }
  return entries.map(([name, handle]) => ({ name, value: scope.value(handle, `the output ${given(name)}`) }));
}
