/** A network that is being built: its graph, its parameters and their initial numbers. */
import { readOptions } from '../../check.js';
import { DynakernelError, given, nameText } from '../../errors.js';
import { sizeOf } from '../../shape.js';
import { GraphBuilder, checkShape } from '../graph.js';
import { Random, constant } from './initialise.js';
import { refusal } from './refusals.js';
import { NetworkValue, unwrap } from './value.js';

/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./initialise.js').Fill} Fill */

/** The constant of a parameter whose numbers nobody reads. */
const NO_NUMBERS = new Float32Array(0);

export class Scope {
  #seed;
  /** @type {Map<string, Value>} */
  #parameters = new Map();
  /** @type {Set<string>} */
  #names = new Set();
  /** Whether the network takes no more layers. */
  #isClosed = false;

  /** @param {number | null} seed of the parameters' initial numbers; null if nobody reads these */
  constructor(seed) {
    this.#seed = seed;
    this.builder = new GraphBuilder();
  }

  /**
   * Reads the options of a layer. Each has the option `name`.
   *
   * @param {string} layer
   * @param {unknown} options
   * @param {readonly string[]} names other options
   * @param {readonly string[]} required
   * @returns {{ [name: string]: any }} a copy, without options that are undefined
   */
  options(layer, options, names, required = []) {
    this.#checkOpen(layer);
    const read = Object.fromEntries(Object.entries(readOptions(options, layer, ['name', ...names]))
      .filter(([, value]) => value !== undefined));
    const missing = required.filter((name) => !(name in read));
    if (missing.length > 0) {
      throw refusal(`${layer} needs ${missing.join(', ')}; ` +
        `got ${options === undefined ? 'no options' : given(options)}`);
    }
    if ('name' in read && typeof read.name !== 'string') {
      throw refusal(`${layer}: name must be a string; got ${given(read.name)}`);
    }
    return read;
  }

  /**
   * The value behind a handle.
   *
   * @param {unknown} handle
   * @param {string} what for messages
   */
  value(handle, what) {
    return unwrap(this, handle, what);
  }

  /**
   * The handle of a value.
   *
   * @param {Value} value
   */
  handle(value) {
    return new NetworkValue(this, value);
  }

  /**
   * Adds a node.
   *
   * @param {string} op
   * @param {string} name of the layer
   * @param {(Value | null)[]} inputs
   * @param {{ [name: string]: any }} [attributes]
   * @returns {Value} the first output
   */
  emit(op, name, inputs, attributes) {
    return this.emitAll(op, name, inputs, attributes)[0];
  }

  /**
   * Adds a node that may have several outputs.
   *
   * @param {string} op
   * @param {string} name
   * @param {(Value | null)[]} inputs
   * @param {{ [name: string]: any }} [attributes]
   */
  emitAll(op, name, inputs, attributes) {
    try {
      return this.builder.add(op, name || op, inputs, attributes);
    } catch (error) {
      // of hundreds of layers, the message names the one
      if (!(error instanceof DynakernelError) || name === op) throw error;
      throw new DynakernelError(error.code, `${nameText(name)}: ${error.message}`, { cause: error });
    }
  }

  /**
   * Makes a parameter.
   *
   * @param {string} path of the layer, '' for the network itself
   * @param {string} name within the layer, such as 'weight'
   * @param {readonly number[]} stateShape in the state dict
   * @param {Fill} fill
   * @param {readonly number[]} [shape] in the graph
   * @returns {Value}
   */
  parameter(path, name, stateShape, fill, shape = stateShape) {
    const stateName = this.#take(path, name);
    checkShape(stateShape, stateName);
    let numbers = NO_NUMBERS;
    if (this.#seed !== null) {
      numbers = new Float32Array(sizeOf(shape));
      fill(numbers, new Random(this.#seed, stateName));
    }
    const value = this.builder.constant(numbers, shape, stateName, { stateName, stateShape: [...stateShape] });
    this.#parameters.set(stateName, value);
    return value;
  }

  /**
   * The weight, bias, mean and variance of a batch norm. State dicts have a count of batches beside them.
   *
   * @param {string} path
   * @param {number} channels
   */
  batchNorm(path, channels) {
    this.#take(path, 'num_batches_tracked');
    return [['weight', 1], ['bias', 0], ['running_mean', 0], ['running_var', 1]].map(([name, number]) =>
      this.parameter(path, String(name), [channels], constant(Number(number))));
  }

  /**
   * A constant that is no parameter.
   *
   * @param {readonly number[]} numbers
   * @param {readonly number[]} [shape]
   * @param {string} [name]
   */
  constant(numbers, shape = [], name = String(numbers[0])) {
    return this.builder.constant(Float32Array.from(numbers), shape, name);
  }

  /**
   * The graph. The network takes no layers afterwards.
   *
   * @param {{ name: string, value: Value }[]} outputs
   * @param {readonly string[]} keep names of values that stay readable
   */
  finish(outputs, keep) {
    const { builder } = this;
    builder.outputs = outputs;
    builder.separateOutputs();
    const used = new Set(builder.nodes.flatMap((node) => node.inputs));
    builder.unused = [...this.#parameters.values()].filter((value) => !used.has(value));
    this.#isClosed = true;
    const graph = builder.graph();
    builder.keep.push(...keep.map((name) => ({ name, value: keptValue(graph.nodes, name) })));
    return graph;
  }

  /**
   * Takes a name of the state dict, which no other layer may have.
   *
   * @param {string} path
   * @param {string} name
   */
  #take(path, name) {
    const full = path === '' ? name : `${path}.${name}`;
    if (this.#names.has(full)) {
      throw refusal(`two layers have the parameter ${nameText(full)}; give each a name of its own`);
    }
    this.#names.add(full);
    return full;
  }

  /** @param {string} layer */
  #checkOpen(layer) {
    if (this.#isClosed) {
      throw refusal(`${layer}: the network is complete; layers can be added only while it is built`);
    }
  }
}

/**
 * The value of a layer: what it is named, or, for the other parts of a split, `name:1` and so on.
 *
 * @param {readonly import('../graph.js').Node[]} nodes
 * @param {string} name
 */
function keptValue(nodes, name) {
  for (const node of nodes) {
    const found = node.outputs.find((_, i) => name === (i === 0 ? node.name : `${node.name}:${i}`));
    if (found) return found;
  }
  throw refusal(`keep names ${given(name)}, which no layer of the network has`);
}
