// The curve of the losses in bounded memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Curve } from '../../../web/teach/curve.js';

test('a curve of any length has few points, in order, up to the last step', () => {
  const curve = new Curve();
  for (let step = 1; step <= 20_000; step++) curve.add([{ step, losses: [2, 3] }]);
  assert.ok(curve.points.length > 200 && curve.points.length <= 480, `${curve.points.length} points`);
  const steps = curve.points.map(({ step }) => step);
  assert.deepEqual(steps, [...steps].sort((first, second) => first - second));
  assert.equal(steps.at(-1), 20_000);
  for (const { losses: [first, second] } of curve.points)
    assert.ok(Math.abs(first - 2) < 1e-9 && Math.abs(second - 3) < 1e-9);
});

test('merged points are geometric means, and losses without a logarithm are left out', () => {
  const curve = new Curve();
  curve.add([0, NaN, Infinity].map((loss, i) => ({ step: i + 1, losses: [loss, 1] })));
  assert.deepEqual(curve.points, []);
  for (let step = 1; step <= 481; step++) curve.add([{ step, losses: [step % 2 ? 1 : 100, 1] }]);
  assert.ok(Math.abs(curve.points[0].losses[0] - 10) < 1e-9, `${curve.points[0].losses}`);
  curve.clear();
  assert.deepEqual(curve.points, []);
});
