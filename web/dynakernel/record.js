/** What a forward pass leaves for the backward pass that may follow. */
import { DynakernelError } from './errors.js';
import { emptyTensor, pointerOf, shapeOf } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * @typedef {object} Pass
 * @property {readonly number[]} input the shape of x, [N, C, H, W]
 * @property {readonly number[]} output the shape of the answer
 * @property {boolean} training whether batch norm used the batch's statistics
 */

/** @typedef {Pass & { parts: readonly number[] }} RecordedPass parts: pointers to what was kept */

/** Bytes between the beginnings of a record's parts are a multiple of this, as dk_alloc aligns. */
const ALIGNMENT = 64;

/**
 * The latest forward pass of a module. Its memory grows to the largest pass so far and stays, so
 * that a steady training loop allocates nothing.
 */
export class ForwardRecord {
  #heap;
  /** @type {Tensor | null} */
  #memory = null;
  /** @type {RecordedPass | null} */
  #latest = null;

  /** @param {Heap} heap */
  constructor(heap) {
    this.#heap = heap;
  }

  /**
   * Records a pass. If work throws, the pass before stays: work may throw only before it writes, but for
   * ERR_LOAD, after which there is no pass.
   *
   * @param {Pass} pass
   * @param {readonly number[]} sizes of the record's parts, in bytes
   * @param {(...parts: number[]) => void} work runs the pass, and fills the parts at these pointers
   */
  write(pass, sizes, work) {
    const rounded = sizes.map((bytes) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    const floats = rounded.reduce((sum, bytes) => sum + bytes / 4, 0);
    const fits = this.#memory !== null && shapeOf(this.#memory)[0] >= floats;
    const memory = fits && this.#memory
      || emptyTensor(this.#heap, [floats], 'the record for backward');
    let end = pointerOf(this.#heap, memory, 'the record');
    const parts = rounded.map((bytes) => (end += bytes) - bytes);
    try {
      work(...parts);
    } catch (error) {
      if (!fits) memory.dispose();
      // A worker that stopped left the record half written.
      else if (error instanceof DynakernelError && error.code === 'ERR_LOAD') this.#latest = null;
      throw error;
    }
    if (!fits) this.#memory?.dispose();
    this.#memory = memory;
    this.#latest = { ...pass, parts };
  }

  /**
   * The latest pass.
   *
   * @param {string} what the call, for messages
   * @param {boolean} requiresGrad
   */
  read(what, requiresGrad) {
    if (this.#latest) return this.#latest;
    throw new DynakernelError('ERR_MODE', `${what} needs a forward pass of the same module before it, ` +
      `with requiresGrad = true; ${requiresGrad ? 'there was none since that was set'
        : 'requiresGrad is false, so none was kept'}`);
  }

  /** Forgets the pass and gives the memory back. */
  dispose() {
    this.#memory?.dispose();
    this.#memory = null;
    this.#latest = null;
  }
}
