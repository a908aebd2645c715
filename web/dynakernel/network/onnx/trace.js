/** Walks the nodes of an ONNX graph once: folds what is constant, and adds the rest to a network's graph. */
import { DynakernelError, given, listText, nameText } from '../../errors.js';
import { sameShape, shapeText, sizeOf } from '../../shape.js';
import { GraphBuilder } from '../graph.js';
import { FOLD_ONLY, fold, foldedShape } from './fold.js';
import { findNeeded } from './needed.js';
import { OnnxNode, Unsupported } from './node.js';
import { OPERATORS } from './operators.js';
import { Pool, asNumbers, isFloat, numbersFor, readTensor } from './tensors.js';

/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./protobuf.js').Message} Message */
/** @typedef {import('./tensors.js').Dtype} Dtype */
/** @typedef {import('./tensors.js').Numbers} Numbers */
/** @typedef {{ [name: string]: any }} Attributes */

/**
 * A tensor of the ONNX graph: a constant, which has data, or a value that the network computes.
 *
 * @typedef {object} Operand
 * @property {Dtype} dtype
 * @property {number[]} shape
 * @property {string} name
 * @property {Numbers | null} data
 * @property {Value | null} value a constant gets one if the network needs it
 * @property {string} [stateName] of a parameter whose numbers these are
 * @property {number[]} [stateShape]
 */

/**
 * The tensors of a graph or subgraph.
 *
 * @typedef {object} Scope
 * @property {Map<string, Operand>} given inputs and initializers
 * @property {Map<string, OnnxNode>} makers of all others
 * @property {Scope | null} outer that of the graph around a subgraph
 */

/** Elements that all constants of ConstantOfShape and Range may have together. */
const MOST_FILLED = 2 ** 27;

/** Elements, and multiplications of matrices, that folding may cost. */
const MOST_WORK = 2 ** 26;

/** Ops that compute nothing, so that truth values pass through them as well. */
const MOVES = new Set(['reshape', 'transpose', 'expand', 'slice', 'concat', 'split']);

/** A constant beyond this size is not folded into one that is more than twice as large. */
const LARGE = 2 ** 20;

/** The operators, by name: a map holds nothing but them. */
const ENTRIES = new Map(Object.entries(OPERATORS));

/**
 * @param {OnnxNode} node
 * @param {string} name
 */
const remade = (node, name) => node.error(`makes ${given(name)}, which an input or initializer is already`);

export class Trace {
  /** @param {number} opset */
  constructor(opset) {
    this.opset = opset;
    this.builder = new GraphBuilder();
    this.pool = new Pool();
    this.filled = 0;
    this.work = 0;
    /** Operators that the network cannot run: the reasons, and nodes by name. @type {Map<string, Set<string>>} */
    this.failures = new Map();
    /** Names of tensors that something needs. @type {Set<string>} */
    this.needed = new Set();
    this.node = new OnnxNode({ inputs: [], outputs: [], attributes: [] }, opset);
    /** @type {Scope | null} */
    this.scope = null;
  }

  /**
   * Runs a graph or subgraph.
   *
   * @param {Message} graph
   * @param {Map<string, Operand>} inputs
   * @param {readonly string[]} wanted names of tensors that are needed beside the outputs
   * @returns {Scope}
   */
  run(graph, inputs, wanted) {
    if (graph.sparse.length > 0) {
      throw new DynakernelError('ERR_ONNX', 'the model has sparse initializers, which are not read');
    }
    const nodes = graph.nodes.map((/** @type {Message} */ node) =>
      new OnnxNode(node, node.opset ?? this.opset));
    const outputs = graph.outputs.map((/** @type {Message} */ output) => output.name ?? '');
    const makers = findNeeded(nodes, [...outputs, ...wanted], this.needed);
    /** @type {Scope} */
    const scope = { given: new Map(inputs), makers, outer: this.scope };
    this.scope = scope;
    for (const name of inputs.keys()) {
      const maker = makers.get(name);
      if (maker) throw remade(maker, name);
    }

    const initializers = new Set();
    for (const tensor of graph.initializers) {
      const name = tensor.name ?? '';
      if (scope.given.has(name) || initializers.has(name)) {
        throw new DynakernelError('ERR_ONNX', `two inputs or initializers have the name ${given(name)}`);
      }
      initializers.add(name);
      const maker = makers.get(name);
      if (maker) throw remade(maker, name);
      if (!this.needed.has(name)) continue;
      const { dtype, shape, data } = readTensor(tensor, () => 'the initializer', this.pool);
      scope.given.set(name, { dtype, shape, data, name, value: null, stateName: name, stateShape: shape });
    }
    // by index: an iterator makes an object at each step, which thousands of nodes notice
    for (let n = 0; n < nodes.length; n++) if (nodes[n].isNeeded) this.runNode(nodes[n]);
    this.scope = scope.outer;
    return scope;
  }

  /** @param {OnnxNode} node */
  runNode(node) {
    const outer = this.node;
    this.node = node;
    const before = this.builder.nodes.length;
    /** @type {Operand[]} */
    let results = [];
    try {
      results = this.lower(node);
      this.checkOutputs(node, results);
    } catch (error) {
      if (error instanceof Unsupported) this.fail(node, error.message);
      else if (error instanceof DynakernelError && error.code !== 'ERR_ONNX') {
        throw node.error(`cannot run: ${error.message}`);
      }
      else throw error;
      results = [];
    }
    this.nameResults(node, results, before);
    this.node = outer;
  }

  /**
   * @param {OnnxNode} node
   * @returns {Operand[]}
   */
  lower(node) {
    const names = node.inputs;
    /** @type {(Operand | null)[]} */
    const operands = new Array(names.length);
    let isWhole = true;
    for (let i = 0; i < names.length; i++) {
      const operand = names[i] === '' ? null : this.find(names[i]);
      if (operand === undefined) isWhole = false;
      else operands[i] = operand;
    }
    const entry = node.domain === '' ? ENTRIES.get(node.op) : undefined;
    if (!entry) throw node.unsupported('');
    if (!isWhole) return []; // something before it is not supported, and said so
    while (operands.length > 0 && operands[operands.length - 1] === null) operands.pop();
    const least = entry[0];
    const most = entry[1];
    const missing = operands.indexOf(null);
    if (operands.length < least || operands.length > most || (missing >= 0 && missing < least)) {
      const expected = least === most ? least : `${least} to ${most}`;
      throw node.error(`must have ${expected} inputs; it has ${operands.filter(Boolean).length}`);
    }
    const made = entry[2](node, operands, this);
    return Array.isArray(made) ? made : [made];
  }

  /**
   * @param {OnnxNode} node
   * @param {Operand[]} results
   */
  checkOutputs(node, results) {
    if (results.length === 0 || results.length >= node.outputs.length) return;
    const missing = node.outputs.findIndex((name, i) => i >= results.length && name !== '' && this.needed.has(name));
    if (missing >= 0) throw node.unsupported(`output ${missing + 1}, ${nameText(node.outputs[missing])}`);
  }

  /**
   * Gives outputs their names, and the last node that does more than move numbers the name of the ONNX node.
   *
   * @param {OnnxNode} node
   * @param {Operand[]} results empty if the node could not run
   * @param {number} before how many nodes the network had
   */
  nameResults(node, results, before) {
    node.results = results;
    for (let i = 0; i < node.outputs.length && i < results.length; i++) {
      if (results[i].name === '') results[i].name = node.outputs[i];
    }
    const made = this.builder.nodes;
    if (made.length === before) return; // all is folded
    let main = made.length - 1;
    while (main >= before && made[main].op === 'reshape') main--;
    if (main < before) main = made.length - 1;
    for (let n = before; n < made.length; n++) {
      const one = made[n];
      one.name = n === main ? node.name : `${node.name}/${one.op}`;
      for (let v = 0; v < one.outputs.length; v++) {
        const value = one.outputs[v];
        let i = 0;
        while (i < results.length && results[i].value !== value) i++;
        value.name = i < results.length && node.outputs[i] ? node.outputs[i] : one.name;
      }
    }
  }

  /**
   * @param {string} name
   * @returns {Operand | undefined} undefined if the operator that makes it is not supported
   */
  find(name) {
    for (let scope = this.scope; scope; scope = scope.outer) {
      const found = this.findIn(scope, name);
      if (found) return found;
      if (found === null) return undefined;
    }
    throw this.node.error(`uses ${given(name)}, which no node, input or initializer makes`);
  }

  /**
   * @param {Scope} scope
   * @param {string} name
   * @returns {Operand | null | undefined} undefined if the scope has no such tensor; null if the operator that makes it
   *   is not supported
   */
  findIn(scope, name) {
    const maker = scope.makers.get(name);
    if (!maker) return scope.given.get(name);
    if (!maker.results) {
      throw this.node.error(`uses ${given(name)} before a node makes it: the nodes are unsorted, or in a circle`);
    }
    return maker.results[maker.outputs.indexOf(name)] ?? null;
  }

  /**
   * @param {OnnxNode} node
   * @param {string} why
   */
  fail(node, why) {
    const key = why ? `${node.operator} (${why})` : node.operator;
    if (!this.failures.has(key)) this.failures.set(key, new Set());
    this.failures.get(key)?.add(node.name);
  }

  /** Throws one error for everything that is not supported. */
  checkSupported() {
    if (this.failures.size === 0) return;
    const lines = [...this.failures].slice(0, 20).map(([what, names]) =>
      `${nameText(what)}: ${listText([...names], 4)}`);
    const rest = this.failures.size > 20 ? `\nand ${this.failures.size - 20} more` : '';
    throw new DynakernelError('ERR_ONNX',
      `the model has operators that a network cannot run, by node:\n${lines.join('\n')}${rest}`);
  }

  /**
   * A constant that the trace makes itself.
   *
   * @param {ArrayLike<number>} data
   * @param {number[]} [shape]
   * @param {Dtype} [dtype]
   * @returns {Operand}
   */
  constant(data, shape = [data.length], dtype = 'float') {
    return { dtype, shape, data: asNumbers(dtype, data), name: '', value: null };
  }

  /** @param {number} number */
  scalar(number) {
    return this.constant([number], []);
  }

  /**
   * A constant that is filled with one number or counts up.
   *
   * @param {Dtype} dtype
   * @param {number[]} shape
   * @returns {Numbers}
   */
  allocate(dtype, shape) {
    const size = sizeOf(shape);
    // a double takes the room of two floats
    this.filled += isFloat(dtype) && dtype !== 'double' ? size : 2 * size;
    if (!(this.filled <= MOST_FILLED)) {
      throw this.node.error(
        `makes a constant ${shapeText(shape)}; all such constants together may have at most ${MOST_FILLED} elements`);
    }
    return numbersFor(dtype, size);
  }

  /**
   * Adds a node with one output, or folds it.
   *
   * @param {string} op
   * @param {(Operand | null)[]} inputs
   * @param {Attributes} [attributes]
   * @returns {Operand}
   */
  emit(op, inputs, attributes = {}) {
    return this.emitAll(op, inputs, attributes)[0];
  }

  /**
   * @param {string} op
   * @param {(Operand | null)[]} inputs
   * @param {Attributes} attributes
   * @returns {Operand[]}
   */
  emitAll(op, inputs, attributes) {
    let known = 0;
    while (known < inputs.length && inputs[known]?.data) known++;
    if (known === inputs.length) {
      const folded = this.fold(op, /** @type {Operand[]} */ (inputs), attributes);
      if (folded) return [folded];
    }
    // a computed value is float32
    if (FOLD_ONLY.has(op)) throw this.node.unsupported('of a computed tensor');
    const isMove = MOVES.has(op);
    /** @type {(Value | null)[]} */
    const values = new Array(inputs.length);
    for (let i = 0; i < inputs.length; i++) {
      const x = inputs[i];
      if (x && !isFloat(x.dtype) && !(isMove && x.dtype === 'bool')) throw this.node.unsupported(`computed ${x.dtype}`);
      values[i] = x && this.valueOf(x);
    }
    const dtype = isMove && inputs[0]?.dtype === 'bool' ? 'bool' : 'float';
    const outputs = this.builder.add(op, this.node.name, values, attributes);
    /** @type {Operand[]} */
    const operands = new Array(outputs.length);
    for (let i = 0; i < outputs.length; i++) {
      const value = outputs[i];
      operands[i] = { dtype, shape: value.shape, name: value.name, data: null, value };
    }
    return operands;
  }

  /**
   * @param {string} op
   * @param {Operand[]} inputs
   * @param {Attributes} attributes
   * @returns {Operand | null}
   */
  fold(op, inputs, attributes) {
    const shape = foldedShape(op, inputs, attributes);
    let before = 0;
    for (let i = 0; i < inputs.length; i++) before += sizeOf(inputs[i].shape);
    const size = sizeOf(shape);
    const work = op === 'reshape' ? 0 : op === 'matmul' ? size * (inputs[0].shape.at(-1) ?? 1) : Math.max(before, size);
    const tooMuch = (size > LARGE && size > 2 * before) || !(this.work + work <= MOST_WORK);
    if (tooMuch) {
      // a network can compute it if it is of floats
      if (FOLD_ONLY.has(op) || inputs.some((x) => !isFloat(x.dtype))) {
        throw this.node.error(`makes a constant ${shapeText(shape)}, which is too large to fold`);
      }
      return null;
    }
    this.work += work;
    const folded = fold(op, /** @type {any} */ (inputs), attributes, shape);
    if (!folded) return null;
    const { dtype, data } = folded;
    if (op !== 'reshape') return { dtype, shape, data, name: '', value: null };
    const { name, stateName, stateShape } = inputs[0];
    return { dtype, shape, data, name, value: null, stateName, stateShape };
  }

  /**
   * The operand in the network's graph.
   *
   * @param {Operand} operand
   * @returns {Value}
   */
  valueOf(operand) {
    if (operand.value) return operand.value;
    const { data, dtype, shape, name, stateName, stateShape } = operand;
    if (!isFloat(dtype) && dtype !== 'bool') throw this.node.unsupported(`computes with ${dtype}`);
    const floats = data instanceof Float32Array ? data : Float32Array.from(/** @type {Numbers} */ (data));
    const state = stateName !== undefined && data === floats ? { stateName, stateShape } : {};
    operand.value = this.builder.constant(floats, shape, name || `${this.node.name}/constant`, state);
    return operand.value;
  }

  /**
   * The numbers of an input that must be known.
   *
   * @param {Operand | null | undefined} operand
   * @param {string} what
   * @param {number} [most] numbers
   * @returns {number[]}
   */
  numbers(operand, what, most = 100_000) {
    if (!operand?.data) throw this.node.unsupported(`computed ${what}`);
    if (operand.data.length > most) {
      throw this.node.error(`has ${operand.data.length} numbers in ${what}; at most ${most} are read`);
    }
    return Array.from(operand.data);
  }

  /**
   * The one number of an input that must be known.
   *
   * @param {Operand | null | undefined} operand
   * @param {string} what
   * @returns {number}
   */
  number(operand, what) {
    const numbers = this.numbers(operand, what);
    if (numbers.length !== 1) throw this.node.error(`must have one number in ${what}; got ${numbers.length}`);
    return numbers[0];
  }

  /**
   * @param {Operand} x
   * @param {number[]} shape
   */
  reshape(x, shape) {
    return sameShape(shape, x.shape) ? x : this.emit('reshape', [x], { shape });
  }

  /**
   * @param {Operand} x
   * @param {number[]} order
   */
  transpose(x, order) {
    return order.every((axis, i) => axis === i) ? x : this.emit('transpose', [x], { order });
  }

  /**
   * @param {Operand} x
   * @param {number[]} shape
   */
  expand(x, shape) {
    return x.shape.length === shape.length &&
      sizeOf(x.shape) === sizeOf(shape) ? this.reshape(x, shape) : this.emit('expand', [x], { shape });
  }

  /**
   * An axis counted from the front.
   *
   * @param {number} axis
   * @param {number} rank
   * @returns {number}
   */
  axis(axis, rank) {
    if (Number.isInteger(axis) && axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
    throw this.node.error(`names the axis ${given(axis)} of a tensor with ${rank} dimensions`);
  }

  /**
   * Axes counted from the front, in rising order, each once.
   *
   * @param {number[]} axes
   * @param {number} rank
   */
  axes(axes, rank) {
    const positive = axes.map((axis) => this.axis(axis, rank));
    if (new Set(positive).size !== positive.length) throw this.node.error(`names an axis twice: ${shapeText(axes)}`);
    return positive.sort((a, b) => a - b);
  }
}
