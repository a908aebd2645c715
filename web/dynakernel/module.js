/**
 * The base class of all modules: training mode, state dict, parameters and their gradients, disposal.
 */
import { DISPOSE, guardClass, rememberSelf } from './boundary.js';
import { boolean } from './check.js';
import { DynakernelError, disposedError } from './errors.js';
import { Gradients } from './gradients.js';
import { ForwardRecord } from './record.js';
import { sizeOf } from './shape.js';
import { checkedEntry, loadStateDict, stateDict } from './state.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./heap.js').Destructor} Destructor */
/** @typedef {import('./state.js').StateEntry} StateEntry */
/** @typedef {import('./state.js').StateDict} StateDict */
/** @typedef {import('./state.js').StateSource} StateSource */
/** @typedef {import('./state.js').LoadStateOptions} LoadStateOptions */
/** @typedef {import('./state.js').LoadResult} LoadResult */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * The parts of a module: an object in C, or other modules.
 *
 * @typedef {object} Parts
 * @property {string} kind the class, for messages
 * @property {number} [pointer] the object in C
 * @property {Destructor} [destroy] frees that object
 * @property {StateEntry[]} [state] the module's own entries, without its children's
 * @property {string} [inference] why the module cannot have gradients; '' if it can
 * @property {{ [prefix: string]: Module }} [children] by the prefix of their names; '' for none
 */

/** The base class of all modules. */
export class Module {
  #heap;
  #kind;
  #pointer;
  #destroy;
  #state;
  #inference;
  #children;
  #record;
  #gradients;
  #training = false;
  #requiresGrad = false;
  #disposed = false;

  static {
    guardClass(this, 'Module');
  }

  /**
   * The C object of a module. Refuses a disposed module.
   *
   * @internal
   * @param {Module} module
   */
  static handleOf(module) {
    module.#check();
    return module.#pointer;
  }

  /**
   * `training` without the boundary.
   *
   * @internal
   * @param {Module} module
   */
  static isTraining(module) {
    return module.#training;
  }

  /**
   * `requiresGrad` without the boundary.
   *
   * @internal
   * @param {Module} module
   */
  static wantsGradients(module) {
    return module.#requiresGrad;
  }

  /**
   * The record of the latest forward pass, if the module requires gradients.
   *
   * @internal
   * @param {Module} module
   */
  static recordOf(module) {
    return module.#record;
  }

  /**
   * The gradients of a module's own parameters, without its children's. Refuses a disposed module.
   *
   * @internal
   * @param {Module} module
   */
  static gradientsOf(module) {
    module.#check();
    return module.#gradients;
  }

  /**
   * The modules that have parameters of their own: the module itself, or its children. Refuses a disposed
   * module and a module of another runtime.
   *
   * @internal
   * @param {Module} module
   * @param {Heap} heap
   * @param {string} what the call, for messages
   * @returns {Module[]}
   */
  static leavesOf(module, heap, what) {
    module.#check();
    if (module.#heap !== heap) {
      throw new DynakernelError('ERR_CONFIG', `${what}: the ${module.#kind} belongs to another ` +
        'runtime; modules can only be used with the runtime that made them');
    }
    const children = Object.values(module.#children);
    return children.length > 0 ? children.flatMap((child) => Module.leavesOf(child, heap, what)) : [module];
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {Parts} parts
   */
  constructor(heap, { kind, pointer = 0, destroy, state = [], inference = '', children = {} }) {
    rememberSelf(this, heap);
    this.#heap = heap;
    this.#kind = kind;
    this.#pointer = pointer;
    this.#destroy = destroy;
    this.#state = state.map((entry) => checkedEntry(entry, () => this.#check()));
    this.#inference = inference;
    this.#children = children;
    this.#record = new ForwardRecord(heap);
    this.#gradients = new Gradients(heap, state.filter(({ tensor }) => tensor));
    const values = state.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    if (destroy) heap.guard(this, pointer, destroy, values * 4);
  }

  /**
   * Whether batch norm uses the statistics of the batch and moves the running ones. False at first:
   * most modules only run. A new module in PyTorch starts in training mode.
   */
  get training() {
    return this.#training;
  }

  /**
   * Sets training mode, for this module and the modules in it. Batch norm then normalises with the
   * statistics of the batch and moves the running statistics towards them. The batch must have at
   * least 2 images.
   *
   * @param {boolean} [mode] true by default; false is eval()
   * @returns {this}
   * @throws {DynakernelError} ERR_CONFIG if mode is not a boolean; ERR_DISPOSED
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
   * Sets evaluation mode, for this module and the modules in it. Batch norm then uses its running
   * statistics.
   *
   * @returns {this}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * const y = block.eval().forward(x);
   */
  eval() {
    return this.train(false);
  }

  /**
   * Whether each forward pass records the data that backward() needs. False at first.
   *
   * Setting it on a block sets it on both parts. Set it to false on one part of a DynamicKernelAggregation to
   * freeze that part: the block's backward pass then computes no gradients of its parameters. Setting it to false forgets the
   * latest forward pass and frees its memory. The gradients stay.
   *
   * A recorded pass takes 4 * N * C * H * W bytes for a copy of the input and
   * 8 * (N * (C + 2 * M + K) + M) bytes for the attention; of ODConv, K counts the numbers of all four. A
   * DynamicConvolution also copies the kernels that it was given. This memory stays as large as the largest pass
   * so far needed. The first backward() allocates the gradients, 4 bytes for each parameter. The first
   * step of an optimizer unpacks the kernels, 4 * K * O * C/G * R * R bytes, and allocates its state: twice
   * the size of the gradients for Adam, once for SGD with momentum.
   *
   * @throws {DynakernelError} ERR_CONFIG if the value is not a boolean; ERR_MODE if it is true and the kernels are in
   *   half precision; ERR_DISPOSED
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
    if (boolean(value, 'requiresGrad')) this.#checkTrainable();
    this.#requiresGrad = value;
    if (!value) this.#record.dispose();
    for (const child of Object.values(this.#children)) child.requiresGrad = value;
  }

  /**
   * Copies all parameters and running statistics, under PyTorch's names, such as
   * 'attention.conv1.weight'. toSafetensors writes the result to a file that PyTorch reads. The call
   * needs no memory of the heap: you can save a trained block when the heap is full.
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
   * Loads parameters and running statistics from the bytes of a .safetensors file, from what parseCheckpoint
   * returns for a PyTorch checkpoint, or from an object like the one that stateDict() returns. The object's values may also be tensors. F64, F16, BF16,
   * F8_E4M3, F8_E5M2 and whole numbers are converted. Only names that begin with the prefix are read. As
   * in PyTorch, `num_batches_tracked` may be missing; it then keeps its value. If the call throws, nothing
   * has changed.
   *
   * @param {StateSource} source
   * @param {LoadStateOptions} [options]
   * @returns {LoadResult} the missing and the unexpected names; none if strict
   * @throws {DynakernelError} ERR_STATE if names are missing, unexpected or of another shape, or a value
   *   has a type that cannot be converted; ERR_SAFETENSORS if the bytes are not such a file;
   *   ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * block.loadStateDict(bytes, { prefix: 'backbone.stage2.0.' });
   * const { missing } = block.loadStateDict(bytes, { strict: false }); // [] if nothing is missing
   */
  loadStateDict(source, options) {
    return loadStateDict(this.#entries(), source, options, () => this.#checkAll());
  }

  /**
   * The parameters by name. They are live: a write into a tensor's `data` takes effect at the next
   * forward pass. The `weight` of an aggregation is an unpacked second copy of the kernels. The first
   * call allocates it, and it stays. loadStateDict needs less memory if you set the kernels only once.
   *
   * @returns {{ [name: string]: Tensor }}
   * @throws {DynakernelError} ERR_MODE if the kernels are in half precision; ERR_MEMORY, ERR_DISPOSED
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
   * The gradients of the parameters, under the names that parameters() uses. They are live tensors: each
   * backward() adds to them, and zeroGrad() clears them. They are zero before the first backward(). You
   * may change them, for example to clip them, before an optimizer's step(). Reading `data` counts as
   * writing, even if there is no gradient yet. Use toArray() to look at the numbers only.
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
        tensors[joined(prefix, name)] = tensor;
      }
    }
    return tensors;
  }

  /**
   * Clears the gradients. Until the next backward(), an optimizer changes no parameters, as in PyTorch
   * after zero_grad().
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

  /** Whether the module or its runtime is disposed. */
  get disposed() {
    return this.#disposed || this.#heap.closed;
  }

  /** Frees the memory. Further calls do nothing. Any other use of the module then throws ERR_DISPOSED. */
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
    if (this.#disposed || this.#heap.closed) throw disposedError(`the ${this.#kind}`, this.#heap.closed);
  }

  /** Refuses if this module or one in it cannot have gradients. */
  #checkTrainable() {
    if (this.#inference) throw new DynakernelError('ERR_MODE', `${this.#kind}: requiresGrad: ${this.#inference}`);
    for (const child of Object.values(this.#children)) child.#checkTrainable();
  }

  /** Refuses if this module or one in it is disposed. */
  #checkAll() {
    this.#check();
    for (const child of Object.values(this.#children)) child.#checkAll();
  }

  /**
   * The module's own entries, and its children's with their names as prefix.
   *
   * @returns {StateEntry[]}
   */
  #entries() {
    this.#check();
    const nested = Object.entries(this.#children).flatMap(([prefix, child]) =>
      child.#entries().map((entry) => ({ ...entry, name: joined(prefix, entry.name) })));
    return [...this.#state.map((entry) => ({ ...entry, owner: this })), ...nested];
  }
}

/**
 * The name of a child's parameter.
 *
 * @param {string} prefix
 * @param {string} name
 */
const joined = (prefix, name) => (prefix === '' ? name : `${prefix}.${name}`);

/** The internal methods, as functions. */
export const { handleOf, isTraining, wantsGradients, recordOf, gradientsOf, leavesOf } = Module;
