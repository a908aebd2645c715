// Lists that callers pass. The length is checked first, each item is read once, and holes count as items.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { extent, isListOf, readList } from '../../web/dynakernel/check.js';
import { assertRefused, loadRuntime } from '../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const isNumber = (item) => typeof item === 'number';
const endless = new Proxy([], { get: (_, key) => (key === 'length' ? 2 ** 32 - 1 : 1) });

test('lists', () => {
  assert.deepEqual(readList([1, 2], isNumber), [1, 2]);
  assert.deepEqual(readList([], isNumber), []);
  // oxlint-disable-next-line no-sparse-arrays -- a list with a hole is none
  for (const value of [null, undefined, 5, '12', {}, { length: 1, 0: 1 }, Float32Array.of(1), Array(2), [1, , 2], ['1']]) {
    assert.equal(isListOf(value, isNumber), false);
  }
  assert.equal(isListOf([1, 2, 3], isNumber, 2), false);
  assert.notEqual(readList([1, 2], isNumber), [1, 2], 'a copy');
});

test('a revoked Proxy is not a list', () => {
  const { proxy, revoke } = Proxy.revocable([], {});
  revoke();
  assert.equal(isListOf(proxy, isNumber), false);
});

test('each item is read once', () => {
  let reads = 0;
  const list = new Proxy([5], { get: (target, key) => (key === '0' ? (reads++, 5) : Reflect.get(target, key)) });
  assert.deepEqual(readList(list, isNumber), [5]);
  assert.equal(reads, 1);
});

test('extents: a number, or a pair that is copied and frozen', () => {
  assert.equal(extent(3, 'x', 1, 9), 3);
  const pair = [1, 9];
  const read = extent(pair, 'x', 1, 9);
  assert.deepEqual(read, [1, 9]);
  assert.ok(read !== pair && Object.isFrozen(read));
  let reads = 0;
  const once = new Proxy([2, 4], { get: (target, key) => (key === '1' ? (reads++ ? 'else' : 4) : Reflect.get(target, key)) });
  assert.deepEqual(extent(once, 'x', 1, 9), [2, 4]);
  assertRefused(() => extent([0, 1], 'the step', 1, 9), 'ERR_CONFIG', 'the step must be a whole number, 1 or more', 'got [0, 1]');
  assertRefused(() => extent([1, 10], 'the step', 1, 9), 'ERR_CONFIG', 'the step must be at most 9; got [1, 10]');
  assertRefused(() => extent(10, 'the step', 1, 9), 'ERR_CONFIG', 'the step must be at most 9; got 10');
});

test('lists of 2^32 - 1 items are refused at once, wherever they are given', () => {
  const image = { data: new Uint8ClampedArray(16), width: 2, height: 2 };
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: 1, seed: 1 });
  const x = dk.zeros([1, 3, 2, 2]);
  for (const list of [Array(2 ** 32 - 1), endless]) {
    for (const [work, code] of [
      [() => dk.zeros(list), 'ERR_SHAPE'], [() => dk.tensor([1], list), 'ERR_SHAPE'], [() => dk.tensor(list, [2]), undefined],
      [() => dk.tensor(list, [2, 2]), undefined], [() => block.aggregation.planFor(list), 'ERR_SHAPE'],
      [() => dk.fromImage(image, { mean: list }), 'ERR_CONFIG'], [() => dk.fromImage(image, { std: list }), 'ERR_CONFIG'],
      [() => x.toImageData({ range: list }), 'ERR_CONFIG'], [() => dk.adam(list), 'ERR_CONFIG'], [() => dk.sgd(list), 'ERR_CONFIG'],
      [() => dk.adam(block, { betas: list }), 'ERR_CONFIG'], [() => dk.zeros([list]), 'ERR_SHAPE'],
      [() => dk.kernelAttention({ channels: list }), 'ERR_CONFIG'],
      [() => dk.kernelAggregation({ inChannels: 1, outChannels: 1, kernelSize: list }), 'ERR_CONFIG'],
    ]) {
      if (code) assertRefused(work, code);
      else assert.throws(work, (error) => ['ERR_SHAPE', 'ERR_CONFIG'].includes(error.code));
    }
  }
});
