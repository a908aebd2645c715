/** An optimizer's state dict as PyTorch lays it out, and flat, as a safetensors file holds it. */
import { isArray, isObject, readList } from './check.js';
import { DynakernelError, given, nameText } from './errors.js';

/** @typedef {import('./state.js').StateValue} StateValue */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * Parameters that share their settings: `params` are their numbers, in the order of parameters().
 *
 * @typedef {{ lr: number, params: number[], [option: string]: unknown }} OptimizerGroup
 */

/**
 * What an optimizer remembers: of each parameter by its number `step`, `exp_avg` and `exp_avg_sq`
 * (Adam) or `momentum_buffer` (SGD with momentum), and its settings by PyTorch's names.
 *
 * @typedef {object} OptimizerStateDict
 * @property {{ [parameter: string]: { [name: string]: StateValue } }} state
 * @property {OptimizerGroup[]} param_groups
 */

/**
 * What an optimizer's loadStateDict reads: the bytes of a safetensors file, a state dict as PyTorch
 * lays it out, or a flat one.
 *
 * @typedef {ArrayBuffer | ArrayBufferView | OptimizerStateDict
 *   | { readonly [name: string]: StateValue | Tensor }} OptimizerSource
 */

/** @typedef {{ [index: string]: { [name: string]: any } }} ByIndex */

/**
 * @param {any} dict
 * @returns {dict is OptimizerStateDict}
 */
export const isOptimizerState = (dict) =>
  Object.hasOwn(dict, 'param_groups') && isArray(dict.param_groups) && Object.hasOwn(dict, 'state');

/**
 * Whether a flat name is of a setting or a number of steps: as a half, 0.999 would be 1.
 *
 * @param {string} name
 */
export const isSetting = (name) => /^(param_groups\.\d+\.\w+|state\.\d+\.step)$/.test(name);

/**
 * The same with one level of names: 'state.0.exp_avg', 'param_groups.0.lr'. Numbers become arrays of
 * 64-bit floats, `params` one of 64-bit integers; what is null is left out.
 *
 * @param {OptimizerStateDict} dict
 * @returns {{ [name: string]: StateValue }}
 * @throws {DynakernelError} ERR_SAFETENSORS if a value is no number, truth value or array
 */
export function flattenOptimizerState(dict) {
  const { state, param_groups: groups } = dict;
  /** @type {[string, StateValue][]} */
  const flat = [];
  for (const [kind, items] of Object.entries({ state, param_groups: groups })) {
    for (const [index, fields] of Object.entries(items ?? {})) {
      for (const [field, value] of Object.entries(fields ?? {})) {
        const name = `${kind}.${index}.${field}`;
        if (value !== null && value !== undefined) flat.push([name, arrayOf(name, field, value)]);
      }
    }
  }
  return Object.fromEntries(flat);
}

/** Numbers of a list, such as those of a group's parameters. */
export const MOST_NUMBERS = 2 ** 20;

/**
 * @param {string} name
 * @param {string} field
 * @param {unknown} value
 * @returns {StateValue}
 */
function arrayOf(name, field, value) {
  if (typeof value === 'number') return { shape: [], data: Float64Array.of(value) };
  if (typeof value === 'boolean') return { shape: [], data: Uint8Array.of(Number(value)), dtype: 'BOOL' };
  const list = readList(value, (item) => typeof item === 'number', MOST_NUMBERS);
  if (list) {
    const data = field === 'params' && list.every(Number.isSafeInteger)
      ? BigInt64Array.from(list, BigInt) : Float64Array.from(list);
    return { shape: [list.length], data };
  }
  if (typeof value === 'object') return /** @type {StateValue} */ (value);
  throw new DynakernelError('ERR_SAFETENSORS',
    `${nameText(name)} must be a number, a truth value or an array; got ${given(value)}`);
}

/**
 * Groups and states by their numbers, from either layout.
 *
 * @param {{ readonly [name: string]: any }} values
 * @returns {{ state: ByIndex, groups: ByIndex }}
 * @throws {DynakernelError} ERR_STATE if the source is no optimizer's
 */
export function readLayout(values) {
  if (isOptimizerState(values)) {
    const { state, param_groups: groups } = values;
    return { state: fieldsOf('state', state), groups: fieldsOf('param_groups', groups) };
  }
  /** @type {{ [kind: string]: ByIndex }} */
  const kinds = { state: {}, param_groups: {} };
  for (const name of Object.keys(values)) {
    const [, kind, index, field] = /^(state|param_groups)\.(\d{1,9})\.(\w+)$/.exec(name) ?? [];
    if (kind) (kinds[kind][index] ??= {})[field] = values[name];
  }
  if (Object.keys(kinds.param_groups).length > 0) return { state: kinds.state, groups: kinds.param_groups };

  const nested = ['optimizer', 'optimizer_state_dict', 'optim'].find((name) => Object.hasOwn(values, name));
  throw new DynakernelError('ERR_STATE', "an optimizer's state dict has state and param_groups, or names " +
    `such as state.0.exp_avg and param_groups.0.lr; got ${given(values)}` +
    (nested ? `: pass its ${nested}` : ''));
}

/**
 * @param {string} kind
 * @param {any} items
 * @returns {ByIndex}
 */
function fieldsOf(kind, items) {
  const entries = isObject(items) ? Object.entries(items) : [];
  if (isObject(items) && entries.every(([, fields]) => isObject(fields))) {
    return Object.fromEntries(entries.map(([index, fields]) => [index, { ...fields }]));
  }
  throw new DynakernelError('ERR_STATE',
    `${kind} of an optimizer's state dict must hold objects; got ${given(items)}`);
}
