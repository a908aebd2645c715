/** Optimizers: torch.optim's SGD and Adam over the parameters of modules. */
import { DISPOSE, guardClass, rememberSelf } from './boundary.js';
import { boolean, isArray, readOptions } from './check.js';
import { DynakernelError, disposedError, given } from './errors.js';
import { Module, gradientsOf, leavesOf } from './module.js';
import { flattenOptimizerState } from './optimizer-dict.js';
import { ADAM, SGD } from './optimizer-rules.js';
import { readOptimizerState } from './optimizer-state.js';
import { readRate } from './schedules.js';
import { sizeOf } from './shape.js';
import { withMemory } from './state-value.js';
import { emptyTensor, noteWritten, pointerOf } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./optimizer-dict.js').OptimizerSource} OptimizerSource */
/** @typedef {import('./optimizer-dict.js').OptimizerStateDict} OptimizerStateDict */
/** @typedef {import('./optimizer-rules.js').AdamOptions} AdamOptions */
/** @typedef {import('./optimizer-rules.js').Rule} Rule */
/** @typedef {import('./optimizer-rules.js').Settings} Settings */
/** @typedef {import('./optimizer-rules.js').SgdOptions} SgdOptions */
/** @typedef {import('./optimizer-state.js').ParameterState} ParameterState */
/** @typedef {import('./state.js').StateValue} StateValue */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * One parameter and its state.
 *
 * @typedef {object} Slot
 * @property {Module} leaf the module that has the parameter
 * @property {string} name
 * @property {readonly number[]} shape
 * @property {Tensor | null} parameter null before its first step
 * @property {Tensor | null} state the rule's arrays, one after the other
 * @property {number} steps
 */

/**
 * Changes the parameters of modules by their gradients. dk.sgd and dk.adam make one.
 */
export class Optimizer {
  #heap;
  #rule;
  #settings;
  #leaves;
  /** @type {Slot[]} */
  #slots;
  #disposed = false;

  static {
    guardClass(this, 'Optimizer');
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {unknown} modules
   * @param {Settings} settings
   * @param {Rule} rule
   */
  constructor(heap, modules, settings, rule) {
    rememberSelf(this, heap);
    this.#heap = heap;
    this.#rule = rule;
    this.#settings = settings;
    this.#leaves = readModules(heap, modules, rule.name);
    this.#slots = this.#leaves.flatMap((leaf) => gradientsOf(leaf).parameters.map(({ name, shape }) =>
      ({ leaf, name, shape, parameter: null, state: null, steps: 0 })));
  }

  /**
   * The learning rate, 0 or more. The next step uses a new value.
   *
   * @throws {DynakernelError} ERR_CONFIG if the value is not a number of 0 or more; ERR_DISPOSED
   * @example
   * const schedule = cosineSchedule({ lr: 1e-2, steps: 1000 });
   * optimizer.lr = schedule(step); // before each step
   */
  get lr() {
    return this.#settings.lr;
  }

  set lr(value) {
    this.#check();
    this.#settings = { ...this.#settings, lr: readRate(value, `${this.#rule.name}: lr`) };
  }

  /**
   * Changes each parameter by its gradient. As in PyTorch, a parameter does not change if no gradient was
   * computed for it since zeroGrad(), neither by decay nor by momentum. The first step allocates memory
   * for the state and for an aggregation's unpacked kernels. If the call throws, no parameter has changed.
   *
   * @throws {DynakernelError} ERR_DISPOSED if one of the modules is disposed; ERR_MEMORY
   * @example
   * optimizer.zeroGrad();
   * block.backward(gradient, { input: false });
   * optimizer.step();
   */
  step() {
    this.#check();
    // find the parameters that have gradients
    const due = [];
    for (const slot of this.#slots) {
      const gradient = gradientsOf(slot.leaf).pointerIfSet(slot.name);
      if (gradient) due.push({ slot, gradient });
    }
    // allocate everything before the first parameter changes
    const updates = due.map(({ slot, gradient }) => this.#prepare(slot, gradient));
    for (const { slot, tensor, ...update } of updates) {
      noteWritten(tensor);
      slot.steps++;
      this.#rule.update(this.#heap.c, { ...update, step: slot.steps }, this.#settings);
    }
  }

  /**
   * Clears the gradients of all modules.
   *
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * optimizer.zeroGrad(); // otherwise the next backward() adds to the old gradients
   */
  zeroGrad() {
    this.#checkAll();
    for (const leaf of this.#leaves) leaf.zeroGrad();
  }

  /**
   * Copies the optimizer's state and settings, in PyTorch's layout. Parameters have numbers, in the order
   * of parameters(). toSafetensors writes the result, or the flat form with names such as
   * 'state.0.exp_avg' and 'param_groups.0.lr'. The call needs no memory of the heap.
   *
   * @overload
   * @param {{ flat?: false | undefined }} [options]
   * @returns {OptimizerStateDict}
   * @throws {DynakernelError} ERR_DISPOSED; ERR_MEMORY; ERR_CONFIG for other options
   * @example
   * const { state, param_groups: [group] } = optimizer.stateDict();
   * state[0].exp_avg.shape; // the shape of the first parameter
   * group.lr;               // 0.001
   */
  /**
   * Does the same with one level of names, which can go into one file with others.
   *
   * @overload
   * @param {{ flat: true }} options
   * @returns {{ [name: string]: StateValue }}
   * @throws {DynakernelError} ERR_DISPOSED; ERR_MEMORY; ERR_CONFIG for other options
   * @example
   * const file = toSafetensors({ ...block.stateDict(), ...optimizer.stateDict({ flat: true }) });
   */
  /**
   * @param {{ flat?: boolean | undefined }} [options]
   * @returns {OptimizerStateDict | { [name: string]: StateValue }}
   */
  stateDict(options) {
    const { flat = false } = readOptions(options, 'optimizer.stateDict', ['flat']);
    const isFlat = boolean(flat, 'optimizer.stateDict: flat');
    this.#check();
    return withMemory("the copies of the optimizer's state", () => {
      const group = { ...this.#rule.toGroup(this.#settings), params: this.#slots.map((_, i) => i) };
      const state = Object.fromEntries(this.#slots.flatMap((slot, i) =>
        (slot.steps > 0 && slot.state ? [[String(i), this.#copyState(slot, slot.state)]] : [])));
      const dict = { state, param_groups: [group] };
      return isFlat ? flattenOptimizerState(dict) : dict;
    });
  }

  /**
   * Loads the state and the settings of an optimizer of the same kind with the same parameters, as PyTorch
   * does. Training then continues as if it had not been interrupted. The source is the bytes of a
   * safetensors file, the object that stateDict() returns, or a flat one. Other names in a file or a flat
   * object are ignored. If the call throws, nothing has changed.
   *
   * @param {OptimizerSource} source
   * @throws {DynakernelError} ERR_STATE if the parameters have another number or shape, the source is of
   *   another kind of optimizer, or it has a setting that is not supported, such as amsgrad;
   *   ERR_SAFETENSORS; ERR_MEMORY; ERR_DISPOSED
   * @example
   * const file = new Blob([toSafetensors(optimizer.stateDict())]);
   * // later, with a new module that has loaded the module's state dict
   * const optimizer = dk.adam(block);
   * optimizer.loadStateDict(await file.arrayBuffer());
   */
  loadStateDict(source) {
    this.#checkAll();
    const { settings, states } = readOptimizerState(this.#rule, this.#settings, this.#slots, source);
    this.#checkAll(); // getters of the source may have disposed something
    const tensors = this.#stateTensors(states);
    // nothing below can fail
    this.#settings = settings;
    for (const [i, slot] of this.#slots.entries()) {
      const tensor = tensors[i];
      if (slot.state !== tensor) slot.state?.dispose();
      slot.state = tensor;
      slot.steps = states[i]?.steps ?? 0;
      if (tensor) states[i]?.arrays.forEach((array, index) => this.#arrayOf(slot, tensor, index).set(array));
    }
  }

  /** Whether the optimizer or its runtime is disposed. */
  get disposed() {
    return this.#disposed || this.#heap.closed;
  }

  /**
   * Frees the memory of the state. The modules stay. Further calls do nothing. Any other use of the
   * optimizer then throws ERR_DISPOSED.
   */
  dispose() {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const { state } of this.#slots) state?.dispose();
  }

  [DISPOSE]() {
    this.dispose();
  }

  #check() {
    if (this.disposed) throw disposedError('the optimizer', this.#heap.closed);
  }

  /** Refuses if the optimizer or one of its modules is disposed. */
  #checkAll() {
    this.#check();
    for (const leaf of this.#leaves) gradientsOf(leaf);
  }

  /**
   * A view on one array of a slot's state.
   *
   * @param {Slot} slot
   * @param {Tensor} state
   * @param {number} index
   */
  #arrayOf({ shape }, state, index) {
    const count = sizeOf(shape);
    return this.#heap.floats(pointerOf(this.#heap, state, 'the state') + 4 * index * count, count);
  }

  /**
   * A copy of a slot's state, for a state dict.
   *
   * @param {Slot} slot
   * @param {Tensor} state
   * @returns {{ [name: string]: StateValue }}
   */
  #copyState(slot, state) {
    const arrays = this.#rule.arrays(this.#settings).map((name, index) =>
      [name, { shape: [...slot.shape], data: this.#arrayOf(slot, state, index).slice() }]);
    const step = this.#rule.counts ? { step: { shape: [], data: Float32Array.of(slot.steps) } } : {};
    return { ...step, ...Object.fromEntries(arrays) };
  }

  /**
   * Tensors for the slots' new states. A slot's own tensor serves again if its size fits.
   *
   * @param {readonly (ParameterState | null)[]} states
   * @returns {(Tensor | null)[]}
   */
  #stateTensors(states) {
    /** @type {Tensor[]} */
    const made = [];
    try {
      return this.#slots.map(({ state, shape }, i) => {
        const arrays = states[i]?.arrays.length ?? 0;
        if (arrays === 0) return null;
        if (state?.shape[0] === arrays) return state;
        const tensor = emptyTensor(this.#heap, [arrays, sizeOf(shape)], `the state of ${this.#rule.name}`);
        made.push(tensor);
        return tensor;
      });
    } catch (error) {
      for (const tensor of made) tensor.dispose();
      throw error;
    }
  }

  /**
   * Allocates the memory that a slot's step needs, and returns the pointers.
   *
   * @param {Slot} slot
   * @param {number} gradient
   */
  #prepare(slot, gradient) {
    const tensor = slot.parameter ??= slot.leaf.parameters()[slot.name];
    const count = sizeOf(tensor.shape);
    slot.state ??= this.#makeState(count);
    return {
      slot, tensor, count, gradient,
      parameter: pointerOf(this.#heap, tensor, slot.name),
      state: slot.state ? pointerOf(this.#heap, slot.state, 'the state') : 0,
    };
  }

  /**
   * A new state of zeros, or null if the rule has no arrays.
   *
   * @param {number} count elements of the parameter
   * @returns {Tensor | null}
   */
  #makeState(count) {
    const { name } = this.#rule;
    const arrays = this.#rule.arrays(this.#settings).length;
    if (arrays === 0) return null;
    const state = emptyTensor(this.#heap, [arrays, count], `the state of ${name}`);
    this.#heap.floats(pointerOf(this.#heap, state, 'the state'), arrays * count).fill(0);
    return state;
  }
}

/**
 * dk.sgd
 *
 * @param {Heap} heap
 * @param {unknown} modules
 * @param {SgdOptions} [options]
 */
export function sgd(heap, modules, options) {
  const settings = SGD.read(readOptions(options, 'sgd', ['lr', 'momentum', 'weightDecay']));
  return new Optimizer(heap, modules, settings, SGD);
}

/**
 * dk.adam
 *
 * @param {Heap} heap
 * @param {unknown} modules
 * @param {AdamOptions} [options]
 */
export function adam(heap, modules, options) {
  const settings = ADAM.read(readOptions(options, 'adam', ['lr', 'betas', 'eps', 'weightDecay']));
  return new Optimizer(heap, modules, settings, ADAM);
}

/** The modules of one optimizer are at most this many. */
const MAX_MODULES = 65536;

/**
 * The modules that have parameters. Each counts once, even if it was named twice or is also part of another.
 *
 * @param {Heap} heap
 * @param {unknown} modules
 * @param {string} what the call, for messages
 */
function readModules(heap, modules, what) {
  const list = isArray(modules) ? modules : [modules];
  const { length } = list;
  if (length === 0) {
    throw new DynakernelError('ERR_CONFIG', `${what} needs at least one module; got []`);
  }
  if (length > MAX_MODULES) {
    throw new DynakernelError('ERR_CONFIG', `${what} takes at most ${MAX_MODULES} modules; got ${length}`);
  }
  /** @type {Set<Module>} */
  const leaves = new Set();
  for (let i = 0; i < length; i++) {
    const module = list[i];
    if (!(module instanceof Module)) {
      throw new DynakernelError('ERR_CONFIG',
        `${what} takes a module or an array of modules; got ${given(module)}`);
    }
    for (const leaf of leavesOf(module, heap, what)) leaves.add(leaf);
  }
  return [...leaves];
}
