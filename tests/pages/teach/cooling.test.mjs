// The temperature in training.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temperatureAt } from '../../../web/teach/cooling.js';

test('the temperature falls by 3 at a time from 34 to 1 in the first tenth of a run, and stays there', () => {
  for (const steps of [110, 500, 2000, 20_000]) {
    const course = Array.from({ length: steps + 1 }, (_, step) => temperatureAt(step, steps, [34, 1]));
    assert.equal(course[0], 34);
    assert.deepEqual([...new Set(course)], [34, 31, 28, 25, 22, 19, 16, 13, 10, 7, 4, 1], `${steps} steps`);
    assert.equal(course.indexOf(1), Math.ceil(steps / 10), `${steps} steps`);
    assert.equal(course.at(-1), 1);
  }
});

test('the last drop ends at the last temperature', () => {
  assert.equal(temperatureAt(99, 1000, [30, 1]), 3);
  assert.equal(temperatureAt(100, 1000, [30, 1]), 1);
});
