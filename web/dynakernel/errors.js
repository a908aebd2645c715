/** Every error of the library, and the words in which errors speak of what they were given. */

/**
 * What went wrong, for code to act on:
 *
 * - `ERR_LOAD`: the WebAssembly module could not be fetched, compiled or started
 * - `ERR_CONFIG`: an argument or option is not what the call takes
 * - `ERR_SHAPE`: a tensor's shape does not fit, or an index lies outside it
 * - `ERR_STATE`: a state dict does not fit the module
 * - `ERR_SAFETENSORS`: bytes that are not a safetensors file, or values that cannot become one
 * - `ERR_IMAGE`: a picture that cannot be read, or a canvas that cannot be drawn on
 * - `ERR_MEMORY`: the heap cannot grow by what the call needs; the runtime lives on
 * - `ERR_DISPOSED`: the runtime, tensor or module was disposed
 * - `ERR_ONNX`: bytes that are no ONNX file, or a model that cannot run
 * - `ERR_MODE`: training mode with a batch of one; a backward pass without a forward pass that was
 *   kept for it
 *
 * @typedef {'ERR_LOAD' | 'ERR_CONFIG' | 'ERR_SHAPE' | 'ERR_STATE' | 'ERR_SAFETENSORS' | 'ERR_IMAGE'
 *   | 'ERR_MEMORY' | 'ERR_DISPOSED' | 'ERR_MODE' | 'ERR_ONNX'} ErrorCode
 */

/** Characters of a message: some fifteen lines of a console. */
const LONGEST_MESSAGE = 1500;

/** Names that a message lists. */
const MOST_NAMES = 12;

/**
 * The one class of errors that the library throws. A call that throws has changed nothing, but for
 * fromImage with `out`, which may have written rows of a picture that cannot be read to its end.
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
   * @param {string} message what was given and what was expected; a message of more than a few lines
   *   loses its middle
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(clipMiddle(message, LONGEST_MESSAGE), options);
    this.name = 'DynakernelError';
    /** @type {ErrorCode} */
    this.code = code;
  }
}

/**
 * A value as an error message names it: short, and telling 3 from '3'. It never throws, whatever the
 * value is.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function given(value) {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(clip(value, 60));
    case 'bigint':
      return `${clip(String(value), 40)}n`;
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

/** @param {object} value */
function givenObject(value) {
  try {
    return objectText(value);
  } catch {
    return 'an object that cannot be read'; // such as a revoked Proxy
  }
}

/** @param {object} value */
function objectText(value) {
  if (Array.isArray(value)) {
    const short = value.length <= 8 && value.every((item) => typeof item !== 'object');
    return short ? `[${Array.from(value, given).join(', ')}]` : `an array of ${value.length}`;
  }
  const found = value.constructor?.name;
  const name = typeof found === 'string' && found !== '' ? clip(found, 40) : 'Object';
  if (name === 'Object') return `an object with ${listText(Object.keys(value), 6) || 'no properties'}`;
  const article = /^[AEIOU]/i.test(name) ? 'an' : 'a';
  const isTypedArray = ArrayBuffer.isView(value) && 'length' in value;
  return `${article} ${name}${isTypedArray ? ` of ${value.length}` : ''}`;
}

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
 * A name without quotes, in one line: the middle of a long one is left out.
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
 * The message of whatever was thrown.
 *
 * @param {unknown} error
 */
export const messageOf = (error) => clip(error instanceof Error ? String(error.message) : String(error), 300);

/**
 * A number of bytes for a message: exact, and readable where it is large.
 *
 * @param {number} bytes
 */
export function byteText(bytes) {
  if (bytes < 1e6) return `${bytes} bytes`;
  const [size, unit] = bytes < 1e9 ? [bytes / 1e6, 'MB'] : [bytes / 1e9, 'GB'];
  return `${bytes} bytes (${size.toFixed(1)} ${unit})`;
}
