/** Copies and accumulates elements of arrays of any rank, by strides. */

/** @typedef {import('./tensors.js').Numbers} Numbers */

/**
 * The distance of neighbours along each axis of a dense array.
 *
 * @param {readonly number[]} shape
 */
export function stridesOf(shape) {
  const strides = new Array(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

/**
 * The strides with which an array of one shape is read as if it had another, to which it is broadcast.
 *
 * @param {readonly number[]} shape
 * @param {readonly number[]} target
 */
export function broadcastStrides(shape, target) {
  const strides = stridesOf(shape);
  const missing = target.length - shape.length;
  return target.map((_, i) => (i < missing || shape[i - missing] === 1 ? 0 : strides[i - missing]));
}

/**
 * Visits all rows of a shape, which lie along its last axis.
 *
 * @param {readonly number[]} shape
 * @param {readonly (readonly number[])[]} strides for each of up to two arrays
 * @param {readonly number[]} offsets where each array begins
 * @param {(a: number, b: number, i: number, length: number, stepA: number, stepB: number) => void} visit gets where a
 *   row begins in both arrays, the count of positions before, and the row's length and steps
 */
function walkRows(shape, strides, offsets, visit) {
  const rank = shape.length;
  if (shape.includes(0)) return;
  const [first, second = first] = strides;
  let [a, b = 0] = offsets;
  const index = new Array(rank).fill(0);
  const length = rank === 0 ? 1 : shape[rank - 1];
  const [stepA, stepB] = rank === 0 ? [0, 0] : [first[rank - 1], second[rank - 1]];
  for (let i = 0; ; i += length) {
    visit(a, b, i, length, stepA, stepB);
    // carry into the outer axes
    let axis = rank - 2;
    for (; axis >= 0; axis--) {
      a += first[axis];
      b += second[axis];
      if (++index[axis] < shape[axis]) break;
      a -= shape[axis] * first[axis];
      b -= shape[axis] * second[axis];
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

/**
 * Visits all positions of a shape, row by row.
 *
 * @param {readonly number[]} shape
 * @param {readonly (readonly number[])[]} strides for each of up to two arrays
 * @param {readonly number[]} offsets where each array begins
 * @param {(a: number, b: number, i: number) => void} visit gets the places in both arrays, and the count of positions
 *   before
 */
export function walk(shape, strides, offsets, visit) {
  walkRows(shape, strides, offsets, (a, b, i, length, stepA, stepB) => {
    for (let j = 0; j < length; j++) visit(a + j * stepA, b + j * stepB, i + j);
  });
}

/** From this length on, copying a row at once is faster. */
const LONG_ROW = 32;

/**
 * Reads elements of an array into a dense one.
 *
 * @param {Numbers} data
 * @param {readonly number[]} shape of the result
 * @param {readonly number[]} strides in data
 * @param {number} offset in data
 * @param {Numbers} out
 */
export function gather(data, shape, strides, offset, out) {
  walkRows(shape, [strides], [offset], (a, _, i, length, step) => {
    if (step === 1 && length >= LONG_ROW) out.set(data.subarray(a, a + length), i);
    else for (let j = 0; j < length; j++) out[i + j] = data[a + j * step];
  });
  return out;
}

/**
 * Writes a dense array into another.
 *
 * @param {Numbers} data
 * @param {readonly number[]} shape of data
 * @param {Numbers} out
 * @param {readonly number[]} strides in out
 * @param {number} offset in out
 */
export function scatter(data, shape, out, strides, offset) {
  walkRows(shape, [strides], [offset], (a, _, i, length, step) => {
    if (step === 1 && length >= LONG_ROW) out.set(data.subarray(i, i + length), a);
    else for (let j = 0; j < length; j++) out[a + j * step] = data[i + j];
  });
}
