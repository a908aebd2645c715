/** What the backward passes of the three modules have in common. */
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
 * @property {Tensor | undefined} [out] a tensor of the input's shape that its gradient is written
 *   into, instead of a new one, so that a steady loop allocates nothing
 * @property {boolean} [input] whether to compute the gradient of the input: a module that nothing
 *   trainable comes before can do without, in half the time or less (true)
 */

/** @typedef {Omit<BackwardOptions, 'input'> & { input?: true }} InputGradientOptions */
/** @typedef {{ input: false }} NoInputGradientOptions */

/**
 * A backward pass: checks, then run with pointers, the second 0 where the gradient of the input is
 * not wanted. Run throws only before it has changed anything.
 *
 * @param {Heap} heap
 * @param {Module} module
 * @param {string} what the call, for messages
 * @param {unknown} gradOutput
 * @param {unknown} options
 * @param {(pass: RecordedPass, gradOutput: number, gradInput: number) => void} run
 * @returns {Tensor | null}
 */
export function backwardPass(heap, module, what, gradOutput, options, run) {
  const { out, input = true } = readOptions(options, what, ['out', 'input']);
  const wanted = boolean(input, `${what}: input`);
  handleOf(module); // refuses one that is disposed
  const pass = recordOf(module).read(what, wantsGradients(module));
  const gradient = pointerOf(heap, gradOutput, 'gradOutput');
  const tensor = /** @type {Tensor} */ (gradOutput);
  const shape = shapeOf(tensor);
  if (!sameShape(shape, pass.output)) {
    throw new DynakernelError('ERR_SHAPE', 'gradOutput must have the shape of the output of the ' +
      `latest forward pass, ${shapeText(pass.output)}; got ${shapeText(shape)}`);
  }
  if (wanted) {
    return produceInto(heap, pass.input, out, [tensor],
      (gradInput) => run(pass, gradient, gradInput), 'the gradient of the input');
  }
  if (out !== undefined) {
    throw new DynakernelError('ERR_CONFIG',
      `${what}: out is for the gradient of the input, which input: false does without`);
  }
  run(pass, gradient, 0);
  return null;
}
