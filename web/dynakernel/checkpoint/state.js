/** Where the state dict lies in a checkpoint, and what its names are called without wrappers' prefixes. */
import { StoredTensor } from './objects.js';
import { PyObject } from './pickle.js';

/** Keys under which training scripts keep the weights, the first ones preferred. */
const KEYS = [
  'state_dict', 'model_state_dict', 'model_state', 'state_dict_ema', 'params_ema', 'ema_state_dict', 'model_ema',
  'ema', 'model', 'params', 'net', 'network', 'weights', 'generator', 'backbone', 'module', 'teacher', 'student',
];

/** What wrappers put before or between names: DataParallel, torch.compile, FSDP. */
const WRAPPERS = /(^|\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g;

const DEEPEST = 64;

/**
 * The tensors of a checkpoint's state dict by name; undefined if there are none.
 *
 * @param {unknown} root
 * @returns {Map<string, StoredTensor> | undefined}
 */
export function findStateDict(root) {
  const found = search(root, new Set(), 0);
  if (!found) return undefined;
  const bare = new Map([...found].map(([name, tensor]) => [name.replace(WRAPPERS, '$1'), tensor]));
  const wrapped = [...bare.keys()].every((name) => name.startsWith('module.'));
  return wrapped ? new Map([...bare].map(([name, tensor]) => [name.slice('module.'.length), tensor])) : bare;
}

/**
 * @param {unknown} value
 * @param {Set<unknown>} seen what is being searched, so that a cycle ends
 * @param {number} depth
 * @returns {Map<string, StoredTensor> | undefined}
 */
function search(value, seen, depth) {
  if (depth > DEEPEST || seen.has(value)) return undefined;
  seen.add(value);
  // A model that was pickled whole, perhaps under a key: torch.save(model).
  if (isModule(value)) return nonEmpty(tensorsOfModule(value, '', new Map(), 0));
  const dict = value instanceof PyObject && value.entries.size > 0 ? value.entries : value;
  if (!(dict instanceof Map)) return undefined;
  // A dict of tensors is the state dict, whatever else lies among them.
  const tensors = tensorsOfDict(dict);
  if (tensors.size > 0 && !KEYS.some((key) => hasTensors(dict.get(key)))) return tensors;
  const keys = [...KEYS, ...[...dict.keys()].filter((key) => !KEYS.includes(/** @type {string} */ (key)) &&
    !/optim|sched|scaler/i.test(String(key)))];
  for (const key of keys) {
    const inner = search(dict.get(key), seen, depth + 1);
    if (inner) return inner;
  }
  return nonEmpty(tensors);
}

/** @param {unknown} value whether it is a dict with a tensor in it, or a model */
const hasTensors = (value) => isModule(value) || (value instanceof Map && tensorsOfDict(value).size > 0);

/**
 * @param {Map<string, StoredTensor>} tensors
 */
const nonEmpty = (tensors) => (tensors.size > 0 ? tensors : undefined);

/** @param {Map<unknown, unknown>} dict its entries that are tensors; others (epochs, extra state) are skipped */
function tensorsOfDict(dict) {
  /** @type {Map<string, StoredTensor>} */
  const tensors = new Map();
  for (const [name, value] of dict) {
    if (typeof name === 'string' && value instanceof StoredTensor) tensors.set(name, value);
  }
  return tensors;
}

/**
 * @param {unknown} value
 * @returns {value is PyObject} whether it is a pickled torch.nn.Module
 */
const isModule = (value) => value instanceof PyObject && value.state instanceof Map &&
  value.state.get('_modules') instanceof Map && value.state.get('_parameters') instanceof Map;

/**
 * The parameters and buffers of a pickled module and of the modules in it, as state_dict() names them.
 *
 * @param {PyObject} module
 * @param {string} prefix
 * @param {Map<string, StoredTensor>} tensors
 * @param {number} depth
 */
function tensorsOfModule(module, prefix, tensors, depth) {
  const state = /** @type {Map<string, unknown>} */ (module.state);
  const transient = state.get('_non_persistent_buffers_set');
  for (const part of ['_parameters', '_buffers']) {
    const values = state.get(part);
    if (!(values instanceof Map)) continue;
    for (const [name, tensor] of tensorsOfDict(values)) {
      if (part === '_buffers' && Array.isArray(transient) && transient.includes(name)) continue;
      tensors.set(prefix + name, tensor);
    }
  }
  if (depth >= DEEPEST) return tensors;
  for (const [name, inner] of /** @type {Map<unknown, unknown>} */ (state.get('_modules'))) {
    if (isModule(inner)) tensorsOfModule(inner, `${prefix}${name}.`, tensors, depth + 1);
  }
  return tensors;
}
