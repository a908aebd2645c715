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
  assertRefused(() => dk.tensor([1, , 3], [3]), 'ERR_CONFIG', 'element 1 is undefined'); // oxlint-disable-line no-sparse-arrays -- a hole is refused
  assertRefused(() => dk.tensor([true], [1]), 'ERR_CONFIG', 'true');
});

test('the data must have as many numbers as the shape needs', () => {
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

test('zeros are zero, even in memory that was used before', () => {
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

test('set() and toArray(out) copy all numbers, also of more than a page', () => {
  // on threads, long arrays pass through a page of memory that is not shared (staging.js): 16,384 floats
  for (const length of [0, 1, 511, 512, 513, 16_383, 16_384, 16_385, 40_000]) {
    const numbers = Float32Array.from({ length }, (_, i) => Math.sin(i + length));
    const before = dk.tensor([7], [1]), t = dk.zeros([length]), after = dk.tensor([8], [1]);
    assert.equal(t.set(numbers), undefined);
    assert.deepEqual(t.data, numbers, `set, ${length}`);
    assert.deepEqual(dk.tensor(numbers, [length]).data, numbers, `dk.tensor, ${length}`);
    const whole = new Float32Array(length + 2).fill(9), out = whole.subarray(1, -1);
    assert.equal(t.toArray(out), out);
    assert.deepEqual(out, numbers, `toArray, ${length}`);
    assert.deepEqual([whole[0], whole[length + 1], before.data[0], after.data[0]], [9, 9, 7, 8], `neighbours, ${length}`);
  }
});

test('set() takes what dk.tensor takes, and its own memory', () => {
  const t = dk.zeros([2, 3]);
  for (const data of [[[1, 2, 3], [4, 5, 6]], [1, 2, 3, 4, 5, 6], Float64Array.of(1, 2, 3, 4, 5, 6), dk.tensor([1, 2, 3, 4, 5, 6], [6]).data]) {
    t.data.fill(0);
    t.set(data);
    assert.deepEqual([...t.data], [1, 2, 3, 4, 5, 6]);
    t.set(t.data);
    assert.deepEqual([...t.data], [1, 2, 3, 4, 5, 6]);
  }
  const shared = new Float32Array(new SharedArrayBuffer(4 * 1000)).fill(3), long = dk.zeros([1000]);
  long.set(shared);
  assert.ok(long.data.every((value) => value === 3));
  long.data.fill(4);
  long.toArray(shared);
  assert.ok(shared.every((value) => value === 4));
  assertRefused(() => t.set(new Float32Array(5)), 'ERR_SHAPE', '[2, 3]', '6 numbers', 'got 5');
  assertRefused(() => t.set([[1, 2], [3, 4], [5, 6]]), 'ERR_SHAPE', '[2, 3]');
  for (const data of [undefined, null, 5, {}, t]) assertRefused(() => t.set(data), 'ERR_CONFIG', 'typed array');
  assertRefused(() => t.toArray(new Float32Array(5)), 'ERR_SHAPE', '6 numbers', '[2, 3]', 'got 5');
  for (const out of [null, 5, [], new Float64Array(6), t]) assertRefused(() => t.toArray(out), 'ERR_CONFIG', 'Float32Array');
  const gone = dk.zeros([2, 3]);
  gone.dispose();
  assertRefused(() => gone.set([1, 2, 3, 4, 5, 6]), 'ERR_DISPOSED');
  assertRefused(() => gone.toArray(new Float32Array(6)), 'ERR_DISPOSED');
});

test('set() on a view of a gradient or a parameter counts as writing', () => {
  const conv = dk.kernelAggregation({ inChannels: 1, outChannels: 1, kernelSize: 1, numKernels: 1, bias: false, seed: 1 });
  const x = dk.tensor([2], [1, 1, 1, 1]), one = dk.tensor([1], [1, 1]);
  conv.forward(x, one);
  conv.parameters().weight.set([5]);
  assert.deepEqual([...conv.forward(x, one).data], [10]);
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

test('data makes a new view after the memory has grown', () => {
  const t = dk.tensor([1, 2, 3], [3]);
  const stale = t.data;
  const large = dk.zeros([dk.info.heapBytes / 4]);
  if (threads === 1) assert.equal(stale.length, 0, 'the memory has moved'); // shared memory grows in place
  assert.deepEqual([...t.data], [1, 2, 3]);
  large.dispose();
});

/** Twenty tensors of ones one after the other, the first of them disposed. Checks that no other changes. */
function neighbours() {
  const others = Array.from({ length: 20 }, () => dk.tensor([1, 1, 1, 1], [4]));
  others.shift().dispose();
  return () => {
    for (const other of others) {
      assert.deepEqual([...other.toArray()], [1, 1, 1, 1]);
      other.dispose();
    }
  };
}

/** An array whose items are functions of how often they were read. */
const changing = (...items) => Object.defineProperties([], Object.fromEntries(items.map((item, i) => {
  let reads = 0;
  return [i, { configurable: true, enumerable: true, get: () => item(reads++) }];
})));

test('a shape is read once', () => {
  const check = neighbours();
  const growing = () => changing((reads) => (reads === 0 ? 4 : 4000));
  for (const make of [() => dk.zeros(growing()), () => dk.tensor([1, 2, 3, 4], growing())]) {
    const t = make();
    assert.deepEqual(t.shape, [4]);
    assert.equal(t.toArray().length, 4);
    t.dispose();
  }
  const shape = [4];
  shape[Symbol.iterator] = function* () { yield 4000; };
  assert.deepEqual(dk.zeros(shape).shape, [4]);
  check();
});

test('data is read once: numbers', () => {
  const check = neighbours();
  assert.deepEqual([...dk.tensor(changing(...[1, 2, 3, 4].map((value) => (reads) => (reads ? 'x' : value))), [4]).data],
    [1, 2, 3, 4]);
  const nested = changing((reads) => (reads ? Array(4000).fill(9) : [1, 2]), () => [3, 4]);
  assert.deepEqual([...dk.tensor(nested, [2, 2]).data], [1, 2, 3, 4]);
  const lengthening = new Proxy([1, 2, 3, 4], {
    reads: 0,
    get(target, name) {
      return name !== 'length' ? target[name] ?? 9 : this.reads++ ? 4000 : 4;
    },
  });
  assert.deepEqual([...dk.tensor(lengthening, [4]).data], [1, 2, 3, 4]);
  const shrinking = changing((reads) => {
    shrinking.length = 1;
    return reads + 1;
  }, () => 2);
  assertRefused(() => dk.tensor(shrinking, [2]), 'ERR_CONFIG', 'element 1 is undefined');
  check();
});

test('data is read once: the real length and numbers of typed arrays, not their getters', () => {
  const check = neighbours();
  for (const Kind of [Float32Array, Float64Array, Uint8Array]) {
    const says = (length) => class extends Kind {
      get length() { return length; }
    };
    assertRefused(() => dk.tensor(new (says(4))(4000).fill(7), [4]), 'ERR_SHAPE', 'got 4000');
    assert.deepEqual([...dk.tensor(new (says(4000))(4).fill(7), [4]).data], [7, 7, 7, 7]);
    class Other extends Kind {
      static get [Symbol.species]() { return Uint8Array; }
      get [Symbol.toStringTag]() { return 'Uint16Array'; }
      get byteOffset() { return 4; }
      get buffer() { return new ArrayBuffer(1 << 20); }
      slice() { return new Float32Array(4000); }
      subarray() { return new Float32Array(4000); }
      * [Symbol.iterator]() { yield* Array(4000).fill(9); }
    }
    assert.deepEqual([...dk.tensor(new Other(4).fill(7), [4]).data], [7, 7, 7, 7], Kind.name);
  }
  const moved = new Float32Array(4);
  structuredClone(moved.buffer, { transfer: [moved.buffer] });
  assertRefused(() => dk.tensor(moved, [4]), 'ERR_SHAPE', 'got 0');
  check();
});

test('a resizable buffer that shrinks while the shape is read', () => {
  const buffer = new ArrayBuffer(16, { maxByteLength: 16 });
  if (!buffer.resizable) return; // an engine without resizable buffers makes an ordinary one
  const shape = changing(() => {
    buffer.resize(8);
    return 4;
  });
  assertRefused(() => dk.tensor(new Float32Array(buffer), shape), 'ERR_SHAPE', 'got 2');
});

test('lengths are checked before anything is read', () => {
  const endless = () => new Proxy([], {
    get: (_, name) => (name === 'length' ? 2 ** 32 - 1 : assert.fail(`reads ${String(name)}`)),
  });
  assertRefused(() => dk.zeros(endless()), 'ERR_SHAPE');
  assertRefused(() => dk.tensor([1], endless()), 'ERR_SHAPE');
  const begin = performance.now();
  const sparse = [];
  sparse.length = 2 ** 32 - 1;
  assertRefused(() => dk.zeros(sparse), 'ERR_SHAPE');
  assertRefused(() => dk.tensor(sparse, [4]), 'ERR_SHAPE', 'needs 4 numbers', 'got 4294967295');
  assertRefused(() => dk.tensor([sparse], [1, 4]), 'ERR_SHAPE', '4294967295 elements');
  assert.ok(performance.now() - begin < 2000);
});
