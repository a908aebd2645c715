/** Follows a computed tensor back to the factors that it is a product of, axis by axis. */

/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./rewriter.js').Rewriter} Rewriter */

/**
 * An axis of the tensor that is followed, or the axis of a sum. A reshape may divide it into two.
 *
 * @typedef {object} Axis
 * @property {number} length at least 2: axes of length 1 are left out
 * @property {Axis[] | null} parts
 */

/**
 * A tensor that is multiplied. Its elements lie row by row along its axes, and it is broadcast along all others.
 *
 * @typedef {object} Factor
 * @property {Value} value
 * @property {Axis[]} axes
 * @property {boolean} isDivisor
 */

/**
 * @typedef {object} Product
 * @property {Rewriter} r
 * @property {Factor[]} factors
 * @property {Axis | null} sum the axis that the product is summed over, if there is one
 * @property {Axis[]} kernelAxes those that the constants of a sum must have
 * @property {number} steps how many more nodes are followed
 */

/** The most nodes that are followed: products of products grow fast. */
const MOST_STEPS = 200;

/**
 * @param {number} length
 * @returns {Axis[]} none if the length is 1
 */
export const axesOf = (length) => (length === 1 ? [] : [{ length, parts: null }]);

/**
 * Axes without those that have been divided.
 *
 * @param {readonly Axis[]} axes
 * @returns {Axis[]}
 */
export const undivided = (axes) => axes.flatMap((axis) => (axis.parts ? undivided(axis.parts) : [axis]));

/**
 * The factors of a value.
 *
 * @param {Value} value
 * @param {Axis[][]} dimensions the axes that each dimension of the value is made of
 * @param {Axis[]} kernelAxes
 * @param {Rewriter} r
 * @returns {Product}
 */
export function factorsOf(value, dimensions, kernelAxes, r) {
  /** @type {Product} */
  const product = { r, factors: [], sum: null, kernelAxes, steps: MOST_STEPS };
  follow(value, dimensions, product, false);
  for (const factor of product.factors) factor.axes = undivided(factor.axes);
  return product;
}

/**
 * Adds the factors of a value to a product.
 *
 * @param {Value} value
 * @param {Axis[][]} dimensions
 * @param {Product} product
 * @param {boolean} isDivisor
 */
function follow(value, dimensions, product, isDivisor) {
  const node = product.r.maker(value);
  const isFollowed = node && !isDivisor && product.steps-- > 0 && followNode(node, dimensions, product);
  if (!isFollowed) product.factors.push({ value, axes: dimensions.flat(), isDivisor });
}

/**
 * @param {Node} node
 * @param {Axis[][]} dimensions of its output
 * @param {Product} product
 * @returns {boolean} whether the output is the product of what was added
 */
function followNode({ op, inputs, attributes }, dimensions, product) {
  const [x, y] = /** @type {Value[]} */ (inputs);
  switch (op) {
    case 'reshape': {
      const before = regrouped(undivided(dimensions.flat()), x.shape);
      if (before) follow(x, before, product, false);
      return before !== null;
    }
    case 'transpose': {
      /** @type {Axis[][]} */
      const before = [];
      attributes.order.forEach((/** @type {number} */ axis, /** @type {number} */ i) => {
        before[axis] = dimensions[i];
      });
      follow(x, before, product, false);
      return true;
    }
    case 'expand':
      follow(x, aligned(dimensions, x), product, false);
      return true;
    case 'multiply':
      follow(x, aligned(dimensions, x), product, false);
      follow(y, aligned(dimensions, y), product, false);
      return true;
    case 'divide':
      if (!y.constant) return false;
      follow(x, aligned(dimensions, x), product, false);
      follow(y, aligned(dimensions, y), product, true);
      return true;
    case 'reduceSum': {
      const { axes, keepDims } = attributes;
      if (axes.length !== 1) return false;
      const before = keepDims ? [...dimensions] : [...dimensions.slice(0, axes[0]), [], ...dimensions.slice(axes[0])];
      return followSum(x.shape[axes[0]], product, (summed) => {
        before[axes[0]] = summed;
        follow(x, before, product, false);
      });
    }
    case 'matmul': {
      const [outer, rows, columns] = [dimensions.slice(0, -2), dimensions[dimensions.length - 2],
        dimensions[dimensions.length - 1]];
      return followSum(x.shape[x.shape.length - 1], product, (summed) => {
        follow(x, aligned([...outer, rows, summed], x), product, false);
        follow(y, aligned([...outer, summed, columns], y), product, false);
      });
    }
    case 'linear':
      return !inputs[2] && followSum(y.shape[1], product, (summed) => {
        follow(x, [...dimensions.slice(0, -1), summed], product, false);
        follow(y, [dimensions[dimensions.length - 1], summed], product, false);
      });
    default:
      return false;
  }
}

/**
 * Follows a sum of products, if it is over kernels: its constants have all axes of a kernel. There is one such sum.
 *
 * @param {number} length of the sum
 * @param {Product} product
 * @param {(summed: Axis[]) => void} followAll
 */
function followSum(length, product, followAll) {
  const summed = axesOf(length);
  if (summed.length > 0) {
    if (product.sum) return false;
    product.sum = summed[0];
  }
  const before = product.factors.length;
  followAll(summed);
  if (summed.length === 0) return true;
  const constants = product.factors.slice(before).filter(({ value }) => value.constant);
  const known = new Set(constants.flatMap(({ axes }) => undivided(axes)));
  if (undivided(product.kernelAxes).every((axis) => known.has(axis))) return true;
  product.factors.length = before;
  product.sum = null;
  return false;
}

/**
 * The axes of an operand that is broadcast.
 *
 * @param {Axis[][]} dimensions of the result
 * @param {Value} operand
 */
function aligned(dimensions, { shape }) {
  const missing = dimensions.length - shape.length;
  return shape.map((length, i) => (length === 1 ? [] : dimensions[missing + i]));
}

/**
 * Divides axes, which follow each other, into the dimensions of a shape.
 *
 * @param {Axis[]} axes
 * @param {readonly number[]} shape
 * @returns {Axis[][] | null} null if a dimension ends within an axis that it does not divide
 */
function regrouped(axes, shape) {
  const open = [...axes];
  /** @type {Axis[][]} */
  const dimensions = [];
  for (const length of shape) {
    /** @type {Axis[]} */
    const dimension = [];
    for (let left = length; left > 1;) {
      let axis = open.shift();
      if (!axis) return null;
      if (axis.length > left) {
        if (axis.length % left !== 0) return null;
        const parts = [...axesOf(left), ...axesOf(axis.length / left)];
        axis.parts = parts;
        [axis] = parts;
        open.unshift(parts[1]);
      }
      if (left % axis.length !== 0) return null;
      left /= axis.length;
      dimension.push(axis);
    }
    dimensions.push(dimension);
  }
  return dimensions;
}
