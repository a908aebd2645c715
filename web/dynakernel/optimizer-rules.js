/** The update rules of torch.optim's SGD and Adam, with their settings and names. */
import { isArray, real } from './check.js';
import { DynakernelError, given } from './errors.js';
import { readRate } from './schedules.js';

/** @typedef {import('./abi.js').Exports} Exports */

/**
 * @typedef {object} SgdOptions
 * @property {number} [lr] learning rate, 0 or more (1e-3)
 * @property {number} [momentum] 0 or more (0)
 * @property {number} [weightDecay] 0 or more; weightDecay times the parameter is added to its gradient (0)
 */

/**
 * @typedef {object} AdamOptions
 * @property {number} [lr] learning rate, 0 or more (1e-3)
 * @property {readonly [number, number]} [betas] the decay of two averages, of the gradient and of its
 *   square, each from 0 to below 1 ([0.9, 0.999])
 * @property {number} [eps] added to the divisor, 0 or more (1e-8)
 * @property {number} [weightDecay] 0 or more; weightDecay times the parameter is added to its gradient (0)
 */

/** @typedef {{ lr: number, weightDecay: number, momentum?: any, betas?: any, eps?: any }} Settings */

/**
 * The part of an optimizer that differs between SGD and Adam.
 *
 * @typedef {object} Rule
 * @property {string} name
 * @property {boolean} counts whether the state has the number of steps
 * @property {(options: { [name: string]: any }) => Settings} read checks options
 * @property {(settings: Settings) => string[]} arrays PyTorch's names of the state's arrays. Each array is
 *   as long as the parameter
 * @property {(settings: Settings) => { lr: number, [option: string]: unknown }} toGroup converts settings
 *   to PyTorch's names
 * @property {(group: { [option: string]: unknown }) => { [name: string]: unknown }} fromGroup converts
 *   PyTorch's names to settings
 * @property {{ readonly [option: string]: number | boolean }} fixed PyTorch's options that have only one
 *   value here
 * @property {readonly string[]} strangers options that only other optimizers have
 * @property {(c: Exports, update: Update, settings: Settings) => void} update changes one parameter
 */

/**
 * One step of one parameter: pointers, the number of elements, and the number of the step from 1.
 *
 * @typedef {{ parameter: number, gradient: number, state: number, count: number, step: number }} Update
 */

/** @type {Rule} */
export const SGD = {
  name: 'sgd',
  counts: false,
  read: ({ lr = 1e-3, momentum = 0, weightDecay = 0 }) => ({
    lr: readRate(lr, 'sgd: lr'),
    momentum: notNegative(momentum, 'sgd: momentum'),
    weightDecay: notNegative(weightDecay, 'sgd: weightDecay'),
  }),
  arrays: ({ momentum }) => (momentum > 0 ? ['momentum_buffer'] : []),
  toGroup: ({ lr, momentum, weightDecay }) =>
    ({ lr, momentum, dampening: 0, weight_decay: weightDecay, nesterov: false, maximize: false }),
  fromGroup: (group) => present(group, { lr: 'lr', momentum: 'momentum', weight_decay: 'weightDecay' }),
  fixed: { dampening: 0, nesterov: false, maximize: false },
  strangers: ['betas', 'eps', 'alpha', 'rho', 'lambd'],
  update(c, { parameter, gradient, state, count, step }, { lr, momentum, weightDecay }) {
    c.dk_sgd_step(parameter, gradient, state, count, lr, momentum, weightDecay, step);
  },
};

/** @type {Rule} */
export const ADAM = {
  name: 'adam',
  counts: true,
  read: ({ lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 }) => ({
    lr: readRate(lr, 'adam: lr'),
    betas: readBetas(betas),
    eps: notNegative(eps, 'adam: eps'),
    weightDecay: notNegative(weightDecay, 'adam: weightDecay'),
  }),
  arrays: () => ['exp_avg', 'exp_avg_sq'],
  toGroup: ({ lr, betas, eps, weightDecay }) =>
    ({ lr, betas: [...betas], eps, weight_decay: weightDecay, amsgrad: false, maximize: false }),
  fromGroup: (group) => present(group, { lr: 'lr', betas: 'betas', eps: 'eps', weight_decay: 'weightDecay' }),
  fixed: { amsgrad: false, maximize: false, decoupled_weight_decay: false },
  strangers: ['momentum', 'momentum_decay', 'alpha', 'rho', 'lambd'],
  update(c, { parameter, gradient, state, count, step }, { lr, betas: [beta1, beta2], eps, weightDecay }) {
    c.dk_adam_step(parameter, gradient, state, state + 4 * count, count, lr, beta1, beta2, eps,
      weightDecay, step);
  },
};

/**
 * The options that a group has, renamed.
 *
 * @param {{ [option: string]: unknown }} group
 * @param {{ [option: string]: string }} names our name of each of PyTorch's options
 */
const present = (group, names) => Object.fromEntries(Object.entries(names)
  .filter(([option]) => group[option] !== undefined && group[option] !== null)
  .map(([option, name]) => [name, group[option]]));

/**
 * Checks a number that must be 0 or more.
 *
 * @param {unknown} value
 * @param {string} what the number, for messages
 */
const notNegative = (value, what) => real(value, what, '0 or more', (number) => number >= 0);

/**
 * Checks Adam's two decays.
 *
 * @param {unknown} betas
 * @returns {number[]}
 */
function readBetas(betas) {
  if (!isArray(betas) || betas.length !== 2) {
    throw new DynakernelError('ERR_CONFIG',
      `adam: betas must be an array of two numbers, such as [0.9, 0.999]; got ${given(betas)}`);
  }
  return Array.from(betas, (beta, i) => real(beta, `adam: betas[${i}]`, 'from 0 to below 1',
    (value) => value >= 0 && value < 1));
}
