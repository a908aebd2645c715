/**
 * The boundary between the library and its callers. All public methods, accessors and functions pass
 * through it, for two things:
 *
 * - A Proxy of one of the library's objects stands for the object. Vue, Alpine and others hand out
 *   Proxies, but private fields are not reached through them.
 * - What leaves is a DynakernelError. Getters, traps and the platform throw others in between.
 *
 * The classes stay as they are written: guardClass replaces what their prototypes hold, once.
 */
import { DynakernelError, isDynakernelError, messageOf } from './errors.js';

/** @typedef {import('./errors.js').ErrorCode} ErrorCode */
/** @typedef {{ close(): void }} Closable */

/** Where an object keeps the way to itself. A Proxy passes reads of it on, as of any property. */
const SELF = Symbol('dynakernel.self');

/** Asks the way to an object for its heap instead. Nobody outside has it. */
const HEAP = {};

/** Codes of foreign errors where ERR_CONFIG does not fit.
 * @type {{ readonly [call: string]: ErrorCode }} */
const CODES = {
  load: 'ERR_LOAD', loadStateDict: 'ERR_STATE',
  parseSafetensors: 'ERR_SAFETENSORS', toSafetensors: 'ERR_SAFETENSORS',
};

/** Items of an array in which Proxies are looked for. */
const MOST_ITEMS = 10_000;

/**
 * Lets the boundary find an object through a Proxy. The constructor calls it.
 *
 * The value is a function: libraries that wrap all objects in Proxies, or copy their properties,
 * leave functions alone.
 *
 * @param {object} object
 * @param {Closable} heap closed if WebAssembly fails in a method of the object
 */
export function rememberSelf(object, heap) {
  // An assignment takes 10 ns. Object.defineProperty, which could hide the property, takes 110.
  /** @type {any} */ (object)[SELF] = (/** @type {unknown} */ asked) => (asked === HEAP ? heap : object);
}

/**
 * Puts all public methods and accessors of a class behind the boundary. The class calls it in a
 * static block.
 *
 * @param {{ prototype: object }} Class
 * @param {string} name of the class, which a minified bundle loses
 */
export function guardClass(Class, name) {
  const { prototype } = Class;
  for (const key of Reflect.ownKeys(prototype)) {
    if (key === 'constructor') continue;
    const member = /** @type {PropertyDescriptor} */ (Object.getOwnPropertyDescriptor(prototype, key));
    const call = typeof key === 'string' ? key : 'dispose'; // the one symbol is Symbol.dispose
    if (member.value) member.value = guard(member.value, call);
    if (member.get) member.get = guard(member.get, call);
    if (member.set) member.set = guard(member.set, call);
    Object.defineProperty(prototype, key, member);
  }
  Object.defineProperty(Class, 'name', { value: name, configurable: true });
  // Vue makes no Proxies of objects that have a tag of their own.
  Object.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true });
}

/**
 * A function that throws the library's errors only, and works through Proxies. It looks for those
 * after a refusal, so that other calls do not pay for it.
 *
 * No public function takes more than three arguments. They have names here, since a rest parameter
 * would make an array for each call.
 *
 * @template {Function} Callable
 * @param {Callable} work
 * @param {string} call its name, for messages
 * @returns {Callable}
 */
export function guard(work, call) {
  /**
   * @this {unknown}
   * @param {unknown} first
   * @param {unknown} second
   * @param {unknown} third
   */
  function behindBoundary(first, second, third) {
    try {
      return work.call(this, first, second, third);
    } catch (error) {
      return recover(error, work, call, [this, first, second, third]);
    }
  }
  Object.defineProperty(behindBoundary, 'name', { value: work.name, configurable: true });
  Object.defineProperty(behindBoundary, 'length', { value: work.length, configurable: true });
  return /** @type {any} */ (behindBoundary);
}

/**
 * Runs the body of an exported function behind the boundary.
 *
 * @template Result
 * @param {string} call its name, for messages
 * @param {() => Result} body
 * @returns {Result}
 */
export function guarded(call, body) {
  try {
    return body();
  } catch (error) {
    throw ownError(error, call);
  }
}

/**
 * The same for a function that returns a promise.
 *
 * @template Result
 * @param {string} call its name, for messages
 * @param {() => Promise<Result>} body
 * @returns {Promise<Result>}
 */
export async function guardedAsync(call, body) {
  try {
    return await body();
  } catch (error) {
    throw ownError(error, call);
  }
}

/**
 * Calls once more with the objects themselves if some were behind Proxies: their private fields are
 * the first that a call needs, and a refused call has changed nothing. Else throws.
 *
 * @param {unknown} error
 * @param {Function} work
 * @param {string} call
 * @param {unknown[]} values `this` and the arguments
 */
function recover(error, work, call, values) {
  let cause = error;
  try {
    if (isA(TypeError, error)) {
      const [self, ...rest] = values.map(withoutProxies);
      if (self !== values[0] || rest.some((value, i) => value !== values[i + 1])) {
        return work.call(self, ...rest);
      }
    }
  } catch (second) {
    cause = second;
  }
  if (isA(WebAssembly.RuntimeError, cause)) closeHeapOf(values[0]);
  throw ownError(cause, call);
}

/**
 * The object itself if a value is a Proxy of one of the library's, or a copy of an array or of options
 * that has one. Any other value as it is.
 *
 * @param {unknown} value
 */
function withoutProxies(value) {
  const self = selfOf(value);
  if (self !== value || typeof value !== 'object' || value === null) return self;
  if (Array.isArray(value)) return itemsWithoutProxies(value);
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value; // not options: a canvas, say
  const entries = Object.entries(value).map(([name, part]) => ({ name, part, self: selfOf(part) }));
  if (entries.every((entry) => entry.self === entry.part)) return value;
  return Object.fromEntries(entries.map((entry) => [entry.name, entry.self]));
}

/** @param {unknown[]} array */
function itemsWithoutProxies(array) {
  const items = [];
  for (let i = 0; i < array.length; i++) { // by hand: the array may say how it is iterated
    if (i === MOST_ITEMS) return array;
    items.push(selfOf(array[i]));
  }
  return items.some((item, i) => item !== array[i]) ? items : array;
}

/**
 * The object that a Proxy stands for, if it is one of the library's. Any other value as it is.
 *
 * @param {unknown} value
 * @returns {unknown}
 */
function selfOf(value) {
  if (typeof value !== 'object' || value === null) return value;
  const self = /** @type {any} */ (value)[SELF];
  return typeof self === 'function' ? self() : value;
}

/**
 * The error that leaves a call: what was thrown if it is the library's, else one with it as cause.
 *
 * @param {unknown} error
 * @param {string} call
 */
function ownError(error, call) {
  if (isDynakernelError(error)) return error;
  const message = messageOf(error);
  if (isA(WebAssembly.RuntimeError, error)) {
    return new DynakernelError('ERR_DISPOSED', `${call}: the WebAssembly module failed: ${message}. ` +
      'Its memory can no longer be trusted, so the runtime is disposed; load() starts another',
    { cause: error });
  }
  const [fitting, text] = explain(message, CODES[call] ?? 'ERR_CONFIG');
  return new DynakernelError(fitting, `${call}: ${text}`, { cause: error });
}

/**
 * The code of a foreign error, and the words for it.
 *
 * @param {string} message
 * @param {ErrorCode} code
 * @returns {[ErrorCode, string]}
 */
function explain(message, code) {
  if (/private|must be (an instance of )?class |dynakernel\.self/i.test(message)) {
    return ['ERR_CONFIG', 'an object of this library is behind a Proxy that hides it, or the method ' +
      'was called on another object. Pass the object itself: toRaw(object) in Vue; markRaw() or ' +
      'shallowRef() keep it as it is'];
  }
  if (/call stack|recursion/i.test(message)) {
    return ['ERR_MEMORY', `the call stack is full: ${message}`];
  }
  if (/out of memory|allocation failed/i.test(message)) {
    return ['ERR_MEMORY', `JavaScript has no memory for it: ${message}`];
  }
  return [code, `reading an argument failed: ${message}`];
}

/**
 * @param {Function} Class
 * @param {unknown} error
 */
function isA(Class, error) {
  try {
    return error instanceof Class;
  } catch {
    return false; // a revoked Proxy has no class
  }
}

/** @param {any} object */
function closeHeapOf(object) {
  try {
    object[SELF](HEAP).close();
  } catch {
    // It is none of the library's objects, so that no runtime is known.
  }
}
