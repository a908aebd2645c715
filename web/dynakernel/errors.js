/** Every error of the library, and the words in which errors speak of what they were given. */

/**
 * What went wrong, for code to act on:
 *
 * - `ERR_LOAD`: the WebAssembly module could not be fetched, compiled or started, or one of its worker
 *   threads stopped in the middle of a call
 * - `ERR_CONFIG`: an argument or option is not what the call takes
 * - `ERR_SHAPE`: a tensor's shape does not fit, or an index lies outside it
 * - `ERR_STATE`: a state dict does not fit the module
 * - `ERR_SAFETENSORS`: bytes that are not a safetensors file, or values that cannot become one
 * - `ERR_IMAGE`: a picture that cannot be read, or a canvas that cannot be drawn on
 * - `ERR_MEMORY`: the heap cannot grow by what the call needs; the runtime lives on
 * - `ERR_DISPOSED`: the runtime, tensor or module was disposed
 * - `ERR_MODE`: training mode with a batch of one; a backward pass without a forward pass that was
 *   kept for it
 *
 * @typedef {'ERR_LOAD' | 'ERR_CONFIG' | 'ERR_SHAPE' | 'ERR_STATE' | 'ERR_SAFETENSORS' | 'ERR_IMAGE'
 *   | 'ERR_MEMORY' | 'ERR_DISPOSED' | 'ERR_MODE'} ErrorCode
 */

/**
 * The one class of errors that the library throws. A call that throws has changed nothing, but for
 * fromImage with `out`, which may have written rows of a picture that cannot be read to its end, and for a
 * call in whose middle a worker thread stopped (ERR_LOAD): its `out`, gradients and running statistics are
 * undefined.
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
   * @param {string} message what was given and what was expected
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = 'DynakernelError';
    /** @type {ErrorCode} */
    this.code = code;
  }
}

/**
 * A value as an error message names it: short, and telling 3 from '3'.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function given(value) {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
    case 'bigint':
      return `${value}n`;
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
  if (Array.isArray(value)) {
    const short = value.length <= 8 && value.every((item) => typeof item !== 'object');
    return short ? `[${Array.from(value, given).join(', ')}]` : `an array of ${value.length}`;
  }
  const name = value.constructor?.name || 'Object';
  if (name === 'Object') return `an object with ${Object.keys(value).join(', ') || 'no properties'}`;
  const article = /^[AEIOU]/i.test(name) ? 'an' : 'a';
  const isTypedArray = ArrayBuffer.isView(value) && 'length' in value;
  return `${article} ${name}${isTypedArray ? ` of ${value.length}` : ''}`;
}

/**
 * The message of whatever was thrown.
 *
 * @param {unknown} error
 */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

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
