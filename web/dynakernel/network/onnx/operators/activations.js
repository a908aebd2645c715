/** Activations: those of a network, and compositions of them. */
import { isFloat } from '../tensors.js';
import { steep } from './comparisons.js';
import { runningSums } from './reductions.js';

/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */

/** @type {import('./table.js').Table} */
export const ACTIVATIONS = {
  LeakyRelu: [1, 1, (node, [x], t) => t.emit('leakyRelu', [x], { slope: node.float('alpha', 0.01) })],
  PRelu: [2, 2, prelu],
  Elu: [1, 1, (node, [x], t) => t.emit('elu', [x], { alpha: node.float('alpha', 1) })],
  Selu: [1, 1, (node, [x], t) => {
    const alpha = node.float('alpha', 1.6732632423543772);
    return t.emit('multiply', [t.emit('elu', [x], { alpha }), t.scalar(node.float('gamma', 1.0507009873554805))]);
  }],
  Celu: [1, 1, (node, [x], t) => {
    const alpha = t.scalar(node.float('alpha', 1));
    return t.emit('multiply', [t.emit('elu', [t.emit('divide', [x, alpha])], { alpha: 1 }), alpha]);
  }],
  ThresholdedRelu: [1, 1, thresholdedRelu],
  HardSigmoid: [1, 1, (node, [x], t) =>
    t.emit('hardSigmoid', [x], { alpha: node.float('alpha', 0.2), beta: node.float('beta', 0.5) })],
  HardSwish: [1, 1, (_node, [x], t) => t.emit('hardSwish', [x])],
  Softplus: [1, 1, (_node, [x], t) => softplus(x, t)],
  Softsign: [1, 1, (_node, [x], t) => t.emit('divide', [x, t.emit('add', [t.emit('abs', [x]), t.scalar(1)])])],
  Mish: [1, 1, (_node, [x], t) => t.emit('multiply', [x, t.emit('tanh', [softplus(x, t)])])],
  Gelu: [1, 1, (node, [x], t) => {
    const approximate = node.string('approximate', 'none');
    if (approximate !== 'none' && approximate !== 'tanh') {
      throw node.error(`has the unknown approximation ${approximate}`);
    }
    return t.emit('gelu', [x], { tanh: approximate === 'tanh' });
  }],
  Clip: [1, 3, clip],
  Softmax: [1, 1, (node, [x], t) => alongAxis(node, x, t, (flat, axis) => t.emit('softmax', [flat], { axis }))],
  LogSoftmax: [1, 1, (node, [x], t) => alongAxis(node, x, t, (flat, axis) => logSoftmax(flat, axis, t))],
  Hardmax: [1, 1, (node, [x], t) => alongAxis(node, x, t, (flat, axis) => hardmax(node, flat, axis, t))],
};

/**
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 */
function prelu(node, [x, slope], t) {
  // opset 6 has one slope a channel, without dimensions after it
  const perChannel = node.opset < 7 && slope.shape.length === 1 && slope.shape[0] > 1 && x.shape.length > 1;
  const placed = perChannel ? t.reshape(slope, [slope.shape[0], ...x.shape.slice(2).fill(1)]) : slope;
  return t.emit('prelu', [x, placed]);
}

/**
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 */
function thresholdedRelu(node, [x], t) {
  const alpha = node.float('alpha', 1);
  const isAbove = steep(t.emit('subtract', [x, t.scalar(alpha)]), 0, t);
  return t.emit('multiply', [alpha < 0 ? x : t.emit('relu', [x]), isAbove]);
}

/**
 * log(1 + exp(x)), which stays finite: max(x, 0) + log(1 + exp(-|x|)).
 *
 * @param {Operand} x
 * @param {Trace} t
 */
function softplus(x, t) {
  const small = t.emit('exp', [t.emit('negate', [t.emit('abs', [x])])]);
  return t.emit('add', [t.emit('relu', [x]), t.emit('log', [t.emit('add', [small, t.scalar(1)])])]);
}

/**
 * @param {OnnxNode} node
 * @param {(Operand | null | undefined)[]} inputs
 * @param {Trace} t
 */
function clip(node, inputs, t) {
  const x = /** @type {Operand} */ (inputs[0]);
  const fromAttributes = node.opset < 11;
  const [low, high] = fromAttributes ? [t.scalar(node.float('min', -Infinity)), t.scalar(node.float('max', Infinity))]
    : inputs.slice(1);
  if (low && !low.data || high && !high.data || !isFloat(x.dtype)) {
    const bounded = low ? t.emit('maximum', [x, low]) : x;
    return high ? t.emit('minimum', [bounded, high]) : bounded;
  }
  const [least, most] = [low ? t.number(low, 'min') : -Infinity, high ? t.number(high, 'max') : Infinity];
  if (least === -Infinity && most === Infinity) return x;
  return least === 0 && most === Infinity ? t.emit('relu', [x]) : t.emit('clip', [x], { low: least, high: most });
}

/**
 * Before opset 13, softmax and its kin take all dimensions from the axis on as one.
 *
 * @param {OnnxNode} node
 * @param {Operand} x
 * @param {Trace} t
 * @param {(x: Operand, axis: number) => Operand} compute
 */
function alongAxis(node, x, t, compute) {
  const rank = x.shape.length;
  const axis = t.axis(node.int('axis', node.opset < 13 ? 1 : -1), Math.max(rank, node.opset < 13 ? 2 : 1));
  if (node.opset >= 13 || axis === rank - 1) return compute(x, axis);
  const [outer, inner] =
    [x.shape.slice(0, axis), x.shape.slice(axis)].map((lengths) => lengths.reduce((a, b) => a * b, 1));
  return t.reshape(compute(t.reshape(x, [outer, inner]), 1), x.shape);
}

/**
 * @param {Operand} x
 * @param {number} axis
 * @param {Trace} t
 */
function logSoftmax(x, axis, t) {
  const along = { axes: [axis], keepDims: true };
  const shifted = t.emit('subtract', [x, t.emit('reduceMax', [x], along)]);
  return t.emit('subtract', [shifted, t.emit('log', [t.emit('reduceSum', [t.emit('exp', [shifted])], along)])]);
}

/**
 * 1 at the first largest element, else 0.
 *
 * @param {OnnxNode} node
 * @param {Operand} x
 * @param {number} axis
 * @param {Trace} t
 * @returns {Operand}
 */
function hardmax(node, x, axis, t) {
  // 1 at every largest element
  const below = t.emit('subtract', [x, t.emit('reduceMax', [x], { axes: [axis], keepDims: true })]);
  const largest = t.emit('add', [steep(below, -1, t), t.scalar(1)]);
  // how many of them come before
  const earlier = runningSums(node, largest, axis, { isExclusive: true, isReverse: false }, t);
  const isFirst = t.emit('clip', [t.emit('subtract', [t.scalar(1), earlier])], { low: 0, high: 1 });
  return t.emit('multiply', [largest, isFirst]);
}
