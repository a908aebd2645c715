// The ticks of the charts' axes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { niceStep } from '../../../web/shared/svg.js';

test('ticks are 1, 2 or 5 times a power of ten apart, and as many as fit', () => {
  for (const [length, parts, step] of [
    [100, 5, 20], [100, 4, 50], [100, 10, 10], [2000, 3, 1000], [7, 8, 1], [0.3, 4, 0.1], [101, 5, 50],
  ]) assert.ok(Math.abs(niceStep(length, parts) / step - 1) < 1e-9, `${length} in ${parts}: ${niceStep(length, parts)}`);
});
