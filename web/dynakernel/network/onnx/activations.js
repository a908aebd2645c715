/** Recognises activations that exporters write as several operators. */

/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./rewriter.js').Rewriter} Rewriter */

/** @typedef {{ scale: number, factors: Value[] }} Product scale * factors[0] * factors[1] ... */

/** The most nodes of a product that are looked at. */
const LONGEST = 8;

/**
 * @param {number} a
 * @param {number} b
 */
const isNear = (a, b) => Math.abs(a - b) <= 1e-6 * Math.abs(b);

/**
 * @param {Node} node
 * @param {Rewriter} r
 * @returns {Value | null}
 */
export function recogniseActivation(node, r) {
  if (node.op !== 'multiply' && node.op !== 'divide') return null;
  const { scale, factors } = productOf(node, r);
  /** @type {Product[]} */
  const candidates = [{ scale, factors }];
  // x may be a product itself
  if (node.op === 'multiply') candidates.push({ scale: 1, factors: /** @type {Value[]} */ (node.inputs) });
  for (const product of candidates) {
    // [x, gate(x)] in either order
    for (const [x, gate] of [product.factors, [product.factors[1], product.factors[0]]]) {
      if (product.factors.length !== 2) break;
      const activation = gated(x, gate, product.scale, r);
      if (activation) return r.add(activation.op, node.name, [x], activation.attributes);
    }
  }
  // a gate alone
  const x = factors.length === 1 && isNear(scale, 1 / 6) ? clippedInput(factors[0], r) : null;
  return x && r.add('hardSigmoid', node.name, [x], { alpha: 1 / 6, beta: 0.5 });
}

/**
 * The activation that is scale * x * gate.
 *
 * @param {Value} x
 * @param {Value} gate
 * @param {number} scale
 * @param {Rewriter} r
 * @returns {{ op: string, attributes?: { [name: string]: any } } | null}
 */
function gated(x, gate, scale, r) {
  const node = r.maker(gate);
  if (scale === 1 && node?.inputs[0] === x) {
    if (node.op === 'sigmoid') return { op: 'silu' };
    const { alpha, beta } = node.attributes;
    if (node.op === 'hardSigmoid' && isNear(alpha, 1 / 6) && isNear(beta, 0.5)) return { op: 'hardSwish' };
  }
  if (isNear(scale, 1 / 6) && clippedInput(gate, r) === x) return { op: 'hardSwish' };
  if (!isNear(scale, 0.5)) return null;

  // 1 + erf(x / sqrt(2)), or 1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))
  const inner = plusNumber(gate, 1, r);
  const wave = r.maker(inner);
  if (wave?.op !== 'erf' && wave?.op !== 'tanh') return null;
  const { scale: factor, factors } = productOf(r.maker(wave.inputs[0]), r);
  if (factors.length !== 1) return null;
  const isTanh = wave.op === 'tanh';
  const isGelu = isTanh ? isNear(factor, Math.sqrt(2 / Math.PI)) && isCubic(factors[0], x, r)
    : isNear(factor, Math.SQRT1_2) && factors[0] === x;
  return isGelu ? { op: 'gelu', attributes: { tanh: isTanh } } : null;
}

/**
 * Whether a value is x + 0.044715 * x^3.
 *
 * @param {Value} value
 * @param {Value} x
 * @param {Rewriter} r
 */
function isCubic(value, x, r) {
  const sum = r.maker(value, 'add');
  const other = sum?.inputs.find((input) => input !== x);
  if (!sum || !other || !sum.inputs.includes(x)) return false;
  const { scale, factors } = productOf(r.maker(other), r);
  if (!isNear(scale, 0.044715)) return false;
  if (factors.length === 3) return factors.every((factor) => factor === x);
  const power = r.maker(factors[0], 'power');
  return factors.length === 1 && power?.inputs[0] === x && numberOf(power.inputs[1]) === 3;
}

/**
 * x of clip(x + 3, 0, 6).
 *
 * @param {Value} value
 * @param {Rewriter} r
 */
function clippedInput(value, r) {
  const clip = r.maker(value, 'clip');
  return clip && clip.attributes.low === 0 && clip.attributes.high === 6 ? plusNumber(clip.inputs[0], 3, r) : null;
}

/**
 * x of x + number.
 *
 * @param {Value | null} value
 * @param {number} number
 * @param {Rewriter} r
 */
function plusNumber(value, number, r) {
  const sum = r.maker(value, 'add');
  const i = sum ? sum.inputs.findIndex((input) => numberOf(input) === number) : -1;
  return sum && i >= 0 ? sum.inputs[1 - i] : null;
}

/**
 * The number that a constant with one element is; NaN if it is none.
 *
 * @param {Value | null} value
 */
const numberOf = (value) => (value?.constant?.length === 1 ? value.constant[0] : NaN);

/**
 * A product of values, with all single numbers as one.
 *
 * @param {Node | null} node
 * @param {Rewriter} r
 * @returns {Product} no factors if the node is none
 */
function productOf(node, r) {
  let scale = 1;
  /** @type {Value[]} */
  const factors = [];
  const open = node ? [node.outputs[0]] : [];
  for (let looked = 0; open.length > 0; looked++) {
    const value = /** @type {Value} */ (open.pop());
    const maker = looked < LONGEST ? r.maker(value) ?? (node && value === node.outputs[0] ? node : null) : null;
    const number = numberOf(value);
    const [a, b] = maker?.inputs ?? [];
    if (!Number.isNaN(number)) scale *= number;
    else if (maker?.op === 'multiply' && a && b) open.push(b, a);
    else if (maker?.op === 'divide' && a && !Number.isNaN(numberOf(b))) {
      scale /= numberOf(b);
      open.push(a);
    } else factors.push(value);
  }
  return { scale, factors };
}
