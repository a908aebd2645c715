/** The temperature of a softmax attention in training, as DyConv's authors lower it. */

/** They subtract this much at a time. */
const DROP = 3;

/** They reach the last temperature after this share of the training. */
const SHARE = 0.1;

/**
 * Returns the temperature of a step. It falls in equal drops over the first tenth of the first run.
 *
 * @param {number} step
 * @param {number} steps  the steps of a run
 * @param {readonly [first: number, last: number]} range
 */
export function temperatureAt(step, steps, [first, last]) {
  const drops = Math.ceil((first - last) / DROP);
  const done = Math.floor((step * drops) / (steps * SHARE));
  return Math.max(last, first - done * DROP);
}
