/** Operators that make constants, or say something about shapes, or leave a tensor as it is. */
import { given } from '../../../errors.js';
import { sizeOf } from '../../../shape.js';
import { dtypeOf, isFloat } from '../tensors.js';
import { isNotZero } from './comparisons.js';
import { lengths } from './shapes.js';

/** @typedef {import('../tensors.js').Dtype} Dtype */
/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */

/** @type {import('./table.js').Table} */
export const CONSTANTS = {
  Constant: [0, 0, constant],
  ConstantOfShape: [1, 1, (node, [input], t) => {
    const shape = lengths(node, t.numbers(input, 'shape'));
    const fill = node.has('value') ? node.tensor('value')
      : { dtype: /** @type {Dtype} */ ('float'), data: new Float32Array(1) };
    if (fill.data.length !== 1) throw node.error(`must have one number in value; got ${fill.data.length}`);
    return t.constant(t.allocate(fill.dtype, shape).fill(fill.data[0]), shape, fill.dtype);
  }],
  Range: [3, 3, (node, inputs, t) => {
    const [start, limit, step] = ['start', 'limit', 'delta'].map((what, i) => t.number(inputs[i], what));
    const count = Math.max(0, Math.ceil((limit - start) / step));
    if (!Number.isSafeInteger(count)) throw node.error(`counts from ${start} to ${limit} by ${step}`);
    const data = t.allocate(inputs[0].dtype, [count]);
    for (let i = 0; i < count; i++) data[i] = start + i * step;
    return t.constant(data, [count], inputs[0].dtype);
  }],
  Shape: [1, 1, (node, inputs, t) => {
    const { shape } = inputs[0];
    // places before the beginning and beyond the end are clamped, as slice() does
    return t.constant(shape.slice(node.int('start', 0), node.int('end', shape.length)), undefined, 'int64');
  }],
  Size: [1, 1, (_node, [x], t) => t.constant([sizeOf(x.shape)], [], 'int64')],
  Identity: [1, 1, (_node, inputs) => inputs[0]],
  Dropout: [1, 3, (node, [x, , training], t) => {
    if (training && t.number(training, 'training_mode') !== 0) throw node.unsupported('in training mode');
    return x;
  }],
  Cast: [1, 1, (node, [x], t) => cast(node, x, dtypeOf(node.int('to'), () => `the target of Cast ${given(node.name)}`), t)],
  CastLike: [2, 2, (node, [x, like], t) => cast(node, x, like.dtype, t)],
  If: [1, 1, branch],
};

/**
 * @param {OnnxNode} node
 * @param {Operand[]} _inputs
 * @param {Trace} t
 */
function constant(node, _inputs, t) {
  if (node.has('value')) {
    const { dtype, shape, data } = node.tensor('value');
    return { dtype, shape, data, name: '', value: null };
  }
  if (node.has('value_float')) return t.scalar(node.float('value_float'));
  if (node.has('value_floats')) return t.constant(node.floats('value_floats'));
  if (node.has('value_int')) return t.constant([node.int('value_int')], [], 'int64');
  if (node.has('value_ints')) return t.constant(node.ints('value_ints'), undefined, 'int64');
  const name = ['sparse_value', 'value_string', 'value_strings'].find((one) => node.has(one));
  if (!name) throw node.error('must have a value');
  throw node.unsupported(name);
}

/**
 * @param {OnnxNode} node
 * @param {Operand} x
 * @param {Dtype} dtype
 * @param {Trace} t
 * @returns {Operand}
 */
function cast(node, x, dtype, t) {
  if (x.data) return x.dtype === dtype ? x : t.emit('cast', [x], { dtype });
  if (isFloat(dtype)) return { ...x, dtype: 'float' }; // every number of a network is a float32
  if (dtype === x.dtype) return x;
  if (dtype === 'bool') return isNotZero(x, t);
  throw node.unsupported(`to ${dtype} of a computed tensor`);
}

/**
 * The branch of a condition that is known.
 *
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 * @returns {Operand[]}
 */
function branch(node, [condition], t) {
  if (!condition.data) throw node.unsupported('a computed condition');
  const graph = node.graph(t.number(condition, 'cond') ? 'then_branch' : 'else_branch');
  const names = graph.outputs.map((/** @type {any} */ output) => output.name ?? '');
  const scope = t.run(graph, new Map(), []);
  const outer = t.scope;
  t.scope = scope;
  const results = names.map((/** @type {string} */ name) => t.find(name));
  t.scope = outer;
  if (results.includes(undefined)) throw node.unsupported('a branch that is not supported');
  return results;
}
