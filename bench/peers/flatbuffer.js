/** Writes FlatBuffers: tables whose fields are numbers, texts, bytes, other tables, or lists of those. */

/**
 * The fields of each table: a field's number, and its type. The types are 'int' (32 bits), 'byte', 'text', 'ints',
 * 'bytes', a table's name, or a table's name with [] for a list. 'union' is a pair [name, value] of any table.
 *
 * @typedef {{ [table: string]: { [field: string]: [number: number, type: string] } }} Schema
 */

/** A slot that the position of a later object is written to. @typedef {{ slot: number, write: () => number }} Pending */

/** Lists of bytes begin at multiples of this, so that they can hold vectors of floats. */
const BYTES_ALIGNMENT = 16;

/**
 * Returns the file of a table.
 *
 * @param {Schema} schema
 * @param {string} name of the table
 * @param {{ [field: string]: any }} value names are those of the schema
 * @param {string} identifier four letters
 * @returns {Uint8Array}
 */
export function encodeFlatbuffer(schema, name, value, identifier) {
  const writer = new Writer(schema);
  const root = writer.reserve(4);
  for (const letter of identifier) writer.byte(letter.charCodeAt(0));
  writer.fill([{ slot: root, write: () => writer.table(name, value) }]);
  return writer.finish();
}

class Writer {
  #schema;
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  /** @param {Schema} schema */
  constructor(schema) {
    this.#schema = schema;
  }

  /** The bytes up to the end. */
  finish() {
    return this.#bytes.slice(0, this.#end);
  }

  /** Adds zeros and returns where they begin. @param {number} length */
  reserve(length) {
    const start = this.#end;
    this.#end += length;
    if (this.#end > this.#bytes.length) {
      const grown = new Uint8Array(2 * this.#end);
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return start;
  }

  /** @param {number} value */
  byte(value) {
    const position = this.reserve(1);
    this.#view.setUint8(position, value);
  }

  /**
   * Writes objects behind all others, and in each slot the distance to its object.
   *
   * @param {Pending[]} pending
   */
  fill(pending) {
    for (const { slot, write } of pending) {
      const position = write();
      this.#view.setUint32(slot, position - slot, true);
    }
  }

  /**
   * Writes a table and all that it refers to.
   *
   * @param {string} name
   * @param {{ [field: string]: any }} value
   * @returns {number} its position
   */
  table(name, value) {
    const fields = this.#schema[name];
    const unknown = Object.keys(value).find((field) => !fields[field]);
    if (unknown) throw new Error(`${name} has no field ${unknown}`);
    const given = Object.entries(value).map(([field, content]) => ({ number: fields[field][0], type: fields[field][1], content }));
    const count = 1 + Math.max(-1, ...given.map(({ number }) => number));

    // the table of offsets: its bytes, the table's bytes, then each field's offset in the table, 0 if it has none
    this.#align(4, 4 + 2 * count);
    const offsets = this.reserve(4 + 2 * count);
    // the table: the distance back to its offsets, then four bytes for each field
    const start = this.reserve(4 + 4 * given.length);
    this.#view.setUint16(offsets, 4 + 2 * count, true);
    this.#view.setUint16(offsets + 2, 4 + 4 * given.length, true);
    this.#view.setInt32(start, start - offsets, true);
    /** @type {Pending[]} */
    const pending = [];
    for (const [i, { number, type, content }] of given.entries()) {
      const slot = start + 4 + 4 * i;
      this.#view.setUint16(offsets + 4 + 2 * number, slot - start, true);
      if (type === 'int') this.#view.setInt32(slot, content, true);
      else if (type === 'byte') this.#view.setInt8(slot, content);
      else pending.push({ slot, write: () => this.#object(type, content) });
    }
    this.fill(pending);
    return start;
  }

  /**
   * Writes what a field refers to.
   *
   * @param {string} type
   * @param {any} content
   * @returns {number} its position
   */
  #object(type, content) {
    if (type === 'union') return this.table(content[0], content[1]);
    if (type === 'text') return this.#text(content);
    if (type === 'bytes') return this.#list(content, BYTES_ALIGNMENT);
    if (type === 'ints') return this.#list(new Uint8Array(Int32Array.from(content).buffer), 4, 4);
    if (!type.endsWith('[]')) return this.table(type, content);
    this.#align(4);
    const start = this.reserve(4 + 4 * content.length);
    this.#view.setUint32(start, content.length, true);
    this.fill(content.map((one, i) => ({ slot: start + 4 + 4 * i, write: () => this.table(type.slice(0, -2), one) })));
    return start;
  }

  /** @param {string} text */
  #text(text) {
    const position = this.#list(new TextEncoder().encode(text), 4);
    this.byte(0);
    return position;
  }

  /**
   * Writes the number of elements and the elements.
   *
   * @param {Uint8Array} content
   * @param {number} alignment of the first element
   * @param {number} [size] bytes of an element
   */
  #list(content, alignment, size = 1) {
    this.#align(alignment, 4);
    const start = this.reserve(4 + content.length);
    this.#view.setUint32(start, content.length / size, true);
    this.#bytes.set(content, start + 4);
    return start;
  }

  /**
   * Adds zeros until what follows the next bytes begins at a multiple.
   *
   * @param {number} multiple
   * @param {number} [next]
   */
  #align(multiple, next = 0) {
    this.reserve((multiple - ((this.#end + next) % multiple)) % multiple);
  }
}
