/**
 * Comparisons, logic and choices. A network has no truth values: if they are computed, they are the numbers 0 and 1,
 * and a choice is made by infinite bounds.
 */
import { broadcast } from '../../infer.js';
import { isFloat } from '../tensors.js';
import { alignOld } from './elementwise.js';

/** @typedef {import('./table.js').Entry} Entry */
/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */

/**
 * An operator that folds if its inputs are constants; else their numbers are computed with.
 *
 * @param {number} count inputs
 * @param {string} op for folding
 * @param {(inputs: Operand[], t: Trace) => Operand} compute
 * @returns {Entry}
 */
const predicate = (count, op, compute) => [count, count, (node, given, t) => {
  const inputs = count === 2 ? [given[0], alignOld(node, given[0], given[1], t)] : given;
  if (inputs.every((/** @type {Operand} */ x) => x.data)) return t.emit(op, inputs);
  return asBool(compute(inputs.map((/** @type {Operand} */ x) => asFloat(x, t)), t));
}];

/** @type {import('./table.js').Table} */
export const COMPARISONS = {
  Greater: predicate(2, 'greater', ([a, b], t) => isAbove(a, b, t)),
  Less: predicate(2, 'less', ([a, b], t) => isAbove(b, a, t)),
  GreaterOrEqual: predicate(2, 'greaterOrEqual', ([a, b], t) => inverse(isAbove(b, a, t), t)),
  LessOrEqual: predicate(2, 'lessOrEqual', ([a, b], t) => inverse(isAbove(a, b, t), t)),
  Equal: predicate(2, 'equal', ([a, b], t) => inverse(steep(distance(a, b, t), 0, t), t)),
  Not: predicate(1, 'not', ([x], t) => inverse(x, t)),
  And: predicate(2, 'and', ([a, b], t) => t.emit('multiply', [a, b])),
  Or: predicate(2, 'or', ([a, b], t) => t.emit('maximum', [a, b])),
  Xor: predicate(2, 'xor', ([a, b], t) => distance(a, b, t)),
  Sign: [1, 1, (_node, [x], t) => (x.data ? t.emit('sign', [x]) : steep(x, -1, t))],
  Where: [3, 3, where],
};

/**
 * 1 if x is above 0, and `low` (0 or -1) if it is below: x times 1e60, which makes the least float large. In two steps
 * with a clip between, because 1e60 is no float, and two factors in a row would be taken as one.
 *
 * @param {Operand} x
 * @param {number} low
 * @param {Trace} t
 */
export function steep(x, low, t) {
  const large = t.scalar(1e30);
  const middle = t.emit('clip', [t.emit('multiply', [x, large])], { low: -1, high: 1 });
  return t.emit('clip', [t.emit('multiply', [middle, large])], { low, high: 1 });
}

/**
 * @param {Operand} a
 * @param {Operand} b
 * @param {Trace} t
 */
const isAbove = (a, b, t) => steep(t.emit('subtract', [a, b]), 0, t);

/**
 * @param {Operand} a
 * @param {Operand} b
 * @param {Trace} t
 */
const distance = (a, b, t) => t.emit('abs', [t.emit('subtract', [a, b])]);

/**
 * @param {Operand} bits
 * @param {Trace} t
 */
const inverse = (bits, t) => t.emit('subtract', [t.scalar(1), bits]);

/**
 * The numbers of a tensor of any type.
 *
 * @param {Operand} x
 * @param {Trace} t
 * @returns {Operand}
 */
function asFloat(x, t) {
  if (isFloat(x.dtype)) return x;
  if (x.data) return t.emit('cast', [x], { dtype: 'float' });
  if (x.dtype === 'bool') return { ...x, dtype: 'float' };
  throw t.node.unsupported(`computed ${x.dtype}`);
}

/**
 * @param {Operand} x 0 or 1
 * @returns {Operand}
 */
const asBool = (x) => ({ ...x, dtype: 'bool' });

/**
 * Whether each element is not 0.
 *
 * @param {Operand} x computed
 * @param {Trace} t
 */
export const isNotZero = (x, t) => asBool(steep(t.emit('abs', [x]), 0, t));

/**
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 * @returns {Operand}
 */
function where(node, [condition, x, y], t) {
  if (!condition.data) {
    if (condition.dtype !== 'bool') throw node.unsupported('a computed condition');
    // 0.5 / 0 if true, and -0.5 / 0 if false
    const bits = asFloat(condition, t);
    const bound = t.emit('divide',
      [t.emit('subtract', [bits, t.scalar(0.5)]), t.emit('multiply', [bits, inverse(bits, t)])]);
    return t.emit('maximum',
      [t.emit('minimum', [x, bound]), t.emit('minimum', [y, t.emit('negate', [bound])])]);
  }
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
