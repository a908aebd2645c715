/** A node of an ONNX graph: its attributes by type, and errors that name it. */
import { DynakernelError, given, nameText } from '../../errors.js';
import { readTensor } from './tensors.js';

/** @typedef {import('./protobuf.js').Message} Message */
/** @typedef {import('./trace.js').Operand} Operand */

/** Names of AttributeProto.AttributeType by number, and the field that holds each. */
const TYPES = /** @type {const} */ ([
  ['UNDEFINED', ''], ['FLOAT', 'float'], ['INT', 'int'], ['STRING', 'string'], ['TENSOR', 'tensor'], ['GRAPH', 'graph'],
  ['FLOATS', 'floats'], ['INTS', 'ints'], ['STRINGS', 'strings'], ['TENSORS', 'tensors'], ['GRAPHS', 'graphs'],
  ['SPARSE_TENSOR', 'sparse'],
]);

/** The most numbers in an attribute. */
const LONGEST_LIST = 1_000_000;

/** The most attributes of a node. */
const MOST_ATTRIBUTES = 100;

export class OnnxNode {
  /**
   * @param {Message} message
   * @param {number} opset the version of the standard operators
   */
  constructor(message, opset) {
    this.opset = opset;
    /** @type {string} */
    this.op = message.op ?? '';
    this.domain = message.domain === 'ai.onnx' ? '' : message.domain ?? '';
    /** @type {string[]} */
    this.inputs = message.inputs;
    /** @type {string[]} */
    this.outputs = message.outputs;
    /** The node's own name, or that of its output. */
    this.name = message.name || this.outputs[0] || this.op;
    /** Whether an output of the graph depends on it. */
    this.isNeeded = false;
    /** What its outputs are, once it has run: none if it is not supported. @type {Operand[] | null} */
    this.results = null;
    /** @type {readonly Message[]} */
    this.attributes = message.attributes;
    if (this.attributes.length > 1) this.checkNames();
  }

  /** Refuses two attributes with one name. */
  checkNames() {
    const { attributes } = this;
    if (attributes.length > MOST_ATTRIBUTES) {
      throw this.error(`has ${attributes.length} attributes; at most ${MOST_ATTRIBUTES} are read`);
    }
    for (let i = 1; i < attributes.length; i++) {
      const name = attributes[i].name ?? '';
      for (let j = 0; j < i; j++) {
        if ((attributes[j].name ?? '') === name) throw this.error(`has the attribute ${nameText(name)} twice`);
      }
    }
  }

  /**
   * @param {string} name
   * @returns {Message | undefined}
   */
  attribute(name) {
    // a loop: nodes are asked for attributes some thirty thousand times, and a closure each time takes long
    const { attributes } = this;
    for (let i = 0; i < attributes.length; i++) if ((attributes[i].name ?? '') === name) return attributes[i];
    return undefined;
  }

  /** The operator as messages name it. */
  get operator() {
    return this.domain ? `${this.domain}.${this.op}` : this.op;
  }

  /** @param {string} message what is wrong, after the node's name */
  error(message) {
    return new DynakernelError('ERR_ONNX', `${nameText(this.operator)} ${given(this.name)} ${message}`);
  }

  /**
   * An error for what the file may say but a network cannot run.
   *
   * @param {string} why
   */
  unsupported(why) {
    return new Unsupported(why);
  }

  /** @param {string} name */
  has(name) {
    return this.attribute(name) !== undefined;
  }

  /**
   * @param {string} name
   * @param {number} [fallback] without it, the attribute must be there
   * @returns {number}
   */
  int(name, fallback) {
    return this.read(name, 2, fallback);
  }

  /**
   * @param {string} name
   * @param {number} [fallback]
   * @returns {number}
   */
  float(name, fallback) {
    return this.read(name, 1, fallback);
  }

  /**
   * @param {string} name
   * @param {string} [fallback]
   * @returns {string}
   */
  string(name, fallback) {
    return this.read(name, 3, fallback);
  }

  /**
   * @template [Fallback=number[]]
   * @param {string} name
   * @param {Fallback} [fallback]
   * @returns {number[] | Fallback}
   */
  ints(name, fallback) {
    return this.list(name, 7, fallback);
  }

  /**
   * @template [Fallback=number[]]
   * @param {string} name
   * @param {Fallback} [fallback]
   * @returns {number[] | Fallback}
   */
  floats(name, fallback) {
    return this.list(name, 6, fallback);
  }

  /**
   * @param {string} name
   * @returns {import('./tensors.js').TensorData}
   */
  tensor(name) {
    return readTensor(this.read(name, 4, undefined), () => `the tensor of ${this.op} ${given(this.name)}`);
  }

  /**
   * @param {string} name
   * @returns {Message}
   */
  graph(name) {
    return this.read(name, 5, undefined);
  }

  /**
   * @param {string} name
   * @param {number} type
   * @param {any} fallback
   */
  list(name, type, fallback) {
    const list = this.read(name, type, fallback);
    if (list === fallback) return list;
    if (list.length > LONGEST_LIST) {
      throw this.error(`has ${list.length} numbers in the attribute ${name}; at most ${LONGEST_LIST} are read`);
    }
    return Array.isArray(list) ? list.slice() : Array.from(list);
  }

  /**
   * @param {string} name
   * @param {number} type
   * @param {any} fallback
   */
  read(name, type, fallback) {
    const attribute = this.attribute(name);
    if (!attribute) {
      if (fallback === undefined) throw this.error(`must have the attribute ${name}`);
      return fallback;
    }
    const value = attribute[TYPES[type][1]];
    if (attribute.reference) throw this.error(`has the attribute ${name} of a function around it, but there is none`);
    // old files give no type; protobuf leaves out what is 0 or empty
    if (attribute.type !== undefined && attribute.type !== type) {
      const got = TYPES[attribute.type]?.[0] ?? given(attribute.type);
      throw this.error(`must have an attribute ${name} of type ${TYPES[type][0]}; got ${got}`);
    }
    if (value !== undefined && (attribute.type === type || !isEmpty(value))) return value;
    if (attribute.type !== type) throw this.error(`must have an attribute ${name} of type ${TYPES[type][0]}`);
    if (type === 4 || type === 5) throw this.error(`has nothing in the attribute ${name}`);
    return type === 3 ? '' : 0;
  }
}

/** @param {any} value */
const isEmpty = (value) => typeof value === 'object' && value.length === 0;

/** What a node needs and a network has not; the reader collects these, and names them all in one error. */
export class Unsupported extends Error {}
