// Parameters written by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLASSIC, attentionValues, coloured, gabor } from '../../../web/shared/handmade.js';

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
