/** The record that a forward pass leaves for a backward pass. */
import { DynakernelError } from './errors.js';
import { emptyTensor, pointerOf, shapeOf } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * @typedef {object} Pass
 * @property {readonly number[]} input the shape of x, [N, C, H, W]
 * @property {readonly number[]} output the shape of the output
 * @property {boolean} [training] whether batch norm used the batch's statistics
 * @property {number} [temperature] that a block's attention was divided by
 * @property {boolean} [hasBias] whether the caller's kernels had biases
 */

/** @typedef {Pass & { parts: readonly number[] }} RecordedPass parts: pointers to the parts of the record */

/** Each part of a record begins at a multiple of this many bytes, as dk_alloc's memory does. */
const ALIGNMENT = 64;

/**
 * The latest forward pass of a module. Its memory grows to the largest pass so far and stays. A steady
 * training loop then allocates nothing.
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
   * Runs a pass and records it. If work throws, the pass before it stays recorded. Work may therefore throw
   * only before it writes. ERR_LOAD is the exception: it leaves no recorded pass.
   *
   * @param {Pass} pass
   * @param {readonly number[]} sizes bytes of each part of the record
   * @param {(...parts: number[]) => void} work runs the pass and fills the parts, given their pointers
   */
  write(pass, sizes, work) {
    const rounded = sizes.map((bytes) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    const floats = rounded.reduce((sum, bytes) => sum + bytes / 4, 0);
    const fits = this.#memory !== null && shapeOf(this.#memory)[0] >= floats;
    const memory = fits && this.#memory
      || emptyTensor(this.#heap, [floats], 'the record for backward');
    // place the parts one after the other
    let next = pointerOf(this.#heap, memory, 'the record');
    const parts = rounded.map((bytes) => {
      const part = next;
      next += bytes;
      return part;
    });
    try {
      work(...parts);
    } catch (error) {
      if (!fits) memory.dispose();
      // a worker that stopped left the record half written
      else if (error instanceof DynakernelError && error.code === 'ERR_LOAD') this.#latest = null;
      throw error;
    }
    if (!fits) this.#memory?.dispose();
    this.#memory = memory;
    this.#latest = { ...pass, parts };
  }

  /**
   * The latest pass. Refuses if there is none.
   *
   * @param {string} what the call, for messages
   * @param {boolean} requiresGrad the module's
   */
  read(what, requiresGrad) {
    if (this.#latest) return this.#latest;
    throw new DynakernelError('ERR_MODE', `${what} needs a forward pass of the same module before it, ` +
      `with requiresGrad = true; ${requiresGrad ? 'there was none since requiresGrad was set'
        : 'requiresGrad is false, so no pass was recorded'}`);
  }

  /** Forgets the pass and frees the memory. */
  dispose() {
    this.#memory?.dispose();
    this.#memory = null;
    this.#latest = null;
  }
}
