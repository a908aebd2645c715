/** Optimizers: torch.optim's SGD and Adam over the parameters of modules. */
import { readOptions, real } from './check.js';
import { DynakernelError, given } from './errors.js';
import { Module, gradientsOf, leavesOf } from './module.js';
import { readRate } from './schedules.js';
import { sizeOf } from './shape.js';
import { DISPOSE, emptyTensor, noteWritten, pointerOf } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * @typedef {object} SgdOptions
 * @property {number} [lr] learning rate, 0 or more (1e-3)
 * @property {number} [momentum] 0 or more (0)
 * @property {number} [weightDecay] 0 or more: this part of each parameter is added to its gradient (0)
 */

/**
 * @typedef {object} AdamOptions
 * @property {number} [lr] learning rate, 0 or more (1e-3)
 * @property {readonly [number, number]} [betas] decay of the averages of the gradient and of its
 *   square, each from 0 to below 1 ([0.9, 0.999])
 * @property {number} [eps] added to the divisor, 0 or more (1e-8)
 * @property {number} [weightDecay] 0 or more: this part of each parameter is added to its gradient (0)
 */

/**
 * One parameter, and what the optimizer remembers of it.
 *
 * @typedef {object} Slot
 * @property {Module} leaf
 * @property {string} name
 * @property {Tensor | null} parameter taken at its first step
 * @property {Tensor | null} state
 * @property {number} steps
 */

/**
 * What sets one optimizer apart from another.
 *
 * @typedef {object} Rule
 * @property {string} name
 * @property {number} arrays of state, each as long as the parameter
 * @property {(update: { parameter: number, gradient: number, state: number, count: number,
 *   step: number, lr: number }) => void} update pointers, and the number of this step from 1
 */

/**
 * Changes the parameters of modules by their gradients. Made by dk.sgd and dk.adam.
 */
export class Optimizer {
  #heap;
  #rule;
  #lr;
  #leaves;
  /** @type {Slot[]} */
  #slots;
  #disposed = false;

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {unknown} modules
   * @param {number} lr
   * @param {Rule} rule
   */
  constructor(heap, modules, lr, rule) {
    this.#heap = heap;
    this.#rule = rule;
    this.#lr = lr;
    this.#leaves = readModules(heap, modules, rule.name);
    this.#slots = this.#leaves.flatMap((leaf) => gradientsOf(leaf).names.map((name) =>
      ({ leaf, name, parameter: null, state: null, steps: 0 })));
  }

  /**
   * The learning rate, 0 or more. What is set here counts from the next step on.
   *
   * @throws {DynakernelError} ERR_CONFIG where it is set to what is no such number; ERR_DISPOSED
   * @example
   * const schedule = cosineSchedule({ lr: 1e-2, steps: 1000 });
   * optimizer.lr = schedule(step); // before each step
   */
  get lr() {
    return this.#lr;
  }

  set lr(value) {
    this.#check();
    this.#lr = readRate(value, `${this.#rule.name}: lr`);
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
      this.#rule.update({ ...update, step: slot.steps, lr: this.#lr });
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
    this.#check();
    for (const leaf of this.#leaves) gradientsOf(leaf); // refuses before anything has changed
    for (const leaf of this.#leaves) leaf.zeroGrad();
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
    const { name, arrays } = this.#rule;
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
  const { lr = 1e-3, momentum = 0, weightDecay = 0 } =
    readOptions(options, 'sgd', ['lr', 'momentum', 'weightDecay']);
  const inertia = notNegative(momentum, 'sgd: momentum');
  const decay = notNegative(weightDecay, 'sgd: weightDecay');
  return new Optimizer(heap, modules, readRate(lr, 'sgd: lr'), {
    name: 'sgd',
    arrays: inertia > 0 ? 1 : 0,
    update({ parameter, gradient, state, count, lr, step }) {
      heap.c.dk_sgd_step(parameter, gradient, state, count, lr, inertia, decay, step);
    },
  });
}

/**
 * @param {Heap} heap
 * @param {unknown} modules
 * @param {AdamOptions} [options]
 */
export function adam(heap, modules, options) {
  const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 } =
    readOptions(options, 'adam', ['lr', 'betas', 'eps', 'weightDecay']);
  const [beta1, beta2] = readBetas(betas);
  const least = notNegative(eps, 'adam: eps');
  const decay = notNegative(weightDecay, 'adam: weightDecay');
  return new Optimizer(heap, modules, readRate(lr, 'adam: lr'), {
    name: 'adam',
    arrays: 2,
    update({ parameter, gradient, state, count, lr, step }) {
      heap.c.dk_adam_step(parameter, gradient, state, state + 4 * count, count, lr, beta1, beta2,
        least, decay, step);
    },
  });
}

/**
 * @param {unknown} value
 * @param {string} what
 */
const notNegative = (value, what) => real(value, what, '0 or more', (number) => number >= 0);

/**
 * @param {unknown} betas
 * @returns {number[]}
 */
function readBetas(betas) {
  if (!Array.isArray(betas) || betas.length !== 2) {
    throw new DynakernelError('ERR_CONFIG',
      `adam: betas must be an array of two numbers, such as [0.9, 0.999]; got ${given(betas)}`);
  }
  return Array.from(betas, (beta, i) => real(beta, `adam: betas[${i}]`, 'from 0 to below 1',
    (value) => value >= 0 && value < 1));
}

/**
 * The modules that have parameters, each once, however often it was named or lies within another.
 *
 * @param {Heap} heap
 * @param {unknown} modules
 * @param {string} what
 */
function readModules(heap, modules, what) {
  const list = Array.isArray(modules) ? modules : [modules];
  if (list.length === 0) {
    throw new DynakernelError('ERR_CONFIG', `${what} needs at least one module; got []`);
  }
  const leaves = list.flatMap((module) => {
    if (module instanceof Module) return leavesOf(module, heap, what);
    throw new DynakernelError('ERR_CONFIG',
      `${what} takes a module or an array of modules; got ${given(module)}`);
  });
  return [...new Set(leaves)];
}
