// Parameters written by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CLASSIC, attentionValues, coloured, gabor, odconvValues, routingValues, softmaxValues,
} from '../../../web/shared/handmade.js';

const sum = (values) => values.reduce((total, value) => total + value, 0);

test('a blur keeps brightness, edge filters see none', () => {
  for (const [name, total] of [['Gaussian blur', 1], ['Sharpen', 1], ['Sobel x', 0], ['Sobel y', 0], ['Laplacian', 0]])
    assert.equal(sum(CLASSIC[name]), total, name);
});

test('Gabor filters have no constant part and a size of 1', () => {
  for (const angle of [0, 0.4, Math.PI / 2]) {
    for (const phase of [0, -Math.PI / 2]) {
      const plane = gabor(7, { wavelength: 4, angle, sigma: 1.6, phase });
      assert.equal(plane.length, 49);
      assert.ok(Math.abs(sum(plane)) < 1e-12);
      assert.ok(Math.abs(sum(plane.map(Math.abs)) - 1) < 1e-12);
    }
  }
});

test('a coloured kernel holds no negative zero', () => {
  const kernel = coloured([1, 0], [1, -1, 0]);
  assert.deepEqual(kernel, [1, 0, -1, 0, 0, 0]);
  assert.ok(kernel.every((value) => !Object.is(value, -0)));
});

test('the attention weighs a kernel by the ramps that pull it', () => {
  const values = attentionValues(['dark', 'warm'], [{ bias: -3.5, pulls: { dark: 5 } }, { bias: 1, pulls: {} }]);
  const weights = (pixel) => {
    const ramps = [0, 1].map((m) => {
      const mix = sum([0, 1, 2].map((c) => values['attention.conv1.weight'][m * 3 + c] * pixel[c]));
      return Math.max(0, (mix - values['attention.bn.running_mean'][m]) * values['attention.bn.weight'][m]);
    });
    return [0, 1].map((k) => {
      const logit = sum(ramps.map((ramp, m) => ramp * values['attention.conv2.weight'][k * 2 + m]));
      return 1 / (1 + Math.exp(-logit - values['attention.conv2.bias'][k]));
    });
  };
  const [dark, bright] = [weights([0.05, 0.05, 0.05]), weights([0.8, 0.8, 0.8])];
  assert.ok(dark[0] > 0.99 && bright[0] < 0.04, `${dark}, ${bright}`);
  assert.equal(dark[1], bright[1]);
});

test('a routing is linear in the mean colour', () => {
  const { 'routing_fn.weight': weight, 'routing_fn.bias': bias } = routingValues([
    { bias: 1, pulls: { blueness: 2 } }, { bias: -3, pulls: { redness: 1, luma: 10 } },
  ]);
  assert.deepEqual(bias, [1, -3]);
  assert.deepEqual(weight.slice(0, 3), [-2, 0, 2]);
  weight.slice(3).forEach((value, c) => assert.ok(Math.abs(value - [3.99, 5.87, 0.14][c]) < 1e-12, `${value}`));
});

test('a softmax attention has a hidden unit for each kernel, and no threshold', () => {
  const values = softmaxValues(['luma', 'redness'], [{ bias: 5, pulls: { luma: -25 } }, { bias: 0, pulls: {} }]);
  assert.deepEqual(values['attention.fc1.weight'].slice(3), [1, 0, -1]);
  assert.deepEqual(values['attention.fc2.weight'], [-25, 0, 0, 0]);
  assert.deepEqual(values['attention.fc2.bias'], [5, 0]);
});

test('the hidden units of ODConv beyond the ramps are 0', () => {
  const numbers = [{ bias: 2, pulls: { dark: 3 } }];
  const values = odconvValues(['warm', 'dark'], { kernel: numbers, channel: numbers, filter: numbers, spatial: numbers });
  assert.equal(values['attention.fc.weight'].length, 48);
  assert.ok(values['attention.fc.weight'].slice(6).every((value) => value === 0));
  assert.deepEqual(values['attention.spatial_fc.weight'], [0, 3, ...new Array(14).fill(0)]);
  assert.deepEqual(values['attention.kernel_fc.bias'], [2]);
});
