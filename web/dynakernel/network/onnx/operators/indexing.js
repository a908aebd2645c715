/** Operators that take parts of tensors, and put them together. */
import { sizeOf } from '../../../shape.js';

/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */

/** Slices that one Gather may become. */
const MOST_SLICES = 4096;

/** @type {import('./table.js').Table} */
export const INDEXING = {
  Slice: [1, 5, slice],
  Split: [1, 2, split],
  Concat: [1, Infinity, (node, inputs, t) =>
    concat(inputs, t.axis(node.int('axis', node.opset < 4 ? 1 : undefined), inputs[0].shape.length), t)],
  Gather: [2, 2, gather],
  GatherND: [2, 2, gatherND],
  ScatterND: [3, 3, scatterND],
  Pad: [1, 4, pad],
};

/** @param {Operand} x */
const isFilled = (x) => x.data === null || x.shape.length !== 1 || x.shape[0] !== 0;

/**
 * @param {Operand[]} inputs
 * @param {number} axis
 * @param {Trace} t
 */
function concat(inputs, axis, t) {
  // exporters concatenate with empty tensors
  const filled = inputs.filter(isFilled);
  const parts = filled.length > 0 ? filled : inputs.slice(0, 1);
  return parts.length === 1 ? parts[0] : t.emit('concat', parts, { axis });
}

/**
 * @param {Operand} x
 * @param {number[]} starts one an axis
 * @param {number[]} size
 * @param {number[]} steps
 * @param {Trace} t
 */
function sliced(x, starts, size, steps, t) {
  const isWhole = size.every((length, i) => length === x.shape[i] && steps[i] === 1);
  return isWhole ? x : t.emit('slice', [x], { starts, steps, size });
}

/**
 * A part of one axis.
 *
 * @param {Operand} x
 * @param {number} axis
 * @param {number} start
 * @param {number} length
 * @param {Trace} t
 * @param {number} [step]
 */
function part(x, axis, start, length, t, step = 1) {
  const at = (/** @type {number} */ value, /** @type {number} */ other) =>
    x.shape.map((_, i) => (i === axis ? value : other));
  return sliced(x, at(start, 0), x.shape.map((whole, i) => (i === axis ? length : whole)), at(step, 1), t);
}

/**
 * @param {OnnxNode} node
 * @param {(Operand | null | undefined)[]} inputs
 * @param {Trace} t
 */
function slice(node, inputs, t) {
  const x = /** @type {Operand} */ (inputs[0]);
  const rank = x.shape.length;
  const isOld = node.opset < 10;
  const begins = isOld ? node.ints('starts') : t.numbers(inputs[1], 'starts');
  const ends = isOld ? node.ints('ends') : t.numbers(inputs[2], 'ends');
  const given = isOld ? node.ints('axes', null) : inputs[3] && t.numbers(inputs[3], 'axes');
  const strides = !isOld && inputs[4] ? t.numbers(inputs[4], 'steps') : begins.map(() => 1);
  const axes = (given ?? begins.map((_, i) => i)).map((axis) => t.axis(axis, rank));
  if (axes.length !== begins.length || ends.length !== begins.length || strides.length !== begins.length ||
    new Set(axes).size !== axes.length) {
    throw node.error(`must have as many starts, ends, axes and steps; ` +
      `got ${begins.length}, ${ends.length}, ${axes.length} and ${strides.length}`);
  }
  const [starts, size, steps] = [x.shape.map(() => 0), [...x.shape], x.shape.map(() => 1)];
  axes.forEach((axis, i) => {
    const length = x.shape[axis];
    const step = strides[i];
    if (!Number.isInteger(step) || step === 0) throw node.error(`has the step ${step}`);
    // negative places count from the end; all are clamped
    const clamp = (/** @type {number} */ place, /** @type {number} */ least, /** @type {number} */ most) =>
      Math.min(Math.max(place < 0 ? place + length : place, least), most);
    const begin = step > 0 ? clamp(begins[i], 0, length) : clamp(begins[i], 0, length - 1);
    const end = step > 0 ? clamp(ends[i], 0, length) : clamp(ends[i], -1, length - 1);
    starts[axis] = begin;
    size[axis] = Math.max(0, Math.ceil((end - begin) / step));
    steps[axis] = Math.max(-length, Math.min(step, length));
    if (size[axis] <= 1) steps[axis] = 1;
  });
  return sliced(x, starts, size, steps, t);
}

/**
 * @param {OnnxNode} node
 * @param {(Operand | null | undefined)[]} inputs
 * @param {Trace} t
 * @returns {Operand[]}
 */
function split(node, inputs, t) {
  const x = /** @type {Operand} */ (inputs[0]);
  const axis = t.axis(node.int('axis', 0), x.shape.length);
  const length = x.shape[axis];
  const given = inputs[1] ? t.numbers(inputs[1], 'split') : node.ints('split', null);
  const count = node.opset >= 18 && !given ? node.int('num_outputs', node.outputs.length) : node.outputs.length;
  if (!(count >= 1 && count <= 100_000)) throw node.error(`has ${count} outputs`);

  // equal parts; the last may be smaller since opset 18
  const each = Math.ceil(length / count);
  const sizes = given ?? Array.from({ length: count }, (_, i) => Math.min(each, length - i * each));
  const isWhole = sizes.every((size) => Number.isSafeInteger(size) && size >= 0) &&
    sizes.reduce((a, b) => a + b, 0) === length;
  if (!isWhole || (!given && node.opset < 18 && length % count)) {
    const parts = given ? `[${given.slice(0, 16).join(', ')}]` : `${count} equal parts`;
    throw node.error(`cannot split ${length} elements into ${parts}`);
  }
  if (sizes.length < node.outputs.length) {
    throw node.error(`has ${node.outputs.length} outputs, but ${sizes.length} parts`);
  }
  if (sizes.length === 1) return [x];
  if (!x.data) return t.emitAll('split', [x], { axis, sizes });
  let start = 0;
  return sizes.map((size) => part(x, axis, (start += size) - size, size, t));
}

/**
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 */
function gather(node, [x, indices], t) {
  if (x.shape.length === 0) throw node.error('cannot take parts of a tensor without dimensions');
  return takeParts(node, x, t.axis(node.int('axis', 0), x.shape.length), indices, t);
}

/**
 * Parts at places that are known: slices, put together if the places are no progression.
 *
 * @param {OnnxNode} node
 * @param {Operand} x
 * @param {number} axis
 * @param {Operand} indices
 * @param {Trace} t
 */
function takeParts(node, x, axis, indices, t) {
  const length = x.shape[axis];
  const places = t.numbers(indices, 'indices', x.data ? Infinity : 100_000);
  const wrong = places.find((place) => !(place >= -length && place < length));
  if (wrong !== undefined) throw node.error(`takes element ${wrong} of an axis of ${length}`);
  if (x.data) return t.emit('gather', [x, indices], { axis });

  const from = places.map((place) => (place < 0 ? place + length : place));
  /** @type {Operand[]} */
  const parts = [];
  for (let i = 0; i < from.length;) {
    // the longest progression from here on
    const step = i + 1 < from.length && from[i + 1] !== from[i] ? from[i + 1] - from[i] : 1;
    let end = i + 1;
    while (end < from.length && from[end] - from[end - 1] === step) end++;
    if (parts.length >= MOST_SLICES) throw node.unsupported(`of more than ${MOST_SLICES} parts`);
    parts.push(part(x, axis, from[i], end - i, t, end - i > 1 ? step : 1));
    i = end;
  }
  if (parts.length === 0) throw node.error('takes no elements');
  const all = parts.length === 1 ? parts[0] : t.emit('concat', parts, { axis });
  return t.reshape(all, [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)]);
}

/**
 * Parts at known places of several axes: places of the first axes as one.
 *
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 */
function gatherND(node, [x, indices], t) {
  const batch = node.int('batch_dims', 0);
  if (batch !== 0) throw node.unsupported(`with ${batch} batch_dims`);
  const { rows, places } = readPlaces(node, x, indices, t);
  return takeParts(node, rows, 0, t.constant(places, indices.shape.slice(0, -1), 'int64'), t);
}

/**
 * A tensor with other parts at known places: parts of the tensor and the others together.
 *
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 */
function scatterND(node, [x, indices, updates], t) {
  const reduction = node.string('reduction', 'none');
  if (reduction !== 'none') throw node.unsupported(`reduction ${reduction}`);
  const { rows, places, inner } = readPlaces(node, x, indices, t);
  if (sizeOf(updates.shape) !== places.length * sizeOf(inner)) {
    throw node.error(`writes [${updates.shape.join(', ')}] at ${places.length} places of [${inner.join(', ')}]`);
  }
  if (places.length === 0) return x;
  const all = t.emit('concat', [rows, t.reshape(updates, [places.length, ...inner])], { axis: 0 });
  const from = new Float64Array(rows.shape[0]).map((_, i) => i);
  places.forEach((place, i) => { from[place] = rows.shape[0] + i; });
  return t.reshape(takeParts(node, all, 0, t.constant(from, undefined, 'int64'), t), x.shape);
}

/**
 * Places in several axes, as places in one: the tensor as rows, and the shape of a row.
 *
 * @param {OnnxNode} node
 * @param {Operand} x
 * @param {Operand} indices the last axis has a place in each of the first axes
 * @param {Trace} t
 */
function readPlaces(node, x, indices, t) {
  const depth = indices.shape.at(-1) ?? 0;
  if (!(depth >= 1 && depth <= x.shape.length)) {
    throw node.error(`takes places of ${depth} axes from a tensor of ${x.shape.length} dimensions`);
  }
  const given = t.numbers(indices, 'indices', x.data ? Infinity : 100_000);
  const axes = x.shape.slice(0, depth);
  const places = new Float64Array(given.length / depth);
  given.forEach((place, i) => {
    const length = axes[i % depth];
    if (!(place >= -length && place < length)) throw node.error(`takes element ${place} of an axis of ${length}`);
    const row = Math.floor(i / depth);
    places[row] = places[row] * length + (place < 0 ? place + length : place);
  });
  const inner = x.shape.slice(depth);
  return { rows: t.reshape(x, [sizeOf(axes), ...inner]), places, inner };
}

/**
 * @param {OnnxNode} node
 * @param {(Operand | null | undefined)[]} inputs
 * @param {Trace} t
 */
function pad(node, inputs, t) {
  const x = /** @type {Operand} */ (inputs[0]);
  const rank = x.shape.length;
  const isOld = node.opset < 11;
  const mode = node.string('mode', 'constant');
  if (mode === 'wrap') throw node.unsupported('mode wrap');
  if (mode !== 'constant' && mode !== 'edge' && mode !== 'reflect') throw node.error(`has the unknown mode ${mode}`);
  const pads = isOld ? node.ints('pads') : t.numbers(inputs[1], 'pads');
  const given = !isOld && mode === 'constant' ? inputs[2] : null;
  const value = given ? t.number(given, 'constant_value') : isOld ? node.float('value', 0) : 0;
  const axes = inputs[3] ? t.numbers(inputs[3], 'axes').map((axis) => t.axis(axis, rank)) : x.shape.map((_, i) => i);
  if (pads.length !== 2 * axes.length || !pads.every(Number.isSafeInteger)) {
    throw node.error(`must have ${2 * axes.length} numbers in pads; got ${pads.length}`);
  }
  const [before, after] = [x.shape.map(() => 0), x.shape.map(() => 0)];
  axes.forEach((axis, i) => {
    [before[axis], after[axis]] = [pads[i], pads[axes.length + i]];
  });

  // a negative length cuts off
  const inner = sliced(x, before.map((length) => Math.max(0, -length)),
    x.shape.map((length, i) => Math.max(0, length + Math.min(0, before[i]) + Math.min(0, after[i]))),
    x.shape.map(() => 1), t);
  const grown = [before, after].map((lengths) => lengths.map((length) => Math.max(0, length)));
  if (grown.every((lengths) => lengths.every((length) => length === 0))) return inner;
  const isTooMuch = (/** @type {number} */ length, /** @type {number} */ i) =>
    grown.some((lengths) => lengths[i] > 0 && lengths[i] >= length);
  if (mode === 'reflect' && inner.shape.some(isTooMuch)) {
    throw node.error(`reflects more than there is: pads [${pads.slice(0, 16).join(', ')}] of [${x.shape.join(', ')}]`);
  }
  if (mode !== 'constant' && sizeOf(inner.shape) === 0) throw node.error('pads an empty tensor with its own elements');
  return t.emit('pad', [inner], { before: grown[0], after: grown[1], mode, value });
}
