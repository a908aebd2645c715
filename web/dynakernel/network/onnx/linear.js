/** Recognises products with a constant matrix: linear layers, with their bias. */

/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./rewriter.js').Rewriter} Rewriter */

/**
 * @param {Node} node
 * @param {Rewriter} r
 * @returns {Value | null}
 */
export function recogniseLinear(node, r) {
  if (node.op !== 'matmul' && node.op !== 'add') return null;
  const [a, b] = node.inputs;
  if (node.op === 'matmul' && a && b?.constant && !a.constant && b.shape.slice(0, -2).every((length) => length === 1) &&
    b.shape.length <= Math.max(2, a.shape.length)) {
    const [I, O] = b.shape.slice(-2);
    const weight = r.builder.constant(transposed(b.constant, I, O), [O, I], b.name);
    return r.add('linear', node.name, [a, weight]);
  }
  if (node.op !== 'add' || !a || !b) return null;
  // a bias after the product
  const [sum, bias] = a.constant ? [b, a] : [a, b];
  const linear = r.maker(sum, 'linear');
  if (!linear || !bias.constant || linear.inputs[2] || !r.isUsedOnce(sum)) return null;
  const O = sum.shape.at(-1);
  if (bias.constant.length !== O || bias.shape.at(-1) !== O || bias.shape.length > sum.shape.length) return null;
  return r.add('linear', linear.name, [linear.inputs[0], linear.inputs[1], r.reshape(bias, [O], node.name)]);
}

/**
 * @param {Float32Array} matrix
 * @param {number} rows
 * @param {number} columns
 */
export function transposed(matrix, rows, columns) {
  const result = new Float32Array(matrix.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) result[j * rows + i] = matrix[i * columns + j];
  return result;
}
