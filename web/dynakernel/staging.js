/**
 * Copies floats into and out of shared memory. Typed arrays do that word by word in V8, at a quarter to half of
 * the usual speed, because each access is atomic. WebAssembly's memory.copy is not. So floats pass through a small
 * memory that is not shared, and a module with two memories copies them.
 */

/** One page. It stays in the processor's caches. */
const STAGE_BYTES = 65536;
const STAGE_FLOATS = STAGE_BYTES / 4;

/** Fewer floats are copied sooner by a typed array: the calls take longer than the copying. */
const FEW = 512;

const MODULE = new Uint8Array([
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // "\0asm", version 1
  1, 7, 1, 0x60, 3, 0x7f, 0x7f, 0x7f, 0, // type 0: (i32, i32, i32) -> ()
  2, 18, 2, // two imports
  1, 0x73, 1, 0x6d, 2, 0, 1, // memory 0 is s.m, of at least one page
  1, 0x68, 1, 0x6d, 2, 3, 0, 0x80, 0x80, 4, // memory 1 is h.m, shared, of at most 65,536 pages
  3, 3, 2, 0, 0, // two functions of type 0
  7, 14, 2, // two exports
  3, 0x70, 0x75, 0x74, 0, 0, // put
  4, 0x74, 0x61, 0x6b, 0x65, 0, 1, // take
  10, 27, 2, // two bodies without locals
  12, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 10, 1, 0, 0x0b, // memory.copy from memory 0 to memory 1
  12, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 10, 0, 1, 0x0b, // memory.copy from memory 1 to memory 0
]);

/** A small memory through which floats pass. */
export class Stage {
  #floats;
  #put;
  #take;

  /**
   * @param {WebAssembly.Memory} memory shared
   * @throws {Error} if the engine takes no module with two memories, as Node 20
   */
  constructor(memory) {
    const stage = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(MODULE),
      { s: { m: stage }, h: { m: memory } });
    const { put, take } = /** @type {{ [name: string]: (target: number, source: number, bytes: number) => void }} */ (
      exports);
    this.#floats = new Float32Array(stage.buffer);
    this.#put = put;
    this.#take = take;
  }

  /**
   * Whether a copy of so many floats is faster by a stage.
   *
   * @param {number} length
   */
  static pays(length) {
    return length >= FEW;
  }

  /**
   * Copies floats into the shared memory.
   *
   * @param {number} pointer
   * @param {Float32Array} source not shared
   */
  write(pointer, source) {
    for (let first = 0; first < source.length; first += STAGE_FLOATS) {
      const part = source.subarray(first, first + STAGE_FLOATS);
      this.#floats.set(part);
      this.#put(pointer + 4 * first, 0, 4 * part.length);
    }
  }

  /**
   * Copies floats out of the shared memory.
   *
   * @param {number} pointer
   * @param {Float32Array} target not shared
   */
  read(pointer, target) {
    for (let first = 0; first < target.length; first += STAGE_FLOATS) {
      const length = Math.min(STAGE_FLOATS, target.length - first);
      this.#take(0, pointer + 4 * first, 4 * length);
      target.set(this.#floats.subarray(0, length), first);
    }
  }
}
