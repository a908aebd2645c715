/** The library's errors about a file, taken apart so that a person can act on them. */

/** @import { OpenInput, Refusal, Unsupported } from './types.js' */
import { adviceFor } from './advice.js';
import { messageOf, sentence } from '../shared/errors.js';

/**
 * Returns the refusal of a file.
 *
 * @param {string} file the file's name
 * @param {unknown} error
 * @returns {Refusal}
 */
export function refusalOf(file, error) {
  const message = messageOf(error);
  const operators = readUnsupported(message);
  if (operators.length === 0) {
    return { title: `“${file}” cannot be opened`, message: sentence(error), operators, code: '' };
  }
  const count = operators.length === 1 ? 'one operator' : `${operators.length} operators`;
  return {
    title: `“${file}” has ${count} that dynakernel does not run yet`,
    message: 'Everything else in the file can run. This is what is in the way:',
    operators,
    code: '',
  };
}

/**
 * Reads the list of operators in the message of an ERR_ONNX: a line `Operator (why): node, node` for each.
 *
 * @param {string} message
 * @returns {Unsupported[]} empty if the message is about something else
 */
export function readUnsupported(message) {
  const [head, ...lines] = message.split('\n');
  if (!head.includes('operators that a network cannot run')) return [];
  return lines.flatMap((line) => {
    const match = /^(\S+)(?: \((.*?)\))?: (.*)$/.exec(line);
    if (!match) return [];
    const [, operator, why = '', nodes] = match;
    return [{ operator, why, nodes, advice: adviceFor(operator, why) }];
  });
}

/**
 * Reads the inputs in the message of an ERR_CONFIG whose sizes the file leaves open: `image [batch, 3, height, width]`.
 *
 * @param {string} message
 * @returns {OpenInput[]} empty if the message is about something else
 */
export function readOpenSizes(message) {
  const list = /leaves sizes of its inputs open: (.*); give them: /s.exec(message)?.[1];
  if (list === undefined) return [];
  return [...list.matchAll(/(?:^|, )(.+?) (?:\[([^\]]*)\]|nothing)(?=, |$)/g)].map(([, name, dims]) => ({
    name,
    // a file that says nothing about an input has a picture, most likely
    dims: dims === undefined ? ['', '', '', ''] : dims.split(', ').map(readLength),
  }));
}

/** @param {string} text */
const readLength = (text) => (/^\d+$/.test(text) ? Number(text) : text === '?' ? '' : text);
