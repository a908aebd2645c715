// Tensors: making them, live views, copies.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertRefused, loadRuntime, threads } from '../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

test('from typed arrays of every kind', () => {
  const kinds = [
    Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
    Float32Array, Float64Array,
  ];
  for (const Kind of kinds) {
    assert.deepEqual([...dk.tensor(Kind.of(1, 2, 3, 4), [2, 2]).data], [1, 2, 3, 4], Kind.name);
  }
  assert.deepEqual([...dk.tensor(BigInt64Array.of(-1n, 2n), [2]).data], [-1, 2]);
  assert.deepEqual([...dk.tensor(Uint16Array.of(0x3c00), [1]).data], [0x3c00], 'not a half');
});

test('from arrays, flat and nested', () => {
  assert.deepEqual([...dk.tensor([1, 2, 3, 4], [1, 2, 2]).data], [1, 2, 3, 4]);
  assert.deepEqual([...dk.tensor([[[1, 2], [3, 4]]], [1, 2, 2]).data], [1, 2, 3, 4]);
  assert.deepEqual([...dk.tensor([NaN, -Infinity], [2]).data], [NaN, -Infinity]);
  assert.deepEqual([...dk.tensor([], [0, 3]).data], []);
  assert.deepEqual([...dk.tensor([7], []).data], [7]);

  assertRefused(() => dk.tensor([[1, 2], [3]], [2, 2]), 'ERR_SHAPE', '[2, 2]', '1 elements');
  assertRefused(() => dk.tensor([[1, 2, 3, 4]], [2, 2]), 'ERR_SHAPE', '[2, 2]');
  assertRefused(() => dk.tensor([1, [2]], [2]), 'ERR_CONFIG', 'element 1 is [2]');
  assertRefused(() => dk.tensor([[1, 2], 3], [2, 2]), 'ERR_CONFIG', 'element 2 is 3');
  assertRefused(() => dk.tensor([1, '2'], [2]), 'ERR_CONFIG', 'element 1 is "2"');
  assertRefused(() => dk.tensor([1, undefined], [2]), 'ERR_CONFIG', 'undefined');
  assertRefused(() => dk.tensor([1, , 3], [3]), 'ERR_CONFIG', 'element 1 is undefined');
  assertRefused(() => dk.tensor([true], [1]), 'ERR_CONFIG', 'true');
});

test('the data must be what the shape needs', () => {
  assertRefused(() => dk.tensor(new Float32Array(5), [2, 3]), 'ERR_SHAPE', '[2, 3]', '6', '5');
  assertRefused(() => dk.tensor([1], [1, 1, 2]), 'ERR_SHAPE', '2 numbers', 'got 1');
  const buffer = new ArrayBuffer(4);
  for (const data of [undefined, null, 5, 'abc', {}, buffer, new DataView(buffer), dk.zeros([1])]) {
    assertRefused(() => dk.tensor(data, [1]), 'ERR_CONFIG', 'typed array');
  }
});

test('a shape is an array of whole numbers', () => {
  for (const shape of [undefined, null, 4, '1', [-1], [1.5], [NaN], ['2'], [1, null], {}, [2 ** 53], Array(2)]) {
    assertRefused(() => dk.zeros(shape), 'ERR_SHAPE', 'whole numbers');
    assertRefused(() => dk.tensor([1], shape), 'ERR_SHAPE', 'whole numbers');
  }
});

test('zeros are zero, also where memory was used before', () => {
  dk.tensor(new Float32Array(1000).fill(7), [1000]).dispose();
  const t = dk.zeros([10, 100]);
  assert.deepEqual(t.shape, [10, 100]);
  assert.ok(t.data.every((value) => value === 0));
});

test('data is live, toArray is a copy', () => {
  const t = dk.tensor([1, 2], [2]);
  const copy = t.toArray();
  t.data[0] = 5;
  assert.equal(t.data[0], 5);
  assert.equal(copy[0], 1);
  copy[1] = 9;
  assert.equal(t.data[1], 2);
});

test('the source is copied', () => {
  const source = Float32Array.of(1, 2);
  const t = dk.tensor(source, [2]);
  source[0] = 9;
  assert.equal(t.data[0], 1);
});

test('a shape cannot be changed', () => {
  const shape = [2, 3];
  const t = dk.zeros(shape);
  shape[0] = 100;
  assert.deepEqual(t.shape, [2, 3]);
  assert.throws(() => { t.shape[0] = 100; }, TypeError);
});

test("a tensor from another's view survives the growth of memory that it causes", () => {
  const t = dk.tensor(Float32Array.from({ length: 1000 }, (_, i) => i), [1000]);
  const grown = dk.info.heapBytes;
  const copies = [];
  while (dk.info.heapBytes === grown) copies.push(dk.tensor(t.data, [1000]));
  for (const copy of [t, ...copies]) assert.deepEqual(copy.data, t.toArray());
  for (const copy of copies) copy.dispose();
});

test('views are made afresh after growth', () => {
  const t = dk.tensor([1, 2, 3], [3]);
  const stale = t.data;
  const large = dk.zeros([dk.info.heapBytes / 4]);
  if (threads === 1) assert.equal(stale.length, 0, 'the memory has moved'); // shared memory grows in place
  assert.deepEqual([...t.data], [1, 2, 3]);
  large.dispose();
});
