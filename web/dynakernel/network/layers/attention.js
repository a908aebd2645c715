/** The attention branch of dynamic convolutions, as one op. */
import { real } from '../../check.js';
import { HEADS } from '../infer.js';
import { constant, kaimingNormal, layerDefault } from './initialise.js';

/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./initialise.js').Fill} Fill */
/** @typedef {import('./scope.js').Scope} Scope */

/** The epsilon of every batch norm of an attention branch. */
const EPS = 1e-5;

/**
 * A linear layer of a branch.
 *
 * @typedef {object} Part
 * @property {string} path of its parameters
 * @property {number} length how many numbers it makes
 */

/**
 * @typedef {object} Branch
 * @property {string} name of the layer
 * @property {Part} [hidden] without bias
 * @property {string} [batchNorm] the path of its parameters
 * @property {{ [head in typeof HEADS[number]]?: Part | null }} heads
 * @property {number} [temperature] (1)
 * @property {boolean} [softmax] whether the head of the kernels is a softmax (false)
 * @property {'pointwise' | 'linear'} [form] pointwise (the default): each part is stored and initialised as a 1x1
 *   convolution of an attention branch; linear: as torch.nn.Linear
 */

/**
 * The attentions of a branch: [N, length] of each head that there is.
 *
 * @typedef {{ [head in typeof HEADS[number]]: Value | null }} Attentions
 */

/**
 * The path of a part of a layer.
 *
 * @param {string} path
 * @param {string} name
 */
export const within = (path, name) => (path === '' ? name : `${path}.${name}`);

/**
 * Adds an attention branch.
 *
 * @param {Scope} scope
 * @param {Value} x [N, C, H, W]
 * @param {Branch} branch
 * @returns {Attentions}
 */
export function attend(scope, x, { name, hidden, batchNorm, heads, temperature = 1, softmax = false,
  form = 'pointwise' }) {
  /** @type {(part: Part, I: number, fill: Fill) => Value} */
  const weightOf = ({ path, length }, I, fill) =>
    scope.parameter(path, 'weight', form === 'linear' ? [length, I] : [length, I, 1, 1], fill, [length, I]);
  const C = x.shape[1];
  /** @type {(Value | null)[]} */
  const inputs = [x, hidden ? weightOf(hidden, C, kaimingNormal(hidden.length)) : null];
  if (batchNorm !== undefined) inputs.push(...scope.batchNorm(batchNorm, hidden?.length ?? C));
  else inputs.push(null, null, null, null);
  const I = hidden?.length ?? C;
  for (const head of HEADS) {
    const part = heads[head];
    if (!part) inputs.push(null, null);
    else if (form === 'linear') inputs.push(weightOf(part, I, layerDefault(I)), biasOf(scope, part, layerDefault(I)));
    else inputs.push(weightOf(part, I, kaimingNormal(part.length)), biasOf(scope, part, constant(0)));
  }
  const outputs = scope.emitAll('attention', name, inputs, { eps: EPS, temperature, softmax });
  let made = 0;
  return /** @type {any} */ (Object.fromEntries(HEADS.map((head) => [head, heads[head] ? outputs[made++] : null])));
}

/**
 * @param {Scope} scope
 * @param {Part} part
 * @param {Fill} fill
 */
const biasOf = (scope, { path, length }, fill) => scope.parameter(path, 'bias', [length], fill);

/**
 * @param {string} layer
 * @param {unknown} temperature
 */
export const readTemperature = (layer, temperature) =>
  real(temperature, `${layer}: temperature`, 'more than 0', (number) => number > 0);
