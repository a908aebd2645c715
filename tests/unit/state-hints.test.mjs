// Hints in messages about missing names.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { toSafetensors } from '../../web/dynakernel/index.js';
import { assertRefused, loadRuntime } from '../helpers.mjs';

let dk, block, state;
before(async () => {
  dk = await loadRuntime();
  block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: 3, seed: 1 });
  state = block.stateDict();
});
after(() => dk?.dispose());

const under = (prefix, values = state) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, value]));

const hinted = (source, prefix, ...words) => {
  assertRefused(() => block.loadStateDict(source, { prefix }), 'ERR_STATE', ...words);
};

test('the prefix that shares most parts with the given one', () => {
  const network = { ...under('stage1.0.'), ...under('stage1.1.'), ...under('stage2.0.'), ...under('head.conv.') };
  hinted(network, 'stage2.1.', "did you mean { prefix: 'stage1.1.' }?");
  hinted(network, 'stage2.0', "did you mean { prefix: 'stage2.0.' }?");
  hinted(network, 'module.stage2.0.', "did you mean { prefix: 'stage2.0.' }?");
  hinted(network, 'head.', "did you mean { prefix: 'head.conv.' }?");
  hinted(toSafetensors(network), 'stages.1.1.', "did you mean { prefix: 'stage1.1.' }?");
});

test('a prefix of more names is preferred to a similar one', () => {
  const one = { 'stage1.aggregation.bias': state['aggregation.bias'] };
  hinted({ ...one, ...under('backbone.block.') }, 'stage2.', "did you mean { prefix: 'backbone.block.' }?");
});

test('a prefix too many', () => hinted(state, 'module.', "did you mean { prefix: '' }?"));

test('the prefix of DataParallel', () => {
  hinted(under('module.'), undefined, "did you mean { prefix: 'module.' }?", 'DataParallel');
  hinted(under('module.stem.'), 'stem.', "did you mean { prefix: 'module.stem.' }?");
});

test('a state dict within a checkpoint', () => {
  for (const name of ['state_dict', 'model_state_dict', 'model']) {
    hinted({ epoch: 5, [name]: state, optimizer: {} }, undefined, `pass its ${name}`);
  }
});

test('nothing, if the prefix is right', () => {
  const { 'aggregation.bias': bias, ...rest } = state;
  for (const source of [rest, { ...rest, other: bias }]) {
    assert.throws(() => block.loadStateDict(source), (error) => !error.message.includes('did you mean'));
  }
});

test('many and long names are searched quickly', () => {
  const names = Object.fromEntries(Array.from({ length: 50000 }, (_, i) => [`layer${i}.aggregation.weight`, 0]));
  hinted({ ...names, [`${'a.'.repeat(1e6)}aggregation.weight`]: 0 }, 'model.layer7.', "did you mean { prefix: 'layer7.' }?");
});
