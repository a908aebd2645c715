/** Hints for messages about state dicts that do not fit. */
import { isObject, readList } from './check.js';
import { nameText } from './errors.js';
import { isLength } from './shape.js';
import { fitsEntry } from './state-value.js';

/** @typedef {import('./state.js').StateEntry} StateEntry */

/** The longest name that is examined. */
const LONGEST_NAME = 1000;

/** Names of the state dict in checkpoints of training scripts. */
const NESTED = ['state_dict', 'model_state_dict', 'model', 'module', 'net', 'params', 'weights'];

/**
 * Proposes the prefix that the names have, or names a state dict inside the source.
 *
 * @param {{ readonly [name: string]: any }} values
 * @param {readonly StateEntry[]} entries
 * @param {string} prefix the given one
 * @returns {string} the end of a message; '' without a hint
 */
export function prefixHint(values, entries, prefix) {
  const found = nearestPrefix(values, entries, prefix);
  if (found !== undefined) {
    const why = found.endsWith('module.') ? '; DataParallel puts module. before names' : '';
    return ` (did you mean { prefix: '${nameText(found)}' }?${why})`;
  }
  const nested = NESTED.find((name) => Object.hasOwn(values, name) && isDict(values[name]));
  return nested ? ` (it contains a state dict: pass its ${nested})` : '';
}

/**
 * The prefix that most of the names have. If several prefixes have equally many names, the one whose shapes fit
 * and that shares most of its parts with the given prefix. Undefined if the given prefix has as many names as any other.
 *
 * @param {{ readonly [name: string]: any }} values
 * @param {readonly StateEntry[]} entries
 * @param {string} given
 */
function nearestPrefix(values, entries, given) {
  /** @type {Map<string, number>} */
  const counts = new Map([[given, 0]]);
  const wanted = new Set(entries.map(({ name }) => name));
  for (const name of Object.keys(values)) {
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
  // names such as 'weight' are everywhere
  const fitting = best.filter((prefix) => entries.every((entry) => {
    const name = prefix + entry.name;
    return !Object.hasOwn(values, name) || fitsEntry(entry, lengthsOf(values[name]));
  }));
  const parts = new Set(given.split('.'));
  return (fitting.length > 0 ? fitting : best)
    .map((prefix) => ({ prefix, shared: prefix.split('.').filter((part) => parts.has(part)).length }))
    .reduce((near, other) => (other.shared > near.shared ? other : near)).prefix;
}

/** A parameter that only one kind of module has. */
const KINDS = [
  ['dk.dynamicKernelAggregation', 'aggregation.weight'], ['dk.dyConv2d', 'attention.fc2.weight'],
  ['dk.odConv2d', 'attention.channel_fc.weight'], ['dk.kernelAttention', 'conv2.bias'],
];

/**
 * Names the kind of module that a state dict belongs to, if the module is of another kind.
 *
 * @param {{ readonly [name: string]: any }} values
 * @param {readonly StateEntry[]} entries
 * @param {string} prefix
 * @returns {string} the end of a message; '' without a hint
 */
export function kindHint(values, entries, prefix) {
  const shapes = new Map(entries.map(({ name, shape }) => [name, shape]));
  const found = kindOf((name) => Object.hasOwn(values, prefix + name), (name) => lengthsOf(values[prefix + name]));
  const expected = kindOf((name) => shapes.has(name), (name) => shapes.get(name) ?? []);
  return found && expected && found !== expected ? `; it looks like the state dict of ${found}, expected ${expected}` : '';
}

/**
 * The kind of module that has these names, undefined if it is unknown.
 *
 * @param {(name: string) => boolean} has
 * @param {(name: string) => readonly number[]} shapeOf
 */
function kindOf(has, shapeOf) {
  const kind = KINDS.find(([, name]) => has(name));
  if (kind) return kind[0];
  if (!has('weight')) return undefined;
  const rank = shapeOf('weight').length;
  if (rank === 2) return has('bias') && shapeOf('bias').length === 1 ? 'dk.routing' : 'dk.condConv2d';
  return rank === 4 ? 'an ordinary convolution' : rank === 5 ? 'dk.kernelAggregation' : undefined;
}

/**
 * The shape of a value, or [] if it has none.
 *
 * @param {any} value
 * @returns {readonly number[]}
 */
function lengthsOf(value) {
  return (isObject(value) && readList(value.shape, isLength)) || [];
}

/**
 * Names the options that would have made other lengths.
 *
 * @param {readonly { entry: StateEntry, value: { shape: readonly number[] } }[]} misfits
 * @returns {string} the end of a message; '' without a hint
 */
export function optionHint(misfits) {
  /** @type {Map<string, string>} */
  const options = new Map();
  for (const { entry: { axes = [], shape }, value } of misfits) {
    if (value.shape.length !== shape.length) continue;
    axes.forEach((option, axis) => {
      if (value.shape[axis] !== shape[axis]) options.set(option, `${option} (${value.shape[axis]} there, ${shape[axis]} here)`);
    });
  }
  return options.size > 0 ? `; compare the options: ${[...options.values()].join(', ')}` : '';
}

/** Whether a value looks like a state dict.
 * @param {any} value */
function isDict(value) {
  if (!isObject(value) || ArrayBuffer.isView(value.data)) return false;
  return Object.values(value).some((inner) => isObject(inner) && ArrayBuffer.isView(inner.data));
}
