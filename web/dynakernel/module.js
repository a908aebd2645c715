/** What the three modules have in common: training mode, state dict, parameters, disposal. */
import { boolean } from './check.js';
import { DynakernelError } from './errors.js';
import { loadStateDict, stateDict } from './state.js';
import { DISPOSE } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./heap.js').Destructor} Destructor */
/** @typedef {import('./state.js').StateEntry} StateEntry */
/** @typedef {import('./state.js').StateDict} StateDict */
/** @typedef {import('./state.js').StateSource} StateSource */
/** @typedef {import('./state.js').LoadOptions} LoadOptions */
/** @typedef {import('./state.js').LoadResult} LoadResult */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * What a module is made of: an object in C, or other modules.
 *
 * @typedef {object} Parts
 * @property {string} kind the class, for messages
 * @property {number} [pointer]
 * @property {Destructor} [destroy]
 * @property {StateEntry[]} [state] its own entries
 * @property {{ [name: string]: Module }} [children]
 */

/**
 * The C object of a module that is still in use.
 *
 * @type {(module: Module) => number}
 */
export let handleOf;

/** The base class of KernelAttention, KernelAggregation and DynamicKernelAggregation. */
export class Module {
  #heap;
  #kind;
  #pointer;
  #destroy;
  #state;
  #children;
  #training = false;
  #disposed = false;

  static {
    handleOf = (module) => {
      module.#check();
      return module.#pointer;
    };
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {Parts} parts
   */
  constructor(heap, { kind, pointer = 0, destroy, state = [], children = {} }) {
    this.#heap = heap;
    this.#kind = kind;
    this.#pointer = pointer;
    this.#destroy = destroy;
    this.#state = state;
    this.#children = children;
    if (destroy) heap.guard(this, pointer, destroy);
  }

  /**
   * Whether batch norm uses the batch's own statistics, and moves the running ones. False at first,
   * as befits a runtime; in PyTorch a new module starts in training mode.
   */
  get training() {
    return this.#training;
  }

  /**
   * Training mode, for this module and those in it: batch norm normalises with the statistics of
   * the batch, which must then have at least 2 images, and moves the running ones towards them.
   *
   * @param {boolean} [mode] false is eval()
   * @returns {this}
   */
  train(mode = true) {
    this.#check();
    this.#training = boolean(mode, 'mode');
    for (const child of Object.values(this.#children)) child.train(mode);
    return this;
  }

  /**
   * Evaluation mode, for this module and those in it: batch norm uses its running statistics.
   *
   * @returns {this}
   */
  eval() {
    return this.train(false);
  }

  /**
   * Copies of all parameters and running statistics by PyTorch's names, such as
   * 'attention.conv1.weight'. toSafetensors writes it to a file that PyTorch reads.
   *
   * @returns {StateDict}
   */
  stateDict() {
    return stateDict(this.#entries());
  }

  /**
   * Takes over parameters and running statistics: from the bytes of a .safetensors file, or from an
   * object like stateDict()'s, whose values may also be tensors. Numbers of other types are
   * converted. A source that is refused changes nothing.
   *
   * @param {StateSource} source
   * @param {LoadOptions} [options]
   * @returns {LoadResult} the names that were missing and unexpected; none if strict
   * @throws {DynakernelError} ERR_STATE lists every name that is missing, unexpected or of another
   *   shape; ERR_SAFETENSORS where the bytes are no such file
   * @example
   * block.loadStateDict(bytes, { prefix: 'backbone.stage2.0.' });
   */
  loadStateDict(source, options) {
    return loadStateDict(this.#entries(), source, options);
  }

  /**
   * The parameters themselves, not copies, by name: what is written into a tensor's `data` takes
   * effect at the next forward pass. An aggregation's `weight` is a second, unpacked copy of the
   * kernels that is kept from the first call on; to set kernels once, loadStateDict needs less
   * memory.
   *
   * @returns {{ [name: string]: Tensor }}
   */
  parameters() {
    /** @type {{ [name: string]: Tensor }} */
    const tensors = {};
    for (const { name, tensor, owner = this } of this.#entries()) {
      if (tensor) tensors[name] = tensor(owner);
    }
    return tensors;
  }

  get disposed() {
    return this.#disposed || this.#heap.closed;
  }

  /** Gives the memory back. Further calls do nothing; any other use is then an error. */
  dispose() {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#destroy) this.#heap.release(this, this.#pointer, this.#destroy);
    for (const child of Object.values(this.#children)) child.dispose();
  }

  [DISPOSE]() {
    this.dispose();
  }

  #check() {
    if (!this.disposed) return;
    throw new DynakernelError('ERR_DISPOSED', `the ${this.#kind} can no longer be used: ` +
      `${this.#heap.closed ? 'its runtime' : 'it'} is disposed`);
  }

  /** @returns {StateEntry[]} its own, and those of the modules in it under their names */
  #entries() {
    this.#check();
    const nested = Object.entries(this.#children).flatMap(([prefix, child]) =>
      child.#entries().map((entry) => ({ ...entry, name: `${prefix}.${entry.name}` })));
    return [...this.#state.map((entry) => ({ ...entry, owner: this })), ...nested];
  }
}
