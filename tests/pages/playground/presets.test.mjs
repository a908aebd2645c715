// The presets of the playground.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heapOf } from '../../../web/dynakernel/runtime.js';
import { Model } from '../../../web/playground/model.js';
import { PRESETS, isSeeded } from '../../../web/playground/presets.js';
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

test('values of another length are refused, and the block is given back', () => {
  const { live } = heapOf(dk);
  const [classic] = PRESETS;
  const values = { ...classic.values, 'attention.bn.weight': [1] };
  assert.throws(() => new Model(dk, { ...classic, values }), /attention\.bn\.weight has 6 numbers, not 1/);
  assert.equal(heapOf(dk).live, live);
});
