/** Finds mixtures of constant kernels: computed tensors that are a sum over k of a[n,k] * constant[k,...]. */
import { sizeOf } from '../../shape.js';
import { broadcastStrides, gather } from './strided.js';

/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./rewriter.js').Rewriter} Rewriter */

/**
 * L numbers for each of N samples, as a mixture of K rows of L constants.
 *
 * @typedef {object} Mixture
 * @property {number} N
 * @property {number} K
 * @property {number} L
 * @property {Value} attention computed; it has N * K elements
 * @property {boolean} transposed whether the attention is [K, N]
 * @property {Value} constant
 * @property {number} strideK in the constant
 * @property {number} strideL
 * @property {(index: number) => [number, number]} place n and l of an element
 * @property {boolean} isRowMajor whether the elements are [N, L]
 */

/** Elements of a kernel that are followed through transposes. */
const LARGEST = 2 ** 25;

/**
 * The mixture that a value is, and for each of its elements the element l of the row.
 *
 * @param {Value} value
 * @param {Rewriter} r
 * @returns {{ mixture: Mixture, order: ArrayLike<number> | null } | null} order is null if the elements come in order
 */
export function findMixture(value, r) {
  // back to where the numbers are computed
  /** @type {Node[]} */
  const moves = [];
  let root = value;
  for (let node = r.maker(root); node && ['reshape', 'transpose', 'expand'].includes(node.op); node = r.maker(root)) {
    moves.unshift(node);
    root = /** @type {Value} */ (node.inputs[0]);
  }
  const node = r.maker(root);
  const mixture = node && (productWithMatrix(node) ?? sumOfProducts(node, r));
  if (!mixture || sizeOf(value.shape) !== mixture.N * mixture.L) return null;

  // where each element comes from
  if (sizeOf(value.shape) > LARGEST) return null;
  const isMoved = moves.some((move) => move.op !== 'reshape') || !mixture.isRowMajor;
  if (!isMoved) return { mixture, order: null };
  let places = new Float64Array(sizeOf(root.shape)).map((_, i) => i);
  for (const move of moves) {
    if (move.op === 'reshape') continue;
    const { shape } = move.outputs[0];
    const from = /** @type {Value} */ (move.inputs[0]).shape;
    const strides = broadcastStrides(from, move.op === 'expand' ? shape : from);
    const moved = move.op === 'expand' ? strides
      : move.attributes.order.map((/** @type {number} */ axis) => strides[axis]);
    places = /** @type {any} */ (gather(places, shape, moved, 0, new Float64Array(sizeOf(shape))));
  }
  const { N, L } = mixture;
  const order = new Float64Array(L);
  for (let i = 0; i < places.length; i++) {
    const [n, l] = mixture.place(places[i]);
    if (n !== Math.floor(i / L)) return null;
    if (n === 0) order[i] = l;
    else if (order[i % L] !== l) return null;
  }
  return { mixture, order: N > 0 && order.every((l, i) => l === i) ? null : order };
}

/**
 * @param {Node} node
 * @returns {Mixture | null}
 */
function productWithMatrix(node) {
  const [a, b] = /** @type {Value[]} */ (node.inputs);
  if (node.op === 'linear') {
    if (node.inputs[2] || !b.constant || a.constant) return null;
    const [L, K] = b.shape;
    return rows(a, b, sizeOf(a.shape) / K, K, L, 1, K);
  }
  if (node.op !== 'matmul' || Boolean(a.constant) === Boolean(b.constant)) return null;
  const constant = a.constant ? a : b;
  if (!constant.shape.slice(0, -2).every((length) => length === 1)) return null;
  if (b.constant) {
    const [K, L] = b.shape.slice(-2);
    return rows(a, b, sizeOf(a.shape) / K, K, L, L, 1);
  }
  // constant [L, K] * attention [K, N], or [N, K, 1]
  const [L, K] = a.shape.slice(-2);
  const M = /** @type {number} */ (b.shape.at(-1));
  if (M === 1) return rows(b, a, sizeOf(b.shape) / K, K, L, 1, K);
  if (sizeOf(b.shape) !== K * M) return null;
  const N = M;
  return {
    N, K, L, attention: b, transposed: true, constant: a, strideK: 1, strideL: K, isRowMajor: false,
    place: (/** @type {number} */ i) => [i % N, Math.floor(i / N)],
  };
}

/**
 * A mixture whose elements are [N, L].
 *
 * @param {Value} attention
 * @param {Value} constant
 * @param {number} N
 * @param {number} K
 * @param {number} L
 * @param {number} strideK
 * @param {number} strideL
 * @returns {Mixture}
 */
const rows = (attention, constant, N, K, L, strideK, strideL) => ({
  N, K, L, attention, transposed: false, constant, strideK, strideL, isRowMajor: true,
  place: (/** @type {number} */ i) => [Math.floor(i / L), i % L],
});

/**
 * The sum over axis K of a product of [N, K, ...].
 *
 * @param {Node} node
 * @param {Rewriter} r
 * @returns {Mixture | null}
 */
function sumOfProducts(node, r) {
  if (node.op !== 'reduceSum' || node.attributes.axes.length !== 1) return null;
  const product = /** @type {Value} */ (node.inputs[0]);
  /** @type {Value[]} */
  const factors = [];
  const open = [product];
  while (open.length > 0 && factors.length < 8) {
    const value = /** @type {Value} */ (open.pop());
    const maker = r.maker(value);
    // a product broadcasts its factors by itself
    if (maker?.op === 'multiply') open.push(.../** @type {Value[]} */ (maker.inputs));
    else if (maker?.op === 'expand') open.push(/** @type {Value} */ (maker.inputs[0]));
    else factors.push(value);
  }
  const constants = factors.filter((value) => value.constant);
  const axis = node.attributes.axes[0];
  if (open.length > 0 || constants.length !== 1 || factors.length < 2 || axis > 1) return null;

  // all factors as [N, K, ...rest]: without a batch, N is 1
  const rank = product.shape.length;
  const aligned = (/** @type {readonly number[]} */ shape) =>
    [...new Array(axis === 0 ? 1 : 0).fill(1), ...new Array(rank - shape.length).fill(1), ...shape];
  const [N, K, ...rest] = aligned(product.shape);
  const L = sizeOf(rest);
  const constantShape = aligned(constants[0].shape);
  if (constantShape[0] !== 1) return null;
  const constant = wholeRows(constants[0], constantShape, [1, K, ...rest], r);
  if (!constant) return null;

  // all others are weights of kernels; other attentions make a kernel that is computed
  /** @type {Value[]} */
  const weights = [];
  for (const factor of factors) {
    if (factor.constant) continue;
    const shape = aligned(factor.shape);
    if (sizeOf(shape.slice(2)) > 1) return null;
    const flat = r.reshape(factor, shape.slice(0, 2), node.name);
    weights.push(shape[0] === N && shape[1] === K ? flat
      : r.add('expand', `${node.name}/expand`, [flat], { shape: [N, K] }));
  }
  const attention = weights.reduce((a, b) => r.add('multiply', `${node.name}/multiply`, [a, b]));
  return rows(attention, constant, N, K, L, L, 1);
}

/**
 * A constant that has every element of a shape, to which it is broadcast.
 *
 * @param {Value} value
 * @param {number[]} shape
 * @param {number[]} target
 * @param {Rewriter} r
 */
function wholeRows(value, shape, target, r) {
  const size = sizeOf(target);
  if (sizeOf(shape) === size) return value;
  if (size > LARGEST) return null;
  const data = /** @type {Float32Array} */ (gather(/** @type {Float32Array} */ (value.constant), target,
    broadcastStrides(shape, target), 0, new Float32Array(size)));
  return r.builder.constant(data, [size], value.name);
}
