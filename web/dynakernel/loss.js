/** Losses of tensors, with the gradients that a backward pass begins with. */
import { readOptions, real } from './check.js';
import { DynakernelError } from './errors.js';
import { sameShape, shapeText, sizeOf } from './shape.js';
import { pointerOf, produceInto, shapeOf } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * @typedef {object} LossOptions
 * @property {Tensor | undefined} [out] a tensor of y's shape. The gradient is written into it instead
 *   of a new tensor. It may be y itself, if you no longer need y
 */

/** @typedef {LossOptions & { delta?: number }} HuberOptions delta: the loss is linear beyond it (1) */

/**
 * @typedef {object} LossResult
 * @property {number} loss the mean over all elements
 * @property {Tensor} gradient dloss / dy, of y's shape. Pass it to backward()
 */

/**
 * @param {Heap} heap
 * @param {unknown} y
 * @param {unknown} target
 * @param {LossOptions} [options]
 */
export function mseLoss(heap, y, target, options) {
  const { out } = readOptions(options, 'mseLoss', ['out']);
  return compute(heap, 'mseLoss', y, target, out, heap.c.dk_loss_mse);
}

/**
 * @param {Heap} heap
 * @param {unknown} y
 * @param {unknown} target
 * @param {LossOptions} [options]
 */
export function l1Loss(heap, y, target, options) {
  const { out } = readOptions(options, 'l1Loss', ['out']);
  return compute(heap, 'l1Loss', y, target, out, heap.c.dk_loss_l1);
}

/**
 * @param {Heap} heap
 * @param {unknown} y
 * @param {unknown} target
 * @param {HuberOptions} [options]
 */
export function huberLoss(heap, y, target, options) {
  const { delta = 1, out } = readOptions(options, 'huberLoss', ['delta', 'out']);
  const limit = real(delta, 'huberLoss: delta', 'more than 0', (value) => value > 0);
  return compute(heap, 'huberLoss', y, target, out, (prediction, goal, count, gradient) =>
    heap.c.dk_loss_huber(prediction, goal, count, limit, gradient));
}

/**
 * Checks the arguments, and computes a loss and its gradient.
 *
 * @param {Heap} heap
 * @param {string} name the loss, for messages
 * @param {unknown} y
 * @param {unknown} target
 * @param {Tensor | undefined} out
 * @param {(y: number, target: number, count: number, gradient: number) => number} measure takes pointers
 * @returns {LossResult}
 */
function compute(heap, name, y, target, out, measure) {
  const prediction = pointerOf(heap, y, `${name}: y`);
  const goal = pointerOf(heap, target, `${name}: target`);
  const shape = shapeOf(/** @type {Tensor} */ (y));
  const targetTensor = /** @type {Tensor} */ (target);
  const targetShape = shapeOf(targetTensor);
  if (!sameShape(shape, targetShape)) {
    throw new DynakernelError('ERR_SHAPE', `${name}: y and target must have the same shape; ` +
      `got ${shapeText(shape)} and ${shapeText(targetShape)}`);
  }
  if (shape.includes(0)) {
    throw new DynakernelError('ERR_SHAPE',
      `${name}: y must have at least one element; got ${shapeText(shape)}`);
  }
  let loss = 0;
  const gradient = produceInto(heap, shape, out, [targetTensor], (pointer) => {
    loss = measure(prediction, goal, sizeOf(shape), pointer);
  }, 'the gradient of y');
  return { loss, gradient };
}
