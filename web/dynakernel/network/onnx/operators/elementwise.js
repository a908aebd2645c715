/** Operators that compute each element by itself, of one or several tensors. */
import { broadcast } from '../../infer.js';
import { isFloat } from '../tensors.js';
import { ANY } from './table.js';

/** @typedef {import('./table.js').Entry} Entry */
/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */

/**
 * @param {string} op
 * @returns {Entry}
 */
const unary = (op) => [1, 1, (_node, [x], t) => t.emit(op, [x])];

/**
 * @param {string} op
 * @returns {Entry}
 */
const binary = (op) => [2, 2, (node, [a, b], t) => t.emit(op, [a, alignOld(node, a, b, t)])];

/**
 * @param {string} op
 * @returns {Entry}
 */
const variadic = (op) => [1, ANY, (_node, inputs, t) => inputs.reduce((a, b) => t.emit(op, [a, b]))];

/**
 * The second operand as opset 6 places it: from the attribute axis on.
 *
 * @param {OnnxNode} node
 * @param {Operand} a
 * @param {Operand} b
 * @param {Trace} t
 */
function alignOld(node, a, b, t) {
  if (node.opset >= 7 || node.int('broadcast', 0) === 0 || !node.has('axis')) return b;
  const axis = t.axis(node.int('axis'), a.shape.length);
  const after = a.shape.length - axis - b.shape.length;
  if (after < 0) {
    throw node.error(`cannot place a tensor of ${b.shape.length} dimensions at axis ${axis} of ${a.shape.length}`);
  }
  return t.reshape(b, [...b.shape, ...new Array(after).fill(1)]);
}

/** @type {import('./table.js').Table} */
export const ELEMENTWISE = {
  Add: binary('add'), Sub: binary('subtract'), Mul: binary('multiply'), Div: binary('divide'),
  Sum: variadic('add'), Min: variadic('minimum'), Max: variadic('maximum'),
  Mean: [1, ANY, (_node, inputs, t) => {
    const sum = inputs.reduce((a, b) => t.emit('add', [a, b]));
    return inputs.length === 1 ? sum : t.emit('multiply', [sum, t.scalar(1 / inputs.length)]);
  }],
  // the exponent may be of another type than the base
  Pow: [2, 2, (node, [a, b], t) => {
    const exponent = alignOld(node, a, b, t);
    const { data } = exponent;
    const isWhole = data && isFloat(a.dtype) && !isFloat(exponent.dtype);
    return t.emit('power', [a, isWhole ? t.constant(data, exponent.shape) : exponent]);
  }],
  Mod: [2, 2, (node, inputs, t) => t.emit(node.int('fmod', 0) ? 'truncatedRemainder' : 'remainder', inputs)],

  Sqrt: unary('sqrt'), Exp: unary('exp'), Log: unary('log'), Abs: unary('abs'), Neg: unary('negate'),
  Reciprocal: unary('reciprocal'), Erf: unary('erf'), Tanh: unary('tanh'), Sigmoid: unary('sigmoid'),
  Relu: unary('relu'),

  // these fold only
  Floor: unary('floor'), Ceil: unary('ceil'), Round: unary('round'), Sin: unary('sin'), Cos: unary('cos'),
  Not: unary('not'), IsNaN: unary('isNaN'), IsInf: unary('isInf'),
  Equal: binary('equal'), Less: binary('less'), LessOrEqual: binary('lessOrEqual'), Greater: binary('greater'),
  GreaterOrEqual: binary('greaterOrEqual'), And: binary('and'), Or: binary('or'), Xor: binary('xor'),

  Sign: [1, 1, (_node, [x], t) => (x.data ? t.emit('sign', [x]) : steep(x, -1, t))],
  Where: [3, 3, where],
};

/**
 * 1 if x is above 0, and `low` (0 or -1) if it is below: x times a number that makes the least float large.
 *
 * @param {Operand} x
 * @param {number} low
 * @param {Trace} t
 */
export function steep(x, low, t) {
  const large = t.scalar(1e30);
  return t.emit('clip', [t.emit('multiply', [t.emit('multiply', [x, large]), large])], { low, high: 1 });
}

/**
 * A choice by a constant condition.
 *
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 * @returns {Operand}
 */
function where(node, [condition, x, y], t) {
  if (!condition.data) throw node.unsupported('a computed condition');
  if (x.data && y.data) return t.emit('select', [condition, x, y]);

  // one side only
  const first = condition.data[0] !== 0;
  if (condition.data.every((bit) => (bit !== 0) === first)) {
    return t.expand(first ? x : y, broadcast(condition.shape, broadcast(x.shape, y.shape, 'Where'), 'Where'));
  }
  // a constant side: bounds that are infinite for the other one keep every number as it is
  if (x.data || y.data) {
    const [value, fixed] = x.data ? [y, x] : [x, y];
    const bits = x.data ? mask(condition, 1, 0, t) : mask(condition, 0, 1, t);
    const low = t.emit('select', [bits, fixed, t.scalar(-Infinity)]);
    const high = t.emit('select', [bits, fixed, t.scalar(Infinity)]);
    return t.emit('maximum', [t.emit('minimum', [value, high]), low]);
  }
  return t.emit('add', [t.emit('multiply', [x, mask(condition, 1, 0, t)]),
    t.emit('multiply', [y, mask(condition, 0, 1, t)])]);
}

/**
 * @param {Operand} condition
 * @param {number} ifTrue
 * @param {number} ifFalse
 * @param {Trace} t
 */
const mask = (condition, ifTrue, ifFalse, t) =>
  t.constant(Float32Array.from(/** @type {Float64Array} */ (condition.data), (bit) => (bit ? ifTrue : ifFalse)),
    condition.shape);
