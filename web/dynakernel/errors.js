/** The library's error class, and the texts in which messages quote values. */

/**
 * The kind of an error, for code to act on:
 *
 * - `ERR_LOAD`: the WebAssembly module could not be fetched, compiled or started, or one of its worker
 *   threads stopped in the middle of a call
 * - `ERR_CONFIG`: the call does not take this argument or option
 * - `ERR_SHAPE`: a tensor's shape does not fit, or an index lies outside it
 * - `ERR_STATE`: a state dict does not fit the module
 * - `ERR_SAFETENSORS`: bytes that are not a safetensors file, or values that cannot become one
 * - `ERR_CHECKPOINT`: bytes that are not a PyTorch checkpoint, or that hold no weights
 * - `ERR_ONNX`: bytes that are not an ONNX file, or a model that cannot run
 * - `ERR_IMAGE`: a picture that cannot be read, or a canvas that cannot be drawn on
 * - `ERR_MEMORY`: the heap cannot grow enough for the call; the runtime remains usable
 * - `ERR_DISPOSED`: the runtime, tensor, module or network was disposed, or the WebAssembly module failed, which
 *   disposes of its runtime too
 * - `ERR_MODE`: training mode with a batch of one, a backward pass without a kept forward pass, or an inner
 *   value of a network that has not run
 *
 * @typedef {'ERR_LOAD' | 'ERR_CONFIG' | 'ERR_SHAPE' | 'ERR_STATE' | 'ERR_SAFETENSORS'
 *   | 'ERR_CHECKPOINT' | 'ERR_ONNX' | 'ERR_IMAGE' | 'ERR_MEMORY' | 'ERR_DISPOSED' | 'ERR_MODE'} ErrorCode
 */

/** @type {ReadonlySet<ErrorCode>} */
const CODES = new Set([
  'ERR_LOAD', 'ERR_CONFIG', 'ERR_SHAPE', 'ERR_STATE', 'ERR_SAFETENSORS', 'ERR_CHECKPOINT', 'ERR_ONNX',
  'ERR_IMAGE', 'ERR_MEMORY', 'ERR_DISPOSED', 'ERR_MODE',
]);

/** The most characters of a message: about fifteen lines of a console. */
const LONGEST_MESSAGE = 1500;

/** A bigint of this size or more is not written out, because that can take long. */
const LARGE = 10n ** 30n;

/** The most names that a message lists. */
const MOST_NAMES = 12;

/**
 * The class of all errors that the library throws. A call that throws changes nothing, with three
 * exceptions:
 *
 * - fromImage with `out`: rows may be written if the picture cannot be read to its end
 * - drawMap and drawMaps: rows may be drawn, or the canvas cleared, if the canvas refuses a later strip
 * - a call in which a worker thread stops (ERR_LOAD): its `out`, gradients and running statistics are
 *   undefined
 *
 * @example
 * try {
 *   block.loadStateDict(bytes);
 * } catch (error) {
 *   if (error instanceof DynakernelError && error.code === 'ERR_STATE') show(error.message);
 *   else throw error;
 * }
 */
export class DynakernelError extends Error {
  /**
   * @param {ErrorCode} code
   * @param {string} message the expected and the given value; a message of more than about fifteen
   *   lines loses its middle
   * @param {{ cause?: unknown }} [options] cause: the error behind this one
   */
  constructor(code, message, options) {
    const text = typeof message === 'string' ? message : given(message);
    super(clipMiddle(text, LONGEST_MESSAGE), readCause(options));
    this.name = 'DynakernelError';
    /** @type {ErrorCode} */
    this.code = code;
  }
}

/**
 * The options of an error. Options that cannot be read are ignored, because an error must not throw.
 *
 * @param {unknown} options
 */
function readCause(options) {
  try {
    const { cause } = /** @type {any} */ (Object(options));
    return cause === undefined ? undefined : { cause };
  } catch {
    return undefined;
  }
}

/**
 * Whether an error is a DynakernelError with a known code.
 *
 * @param {unknown} error
 * @returns {error is DynakernelError}
 */
export function isDynakernelError(error) {
  try {
    return error instanceof DynakernelError && CODES.has(error.code);
  } catch {
    return false; // a revoked Proxy, or one whose traps throw
  }
}

/**
 * A value as messages quote it: short, with 3 and '3' told apart. It never throws, whatever the value's
 * getters and traps do.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function given(value) {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(clip(value, 60));
    case 'bigint':
      return value > -LARGE && value < LARGE ? `${value}n` : 'a bigint of more than 30 digits';
    case 'function':
      return 'a function';
    case 'symbol':
      return 'a symbol';
    case 'object':
      return value === null ? 'null' : givenObject(value);
    default:
      return Object.is(value, -0) ? '-0' : String(value);
  }
}

/**
 * @param {string} what cannot be used any more
 * @param {boolean} closed whether its runtime is disposed
 * @param {string} [owner] what else is disposed
 */
export const disposedError = (what, closed, owner = 'it') =>
  new DynakernelError('ERR_DISPOSED', `${what} can no longer be used: ${closed ? 'its runtime' : owner} is disposed`);

/** @param {object} value */
function givenObject(value) {
  try {
    return Array.isArray(value) ? arrayText(value) : objectText(value);
  } catch {
    return 'an object that cannot be read'; // such as a revoked Proxy
  }
}

/** @param {object} value */
function objectText(value) {
  const found = value.constructor?.name;
  const name = typeof found === 'string' && found !== '' ? clip(found, 40) : 'Object';
  if (name === 'Object') return `an object with ${listText(Object.keys(value), 6) || 'no properties'}`;
  const article = /^[AEIOU]/i.test(name) ? 'an' : 'a';
  return `${article} ${name}${bufferText(value)}`;
}

/**
 * An array's items if they are few and not objects, otherwise its length. A Proxy may have any length.
 *
 * @param {unknown[]} value
 */
function arrayText(value) {
  const { length } = value;
  const items = [];
  for (let i = 0; i < length; i++) {
    const item = i < 8 ? value[i] : null;
    if (typeof item === 'object') return `an array of ${Number(length)}`; // null too
    items.push(given(item));
  }
  return `[${items.join(', ')}]`;
}

/**
 * The words after the class of a buffer or typed array; '' for other objects.
 *
 * @param {object} value
 */
function bufferText(value) {
  if (isDetached(value)) return ' whose memory was transferred';
  if (!(value instanceof TypedArray)) return '';
  return ArrayBuffer.isView(value) ? ` of ${lengthOf.call(value)}`
    : ' behind a Proxy, or an object that only looks like one';
}

/**
 * Whether a buffer, or a view's buffer, is detached, as after postMessage with a transfer.
 *
 * @param {object} value
 */
function isDetached(value) {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength > 0) return false;
  try {
    void new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

const TypedArray = Object.getPrototypeOf(Uint8Array);

/** The length of a typed array, even if a property of its own hides it. */
const lengthOf = /** @type {() => number} */ (
  Object.getOwnPropertyDescriptor(TypedArray.prototype, 'length')?.get);

/**
 * The beginning of a text that may be long.
 *
 * @param {string} text
 * @param {number} most characters
 */
const clip = (text, most) => (text.length > most ? `${text.slice(0, most - 3)}...` : text);

/**
 * The beginning and the end of a text that may be long.
 *
 * @param {string} text
 * @param {number} most characters
 */
function clipMiddle(text, most) {
  if (text.length <= most) return text;
  const half = Math.floor((most - 3) / 2);
  return `${text.slice(0, half)}...${text.slice(-half)}`;
}

/**
 * A name without quotes, in one line. A long name loses its middle.
 *
 * @param {string} name
 */
export function nameText(name) {
  const short = clipMiddle(name, 80);
  return /[\p{Cc}\p{Zl}\p{Zp}]/u.test(short) ? JSON.stringify(short).slice(1, -1) : short;
}

/**
 * Names in one line: 'a, b, c, ... and 2,641 more'.
 *
 * @param {readonly string[]} names
 * @param {number} [most] names that are shown
 */
export function listText(names, most = MOST_NAMES) {
  if (names.length <= most) return names.map(nameText).join(', ');
  const rest = String(names.length - most + 2).replace(/\B(?=(\d{3})+$)/g, ',');
  return `${names.slice(0, most - 2).map(nameText).join(', ')}, ... and ${rest} more`;
}

/**
 * The message of a thrown value of any kind. It never throws.
 *
 * @param {unknown} error
 */
export function messageOf(error) {
  try {
    const { message = error } = /** @type {any} */ (Object(error)); // also errors of other realms
    return clip(String(message), 300);
  } catch {
    return 'an error that cannot be read';
  }
}

/**
 * A number of bytes for a message: exact, and also rounded if it is large.
 *
 * @param {number} bytes
 */
export function byteText(bytes) {
  if (bytes < 1e6) return `${bytes} bytes`;
  const [size, unit] = bytes < 1e9 ? [bytes / 1e6, 'MB'] : [bytes / 1e9, 'GB'];
  return `${bytes} bytes (${size.toFixed(1)} ${unit})`;
}
