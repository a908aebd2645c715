/** Evaluates ops whose inputs are all constants, of any type. */
import { sameShape, sizeOf } from '../../shape.js';
import { broadcast, inferShapes } from '../infer.js';
import { broadcastStrides, gather, scatter, stridesOf, walk } from './strided.js';
import { isFloat, numbersFor } from './tensors.js';

/** @typedef {import('./tensors.js').Dtype} Dtype */
/** @typedef {import('./tensors.js').Numbers} Numbers */
/** @typedef {import('./tensors.js').TensorData} TensorData */
/** @typedef {{ [name: string]: any }} Attributes */

/** Ops of two operands that make truth values. */
const COMPARISONS = /** @type {{ readonly [op: string]: (a: number, b: number) => boolean }} */ ({
  equal: (a, b) => a === b, less: (a, b) => a < b, lessOrEqual: (a, b) => a <= b, greater: (a, b) => a > b,
  greaterOrEqual: (a, b) => a >= b, and: (a, b) => a !== 0 && b !== 0, or: (a, b) => a !== 0 || b !== 0,
  xor: (a, b) => (a !== 0) !== (b !== 0),
});

const BINARY = /** @type {{ readonly [op: string]: (a: number, b: number) => number }} */ ({
  add: (a, b) => a + b, subtract: (a, b) => a - b, multiply: (a, b) => a * b, divide: (a, b) => a / b,
  minimum: Math.min, maximum: Math.max, power: Math.pow,
  remainder: (a, b) => a - b * Math.floor(a / b), truncatedRemainder: (a, b) => a % b,
});

const UNARY = /** @type {{ readonly [op: string]: (x: number, attributes: Attributes) => number }} */ ({
  relu: (x) => Math.max(x, 0), exp: Math.exp, sqrt: Math.sqrt, negate: (x) => -x, reciprocal: (x) => 1 / x,
  abs: Math.abs, log: Math.log, tanh: Math.tanh, sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  clip: (x, { low, high }) => Math.min(Math.max(x, low), high),
  floor: Math.floor, ceil: Math.ceil, sign: Math.sign, sin: Math.sin, cos: Math.cos, round: roundToEven,
  not: (x) => Number(x === 0), isNaN: (x) => Number(Number.isNaN(x)), isInf: (x) => Number(Math.abs(x) === Infinity),
});

/** Unary ops that make truth values. */
const PREDICATES = ['not', 'isNaN', 'isInf'];

/** @param {number} x */
function roundToEven(x) {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Ops that exist only while a file is folded. */
export const FOLD_ONLY = new Set([
  ...Object.keys(COMPARISONS), ...PREDICATES, 'remainder', 'truncatedRemainder', 'floor', 'ceil', 'sign', 'sin', 'cos',
  'round', 'gather', 'select', 'cast',
]);

/**
 * The shape that an op makes of constants.
 *
 * @param {string} op
 * @param {readonly { shape: number[] }[]} inputs
 * @param {Attributes} attributes
 * @returns {number[]}
 */
export function foldedShape(op, inputs, attributes) {
  if (!FOLD_ONLY.has(op)) return inferShapes(op, inputs.map((x) => x.shape), attributes)[0];
  if (op !== 'gather') return inputs.reduce((shape, x) => broadcast(shape, x.shape, op), /** @type {number[]} */ ([]));
  const { axis } = attributes;
  return [...inputs[0].shape.slice(0, axis), ...inputs[1].shape, ...inputs[0].shape.slice(axis + 1)];
}

/**
 * @param {string} op
 * @param {TensorData[]} inputs
 * @param {Attributes} attributes
 * @param {number[]} shape of the output
 * @returns {TensorData | null} null if the op does not fold; ops with several outputs do not
 */
export function fold(op, inputs, attributes, shape) {
  const [x, y] = inputs;
  if (Object.hasOwn(COMPARISONS, op)) {
    const compare = COMPARISONS[op];
    return binary(x, y, 'bool', shape, (a, b) => Number(compare(a, b)));
  }
  if (Object.hasOwn(BINARY, op)) {
    const exact = BINARY[op];
    const isQuotient = (op === 'divide' || op === 'power') && !isFloat(x.dtype);
    return binary(x, y, x.dtype, shape, isQuotient ? (a, b) => Math.trunc(exact(a, b)) : exact);
  }
  if (Object.hasOwn(UNARY, op)) {
    const dtype = PREDICATES.includes(op) ? 'bool' : x.dtype;
    const data = numbersFor(dtype, x.data.length);
    for (let i = 0; i < data.length; i++) data[i] = UNARY[op](x.data[i], attributes);
    return { dtype, shape, data };
  }
  return Object.hasOwn(RULES, op) ? RULES[op](inputs, attributes, shape) : null;
}

/**
 * @param {TensorData} x
 * @param {TensorData} y
 * @param {Dtype} dtype
 * @param {number[]} shape
 * @param {(a: number, b: number) => number} compute
 */
function binary(x, y, dtype, shape, compute) {
  const data = numbersFor(dtype, sizeOf(shape));
  const a = x.data, b = y.data;
  if (sameShape(x.shape, y.shape)) {
    for (let i = 0; i < data.length; i++) data[i] = compute(a[i], b[i]);
    return { dtype, shape, data };
  }
  walk(shape, [broadcastStrides(x.shape, shape), broadcastStrides(y.shape, shape)], [0, 0], (i, j, k) => {
    data[k] = compute(a[i], b[j]);
  });
  return { dtype, shape, data };
}

/**
 * A tensor whose elements are all read from one array.
 *
 * @param {TensorData} x
 * @param {number[]} shape
 * @param {readonly number[]} strides
 * @param {number} [offset]
 */
const gathered = (x, shape, strides, offset = 0) =>
  ({ dtype: x.dtype, shape, data: gather(x.data, shape, strides, offset, numbersFor(x.dtype, sizeOf(shape))) });

/** @type {{ readonly [op: string]: (inputs: TensorData[], attributes: Attributes, shape: number[]) => TensorData }} */
const RULES = {
  reshape: ([x], _, shape) => ({ ...x, shape }),
  expand: ([x], _, shape) => gathered(x, shape, broadcastStrides(x.shape, shape)),
  transpose([x], { order }, shape) {
    const strides = stridesOf(x.shape);
    return gathered(x, shape, order.map((/** @type {number} */ axis) => strides[axis]));
  },
  slice([x], { starts, steps }, shape) {
    const strides = stridesOf(x.shape);
    const offset = strides.reduce((sum, stride, i) => sum + starts[i] * stride, 0);
    return gathered(x, shape, strides.map((stride, i) => stride * steps[i]), offset);
  },
  concat(inputs, { axis }, shape) {
    const { dtype } = inputs[0];
    const out = numbersFor(dtype, sizeOf(shape));
    const strides = stridesOf(shape);
    let begin = 0;
    const isOutermost = sizeOf(shape) === shape[axis] * strides[axis];
    for (const x of inputs) {
      if (isOutermost) out.set(x.data, begin * strides[axis]);
      else scatter(x.data, x.shape, out, strides, begin * strides[axis]);
      begin += x.shape[axis];
    }
    return { dtype, shape, data: out };
  },
  cast([x], { dtype }, shape) {
    const data = numbersFor(dtype, x.data.length);
    const toInteger = isFloat(x.dtype) && !isFloat(dtype);
    for (let i = 0; i < data.length; i++) {
      const number = x.data[i];
      data[i] = dtype === 'bool' ? Number(number !== 0) : toInteger ? Math.trunc(number) : number;
    }
    return { dtype, shape, data };
  },
  select([condition, x, y], _, shape) {
    const data = numbersFor(x.dtype, sizeOf(shape));
    const places = new Int32Array(data.length);
    walk(shape, [broadcastStrides(condition.shape, shape)], [0], (a, _b, i) => {
      places[i] = condition.data[a];
    });
    walk(shape, [broadcastStrides(x.shape, shape), broadcastStrides(y.shape, shape)], [0, 0], (a, b, i) => {
      data[i] = places[i] ? x.data[a] : y.data[b];
    });
    return { dtype: x.dtype, shape, data };
  },
  gather([x, indices], { axis }, shape) {
    // [outer, length, inner] -> [outer, indices, inner]
    const outer = sizeOf(x.shape.slice(0, axis));
    const inner = sizeOf(x.shape.slice(axis + 1));
    const length = x.shape[axis];
    const out = numbersFor(x.dtype, sizeOf(shape));
    let i = 0;
    for (let o = 0; o < outer; o++) {
      for (let n = 0; n < indices.data.length; n++) {
        const index = indices.data[n];
        const begin = (o * length + (index < 0 ? index + length : index)) * inner;
        for (let j = 0; j < inner; j++) out[i++] = x.data[begin + j];
      }
    }
    return { dtype: x.dtype, shape, data: out };
  },
  pad([x], { before, mode, value }, shape) {
    const data = numbersFor(x.dtype, sizeOf(shape)).fill(value);
    const strides = stridesOf(x.shape);
    walk(shape, [stridesOf(shape)], [0], (place) => {
      let rest = place;
      let source = 0;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        let index = rest % shape[axis] - before[axis];
        rest = Math.floor(rest / shape[axis]);
        const last = x.shape[axis] - 1;
        if (mode === 'edge') index = Math.min(Math.max(index, 0), last);
        if (mode === 'reflect') index = index < 0 ? -index : index > last ? 2 * last - index : index;
        if (index < 0 || index > last) return;
        source += index * strides[axis];
      }
      data[place] = x.data[source];
    });
    return { dtype: x.dtype, shape, data };
  },
  matmul([x, y], _, shape) {
    const [M, N] = shape.slice(-2);
    const K = /** @type {number} */ (x.shape.at(-1));
    const data = numbersFor(x.dtype, sizeOf(shape));
    const batch = shape.slice(0, -2);
    const scale = (/** @type {TensorData} */ t, /** @type {number} */ size) =>
      broadcastStrides(t.shape.slice(0, -2), batch).map((stride) => stride * size);
    walk(batch, [scale(x, M * K), scale(y, K * N)], [0, 0], (a, b, i) => {
      for (let m = 0; m < M; m++) {
        for (let n = 0; n < N; n++) {
          let sum = 0;
          for (let k = 0; k < K; k++) sum += x.data[a + m * K + k] * y.data[b + k * N + n];
          data[(i * M + m) * N + n] = sum;
        }
      }
    });
    return { dtype: x.dtype, shape, data };
  },
  reduceSum: (inputs, attributes, shape) => reduce(inputs[0], attributes, shape, 0, (sum, value) => sum + value, 1),
  reduceMean([x], attributes, shape) {
    const count = x.data.length / Math.max(1, sizeOf(shape));
    return reduce(x, attributes, shape, 0, (sum, value) => sum + value, 1 / count);
  },
  reduceMax: (inputs, attributes, shape) => reduce(inputs[0], attributes, shape, -Infinity, Math.max, 1),
};

/**
 * @param {TensorData} x
 * @param {Attributes} attributes
 * @param {number[]} shape
 * @param {number} start
 * @param {(accumulated: number, value: number) => number} combine
 * @param {number} scale
 */
function reduce(x, { axes }, shape, start, combine, scale) {
  const kept = x.shape.map((length, i) => (axes.includes(i) ? 1 : length));
  const sums = new Float64Array(sizeOf(shape)).fill(start);
  walk(x.shape, [broadcastStrides(kept, x.shape)], [0], (place, _, i) => {
    sums[place] = combine(sums[place], x.data[i]);
  });
  const data = numbersFor(x.dtype, sums.length);
  for (let i = 0; i < data.length; i++) data[i] = scale === 1 ? sums[i] : sums[i] * scale;
  return { dtype: x.dtype, shape, data };
}
