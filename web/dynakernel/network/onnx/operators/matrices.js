/** Products of matrices. */
import { sizeOf } from '../../../shape.js';

/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */

/** @type {import('./table.js').Table} */
export const MATRICES = {
  MatMul: [2, 2, (node, [a, b], t) => matmul(node, a, b, t)],
  Gemm: [2, 3, gemm],
  Einsum: [1, 2, einsum],
};

/**
 * @param {OnnxNode} node
 * @param {Operand} a
 * @param {Operand} b
 * @param {Trace} t
 * @returns {Operand}
 */
function matmul(node, a, b, t) {
  if (a.shape.length === 0 || b.shape.length === 0) throw node.error('multiplies a tensor without dimensions');
  // a vector is a matrix with one row or column, which vanishes afterwards
  const left = a.shape.length === 1 ? t.reshape(a, [1, a.shape[0]]) : a;
  const right = b.shape.length === 1 ? t.reshape(b, [b.shape[0], 1]) : b;
  const y = t.emit('matmul', [left, right]);
  const shape = [...y.shape];
  if (b.shape.length === 1) shape.pop();
  if (a.shape.length === 1) shape.splice(b.shape.length === 1 ? -1 : -2, 1);
  return t.reshape(y, shape);
}

/**
 * alpha * A * B + beta * C
 *
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 */
function gemm(node, [a, b, c], t) {
  if (a.shape.length !== 2 || b.shape.length !== 2) {
    throw node.error(`must multiply two matrices; got [${a.shape.join(', ')}] and [${b.shape.join(', ')}]`);
  }
  const [alpha, beta] = [node.float('alpha', 1), node.float('beta', 1)];
  const left = node.int('transA', 0) ? t.transpose(a, [1, 0]) : a;
  const isLinear = node.int('transB', 0) !== 0 && b.data !== null && left.data === null;
  const right = !isLinear && node.int('transB', 0) ? t.transpose(b, [1, 0]) : b;

  // torch's Linear: the bias belongs to the layer
  const isBias = isLinear && c?.data && c.shape.length === 1 && c.shape[0] === b.shape[0] && alpha === 1 && beta === 1;
  const product = isLinear ? t.emit('linear', isBias ? [left, b, c] : [left, b]) : t.emit('matmul', [left, right]);
  const scaled = alpha === 1 ? product : t.emit('multiply', [product, t.scalar(alpha)]);
  if (!c || isBias || beta === 0) return scaled;
  const sum = t.emit('add', [scaled, beta === 1 ? c : t.emit('multiply', [c, t.scalar(beta)])]);
  if (sizeOf(sum.shape) !== sizeOf(product.shape)) {
    throw node.error(`adds [${c.shape.join(', ')}] to a matrix [${product.shape.join(', ')}]`);
  }
  return sum;
}

/**
 * Sums of products of one or two tensors, each index once in a tensor: as transposes, sums and one product of matrices.
 *
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 */
function einsum(node, inputs, t) {
  const equation = node.string('equation').replace(/\s/g, '');
  const match = /^([A-Za-z]*)(?:,([A-Za-z]*))?(?:->([A-Za-z]*))?$/.exec(equation);
  if (!match) throw node.unsupported(`equation ${equation.slice(0, 40)}`);
  const terms = [match[1], match[2]].filter((term) => term !== undefined).map((term) => [...term]);
  // without an arrow, the indices that appear once, in alphabetical order
  const all = terms.flat();
  const target = match[3] !== undefined ? [...match[3]]
    : all.filter((label) => all.indexOf(label) === all.lastIndexOf(label)).sort();
  const isPlain = [...terms, target].every((labels) => new Set(labels).size === labels.length) &&
    target.every((label) => all.includes(label));
  if (!isPlain) throw node.unsupported(`equation ${equation.slice(0, 40)}`);
  if (terms.length !== inputs.length || terms.some((labels, i) => labels.length !== inputs[i].shape.length)) {
    throw node.error(`has an equation ${equation.slice(0, 40)} that does not fit its inputs`);
  }
  /** @type {Map<string, number>} */
  const length = new Map();
  terms.forEach((labels, i) => labels.forEach((label, axis) => {
    const here = inputs[i].shape[axis];
    if ((length.get(label) ?? here) !== here) {
      throw node.error(`has two lengths for the index ${label}: ${length.get(label)} and ${here}`);
    }
    length.set(label, here);
  }));

  // indices of one tensor alone that the result has not are summed first
  const operands = inputs.map((x, i) => {
    const lost = terms[i].filter((label) => !target.includes(label) && !terms[1 - i]?.includes(label));
    if (lost.length === 0) return x;
    const axes = lost.map((label) => terms[i].indexOf(label));
    terms[i] = terms[i].filter((label) => !lost.includes(label));
    return t.emit('reduceSum', [x], { axes: axes.sort((a, b) => a - b), keepDims: false });
  });
  const arrange = (/** @type {Operand} */ x, /** @type {string[]} */ from, /** @type {string[]} */ to) =>
    t.transpose(x, to.map((label) => from.indexOf(label)));
  if (terms.length === 1) return arrange(operands[0], terms[0], target);

  const [first, second] = terms;
  const batch = target.filter((label) => first.includes(label) && second.includes(label));
  const rows = target.filter((label) => !second.includes(label));
  const columns = target.filter((label) => !first.includes(label));
  const summed = first.filter((label) => !target.includes(label));
  const lengthsOf = (/** @type {string[]} */ labels) =>
    labels.map((label) => /** @type {number} */ (length.get(label)));
  const size = (/** @type {string[]} */ labels) => sizeOf(lengthsOf(labels));
  // [batch, rows, summed] * [batch, summed, columns]
  const outer = batch.length > 0 ? [size(batch)] : [];
  const left = t.reshape(arrange(operands[0], first, [...batch, ...rows, ...summed]),
    [...outer, size(rows), size(summed)]);
  const right = t.reshape(arrange(operands[1], second, [...batch, ...summed, ...columns]),
    [...outer, size(summed), size(columns)]);
  const made = [...batch, ...rows, ...columns];
  return arrange(t.reshape(t.emit('matmul', [left, right]), lengthsOf(made)), made, target);
}
