/** Reads and writes state dicts: parameters and running statistics under PyTorch's names. */
import { boolean, isArray, isObject, readOptions } from './check.js';
import { DynakernelError, given, listText, nameText } from './errors.js';
import { isSmallFloat } from './float-formats.js';
import { className, isBuffer, toFloats } from './numbers.js';
import { parseSafetensors } from './safetensors.js';
import { shapeText, sizeOf } from './shape.js';
import { kindHint, optionHint, prefixHint } from './state-hints.js';
import { checkValue, fitsEntry, readValue, withMemory } from './state-value.js';
import { Tensor } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./module.js').Module} Module */
/** @typedef {import('./numbers.js').TypedArray} TypedArray */
/** @typedef {import('./state-value.js').ReadValue} ReadValue */

/**
 * One array of a state dict. A Uint16Array holds the bits of 16-bit floats, and a Uint8Array those of
 * 8-bit floats, if dtype says so; toFloat32 converts them.
 *
 * @typedef {object} StateValue
 * @property {readonly number[]} shape
 * @property {TypedArray} data
 * @property {string} [dtype] the safetensors type, if data does not imply it
 */

/** @typedef {{ [name: string]: StateValue }} StateDict */

/**
 * A source of loadStateDict: the bytes of a safetensors file, or values by name.
 *
 * @typedef {ArrayBuffer | ArrayBufferView | { readonly [name: string]: StateValue | Tensor }} StateSource
 */

/**
 * @typedef {object} LoadStateOptions
 * @property {boolean} [strict] refuse names that are missing or unexpected (true)
 * @property {string} [prefix] load only names that begin with this, and remove it from them: the
 *   module's place in a larger model, including the dot ('')
 */

/**
 * missing: names of the module that the source lacks; unexpected: the reverse. Both have the prefix. As
 * in PyTorch, `num_batches_tracked` is never missing: it then keeps its value.
 *
 * @typedef {{ missing: string[], unexpected: string[] }} LoadResult
 */

/**
 * Reads and writes one array of a module.
 *
 * @typedef {object} StateEntry
 * @property {string} name
 * @property {readonly number[]} shape
 * @property {readonly number[]} [stored] another shape that a source may have
 * @property {readonly string[]} [axes] the option that each length depends on, for messages
 * @property {boolean} [optional] whether a source may leave it out
 * @property {() => TypedArray} read a copy
 * @property {(data: TypedArray, dtype: string | undefined, name: string) => TypedArray} convert
 *   converts a caller's data for write; growth of the heap does not detach the result
 * @property {() => void} [prepare] allocates the memory of write
 * @property {(values: any) => void} write
 * @property {(owner: Module) => Tensor} [tensor] for a parameter: a tensor on the array itself
 * @property {number} [place] for a parameter: the index of its gradient's pointer in the C struct of gradients
 * @property {Module} [owner]
 */

/**
 * An array of floats in the heap.
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
    write: (values) => heap.write(pointer, values),
  };
}

/**
 * A parameter: an array of floats that parameters() lists.
 *
 * @param {Heap} heap
 * @param {string} name
 * @param {readonly number[]} shape
 * @param {number} pointer
 * @param {number} place the index of its gradient's pointer in the C struct of gradients
 * @returns {StateEntry}
 */
export function parameterEntry(heap, name, shape, pointer, place) {
  return {
    ...floatEntry(heap, name, shape, pointer),
    place,
    tensor: (owner) => new Tensor(heap, pointer, shape, { owner }),
  };
}

/**
 * A count: a 64-bit integer, as in PyTorch. Older files lack it, and models in half precision store it as
 * a float.
 *
 * @param {string} name
 * @param {() => BigInt64Array} view the array of one number that holds it
 * @returns {StateEntry}
 */
export function countEntry(name, view) {
  return {
    name,
    shape: [],
    optional: true,
    read: () => view().slice(),
    convert(data, dtype, fullName) {
      // Only bits of small floats are converted. Other numbers stay exact, also beyond 2^24.
      const [count] = isSmallFloat(String(dtype), className(data)) ? toFloats(data, dtype) : data;
      const whole = typeof count === 'bigint' || Number.isInteger(count) ? BigInt(count) : null;
      if (whole !== null && whole === BigInt.asIntN(64, whole)) return BigInt64Array.of(whole);
      throw new DynakernelError('ERR_STATE', `${fullName} must be a whole number of 64 bits, or ` +
        `left out; got ${given(count)}`);
    },
    write: (values) => view().set(values),
  };
}

/**
 * An entry that checks its owner before each access, since a getter of a state dict may dispose it.
 *
 * @param {StateEntry} entry
 * @param {() => void} check
 * @returns {StateEntry}
 */
export function checkedEntry(entry, check) {
  return {
    ...entry,
    read: () => {
      check();
      return entry.read();
    },
    prepare: () => {
      check();
      entry.prepare?.();
    },
    write: (values) => {
      check();
      entry.write(values);
    },
  };
}

/**
 * @param {readonly StateEntry[]} entries
 * @returns {StateDict}
 */
export function stateDict(entries) {
  return withMemory('the copies of a state dict', () => Object.fromEntries(
    entries.map(({ name, shape, read }) => [name, { shape: [...shape], data: read() }])));
}

/**
 * Reads all values, then checks them, then writes. A refused source changes nothing, whatever its getters
 * do.
 *
 * @param {readonly StateEntry[]} entries
 * @param {StateSource} source
 * @param {LoadStateOptions | undefined} options
 * @param {() => void} checkUsable refuses a module that a getter has disposed
 * @returns {LoadResult}
 */
export function loadStateDict(entries, source, options, checkUsable) {
  const { strict, prefix } = readLoadOptions(options);
  return withMemory('the numbers of the state dict', () => {
    const { values, isFile } = readSource(source);
    const names = new Set(Object.keys(values).filter((name) => name.startsWith(prefix)));

    // read: a caller's getters run here only
    /** @type {{ entry: StateEntry, name: string, value: ReadValue }[]} */
    const found = [];
    const missing = [];
    for (const entry of entries) {
      const name = prefix + entry.name;
      if (names.delete(name)) {
        const value = readValue(name, values[name], (shape) => fitsEntry(entry, shape));
        // A later getter may change or detach what an earlier one gave.
        found.push({ entry, name, value: isFile ? value : { ...value, data: value.data.slice() } });
      } else if (!entry.optional) {
        missing.push(name);
      }
    }

    // check
    const unexpected = [...names];
    const misfits = found.filter(({ entry, value }) => !fitsEntry(entry, value.shape));
    const isRefused = misfits.length > 0 || (strict && missing.length + unexpected.length > 0);
    const hint = strict && missing.length > 0 ? prefixHint(values, entries, prefix) : '';
    const reason = isRefused ? kindHint(values, entries, prefix) || optionHint(misfits) : '';
    checkUsable();

    const problems = misfits.map(({ entry, name, value }) =>
      `${nameText(name)} is ${shapeText(value.shape)}, expected ${shapeText(entry.shape)}`);
    if (problems.length > MOST_MISFITS) {
      problems.splice(MOST_MISFITS, Infinity, `and ${problems.length - MOST_MISFITS} more of another shape`);
    }
    if (strict && missing.length > 0) problems.push(`missing: ${listText(missing)}${hint}`);
    if (strict && unexpected.length > 0) problems.push(`unexpected: ${listText(unexpected)}`);
    if (isRefused) {
      throw new DynakernelError('ERR_STATE', `the state dict does not fit: ${problems.join('; ')}${reason}`);
    }

    // convert, allocate, write: only the first two steps can fail
    const writes = found.map(({ entry, name, value }) => {
      checkValue(name, value);
      return { entry, converted: entry.convert(value.data, value.dtype, nameText(name)) };
    });
    for (const { entry } of writes) entry.prepare?.();
    for (const { entry, converted } of writes) entry.write(converted);
    return { missing, unexpected };
  });
}

/** The most arrays of a wrong shape that a message lists. */
const MOST_MISFITS = 8;

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
 * @returns {{ values: { readonly [name: string]: unknown }, isFile: boolean }}
 */
export function readSource(source) {
  if (isBuffer(source) || ArrayBuffer.isView(source)) return { values: parseSafetensors(source), isFile: true };
  if (isObject(source) && !isArray(source) && !(source instanceof Tensor)) {
    return { values: /** @type {{ readonly [name: string]: unknown }} */ (source), isFile: false };
  }
  throw new DynakernelError('ERR_STATE', 'expected the bytes of a safetensors file, or an ' +
    `object { name: { shape, data } }; got ${given(source)}`);
}
