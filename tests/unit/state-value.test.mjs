// One array as float32: types, tensors, refused values.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseSafetensors, toFloat32, toSafetensors } from '../../web/dynakernel/index.js';
import { assertRefused, loadRuntime } from '../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const TYPES = [
  [Float64Array.of(1, -2)], [Float32Array.of(1, -2)], [Uint16Array.of(0x3c00, 0xc000), 'F16'],
  [Uint16Array.of(0x3f80, 0xc000), 'BF16'], [Uint8Array.of(0x38, 0xc0), 'F8_E4M3'], [Uint8Array.of(0x3c, 0xc0), 'F8_E5M2'],
  [BigInt64Array.of(1n, -2n)], [Int32Array.of(1, -2)], [Int16Array.of(1, -2)], [Int8Array.of(1, -2)],
];

test('every type that has numbers', () => {
  for (const [data, dtype] of TYPES) {
    const value = { shape: [2], data, dtype };
    for (const source of [value, parseSafetensors(toSafetensors({ value })).value]) {
      const floats = toFloat32(source);
      assert.ok(floats instanceof Float32Array);
      assert.deepEqual([...floats], [1, -2], dtype ?? data.constructor.name);
      assert.notEqual(floats.buffer, source.data.buffer, 'a copy');
    }
  }
  assert.deepEqual([...toFloat32({ shape: [2], data: [1, -2] })], [1, -2]);
  assert.deepEqual([...toFloat32({ shape: [2], data: Uint8Array.of(0, 1), dtype: 'BOOL' })], [0, 1]);
  assert.deepEqual([...toFloat32({ shape: [], data: BigUint64Array.of(2n ** 63n) })], [2 ** 63]);
});

test('an entry becomes a tensor, and a tensor is accepted', () => {
  const { a } = parseSafetensors(toSafetensors({ a: { shape: [1, 2], data: Float32Array.of(0.1, 70000) } }, {}, { dtype: 'BF16' }));
  const tensor = dk.tensor(toFloat32(a), a.shape);
  assert.deepEqual([...tensor.toArray()], [0.10009765625, 70144]);
  const copy = toFloat32(tensor);
  tensor.data.fill(5);
  assert.deepEqual([...copy], [0.10009765625, 70144]);
});

test('refused values', () => {
  for (const dtype of ['C64', 'F8_E8M0', 'F4', 'F6_E2M3', 'F6_E3M2', 'F8_E4M3FNUZ', 'I4']) {
    assertRefused(() => toFloat32({ shape: [2], data: new Uint8Array(2), dtype }), 'ERR_STATE', dtype, 'F8_E4M3');
  }
  for (const value of [undefined, null, 5, {}, [1], Float32Array.of(1), { shape: [2] }, { shape: 2, data: [1, 2] }]) {
    assertRefused(() => toFloat32(value), 'ERR_STATE', '{ shape, data }');
  }
  assertRefused(() => toFloat32({ shape: [3], data: Float32Array.of(1) }), 'ERR_STATE', '1 numbers', '[3]');
  assertRefused(() => toFloat32({ shape: [3], data: [1] }), 'ERR_STATE', '1 numbers', '[3]');
  const data = Float32Array.of(1, 2);
  structuredClone(data.buffer, { transfer: [data.buffer] });
  assertRefused(() => toFloat32({ shape: [2], data }), 'ERR_STATE', '0 numbers');
});

test('a subclass cannot lie about its length', () => {
  class Long extends Float32Array {
    get length() {
      return 1000;
    }
  }
  assert.deepEqual([...toFloat32({ shape: [2], data: new Long([1, 2]) })], [1, 2]);
  assertRefused(() => toFloat32({ shape: [1000], data: new Long([1, 2]) }), 'ERR_STATE', '2 numbers');
});
