/** Operators that compute each element by itself, of one or several tensors. */
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
const unary = (op) => [1, 1, (_node, inputs, t) => t.emit(op, inputs)];

/**
 * @param {string} op
 * @returns {Entry}
 */
const binary = (op) => [2, 2, (node, inputs, t) =>
  t.emit(op, node.opset >= 7 ? inputs : [inputs[0], alignOld(node, inputs[0], inputs[1], t)])];

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
export function alignOld(node, a, b, t) {
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
  IsNaN: unary('isNaN'), IsInf: unary('isInf'),
};
