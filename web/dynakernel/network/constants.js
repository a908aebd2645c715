/**
 * The constants of a network. The library owns their numbers; here are their names and shapes, and the entries by which
 * state dicts read and write them.
 */
import { checkStatus } from '../abi.js';
import { DynakernelError, nameText } from '../errors.js';
import { toFloats } from '../numbers.js';
import { sameShape, shapeText, sizeOf } from '../shape.js';
import { countEntry } from '../state.js';

/** @typedef {import('../heap.js').Heap} Heap */
/** @typedef {import('../state.js').StateEntry} StateEntry */
/** @typedef {import('./graph.js').Value} Value */

/**
 * A constant without its numbers.
 *
 * @typedef {Pick<Value, 'name' | 'shape' | 'stateName' | 'stateShape'>} Constant
 */

/** Numbers are read and written in slices of at most this many floats. */
const SLICE = 2 ** 16;

/** PyTorch's batch norm counts its batches beside this array. Networks do not compute with the count. */
const VARIANCE = /(^|\.)running_var$/;

/** @param {Value} value
 * @returns {Constant} */
export const withoutNumbers = ({ name, shape, stateName, stateShape }) => ({ name, shape, stateName, stateShape });

/**
 * Calls visit for each slice of an array, with memory for it.
 *
 * @param {Heap} heap
 * @param {number} length
 * @param {(first: number, count: number, slice: number) => void} visit
 */
function eachSlice(heap, length, visit) {
  const slice = heap.scratch(4 * Math.min(length, SLICE));
  for (let first = 0; first < length; first += SLICE) visit(first, Math.min(SLICE, length - first), slice);
}

/**
 * @param {Heap} heap
 * @param {number} network
 * @param {number} index of the constant
 * @param {Float32Array} numbers
 */
export function writeConstant(heap, network, index, numbers) {
  eachSlice(heap, numbers.length, (first, count, slice) => {
    heap.write(slice, count === numbers.length ? numbers : numbers.subarray(first, first + count));
    checkStatus(heap.c.dk_network_write(network, index, first, count, slice), constantText);
  });
}

const constantText = () => 'a constant';

/**
 * @param {Heap} heap
 * @param {number} network
 * @param {number} index of the constant
 * @param {number} length
 */
export function readConstant(heap, network, index, length) {
  const numbers = new Float32Array(length);
  eachSlice(heap, length, (first, count, slice) => {
    checkStatus(heap.c.dk_network_read(network, index, first, count, slice), constantText);
    heap.read(slice, numbers.subarray(first, first + count));
  });
  return numbers;
}

/**
 * The entries of the state dict. A parameter that several constants show, in different shapes, has one entry.
 *
 * @param {Heap} heap
 * @param {number} network
 * @param {readonly Constant[]} constants
 * @returns {StateEntry[]}
 */
export function constantEntries(heap, network, constants) {
  /** @type {Map<string, { shape: number[], places: number[] }>} */
  const parameters = new Map();
  constants.forEach(({ stateName, stateShape, shape }, index) => {
    if (stateName === undefined) return;
    const known = parameters.get(stateName);
    if (known) known.places.push(index);
    else parameters.set(stateName, { shape: stateShape ?? shape, places: [index] });
  });
  return [...parameters].flatMap(([name, { shape, places }]) => {
    const length = sizeOf(shape);
    /** @type {StateEntry} */
    const entry = {
      name,
      shape,
      convert: (data, dtype) => heap.copyIfOnHeap(toFloats(data, dtype)),
      prepare: () => void heap.scratch(4 * Math.min(length, SLICE)),
      read: () => readConstant(heap, network, places[0], length),
      write: (values) => places.forEach((index) => writeConstant(heap, network, index, values)),
    };
    if (!VARIANCE.test(name)) return [entry];
    const count = new BigInt64Array(1);
    return [entry, countEntry(name.replace(VARIANCE, '$1num_batches_tracked'), () => count)];
  });
}

/**
 * Refuses constants of other sizes of the inputs unless they are those of the network.
 *
 * @param {readonly Constant[]} expected
 * @param {readonly Constant[]} made
 */
export function checkConstants(expected, made) {
  made.forEach((constant, i) => {
    const before = expected[i];
    if (before && before.stateName === constant.stateName && sameShape(before.shape, constant.shape)) return;
    throw dependent(constant.name, before
      ? `${shapeText(before.shape)} becomes ${shapeText(constant.shape)}` : 'it is new');
  });
  if (made.length < expected.length) throw dependent(expected[made.length].name, 'it is gone');
}

/**
 * Refuses constants whose numbers follow from the sizes of the inputs, such as a grid of positions.
 *
 * @param {readonly Value[]} before for the sizes that the network was made for
 * @param {readonly Value[]} made
 */
export function checkNumbers(before, made) {
  made.forEach(({ constant, name, stateName }, i) => {
    if (stateName !== undefined || !constant) return;
    const other = before[i]?.constant;
    if (!other || other.length !== constant.length || constant.some((number, j) => !Object.is(number, other[j]))) {
      throw dependent(name, 'its numbers change');
    }
  });
}

/**
 * @param {string} name
 * @param {string} how
 */
const dependent = (name, how) => new DynakernelError('ERR_SHAPE', `the constant ${nameText(name)} depends on the ` +
  `sizes of the inputs (${how}); make another network for these sizes`);
