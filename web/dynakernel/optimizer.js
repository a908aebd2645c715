/** Optimizers: torch.optim's SGD and Adam over the parameters of modules. */
import { guardClass, rememberSelf } from './boundary.js';
import { boolean, isArray, readOptions } from './check.js';
import { DynakernelError, given } from './errors.js';
import { Module, gradientsOf, leavesOf } from './module.js';
import { flattenOptimizerState } from './optimizer-dict.js';
import { ADAM, SGD } from './optimizer-rules.js';
import { readOptimizerState } from './optimizer-state.js';
import { readRate } from './schedules.js';
import { sizeOf } from './shape.js';
import { withMemory } from './state-value.js';
import { DISPOSE, emptyTensor, noteWritten, pointerOf } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./optimizer-dict.js').OptimizerSource} OptimizerSource */
/** @typedef {import('./optimizer-dict.js').OptimizerStateDict} OptimizerStateDict */
/** @typedef {import('./optimizer-rules.js').AdamOptions} AdamOptions */
/** @typedef {import('./optimizer-rules.js').Rule} Rule */
/** @typedef {import('./optimizer-rules.js').Settings} Settings */
/** @typedef {import('./optimizer-rules.js').SgdOptions} SgdOptions */
/** @typedef {import('./optimizer-state.js').Memory} Memory */
/** @typedef {import('./state.js').StateValue} StateValue */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * One parameter, and what the optimizer remembers of it.
 *
 * @typedef {object} Slot
 * @property {Module} leaf
 * @property {string} name
 * @property {readonly number[]} shape
 * @property {Tensor | null} parameter taken at its first step
 * @property {Tensor | null} state
 * @property {number} steps
 */

/**
 * Changes the parameters of modules by their gradients. Made by dk.sgd and dk.adam.
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
   * The learning rate, 0 or more. What is set here counts from the next step on.
   *
   * @throws {DynakernelError} ERR_CONFIG if it is set to what is no such number; ERR_DISPOSED
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
   * Changes each parameter by what its gradient has added up to. As in PyTorch, a parameter whose
   * gradient was not computed since the beginning, or since zeroGrad(), is left alone: no decay, no
   * momentum. The first step takes memory: the state, and an aggregation's unpacked kernels.
   *
   * @throws {DynakernelError} ERR_DISPOSED where one of the modules is; ERR_MEMORY. No parameter
   *   has changed then.
   * @example
   * optimizer.zeroGrad();
   * block.backward(gradient, { input: false });
   * optimizer.step();
   */
  step() {
    this.#check();
    const due = [];
    for (const slot of this.#slots) {
      const gradient = gradientsOf(slot.leaf).pointerIfSet(slot.name);
      if (gradient) due.push({ slot, gradient });
    }
    const updates = due.map(({ slot, gradient }) => this.#prepare(slot, gradient));
    for (const { slot, tensor, ...update } of updates) {
      noteWritten(tensor);
      slot.steps++;
      this.#rule.update(this.#heap.c, { ...update, step: slot.steps }, this.#settings);
    }
  }

  /**
   * zeroGrad() of all its modules.
   *
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * optimizer.zeroGrad(); // else the next backward() adds to what is there
   */
  zeroGrad() {
    this.#checkAll();
    for (const leaf of this.#leaves) leaf.zeroGrad();
  }

  /**
   * Copies of what the optimizer remembers, and its settings, as PyTorch lays them out: parameters are
   * numbered in the order of parameters(). toSafetensors writes it, or the flat form, whose names are
   * like 'state.0.exp_avg' and 'param_groups.0.lr'. It needs no memory of the heap.
   *
   * @overload
   * @param {{ flat?: false | undefined }} [options]
   * @returns {OptimizerStateDict}
   * @throws {DynakernelError} ERR_DISPOSED; ERR_MEMORY; ERR_CONFIG for other options
   * @example
   * const { state, param_groups: [group] } = optimizer.stateDict();
   * state[0].exp_avg.shape; // that of the first parameter
   * group.lr;               // 0.001
   */
  /**
   * The same with one level of names, to go into one file with others.
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
   * Takes over what an optimizer of the same kind and over the same parameters remembered, with its
   * settings, as PyTorch does: from the bytes of a safetensors file, from stateDict()'s object, or
   * from a flat one; other names in these are passed over. Training then goes on as if it had not
   * been interrupted. A source that is refused changes nothing.
   *
   * @param {OptimizerSource} source
   * @throws {DynakernelError} ERR_STATE if the number or a shape of the parameters is another, or it is
   *   of another optimizer, or has a setting that is not supported, such as amsgrad; ERR_SAFETENSORS;
   *   ERR_MEMORY; ERR_DISPOSED
   * @example
   * const file = new Blob([toSafetensors(optimizer.stateDict())]);
   * // later, with a new module that has loaded the module's state dict
   * const optimizer = dk.adam(block);
   * optimizer.loadStateDict(await file.arrayBuffer());
   */
  loadStateDict(source) {
    this.#checkAll();
    const { settings, memories } = readOptimizerState(this.#rule, this.#settings, this.#slots, source);
    this.#checkAll(); // getters of the source may have disposed something
    const states = this.#makeStates(memories);
    // Nothing below can fail.
    this.#settings = settings;
    for (const [i, slot] of this.#slots.entries()) {
      if (slot.state !== states[i]) slot.state?.dispose();
      slot.state = states[i];
      slot.steps = memories[i]?.steps ?? 0;
      memories[i]?.arrays.forEach((array, k) => this.#arrayOf(slot, /** @type {Tensor} */ (slot.state), k).set(array));
    }
  }

  get disposed() {
    return this.#disposed || this.#heap.closed;
  }

  /**
   * Gives the state's memory back; the modules stay. Further calls do nothing; any other use is then
   * an error.
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
    if (!this.disposed) return;
    throw new DynakernelError('ERR_DISPOSED', 'the optimizer can no longer be used: ' +
      `${this.#heap.closed ? 'its runtime' : 'it'} is disposed`);
  }

  /** Refuses before anything has changed. */
  #checkAll() {
    this.#check();
    for (const leaf of this.#leaves) gradientsOf(leaf);
  }

  /**
   * One array of a slot's state in the heap.
   *
   * @param {Slot} slot
   * @param {Tensor} state
   * @param {number} k
   */
  #arrayOf({ shape }, state, k) {
    const count = sizeOf(shape);
    return this.#heap.floats(pointerOf(this.#heap, state, 'the state') + 4 * k * count, count);
  }

  /**
   * @param {Slot} slot
   * @param {Tensor} state
   * @returns {{ [name: string]: StateValue }}
   */
  #copyState(slot, state) {
    const arrays = this.#rule.arrays(this.#settings).map((name, k) =>
      [name, { shape: [...slot.shape], data: this.#arrayOf(slot, state, k).slice() }]);
    const step = this.#rule.counts ? { step: { shape: [], data: Float32Array.of(slot.steps) } } : {};
    return { ...step, ...Object.fromEntries(arrays) };
  }

  /**
   * Memory for what slots are to remember: their own, if it is of that size.
   *
   * @param {readonly (Memory | null)[]} memories
   * @returns {(Tensor | null)[]}
   */
  #makeStates(memories) {
    /** @type {Tensor[]} */
    const made = [];
    try {
      return this.#slots.map(({ state, shape }, i) => {
        const arrays = memories[i]?.arrays.length ?? 0;
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
   * All that a step may lack memory for.
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
   * @param {number} count
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
 * @param {Heap} heap
 * @param {unknown} modules
 * @param {SgdOptions} [options]
 */
export function sgd(heap, modules, options) {
  const settings = SGD.read(readOptions(options, 'sgd', ['lr', 'momentum', 'weightDecay']));
  return new Optimizer(heap, modules, settings, SGD);
}

/**
 * @param {Heap} heap
 * @param {unknown} modules
 * @param {AdamOptions} [options]
 */
export function adam(heap, modules, options) {
  const settings = ADAM.read(readOptions(options, 'adam', ['lr', 'betas', 'eps', 'weightDecay']));
  return new Optimizer(heap, modules, settings, ADAM);
}

/** Modules of one optimizer. */
const MOST_MODULES = 65536;

/**
 * The modules that have parameters, each once, however often it was named or lies within another.
 *
 * @param {Heap} heap
 * @param {unknown} modules
 * @param {string} what
 */
function readModules(heap, modules, what) {
  const list = isArray(modules) ? modules : [modules];
  const { length } = list;
  if (length === 0) {
    throw new DynakernelError('ERR_CONFIG', `${what} needs at least one module; got []`);
  }
  if (length > MOST_MODULES) {
    throw new DynakernelError('ERR_CONFIG', `${what} takes at most ${MOST_MODULES} modules; got ${length}`);
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
