/** The common part of the three modules' backward passes. */
import { boolean, readOptions } from './check.js';
import { DynakernelError } from './errors.js';
import { handleOf, recordOf, wantsGradients } from './module.js';
import { sameShape, shapeText } from './shape.js';
import { pointerOf, produceInto, shapeOf } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./module.js').Module} Module */
/** @typedef {import('./record.js').RecordedPass} RecordedPass */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * @typedef {object} BackwardOptions
 * @property {Tensor | undefined} [out] a tensor of the input's shape. The gradient of the input is
 *   written into it instead of a new tensor. With it, a steady loop allocates nothing
 * @property {boolean} [input] whether to compute the gradient of the input (true). Without it the
 *   call takes half the time or less. Pass false if nothing trainable comes before the module
 */

/** @typedef {Omit<BackwardOptions, 'input'> & { input?: true }} InputGradientOptions */
/** @typedef {{ input: false }} NoInputGradientOptions */

/**
 * Checks the arguments of a backward pass, and runs it.
 *
 * @param {Heap} heap
 * @param {Module} module
 * @param {string} what the call, for messages
 * @param {unknown} gradOutput
 * @param {unknown} options
 * @param {(pass: RecordedPass, gradOutput: number, gradInput: number) => void} run takes pointers;
 *   gradInput is 0 if the caller does not want that gradient. It may throw only before it writes
 * @returns {Tensor | null} the gradient of the input, or null if the caller does not want it
 */
export function backwardPass(heap, module, what, gradOutput, options, run) {
  const { out, input = true } = readOptions(options, what, ['out', 'input']);
  const wantsInput = boolean(input, `${what}: input`);
  // refuse a disposed module
  handleOf(module);
  const pass = recordOf(module).read(what, wantsGradients(module));
  // the gradient must fit the recorded output
  const gradient = pointerOf(heap, gradOutput, 'gradOutput');
  const tensor = /** @type {Tensor} */ (gradOutput);
  const shape = shapeOf(tensor);
  if (!sameShape(shape, pass.output)) {
    throw new DynakernelError('ERR_SHAPE', 'gradOutput must have the shape of the output of the ' +
      `latest forward pass, ${shapeText(pass.output)}; got ${shapeText(shape)}`);
  }
  if (wantsInput) {
    return produceInto(heap, pass.input, out, [tensor],
      (gradInput) => run(pass, gradient, gradInput), 'the gradient of the input');
  }
  if (out !== undefined) {
    throw new DynakernelError('ERR_CONFIG',
      `${what}: out takes the gradient of the input, but input: false computes none`);
  }
  run(pass, gradient, 0);
  return null;
}
