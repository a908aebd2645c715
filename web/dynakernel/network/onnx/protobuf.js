/** Reads protobuf's wire format: the part that ONNX files use. Memory is bounded by the file's size. */
import { DynakernelError } from '../../errors.js';

/**
 * A field: its name, what it holds, and whether it may come several times. A function gives the schema
 * of a message, so that schemas may refer to each other. Of a mark it only matters that it is there: true.
 *
 * @typedef {'int' | 'uint' | 'float' | 'double' | 'text' | 'bytes' | 'mark' | (() => Schema)} Kind
 * @typedef {readonly [name: string, kind: Kind, repeated?: 'repeated']} Field
 * @typedef {{ readonly [field: number]: Field }} Schema
 */

/**
 * A message: a repeated field is an array (of numbers perhaps a typed array), a single field that the
 * file does not give is undefined.
 *
 * @typedef {{ [name: string]: any }} Message
 */

/** Levels of messages in messages: a graph in a node of a graph costs three. */
const DEEPEST = 60;

/** Messages in a file. The largest models have some 100,000 nodes, attributes and tensors. */
const MOST_MESSAGES = 1_000_000;

const WIRE_TYPES = ['a varint', '64 bits', 'a length', 'the start of a group', 'the end of a group', '32 bits'];

/** The wire type of each kind of number; everything else has a length. */
const WIRE_TYPE_OF = /** @type {{ readonly [kind: string]: number }} */ ({ int: 0, uint: 0, double: 1, float: 5 });
const LENGTH = 2;

const decoder = new TextDecoder();

/** Short texts of ASCII characters are decoded here, and short lists are plain arrays: for these, a TextDecoder and
 * typed arrays take long. */
const SHORT = 64;

/** Room for the characters of a text, by its length: fromCharCode.apply takes plain arrays faster than typed ones. */
const CHARACTERS = Array.from({ length: SHORT + 1 }, (_, length) => new Array(length).fill(0));

/** How many texts are remembered: a power of two. */
const RECENT = 256;

/** @type {readonly any[]} */
const NOTHING = Object.freeze([]);

/** @param {string} message */
export const wireError = (message) => new DynakernelError('ERR_ONNX', `the file is no valid ONNX file: ${message}`);

/**
 * Reads a message that fills all the bytes.
 *
 * @param {Uint8Array} bytes
 * @param {Schema} schema
 * @returns {Message}
 * @throws {DynakernelError} ERR_ONNX if the bytes are no such message
 */
export function decodeMessage(bytes, schema) {
  // a plain view: the slices of a Node Buffer would be views too
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return new Decoder(plain).message(0, plain.length, layoutOf(schema), 0);
}

/**
 * A field as the decoder reads it.
 *
 * @typedef {object} FieldLayout
 * @property {string} name
 * @property {Kind} kind
 * @property {number} wireType
 * @property {boolean} isNumber
 * @property {boolean} isRepeated
 * @property {Layout | null} layout of a message
 */

/**
 * A schema as the decoder reads it. `empty` is a message without fields: the prototype of all messages, so that each
 * holds only what the file gives it.
 *
 * @typedef {{ fields: (FieldLayout | null)[], empty: Message }} Layout
 */

/** @type {Map<Schema, Layout>} */
const LAYOUTS = new Map();

/**
 * @param {Schema} schema
 * @returns {Layout}
 */
function layoutOf(schema) {
  const known = LAYOUTS.get(schema);
  if (known) return known;
  /** @type {Layout} */
  const layout = { fields: [], empty: {} };
  for (const [number, [name, kind, repeated]] of Object.entries(schema)) {
    // no holes, which are slow to read
    while (layout.fields.length < Number(number)) layout.fields.push(null);
    const isNumber = typeof kind === 'string' && Object.hasOwn(WIRE_TYPE_OF, kind);
    const wireType = isNumber ? WIRE_TYPE_OF[kind] : LENGTH;
    layout.fields[Number(number)] = { name, kind, wireType, isNumber, isRepeated: Boolean(repeated), layout: null };
    layout.empty[name] = repeated ? NOTHING : undefined;
  }
  // schemas may refer to themselves
  LAYOUTS.set(schema, layout);
  for (const field of layout.fields) if (typeof field?.kind === 'function') field.layout = layoutOf(field.kind());
  return layout;
}

/**
 * A copy of a message with other fields.
 *
 * @param {Message} message
 * @param {Message} fields
 * @returns {Message}
 */
export const withFields = (message, fields) =>
  Object.assign(Object.create(Object.getPrototypeOf(message)), message, fields);

class Decoder {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = 0;
    this.messages = 0;
    /** Texts that were read last, and where: files repeat the names of operators, attributes and tensors. */
    this.recent = new Array(RECENT).fill('');
    this.places = new Int32Array(RECENT);
    this.lengths = new Int32Array(RECENT).fill(-1);
  }

  /**
   * @param {number} start
   * @param {number} end
   * @param {Layout} layout
   * @param {number} depth
   * @returns {Message}
   */
  message(start, end, layout, depth) {
    if (depth > DEEPEST) throw wireError(`messages are nested more than ${DEEPEST} deep`);
    if (++this.messages > MOST_MESSAGES) throw wireError(`it has more than ${MOST_MESSAGES} messages`);
    /** @type {Message} */
    const message = Object.create(layout.empty);

    this.position = start;
    while (this.position < end) {
      const at = this.position;
      const key = this.varint(end, false);
      if (key < 8 || key > 0xffffffff) throw wireError(`field number ${Math.floor(key / 8)} at byte ${at}`);
      const number = key >>> 3;
      const field = number < layout.fields.length ? layout.fields[number] : null;
      const wireType = key & 7;
      if (field) this.field(message, field, wireType, end, depth);
      else this.skip(wireType, end);
    }
    return message;
  }

  /**
   * @param {Message} message
   * @param {FieldLayout} field
   * @param {number} wireType
   * @param {number} end of the message
   * @param {number} depth
   */
  field(message, field, wireType, end, depth) {
    const name = field.name;
    let value;
    if (wireType !== field.wireType) {
      const isPacked = field.isNumber && field.isRepeated && wireType === LENGTH;
      if (!isPacked) throw this.mismatch(field, wireType);
      const numbers = this.packed(field.kind, this.length(end));
      if (message[name] === NOTHING) message[name] = numbers;
      else for (let i = 0; i < numbers.length; i++) append(message, name, numbers[i]);
      return;
    }
    if (field.isNumber) {
      value = this.number(field.kind, end);
    } else {
      const last = this.length(end);
      value = this.delimited(field, last, depth);
      this.position = last;
    }
    if (field.isRepeated) append(message, name, value);
    else message[name] = value;
  }

  /**
   * @param {FieldLayout} field
   * @param {number} wireType
   */
  mismatch({ name, wireType: expected }, wireType) {
    return wireError(`the field ${name} at byte ${this.position} has ` +
      `${WIRE_TYPES[wireType] ?? `wire type ${wireType}`}; ${WIRE_TYPES[expected]} is expected`);
  }

  /**
   * @param {FieldLayout} field
   * @param {number} end of the field
   * @param {number} depth
   */
  delimited(field, end, depth) {
    const { kind } = field;
    const start = this.position;
    if (kind === 'text') return this.text(start, end);
    if (kind === 'bytes') return this.bytes.subarray(start, end);
    if (typeof kind === 'string') return true;
    return this.message(start, end, /** @type {Layout} */ (field.layout), depth + 1);
  }

  /**
   * A text: the string of an equal one that was read before, if it is remembered.
   *
   * @param {number} start
   * @param {number} end
   */
  text(start, end) {
    const { bytes } = this;
    const length = end - start;
    if (length === 0) return '';
    const slot = (31 * length + 5 * bytes[end - 1] + bytes[start]) % RECENT;
    if (this.lengths[slot] === length && areEqual(bytes, this.places[slot], start, length)) return this.recent[slot];
    const text = this.decode(start, end);
    this.recent[slot] = text;
    this.places[slot] = start;
    this.lengths[slot] = length;
    return text;
  }

  /**
   * @param {number} start
   * @param {number} end
   * @returns {string}
   */
  decode(start, end) {
    const length = end - start;
    let isPlain = length <= SHORT;
    for (let i = 0; isPlain && i < length; i++) {
      const byte = this.bytes[start + i];
      CHARACTERS[length][i] = byte;
      isPlain = byte < 128;
    }
    return isPlain ? String.fromCharCode.apply(null, CHARACTERS[length])
      : decoder.decode(this.bytes.subarray(start, end));
  }

  /**
   * The numbers from here to the end of a packed field.
   *
   * @param {Kind} kind
   * @param {number} end
   * @returns {ArrayLike<number>}
   */
  packed(kind, end) {
    const start = this.position;
    if (kind === 'float' || kind === 'double') {
      const bytes = this.bytes.slice(start, end);
      const width = kind === 'float' ? 4 : 8;
      if (bytes.length % width) throw wireError(`${bytes.length} bytes at byte ${start} are no list of ${kind}s`);
      this.position = end;
      return kind === 'float' ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer);
    }
    // each number ends with the first byte that is below 128
    let count = 0;
    for (let i = start; i < end; i++) if (this.bytes[i] < 128) count++;
    const numbers = count <= SHORT ? new Array(count).fill(0) : new Float64Array(count);
    for (let i = 0; i < count; i++) numbers[i] = this.varint(end, kind === 'int');
    if (this.position !== end) throw wireError(`the list of numbers at byte ${start} is cut off`);
    return numbers;
  }

  /**
   * @param {Kind} kind
   * @param {number} end
   * @returns {number}
   */
  number(kind, end) {
    if (kind === 'int' || kind === 'uint') return this.varint(end, kind === 'int');
    const at = this.advance(kind === 'float' ? 4 : 8, end);
    return kind === 'float' ? this.view.getFloat32(at, true) : this.view.getFloat64(at, true);
  }

  /**
   * A number of 64 bits, seven to a byte. Beyond 2^53 it is rounded, which no size or index notices.
   *
   * @param {number} end
   * @param {boolean} signed
   */
  varint(end, signed) {
    const at = this.position;
    let value = this.bytes[at];
    // nearly all are one byte
    if (value < 128 && at < end) {
      this.position++;
      return value;
    }
    value = 0;
    for (let i = 0; i < 10; i++) {
      if (this.position >= end) throw wireError(`the number at byte ${at} is cut off`);
      const byte = this.bytes[this.position++];
      if (i === 9 && byte > 1) break;
      // places and lengths stay small integers, which engines hold without an object
      value += i < 4 ? (byte & 127) << (7 * i) : (byte & 127) * 2 ** (7 * i);
      if (byte > 127) continue;
      return signed && i === 9 ? this.negative(at) : value;
    }
    throw wireError(`the number at byte ${at} has more than 64 bits`);
  }

  /**
   * A number whose sign bit is set: exactly, because -1 has all bits.
   *
   * @param {number} at
   */
  negative(at) {
    let bits = 0n;
    for (let i = 0; i < 10; i++) bits |= BigInt(this.bytes[at + i] & 127) << BigInt(7 * i);
    return Number(BigInt.asIntN(64, bits));
  }

  /**
   * Reads the length of a field.
   *
   * @param {number} end of the message around it
   * @returns {number} the end of the field
   */
  length(end) {
    const length = this.varint(end, false);
    const start = this.position;
    if (length > end - start) {
      throw wireError(`a field of ${length} bytes at byte ${start} reaches beyond its end: was the file cut off?`);
    }
    return start + length;
  }

  /**
   * @param {number} wireType
   * @param {number} end
   */
  skip(wireType, end) {
    if (wireType === 0) this.varint(end, false);
    else if (wireType === 1) this.advance(8, end);
    else if (wireType === 2) this.position = this.length(end);
    else if (wireType === 5) this.advance(4, end);
    else throw wireError(`byte ${this.position} has ${WIRE_TYPES[wireType] ?? `wire type ${wireType}`}`);
  }

  /**
   * @param {number} bytes
   * @param {number} end
   * @returns {number} where they begin
   */
  advance(bytes, end) {
    const at = this.position;
    if (bytes > end - at) throw wireError(`the number at byte ${at} is cut off`);
    this.position = at + bytes;
    return at;
  }
}

/**
 * Whether bytes repeat themselves.
 *
 * @param {Uint8Array} bytes
 * @param {number} a where both begin
 * @param {number} b
 * @param {number} length
 */
function areEqual(bytes, a, b, length) {
  // from the end: the beginnings of names are alike
  let i = length - 1;
  while (i >= 0 && bytes[a + i] === bytes[b + i]) i--;
  return i < 0;
}

/**
 * Several packed runs of one field, and single values beside them, are one list.
 *
 * @param {Message} message
 * @param {string} name
 * @param {any} value
 */
function append(message, name, value) {
  const list = message[name];
  if (list === NOTHING) message[name] = [value];
  // most lists stay short: one of its own length takes less than one that grows, which takes room for 17
  else if (list.length === 1) message[name] = [list[0], value];
  else if (Array.isArray(list)) list.push(value);
  else message[name] = [...list, value]; // a typed array, once
}
