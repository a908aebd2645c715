/** The arguments of a network's passes: tensors and shapes by the names of inputs and outputs. */
import { isArray, isObject } from '../check.js';
import { DynakernelError, given, listText, nameText } from '../errors.js';
import { shapeText } from '../shape.js';
import { Tensor, produceInto } from '../tensor.js';

/** @typedef {import('../heap.js').Heap} Heap */

/** @typedef {{ name: string, shape: number[] }} NamedShape */

/** @typedef {{ [name: string]: number[] }} Shapes by the name of an input or output */
/** @typedef {{ [name: string]: Tensor }} Tensors by the name of an input or output */

/** @param {readonly NamedShape[]} list
 * @returns {Shapes} */
export const shapesOf = (list) => Object.fromEntries(list.map(({ name, shape }) => [name, [...shape]]));

/** @param {Shapes} shapes */
export const namedShapes = (shapes) => Object.entries(shapes).map(([name, shape]) => ({ name, shape }));

/** @param {readonly NamedShape[]} inputs */
export const inputsText = (inputs) =>
  `${inputs.length > 1 ? 'the inputs' : 'the input'} ${
    inputs.slice(0, 6).map(({ name, shape }) => `${nameText(name)} ${shapeText(shape)}`).join(', ')}`;

/**
 * The tensors of a pass in order. One tensor may stand alone; several are in an object by their names.
 *
 * @param {any} value
 * @param {string[]} names
 * @param {string} kind for messages
 * @param {boolean} isWhole whether none may be missing
 * @returns {(Tensor | undefined)[]}
 */
export function readTensors(value, names, kind, isWhole) {
  const expected = names.length === 1 ? `a Tensor for the ${kind} ${nameText(names[0])}`
    : `an object with a Tensor for each ${kind}: { ${listText(names, 8)} }`;
  const refuse = (/** @type {string} */ why) =>
    new DynakernelError('ERR_CONFIG', `the network takes ${expected}; got ${why}`);
  if (value instanceof Tensor && names.length === 1) return [value];
  if (!isObject(value) || isArray(value) || value instanceof Tensor) throw refuse(given(value));
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) throw refuse(`an object with ${given(unknown)}`);
  const tensors = names.map((name) => value[name]);
  const missing = tensors.findIndex((tensor) => (isWhole || tensor !== undefined) && !(tensor instanceof Tensor));
  if (missing >= 0) throw refuse(`${given(tensors[missing])} for ${nameText(names[missing])}`);
  return tensors;
}

/**
 * @param {string} name
 * @param {readonly number[]} shape
 * @param {readonly number[]} expected
 * @returns {NamedShape}
 */
export function readInput(name, shape, expected) {
  if (shape.length === expected.length && !shape.includes(0)) return { name, shape: [...shape] };
  const why = shape.includes(0) ? 'must not be empty' : `must have ${expected.length} dimensions`;
  throw new DynakernelError('ERR_SHAPE',
    `the input ${nameText(name)} ${why}, such as ${shapeText(expected)}; got ${shapeText(shape)}`);
}

/**
 * Makes the outputs of a pass, and lets work fill all of them. An error disposes of those that are new.
 *
 * @param {Heap} heap
 * @param {readonly NamedShape[]} outputs
 * @param {readonly (Tensor | undefined)[]} outs tensors that the caller gave for them
 * @param {readonly Tensor[]} used tensors that no output may be
 * @param {(pointers: number[]) => void} work
 * @returns {Tensor | Tensors} the only output itself, or all by their names
 */
export function produceOutputs(heap, outputs, outs, used, work) {
  /** @type {Tensor[]} */
  const results = [];
  const produceFrom = (/** @type {number} */ i, /** @type {number[]} */ pointers) => {
    if (i === outputs.length) return work(pointers);
    const { name, shape } = outputs[i];
    const others = /** @type {Tensor[]} */ ([...used, ...outs.slice(0, i)]);
    results[i] = produceInto(heap, shape, outs[i], others, (pointer) => produceFrom(i + 1, [...pointers, pointer]),
      `the output ${nameText(name)}`);
  };
  produceFrom(0, []);
  return outputs.length === 1 ? results[0] : Object.fromEntries(outputs.map(({ name }, i) => [name, results[i]]));
}
