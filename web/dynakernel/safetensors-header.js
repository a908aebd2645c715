/** Checks the JSON header of a safetensors file in one pass, then parses it. */
import { DynakernelError, given, messageOf } from './errors.js';
import { isLength } from './shape.js';

/** The deepest nesting that the format's own library reads. */
const MOST_NESTED = 127;

/** @param {string} message */
export const refusal = (message) => new DynakernelError('ERR_SAFETENSORS', `safetensors: ${message}`);

/**
 * @param {Uint8Array} bytes
 * @returns {{ [name: string]: unknown }}
 * @throws {DynakernelError} ERR_SAFETENSORS
 */
export function parseHeader(bytes) {
  const text = decode(bytes);
  if (!text.startsWith('{')) throw refusal('the header must be a JSON object and begin with {');
  checkText(text);
  return parseJson(text);
}

/**
 * A copy is decoded, because decoders refuse shared memory. A byte order mark is kept, because it is not
 * JSON.
 *
 * @param {Uint8Array} bytes
 */
const decode = (bytes) => asJson(() =>
  new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.slice()));

/** @param {string} text */
const parseJson = (text) => asJson(() => JSON.parse(text));

/**
 * @template Result
 * @param {() => Result} work
 * @returns {Result}
 */
function asJson(work) {
  try {
    return work();
  } catch (error) {
    throw refusal(`the header must be JSON in UTF-8: ${messageOf(error)}`);
  }
}

/**
 * An object or array that is still open.
 *
 * @typedef {object} Level
 * @property {boolean} isArray
 * @property {Set<string> | null} keys of an object so far
 * @property {string} key the last of them
 */

/**
 * Refuses text that JSON.parse accepts but the format does not: a repeated key, half a surrogate pair,
 * -0 or 1.0 in a shape or in offsets, numbers beyond all doubles, and deep nesting, which also takes
 * long. JSON.parse refuses text that is not JSON. Time and memory are linear in the text's length.
 *
 * @param {string} text
 */
function checkText(text) {
  /** @type {Level[]} */
  const open = [];
  for (let i = 0; i < text.length;) {
    const char = text.charCodeAt(i);
    if (char === 0x22) { // "
      const end = endOfString(text, i);
      const next = afterSpaces(text, end);
      const level = open[open.length - 1];
      if (level && !level.isArray && text.charCodeAt(next) === 0x3a) noteKey(level, text.slice(i, end)); // :
      i = end;
    } else if (char === 0x2d || (char >= 0x30 && char <= 0x39)) { // - or a digit
      const end = endOfNumber(text, i);
      checkNumber(text.slice(i, end), open);
      i = end;
    } else {
      if (char === 0x7b || char === 0x5b) { // { or [
        open.push({ isArray: char === 0x5b, keys: null, key: '' });
        if (open.length > MOST_NESTED) {
          throw refusal(`the header nests more than ${MOST_NESTED} objects and arrays`);
        }
      } else if (char === 0x7d || char === 0x5d) { // } or ]
        open.pop();
      }
      i++;
    }
  }
}

/**
 * @param {Level} level
 * @param {string} quoted
 */
function noteKey(level, quoted) {
  const key = quoted.includes('\\') ? String(parseJson(quoted)) : quoted.slice(1, -1);
  level.keys ??= new Set();
  if (level.keys.has(key)) throw refusal(`the header has ${given(key)} twice`);
  level.keys.add(key);
  level.key = key;
}

/**
 * @param {string} raw
 * @param {readonly Level[]} open
 */
function checkNumber(raw, open) {
  const [, entry, list] = open;
  const isLengthOrOffset = list?.isArray && open.length === 3 && !entry.isArray &&
    (entry.key === 'shape' || entry.key === 'data_offsets') && open[0].key !== '__metadata__';
  // Numbers such as -1, which JSON.parse keeps, are refused later with the whole list.
  if (isLengthOrOffset && isLength(Number(raw)) && !/^\d+$/.test(raw)) {
    throw refusal(`the ${entry.key} of ${given(open[0].key)} must be whole numbers in ` +
      `digits; got ${given(raw).slice(1, -1)}`);
  }
  if (!Number.isFinite(Number(raw)) && !Number.isNaN(Number(raw))) {
    throw refusal(`the header has a number that is too large: ${given(raw).slice(1, -1)}`);
  }
}

/**
 * The index after the closing quote. Refuses half a surrogate pair, which UTF-8 cannot encode.
 *
 * @param {string} text
 * @param {number} start index of the opening quote
 */
function endOfString(text, start) {
  for (let i = start + 1; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === 0x22) return i + 1;
    if (char !== 0x5c) continue;
    i++; // the escaped character, which may be a quote
    if (text[i] !== 'u') continue;
    const unit = escapedUnit(text, i);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const second = text[i + 5] === '\\' && text[i + 6] === 'u' ? escapedUnit(text, i + 6) : 0;
    if (unit > 0xdbff || second < 0xdc00 || second > 0xdfff) {
      throw refusal(`the header has half a surrogate pair, ${text.slice(i - 1, i + 5)}`);
    }
    i += 10;
  }
  return text.length;
}

/**
 * @param {string} text
 * @param {number} i index of the u in \u0041
 */
const escapedUnit = (text, i) => Number.parseInt(text.slice(i + 1, i + 5), 16);

/**
 * @param {string} text
 * @param {number} i
 */
function endOfNumber(text, i) {
  while (i < text.length && '+-.eE0123456789'.includes(text[i])) i++;
  return i;
}

/**
 * @param {string} text
 * @param {number} i
 */
function afterSpaces(text, i) {
  while (i < text.length && ' \t\n\r'.includes(text[i])) i++;
  return i;
}
