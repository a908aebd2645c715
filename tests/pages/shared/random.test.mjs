// Random numbers from a seed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../../web/shared/random.js';

const draw = (random, count, method, ...range) => Array.from({ length: count }, () => random[method](...range));

test('the same seed gives the same numbers, another seed others', () => {
  assert.deepEqual(draw(new Random(7), 50, 'next'), draw(new Random(7), 50, 'next'));
  assert.notDeepEqual(draw(new Random(7), 50, 'next'), draw(new Random(8), 50, 'next'));
});

test('numbers stay in their range and fill it', () => {
  const between = draw(new Random(1), 2000, 'between', -3, 5);
  assert.ok(between.every((value) => value >= -3 && value < 5));
  assert.ok(Math.min(...between) < -2.9 && Math.max(...between) > 4.9);
  const below = draw(new Random(1), 500, 'below', 4);
  assert.deepEqual([...new Set(below)].sort(), [0, 1, 2, 3]);
});

test('normal numbers have mean 0 and variance 1', () => {
  const values = draw(new Random(1), 20_000, 'normal');
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  assert.ok(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.05, `mean ${mean}, variance ${variance}`);
});
