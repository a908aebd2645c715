// The presets of the playground.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heapOf } from '../../../web/dynakernel/runtime.js';
import { Model } from '../../../web/playground/model.js';
import { KIND_PRESETS, PRESETS, isSeeded } from '../../../web/playground/presets.js';
import { shareOut } from '../../../web/playground/shares.js';
import { loadRuntime } from '../../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

test('every preset makes a block, and its names are as many as its kernels and channels', () => {
  assert.equal(new Set(PRESETS.map(({ id }) => id)).size, PRESETS.length);
  for (const definition of PRESETS) {
    const model = new Model(dk, definition);
    const { id, kernelNames, kernelHints, channelNames } = definition;
    assert.equal(isSeeded(definition), !definition.values, id);
    assert.equal(kernelNames?.length ?? model.numKernels, model.numKernels, id);
    assert.equal(kernelHints?.length ?? model.numKernels, model.numKernels, id);
    assert.equal(channelNames?.length ?? model.outChannels, model.outChannels, id);
    model.dispose();
  }
});

/** Mean colours of the four photographs, and of a hand before the webcam. */
const colours = {
  astronaut: [0.5, 0.44, 0.32], cat: [0.6, 0.45, 0.36], coffee: [0.65, 0.36, 0.23], rocket: [0.2, 0.24, 0.32],
  hand: [0.05, 0.05, 0.05],
};

/** Returns the attentions of a preset to a picture of one colour. */
function attentionsTo(model, colour) {
  const x = dk.tensor(Float32Array.from({ length: 3 * 64 }, (_, i) => colour[Math.floor(i / 64)]), [1, 3, 8, 8]);
  model.block.look(x, {}).dispose();
  x.dispose();
  return model.block.attentions;
}

for (const definition of KIND_PRESETS) {
  test(`the attention of ${definition.title} tells pictures apart`, () => {
    const model = new Model(dk, definition);
    const kernels = {};
    for (const [name, colour] of Object.entries(colours)) {
      const { kernel } = attentionsTo(model, colour);
      kernels[name] = kernel.indexOf(Math.max(...kernel));
      assert.ok(Math.max(...kernel) > 0.6, `${name}: ${kernel}`);
      const sum = kernel.reduce((total, weight) => total + weight, 0);
      if (model.kind.softmax) assert.ok(Math.abs(sum - 1) < 1e-6, `${name}: the weights add up to ${sum}`);
    }
    assert.deepEqual(kernels, { astronaut: 3, cat: 3, coffee: 2, rocket: 1, hand: 0 });
    model.dispose();
  });
}

test('the other attentions of ODConv tell pictures apart too', () => {
  const model = new Model(dk, PRESETS.find(({ id }) => id === 'odconv'));
  const scales = Object.values(colours).map((colour) => attentionsTo(model, colour));
  for (const name of ['channel', 'filter', 'spatial']) {
    const seen = new Set(scales.map((scale) => Array.from(scale[name], (value) => value.toFixed(1)).join(' ')));
    assert.ok(seen.size >= 4, `${name}: ${[...seen].join(', ')}`);
  }
  model.dispose();
});

test('a low temperature sharpens the attention of DyConv, a high one levels it', () => {
  const model = new Model(dk, PRESETS.find(({ id }) => id === 'dyconv'));
  const greatest = (temperature) => {
    model.setTemperature(temperature);
    assert.equal(model.definition.config.temperature, temperature);
    return Math.max(...attentionsTo(model, colours.rocket).kernel);
  };
  const [cold, warm, hot] = [0.5, 2, 34].map(greatest);
  assert.ok(cold > 0.99 && warm < 0.9 && hot < 0.3, `${cold}, ${warm}, ${hot}`);
  model.dispose();
});

test('weights set by hand share out one whole', () => {
  const shared = (weights, k, value) => [...shareOut(Float32Array.from(weights), k, value)];
  assert.deepEqual(shared([0.5, 0.25, 0.25], 0, 0.75), [0.75, 0.125, 0.125]);
  assert.deepEqual(shared([1, 0, 0], 0, 0), [0, 0.5, 0.5]);
  assert.deepEqual(shared([0.5, 0.5], 1, 1), [0, 1]);
  assert.deepEqual(shared([1], 0, 0.25), [1]);
});

test('values of another length are refused, and the block is given back', () => {
  const { live } = heapOf(dk);
  const [classic] = PRESETS;
  const values = { ...classic.values, 'attention.bn.weight': [1] };
  assert.throws(() => new Model(dk, { ...classic, values }), /attention\.bn\.weight has 6 numbers, not 1/);
  assert.equal(heapOf(dk).live, live);
});
