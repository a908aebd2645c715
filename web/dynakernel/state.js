/** State dicts: a module's parameters and running statistics by PyTorch's names. */
import { boolean, isListOf, readOptions } from './check.js';
import { DynakernelError, given } from './errors.js';
import { isBuffer, isTypedArray, toFloats } from './numbers.js';
import { parseSafetensors } from './safetensors.js';
import { isLength, sameShape, shapeText, sizeOf } from './shape.js';
import { Tensor } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./module.js').Module} Module */
/** @typedef {import('./numbers.js').TypedArray} TypedArray */

/**
 * One array of a state dict. 16-bit floats are a Uint16Array of their bits, told apart by dtype.
 *
 * @typedef {object} StateValue
 * @property {readonly number[]} shape
 * @property {TypedArray} data
 * @property {string} [dtype] safetensors' name of the type, where data does not say it
 */

/** @typedef {{ [name: string]: StateValue }} StateDict */

/**
 * What loadStateDict reads: the bytes of a safetensors file, or values by name.
 *
 * @typedef {ArrayBuffer | ArrayBufferView | { readonly [name: string]: StateValue | Tensor }} StateSource
 */

/**
 * @typedef {object} LoadStateOptions
 * @property {boolean} [strict] refuse names that are missing or unexpected (true)
 * @property {string} [prefix] take only names that begin with this, without it: the module's place
 *   in a larger model, with the dot ('')
 */

/** @typedef {{ missing: string[], unexpected: string[] }} LoadResult */

/**
 * How one array of a module is read and written.
 *
 * @typedef {object} StateEntry
 * @property {string} name
 * @property {readonly number[]} shape
 * @property {() => TypedArray} read a copy
 * @property {(data: TypedArray, dtype: string | undefined, name: string) => TypedArray} convert what
 *   a caller brings under this name into what write takes, which no growth of the heap detaches
 * @property {() => void} [prepare] allocates what write needs
 * @property {(values: any) => void} write
 * @property {(owner: Module) => Tensor} [tensor] of a parameter: the array itself
 * @property {Module} [owner]
 */

/**
 * An array that lies in the heap as it is.
 *
 * @param {Heap} heap
 * @param {string} name
 * @param {readonly number[]} shape
 * @param {number} pointer
 * @returns {StateEntry}
 */
export function floatEntry(heap, name, shape, pointer) {
  const length = sizeOf(shape);
  return {
    name,
    shape,
    read: () => heap.floats(pointer, length).slice(),
    convert: (data, dtype) => heap.copyIfOnHeap(toFloats(data, dtype)),
    write: (values) => heap.floats(pointer, length).set(values),
  };
}

/**
 * The same for a parameter, which parameters() lists.
 *
 * @param {Heap} heap
 * @param {string} name
 * @param {readonly number[]} shape
 * @param {number} pointer
 * @returns {StateEntry}
 */
export function parameterEntry(heap, name, shape, pointer) {
  return {
    ...floatEntry(heap, name, shape, pointer),
    tensor: (owner) => new Tensor(heap, pointer, shape, { owner }),
  };
}

/**
 * A count, which is a 64-bit integer in PyTorch too.
 *
 * @param {Heap} heap
 * @param {string} name
 * @param {number} pointer
 * @returns {StateEntry}
 */
export function countEntry(heap, name, pointer) {
  return {
    name,
    shape: [],
    read: () => heap.longs(pointer, 1).slice(),
    convert([count], dtype, fullName) {
      const whole = typeof count === 'bigint' || Number.isSafeInteger(count) ? BigInt(count) : null;
      if (whole !== null && whole === BigInt.asIntN(64, whole)) return BigInt64Array.of(whole);
      throw new DynakernelError('ERR_STATE',
        `${fullName} must be a whole number of 64 bits; got ${given(count)}`);
    },
    write: (values) => heap.longs(pointer, 1).set(values),
  };
}

/**
 * @param {readonly StateEntry[]} entries
 * @returns {StateDict}
 */
export function stateDict(entries) {
  return Object.fromEntries(
    entries.map(({ name, shape, read }) => [name, { shape: [...shape], data: read() }]));
}

/**
 * Checks everything first, then writes, so that a source that is refused changes nothing.
 *
 * @param {readonly StateEntry[]} entries
 * @param {StateSource} source
 * @param {LoadStateOptions} [options]
 * @returns {LoadResult}
 */
export function loadStateDict(entries, source, options) {
  const { strict, prefix } = readLoadOptions(options);
  const values = readSource(source);
  const names = new Set(Object.keys(values).filter((name) => name.startsWith(prefix)));

  /** @type {{ entry: StateEntry, converted: TypedArray }[]} */
  const writes = [];
  const missing = [];
  const misfits = [];
  for (const entry of entries) {
    const name = prefix + entry.name;
    if (!names.delete(name)) {
      missing.push(name);
      continue;
    }
    const { shape, data, dtype } = readValue(name, values[name]);
    if (sameShape(shape, entry.shape) || isScalar(entry.shape, shape)) {
      writes.push({ entry, converted: entry.convert(data, dtype, name) });
    } else {
      misfits.push(`${name} is ${shapeText(shape)}, expected ${shapeText(entry.shape)}`);
    }
  }
  const unexpected = [...names];

  const problems = [...misfits];
  if (strict && missing.length > 0) {
    problems.push(`missing: ${missing.join(', ')}${prefixHint(values, entries, prefix)}`);
  }
  if (strict && unexpected.length > 0) problems.push(`unexpected: ${unexpected.join(', ')}`);
  if (problems.length > 0) {
    throw new DynakernelError('ERR_STATE', `the state dict does not fit: ${problems.join('; ')}`);
  }

  for (const { entry } of writes) entry.prepare?.();
  for (const { entry, converted } of writes) entry.write(converted);
  return { missing, unexpected };
}

/**
 * Older files of PyTorch hold a scalar as an array of one.
 *
 * @param {readonly number[]} expected
 * @param {readonly number[]} shape
 */
const isScalar = (expected, shape) => expected.length === 0 && shape.length === 1 && shape[0] === 1;

/** @param {LoadStateOptions | undefined} options */
function readLoadOptions(options) {
  const { strict = true, prefix = '' } = readOptions(options, 'loadStateDict', ['strict', 'prefix']);
  if (typeof prefix !== 'string') {
    throw new DynakernelError('ERR_CONFIG',
      `loadStateDict: prefix must be a string such as 'backbone.'; got ${given(prefix)}`);
  }
  return { strict: boolean(strict, 'loadStateDict: strict'), prefix };
}

/**
 * @param {unknown} source
 * @returns {{ readonly [name: string]: unknown }}
 */
function readSource(source) {
  if (isBuffer(source) || ArrayBuffer.isView(source)) return parseSafetensors(source);
  if (typeof source === 'object' && source !== null && !Array.isArray(source) &&
      !(source instanceof Tensor)) {
    return /** @type {{ readonly [name: string]: unknown }} */ (source);
  }
  throw new DynakernelError('ERR_STATE', 'a state dict is the bytes of a safetensors file, or an ' +
    `object { name: { shape, data } }; got ${given(source)}`);
}

/**
 * @param {string} name
 * @param {unknown} value
 * @returns {{ shape: readonly number[], data: TypedArray, dtype?: string }}
 */
function readValue(name, value) {
  const { shape, data, dtype } = /** @type {{ [field: string]: any }} */ (value ?? {});
  const numbers = isListOf(data, (item) => typeof item === 'number') ? Float64Array.from(data) : data;
  if (!isListOf(shape, isLength) || !isTypedArray(numbers)) {
    throw new DynakernelError('ERR_STATE',
      `${name} must be { shape, data } with a typed array, or a Tensor; got ${given(value)}`);
  }
  if (typeof dtype === 'string' && dtype.startsWith('F8_')) {
    throw new DynakernelError('ERR_STATE',
      `${name} is of type ${dtype}; F32, F16, BF16, F64 and whole numbers can be converted`);
  }
  if (numbers.length !== sizeOf(shape)) {
    throw new DynakernelError('ERR_STATE',
      `${name} has ${numbers.length} numbers, but the shape ${shapeText(shape)} needs ${sizeOf(shape)}`);
  }
  return { shape, data: numbers, dtype };
}

/**
 * Where the names are there, but deeper in a larger model.
 *
 * @param {object} values
 * @param {readonly StateEntry[]} entries
 * @param {string} prefix
 */
function prefixHint(values, entries, prefix) {
  const [{ name }] = entries;
  const found = Object.keys(values).find((other) => other !== prefix + name &&
    other.endsWith(`.${name}`));
  if (!found) return '';
  return ` (there is ${found}: did you mean { prefix: '${found.slice(0, -name.length)}' }?)`;
}
