/**
 * Learning-rate schedules. A schedule takes the number of a step, counted from 0, and returns its rate.
 *
 * @example
 * const schedule = cosineSchedule({ lr: 1e-2, steps: 1000, warmup: 50 });
 * for (let step = 0; step < 1000; step++) {
 *   optimizer.lr = schedule(step);
 *   // forward, loss, backward
 *   optimizer.step();
 * }
 */
import { guard, guarded } from './boundary.js';
import { integer, readOptions, real } from './check.js';
import { DynakernelError, given } from './errors.js';

/**
 * The rate of a step. Steps are whole numbers from 0. You may ask for steps in any order.
 *
 * @callback Schedule
 * @param {number} step
 * @returns {number}
 */

const MAX_STEPS = Number.MAX_SAFE_INTEGER;

/** The name that messages give to a rate of a caller's own schedule. */
const RATE = 'the rate that a schedule returns';

/**
 * The rate falls along half a cosine, from lr at step `warmup` to `least` at step `steps`, and stays
 * there. It rises in the warm-up before. Without a warm-up it equals PyTorch's CosineAnnealingLR up to step
 * `steps`, with T_max = steps and eta_min = least (Loshchilov & Hutter, ICLR 2017).
 *
 * @param {{ lr: number, steps: number, warmup?: number, least?: number }} options lr: the highest
 *   rate; steps: the steps of the whole training, more than warmup; warmup: the first steps, in which
 *   the rate rises as in warmupSchedule (0); least: the last rate (0)
 * @returns {Schedule}
 * @throws {DynakernelError} ERR_CONFIG if an option is out of range
 * @example
 * const schedule = cosineSchedule({ lr: 1e-2, steps: 1000, warmup: 50, least: 1e-5 });
 * optimizer.lr = schedule(step);
 */
export function cosineSchedule(options) {
  const what = 'cosineSchedule';
  const [lr, steps, warmup, least] = readEach(options, what, ['lr', 'steps', 'warmup', 'least'],
    { warmup: 0, least: 0 });
  const high = readRate(lr, `${what}: lr`);
  const low = readRate(least, `${what}: least`);
  const rising = integer(warmup, `${what}: warmup`, 0, MAX_STEPS);
  const total = integer(steps, `${what}: steps`, 1, MAX_STEPS);
  if (total <= rising) {
    throw new DynakernelError('ERR_CONFIG',
      `${what}: steps must be more than warmup; got steps ${total}, warmup ${rising}`);
  }
  const falling = total - rising;
  return warmUp(rising, (step) => step >= falling ? low
    : low + (high - low) * (1 + Math.cos(Math.PI * step / falling)) / 2);
}

/**
 * The rate begins at lr and is multiplied by `factor` after every `every` steps, as in PyTorch's StepLR.
 *
 * @param {{ lr: number, every: number, factor?: number }} options lr: the first rate; every: steps
 *   between two changes, at least 1; factor: from 0 to 1 (0.1)
 * @returns {Schedule}
 * @throws {DynakernelError} ERR_CONFIG if an option is out of range
 * @example
 * const schedule = stepSchedule({ lr: 0.1, every: 300, factor: 0.5 });
 * optimizer.lr = schedule(step);
 */
export function stepSchedule(options) {
  const what = 'stepSchedule';
  const [lr, every, factor] = readEach(options, what, ['lr', 'every', 'factor'], { factor: 0.1 });
  const first = readRate(lr, `${what}: lr`);
  const length = integer(every, `${what}: every`, 1, MAX_STEPS);
  const shrink = real(factor, `${what}: factor`, 'from 0 to 1', (value) => value >= 0 && value <= 1);
  return warmUp(0, (step) => first * shrink ** Math.floor(step / length));
}

/**
 * The rate rises evenly over `warmup` steps, from lr / warmup at step 0 to lr at step warmup - 1. Then it
 * stays. If lr is a schedule, the rate rises to the schedule's first rate and then follows the schedule
 * from its step 0.
 *
 * @param {{ lr: number | Schedule, warmup: number }} options lr: the rate after the warm-up; warmup:
 *   steps, 0 or more
 * @returns {Schedule}
 * @throws {DynakernelError} ERR_CONFIG if an option is out of range
 * @example
 * const schedule = warmupSchedule({ warmup: 100, lr: stepSchedule({ lr: 0.1, every: 300 }) });
 * optimizer.lr = schedule(step);
 */
export function warmupSchedule(options) {
  const what = 'warmupSchedule';
  const [lr, warmup] = readEach(options, what, ['lr', 'warmup'], {});
  const rising = integer(warmup, `${what}: warmup`, 0, MAX_STEPS);
  if (typeof lr === 'function') return warmUp(rising, lr);
  const rate = readRate(lr, `${what}: lr`);
  return warmUp(rising, () => rate);
}

/**
 * The values of options. Reads each once, behind the boundary.
 *
 * @param {unknown} options
 * @param {string} what the call, for messages
 * @param {readonly string[]} names
 * @param {{ [name: string]: number }} defaults
 * @returns {any[]}
 */
const readEach = (options, what, names, defaults) => guarded(what, () => {
  const read = readOptions(options, what, names);
  return names.map((name) => {
    const value = read[name];
    return value === undefined ? defaults[name] : value;
  });
});

/**
 * A schedule that checks its step, rises during the warm-up, and then follows another schedule.
 *
 * @param {number} warmup
 * @param {Schedule} schedule
 * @returns {Schedule}
 */
const warmUp = (warmup, schedule) => guard((step) => {
  if (!Number.isSafeInteger(step) || step < 0) {
    throw new DynakernelError('ERR_CONFIG',
      `the step of a schedule must be a whole number, 0 or more; got ${given(step)}`);
  }
  if (step >= warmup) return readRate(schedule(step - warmup), RATE);
  return readRate(schedule(0), RATE) * (step + 1) / warmup;
}, 'schedule');

/**
 * Checks a learning rate.
 *
 * @param {unknown} value
 * @param {string} what the rate, for messages
 */
export const readRate = (value, what) => real(value, what, '0 or more', (rate) => rate >= 0);
