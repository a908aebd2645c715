/** The two layouts of an optimizer's state dict: PyTorch's nested one, and a flat one for safetensors files. */
import { isArray, isObject, readList } from './check.js';
import { DynakernelError, given, nameText } from './errors.js';

/** @typedef {import('./state.js').StateValue} StateValue */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * The settings of some parameters. `params` are the numbers of these parameters, in the order of
 * parameters().
 *
 * @typedef {{ lr: number, params: number[], [option: string]: unknown }} OptimizerGroup
 */

/**
 * The state of an optimizer, as PyTorch lays it out. `state` has one object for each parameter, by its
 * number: `step`, `exp_avg` and `exp_avg_sq` (Adam) or `momentum_buffer` (SGD with momentum).
 * `param_groups` has the settings by PyTorch's names.
 *
 * @typedef {object} OptimizerStateDict
 * @property {{ [parameter: string]: { [name: string]: StateValue } }} state
 * @property {OptimizerGroup[]} param_groups
 */

/**
 * A source for an optimizer's loadStateDict: the bytes of a safetensors file, a state dict in PyTorch's
 * layout, or a flat one.
 *
 * @typedef {ArrayBuffer | ArrayBufferView | OptimizerStateDict
 *   | { readonly [name: string]: StateValue | Tensor }} OptimizerSource
 */

/** @typedef {{ [index: string]: { [name: string]: any } }} ByIndex */

/**
 * Whether a dict has PyTorch's layout.
 *
 * @param {any} dict
 * @returns {dict is OptimizerStateDict}
 */
export const isOptimizerState = (dict) =>
  Object.hasOwn(dict, 'param_groups') && isArray(dict.param_groups) && Object.hasOwn(dict, 'state');

/**
 * Whether a flat name belongs to a setting or a number of steps. These need full precision: as a float16,
 * 0.9999 would be 1.
 *
 * @param {string} name
 */
export const isSetting = (name) => /^(param_groups\.\d+\.\w+|state\.\d+\.step)$/.test(name);

/**
 * Converts PyTorch's layout to the flat one, with names such as 'state.0.exp_avg' and 'param_groups.0.lr'.
 * Numbers become arrays of 64-bit floats, and `params` an array of 64-bit integers. Values of null are
 * left out.
 *
 * @param {OptimizerStateDict} dict
 * @returns {{ [name: string]: StateValue }}
 * @throws {DynakernelError} ERR_SAFETENSORS if a value is not a number, a boolean or an array
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

/** The length limit of lists of numbers, such as those of a group's parameters. */
export const MAX_NUMBERS = 2 ** 20;

/**
 * A value of the state dict as an array.
 *
 * @param {string} name
 * @param {string} field
 * @param {unknown} value
 * @returns {StateValue}
 */
function arrayOf(name, field, value) {
  if (typeof value === 'number') return { shape: [], data: Float64Array.of(value) };
  if (typeof value === 'boolean') return { shape: [], data: Uint8Array.of(Number(value)), dtype: 'BOOL' };
  const list = readList(value, (item) => typeof item === 'number', MAX_NUMBERS);
  if (list) {
    const data = field === 'params' && list.every(Number.isSafeInteger)
      ? BigInt64Array.from(list, BigInt) : Float64Array.from(list);
    return { shape: [list.length], data };
  }
  if (typeof value === 'object') return /** @type {StateValue} */ (value);
  throw new DynakernelError('ERR_SAFETENSORS',
    `${nameText(name)} must be a number, a boolean or an array; got ${given(value)}`);
}

/**
 * Reads groups and states from either layout, by their numbers.
 *
 * @param {{ readonly [name: string]: any }} values
 * @returns {{ state: ByIndex, groups: ByIndex }}
 * @throws {DynakernelError} ERR_STATE if the values have neither layout
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

  // neither layout: perhaps the optimizer's dict is one level down
  const nested = ['optimizer', 'optimizer_state_dict', 'optim'].find((name) => Object.hasOwn(values, name));
  throw new DynakernelError('ERR_STATE', "an optimizer's state dict has state and param_groups, or names " +
    `such as state.0.exp_avg and param_groups.0.lr; got ${given(values)}` +
    (nested ? `: pass its ${nested}` : ''));
}

/**
 * Copies of the objects in a list or an object.
 *
 * @param {string} kind 'state' or 'param_groups'
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
