/**
 * The names in a checkpoint that stand for something: PyTorch's storages, types and tensors, and Python's
 * dictionaries. Nothing else is ever called. An unknown name gives a PyObject, which is no error until
 * somebody asks for what it holds.
 */
import { MAX_ELEMENTS } from '../abi.js';
import { isLength, shapeText, sizeOf } from '../shape.js';
import { PyGlobal, PyObject } from './pickle.js';
import { refusal } from './refusal.js';

/** @typedef {import('./pickle.js').World} World */

/**
 * The types of numbers: how many bytes an element has, what safetensors calls it and, if JavaScript can
 * count with it, the class that holds it.
 *
 * @typedef {{ name: string, bytes: number, dtype: string, array: string | null }} ScalarType
 */

/** @type {readonly (readonly [string, string, number, string, string | null])[]} storage, dtype, ... */
const TYPES = [
  ['FloatStorage', 'float32', 4, 'F32', 'Float32Array'], ['DoubleStorage', 'float64', 8, 'F64', 'Float64Array'],
  ['HalfStorage', 'float16', 2, 'F16', 'Uint16Array'], ['BFloat16Storage', 'bfloat16', 2, 'BF16', 'Uint16Array'],
  ['LongStorage', 'int64', 8, 'I64', 'BigInt64Array'], ['IntStorage', 'int32', 4, 'I32', 'Int32Array'],
  ['ShortStorage', 'int16', 2, 'I16', 'Int16Array'], ['CharStorage', 'int8', 1, 'I8', 'Int8Array'],
  ['ByteStorage', 'uint8', 1, 'U8', 'Uint8Array'], ['BoolStorage', 'bool', 1, 'BOOL', 'Uint8Array'],
  ['Float8_e5m2Storage', 'float8_e5m2', 1, 'F8_E5M2', 'Uint8Array'],
  ['Float8_e4m3fnStorage', 'float8_e4m3fn', 1, 'F8_E4M3', 'Uint8Array'],
  ['', 'uint16', 2, 'U16', 'Uint16Array'], ['', 'uint32', 4, 'U32', 'Uint32Array'],
  ['', 'uint64', 8, 'U64', 'BigUint64Array'],
  ['ComplexFloatStorage', 'complex64', 8, 'C64', null], ['ComplexDoubleStorage', 'complex128', 16, 'C128', null],
  ['QInt8Storage', 'qint8', 1, 'I8', null], ['QUInt8Storage', 'quint8', 1, 'U8', null],
  ['QInt32Storage', 'qint32', 4, 'I32', null],
];

/** @type {Map<string, ScalarType>} by storage class and by dtype */
const SCALARS = new Map(TYPES.flatMap(([storage, name, bytes, dtype, array]) => {
  const type = { name, bytes, dtype, array };
  return [[name, type], ...(storage ? [/** @type {[string, ScalarType]} */ ([storage, type])] : [])];
}));

/** A piece of memory that tensors are views of. Its bytes may come later in the file than its use. */
export class Storage {
  /** @type {Uint8Array | null} */
  bytes = null;

  /**
   * @param {string} key
   * @param {ScalarType | null} type null for a storage of bytes, whose tensors say their type
   */
  constructor(key, type) {
    this.key = key;
    this.type = type;
  }
}

/** A tensor as the checkpoint describes it: a view of a storage, in elements. */
export class StoredTensor {
  /**
   * @param {Storage} storage
   * @param {ScalarType} type
   * @param {number} offset
   * @param {readonly number[]} shape
   * @param {readonly number[]} strides
   */
  constructor(storage, type, offset, shape, strides) {
    this.storage = storage;
    this.type = type;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/**
 * What the reader may call, by name.
 *
 * @type {{ readonly [name: string]: (args: readonly any[], call: World['call']) => unknown }}
 */
const CALLS = {
  'collections.OrderedDict': (args) => dictOf(args[0]),
  'collections.defaultdict': () => new Map(),
  'builtins.dict': (args) => dictOf(args[0]),
  '__builtin__.dict': (args) => dictOf(args[0]),
  'torch.Size': (args) => args[0],
  'torch._utils._rebuild_tensor': (args) => tensorOf(args),
  'torch._utils._rebuild_tensor_v2': (args) => tensorOf(args),
  'torch._utils._rebuild_tensor_v3': (args) => tensorOf(args, args[6]),
  'torch._utils._rebuild_parameter': (args) => args[0],
  'torch._utils._rebuild_parameter_with_state': (args) => args[0],
  'torch.nn.parameter.Parameter': (args) => args[0],
  // A subclass of Tensor: its function makes the plain tensor.
  'torch._tensor._rebuild_from_type_v2': ([callee, , args], call) => call(callee, args),
};

/** @param {unknown} pairs nothing, a dict or a list of [key, value] */
function dictOf(pairs) {
  if (pairs instanceof Map) return new Map(pairs);
  return new Map(Array.isArray(pairs) ? pairs.filter((pair) => Array.isArray(pair) && pair.length === 2) : []);
}

/**
 * The world of one checkpoint.
 *
 * @param {(storage: Storage) => void} found called once for each storage
 * @returns {World}
 */
export function checkpointWorld(found) {
  /** @type {Map<string, Storage>} */
  const storages = new Map();

  const storageOf = (/** @type {string} */ key, /** @type {ScalarType | null} */ type) => {
    const known = storages.get(key);
    if (known) return known;
    const storage = new Storage(key, type);
    storages.set(key, storage);
    found(storage);
    return storage;
  };

  /** @type {World} */
  const world = {
    find: (global) => {
      if (global.module === 'torch' && SCALARS.has(global.name)) return SCALARS.get(global.name);
      return global;
    },
    call: (callee, args) => {
      const name = String(callee);
      const call = callee instanceof PyGlobal && Object.hasOwn(CALLS, name) ? CALLS[name] : null;
      return call ? call(args, world.call) : new PyObject(callee, args);
    },
    load: (id) => {
      // ('storage', type, key, location, elements, view), or text in the protocol 0
      if (!Array.isArray(id) || id[0] !== 'storage' || id.length < 3) return new PyObject('a persistent id', id);
      const type = isScalarType(id[1]) ? id[1] : null;
      if (type === null && !/(^|\.)UntypedStorage$/.test(String(id[1]))) {
        throw refusal(`it has a storage of the type ${String(id[1])}, which is unknown here`);
      }
      return storageOf(String(id[2]), type);
    },
  };
  return world;
}

/**
 * @param {unknown} value
 * @returns {value is ScalarType}
 */
const isScalarType = (value) => typeof value === 'object' && value !== null && 'bytes' in value && 'dtype' in value;

/**
 * The arguments of torch._utils._rebuild_tensor and its newer forms.
 *
 * @param {readonly any[]} args storage, offset, size, stride, ...
 * @param {unknown} [named] the type, if the storage has none
 */
function tensorOf([storage, offset, shape, strides], named) {
  if (!(storage instanceof Storage)) throw refusal('it has a tensor whose storage is none');
  const type = isScalarType(named) ? named : storage.type;
  const lists = isSizes(shape) && isSizes(strides) && shape.length === strides.length && isLength(offset);
  if (type === null || !lists) throw refusal('it has a tensor whose type, shape or strides are damaged');
  if (!(sizeOf(shape) <= MAX_ELEMENTS)) {
    throw refusal(`it has a tensor of the shape ${shapeText(shape)}; a tensor has at most ${MAX_ELEMENTS} elements`);
  }
  return new StoredTensor(storage, type, offset, [...shape], [...strides]);
}

/** More dimensions than PyTorch's tensors have. */
const MOST_DIMENSIONS = 64;

/**
 * @param {unknown} value
 * @returns {value is number[]}
 */
const isSizes = (value) => Array.isArray(value) && value.length <= MOST_DIMENSIONS && value.every(isLength);
