/** Operators that give a tensor another shape. */
import { broadcast } from '../../infer.js';
import { sizeOf } from '../../../shape.js';
import { areLengths } from '../tensors.js';

/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */

/** @type {import('./table.js').Table} */
export const SHAPES = {
  Reshape: [2, 2, (node, inputs, t) =>
    t.reshape(inputs[0], reshaped(node, inputs[0].shape, t.numbers(inputs[1], 'shape')))],
  Flatten: [1, 1, (node, [x], t) => {
    const rank = x.shape.length;
    const given = node.int('axis', 1);
    const axis = given === rank ? rank : t.axis(given, rank);
    return t.reshape(x, [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))]);
  }],
  Squeeze: [1, 2, (node, [x, axesInput], t) => {
    const given = axesOf(node, axesInput, t);
    const axes = given ? t.axes(given, x.shape.length)
      : x.shape.flatMap((/** @type {number} */ length, /** @type {number} */ i) => (length === 1 ? [i] : []));
    const wrong = axes.find((/** @type {number} */ axis) => x.shape[axis] !== 1);
    if (wrong !== undefined) {
      throw node.error(`cannot remove axis ${wrong} of [${x.shape.join(', ')}]: its length is not 1`);
    }
    return t.reshape(x, x.shape.filter((/** @type {number} */ _, /** @type {number} */ i) => !axes.includes(i)));
  }],
  Unsqueeze: [1, 2, (node, [x, axesInput], t) => {
    const given = axesOf(node, axesInput, t);
    if (!given) throw node.error('must have axes');
    if (given.length > 16) throw node.error(`has ${given.length} axes`);
    const axes = t.axes(given, x.shape.length + given.length);
    const shape = [...x.shape];
    for (const axis of axes) shape.splice(axis, 0, 1);
    return t.reshape(x, shape);
  }],
  Transpose: [1, 1, (node, [x], t) => {
    const rank = x.shape.length;
    const order = node.ints('perm', x.shape.map((/** @type {number} */ _, /** @type {number} */ i) => rank - 1 - i));
    if (order.length !== rank) throw node.error(`has ${order.length} axes in perm for ${rank} dimensions`);
    t.axes(order, rank);
    return t.transpose(x, order.map((/** @type {number} */ axis) => t.axis(axis, rank)));
  }],
  Expand: [2, 2, (node, [x, shape], t) =>
    t.expand(x, broadcast(x.shape, lengths(node, t.numbers(shape, 'shape')), 'Expand'))],
  Tile: [2, 2, tile],
  DepthToSpace: [1, 1, (node, [x], t) => {
    const mode = node.string('mode', 'DCR');
    if (mode !== 'DCR' && mode !== 'CRD') throw node.error(`has the unknown mode ${mode}`);
    return t.emit('depthToSpace', [x], { block: blockOf(node), mode });
  }],
  SpaceToDepth: [1, 1, (node, [x], t) => t.emit('spaceToDepth', [x], { block: blockOf(node) })],
};

/** @param {OnnxNode} node */
function blockOf(node) {
  const block = node.int('blocksize');
  if (!(block >= 1 && block < 2 ** 15)) throw node.error(`has the blocksize ${block}`);
  return block;
}

/**
 * Axes: an input since opset 13, an attribute before.
 *
 * @param {OnnxNode} node
 * @param {Operand | null | undefined} input
 * @param {Trace} t
 * @returns {number[] | null}
 */
export const axesOf = (node, input, t) => (input ? t.numbers(input, 'axes') : node.ints('axes', null));

/**
 * @param {OnnxNode} node
 * @param {number[]} shape
 */
export function lengths(node, shape) {
  if (shape.length > 16 || !areLengths(shape)) {
    throw node.error(`has the impossible shape [${shape.slice(0, 16).join(', ')}]`);
  }
  return shape;
}

/**
 * The shape that Reshape means: 0 keeps a length, -1 is what is left.
 *
 * @param {OnnxNode} node
 * @param {number[]} before
 * @param {number[]} wanted
 */
function reshaped(node, before, wanted) {
  const keepZero = node.int('allowzero', 0) !== 0;
  const shape = wanted.slice();
  if (!keepZero) for (let i = 0; i < shape.length; i++) if (shape[i] === 0) shape[i] = before[i] ?? -2;
  const open = shape.indexOf(-1);
  if (open >= 0) {
    shape[open] = 1;
    const rest = sizeOf(shape);
    shape[open] = rest === 0 ? 0 : sizeOf(before) / rest;
  }
  if (shape.length > 16 || !areLengths(shape) || sizeOf(shape) !== sizeOf(before)) {
    throw node.error(`cannot give [${before.join(', ')}] the shape [${wanted.slice(0, 16).join(', ')}]`);
  }
  return shape;
}

/**
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 */
function tile(node, [x, input], t) {
  const repeats = lengths(node, t.numbers(input, 'repeats'));
  if (repeats.length !== x.shape.length) {
    throw node.error(`has ${repeats.length} repeats for ${x.shape.length} dimensions`);
  }
  let result = x;
  for (let axis = 0; axis < repeats.length; axis++) {
    const count = repeats[axis];
    if (count === 1) continue;
    // [outer, inner] -> [outer, count, inner]
    const { shape } = result;
    const [outer, inner] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis))];
    const repeated = t.expand(t.reshape(result, [outer, 1, inner]), [outer, count, inner]);
    result = t.reshape(repeated, shape.map((length, i) => (i === axis ? length * count : length)));
  }
  return result;
}
