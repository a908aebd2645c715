/** Checks of arguments. */
import { DynakernelError, given } from './errors.js';

/**
 * Checks that all names of an options object are known; `{}` if it is undefined. Callers must read each
 * option once, before anything else, because a getter may run any code. There is no copy: it would take
 * 60 ns, a tenth of a small layer's forward pass.
 *
 * @param {unknown} value
 * @param {string} what the call, for messages
 * @param {readonly string[]} names
 * @returns {{ [name: string]: any }}
 */
export function readOptions(value, what, names) {
  if (value === undefined) return {};
  if (!isObject(value) || isArray(value) || isOpaque(value)) {
    throw new DynakernelError(
      'ERR_CONFIG', `${what} takes an object of options; got ${given(value)}`);
  }
  for (const name of Object.keys(value)) {
    if (names.includes(name)) continue;
    const meant = names.find((known) => lettersOf(known) === lettersOf(name)); // in_channels: inChannels
    const hint = meant ? `did you mean ${meant}?` : `it takes ${names.join(', ')}`;
    throw new DynakernelError('ERR_CONFIG', `${what} has no option ${given(name)}; ${hint}`);
  }
  return value;
}

/** A name without case and punctuation.
 * @param {string} name */
const lettersOf = (name) => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/**
 * Whether an object of some class has no visible properties, such as a tensor instead of options.
 *
 * @param {object} value
 */
function isOpaque(value) {
  const prototype = Object.getPrototypeOf(value);
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return !isPlain && Object.keys(value).length === 0;
}

/**
 * @param {unknown} value
 * @param {string} what
 * @param {number} least
 * @param {number} most
 * @returns {number}
 */
export function integer(value, what, least, most) {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) {
    return value;
  }
  const tooLarge = typeof value === 'number' && Number.isInteger(value) && value > most;
  const range = tooLarge ? `at most ${most}` : `a whole number, ${least} or more`;
  throw new DynakernelError('ERR_CONFIG', `${what} must be ${range}; got ${given(value)}`);
}

/**
 * A whole number for both directions, or a pair of them: [vertical, horizontal]. Returns a number, or a
 * frozen copy of the pair.
 *
 * @param {unknown} value
 * @param {string} what
 * @param {number} least
 * @param {number} most
 * @param {string} [others] what else the option takes, for messages
 * @returns {number | readonly [vertical: number, horizontal: number]}
 */
export function extent(value, what, least, most, others = '') {
  const isWhole = (/** @type {unknown} */ item) =>
    typeof item === 'number' && Number.isInteger(item) && item >= least;
  if (isWhole(value)) return integer(value, what, least, most);
  const pair = readList(value, isWhole, 2);
  const range = pair?.length === 2
    ? `at most ${most}`
    : `a whole number, ${least} or more, or a pair of them, [vertical, horizontal]${others}`;
  if (pair?.length === 2 && Math.max(...pair) <= most) {
    return Object.freeze(/** @type {[number, number]} */ (pair));
  }
  throw new DynakernelError('ERR_CONFIG', `${what} must be ${range}; got ${given(value)}`);
}

/**
 * A finite number in a range.
 *
 * @param {unknown} value
 * @param {string} what
 * @param {string} range such as 'more than 0'
 * @param {(value: number) => boolean} allowed
 * @returns {number}
 */
export function real(value, what, range, allowed) {
  if (typeof value === 'number' && Number.isFinite(value) && allowed(value)) return value;
  throw new DynakernelError('ERR_CONFIG',
    `${what} must be a finite number, ${range}; got ${given(value)}`);
}

/**
 * @param {unknown} value
 * @param {string} what
 * @returns {boolean}
 */
export function boolean(value, what) {
  if (typeof value === 'boolean') return value;
  throw new DynakernelError('ERR_CONFIG', `${what} must be true or false; got ${given(value)}`);
}

/** The most items of a caller's list, unless the check says otherwise. */
const MOST_ITEMS = 1024;

/**
 * Whether every item of an array passes, including holes. The length is checked first, and the first
 * item that fails ends the reading: a length of 2^32 - 1 costs no time.
 *
 * @param {unknown} value
 * @param {(item: any) => boolean} passes
 * @param {number} [most] items
 * @returns {value is any[]}
 */
export const isListOf = (value, passes, most) => readList(value, passes, most) !== null;

/**
 * A copy of such an array, with each item read once; null for any other value.
 *
 * @param {unknown} value
 * @param {(item: any) => boolean} passes
 * @param {number} [most] items
 * @returns {any[] | null}
 */
export function readList(value, passes, most = MOST_ITEMS) {
  if (!isArray(value)) return null;
  const { length } = value;
  if (!(length <= most)) return null;
  const items = [];
  for (let i = 0; i < length; i++) {
    const item = value[i];
    if (!passes(item)) return null;
    items.push(item);
  }
  return items;
}

/**
 * Whether a value is an object that can be read, unlike a revoked Proxy.
 *
 * @param {unknown} value
 * @returns {value is { [name: string]: any }}
 */
export function isObject(value) {
  if (typeof value !== 'object' || value === null) return false;
  try {
    Object.getPrototypeOf(value);
    return true;
  } catch {
    return false;
  }
}

/**
 * Array.isArray without its error for a revoked Proxy.
 *
 * @param {unknown} value
 * @returns {value is any[]}
 */
export function isArray(value) {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

/**
 * @template {string} Choice
 * @param {unknown} value
 * @param {string} what
 * @param {readonly Choice[]} choices
 * @returns {Choice}
 */
export function oneOf(value, what, choices) {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  const list = choices.map((choice) => `'${choice}'`).join(', ');
  throw new DynakernelError('ERR_CONFIG', `${what} must be one of ${list}; got ${given(value)}`);
}

/**
 * An index into one dimension of a tensor.
 *
 * @param {unknown} value
 * @param {string} what
 * @param {number} length
 * @returns {number}
 */
export function index(value, what, length) {
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new DynakernelError('ERR_CONFIG', `${what} must be a whole number; got ${given(value)}`);
  }
  if (value < 0 || value >= length) {
    throw new DynakernelError(
      'ERR_SHAPE', `${what} must be from 0 to ${length - 1}; got ${value}`);
  }
  return value;
}

/**
 * The seed, or a random one.
 *
 * @param {unknown} seed
 * @param {string} what the call, for messages
 */
export function readSeed(seed, what) {
  // Node would need 3 ms to load crypto
  if (seed === undefined) return Math.floor(Math.random() * 2 ** 32);
  return integer(seed, `${what}: seed`, 0, 2 ** 32 - 1);
}
