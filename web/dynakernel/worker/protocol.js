/**
 * The messages between a page and the worker that runs its runtime.
 *
 * The page numbers its requests, and the worker answers each with a value or an error, in order. Objects of the
 * library stay in the worker. A reference stands for them in messages, and for canvases: a Map, because values of
 * callers contain no Maps.
 */

import { className } from '../numbers.js';

/** Raised with each change of a message. */
export const PROTOCOL = 1;

/** The target of the first request, load(). */
export const SERVER = 0;

/** Properties that never change. References carry them, so that reading them needs no message. */
export const CONSTANTS = /** @type {const} */ (['shape', 'config']);

/** How deep values may be nested, and how long an array may be. Typed arrays have no limit. */
const MOST_LEVELS = 32;
const MOST_ITEMS = 2 ** 24;

/**
 * What a member of a class is: a method, a property, or a property that can be set.
 *
 * @typedef {'call' | 'get' | 'set'} MemberKind
 */

/**
 * A class in the worker: its name, and its public members.
 *
 * @typedef {{ name: string, members: { [member: string]: MemberKind } }} Description
 */

/**
 * An object in the worker.
 *
 * @typedef {object} ObjectReference
 * @property {number} object its number
 * @property {string} kind the name of its class
 * @property {Description} [description] of the class, with its first object
 * @property {{ [name: string]: unknown }} constants
 */

/**
 * A canvas that the worker draws on: its number, and the canvas itself in the first message.
 *
 * @typedef {{ canvas: number, surface?: OffscreenCanvas }} CanvasReference
 */

/**
 * A picture that was moved to the worker for one call.
 *
 * @typedef {{ picture: ImageBitmap | VideoFrame | null }} PictureReference
 */

/**
 * A request: 'call' a method with arguments, 'get' a property or 'set' it.
 *
 * @typedef {object} Request
 * @property {number} id
 * @property {number} target the number of an object
 * @property {MemberKind} kind
 * @property {string} name of the member
 * @property {unknown[]} args
 */

/** @typedef {{ code: import('../errors.js').ErrorCode, message: string, cause?: string }} SentError */

/** @typedef {{ id: number, value: unknown } | { id: number, error: SentError }} Answer */

/**
 * The page no longer holds an object, which it has received `count` times, or a canvas.
 *
 * @typedef {{ released: number, count: number } | { releasedCanvas: number }} Release
 */

/**
 * One message. Workers may have messages of their own, which lack `dynakernel`.
 *
 * @typedef {object} Message
 * @property {number} dynakernel the number of the connection; 0 for all
 * @property {'hello' | Request | Release | { protocol: number, lock: string | null } | Answer} body
 */

const KEY = 'dynakernel';

/**
 * @param {ObjectReference | { object: number } | CanvasReference | PictureReference} reference
 * @returns {unknown}
 */
export const referring = (reference) => new Map([[KEY, reference]]);

/**
 * Replaces the references in a value that arrived.
 *
 * @param {any} value
 * @param {(reference: any) => unknown} find the object of a reference
 * @returns {any}
 */
export function received(value, find) {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Map) return find(value.get(KEY));
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (typeof value[i] === 'object') value[i] = received(value[i], find);
  } else if (isPlain(value)) {
    for (const name of Object.keys(value)) value[name] = received(value[name], find);
  }
  return value;
}

/**
 * A copy of a value for a message. `leaf` replaces what is neither a primitive, nor an array, nor a plain object.
 *
 * @param {unknown} value
 * @param {(object: any) => unknown} leaf
 * @param {number} [level]
 * @returns {any}
 */
export function sent(value, leaf, level = 0) {
  if (typeof value === 'function' || typeof value === 'symbol') return leaf(value);
  if (typeof value !== 'object' || value === null) return value;
  if (level > MOST_LEVELS) throw new RangeError(`a value is nested more than ${MOST_LEVELS} levels deep`);
  if (Array.isArray(value)) {
    const { length } = value;
    if (!(length <= MOST_ITEMS)) throw new RangeError(`an array has ${length} items; use a typed array`);
    // by index: the array may have an iterator of its own
    return Array.from({ length }, (_, i) => sent(value[i], leaf, level + 1));
  }
  if (!isPlain(value)) return leaf(value);
  // fromEntries, because an assignment to '__proto__' would make no property
  return Object.fromEntries(Object.keys(value).map((name) =>
    [name, sent(/** @type {any} */ (value)[name], leaf, level + 1)]));
}

/** @param {object} value */
function isPlain(value) {
  const prototype = Object.getPrototypeOf(value);
  // an object of another realm, such as an iframe's, has another Object.prototype
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * A view with the same numbers on memory of its own, which can be transferred. The views' memory may be shared, or
 * that of a WebAssembly module.
 *
 * @template {ArrayBufferView} View
 * @param {View} view
 * @returns {View & { buffer: ArrayBuffer }}
 */
export function copied(view) {
  const { buffer, byteOffset, byteLength } = view;
  const bytes = new Uint8Array(byteLength);
  bytes.set(new Uint8Array(buffer, byteOffset, byteLength));
  return new (/** @type {any} */ (globalThis)[className(view)])(bytes.buffer);
}
