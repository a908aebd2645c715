/**
 * The WebAssembly heap. Nothing else in the wrapper makes views on the memory or calls the allocator,
 * but for threads.js, which makes the memory that threads share, and takes their stacks from it.
 *
 * Two rules keep it sound. Views are made afresh for each use, because memory that grows detaches
 * the old ones; a tensor alone keeps the view that it handed out, until it finds it detached. What is
 * allocated has one owner from its first moment: a scope or a finally that frees it, the scratch, an
 * object that guards it, or the heap, with which it ends.
 */
import { readAlgorithms } from './abi.js';
import { DynakernelError, byteText } from './errors.js';

/** @typedef {import('./abi.js').Exports} Exports */
/** @typedef {Float32Array<ArrayBuffer>} Floats a view on the heap, or a copy */

/** Frees a C object by its pointer.
 * @typedef {'dk_free' | 'dk_attention_destroy' | 'dk_aggregation_destroy'} Destructor */

/** @param {ArrayBufferLike} buffer also of another realm */
const isShared = (buffer) => Object.prototype.toString.call(buffer) === '[object SharedArrayBuffer]';

export class Heap {
  /** @type {Exports | null} */
  #exports;
  #context = 0;
  #scratch = { pointer: 0, bytes: 0 };
  #live = 0;
  /** Why workers were lost, in words.
   * @type {string | null} */
  #lostThreads = null;
  /** What is not freed yet: a worker that was lost in the middle of a call may still use it.
   * @type {{ pointer: number, destroy: Destructor }[]} */
  #kept = [];
  #onClose = () => {};

  /** Gives back the memory of guarded objects that were forgotten without dispose(). Some hosts have no
   * such registry: there, only dispose() gives memory back. */
  #forgotten = globalThis.FinalizationRegistry && new FinalizationRegistry(
    (/** @type {{ pointer: number, destroy: Destructor }} */ { pointer, destroy }) => {
      if (this.#exports) this.#destroy(pointer, destroy);
    });

  /** Memory that nothing uses, half as much as owners have on a shared heap. Engines collect garbage as it
   * grows, and do not see that heap: a loop that forgets its tensors would run out of it before they did.
   * V8 now does at some 130 MiB of them.
   *
   * @type {WeakMap<object, ArrayBuffer>}
   */
  #weights = new WeakMap();

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

  /** Refuses a closed heap, where a call would do something else before it needs the memory. */
  checkOpen() {
    void this.c;
  }

  /** The workspace that all forward passes of this runtime share. */
  get context() {
    return this.#context;
  }

  get closed() {
    return this.#exports === null;
  }

  /** Bytes of memory, used or not. */
  get size() {
    return this.c.memory.buffer.byteLength;
  }

  /** Whether the memory is shared between threads: much of the platform takes no views on such. */
  get shared() {
    return !(this.c.memory.buffer instanceof ArrayBuffer);
  }

  /** Guarded objects and allocations of open scopes: 0 once everything is disposed. */
  get live() {
    return this.#live;
  }

  /**
   * Why the runtime computes on one thread although it began with more, in words; else null. For runtimes
   * that began with more only.
   */
  get lostThreads() {
    const c = /** @type {import('./abi.js').ThreadedExports} */ (this.c);
    if (c.dk_context_threads(this.#context) === 1) this.loseThreads('its workers did not answer in time');
    return this.#lostThreads;
  }

  /** @param {string} reason in words; the first one stays */
  loseThreads(reason) {
    this.#lostThreads ??= reason;
  }

  /**
   * What else ends when the heap does.
   *
   * @param {() => void} action
   */
  onClose(action) {
    this.#onClose = action;
  }

  /** Lets go of the memory as a whole. */
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
   * @param {number} length in bytes
   */
  bytes(pointer, length) {
    return new Uint8Array(this.c.memory.buffer, pointer, length);
  }

  /**
   * Bytes as pictures have them.
   *
   * @param {number} pointer
   * @param {number} length
   */
  clampedBytes(pointer, length) {
    return new Uint8ClampedArray(this.c.memory.buffer, pointer, length);
  }

  /**
   * Copies floats from one place to another.
   *
   * @param {number} to
   * @param {number} from
   * @param {number} length
   */
  copy(to, from, length) {
    this.floats(to, length).set(this.floats(from, length));
  }

  /**
   * A view that no allocation detaches. Memory that threads share has another buffer object after each
   * growth, so that a view on any shared buffer may be one on the heap.
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
   * Uninitialised memory; the caller guards it or frees it.
   *
   * @param {number} bytes
   * @param {string} what for the message where memory is short
   */
  allocate(bytes, what) {
    const pointer = bytes < 2 ** 32 ? this.c.dk_alloc(bytes) >>> 0 : 0;
    if (!pointer) this.refuse(bytes, what);
    return pointer;
  }

  /**
   * @param {number} bytes
   * @param {string} what
   * @returns {never}
   */
  refuse(bytes, what) {
    throw new DynakernelError('ERR_MEMORY',
      `${what} needs ${byteText(bytes)}; the heap has ${byteText(this.size)} and cannot grow by that`);
  }

  /**
   * Makes an object the owner of what a pointer points to, until release(), or until the object is
   * garbage.
   *
   * @param {object} owner
   * @param {number} pointer
   * @param {Destructor} destroy
   * @param {number} bytes that the owner has
   */
  guard(owner, pointer, destroy, bytes) {
    this.#live++;
    this.#forgotten?.register(owner, { pointer, destroy }, owner);
    if (!this.shared) return;
    try {
      this.#weights.set(owner, new ArrayBuffer(bytes >>> 1));
    } catch {
      // There is little memory. The owner can do without.
    }
  }

  /**
   * Ends a guard. Does nothing once the heap is closed.
   *
   * @param {object} owner
   * @param {number} pointer
   * @param {Destructor} destroy
   */
  release(owner, pointer, destroy) {
    this.#forgotten?.unregister(owner);
    this.#weights.delete(owner);
    if (this.#exports) this.#destroy(pointer, destroy);
  }

  /**
   * Runs work with allocations that end with it.
   *
   * @template Result
   * @param {(take: (bytes: number) => number) => Result} work
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
      for (const pointer of taken) this.#destroy(pointer, 'dk_free');
    }
  }

  /**
   * Memory that the next caller of scratch() overwrites: kept, so that a steady loop over frames
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
   * Gives back what is kept only to be used again: the scratch, and the workspace of forward and backward
   * passes.
   *
   * @returns {number} bytes
   */
  trim() {
    const { pointer, bytes } = this.#scratch;
    const workspace = this.c.dk_context_trim(this.#context) >>> 0;
    this.c.dk_free(pointer);
    this.#scratch = { pointer: 0, bytes: 0 };
    return bytes + workspace;
  }

  /**
   * @param {number} pointer
   * @param {Destructor} destroy
   */
  #destroy(pointer, destroy) {
    this.#live--;
    if (this.#lostThreads !== null && this.#waitsForLost(pointer, destroy)) return;
    this.c[destroy](pointer);
  }

  /**
   * Keeps memory from being freed while a lost worker may use it, and frees what was kept once it does not.
   *
   * @param {number} pointer
   * @param {Destructor} destroy
   */
  #waitsForLost(pointer, destroy) {
    const c = /** @type {import('./abi.js').ThreadedExports} */ (this.c);
    if (c.dk_context_lost(this.#context)) {
      this.#kept.push({ pointer, destroy });
      return true;
    }
    for (const kept of this.#kept.splice(0)) c[kept.destroy](kept.pointer);
    return false;
  }
}
