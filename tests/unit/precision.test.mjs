// Kernels in half precision: what they round to, what they do to outputs, and what they refuse.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { decodeFloats, encodeFloats } from '../../web/dynakernel/float-formats.js';
import { assertRefused, golden, goldenNames, loadRuntime, randomTensor } from '../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const options = { inChannels: 5, outChannels: 9, kernelSize: 3, padding: 1, numKernels: 3 };
const rounded = (values) => decodeFloats(encodeFloats(values, 'F16'), 'F16');

test('stateDict gives the numbers that the kernels were rounded to', () => {
  const full = dk.kernelAggregation({ ...options, seed: 1 });
  const half = dk.kernelAggregation({ ...options, seed: 1, precision: 'float16' });
  assert.equal(full.config.precision, 'float32');
  assert.equal(half.config.precision, 'float16');
  const { weight, bias } = full.stateDict();
  assert.deepEqual(half.stateDict().weight.data, rounded(weight.data), 'initial kernels');

  weight.data.forEach((_, i, all) => { all[i] = (i % 2 ? -1 : 1) * 2 ** (i % 42 - 26) * (1 + i / 3000); });
  half.loadStateDict({ weight, bias });
  assert.deepEqual(half.stateDict().weight.data, rounded(weight.data));
  assert.deepEqual(half.stateDict().bias.data, bias.data, 'biases stay float32');
  for (const module of [full, half]) module.dispose();
});

for (const make of ['kernelAggregation', 'dynamicKernelAggregation', 'dyConv2d', 'odConv2d', 'condConv2d']) {
  test(`${make}: outputs are those of the rounded kernels`, () => {
    const { numKernels, ...shape } = options;
    const given = make === 'condConv2d' ? { ...shape, numExperts: numKernels } : options;
    const half = dk[make]({ ...given, seed: 3, precision: 'float16' }), full = dk[make]({ ...given, seed: 4 });
    full.loadStateDict(half.stateDict());
    const inputs = [randomTensor(dk, [2, 5, 11, 12], 5)];
    if (['kernelAggregation', 'condConv2d'].includes(make)) inputs.push(randomTensor(dk, [2, numKernels], 6));
    const [got, expected] = [half, full].map((module) => module.forward(...inputs).toArray());
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    got.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) <= 2e-6 * (1 + largest), `${i}: ${value}`));
    for (const thing of [half, full, ...inputs]) thing.dispose();
  });
}

test("golden cases: outputs differ from PyTorch's by at most 5e-4 of the largest", () => {
  let most = 0;
  for (const name of goldenNames) {
    const { file, config, state } = golden(name);
    const block = dk.dynamicKernelAggregation({ ...config, precision: 'float16' });
    block.loadStateDict(state);
    const x = dk.tensor(file.input.data, file.input.shape), y = block.forward(x);
    const expected = file['eval.output'].data, got = y.toArray();
    const largest = expected.reduce((sum, value) => Math.max(sum, Math.abs(value)), 0);
    got.forEach((value, i) => { most = Math.max(most, Math.abs(value - expected[i]) / (1 + largest)); });
    for (const thing of [block, x, y]) thing.dispose();
  }
  assert.ok(most <= 5e-4, `${most}`);
  assert.ok(most > 1e-6, 'the kernels are rounded');
});

test('numbers beyond 65504 are refused, and nothing changes', () => {
  const half = dk.kernelAggregation({ ...options, bias: false, seed: 1, precision: 'float16' });
  const before = half.stateDict().weight;
  for (const wrong of [65505, -1e6, Infinity, NaN]) {
    const data = before.data.slice();
    data[7] = wrong;
    assertRefused(() => half.loadStateDict({ weight: { shape: before.shape, data } }), 'ERR_STATE',
      `weight: precision 'float16' takes numbers from -65504 to 65504; element 7 is ${wrong}`);
  }
  assert.deepEqual(half.stateDict().weight, before);
  before.data[7] = -65504;
  half.loadStateDict({ weight: before });
  assert.deepEqual(half.stateDict().weight, before);
  half.dispose();
});

test('half precision is for inference', () => {
  const half = dk.kernelAggregation({ ...options, precision: 'float16' });
  const block = dk.dynamicKernelAggregation({ ...options, precision: 'float16' });
  for (const module of [half, block]) {
    assertRefused(() => { module.requiresGrad = true; }, 'ERR_MODE', 'half precision, which is for inference');
    assert.equal(module.requiresGrad, false);
    assertRefused(() => module.parameters(), 'ERR_MODE', "make the module with precision 'float32' to train it");
    module.requiresGrad = false;
  }
  assert.equal(block.attention.requiresGrad, false, 'no part of the block has changed');
  for (const module of [half, block]) module.dispose();
});

test('other precisions are refused', () => {
  assertRefused(() => dk.kernelAggregation({ ...options, precision: 'float64' }), 'ERR_CONFIG',
    'kernelAggregation: precision');
  assertRefused(() => dk.dynamicConvolution({ inChannels: 1, outChannels: 1, kernelSize: 1, precision: 'float16' }),
    'ERR_CONFIG', 'precision');
});
