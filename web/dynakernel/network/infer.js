/**
 * The shape that each op of a graph makes. A rule's comment lists the inputs and attributes of the op.
 * N batch, C channels, O output channels, G groups, K kernels, R kernel size.
 */
import { DynakernelError } from '../errors.js';
import { sameShape, shapeText, sizeOf } from '../shape.js';

/** @typedef {readonly number[]} Shape */
/** @typedef {{ [name: string]: any }} Attributes */
/** @typedef {(inputs: any[], attributes: Attributes, op: string) => number[][]} Rule */

/** @param {string} message */
const refusal = (message) => new DynakernelError('ERR_SHAPE', message);

/**
 * @param {string} op
 * @param {(Shape | null)[]} inputs null for an optional input that is left out
 * @param {Attributes} attributes
 * @returns {number[][]} the shapes of the outputs
 * @throws {DynakernelError} ERR_SHAPE if the inputs do not fit together
 */
export function inferShapes(op, inputs, attributes) {
  const rule = BY_NAME.get(op);
  if (!rule) throw new DynakernelError('ERR_CONFIG', `a network has no op ${op}`);
  return rule(inputs, attributes, op);
}

/**
 * The shape of a and b together, by NumPy's rules of broadcasting.
 *
 * @param {Shape} a
 * @param {Shape} b
 * @param {string} op for the message
 */
export function broadcast(a, b, op) {
  if (sameShape(a, b)) return a.slice();
  const rank = Math.max(a.length, b.length);
  /** @type {number[]} */
  const shape = [];
  for (let i = 0; i < rank; i++) {
    const [p, q] = [i - rank + a.length, i - rank + b.length];
    const left = p < 0 ? 1 : a[p];
    const right = q < 0 ? 1 : b[q];
    if (left !== right && left !== 1 && right !== 1) {
      throw refusal(`${op}: the shapes ${shapeText(a)} and ${shapeText(b)} cannot be broadcast together`);
    }
    shape.push(left === 1 ? right : left);
  }
  return shape;
}

/**
 * @param {Shape} shape
 * @param {number} rank
 * @param {string} what
 */
function checkRank(shape, rank, what) {
  if (shape.length !== rank) {
    throw refusal(`${what} must have ${rank} dimensions; it has the shape ${shapeText(shape)}`);
  }
}

/**
 * @param {Shape | null | undefined} shape
 * @param {Shape} expected
 * @param {string} what
 */
function checkSame(shape, expected, what) {
  if (!shape || sameShape(shape, expected)) return;
  throw refusal(`${what} must have the shape ${shapeText(expected)}; got ${shapeText(shape)}`);
}

/**
 * Positions that a window has along one axis.
 *
 * @param {number} length
 * @param {number} window
 * @param {number} stride
 * @param {number} padding before and after, together
 * @param {number} dilation
 * @param {string} op
 */
function positions(length, window, stride, padding, dilation, op) {
  const reach = dilation * (window - 1) + 1;
  const room = length + padding - reach;
  if (!(room >= 0)) {
    throw refusal(`${op}: a kernel that reaches over ${reach} does not fit into ${length} with padding ${padding}`);
  }
  return Math.floor(room / stride) + 1;
}

/**
 * Positions that the window of a pool has along one axis; 0 if it does not fit.
 *
 * @param {number} length
 * @param {number} reach of the window
 * @param {number} stride
 * @param {readonly [before: number, after: number]} padding
 * @param {boolean} isCeil whether the last window may be cut off
 */
export function pooledLength(length, reach, stride, [before, after], isCeil) {
  const room = length + before + after - reach;
  if (room < 0) return 0;
  const count = Math.floor(room / stride) + 1;
  if (!isCeil || room % stride === 0) return count;
  // one more window, unless it begins in the padding at the end
  return count * stride < length + before ? count + 1 : count;
}

/**
 * [N, O, Ho, Wo] of a convolution.
 *
 * @param {Shape} x [N, C, H, W]
 * @param {number} O
 * @param {number} Rh
 * @param {number} Rw
 * @param {Attributes} attributes
 * @param {string} op
 */
const convolved = (x, O, Rh, Rw, { stride, padding, dilation }, op) => [
  x[0], O,
  positions(x[2], Rh, stride[0], padding[0] + padding[2], dilation[0], op),
  positions(x[3], Rw, stride[1], padding[1] + padding[3], dilation[1], op),
];

/**
 * x [N,C,H,W], weight [O,C/G,Rh,Rw] or one a sample [N,O,C/G,Rh,Rw], bias [O]?
 *
 * @type {Rule}
 */
function conv2d([x, weight, bias], attributes, op) {
  checkRank(x, 4, `${op}: the input`);
  const perSample = weight.length === 5;
  const first = perSample ? 1 : 0;
  const O = weight[first];
  const { groups } = attributes;
  if (perSample) checkSame([weight[0]], [x[0]], `${op}: the batch of the kernels`);
  else checkRank(weight, 4, `${op}: the weight`);
  checkGroups(x, O, weight[first + 1], groups, op);
  if (bias) checkSame(bias, [O], `${op}: the bias`);
  return [convolved(x, O, weight[first + 2], weight[first + 3], attributes, op)];
}

/**
 * x [N,C,H,W], a [N,K]?, weight [K,O,C/G,Rh,Rw], bias [K,O]?, f [N,O]?, s [N,C]?, q [N,Rh*Rw]?; a may be left out if K
 * is 1
 *
 * @type {Rule}
 */
function dynamicConv2d([x, a, weight, bias, f, s, q], attributes, op) {
  checkRank(x, 4, `${op}: the input`);
  checkRank(weight, 5, `${op}: the weight`);
  const [K, O, depth, Rh, Rw] = weight;
  const [N, C] = x;
  checkGroups(x, O, depth, attributes.groups, op);
  if (!a && K > 1) throw refusal(`${op}: ${K} kernels need the attention, [${N}, ${K}]`);
  checkSame(a, [N, K], `${op}: the attention`);
  checkSame(bias, [K, O], `${op}: the bias`);
  checkSame(f, [N, O], `${op}: the factors of output channels`);
  checkSame(s, [N, C], `${op}: the factors of input channels`);
  checkSame(q, [N, Rh * Rw], `${op}: the factors of taps`);
  return [convolved(x, O, Rh, Rw, attributes, op)];
}

/**
 * @param {Shape} x
 * @param {number} O
 * @param {number} depth input channels of a kernel
 * @param {number} groups
 * @param {string} op
 */
function checkGroups(x, O, depth, groups, op) {
  if (x[1] === depth * groups && O % groups === 0) return;
  throw refusal(`${op}: kernels of ${O} output and ${depth} input channels in ${groups} groups do not fit ` +
    `${x[1]} input channels`);
}

/**
 * x [N,C,H,W], weight [C,O/G,Rh,Rw], bias [O]?
 *
 * @type {Rule}
 */
function convTranspose2d([x, weight, bias], { stride, padding, outputPadding, dilation, groups }, op) {
  checkRank(x, 4, `${op}: the input`);
  checkRank(weight, 4, `${op}: the weight`);
  if (weight[0] !== x[1] || x[1] % groups) {
    throw refusal(`${op}: a weight ${shapeText(weight)} in ${groups} groups does not fit ${x[1]} input channels`);
  }
  const O = weight[1] * groups;
  checkSame(bias, [O], `${op}: the bias`);
  const size = [0, 1].map((i) => (x[2 + i] - 1) * stride[i] + dilation[i] * (weight[2 + i] - 1) + 1 +
    outputPadding[i] - padding[i] - padding[2 + i]);
  return [[x[0], O, ...size]];
}

/**
 * x [N,C,...], weight, bias, mean, variance [C]
 *
 * @type {Rule}
 */
function batchNorm([x, ...statistics], _attributes, op) {
  if (x.length < 2) throw refusal(`${op}: the input must have at least 2 dimensions; it has the shape ${shapeText(x)}`);
  for (const shape of statistics) checkSame(shape, [x[1]], `${op}: the statistics`);
  return [[...x]];
}

/** The names of an attention's heads, in their order. */
export const HEADS = /** @type {const} */ (['kernels', 'outputs', 'inputs', 'taps']);

/**
 * x [N,C,H,W], hiddenWeight [M,C]?, bnWeight, bnBias, bnMean, bnVariance [M]?, then weight [head,M]? and bias [head]? of
 * each head; without a hidden layer M is C. Makes [N,head] for each head that has a weight; eps, temperature, softmax:
 * whether the head of the kernels is a softmax
 *
 * @type {Rule}
 */
function attention([x, hiddenWeight, ...rest], _attributes, op) {
  checkRank(x, 4, `${op}: the input`);
  const [N, C] = x;
  const M = hiddenWeight ? hiddenWeight[0] : C;
  checkSame(hiddenWeight, [M, C], `${op}: the hidden weight`);
  const statistics = rest.slice(0, 4).filter(Boolean);
  if (statistics.length > 0 && (statistics.length < 4 || !hiddenWeight)) {
    throw refusal(`${op}: a batch norm needs a hidden layer, and a weight, a bias, a mean and a variance`);
  }
  for (const shape of statistics) checkSame(shape, [M], `${op}: the batch norm`);
  /** @type {number[][]} */
  const outputs = [];
  HEADS.forEach((name, i) => {
    const [weight, bias] = rest.slice(4 + 2 * i, 6 + 2 * i);
    if (weight) {
      checkSame(weight, [weight[0], M], `${op}: the weight of the ${name}`);
      outputs.push([N, weight[0]]);
    }
    if (bias) checkSame(bias, [weight ? weight[0] : 0], `${op}: the bias of the ${name}`);
  });
  if (outputs.length === 0) throw refusal(`${op}: there is no head`);
  return outputs;
}

/**
 * x [...,I], weight [O,I], bias [O]?
 *
 * @type {Rule}
 */
function linear([x, weight, bias], _attributes, op) {
  checkRank(weight, 2, `${op}: the weight`);
  checkSame(x.slice(-1), [weight[1]], `${op}: the last dimension of the input`);
  checkSame(bias, [weight[0]], `${op}: the bias`);
  return [[...x.slice(0, -1), weight[0]]];
}

/**
 * a [...,M,K], b [...,K,N]
 *
 * @type {Rule}
 */
function matmul([a, b], _attributes, op) {
  if (a.length < 2 || b.length < 2 || a.at(-1) !== b.at(-2)) {
    throw refusal(`${op}: the shapes ${shapeText(a)} and ${shapeText(b)} cannot be multiplied`);
  }
  return [[...broadcast(a.slice(0, -2), b.slice(0, -2), op), a.at(-2), b.at(-1)]];
}

/**
 * x; axes: which, in rising order; keepDims
 *
 * @type {Rule}
 */
function reduce([x], { axes, keepDims }) {
  const kept = keepDims
    ? x.map((/** @type {number} */ length, /** @type {number} */ i) => (axes.includes(i) ? 1 : length))
    : x.filter((/** @type {number} */ _, /** @type {number} */ i) => !axes.includes(i));
  return [kept];
}

/**
 * x [N,C,H,W]; kernel, stride, dilation [v,h]; padding [top,left,bottom,right]; size [Ho,Wo], which may be
 * one more than fits (ceil_mode): the last window is cut off then
 *
 * @type {Rule}
 */
function pool([x], { size }, op) {
  checkRank(x, 4, `${op}: the input`);
  return [[x[0], x[1], ...size]];
}

/**
 * any number of inputs; axis
 *
 * @type {Rule}
 */
function concat(inputs, { axis }, op) {
  const shape = [...inputs[0]];
  for (const other of inputs.slice(1)) {
    const expected = shape.map((length, i) => (i === axis ? other[i] : length));
    checkSame(other, expected, `${op}: an input`);
    shape[axis] += other[axis];
  }
  return [shape];
}

/**
 * x; axis, sizes
 *
 * @type {Rule}
 */
function split([x], { axis, sizes }, op) {
  const sum = sizes.reduce((/** @type {number} */ total, /** @type {number} */ size) => total + size, 0);
  if (sum !== x[axis]) throw refusal(`${op}: the parts ${shapeText(sizes)} do not add up to ${x[axis]}`);
  return sizes.map((/** @type {number} */ size) =>
    x.map((/** @type {number} */ length, /** @type {number} */ i) => (i === axis ? size : length)));
}

/**
 * x; shape
 *
 * @type {Rule}
 */
function reshape([x], { shape }, op) {
  if (sizeOf(x) !== sizeOf(shape)) throw refusal(`${op}: ${shapeText(x)} cannot become ${shapeText(shape)}`);
  return [[...shape]];
}

/**
 * x; starts, steps, size: one of each an axis, steps may be negative
 *
 * @type {Rule}
 */
const slice = (_inputs, { size }) => [[...size]];

/**
 * x; order: dimension i of the output is dimension order[i] of x
 *
 * @type {Rule}
 */
const transpose = ([x], { order }) => [order.map((/** @type {number} */ axis) => x[axis])];

/**
 * x; before, after: one of each an axis; mode 'constant', 'edge' or 'reflect'; value
 *
 * @type {Rule}
 */
const pad = ([x], { before, after }) =>
  [x.map((/** @type {number} */ length, /** @type {number} */ i) => before[i] + length + after[i])];

/**
 * x [N,C,H,W]; mode 'nearest' or 'bilinear'; coordinates 'half_pixel', 'align_corners', 'asymmetric' or
 * 'pytorch_half_pixel'; nearestMode 'floor', 'ceil', 'round_prefer_floor' or 'round_prefer_ceil';
 * scales [v,h]; size [Ho,Wo]
 *
 * @type {Rule}
 */
function resize([x], { size }, op) {
  checkRank(x, 4, `${op}: the input`);
  return [[x[0], x[1], ...size]];
}

/**
 * x [N,C,H,W]; block; mode 'DCR' or 'CRD'
 *
 * @type {Rule}
 */
function depthToSpace([x], { block }, op) {
  checkRank(x, 4, `${op}: the input`);
  if (x[1] % (block * block)) throw refusal(`${op}: ${x[1]} channels cannot become blocks of ${block}x${block}`);
  return [[x[0], x[1] / (block * block), x[2] * block, x[3] * block]];
}

/**
 * x [N,C,H,W]; block: channel (v*block + h)*C + c of the output is channel c at row v and column h of a block
 *
 * @type {Rule}
 */
function spaceToDepth([x], { block }, op) {
  checkRank(x, 4, `${op}: the input`);
  if (x[2] % block || x[3] % block) {
    throw refusal(`${op}: ${x[2]}x${x[3]} cannot be divided into blocks of ${block}x${block}`);
  }
  return [[x[0], x[1] * block * block, x[2] / block, x[3] / block]];
}

/**
 * x [N,C,...]; groups: channel i*(C/groups) + j goes to j*groups + i
 *
 * @type {Rule}
 */
function channelShuffle([x], { groups }, op) {
  if (x[1] % groups) throw refusal(`${op}: ${x[1]} channels cannot be shuffled in ${groups} groups`);
  return [[...x]];
}

/**
 * x; shape: to which x is broadcast
 *
 * @type {Rule}
 */
function expand([x], { shape }, op) {
  checkSame(broadcast(x, shape, op), shape, `${op}: the shape`);
  return [[...shape]];
}

/** @type {Rule} */
const elementwise = ([a, b], _attributes, op) => [broadcast(a, b, op)];

/** @type {Rule} */
const same = ([x]) => [[...x]];

/**
 * x, slope, which is broadcast to x
 *
 * @type {Rule}
 */
function prelu([x, slope], _attributes, op) {
  checkSame(broadcast(x, slope, op), x, `${op}: the input`);
  return [[...x]];
}

/** @type {{ readonly [op: string]: Rule }} */
const RULES = {
  conv2d, dynamicConv2d, attention, convTranspose2d, batchNorm, linear, matmul,
  add: elementwise, subtract: elementwise, multiply: elementwise, divide: elementwise, // a, b
  minimum: elementwise, maximum: elementwise, power: elementwise,
  relu: same, sigmoid: same, tanh: same, silu: same, hardSwish: same, // x
  exp: same, sqrt: same, negate: same, reciprocal: same, abs: same, log: same, erf: same,
  leakyRelu: same, // slope
  prelu,
  elu: same, // alpha
  clip: same, // low, high: perhaps infinite
  hardSigmoid: same, // alpha, beta
  gelu: same, // tanh: the approximation
  softmax: same, // axis
  reduceMean: reduce, reduceSum: reduce, reduceMax: reduce,
  averagePool: pool, // countIncludePad
  maxPool: pool,
  concat, slice, split, reshape, transpose, channelShuffle, pad, resize, depthToSpace, spaceToDepth,
  lrn: same, // size, alpha, beta, bias
  expand,
};

/** A map holds nothing but the rules. */
const BY_NAME = new Map(Object.entries(RULES));

/** The names of the ops. */
export const OPS = Object.keys(RULES);
