/** Tensors of an ONNX file: from TensorProto to numbers. */
import { DynakernelError, given, nameText } from '../../errors.js';
import { decodeFloats } from '../../float-formats.js';
import { shapeText, sizeOf } from '../../shape.js';

/** @typedef {import('./protobuf.js').Message} Message */

/**
 * The type of a tensor's elements. Floats of 16 bits are held as float32, integers and truth values
 * as doubles.
 *
 * @typedef {'float' | 'double' | 'float16' | 'bfloat16' | 'int8' | 'int16' | 'int32' | 'int64' | 'uint8' | 'uint16' |
 *   'uint32'
 *   | 'uint64' | 'bool'} Dtype
 */

/** @typedef {Float32Array | Float64Array} Numbers */

/** @typedef {{ dtype: Dtype, shape: number[], data: Numbers }} TensorData */

/** Names of TensorProto.DataType by number. */
const TYPE_NAMES = [
  'UNDEFINED', 'FLOAT', 'UINT8', 'INT8', 'UINT16', 'INT16', 'INT32', 'INT64', 'STRING', 'BOOL', 'FLOAT16', 'DOUBLE',
    'UINT32',
  'UINT64', 'COMPLEX64', 'COMPLEX128', 'BFLOAT16', 'FLOAT8E4M3FN', 'FLOAT8E4M3FNUZ', 'FLOAT8E5M2', 'FLOAT8E5M2FNUZ',
    'UINT4',
  'INT4', 'FLOAT4E2M1',
];

/** @type {{ readonly [type: number]: Dtype }} */
const DTYPES = {
  1: 'float', 2: 'uint8', 3: 'int8', 4: 'uint16', 5: 'int16', 6: 'int32', 7: 'int64', 9: 'bool', 10: 'float16',
    11: 'double',
  12: 'uint32', 13: 'uint64', 16: 'bfloat16',
};

/** The class that holds the bytes of raw_data, and the field that holds the numbers otherwise. */
const STORAGE = /** @type {{ readonly [dtype: string]: readonly [any, string] }} */ ({
  float: [Float32Array, 'floatData'], double: [Float64Array, 'doubleData'],
  float16: [Uint16Array, 'int32Data'], bfloat16: [Uint16Array, 'int32Data'],
  int8: [Int8Array, 'int32Data'], int16: [Int16Array, 'int32Data'], int32: [Int32Array, 'int32Data'],
  uint8: [Uint8Array, 'int32Data'], uint16: [Uint16Array, 'int32Data'], bool: [Uint8Array, 'int32Data'],
  uint32: [Uint32Array, 'uint64Data'], int64: [BigInt64Array, 'int64Data'], uint64: [BigUint64Array, 'uint64Data'],
});

/** The largest rank while a file is folded. */
const MAX_RANK = 16;

/** Elements of a tensor of floats that outlives the file. */
const FEW = 64;

/** @param {string} dtype */
export const isFloat = (dtype) => dtype === 'float' || dtype === 'double' || dtype === 'float16' ||
  dtype === 'bfloat16';

/** @param {unknown} type a number of TensorProto.DataType */
export const typeName = (type) => TYPE_NAMES[/** @type {number} */ (type)] ?? `number ${given(type)}`;

/**
 * The type by its number.
 *
 * @param {number | undefined} type
 * @param {() => string} what whose type it is, for the message
 * @returns {Dtype}
 */
export function dtypeOf(type, what) {
  if (type !== undefined && Object.hasOwn(DTYPES, type)) return DTYPES[type];
  throw new DynakernelError('ERR_ONNX',
    `${what()} has the type ${typeName(type ?? 0)}; a network computes with float32, and ` +
    'folds constants of the integer types and BOOL');
}

/**
 * An array for elements of a type.
 *
 * @param {Dtype} dtype
 * @param {number} length
 * @returns {Numbers}
 */
export const numbersFor =
  (dtype, length) => (isFloat(dtype) && dtype !== 'double' ? new Float32Array(length) : new Float64Array(length));

/**
 * Numbers as a type holds them: the array itself if it can be.
 *
 * @param {Dtype} dtype
 * @param {ArrayLike<number>} data
 * @returns {Numbers}
 */
export function asNumbers(dtype, data) {
  if (data instanceof (isFloat(dtype) && dtype !== 'double' ? Float32Array : Float64Array)) return data;
  const numbers = numbersFor(dtype, data.length);
  numbers.set(data);
  return numbers;
}

/**
 * Reads a tensor. Its numbers are a view on the file if they are aligned float32.
 *
 * @param {Message} tensor
 * @param {() => string} what which tensor it is, for messages
 * @param {Pool} [pool] for copies of small tensors
 * @returns {TensorData}
 * @throws {DynakernelError} ERR_ONNX if the tensor is not whole, or of a type that is not read
 */
export function readTensor(tensor, what, pool) {
  const refuse = (/** @type {string} */ message) =>
    new DynakernelError('ERR_ONNX', `${textOf(tensor, what)} ${message}`);
  if (tensor.externalData.length > 0 || tensor.dataLocation === 1) {
    const place = tensor.externalData.find((/** @type {Message} */ pair) => pair.key === 'location')?.value;
    throw refuse(`keeps its numbers in another file${place ? `, ${given(place)}` : ''}; save the model in one file: ` +
      "onnx.save(onnx.load('model.onnx'), 'whole.onnx', save_as_external_data=False)");
  }
  if (tensor.segment) throw refuse('is one segment of a tensor; segments are not read');
  const dtype = dtypeOf(tensor.dataType, () => textOf(tensor, what));
  /** @type {number[]} */
  const shape = Array.isArray(tensor.dims) ? tensor.dims.slice() : Array.from(tensor.dims);
  if (shape.length > MAX_RANK) throw refuse(`has ${shape.length} dimensions; at most ${MAX_RANK} are read`);
  if (!areLengths(shape)) throw refuse(`has the impossible shape ${shapeText(shape)}`);
  const Type = STORAGE[dtype][0];
  const size = sizeOf(shape);
  if (tensor.isDropped) return { dtype, shape, data: numbersFor(dtype, size) };

  // the numbers are either the bytes of raw_data or a list in the field of the type
  if (tensor.rawData !== undefined) {
    const bytes = tensor.rawData;
    if (bytes.length !== size * Type.BYTES_PER_ELEMENT) {
      throw refuse(`with the shape ${shapeText(shape)} needs ${size * Type.BYTES_PER_ELEMENT} bytes of ` +
        `${typeName(tensor.dataType)}; it has ${bytes.length}`);
    }
    const data = Type === BigInt64Array || Type === BigUint64Array ? longs(bytes, dtype === 'int64')
      : toNumbers(dtype, viewOn(bytes, Type, pool));
    return { dtype, shape, data };
  }
  const list = tensor[STORAGE[dtype][1]];
  if (list.length !== size) {
    throw refuse(`with the shape ${shapeText(shape)} needs ${size} numbers; it has ${list.length}`);
  }
  return { dtype, shape, data: toNumbers(dtype, list) };
}

/**
 * @param {Message} tensor
 * @param {() => string} what
 */
const textOf = (tensor, what) => `${what()}${tensor.name ? ` ${nameText(tensor.name)}` : ''}`;

/** @param {readonly number[]} shape */
export function areLengths(shape) {
  for (let i = 0; i < shape.length; i++) if (!Number.isSafeInteger(shape[i]) || shape[i] < 0) return false;
  return true;
}

/**
 * Releases the file: a tensor of many floats keeps its shape only, and reads as zeros from now on; all others keep a
 * copy. Shapes, indices and factors, which decide about the graph, have few elements.
 *
 * @param {Message} graph
 * @param {Pool} [pool] for the copies
 */
export function dropWeights(graph, pool = new Pool()) {
  const { initializers, nodes } = graph;
  for (let i = 0; i < initializers.length; i++) dropNumbers(initializers[i], pool);
  for (let n = 0; n < nodes.length; n++) {
    const { attributes } = nodes[n];
    for (let i = 0; i < attributes.length; i++) {
      const { tensor, graph: inner } = attributes[i];
      if (tensor) dropNumbers(tensor, pool);
      if (inner) dropWeights(inner, pool);
    }
  }
}

/**
 * @param {Message} tensor
 * @param {Pool} pool
 */
function dropNumbers(tensor, pool) {
  if (isFloat(DTYPES[tensor.dataType]) && sizeOf(tensor.dims) > FEW) {
    tensor.isDropped = true;
    tensor.rawData = undefined;
    tensor.floatData = tensor.doubleData = tensor.int32Data = [];
  } else if (tensor.rawData) tensor.rawData = pool.copy(tensor.rawData);
}

/** Bytes of a chunk of a pool. */
const CHUNK = 2 ** 18;

/** Room for copies. Many small arrays share a buffer, because each buffer costs time. */
export class Pool {
  /** @type {ArrayBuffer | null} */
  #chunk = null;
  #used = 0;

  /**
   * A copy that is aligned to 8 bytes.
   *
   * @param {Uint8Array} bytes
   */
  copy(bytes) {
    if (bytes.length > CHUNK / 8) return bytes.slice();
    if (!this.#chunk || this.#used + bytes.length > CHUNK) {
      this.#chunk = new ArrayBuffer(CHUNK);
      this.#used = 0;
    }
    const copy = new Uint8Array(this.#chunk, this.#used, bytes.length);
    copy.set(bytes);
    this.#used += Math.ceil(bytes.length / 8) * 8;
    return copy;
  }
}

/**
 * Bytes as the numbers that they are: a view if they are aligned, else a copy.
 *
 * @param {Uint8Array} bytes
 * @param {any} Type a typed array
 * @param {Pool} [pool]
 */
function viewOn(bytes, Type, pool) {
  const isAligned = bytes.byteOffset % Type.BYTES_PER_ELEMENT === 0;
  const { buffer, byteOffset, byteLength } = isAligned ? bytes : pool?.copy(bytes) ?? bytes.slice();
  return new Type(buffer, byteOffset, byteLength / Type.BYTES_PER_ELEMENT);
}

/**
 * Integers of 64 bits. Files have thousands of single ones, for which a BigInt64Array would take long.
 *
 * @param {Uint8Array} bytes
 * @param {boolean} signed
 * @returns {Float64Array}
 */
function longs({ buffer, byteOffset, byteLength }, signed) {
  const view = new DataView(buffer, byteOffset, byteLength);
  const numbers = new Float64Array(byteLength / 8);
  for (let i = 0; i < numbers.length; i++) {
    const high = signed ? view.getInt32(8 * i + 4, true) : view.getUint32(8 * i + 4, true);
    numbers[i] = high * 2 ** 32 + view.getUint32(8 * i, true);
  }
  return numbers;
}

/**
 * @param {Dtype} dtype
 * @param {any} list
 * @returns {Numbers}
 */
function toNumbers(dtype, list) {
  if (dtype === 'float16') return decodeFloats(list, 'F16');
  if (dtype === 'bfloat16') return decodeFloats(list, 'BF16');
  const numbers = numbersFor(dtype, 0);
  if (list instanceof numbers.constructor) return /** @type {Numbers} */ (list);
  const Type = /** @type {any} */ (numbers.constructor);
  return Type.from(list, dtype === 'bool' ? (/** @type {number} */ bit) => Number(bit !== 0) : Number);
}
