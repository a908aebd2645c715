/** The graph of a network: plain data that every door makes and that the C library runs. */
import { MAX_ELEMENTS } from '../abi.js';
import { DynakernelError, byteText } from '../errors.js';
import { shapeText, sizeOf } from '../shape.js';
import { inferShapes } from './infer.js';

/**
 * A tensor of float32. `stateName` and `stateShape` say what the constant is in the state dict that
 * the network has; a constant without them is none of its parameters.
 *
 * @typedef {object} Value
 * @property {number} id counts from 0 in a graph
 * @property {number[]} shape rank 0 to 6, every length at least 1
 * @property {string} name of the tensor in the file, or of the layer that makes it
 * @property {Float32Array | null} constant row by row; perhaps a view on the bytes of a file
 * @property {string} [stateName]
 * @property {number[]} [stateShape]
 */

/**
 * The attributes of each op are listed at its rule in infer.js. An optional input that is left out
 * before one that is given is null.
 *
 * @typedef {object} Node
 * @property {string} op
 * @property {string} name unique in a graph
 * @property {(Value | null)[]} inputs
 * @property {Value[]} outputs
 * @property {{ [name: string]: any }} attributes
 */

/** @typedef {{ name: string, value: Value }} NamedValue */

/**
 * Nodes are in the order of execution. Each output is made by a node, and no value is two outputs.
 *
 * @typedef {object} Graph
 * @property {Value[]} inputs
 * @property {NamedValue[]} outputs
 * @property {Node[]} nodes
 * @property {NamedValue[]} keep inner values that stay readable after a run
 * @property {Value[]} unused parameters that the state dict has and no node reads
 */

/** The most dimensions of a tensor. */
export const MAX_RANK = 6;

/** Collects values and nodes, and infers every shape. */
export class GraphBuilder {
  constructor() {
    /** @type {Value[]} */
    this.inputs = [];
    /** @type {NamedValue[]} */
    this.outputs = [];
    /** @type {Node[]} */
    this.nodes = [];
    /** @type {NamedValue[]} */
    this.keep = [];
    /** @type {Value[]} */
    this.unused = [];
    this.values = 0;
  }

  /**
   * @param {string} name
   * @param {readonly number[]} shape
   * @returns {Value}
   */
  input(name, shape) {
    const value = this.value(name, shape);
    this.inputs.push(value);
    return value;
  }

  /**
   * @param {Float32Array} data
   * @param {readonly number[]} shape
   * @param {string} name
   * @param {{ stateName?: string, stateShape?: number[] }} [state]
   * @returns {Value}
   */
  constant(data, shape, name, state = {}) {
    const value = this.value(name, shape);
    value.constant = data;
    return Object.assign(value, state);
  }

  /**
   * Adds a node at the end of the graph.
   *
   * @param {string} op
   * @param {string} name graph() makes it unique, by a number
   * @param {(Value | null)[]} inputs
   * @param {{ [name: string]: any }} [attributes]
   * @returns {Value[]} the outputs
   * @throws {DynakernelError} ERR_SHAPE if the inputs do not fit together
   */
  add(op, name, inputs, attributes = {}) {
    const node = this.make(op, name, inputs, attributes);
    this.nodes.push(node);
    return node.outputs;
  }

  /**
   * Makes a node without a place in the graph.
   *
   * @param {string} op
   * @param {string} name
   * @param {(Value | null)[]} inputs
   * @param {{ [name: string]: any }} [attributes]
   * @returns {Node}
   */
  make(op, name, inputs, attributes = {}) {
    // arrays of their final length: those that grow take room for 17
    /** @type {(readonly number[] | null)[]} */
    const shapes = new Array(inputs.length);
    for (let i = 0; i < inputs.length; i++) shapes[i] = inputs[i]?.shape ?? null;
    const inferred = inferShapes(op, shapes, attributes);
    /** @type {Value[]} */
    const outputs = new Array(inferred.length);
    for (let i = 0; i < inferred.length; i++) {
      outputs[i] = this.value(i === 0 ? name : `${name}:${i}`, inferred[i]);
    }
    return { op, name, inputs, outputs, attributes };
  }

  /** Gives each output a value of its own that a node makes. */
  separateOutputs() {
    // values that are no output yet, by id
    const isFree = new Uint8Array(this.values);
    for (const { outputs } of this.nodes) for (let i = 0; i < outputs.length; i++) isFree[outputs[i].id] = 1;
    for (const output of this.outputs) {
      const { value } = output;
      if (isFree[value.id]) {
        isFree[value.id] = 0;
        continue;
      }
      [output.value] = this.add('reshape', output.name, [value], { shape: [...value.shape] });
    }
  }

  /**
   * The graph: values count from 0 in the order of their use, and each node has a name of its own.
   *
   * @returns {Graph}
   */
  graph() {
    const { inputs, outputs, nodes, keep, unused } = this;
    let count = 0;
    const numbered = new Set();
    const number = (/** @type {readonly (Value | null)[]} */ list) => {
      for (let i = 0; i < list.length; i++) {
        const value = list[i];
        if (!value || numbered.has(value)) continue;
        numbered.add(value);
        value.id = count++;
      }
    };
    number(inputs);
    /** @type {Map<string, number>} */
    const taken = new Map();
    for (const node of nodes) {
      number(node.inputs);
      number(node.outputs);
      node.name = uniqueName(node.name, taken);
    }
    number(unused);
    return { inputs, outputs, nodes, keep, unused };
  }

  /**
   * @param {string} name
   * @param {readonly number[]} shape
   * @returns {Value}
   */
  value(name, shape) {
    checkShape(shape, name);
    return { id: this.values++, shape: shape.slice(), name, constant: null };
  }
}

/**
 * @param {string} name
 * @param {Map<string, number>} taken names, and the last number that each was given
 */
function uniqueName(name, taken) {
  if (!taken.has(name)) {
    taken.set(name, 0);
    return name;
  }
  let unique = name;
  let number = taken.get(name) ?? 0;
  while (taken.has(unique)) unique = `${name}_${++number}`;
  taken.set(name, number);
  taken.set(unique, taken.get(unique) ?? 0);
  return unique;
}

/**
 * Refuses a tensor that no network can hold.
 *
 * @param {readonly number[]} shape
 * @param {string} name
 */
export function checkShape(shape, name) {
  if (shape.length > MAX_RANK) {
    throw new DynakernelError('ERR_SHAPE',
      `${name} has ${shape.length} dimensions; a tensor of a network has at most ${MAX_RANK}`);
  }
  for (let i = 0; i < shape.length; i++) {
    if (Number.isSafeInteger(shape[i]) && shape[i] >= 1) continue;
    throw new DynakernelError('ERR_SHAPE',
      `${name} would have the shape ${shapeText(shape)}; every length must be at least 1`);
  }
  if (sizeOf(shape) > MAX_ELEMENTS) {
    throw new DynakernelError('ERR_MEMORY', `${name} ${shapeText(shape)} needs ${byteText(sizeOf(shape) * 4)}; ` +
      `a tensor has at most ${byteText(MAX_ELEMENTS * 4)}`);
  }
}
