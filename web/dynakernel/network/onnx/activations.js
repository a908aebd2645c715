/** Recognises activations that exporters write as several operators. */
import { sameShape } from '../../shape.js';

/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./rewriter.js').Rewriter} Rewriter */

/** A value as scale * value. @typedef {{ scale: number, value: Value }} Form */

/** The most numbers of a product that are taken off. */
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
  const [output] = node.outputs;
  const add = (/** @type {Value} */ x, /** @type {Activation} */ { op, attributes }) =>
    (sameShape(x.shape, output.shape) ? r.add(op, node.name, [x], attributes) : null);
  for (const { scale, value } of formsOf(output, r, node)) {
    // a gate alone
    const clipped = isNear(scale, 1 / 6) ? clippedInput(value, r) : null;
    if (clipped) return add(clipped, { op: 'hardSigmoid', attributes: { alpha: 1 / 6, beta: 0.5 } });

    // x * gate(x), in either order
    const product = value === output ? node : r.maker(value);
    if (product?.op !== 'multiply') continue;
    const [a, b] = /** @type {Value[]} */ (product.inputs);
    for (const [first, second] of [[a, b], [b, a]]) {
      for (const x of formsOf(first, r)) {
        for (const gate of formsOf(second, r)) {
          const activation = gated(x.value, gate.value, scale * x.scale * gate.scale, r);
          if (activation) return add(x.value, activation);
        }
      }
    }
  }
  return null;
}

/** @typedef {{ op: string, attributes?: { [name: string]: any } }} Activation */

/**
 * The activation that is scale * x * gate.
 *
 * @param {Value} x
 * @param {Value} gate
 * @param {number} scale
 * @param {Rewriter} r
 * @returns {Activation | null}
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
  const wave = r.maker(plusNumber(gate, 1, r));
  if (wave?.op !== 'erf' && wave?.op !== 'tanh') return null;
  const isTanh = wave.op === 'tanh';
  const isGelu = formsOf(/** @type {Value} */ (wave.inputs[0]), r).some((inner) => (isTanh
    ? isNear(inner.scale, Math.sqrt(2 / Math.PI)) && isCubic(inner.value, x, r)
    : isNear(inner.scale, Math.SQRT1_2) && inner.value === x));
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
  return formsOf(other, r).some((form) => isNear(form.scale, 0.044715) && isCube(form.value, x, r));
}

/**
 * Whether a value is x^3, as a power or a product.
 *
 * @param {Value} value
 * @param {Value} x
 * @param {Rewriter} r
 */
function isCube(value, x, r) {
  const node = r.maker(value);
  if (node?.op === 'power') return node.inputs[0] === x && numberOf(node.inputs[1]) === 3;
  if (node?.op !== 'multiply' || !node.inputs.includes(x)) return false;
  const square = r.maker(node.inputs.find((input) => input !== x), 'multiply');
  return square !== null && square.inputs.every((input) => input === x);
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
 * @param {Value | null | undefined} value
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
 * @param {Value | null | undefined} value
 */
const numberOf = (value) => (value?.constant?.length === 1 ? value.constant[0] : NaN);

/**
 * All ways to see a value as scale * value: with no factor taken off that is a number, with one, two ...
 *
 * @param {Value} whole
 * @param {Rewriter} r
 * @param {Node | null} [maker] of the value, if it is the node at hand
 * @returns {Form[]}
 */
function formsOf(whole, r, maker = r.maker(whole)) {
  const forms = [{ scale: 1, value: whole }];
  for (let node = maker; node && forms.length <= LONGEST;) {
    const { scale } = forms[forms.length - 1];
    const [a, b] = node.inputs;
    const [left, right] = [numberOf(a), numberOf(b)];
    let form = null;
    if (node.op === 'multiply' && !Number.isNaN(right)) form = { scale: scale * right, value: a };
    else if (node.op === 'multiply' && !Number.isNaN(left)) form = { scale: scale * left, value: b };
    else if (node.op === 'divide' && !Number.isNaN(right)) form = { scale: scale / right, value: a };
    if (!form) break;
    forms.push(/** @type {Form} */ (form));
    node = r.maker(form.value);
  }
  return forms;
}
