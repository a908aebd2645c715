/**
 * What the three modules have in common: training mode, state dict, parameters and their gradients,
 * disposal.
 */
import { guardClass, rememberSelf } from './boundary.js';
import { boolean } from './check.js';
import { DynakernelError } from './errors.js';
import { Gradients } from './gradients.js';
import { ForwardRecord } from './record.js';
import { sizeOf } from './shape.js';
import { loadStateDict, stateDict } from './state.js';
import { DISPOSE } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./heap.js').Destructor} Destructor */
/** @typedef {import('./state.js').StateEntry} StateEntry */
/** @typedef {import('./state.js').StateDict} StateDict */
/** @typedef {import('./state.js').StateSource} StateSource */
/** @typedef {import('./state.js').LoadStateOptions} LoadStateOptions */
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

/**
 * A module's modes, without the boundary that `training` and `requiresGrad` pass through.
 *
 * @type {(module: Module) => boolean}
 */
export let isTraining;

/** @type {(module: Module) => boolean} */
export let wantsGradients;

/**
 * Where the latest forward pass of a module that requires gradients is kept.
 *
 * @type {(module: Module) => ForwardRecord}
 */
export let recordOf;

/**
 * Where the gradients of a module's own parameters add up, without those of modules in it. Refuses a
 * module that is disposed.
 *
 * @type {(module: Module) => Gradients}
 */
export let gradientsOf;

/**
 * The modules that have parameters of their own: a module itself, or those in it. Refuses what is
 * disposed, and modules of another runtime.
 *
 * @type {(module: Module, heap: Heap, what: string) => Module[]}
 */
export let leavesOf;

/** The base class of KernelAttention, KernelAggregation and DynamicKernelAggregation. */
export class Module {
  #heap;
  #kind;
  #pointer;
  #destroy;
  #state;
  #children;
  #record;
  #gradients;
  #training = false;
  #requiresGrad = false;
  #disposed = false;

  static {
    guardClass(this, 'Module');
    handleOf = (module) => {
      module.#check();
      return module.#pointer;
    };
    isTraining = (module) => module.#training;
    wantsGradients = (module) => module.#requiresGrad;
    recordOf = (module) => module.#record;
    gradientsOf = (module) => {
      module.#check();
      return module.#gradients;
    };
    leavesOf = (module, heap, what) => {
      module.#check();
      if (module.#heap !== heap) {
        throw new DynakernelError('ERR_CONFIG', `${what}: the ${module.#kind} belongs to another ` +
          'runtime; modules can only be used with the runtime that made them');
      }
      const children = Object.values(module.#children);
      return children.length > 0 ? children.flatMap((child) => leavesOf(child, heap, what)) : [module];
    };
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {Parts} parts
   */
  constructor(heap, { kind, pointer = 0, destroy, state = [], children = {} }) {
    rememberSelf(this, heap);
    this.#heap = heap;
    this.#kind = kind;
    this.#pointer = pointer;
    this.#destroy = destroy;
    this.#state = state.map((entry) => this.#guarded(entry));
    this.#children = children;
    this.#record = new ForwardRecord(heap);
    this.#gradients = new Gradients(heap, state.filter(({ tensor }) => tensor));
    const values = state.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    if (destroy) heap.guard(this, pointer, destroy, values * 4);
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
   * @throws {DynakernelError} ERR_CONFIG where mode is no boolean; ERR_DISPOSED
   * @example
   * const optimizer = dk.adam(block.train(), { lr: 1e-3 });
   */
  train(mode = true) {
    this.#checkAll();
    this.#training = boolean(mode, 'mode');
    for (const child of Object.values(this.#children)) child.train(mode);
    return this;
  }

  /**
   * Evaluation mode, for this module and those in it: batch norm uses its running statistics.
   *
   * @returns {this}
   * @throws {DynakernelError} ERR_DISPOSED
   */
  eval() {
    return this.train(false);
  }

  /**
   * Whether each forward pass keeps what backward() needs. False at first: nothing is kept. Setting
   * it on a block sets it on both parts; a part where it is then set to false is frozen: the block's
   * backward pass computes no gradients of that part's parameters. Setting it to false forgets the
   * latest forward pass and gives its memory back; gradients stay.
   *
   * What it costs, in bytes: 4 * N * C * H * W for a copy of the input and 8 * (N * (C + 2 * M + K)
   * + M) for the attention, as much as the largest pass so far needed; 4 for each parameter for the
   * gradients, from the first backward() on. An optimizer's first step unpacks the kernels, another
   * 4 * K * O * C/G * R * R, and adds its own state: twice as much as the gradients for Adam, once
   * for SGD with momentum.
   *
   * @throws {DynakernelError} ERR_CONFIG where it is set to what is no boolean; ERR_DISPOSED
   * @example
   * block.requiresGrad = true;
   * const y = block.forward(x);
   * const { loss, gradient } = dk.mseLoss(y, target);
   * const inputGradient = block.backward(gradient);
   */
  get requiresGrad() {
    return this.#requiresGrad;
  }

  set requiresGrad(value) {
    this.#checkAll();
    this.#requiresGrad = boolean(value, 'requiresGrad');
    if (!value) this.#record.dispose();
    for (const child of Object.values(this.#children)) child.requiresGrad = value;
  }

  /**
   * Copies of all parameters and running statistics by PyTorch's names, such as
   * 'attention.conv1.weight'. toSafetensors writes it to a file that PyTorch reads. It needs no memory
   * of the heap, so that a trained block can be saved when the heap is full.
   *
   * @returns {StateDict}
   * @throws {DynakernelError} ERR_MEMORY, ERR_DISPOSED
   * @example
   * const file = new Blob([toSafetensors(block.stateDict())]);
   */
  stateDict() {
    return stateDict(this.#entries());
  }

  /**
   * Takes over parameters and running statistics: from the bytes of a .safetensors file, or from an
   * object like stateDict()'s, whose values may also be tensors. F64, F16, BF16, F8_E4M3, F8_E5M2 and
   * whole numbers are converted. Of a file only the names that begin with the prefix are read. As in
   * PyTorch, `num_batches_tracked` may be missing; it then stays as it is. A source that is refused
   * changes nothing.
   *
   * @param {StateSource} source
   * @param {LoadStateOptions} [options]
   * @returns {LoadResult} the names that were missing and unexpected; none if strict
   * @throws {DynakernelError} ERR_STATE lists names that are missing, unexpected or of another shape,
   *   and names a value of a type that cannot be converted; ERR_SAFETENSORS if the bytes are no such
   *   file; ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * block.loadStateDict(bytes, { prefix: 'backbone.stage2.0.' });
   * const { missing } = block.loadStateDict(bytes, { strict: false }); // [] if nothing is missing
   */
  loadStateDict(source, options) {
    return loadStateDict(this.#entries(), source, options, () => this.#checkAll());
  }

  /**
   * The parameters themselves, not copies, by name: what is written into a tensor's `data` takes
   * effect at the next forward pass. An aggregation's `weight` is a second, unpacked copy of the
   * kernels that is kept from the first call on; to set kernels once, loadStateDict needs less
   * memory.
   *
   * @returns {{ [name: string]: Tensor }}
   * @throws {DynakernelError} ERR_MEMORY, ERR_DISPOSED
   * @example
   * block.parameters()['attention.conv2.bias'].data.fill(0);
   */
  parameters() {
    /** @type {{ [name: string]: Tensor }} */
    const tensors = {};
    for (const { name, tensor, owner = this } of this.#entries()) {
      if (tensor) tensors[name] = tensor(owner);
    }
    return tensors;
  }

  /**
   * What backward() has added up for each parameter, by the names that parameters() has: live
   * tensors, which the next backward() adds to and zeroGrad() clears; zeros before the first. What is
   * written into one, a clipped gradient for example, is what an optimizer's step() takes. Fetching
   * `data` counts as writing, also where there is no gradient yet: to look, take toArray().
   *
   * @returns {{ [name: string]: Tensor }}
   * @throws {DynakernelError} ERR_MEMORY, ERR_DISPOSED
   * @example
   * const { 'aggregation.weight': gradient } = block.gradients();
   * gradient.data.forEach((value, i, all) => { all[i] = Math.max(-1, Math.min(1, value)); });
   */
  gradients() {
    this.#check();
    const tensors = this.#gradients.tensors(this);
    for (const [prefix, child] of Object.entries(this.#children)) {
      for (const [name, tensor] of Object.entries(child.gradients())) {
        tensors[`${prefix}.${name}`] = tensor;
      }
    }
    return tensors;
  }

  /**
   * Clears the gradients. Until the next backward() an optimizer leaves the parameters alone, as
   * PyTorch's do after zero_grad().
   *
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * block.zeroGrad(); // or optimizer.zeroGrad()
   */
  zeroGrad() {
    this.#checkAll();
    this.#gradients.zero();
    for (const child of Object.values(this.#children)) child.zeroGrad();
  }

  get disposed() {
    return this.#disposed || this.#heap.closed;
  }

  /** Gives the memory back. Further calls do nothing; any other use is then an error. */
  dispose() {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#destroy) this.#heap.release(this, this.#pointer, this.#destroy);
    this.#record.dispose();
    this.#gradients.dispose();
    for (const child of Object.values(this.#children)) child.dispose();
  }

  [DISPOSE]() {
    this.dispose();
  }

  #check() {
    if (!this.#disposed && !this.#heap.closed) return;
    throw new DynakernelError('ERR_DISPOSED', `the ${this.#kind} can no longer be used: ` +
      `${this.#heap.closed ? 'its runtime' : 'it'} is disposed`);
  }

  /**
   * An entry whose memory is reached only while the module has it: getters of a state dict may dispose it.
   *
   * @param {StateEntry} entry
   * @returns {StateEntry}
   */
  #guarded(entry) {
    return {
      ...entry,
      read: () => {
        this.#check();
        return entry.read();
      },
      prepare: () => {
        this.#check();
        entry.prepare?.();
      },
      write: (values) => {
        this.#check();
        entry.write(values);
      },
    };
  }

  /** Refuses before anything is changed. */
  #checkAll() {
    this.#check();
    for (const child of Object.values(this.#children)) child.#checkAll();
  }

  /** @returns {StateEntry[]} its own, and those of the modules in it under their names */
  #entries() {
    this.#check();
    const nested = Object.entries(this.#children).flatMap(([prefix, child]) =>
      child.#entries().map((entry) => ({ ...entry, name: `${prefix}.${entry.name}` })));
    return [...this.#state.map((entry) => ({ ...entry, owner: this })), ...nested];
  }
}
