/** The inputs of a model: their shapes, by what the file says and by what the caller gives. */
import { isObject, readList } from '../../check.js';
import { DynakernelError, given, listText, nameText } from '../../errors.js';
import { shapeText } from '../../shape.js';
import { checkShape } from '../graph.js';
import { dtypeOf } from './tensors.js';

/** @typedef {import('./protobuf.js').Message} Message */
/** @typedef {import('./tensors.js').Dtype} Dtype */

/**
 * A dimension: its length, or the name of an open one ('' if it has none).
 *
 * @typedef {number | string} Dimension
 */

/**
 * @typedef {{ name: string, dtype: Dtype, dims: Dimension[] | null }} Declared dims is null if the file says nothing
 */
/** @typedef {{ name: string, dtype: Dtype, shape: number[] }} ModelInput */

/** What exporters call the batch: N, batch, batch_size, bs. */
const BATCH = /^(n|b|bs|.*batch.*)$/i;

/**
 * @param {readonly Message[]} messages ValueInfoProto, those that are initializers left out
 * @param {unknown} shapes the caller's: { name: [1, 3, 224, 224] }
 * @returns {ModelInput[]}
 * @throws {DynakernelError} ERR_ONNX if an input is no tensor; ERR_CONFIG if a size that the file leaves open is not
 *   given; ERR_SHAPE if one that is given contradicts the file
 */
export function readInputs(messages, shapes) {
  const declared = messages.map(readDeclared);
  const chosen = readShapes(shapes, declared);

  // a name of an open dimension stands for one length in all inputs
  /** @type {Map<string, number>} */
  const lengths = new Map();
  for (const input of declared) {
    const shape = chosen.get(input.name);
    if (shape) checkAgainst(input, shape, lengths);
  }
  for (const { dims } of declared) {
    const first = dims?.[0];
    if (typeof first === 'string' && BATCH.test(first) && !lengths.has(first)) lengths.set(first, 1);
  }
  const resolved = declared.map(({ name, dims }) => chosen.get(name) ??
    (dims ?? ['']).map((length) => (typeof length === 'string' ? lengths.get(length) ?? length : length)));
  if (resolved.some((shape) => shape.some((length) => typeof length === 'string'))) throw openSizes(declared, resolved);
  return declared.map(({ name, dtype }, i) => {
    const shape = /** @type {number[]} */ (resolved[i]);
    checkShape(shape, `the input ${nameText(name)}`);
    return { name, dtype, shape };
  });
}

/**
 * @param {Message} message
 * @returns {Declared}
 */
function readDeclared({ name = '', type }) {
  const what = `the input ${given(name)}`;
  if (!type?.tensor) {
    const kind = ['sequence', 'map', 'sparse', 'optional'].find((field) => type?.[field]);
    throw new DynakernelError('ERR_ONNX', `${what} must be a tensor; its type is ${kind ?? 'missing'}`);
  }
  const dtype = dtypeOf(type.tensor.elementType, () => what);
  const dims = type.tensor.shape?.dims.map((/** @type {Message} */ { value = 0, parameter = '' }) => {
    if (value > 0) return value;
    return parameter; // exporters write 0 and -1 for open lengths too
  });
  return { name, dtype, dims: dims ?? null };
}

/**
 * @param {unknown} shapes
 * @param {Declared[]} declared
 * @returns {Map<string, number[]>}
 */
function readShapes(shapes, declared) {
  /** @type {Map<string, number[]>} */
  const chosen = new Map();
  if (shapes === undefined) return chosen;
  if (!isObject(shapes) || Array.isArray(shapes)) {
    throw new DynakernelError('ERR_CONFIG',
      `shapes must be an object, such as ${example(declared)}; got ${given(shapes)}`);
  }
  for (const name of Object.keys(shapes)) {
    const input = declared.find((candidate) => candidate.name === name);
    if (!input) {
      throw new DynakernelError('ERR_CONFIG',
        `shapes names ${given(name)}, but the model has the inputs ${listText(declared.map((one) => one.name))}`);
    }
    const shape = readList(shapes[name], (length) => Number.isSafeInteger(length) && length >= 1, 64);
    if (!shape) {
      throw new DynakernelError('ERR_SHAPE',
        `the shape of ${nameText(name)} must be an array of whole numbers, 1 or more; ` +
        `got ${given(shapes[name])}; the file says ${dimsText(input.dims)}`);
    }
    chosen.set(name, shape);
  }
  return chosen;
}

/**
 * @param {Declared} input
 * @param {number[]} shape
 * @param {Map<string, number>} lengths of named dimensions, which this adds to
 */
function checkAgainst({ name, dims }, shape, lengths) {
  if (!dims) return;
  const fits = dims.length === shape.length && dims.every((length, i) => {
    if (typeof length === 'number') return length === shape[i];
    if (length === '') return true;
    if (!lengths.has(length)) lengths.set(length, shape[i]);
    return lengths.get(length) === shape[i];
  });
  if (fits) return;
  const known = dims.flatMap((length) => {
    const other = typeof length === 'string' ? lengths.get(length) : undefined;
    return other === undefined ? [] : [`${nameText(String(length))} = ${other}`];
  });
  throw new DynakernelError('ERR_SHAPE',
    `the input ${nameText(name)} must have the shape ${dimsText(dims)}, as the file says; got ${shapeText(shape)}` +
    (known.length > 0 ? ` with ${known.join(', ')}` : ''));
}

/**
 * @param {Declared[]} declared
 * @param {Dimension[][]} resolved
 */
function openSizes(declared, resolved) {
  const open = declared.filter((_, i) => resolved[i].some((length) => typeof length === 'string'));
  const list = open.slice(0, 6).map(({ name, dims }) => `${nameText(name)} ${dimsText(dims)}`).join(', ');
  return new DynakernelError('ERR_CONFIG',
    `the file leaves sizes of its inputs open: ${list}; give them: ${example(open)}`);
}

/** @param {Dimension[] | null} dims */
const dimsText = (dims) =>
  (dims ? `[${dims.map((length) => (length === '' ? '?' : nameText(String(length)))).join(', ')}]` : 'nothing');

/**
 * The option to pass, with likely lengths for those that are open.
 *
 * @param {Declared[]} declared
 */
function example(declared) {
  const likely = (/** @type {Dimension} */ length, /** @type {number} */ i) =>
    (typeof length === 'number' ? length : i === 0 ? 1 : i === 1 ? 3 : 256);
  const entries = declared.slice(0, 6).map(({ name, dims }) => {
    const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(nameText(name));
    return `${key}: [${(dims ?? ['', '', '', '']).map(likely).join(', ')}]`;
  });
  return `{ shapes: { ${entries.join(', ')} } }`;
}
