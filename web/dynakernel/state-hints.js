/** Hints for messages about missing names of a state dict. */
import { isObject } from './check.js';
import { nameText } from './errors.js';

/** The longest name that is examined. */
const LONGEST_NAME = 1000;

/** Names of the state dict in checkpoints of training scripts. */
const NESTED = ['state_dict', 'model_state_dict', 'model', 'module', 'net', 'params', 'weights'];

/**
 * Proposes the prefix that the names have, or names a state dict inside the source.
 *
 * @param {{ readonly [name: string]: any }} values
 * @param {readonly { name: string }[]} entries
 * @param {string} prefix the given one
 * @returns {string} the end of a message; '' without a hint
 */
export function prefixHint(values, entries, prefix) {
  const found = nearestPrefix(Object.keys(values), entries, prefix);
  if (found !== undefined) {
    const why = found.endsWith('module.') ? '; DataParallel puts module. before names' : '';
    return ` (did you mean { prefix: '${nameText(found)}' }?${why})`;
  }
  const nested = NESTED.find((name) => Object.hasOwn(values, name) && isDict(values[name]));
  return nested ? ` (it contains a state dict: pass its ${nested})` : '';
}

/**
 * The prefix that most of the names have. If several prefixes have equally many names, the one that shares
 * most of its parts with the given prefix. Undefined if the given prefix has as many names as any other.
 *
 * @param {readonly string[]} names
 * @param {readonly { name: string }[]} entries
 * @param {string} given
 */
function nearestPrefix(names, entries, given) {
  /** @type {Map<string, number>} */
  const counts = new Map([[given, 0]]);
  const wanted = new Set(entries.map(({ name }) => name));
  for (const name of names) {
    if (name.length > LONGEST_NAME) continue;
    // The whole name, or its rest after any dot, may be a name of the module.
    for (let start = 0; start >= 0 && start < name.length;) {
      if (wanted.has(name.slice(start))) {
        const prefix = name.slice(0, start);
        counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
      }
      const dot = name.indexOf('.', start);
      start = dot < 0 ? -1 : dot + 1;
    }
  }
  const most = [...counts.values()].reduce((high, count) => Math.max(high, count));
  if (counts.get(given) === most) return undefined;
  const best = [...counts].filter(([, count]) => count === most).map(([prefix]) => prefix);
  const parts = new Set(given.split('.'));
  return best.map((prefix) => ({ prefix, shared: prefix.split('.').filter((part) => parts.has(part)).length }))
    .reduce((near, other) => (other.shared > near.shared ? other : near)).prefix;
}

/** Whether a value looks like a state dict.
 * @param {any} value */
function isDict(value) {
  if (!isObject(value) || ArrayBuffer.isView(value.data)) return false;
  return Object.values(value).some((inner) => isObject(inner) && ArrayBuffer.isView(inner.data));
}
