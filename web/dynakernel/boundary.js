/**
 * The boundary between the library and its callers. Every public method, accessor and function passes it.
 *
 * - It accepts Proxies of the library's objects. Vue, Alpine and others make them, but private fields are
 *   not reachable through them.
 * - It turns every error that leaves into a DynakernelError. Getters, traps and the platform throw others.
 */
import { DynakernelError, isDynakernelError, messageOf } from './errors.js';

/** @typedef {import('./errors.js').ErrorCode} ErrorCode */
/** @typedef {{ close(): void }} Closable */

/** The symbol of `using`, with a substitute for engines that have none yet.
 * @type {typeof Symbol.dispose} */
export const DISPOSE = /** @type {any} */ (Symbol.dispose ?? Symbol.for('Symbol.dispose'));

/** The property with a function that returns the object itself. A Proxy forwards reads of it. */
const SELF = Symbol('dynakernel.self');

/** Passed to that function, this key makes it return the heap instead. Only this file has the key. */
const HEAP = {};

/** The codes of foreign errors in these calls. All others get ERR_CONFIG.
 * @type {{ readonly [call: string]: ErrorCode }} */
const CODES = {
  load: 'ERR_LOAD', loadStateDict: 'ERR_STATE', onnxNetwork: 'ERR_ONNX', parseCheckpoint: 'ERR_CHECKPOINT',
  parseSafetensors: 'ERR_SAFETENSORS', toSafetensors: 'ERR_SAFETENSORS',
};

/** The boundary looks for Proxies in arrays of at most this many items. */
const MAX_ITEMS = 10_000;

/**
 * Lets the boundary find an object through a Proxy. The object's constructor calls it.
 *
 * The property is a function because libraries that wrap objects in Proxies, or copy their properties,
 * leave functions alone.
 *
 * @param {object} object
 * @param {Closable} heap the boundary closes it if WebAssembly fails in a method of the object
 */
export function rememberSelf(object, heap) {
  // An assignment takes 10 ns. Object.defineProperty, which could hide the property, takes 110.
  /** @type {any} */ (object)[SELF] = (/** @type {unknown} */ asked) => (asked === HEAP ? heap : object);
}

/**
 * Puts all methods and accessors of a class's prototype behind the boundary. The class calls it in a
 * static block. Static methods, which are internal, stay as they are.
 *
 * @param {{ prototype: object }} Class
 * @param {string} name the name of the class. A minified bundle would lose it
 */
export function guardClass(Class, name) {
  const { prototype } = Class;
  for (const key of Reflect.ownKeys(prototype)) {
    if (key === 'constructor') continue;
    const member = /** @type {PropertyDescriptor} */ (Object.getOwnPropertyDescriptor(prototype, key));
    const call = typeof key === 'string' ? key : 'dispose'; // Symbol.dispose is the only symbol
    if (member.value) member.value = guard(member.value, call);
    if (member.get) member.get = guard(member.get, call);
    if (member.set) member.set = guard(member.set, call);
    Object.defineProperty(prototype, key, member);
  }
  Object.defineProperty(Class, 'name', { value: name, configurable: true });
  // Vue makes no Proxies of objects that have their own tag
  Object.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true });
}

/**
 * A function that throws only the library's errors and accepts Proxies. It looks for Proxies only after
 * an error, so other calls do not pay for that.
 *
 * No public function takes more than four arguments. Each has a name here, because a rest parameter
 * would allocate an array for each call.
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
   * @param {unknown} fourth
   */
  function behindBoundary(first, second, third, fourth) {
    try {
      return work.call(this, first, second, third, fourth);
    } catch (error) {
      return recover(error, work, call, [this, first, second, third, fourth]);
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
 * Runs the body of an exported function that returns a promise behind the boundary.
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
 * Handles an error of a call. If `this` or an argument is a Proxy, calls again with the objects themselves.
 * This is safe: a call reads private fields first, and a call that threw has changed nothing. Otherwise
 * throws a DynakernelError.
 *
 * @param {unknown} error
 * @param {Function} work
 * @param {string} call its name, for messages
 * @param {unknown[]} values `this` and the arguments
 */
function recover(error, work, call, values) {
  let cause = error;
  try {
    // reading a private field of a Proxy throws a TypeError
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
 * Replaces Proxies of the library's objects by the objects. For an array or options that hold such
 * Proxies, returns a copy with the objects. Returns any other value as it is.
 *
 * @param {unknown} value
 * @param {number} [levels] of options in options, such as the tensors by name of a network's `out`
 * @returns {unknown}
 */
function withoutProxies(value, levels = 2) {
  const self = selfOf(value);
  if (self !== value || typeof value !== 'object' || value === null) return self;
  if (Array.isArray(value)) return itemsWithoutProxies(value);
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value; // not options, but a canvas for example
  const inner = (/** @type {unknown} */ part) => (levels > 1 ? withoutProxies(part, levels - 1) : selfOf(part));
  const entries = Object.entries(value).map(([name, part]) => ({ name, part, self: inner(part) }));
  if (entries.every((entry) => entry.self === entry.part)) return value;
  return Object.fromEntries(entries.map((entry) => [entry.name, entry.self]));
}

/**
 * The array, or a copy without Proxies if it has some.
 *
 * @param {unknown[]} array
 */
function itemsWithoutProxies(array) {
  const items = [];
  // by index: the array may have an iterator of its own
  for (let i = 0; i < array.length; i++) {
    if (i === MAX_ITEMS) return array;
    items.push(selfOf(array[i]));
  }
  return items.some((item, i) => item !== array[i]) ? items : array;
}

/**
 * The object behind a Proxy, if it is one of the library's. Returns any other value as it is.
 *
 * @param {unknown} value
 * @returns {unknown}
 */
export function selfOf(value) {
  return isOfLibrary(value) ? /** @type {any} */ (value)[SELF]() : value;
}

/**
 * Whether a value is one of the library's objects, or a Proxy of one.
 *
 * @param {unknown} value
 */
export const isOfLibrary = (value) =>
  typeof value === 'object' && value !== null && typeof /** @type {any} */ (value)[SELF] === 'function';

/**
 * The error that leaves a call: the error itself if it is the library's, or else a new one with it as
 * cause.
 *
 * @param {unknown} error
 * @param {string} call its name, for messages
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
 * The code and the message for a foreign error.
 *
 * @param {string} message
 * @param {ErrorCode} code the default
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
    return ['ERR_MEMORY', `JavaScript has too little memory: ${message}`];
  }
  return [code, `reading an argument failed: ${message}`];
}

/**
 * Whether an error is of a class. instanceof throws for a revoked Proxy.
 *
 * @param {Function} Class
 * @param {unknown} error
 */
function isA(Class, error) {
  try {
    return error instanceof Class;
  } catch {
    return false;
  }
}

/**
 * Closes the heap of one of the library's objects.
 *
 * @param {any} object
 */
function closeHeapOf(object) {
  try {
    object[SELF](HEAP).close();
  } catch {
    // another object has no heap to close
  }
}
