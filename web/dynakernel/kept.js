/** A tensor that a module keeps between calls. */
import { sameShape } from './shape.js';
import { Tensor, emptyTensor, pointerOf, shapeOf } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */

/** The memory of one result, which serves again while its shape stays. A steady loop then allocates nothing. */
export class KeptTensor {
  #heap;
  #what;
  /** @type {Tensor | null} */
  #tensor = null;

  /**
   * @param {Heap} heap
   * @param {string} what the result, for messages
   */
  constructor(heap, what) {
    this.#heap = heap;
    this.#what = what;
  }

  /** The shape, or null if there is no tensor. */
  get shape() {
    return this.#tensor && shapeOf(this.#tensor);
  }

  /** The pointer to the numbers. Refuses if there is no tensor. */
  get pointer() {
    return pointerOf(this.#heap, this.#tensor, this.#what);
  }

  /**
   * Runs work with memory of this shape, and keeps it. If work throws, the tensor before it stays.
   *
   * @template Result
   * @param {readonly number[]} shape
   * @param {(pointer: number) => Result} work it may throw only before it writes
   * @returns {Result}
   */
  write(shape, work) {
    const latest = this.#tensor;
    const tensor = latest && sameShape(shapeOf(latest), shape) ? latest : emptyTensor(this.#heap, shape, this.#what);
    try {
      const result = work(pointerOf(this.#heap, tensor, this.#what));
      if (tensor !== latest) latest?.dispose();
      this.#tensor = tensor;
      return result;
    } catch (error) {
      if (tensor !== latest) tensor.dispose();
      throw error;
    }
  }

  /**
   * A tensor on the kept memory for the caller, or null if there is none.
   *
   * @param {string} name what makes the memory, for messages
   */
  lend(name) {
    const owner = this.#tensor;
    return owner && new Tensor(this.#heap, this.pointer, shapeOf(owner), { owner, name });
  }

  /** Frees the memory. */
  dispose() {
    this.#tensor?.dispose();
    this.#tensor = null;
  }
}
