/** Normalisations: batch norm, and those that are composed of means. */

/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */

/** @type {import('./table.js').Table} */
export const NORMALISATION = {
  BatchNormalization: [5, 5, batchNormalization],
  InstanceNormalization: [3, 3, (node, [x, scale, bias], t) => {
    const axes = range(2, x.shape.length);
    const perChannel = [x.shape[1], ...axes.map(() => 1)];
    return affine(normalise(x, axes, node.float('epsilon', 1e-5), t).y, scale, bias, perChannel, t);
  }],
  LayerNormalization: [2, 3, layerNormalization],
  GroupNormalization: [3, 3, groupNormalization],
  LRN: [1, 1, (node, [x], t) => {
    const size = node.int('size');
    if (!(size >= 1 && size < 2 ** 15)) throw node.error(`has the size ${size}`);
    if (x.shape.length < 2) throw node.error(`must have an input of 2 dimensions or more; got [${x.shape.join(', ')}]`);
    return t.emit('lrn', [x],
      { size, alpha: node.float('alpha', 1e-4), beta: node.float('beta', 0.75), bias: node.float('bias', 1) });
  }],
  LpNormalization: [1, 1, (node, [x], t) => {
    const axes = [t.axis(node.int('axis', -1), x.shape.length)];
    const power = node.int('p', 2);
    const reduced = { axes, keepDims: true };
    if (power === 1) return t.emit('divide', [x, t.emit('reduceSum', [t.emit('abs', [x])], reduced)]);
    return t.emit('divide', [x, t.emit('sqrt', [t.emit('reduceSum', [t.emit('multiply', [x, x])], reduced)])]);
  }],
};

/**
 * @param {number} begin
 * @param {number} end
 */
const range = (begin, end) => Array.from({ length: Math.max(0, end - begin) }, (_, i) => begin + i);

/**
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 */
function batchNormalization(node, [x, scale, bias, mean, variance], t) {
  const eps = node.float('epsilon', 1e-5);
  if (node.opset >= 14 && node.int('training_mode', 0) !== 0) {
    // by the statistics of the batch, as weights are standardised
    const axes = range(0, x.shape.length).filter((axis) => axis !== 1);
    return affine(normalise(x, axes, eps, t).y, scale, bias, [x.shape[1], ...x.shape.slice(2).fill(1)], t);
  }
  if (scale.shape.length === 1 && x.shape.length >= 2 && [scale, bias, mean, variance].every((one) => one.data)) {
    return t.emit('batchNorm', [x, scale, bias, mean, variance], { eps });
  }
  // statistics that are computed, or for each element (spatial = 0 of old files)
  const placed = (/** @type {Operand} */ one) =>
    (one.shape.length === 1 ? t.reshape(one, [one.shape[0], ...x.shape.slice(2).fill(1)]) : one);
  const factor = t.emit('divide', [scale, t.emit('sqrt', [t.emit('add', [variance, t.scalar(eps)])])]);
  return t.emit('add', [t.emit('multiply', [t.emit('subtract', [x, placed(mean)]), placed(factor)]), placed(bias)]);
}

/**
 * (x - mean) / sqrt(variance + eps) over axes.
 *
 * @param {Operand} x
 * @param {number[]} axes
 * @param {number} eps
 * @param {Trace} t
 */
function normalise(x, axes, eps, t) {
  const along = { axes, keepDims: true };
  const mean = t.emit('reduceMean', [x], along);
  const centred = t.emit('subtract', [x, mean]);
  const variance = t.emit('reduceMean', [t.emit('multiply', [centred, centred])], along);
  const deviation = t.emit('sqrt', [t.emit('add', [variance, t.scalar(eps)])]);
  return { y: t.emit('divide', [centred, deviation]), mean, deviation };
}

/**
 * @param {Operand} x
 * @param {Operand} scale
 * @param {Operand | null | undefined} bias
 * @param {number[]} shape of scale and bias beside x
 * @param {Trace} t
 */
function affine(x, scale, bias, shape, t) {
  const scaled = t.emit('multiply', [x, t.reshape(scale, shape)]);
  return bias ? t.emit('add', [scaled, t.reshape(bias, shape)]) : scaled;
}

/**
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 * @returns {Operand[]}
 */
function layerNormalization(node, [x, scale, bias], t) {
  const first = t.axis(node.int('axis', -1), x.shape.length);
  const { y, mean, deviation } = normalise(x, range(first, x.shape.length), node.float('epsilon', 1e-5), t);
  const scaled = t.emit('multiply', [y, scale]);
  const result = bias ? t.emit('add', [scaled, bias]) : scaled;
  return node.outputs.length > 2 ? [result, mean, t.emit('reciprocal', [deviation])] : [result, mean];
}

/**
 * @param {OnnxNode} node
 * @param {Operand[]} inputs
 * @param {Trace} t
 */
function groupNormalization(node, [x, scale, bias], t) {
  const groups = node.int('num_groups');
  const [N, C, ...rest] = x.shape;
  if (!(groups >= 1) || C % groups) throw node.error(`cannot divide ${C} channels into ${groups} groups`);
  const inner = rest.reduce((a, b) => a * b, C / groups);
  const { y } = normalise(t.reshape(x, [N, groups, inner]), [2], node.float('epsilon', 1e-5), t);
  // opset 18 scales each group, later ones each channel
  if (node.opset < 21) return t.reshape(affine(y, scale, bias, [groups, 1], t), x.shape);
  return affine(t.reshape(y, x.shape), scale, bias, [C, ...rest.map(() => 1)], t);
}
