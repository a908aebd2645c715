// Parameters: how a seed draws them, and the views that parameters() returns.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loadRuntime, randomTensor } from '../helpers.mjs';

/** The names of a block's parameters, in PyTorch's order. */
const NAMES = [
  'attention.conv1.weight', 'attention.bn.weight', 'attention.bn.bias', 'attention.conv2.weight', 'attention.conv2.bias',
  'aggregation.weight', 'aggregation.bias',
];

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const makeBlock = (seed) =>
  dk.dynamicKernelAggregation({ inChannels: 8, outChannels: 12, kernelSize: 3, padding: 1, groups: 2, seed });

test('seeds: the same parameters from the same seed, others from another or from none', () => {
  const weights = (seed) => makeBlock(seed).stateDict()['aggregation.weight'].data;
  assert.deepEqual(weights(7), weights(7));
  assert.notDeepEqual(weights(7), weights(8));
  assert.notDeepEqual(weights(undefined), weights(undefined));
  const block = makeBlock(undefined);
  assert.deepEqual(weights(block.config.seed), block.stateDict()['aggregation.weight'].data, 'config tells the seed');
  assert.notEqual(block.attention.config.seed, block.aggregation.config.seed);
});

test('initialisation: Kaiming, uniform for the kernels, normal for the attention', () => {
  const block = dk.dynamicKernelAggregation({ inChannels: 64, outChannels: 64, kernelSize: 3, groups: 2, seed: 5 });
  const state = block.stateDict();
  const spread = (data) => Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);
  const bound = Math.sqrt(6 / (32 * 9));
  const kernels = state['aggregation.weight'].data;
  assert.ok(kernels.every((value) => Math.abs(value) <= bound));
  assert.ok(Math.abs(spread(kernels) / (bound / Math.sqrt(3)) - 1) < 0.02);
  assert.ok(Math.abs(spread(state['attention.conv1.weight'].data) / Math.sqrt(2 / 16) - 1) < 0.1, 'fan out M');
  for (const name of ['attention.conv2.bias', 'attention.bn.bias', 'attention.bn.running_mean', 'aggregation.bias']) {
    assert.ok(state[name].data.every((value) => value === 0), name);
  }
  for (const name of ['attention.bn.weight', 'attention.bn.running_var']) {
    assert.ok(state[name].data.every((value) => value === 1), name);
  }
});

test('parameters show the module\'s memory', () => {
  const block = makeBlock(1);
  const x = randomTensor(dk, [1, 8, 6, 6]);
  const parameters = block.parameters();
  assert.deepEqual(Object.keys(parameters), NAMES);
  for (const [name, tensor] of Object.entries(parameters)) {
    assert.deepEqual(tensor.toArray(), block.stateDict()[name].data, name);
    assert.deepEqual(tensor.shape, block.stateDict()[name].shape, name);
    const before = block.forward(x).toArray();
    tensor.data[0] += 1;
    assert.notDeepEqual(block.forward(x).toArray(), before, `${name} takes effect`);
    assert.equal(block.stateDict()[name].data[0], tensor.toArray()[0], name);
  }
  // they show loaded numbers, and do not undo loading
  const state = makeBlock(2).stateDict();
  block.loadStateDict(state);
  for (const [name, tensor] of Object.entries(parameters)) assert.deepEqual(tensor.toArray(), state[name].data, name);
  assert.deepEqual(block.forward(x).toArray(), makeBlock(2).forward(x).toArray());
});

test('a written kernel changes all of forward, mix and stateDict', () => {
  const module = dk.kernelAggregation({ inChannels: 2, outChannels: 3, kernelSize: 1, numKernels: 1, bias: false });
  const { weight } = module.parameters();
  const one = dk.tensor([1], [1, 1]);
  const x = dk.tensor([1, 10], [1, 2, 1, 1]);
  for (let step = 1; step < 4; step++) {
    weight.data.set([1, 2, 3, 4, 5, 6].map((value) => value * step));
    assert.deepEqual([...module.forward(x, one).data], [21, 43, 65].map((value) => value * step));
    assert.deepEqual([...module.mix(one).weight.data], [...weight.toArray()]);
    assert.deepEqual([...module.stateDict().weight.data], [...weight.toArray()]);
  }
});
