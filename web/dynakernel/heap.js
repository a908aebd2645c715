/**
 * The WebAssembly heap. Only this file and threads.js make views on the memory or call the allocator.
 *
 * Growing memory detaches views, so each use makes a new one. (Tensor.data keeps one and checks it.)
 * Each allocation always has one owner: a scope, a finally, the scratch, a guard, or the heap.
 */
import { readAlgorithms } from './abi.js';
import { DynakernelError, byteText } from './errors.js';
import { Stage } from './staging.js';

/** @typedef {import('./abi.js').Exports} Exports */
/** @typedef {Float32Array<ArrayBuffer>} Floats a view on the heap, or a copy of one */

/** Frees a C object by its pointer.
 * @typedef {'dk_free' | 'dk_attention_destroy' | 'dk_aggregation_destroy' | 'dk_network_destroy' |
 *   'dk_schedule_destroy'} Destructor */

/**
 * A C object. Its parts, which may come and go, are freed before it.
 *
 * @typedef {{ pointer: number, destroy: Destructor, parts?: CObject[] }} CObject
 */

/**
 * Whether a buffer is shared. It works for buffers of other realms too.
 *
 * @param {ArrayBufferLike} buffer
 */
const isShared = (buffer) => Object.prototype.toString.call(buffer) === '[object SharedArrayBuffer]';

/** The memory of one runtime, and the C functions that work on it. */
export class Heap {
  /** null once the heap is closed.
   * @type {Exports | null} */
  #exports;
  #context = 0;
  #scratch = { pointer: 0, bytes: 0 };
  #live = 0;
  /** Why workers were lost, in words.
   * @type {string | null} */
  #lostThreads = null;
  /** Objects that must not be freed yet, because a lost worker may still use them.
   * @type {CObject[]} */
  #postponed = [];
  #onClose = () => {};
  /** undefined until it is needed, null if there is none.
   * @type {Stage | null | undefined} */
  #stage;

  /** Frees guarded objects that were forgotten without dispose(). In a host without this registry only
   * dispose() frees them. */
  #forgotten = globalThis.FinalizationRegistry && new FinalizationRegistry(
    (/** @type {CObject} */ object) => {
      if (this.#exports) this.#destroy(object);
    });

  /** Ballast. The garbage collector cannot see memory on a shared heap, so each owner holds an unused
   * ArrayBuffer of half its size to create pressure. V8 then collects at about 130 MiB of forgotten tensors.
   *
   * @type {WeakMap<object, ArrayBuffer>}
   */
  #ballast = new WeakMap();

  /** @param {Exports} exports */
  constructor(exports) {
    this.#exports = exports;
    this.#context = exports.dk_context_create();
    if (!this.#context) throw new DynakernelError('ERR_MEMORY', 'no memory to start the runtime');
    /** The names of the algorithms, in the order of dk_algorithm. */
    this.algorithms = readAlgorithms(exports);
  }

  /** The C functions. */
  get c() {
    if (this.#exports) return this.#exports;
    throw new DynakernelError('ERR_DISPOSED', 'the runtime can no longer be used: it is disposed');
  }

  /** Refuses a closed heap. A call uses it if its first step does not need the memory. */
  checkOpen() {
    void this.c;
  }

  /** The C context: the workspace and the threads that all passes of this runtime share. */
  get context() {
    return this.#context;
  }

  /** Whether the runtime is disposed. */
  get closed() {
    return this.#exports === null;
  }

  /** All bytes of memory, both used and free. */
  get size() {
    return this.c.memory.buffer.byteLength;
  }

  /** Whether threads share the memory. Many platform functions refuse views on shared memory. */
  get shared() {
    return !(this.c.memory.buffer instanceof ArrayBuffer);
  }

  /** The number of guarded objects and of allocations of open scopes. 0 once everything is disposed. */
  get live() {
    return this.#live;
  }

  /**
   * Why the runtime computes on one thread although it began with more, in words, or null if it still has
   * them. Only for runtimes that began with more.
   */
  get lostThreads() {
    const c = /** @type {import('./abi.js').ThreadedExports} */ (this.c);
    if (c.dk_context_threads(this.#context) === 1) this.loseThreads('its workers did not answer in time');
    return this.#lostThreads;
  }

  /**
   * Records that the workers were lost. The first reason stays.
   *
   * @param {string} reason in words
   */
  loseThreads(reason) {
    this.#lostThreads ??= reason;
  }

  /**
   * Sets an action for close().
   *
   * @param {() => void} action
   */
  onClose(action) {
    this.#onClose = action;
  }

  /** Releases all memory. */
  close() {
    if (this.closed) return;
    this.#onClose();
    this.#exports = null;
  }

  /**
   * @param {number} pointer
   * @param {number} length in floats
   * @returns {Floats} valid until the next call that may allocate
   */
  floats(pointer, length) {
    return new Float32Array(/** @type {ArrayBuffer} */ (this.c.memory.buffer), pointer, length);
  }

  /**
   * @param {number} pointer
   * @param {number} length in 32-bit words
   */
  words(pointer, length) {
    return new Int32Array(this.c.memory.buffer, pointer, length);
  }

  /**
   * @param {number} pointer
   * @param {number} length in 64-bit words
   */
  longs(pointer, length) {
    return new BigInt64Array(this.c.memory.buffer, pointer, length);
  }

  /**
   * @param {number} pointer
   * @param {number} length in doubles
   */
  doubles(pointer, length) {
    return new Float64Array(this.c.memory.buffer, pointer, length);
  }

  /**
   * @param {number} pointer
   * @param {number} length in bytes
   */
  bytes(pointer, length) {
    return new Uint8Array(this.c.memory.buffer, pointer, length);
  }

  /**
   * Bytes for a picture, as ImageData takes them.
   *
   * @param {number} pointer
   * @param {number} length in bytes
   */
  clampedBytes(pointer, length) {
    return new Uint8ClampedArray(this.c.memory.buffer, pointer, length);
  }

  /**
   * Copies floats into the heap, as fast as the engine can.
   *
   * @param {number} pointer
   * @param {Float32Array} source
   */
  write(pointer, source) {
    const stage = this.#stageFor(source);
    if (stage) stage.write(pointer, source);
    else this.floats(pointer, source.length).set(source);
  }

  /**
   * Copies floats out of the heap.
   *
   * @param {number} pointer
   * @param {Float32Array} target
   */
  read(pointer, target) {
    const stage = this.#stageFor(target);
    if (stage) stage.read(pointer, target);
    else target.set(this.floats(pointer, target.length));
  }

  /**
   * The stage, if copying between this array and the heap is faster by it.
   *
   * @param {Float32Array} array
   */
  #stageFor({ buffer, length }) {
    if (!this.shared || isShared(buffer) || !Stage.pays(length)) return null;
    if (this.#stage === undefined) {
      try {
        this.#stage = new Stage(this.c.memory);
      } catch {
        this.#stage = null;
      }
    }
    return this.#stage;
  }

  /**
   * Copies floats within the heap.
   *
   * @param {number} target
   * @param {number} source
   * @param {number} length in floats
   */
  copy(target, source, length) {
    this.floats(target, length).set(this.floats(source, length));
  }

  /**
   * The view itself, or a copy if an allocation might detach it. Shared memory has another buffer object
   * after each growth, so any view on a shared buffer is copied.
   *
   * @template {ArrayBufferView & { slice(): any }} View
   * @param {View} view
   * @returns {View}
   */
  copyIfOnHeap(view) {
    const { buffer } = view;
    return buffer === this.c.memory.buffer || isShared(buffer) ? view.slice() : view;
  }

  /**
   * Allocates uninitialised memory. The caller guards it or frees it.
   *
   * @param {number} bytes
   * @param {string} what the memory, for the message if there is too little
   */
  allocate(bytes, what) {
    const pointer = bytes < 2 ** 32 ? this.c.dk_alloc(bytes) >>> 0 : 0;
    if (!pointer) this.refuse(bytes, what);
    return pointer;
  }

  /**
   * Throws ERR_MEMORY.
   *
   * @param {number} bytes
   * @param {string} what
   * @returns {never}
   */
  refuse(bytes, what) {
    throw new DynakernelError('ERR_MEMORY',
      `${what} needs ${byteText(bytes)}; the heap has ${byteText(this.size)} and cannot grow by that`);
  }

  /**
   * Makes an object the owner of memory. release() frees it, and so does the garbage collector with its owner.
   *
   * @param {object} owner
   * @param {number} pointer
   * @param {Destructor} destroy
   * @param {number} bytes size of the memory
   * @param {CObject[]} [parts]
   */
  guard(owner, pointer, destroy, bytes, parts) {
    this.#live++;
    this.#forgotten?.register(owner, { pointer, destroy, parts }, owner);
    if (!this.shared) return;
    try {
      this.#ballast.set(owner, new ArrayBuffer(bytes >>> 1));
    } catch {
      // memory is short: the owner works without ballast
    }
  }

  /**
   * Ends a guard and frees the memory. A closed heap frees nothing.
   *
   * @param {object} owner
   * @param {number} pointer
   * @param {Destructor} destroy
   * @param {CObject[]} [parts]
   */
  release(owner, pointer, destroy, parts) {
    this.#forgotten?.unregister(owner);
    this.#ballast.delete(owner);
    if (this.#exports) this.#destroy({ pointer, destroy, parts });
  }

  /**
   * Frees an object that no guard owns, after its parts. Postpones that while a lost worker may use it.
   *
   * @param {CObject} object
   */
  discard({ pointer, destroy, parts }) {
    for (const part of parts?.splice(0) ?? []) this.discard(part);
    if (this.#lostThreads !== null && this.#postpones({ pointer, destroy })) return;
    this.c[destroy](pointer);
  }

  /**
   * Runs work, and then frees all memory that it took.
   *
   * @template Result
   * @param {(take: (bytes: number) => number) => Result} work take allocates
   * @returns {Result}
   */
  scope(work) {
    /** @type {number[]} */
    const taken = [];
    try {
      return work((bytes) => {
        const pointer = this.allocate(bytes, 'an intermediate result');
        taken.push(pointer);
        this.#live++;
        return pointer;
      });
    } finally {
      for (const pointer of taken) this.#destroy({ pointer, destroy: 'dk_free' });
    }
  }

  /**
   * Memory that is valid until the next call of scratch(). The heap keeps it, so a steady loop over frames
   * allocates nothing.
   *
   * @param {number} bytes
   */
  scratch(bytes) {
    if (bytes > this.#scratch.bytes) {
      const pointer = this.allocate(bytes, 'scratch memory');
      this.c.dk_free(this.#scratch.pointer);
      this.#scratch = { pointer, bytes };
    }
    return this.#scratch.pointer;
  }

  /**
   * A C struct of 32-bit words. It is valid until the next call of scratch() or struct().
   *
   * @param {readonly number[]} words
   */
  struct(words) {
    const pointer = this.scratch(4 * words.length);
    this.words(pointer, words.length).set(words);
    return pointer;
  }

  /**
   * Frees the scratch and the workspace of forward and backward passes.
   *
   * @returns {number} bytes that were freed
   */
  trim() {
    const { pointer, bytes } = this.#scratch;
    const workspace = this.c.dk_context_trim(this.#context) >>> 0;
    this.c.dk_free(pointer);
    this.#scratch = { pointer: 0, bytes: 0 };
    return bytes + workspace;
  }

  /**
   * Frees an object that a guard or a scope owns.
   *
   * @param {CObject} object
   */
  #destroy(object) {
    this.#live--;
    this.discard(object);
  }

  /**
   * Postpones freeing an object while a lost worker may use it, and returns true. Otherwise frees all
   * postponed objects, and returns false.
   *
   * @param {CObject} object without parts
   */
  #postpones(object) {
    const c = /** @type {import('./abi.js').ThreadedExports} */ (this.c);
    if (c.dk_context_lost(this.#context)) {
      this.#postponed.push(object);
      return true;
    }
    for (const { pointer, destroy } of this.#postponed.splice(0)) c[destroy](pointer);
    return false;
  }
}
