/**
 * A reader of Python pickles that runs nothing. A pickle is a program for a machine with a stack. This
 * machine knows the opcodes that build data. Where the program calls a function or makes an object, the
 * machine asks `world` (objects.js), which knows a few harmless ones by name; all others become PyObjects
 * that only remember what the program did with them.
 *
 * Python's dict becomes a Map; list, tuple and set an array; str a string; int a number or, beyond 2^53, a
 * bigint; bytes a Uint8Array; None null.
 */
import { refusal } from './refusal.js';

/** The name of a function or class in a Python module. */
export class PyGlobal {
  /**
   * @param {string} module
   * @param {string} name
   */
  constructor(module, name) {
    this.module = module;
    this.name = name;
  }

  toString() {
    return `${this.module}.${this.name}`;
  }
}

/** An object of a class that the reader does not know: what the pickle gave it. */
export class PyObject {
  /** @type {unknown} what __setstate__ would get */
  state = undefined;
  /** @type {unknown[]} what append would get */
  items = [];
  /** @type {Map<unknown, unknown>} what __setitem__ would get */
  entries = new Map();

  /**
   * @param {unknown} type
   * @param {unknown} args
   */
  constructor(type, args) {
    this.type = type;
    this.args = args;
  }
}

/**
 * @typedef {object} World
 * @property {(global: PyGlobal) => unknown} find what a name stands for
 * @property {(callee: unknown, args: readonly unknown[]) => unknown} call
 * @property {(id: unknown) => unknown} load a persistent id, such as a storage
 */

const MARK = Symbol('mark');
const text = new TextDecoder('utf-8');

/** More than any checkpoint needs, and far from exhausting memory. */
const MOST_STACK = 10_000_000;

/** Opcodes of the pickle protocols 0 to 5, as bytes. */
const OP = {
  MARK: 0x28, STOP: 0x2e, POP: 0x30, POP_MARK: 0x31, DUP: 0x32, FLOAT: 0x46, INT: 0x49, BININT: 0x4a,
  BININT1: 0x4b, LONG: 0x4c, BININT2: 0x4d, NONE: 0x4e, PERSID: 0x50, BINPERSID: 0x51, REDUCE: 0x52,
  STRING: 0x53, BINSTRING: 0x54, SHORT_BINSTRING: 0x55, UNICODE: 0x56, BINUNICODE: 0x58, APPEND: 0x61,
  BUILD: 0x62, GLOBAL: 0x63, DICT: 0x64, APPENDS: 0x65, GET: 0x67, BINGET: 0x68, INST: 0x69, LONG_BINGET: 0x6a,
  LIST: 0x6c, OBJ: 0x6f, PUT: 0x70, BINPUT: 0x71, LONG_BINPUT: 0x72, SETITEM: 0x73, TUPLE: 0x74, SETITEMS: 0x75,
  EMPTY_DICT: 0x7d, EMPTY_LIST: 0x5d, EMPTY_TUPLE: 0x29, BINFLOAT: 0x47, PROTO: 0x80, NEWOBJ: 0x81, TUPLE1: 0x85,
  TUPLE2: 0x86, TUPLE3: 0x87, NEWTRUE: 0x88, NEWFALSE: 0x89, LONG1: 0x8a, LONG4: 0x8b, BINBYTES: 0x42,
  SHORT_BINBYTES: 0x43, SHORT_BINUNICODE: 0x8c, BINUNICODE8: 0x8d, BINBYTES8: 0x8e, EMPTY_SET: 0x8f, ADDITEMS: 0x90,
  FROZENSET: 0x91, NEWOBJ_EX: 0x92, STACK_GLOBAL: 0x93, MEMOIZE: 0x94, FRAME: 0x95, BYTEARRAY8: 0x96,
};

/**
 * Reads the pickle that begins at `begin`.
 *
 * @param {Uint8Array} file
 * @param {number} begin
 * @param {World} world
 * @returns {{ value: unknown, end: number }} end: the place after the pickle
 * @throws {import('../errors.js').DynakernelError} ERR_CHECKPOINT
 */
export function readPickle(file, begin, world) {
  return new Machine(file, begin, world).run();
}

class Machine {
  /** @type {unknown[]} */
  #stack = [];
  /** @type {Map<number, unknown>} */
  #memo = new Map();
  #file;
  #view;
  #world;
  #position;

  /**
   * @param {Uint8Array} file
   * @param {number} begin
   * @param {World} world
   */
  constructor(file, begin, world) {
    this.#file = file;
    this.#view = new DataView(file.buffer, file.byteOffset, file.byteLength);
    this.#world = world;
    this.#position = begin;
  }

  run() {
    for (;;) {
      const position = this.#position;
      const opcode = this.#byte();
      if (opcode === OP.STOP) return { value: this.#pop(), end: this.#position };
      if (!this.#step(opcode)) {
        throw refusal(`byte ${position} of its pickle is 0x${opcode.toString(16).padStart(2, '0')}, which is no ` +
          'opcode that a checkpoint needs: the file is damaged, or no checkpoint');
      }
      if (this.#stack.length > MOST_STACK) throw refusal('its pickle needs a stack of absurd size');
    }
  }

  /**
   * Runs one opcode. Returns whether it is known.
   *
   * @param {number} opcode
   */
  #step(opcode) {
    return this.#constant(opcode) || this.#container(opcode) || this.#object(opcode) || this.#bookkeeping(opcode);
  }

  /** @param {number} opcode of numbers, strings, bytes, None, True and False */
  #constant(opcode) {
    switch (opcode) {
      case OP.NONE: return this.#push(null);
      case OP.NEWTRUE: return this.#push(true);
      case OP.NEWFALSE: return this.#push(false);
      case OP.BININT: return this.#push(this.#view.getInt32(this.#take(4), true));
      case OP.BININT1: return this.#push(this.#byte());
      case OP.BININT2: return this.#push(this.#view.getUint16(this.#take(2), true));
      case OP.LONG1: return this.#push(this.#long(this.#byte()));
      case OP.LONG4: return this.#push(this.#long(this.#length4()));
      case OP.BINFLOAT: return this.#push(this.#view.getFloat64(this.#take(8), false));
      case OP.INT: return this.#push(readInt(this.#line()));
      case OP.LONG: return this.#push(readInt(this.#line().replace(/L$/, '')));
      case OP.FLOAT: return this.#push(Number(this.#line()));
      case OP.STRING: return this.#push(this.#line().replace(/^(['"])(.*)\1$/s, '$2'));
      case OP.UNICODE: return this.#push(this.#line());
      case OP.BINSTRING: case OP.BINUNICODE: return this.#push(this.#string(this.#length4()));
      case OP.SHORT_BINSTRING: case OP.SHORT_BINUNICODE: return this.#push(this.#string(this.#byte()));
      case OP.BINUNICODE8: return this.#push(this.#string(this.#length8()));
      case OP.BINBYTES: return this.#push(this.#bytes(this.#length4()));
      case OP.SHORT_BINBYTES: return this.#push(this.#bytes(this.#byte()));
      case OP.BINBYTES8: case OP.BYTEARRAY8: return this.#push(this.#bytes(this.#length8()));
      default: return false;
    }
  }

  /** @param {number} opcode of dicts, lists, tuples and sets */
  #container(opcode) {
    switch (opcode) {
      case OP.EMPTY_DICT: return this.#push(new Map());
      case OP.EMPTY_LIST: case OP.EMPTY_TUPLE: case OP.EMPTY_SET: return this.#push([]);
      case OP.TUPLE1: return this.#push(this.#popMany(1));
      case OP.TUPLE2: return this.#push(this.#popMany(2));
      case OP.TUPLE3: return this.#push(this.#popMany(3));
      case OP.TUPLE: case OP.LIST: case OP.FROZENSET: return this.#push(this.#popToMark());
      case OP.DICT: return this.#push(setItems(new Map(), this.#popToMark()));
      case OP.APPEND: {
        const item = this.#pop();
        return append(this.#top(), [item]);
      }
      case OP.APPENDS: case OP.ADDITEMS: {
        const items = this.#popToMark();
        return append(this.#top(), items);
      }
      case OP.SETITEM: {
        const pair = this.#popMany(2);
        return setItems(this.#top(), pair) !== null;
      }
      case OP.SETITEMS: {
        const pairs = this.#popToMark();
        return setItems(this.#top(), pairs) !== null;
      }
      default: return false;
    }
  }

  /** @param {number} opcode of names, calls and objects */
  #object(opcode) {
    switch (opcode) {
      case OP.GLOBAL: {
        const module = this.#line();
        return this.#push(this.#world.find(new PyGlobal(module, this.#line())));
      }
      case OP.STACK_GLOBAL: {
        const [module, name] = this.#popMany(2);
        return this.#push(this.#world.find(new PyGlobal(String(module), String(name))));
      }
      case OP.INST: {
        const module = this.#line();
        const type = this.#world.find(new PyGlobal(module, this.#line()));
        return this.#push(this.#world.call(type, this.#popToMark()));
      }
      case OP.OBJ: {
        const [type, ...args] = this.#popToMark();
        return this.#push(this.#world.call(type, args));
      }
      case OP.REDUCE: case OP.NEWOBJ: {
        const [callee, args] = this.#popMany(2);
        return this.#push(this.#world.call(callee, Array.isArray(args) ? args : [args]));
      }
      case OP.NEWOBJ_EX: {
        const [callee, args] = this.#popMany(3);
        return this.#push(this.#world.call(callee, Array.isArray(args) ? args : [args]));
      }
      case OP.BUILD: {
        const state = this.#pop(), object = this.#top();
        if (object instanceof PyObject) object.state = state; // attributes of a dict, say, are not needed
        return true;
      }
      case OP.PERSID: return this.#push(this.#world.load(this.#line()));
      case OP.BINPERSID: return this.#push(this.#world.load(this.#pop()));
      default: return false;
    }
  }

  /** @param {number} opcode of the stack, the memo and the protocol */
  #bookkeeping(opcode) {
    switch (opcode) {
      case OP.PROTO: this.#take(1); return true;
      case OP.FRAME: this.#take(8); return true;
      case OP.MARK: return this.#push(MARK);
      case OP.POP: this.#stack.pop(); return true;
      case OP.POP_MARK: this.#popToMark(); return true;
      case OP.DUP: return this.#push(this.#top());
      case OP.PUT: return this.#remember(Number(this.#line()));
      case OP.BINPUT: return this.#remember(this.#byte());
      case OP.LONG_BINPUT: return this.#remember(this.#length4());
      case OP.MEMOIZE: return this.#remember(this.#memo.size);
      case OP.GET: return this.#recall(Number(this.#line()));
      case OP.BINGET: return this.#recall(this.#byte());
      case OP.LONG_BINGET: return this.#recall(this.#length4());
      default: return false;
    }
  }

  /** @param {unknown} value */
  #push(value) {
    this.#stack.push(value);
    return true;
  }

  #pop() {
    if (this.#stack.length === 0) throw damaged();
    return this.#stack.pop();
  }

  #top() {
    if (this.#stack.length === 0) throw damaged();
    return this.#stack[this.#stack.length - 1];
  }

  /** @param {number} count */
  #popMany(count) {
    if (this.#stack.length < count) throw damaged();
    return this.#stack.splice(this.#stack.length - count);
  }

  #popToMark() {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw damaged();
    const values = this.#stack.splice(mark + 1);
    this.#stack.pop();
    return values;
  }

  /** @param {number} key */
  #remember(key) {
    this.#memo.set(key, this.#top());
    return true;
  }

  /** @param {number} key */
  #recall(key) {
    if (!this.#memo.has(key)) throw damaged();
    return this.#push(this.#memo.get(key));
  }

  /**
   * Moves past some bytes and returns where they begin.
   *
   * @param {number} count
   */
  #take(count) {
    const begin = this.#position;
    if (!(count <= this.#file.length - begin)) throw refusal('its pickle is cut off');
    this.#position = begin + count;
    return begin;
  }

  #byte() {
    return this.#file[this.#take(1)];
  }

  #length4() {
    return this.#view.getUint32(this.#take(4), true);
  }

  #length8() {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  /** @param {number} count */
  #bytes(count) {
    const begin = this.#take(count);
    return this.#file.slice(begin, begin + count);
  }

  /** @param {number} count */
  #string(count) {
    return text.decode(this.#bytes(count));
  }

  /** A line of the protocol 0, without its end. */
  #line() {
    const end = this.#file.indexOf(0x0a, this.#position);
    if (end < 0) throw refusal('its pickle is cut off');
    const line = text.decode(this.#file.slice(this.#position, end));
    this.#position = end + 1;
    return line;
  }

  /**
   * A whole number of some bytes, little-endian, in two's complement.
   *
   * @param {number} count
   */
  #long(count) {
    const bytes = this.#bytes(count);
    if (bytes.length > 64) return null; // no size, count or offset is so large
    let value = 0n;
    for (let i = bytes.length - 1; i >= 0; i--) value = value << 8n | BigInt(bytes[i]);
    value = BigInt.asIntN(8 * bytes.length, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
}

/** Bytes that no pickler writes. */
const damaged = () => refusal('its pickle is damaged: it uses a value that is not there');

/** @param {string} line of protocol 0, where 00 and 01 are False and True */
function readInt(line) {
  if (line === '00') return false;
  if (line === '01') return true;
  if (!/^[+-]?\d{1,40}$/.test(line)) throw damaged();
  const value = Number(line);
  return Number.isSafeInteger(value) ? value : BigInt(line);
}

/**
 * @param {unknown} list
 * @param {unknown[]} items
 */
function append(list, items) {
  const target = list instanceof PyObject ? list.items : list;
  if (!Array.isArray(target)) throw damaged();
  for (const item of items) target.push(item);
  return true;
}

/**
 * @param {unknown} dict
 * @param {unknown[]} pairs key, value, key, value, ...
 */
function setItems(dict, pairs) {
  const target = dict instanceof PyObject ? dict.entries : dict;
  if (!(target instanceof Map) || pairs.length % 2 !== 0) throw damaged();
  for (let i = 0; i < pairs.length; i += 2) target.set(pairs[i], pairs[i + 1]);
  return target;
}
