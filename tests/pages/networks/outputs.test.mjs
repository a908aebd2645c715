// What the page Networks takes a network's output for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  classCount, greatest, mapSides, pictureRange, probabilities, readLabels, strongest, viewsOf,
} from '../../../web/networks/outputs.js';

const floats = (...numbers) => Float32Array.from(numbers);

test('the likeliest view comes first', () => {
  const picture = [1, 3, 256, 192];
  for (const [shape, view] of [
    [[1, 17, 64, 48], 'heatmaps'], [[1, 1, 128, 96], 'heatmaps'], [[1, 1000], 'classes'], [[1, 1000, 1, 1], 'classes'],
    [[1, 3, 256, 192], 'image'], [[1, 3, 512, 384], 'image'], [[1, 3, 512, 192], 'maps'], [[1, 21, 256, 192], 'maps'],
    [[1, 512, 8, 6], 'maps'], [[1, 100, 85], 'maps'], [[5], 'numbers'], [[1, 1], 'numbers'], [[], 'numbers'],
  ]) assert.equal(viewsOf(shape, picture)[0], view, `[${shape}]`);
  assert.equal(viewsOf([1, 17, 64, 48], null)[0], 'maps', 'without a picture there is nothing to lie over');
  for (const shape of [[1, 17, 64, 48], [1, 10], []]) assert.ok(viewsOf(shape, picture).includes('numbers'));
});

test('sides of maps and counts of classes', () => {
  assert.deepEqual(mapSides([1, 17, 64, 48]), [17, 64, 48]);
  assert.deepEqual(mapSides([4, 17, 64, 48]), [17, 64, 48]);
  assert.deepEqual(mapSides([2, 3, 4]), [2, 3, 4]);
  assert.deepEqual(mapSides([2, 3, 4, 5, 6]), [24, 5, 6]);
  assert.deepEqual(mapSides([7]), [1, 1, 7]);
  assert.deepEqual(mapSides([]), [1, 1, 1]);
  assert.deepEqual([[1, 10], [1, 10, 1, 1], [1, 10, 2, 1], [10]].map(classCount), [10, 10, 0, 0]);
});

test('logits become probabilities, and probabilities stay', () => {
  const made = probabilities(floats(1000, 1001, 1002));
  assert.equal(made.isSoftmax, true);
  const total = 1 + Math.exp(-1) + Math.exp(-2);
  [Math.exp(-2), Math.exp(-1), 1].forEach((power, i) => assert.ok(Math.abs(made.values[i] - power / total) < 1e-6));
  const given = floats(0.25, 0.5, 0.25);
  assert.deepEqual(probabilities(given), { values: given, isSoftmax: false });
  assert.equal(probabilities(floats(0.9, 0.8)).isSoftmax, true, 'they do not add up to 1');
  assert.equal(probabilities(floats(-0.5, 1.5)).isSoftmax, true, 'one is negative');
  assert.deepEqual(greatest(floats(3, 1, 3, 2), 3), [0, 2, 3]);
});

test('the range of a picture, and the strongest map at each pixel', () => {
  assert.deepEqual(pictureRange(floats(0, 0.5, 1.1)), [0, 1]);
  assert.deepEqual(pictureRange(floats(-0.9, 0.5)), [-1, 1]);
  assert.deepEqual(pictureRange(floats(0, 200)), [0, 255]);
  assert.deepEqual(strongest({ shape: [1, 2, 1, 3], data: floats(1, 5, 2, 3, 4, 0) }), floats(3, 5, 2));
});

test('labels from lines and from JSON', () => {
  assert.deepEqual(readLabels('tench\ngoldfish\n'), ['tench', 'goldfish']);
  assert.deepEqual(readLabels('n01440764 tench, Tinca tinca\r\nn01443537 goldfish'), ['tench, Tinca tinca', 'goldfish']);
  assert.deepEqual(readLabels('["a", "b"]'), ['a', 'b']);
  assert.deepEqual(readLabels('{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}'), ['tench', 'goldfish']);
  assert.deepEqual(readLabels('[not JSON'), ['[not JSON']);
});
