// Compares losses with their formulas, on lengths around a vector's and with NaN. Tests refusals.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { assertRefused, loadRuntime, randomTensor } from '../helpers.mjs';
import { assertWithin } from '../training.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const clamp = (value, limit) => Math.max(-limit, Math.min(limit, value));

/** For each name the call, and the loss and the gradient of one difference. */
const LOSSES = {
  mse: [(y, target, options) => dk.mseLoss(y, target, options), (d) => d * d, (d) => 2 * d],
  l1: [(y, target, options) => dk.l1Loss(y, target, options), Math.abs, Math.sign],
  'huber, delta 1': [
    (y, target, options) => dk.huberLoss(y, target, options),
    (d) => (Math.abs(d) <= 1 ? d * d / 2 : Math.abs(d) - 0.5), (d) => clamp(d, 1),
  ],
  'huber, delta 0.3': [
    (y, target, options) => dk.huberLoss(y, target, { delta: 0.3, ...options }),
    (d) => (Math.abs(d) <= 0.3 ? d * d / 2 : 0.3 * (Math.abs(d) - 0.15)), (d) => clamp(d, 0.3),
  ],
};

const shapes = [1, 2, 3, 4, 5, 7, 8, 63, 1024, 1025, 5000].map((length) => [length]).concat([[2, 3, 5, 7]]);

for (const [name, [call, valueOf, slopeOf]] of Object.entries(LOSSES)) {
  test(`${name}: loss and gradient`, () => {
    for (const shape of shapes) {
      const [y, target] = [randomTensor(dk, shape, 1), randomTensor(dk, shape, 2)];
      target.data[0] = y.data[0]; // no difference at all
      y.data.set(y.data.map((value) => 2 * value));
      target.data.set(target.data.map((value) => 2 * value));
      const differences = Array.from(y.data, (value, i) => value - target.data[i]);
      const expected = differences.reduce((sum, d) => sum + valueOf(d), 0) / differences.length;

      const { loss, gradient } = call(y, target);
      assert.ok(Math.abs(loss - expected) <= 1e-6 * expected, `${name} ${shape}: ${loss}, expected ${expected}`);
      assert.deepEqual(gradient.shape, shape);
      assertWithin(gradient.data, differences.map((d) => slopeOf(d) / differences.length),
        () => 1e-6 * 4 / differences.length, `${name} ${shape}`);

      const out = dk.zeros(shape);
      const again = call(y, target, { out });
      assert.equal(again.gradient, out);
      assert.equal(again.loss, loss);
      assert.deepEqual(out.toArray(), gradient.toArray());
      const inPlace = call(y, target, { out: y });
      assert.equal(inPlace.gradient, y);
      assert.equal(inPlace.loss, loss);
      assert.deepEqual(y.toArray(), gradient.toArray());
      for (const tensor of [y, target, gradient, out]) tensor.dispose();
    }
  });

  test(`${name}: NaN stays NaN and does not spread`, () => {
    for (const at of [0, 5]) {
      const [y, target] = [randomTensor(dk, [6], 1), randomTensor(dk, [6], 2)];
      y.data[at] = NaN;
      const { loss, gradient } = call(y, target);
      assert.ok(Number.isNaN(loss));
      assert.deepEqual(Array.from(gradient.data, Number.isNaN), Array.from({ length: 6 }, (_, i) => i === at));
      y.data[at] = Infinity;
      assert.equal(call(y, target).loss, Infinity);
    }
  });

  test(`${name}: a refused call changes nothing`, () => {
    const [y, target] = [randomTensor(dk, [2, 3], 1), randomTensor(dk, [2, 3], 2)];
    const word = name.slice(0, 2);
    const live = heapOf(dk).live;
    for (const value of [undefined, null, 5, [1], new Float32Array(6)]) {
      assertRefused(() => call(value, target), 'ERR_CONFIG', word, 'y must be a Tensor');
      assertRefused(() => call(y, value), 'ERR_CONFIG', word, 'target must be a Tensor');
    }
    for (const shape of [[3, 2], [6], [2, 3, 1], [2, 2]]) {
      const wrong = dk.zeros(shape);
      assertRefused(() => call(y, wrong), 'ERR_SHAPE', '[2, 3]', `[${shape.join(', ')}]`);
      assertRefused(() => call(y, target, { out: wrong }), 'ERR_SHAPE', 'out', '[2, 3]', `[${shape.join(', ')}]`);
      wrong.dispose();
    }
    const [empty, nothing, disposed] = [dk.zeros([0, 3]), dk.zeros([0, 3]), dk.zeros([2, 3])];
    assertRefused(() => call(empty, nothing), 'ERR_SHAPE', 'at least one element', '[0, 3]');
    disposed.dispose();
    assertRefused(() => call(disposed, target), 'ERR_DISPOSED', 'y');
    assertRefused(() => call(y, disposed), 'ERR_DISPOSED', 'target');
    assertRefused(() => call(y, target, { out: disposed }), 'ERR_DISPOSED', 'out');
    assertRefused(() => call(y, target, { out: target }), 'ERR_CONFIG', 'out', 'must not be an input');
    assertRefused(() => call(y, target, { output: y }), 'ERR_CONFIG', '"output"', 'out');
    for (const tensor of [empty, nothing]) tensor.dispose();
    assert.equal(heapOf(dk).live, live);
    for (const tensor of [y, target]) tensor.dispose();
  });
}

test('huber: delta is a positive number', () => {
  const y = dk.zeros([1]);
  for (const delta of [0, -1, NaN, Infinity, '1', null]) {
    assertRefused(() => dk.huberLoss(y, y, { delta }), 'ERR_CONFIG', 'huberLoss: delta', 'more than 0');
  }
  assertRefused(() => dk.mseLoss(y, y, { delta: 1 }), 'ERR_CONFIG', '"delta"');
});

test('losses of a disposed runtime, and of tensors of another', async () => {
  const runtime = await loadRuntime();
  const [y, foreign] = [runtime.zeros([2]), dk.zeros([2])];
  for (const call of ['mseLoss', 'l1Loss', 'huberLoss']) {
    assertRefused(() => runtime[call](y, foreign), 'ERR_CONFIG', 'another runtime');
  }
  runtime.dispose();
  for (const call of ['mseLoss', 'l1Loss', 'huberLoss']) assertRefused(() => runtime[call](y, y), 'ERR_DISPOSED');
});
