/** Resize of all versions, and Upsample before it. */

/** @typedef {import('./table.js').Operand} Operand */
/** @typedef {import('./table.js').OnnxNode} OnnxNode */
/** @typedef {import('./table.js').Trace} Trace */

/** @type {import('./table.js').Table} */
export const RESIZE = {
  Resize: [1, 4, (node, inputs, t) => resize(node, inputs[0], readResize(node, inputs, t), t)],
  Upsample: [1, 2, (node, [x, scales], t) => {
    const factors = node.opset < 9 ? node.floats('scales') : t.numbers(scales, 'scales');
    return resize(node, x, { scales: factors, sizes: null, coordinates: 'asymmetric', nearestMode: 'floor' }, t);
  }],
};

/**
 * @typedef {{ scales: number[] | null, sizes: number[] | null, coordinates: string, nearestMode: string }} Plan one
 * number an axis
 */

/**
 * @param {OnnxNode} node
 * @param {(Operand | null | undefined)[]} inputs
 * @param {Trace} t
 * @returns {Plan}
 */
function readResize(node, inputs, t) {
  const x = /** @type {Operand} */ (inputs[0]);
  // opset 10 has scales only, and no choices
  if (node.opset < 11) return { scales: t.numbers(inputs[1], 'scales'), sizes: null, coordinates: 'asymmetric',
    nearestMode: 'floor' };
  const given = (/** @type {Operand | null | undefined} */ one, /** @type {string} */ what) => {
    const numbers = one ? t.numbers(one, what) : [];
    return numbers.length > 0 ? numbers : null; // old exporters leave an input out by an empty tensor
  };
  const axes = node.ints('axes', x.shape.map((_, i) => i)).map((axis) => t.axis(axis, x.shape.length));
  let scales = given(inputs[2], 'scales');
  let sizes = given(inputs[3], 'sizes');
  if (sizes) scales = null;
  for (const list of [scales, sizes]) {
    if (list && list.length !== axes.length) {
      throw node.error(`must have one size or scale for each of ${axes.length} axes; got ${list.length}`);
    }
  }
  const policy = node.string('keep_aspect_ratio_policy', 'stretch');
  if (sizes && policy !== 'stretch') {
    if (policy !== 'not_larger' && policy !== 'not_smaller') {
      throw node.error(`has the unknown keep_aspect_ratio_policy ${policy}`);
    }
    const ratios = axes.map((axis, i) => /** @type {number[]} */ (sizes)[i] / x.shape[axis]);
    const ratio = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
    sizes = axes.map((axis) => Math.round(ratio * x.shape[axis]));
  }
  // axes that are not named stay
  const spread = (/** @type {number[] | null} */ list, /** @type {number[]} */ others) => list &&
    others.map((other, i) => (axes.includes(i) ? list[axes.indexOf(i)] : other));
  if (node.int('antialias', 0) !== 0 &&
    axes.some((axis, i) => (sizes ? sizes[i] < x.shape[axis] : scales && scales[i] < 1))) {
    throw node.unsupported('antialias');
  }
  return {
    scales: spread(scales, x.shape.map(() => 1)), sizes: spread(sizes, x.shape),
    coordinates: node.string('coordinate_transformation_mode', 'half_pixel'),
      nearestMode: node.string('nearest_mode', 'round_prefer_floor'),
  };
}

/**
 * @param {OnnxNode} node
 * @param {Operand} x
 * @param {Plan} plan
 * @param {Trace} t
 */
function resize(node, x, { scales, sizes, coordinates, nearestMode }, t) {
  const rank = x.shape.length;
  const list = sizes ?? scales;
  if (!list) throw node.error('must have scales or sizes');
  if (list.length !== rank || !list.every((number) => Number.isFinite(number) && number > 0)) {
    throw node.error(`must have ${rank} scales or sizes above 0; got [${list.slice(0, 16).join(', ')}]`);
  }
  const size = sizes ?? x.shape.map((length, i) => Math.floor(length * /** @type {number[]} */ (scales)[i]));
  const factors = scales ?? size.map((length, i) => length / x.shape[i]);
  const mode = node.string('mode', 'nearest');
  if (size.every((length, i) => length === x.shape[i]) && factors.every((factor) => factor === 1)) return x;
  if (mode !== 'nearest' && mode !== 'linear' && mode !== 'bilinear') throw node.unsupported(`mode ${mode}`);
  if (rank < 3 || rank > 4) throw node.unsupported(`of ${rank} dimensions`);
  if (factors[0] !== 1 || factors[1] !== 1) throw node.unsupported('of the batch or channels');

  const scale = rank === 3 ? [1, factors[2]] : factors.slice(2);
  const image = rank === 3 ? t.reshape(x, [x.shape[0], x.shape[1], 1, x.shape[2]]) : x;
  const target = rank === 3 ? [1, size[2]] : size.slice(2);
  const choices = simplest(node, mode, coordinates, nearestMode, scale, target);
  const y = t.emit('resize', [image],
    { mode: mode === 'nearest' ? 'nearest' : 'bilinear', ...choices, scales: scale, size: target });
  return rank === 3 ? t.reshape(y, size) : y;
}

/**
 * Coordinates and rounding as a network has them; those of whole factors in their simplest form.
 *
 * @param {OnnxNode} node
 * @param {string} mode
 * @param {string} coordinates
 * @param {string} nearestMode
 * @param {number[]} scales
 * @param {number[]} size
 */
function simplest(node, mode, coordinates, nearestMode, scales, size) {
  if (!['floor', 'ceil', 'round_prefer_floor', 'round_prefer_ceil'].includes(nearestMode)) {
    throw node.error(`has the unknown nearest_mode ${nearestMode}`);
  }
  const isWhole = scales.every(Number.isInteger);
  const isNearest = mode === 'nearest';
  // (x + 0.5) / scale, rounded down, is half_pixel rounded to the nearest
  if (coordinates === 'tf_half_pixel_for_nn' && isNearest && nearestMode === 'floor') {
    return isWhole ? { coordinates: 'asymmetric', nearestMode }
      : { coordinates: 'half_pixel', nearestMode: 'round_prefer_ceil' };
  }
  // both axes keep their whole length: symmetric or not is the same
  const isSymmetric = coordinates === 'half_pixel_symmetric' && isWhole;
  const known = isSymmetric ? 'half_pixel' : coordinates;
  if (!['half_pixel', 'pytorch_half_pixel', 'asymmetric', 'align_corners'].includes(known)) {
    throw node.unsupported(`coordinates ${coordinates}`);
  }
  // half-pixel places of a whole factor are never in the middle between two elements
  const isHalf = known === 'half_pixel' || (known === 'pytorch_half_pixel' && size.every((length) => length > 1));
  if (isNearest && isWhole && isHalf && nearestMode.startsWith('round')) {
    return { coordinates: 'asymmetric', nearestMode: 'floor' };
  }
  return { coordinates: known, nearestMode };
}
