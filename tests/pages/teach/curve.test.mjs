// The curve of the losses in bounded memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Curve } from '../../../web/teach/curve.js';

test('a curve of any length has few points, in order, up to the last step', () => {
  const curve = new Curve();
  for (let step = 1; step <= 20_000; step++) curve.add([[step, 2, 3]]);
  assert.ok(curve.points.length > 200 && curve.points.length <= 480, `${curve.points.length} points`);
  const steps = curve.points.map(({ step }) => step);
  assert.deepEqual(steps, [...steps].sort((first, second) => first - second));
  assert.equal(steps.at(-1), 20_000);
  for (const { dynamic, single } of curve.points)
    assert.ok(Math.abs(dynamic - 2) < 1e-9 && Math.abs(single - 3) < 1e-9);
});

test('merged points are geometric means, and losses without a logarithm are left out', () => {
  const curve = new Curve();
  curve.add([[1, 0, 1], [2, NaN, 1], [3, Infinity, 1]]);
  assert.deepEqual(curve.points, []);
  for (let step = 1; step <= 481; step++) curve.add([[step, step % 2 ? 1 : 100, 1]]);
  assert.ok(Math.abs(curve.points[0].dynamic - 10) < 1e-9, `${curve.points[0].dynamic}`);
  curve.clear();
  assert.deepEqual(curve.points, []);
});
