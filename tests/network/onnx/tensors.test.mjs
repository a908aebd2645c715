// Tensors of every type and encoding, and incomplete tensors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage } from '../../../web/dynakernel/network/onnx/protobuf.js';
import { TENSOR } from '../../../web/dynakernel/network/onnx/schema.js';
import { readTensor } from '../../../web/dynakernel/network/onnx/tensors.js';
import { encodeFloats } from '../../../web/dynakernel/float-formats.js';
import { TYPES, field, float, int, tensor, varint } from '../onnx-writer.mjs';
import { assertRefused } from './support.mjs';

const read = (...parts) => readTensor(decodeMessage(new Uint8Array(Buffer.concat(parts)), TENSOR), () => 'the tensor');
const double = (value) => Buffer.from(new Float64Array([value]).buffer);
const packed = (number, values) => field(number, values);
const head = (type, ...shape) => [...shape.map((length) => int(1, length)), int(2, TYPES[type])];

test('raw data of every type', () => {
  const raw = (type, values) => [...read(tensor([values.length], values, { type })).data];
  for (const type of ['float', 'double', 'int8', 'int16', 'int32', 'int64']) assert.deepEqual(raw(type, [-3, 0, 100]), [-3, 0, 100], type);
  for (const type of ['uint8', 'uint16', 'uint32', 'uint64']) assert.deepEqual(raw(type, [3, 200]), [3, 200], type);
  assert.deepEqual(raw('uint32', [4294967295]), [4294967295]);
  assert.deepEqual(raw('bool', [0, 1, 5]), [0, 1, 1]);
  assert.deepEqual(raw('float16', encodeFloats([1.5, -0.25, 65504], 'F16')), [1.5, -0.25, 65504]);
  assert.deepEqual(raw('bfloat16', encodeFloats([1.5, -2, 3e38], 'BF16')), [1.5, -2, Math.fround(2 ** 127 * 1.765625)]);
  assert.deepEqual(raw('float', [0.1, Infinity]), [Math.fround(0.1), Infinity]);
  assert.deepEqual(raw('int64', [9007199254740993n, -9223372036854775808n]), [2 ** 53, -(2 ** 63)], 'beyond 2^53 rounded');
});

test('the lists of numbers of every type, packed and one by one', () => {
  const numbers = (values) => values.map(varint);
  assert.deepEqual([...read(...head('float', 2), packed(4, Buffer.from(new Float32Array([1, 2]).buffer))).data], [1, 2]);
  assert.deepEqual([...read(...head('float', 2), float(4, 1), float(4, 2)).data], [1, 2]);
  assert.deepEqual([...read(...head('float', 3), packed(4, Buffer.from(new Float32Array([1]).buffer)), float(4, 2),
    packed(4, Buffer.from(new Float32Array([3]).buffer))).data], [1, 2, 3]);
  assert.deepEqual([...read(...head('double', 2), packed(10, [double(1.5), double(-2)])).data], [1.5, -2]);
  for (const type of ['int32', 'int16', 'int8']) assert.deepEqual([...read(...head(type, 2), packed(5, numbers([-5, 7]))).data], [-5, 7],
    type);
  assert.deepEqual([...read(...head('int32', 2), int(5, -5), int(5, 7)).data], [-5, 7]);
  for (const type of ['uint8', 'uint16']) assert.deepEqual([...read(...head(type, 1), packed(5, numbers([200]))).data], [200], type);
  assert.deepEqual([...read(...head('bool', 2), packed(5, numbers([1, 0]))).data], [1, 0]);
  assert.deepEqual([...read(...head('float16', 2), packed(5, numbers([0x3e00, 0xb400]))).data], [1.5, -0.25]);
  assert.deepEqual([...read(...head('bfloat16', 1), packed(5, numbers([0x3fc0]))).data], [1.5]);
  assert.deepEqual([...read(...head('int64', 2), packed(7, numbers([-1, 2n ** 40n]))).data], [-1, 2 ** 40]);
  assert.deepEqual([...read(...head('uint64', 1), packed(11, numbers([2n ** 63n]))).data], [2 ** 63]);
  assert.deepEqual([...read(...head('uint32', 1), packed(11, numbers([4294967295]))).data], [4294967295]);
});

test('shapes: none, empty', () => {
  assert.deepEqual(read(tensor([], [5])).shape, []);
  assert.deepEqual(read(tensor([0, 3], [])).shape, [0, 3]);
});

test('tensors that are not whole or not read', () => {
  const refuse = (parts, ...words) => assertRefused(() => read(...parts), 'ERR_ONNX', ...words);
  const bytes = (length) => field(9, Buffer.alloc(length));
  refuse([...head('float', 3), field(8, 'weight'), bytes(11)], 'the tensor weight', '[3]', '12 bytes of FLOAT', 'it has 11');
  refuse([...head('float', 2 ** 20, 2 ** 20, 2 ** 20), bytes(4)], 'needs');
  refuse([...head('float', 2n ** 60n), bytes(4)], 'impossible shape');
  refuse([...head('float', -1), bytes(4)], 'impossible shape [-1]');
  refuse([...new Array(17).fill(int(1, 1)), int(2, 1), bytes(4)], '17 dimensions');
  refuse([...head('float', 2), int(5, 1), int(5, 2)], '2 numbers', 'it has 0');
  refuse([...head('int64', 2), int(7, 1)], '2 numbers', 'it has 1');
  refuse([...head('string', 1), field(6, 'text')], 'STRING');
  refuse([...head('complex64', 1), bytes(8)], 'COMPLEX64');
  refuse([int(1, 1), int(2, 17), bytes(1)], 'FLOAT8E4M3FN');
  refuse([int(1, 1), int(2, 77), bytes(1)], 'number 77');
  refuse([int(1, 1), bytes(4)], 'UNDEFINED');
  refuse([...head('float', 1), field(3, int(1, 0)), bytes(4)], 'segment');
  refuse([...head('float', 1), field(13, [field(1, 'location'), field(2, 'model.data')]), int(14, 1)], 'another file, "model.data"',
    'save_as_external_data=False');
  refuse([...head('float', 1), int(14, 1)], 'another file');
  refuse([...head('float', 1), field(13, [field(1, 'location'), field(2, 'a.bin')]), bytes(4)], 'another file, "a.bin"');
});
