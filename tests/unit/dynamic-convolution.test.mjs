// DynamicConvolution: kernels of the caller's own, beside the aggregation and the definition.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { referenceAggregation } from '../convolution.mjs';
import { assertClose, assertRefused, loadRuntime, randomTensor } from '../helpers.mjs';
import { assertGradient } from '../training.mjs';

let dk, other;
before(async () => {
  dk = await loadRuntime();
  other = await loadRuntime();
});
after(() => [dk, other].forEach((runtime) => runtime?.dispose()));

const CASES = [
  { inChannels: 3, outChannels: 4, kernelSize: 3, padding: 1 },
  { inChannels: 5, outChannels: 9, kernelSize: 1 },
  { inChannels: 6, outChannels: 6, kernelSize: 5, padding: 2, groups: 6, stride: 2 },
  { inChannels: 16, outChannels: 17, kernelSize: 3, padding: 1 },
  { inChannels: 4, outChannels: 6, kernelSize: [1, 3], stride: [2, 1], padding: [0, 1], dilation: [1, 2], groups: 2 },
  { inChannels: 8, outChannels: 8, kernelSize: 3, stride: 2, padding: 1 },
];

test('output and gradients match the definition, with and without biases', () => {
  for (const config of CASES) for (const hasBias of [true, false]) {
    const label = JSON.stringify({ ...config, hasBias });
    const conv = dk.dynamicConvolution(config);
    conv.requiresGrad = true;
    const { inChannels: C, outChannels: O, groups: G = 1, kernelSize } = config;
    const [Rh, Rw] = Array.isArray(kernelSize) ? kernelSize : [kernelSize, kernelSize];
    const N = 2, shape = [N, C, 9, 8];
    const x = randomTensor(dk, shape, 1);
    const weight = randomTensor(dk, [N, O, C / G, Rh, Rw], 2);
    const bias = hasBias ? randomTensor(dk, [N, O], 3) : null;
    const y = conv.forward(x, weight, bias);
    const gradOutput = randomTensor(dk, y.shape, 4);
    const inputGradient = conv.backward(gradOutput);
    // sample n is an aggregation of one kernel over image n
    for (let n = 0; n < N; n++) {
      const part = (tensor) => tensor.toArray().subarray(n * tensor.toArray().length / N, (n + 1) * tensor.toArray().length / N);
      const { output, gradients } = referenceAggregation({ ...config, numKernels: 1 }, {
        shape: [1, ...shape.slice(1)], x: part(x), a: [1], weight: part(weight), bias: bias && part(bias),
        gradOutput: part(gradOutput),
      });
      assertClose(part(y), output, label);
      assertGradient(part(inputGradient), gradients.x, label);
      assertGradient(part(conv.weightGradient), gradients.weight, label);
      if (bias) assertGradient(part(conv.biasGradient), gradients.bias, label);
      else assert.equal(conv.biasGradient, null);
    }
    assert.deepEqual(conv.weightGradient.shape, weight.shape);
    for (const thing of [conv, x, weight, bias, y, gradOutput, inputGradient]) thing?.dispose();
  }
});

test('the backward pass has the kernels of the forward pass, also after they changed', () => {
  const conv = dk.dynamicConvolution(CASES[0]);
  conv.requiresGrad = true;
  const x = randomTensor(dk, [1, 3, 6, 6], 1), weight = randomTensor(dk, [1, 4, 3, 3, 3], 2);
  const y = conv.forward(x, weight);
  const first = conv.backward(y).toArray();
  const kernels = conv.weightGradient.toArray();
  for (const tensor of [x, weight]) tensor.data.fill(0);
  assert.deepEqual(conv.backward(y).toArray(), first);
  assert.deepEqual(conv.weightGradient.toArray(), kernels, 'written, not added');
  for (const thing of [conv, x, weight, y]) thing.dispose();
});

test('biases that come and go', () => {
  const conv = dk.dynamicConvolution(CASES[0]);
  conv.requiresGrad = true;
  const x = randomTensor(dk, [1, 3, 6, 6], 1), weight = randomTensor(dk, [1, 4, 3, 3, 3], 2), bias = dk.tensor([1, 2, 3, 4], [1, 4]);
  const before = heapOf(dk).live;
  const outputs = [undefined, bias, null, bias].map((given) => {
    const y = conv.forward(x, weight, given);
    conv.backward(y, { input: false });
    assert.equal(conv.biasGradient?.shape.join() ?? null, given ? '1,4' : null);
    const values = y.toArray();
    y.dispose();
    return values;
  });
  assert.deepEqual(outputs[2], outputs[0]);
  assert.deepEqual(outputs[3], outputs[1]);
  assertClose(outputs[1], outputs[0].map((value, i) => value + 1 + Math.floor(i / 36)), 'biases');
  conv.dispose();
  assert.equal(heapOf(dk).live, before - 1);
  for (const thing of [x, weight, bias]) thing.dispose();
});

test('there is no state', () => {
  const conv = dk.dynamicConvolution(CASES[0]);
  assert.deepEqual([conv.stateDict(), conv.parameters(), conv.gradients()], [{}, {}, {}]);
  assert.deepEqual(conv.loadStateDict({}), { missing: [], unexpected: [] });
  conv.zeroGrad();
  assert.deepEqual(conv.config, {
    inChannels: 3, outChannels: 4, kernelSize: 3, stride: 1, padding: 1, dilation: 1, groups: 1, algorithm: 'auto',
  });
  for (const name of ['bias', 'numKernels', 'seed']) {
    assertRefused(() => dk.dynamicConvolution({ ...CASES[0], [name]: 1 }), 'ERR_CONFIG', `no option "${name}"`);
  }
  assert.equal(conv.weightGradient, null);
  assert.equal(conv.biasGradient, null);
  conv.dispose();
});

test('refused kernels and biases', () => {
  const conv = dk.dynamicConvolution(CASES[0]);
  const x = randomTensor(dk, [2, 3, 6, 6]), weight = randomTensor(dk, [2, 4, 3, 3, 3]), bias = dk.zeros([2, 4]);
  const expected = conv.forward(x, weight, bias).toArray();
  const before = heapOf(dk).live;
  for (const value of [undefined, null, 5, new Float32Array(216)]) {
    assertRefused(() => conv.forward(x, value), 'ERR_CONFIG', 'weight must be a Tensor');
  }
  for (const value of [0, '', false, {}, [1, 2], new Float32Array(8)]) {
    assertRefused(() => conv.forward(x, weight, value), 'ERR_CONFIG', 'bias must be a Tensor');
  }
  for (const shape of [[1, 4, 3, 3, 3], [4, 3, 3, 3], [2, 3, 4, 3, 3], [2, 108], [3, 4, 3, 3, 3]]) {
    const wrong = dk.zeros(shape);
    assertRefused(() => conv.forward(x, wrong), 'ERR_SHAPE', 'weight must be [N, O, C/G, Rh, Rw] = [2, 4, 3, 3, 3]', `[${shape.join(', ')}]`);
    wrong.dispose();
  }
  for (const shape of [[4], [1, 4], [2, 3], [2, 4, 1]]) {
    const wrong = dk.zeros(shape);
    assertRefused(() => conv.forward(x, weight, wrong), 'ERR_SHAPE', 'bias must be [N, O] = [2, 4]', `[${shape.join(', ')}]`);
    wrong.dispose();
  }
  assertRefused(() => conv.forward(x, other.zeros([2, 4, 3, 3, 3])), 'ERR_CONFIG', 'weight belongs to another runtime');
  assertRefused(() => conv.forward(x, weight, null, 5), 'ERR_CONFIG', 'options', 'got 5');
  assertRefused(() => conv.forward(x, weight, { out: x }), 'ERR_CONFIG', 'bias must be a Tensor');
  assert.equal(heapOf(dk).live, before);
  assert.deepEqual(conv.forward(x, weight, bias).toArray(), expected);
  // out must be none of the three
  const pixel = dk.dynamicConvolution({ inChannels: 1, outChannels: 1, kernelSize: 1 });
  const one = dk.tensor([2], [1, 1, 1, 1]), kernel = dk.tensor([3], [1, 1, 1, 1, 1]);
  assertRefused(() => pixel.forward(one, kernel, null, { out: one }), 'ERR_CONFIG', 'must not be an input');
  for (const thing of [conv, x, weight, bias, pixel, one, kernel]) thing.dispose();
});
