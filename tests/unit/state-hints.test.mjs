// Hints in messages about state dicts that do not fit.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { toSafetensors } from '../../web/dynakernel/index.js';
import { assertRefused, loadRuntime } from '../helpers.mjs';
import { KINDS } from '../kinds.mjs';

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

test('of prefixes with as many names, one whose shapes fit', () => {
  const conv = dk.condConv2d({ inChannels: 3, outChannels: 2, kernelSize: 3, bias: true });
  const { weight, bias } = conv.stateDict();
  const small = { shape: [2], data: new Float32Array(2) };
  const network = {
    'stem.bn.weight': small, 'stem.bn.bias': small, 'stem.conv.weight': weight, 'stem.conv.bias': bias,
    'head.weight': small, 'head.bias': small,
  };
  assertRefused(() => conv.loadStateDict(network, { prefix: 'stem.' }), 'ERR_STATE', "did you mean { prefix: 'stem.conv.' }?");
  conv.dispose();
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

test('a state dict of another kind of module', () => {
  const like = (kind) => `the state dict of ${kind}`;
  const states = Object.fromEntries(Object.keys(KINDS).filter((kind) => KINDS[kind].names.length > 0).map((kind) => {
    const module = dk[kind](KINDS[kind].options);
    return [kind, { module, state: module.stateDict() }];
  }));
  for (const [kind, { module }] of Object.entries(states)) {
    for (const [other, { state: dict }] of Object.entries(states)) {
      if (other === kind) continue;
      // the kernels of an aggregation fit a CondConv, whose shape is only another view of them
      if (kind === 'condConv2d' && other === 'kernelAggregation') continue;
      const words = like(`dk.${other}, expected dk.${kind}`);
      assertRefused(() => module.loadStateDict(dict), 'ERR_STATE', words);
      assertRefused(() => module.loadStateDict(under('a.b.', dict), { prefix: 'a.b.' }), 'ERR_STATE', words);
      assertRefused(() => module.loadStateDict(toSafetensors(dict)), 'ERR_STATE', words);
    }
    const plain = { weight: { shape: [4, 3, 3, 3], data: new Float32Array(108) } };
    assertRefused(() => module.loadStateDict(plain), 'ERR_STATE', like('an ordinary convolution'));
  }
  // a part of the other one: a prefix is proposed too
  assertRefused(() => states.kernelAggregation.module.loadStateDict(states.dynamicKernelAggregation.state), 'ERR_STATE',
    "did you mean { prefix: 'aggregation.' }?");
  for (const { module } of Object.values(states)) module.dispose();
});

test('options that would have made other lengths', () => {
  const size = { inChannels: 12, outChannels: 6, kernelSize: 3 };
  for (const [kind, here, there, ...words] of [
    ['dyConv2d', {}, { numKernels: 8 }, 'numKernels (8 there, 4 here)'],
    ['dyConv2d', {}, { ratio: 0.5 }, 'hidden channels by ratio (7 there, 4 here)'],
    ['odConv2d', { reduction: 2 }, {}, 'hidden channels by reduction (16 there, 24 here)'],
    ['odConv2d', {}, { kernelSize: 5 }, 'kernelSize (5 there, 3 here)'],
    ['dynamicKernelAggregation', {}, { reduction: 2, numKernels: 3 }, 'hidden channels by reduction (6 there, 3 here)', 'numKernels (3 there, 4 here)'],
    ['condConv2d', {}, { numExperts: 2 }, 'numExperts (2 there, 4 here)'],
    ['kernelAggregation', {}, { outChannels: 5 }, 'outChannels (5 there, 6 here)'],
    ['kernelAggregation', {}, { groups: 3 }, 'inChannels / groups (4 there, 12 here)'],
  ]) {
    const [one, other] = [here, there].map((options) => dk[kind]({ ...size, ...options }));
    assertRefused(() => one.loadStateDict(other.stateDict()), 'ERR_STATE', 'compare the options: ', ...words);
    for (const module of [one, other]) module.dispose();
  }
  const [one, other] = [8, 4].map((numExperts) => dk.routing({ channels: numExperts + 1, numExperts }));
  assertRefused(() => one.loadStateDict(other.stateDict()), 'ERR_STATE', 'numExperts (4 there, 8 here), channels (5 there, 9 here)');
  for (const module of [one, other]) module.dispose();
});

test('many and long names are searched quickly', () => {
  const names = Object.fromEntries(Array.from({ length: 50000 }, (_, i) => [`layer${i}.aggregation.weight`, 0]));
  hinted({ ...names, [`${'a.'.repeat(1e6)}aggregation.weight`]: 0 }, 'model.layer7.', "did you mean { prefix: 'layer7.' }?");
});
