/** The gradients of a module's own parameters. */
import { sizeOf } from './shape.js';
import { Tensor, emptyTensor, pointerOf } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./module.js').Module} Module */

/** Arrays begin at multiples of this many floats. The first unit is the C struct of pointers to them: struct
 * dk_attention_gradients has 11, struct dk_aggregation_gradients 2. */
const UNIT = 16;

/**
 * One array for each parameter, all in one piece of memory, which the first use allocates.
 *
 * An array is set once something is added to it, until zero(). An array that is not set is PyTorch's
 * gradient of None: optimizers skip its parameter.
 */
export class Gradients {
  #heap;
  #arrays;
  #floats = UNIT;
  /** @type {Tensor | null} */
  #memory = null;

  /**
   * @param {Heap} heap
   * @param {readonly { name: string, shape: readonly number[], place?: number }[]} parameters in the order of
   *   PyTorch's; place: the index of the pointer in dk_attention_gradients or dk_aggregation_gradients
   */
  constructor(heap, parameters) {
    this.#heap = heap;
    this.#arrays = parameters.map(({ name, shape, place = 0 }) => {
      const length = sizeOf(shape);
      const offset = this.#floats;
      this.#floats += Math.ceil(length / UNIT) * UNIT;
      return { name, shape, length, offset, place, isSet: false };
    });
  }

  /** Names and shapes of the parameters, in the constructor's order. */
  get parameters() {
    return this.#arrays.map(({ name, shape }) => ({ name, shape }));
  }

  /**
   * The C struct of pointers to the arrays.
   *
   * @throws {import('./errors.js').DynakernelError} ERR_MEMORY
   */
  get struct() {
    this.#memory ??= this.#allocate();
    return pointerOf(this.#heap, this.#memory, 'the gradients');
  }

  /**
   * The arrays as tensors, by the parameters' names. A write into a tensor sets its array.
   *
   * @param {Module} owner the module that keeps the memory
   * @returns {{ [name: string]: Tensor }}
   */
  tensors(owner) {
    return Object.fromEntries(this.#arrays.map((array) => {
      const written = () => {
        array.isSet = true;
      };
      const pointer = this.struct + 4 * array.offset;
      return [array.name, new Tensor(this.#heap, pointer, array.shape, { owner, written })];
    }));
  }

  /**
   * The pointer to a parameter's gradient, or 0 if it is not set.
   *
   * @param {string} name
   */
  pointerIfSet(name) {
    const array = this.#arrays.find((candidate) => candidate.name === name);
    return array?.isSet ? this.struct + 4 * array.offset : 0;
  }

  /** Records that C has added to all arrays. */
  noteAdded() {
    for (const array of this.#arrays) array.isSet = true;
  }

  /** Clears the arrays that are set. */
  zero() {
    for (const array of this.#arrays) {
      if (array.isSet) this.#heap.floats(this.struct + 4 * array.offset, array.length).fill(0);
      array.isSet = false;
    }
  }

  /** Frees the memory. */
  dispose() {
    this.#memory?.dispose();
    this.#memory = null;
  }

  #allocate() {
    const memory = emptyTensor(this.#heap, [this.#floats], 'the gradients');
    const pointer = pointerOf(this.#heap, memory, 'the gradients');
    this.#heap.floats(pointer, this.#floats).fill(0);
    // fill the struct of pointers; those without a parameter stay NULL
    const struct = this.#heap.words(pointer, UNIT);
    for (const { place, offset } of this.#arrays) struct[place] = pointer + 4 * offset;
    return memory;
  }
}
