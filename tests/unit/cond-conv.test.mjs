// CondConv: the storage of the kernels, and a routing that serves two convolutions.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertClose, assertRefused, loadRuntime, randomTensor } from '../helpers.mjs';
import { assertGradient, copies } from '../training.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const size = { inChannels: 6, outChannels: 4, kernelSize: [3, 2], groups: 2, bias: true, seed: 3 };

test('the kernels are stored as timm stores them; [K, O, C/G, Rh, Rw] is taken too', () => {
  const conv = dk.condConv2d(size);
  const state = conv.stateDict();
  assert.deepEqual(state.weight.shape, [4, 4 * 3 * 3 * 2]);
  assert.deepEqual(state.bias.shape, [4, 4]);
  assert.deepEqual(conv.parameters().weight.shape, [4, 72]);
  assert.deepEqual(conv.gradients().weight.shape, [4, 72]);
  const data = state.weight.data.map((value) => 2 * value);
  conv.loadStateDict({ ...state, weight: { shape: [4, 4, 3, 3, 2], data } });
  assert.deepEqual(conv.stateDict().weight, { shape: [4, 72], data });
  for (const shape of [[4, 4, 3, 2, 3], [288], [4, 4, 18], [16, 3, 3, 2]]) {
    assertRefused(() => conv.loadStateDict({ ...state, weight: { shape, data } }), 'ERR_STATE', `[${shape.join(', ')}]`, '[4, 72]');
  }
  conv.dispose();
});

test('the same numbers as an aggregation', () => {
  const { bias, ...shape } = size;
  const [conv, aggregation] = [dk.condConv2d(size), dk.kernelAggregation({ ...shape, bias })];
  const { weight, bias: biases } = conv.stateDict();
  aggregation.loadStateDict({ weight: { shape: [4, 4, 3, 3, 2], data: weight.data }, bias: biases });
  const x = randomTensor(dk, [2, 6, 7, 8], 1), a = randomTensor(dk, [2, 4], 2);
  const [y, z] = [conv, aggregation].map((module) => module.forward(x, a));
  assert.deepEqual(y.toArray(), z.toArray());
  for (const thing of [conv, aggregation, x, a, y, z]) thing.dispose();
});

test('there are no biases unless they are asked for', () => {
  const { bias, ...rest } = size;
  const conv = dk.condConv2d(rest);
  assert.deepEqual(Object.keys(conv.stateDict()), ['weight']);
  assert.equal(conv.config.bias, !bias);
  assert.equal(conv.config.numExperts, 4);
  assert.equal('numKernels' in conv.config, false);
  conv.dispose();
  assertRefused(() => dk.condConv2d({ ...size, numKernels: 3 }), 'ERR_CONFIG', 'no option "numKernels"', 'numExperts');
  assertRefused(() => dk.condConv2d({ ...size, numExperts: 0 }), 'ERR_CONFIG', 'condConv2d: numExperts', 'got 0');
  assertRefused(() => dk.routing({ channels: 3, numExperts: 1.5 }), 'ERR_CONFIG', 'routing: numExperts', 'got 1.5');
});

test('initial parameters are those of torch.nn.Linear', () => {
  const conv = dk.condConv2d({ ...size, inChannels: 32, outChannels: 64, groups: 1 });
  const routing = dk.routing({ channels: 400, numExperts: 50, seed: 1 });
  for (const [values, bound] of [
    [conv.stateDict().weight.data, 1 / Math.sqrt(32 * 6)], [conv.stateDict().bias.data, 1 / Math.sqrt(32 * 6)],
    [routing.stateDict().weight.data, 1 / Math.sqrt(400)], [routing.stateDict().bias.data, 1 / Math.sqrt(400)],
  ]) {
    const most = values.reduce((high, value) => Math.max(high, Math.abs(value)), 0);
    assert.ok(most <= bound && most > 0.85 * bound, `${most} within ${bound}`);
  }
  for (const thing of [conv, routing]) thing.dispose();
});

test('a routing is sigmoid(weight * mean + bias)', () => {
  const routing = dk.routing({ channels: 5, numExperts: 3, seed: 2 });
  assert.equal(routing.lastAttention, null);
  const x = randomTensor(dk, [2, 5, 4, 6], 1);
  const a = routing.forward(x);
  const { weight: { data: weight, shape }, bias: { data: bias } } = routing.stateDict();
  assert.deepEqual(shape, [3, 5]);
  const values = x.toArray();
  const expected = Float32Array.from({ length: 6 }, (_, i) => {
    const [n, k] = [Math.floor(i / 3), i % 3];
    let logit = bias[k];
    for (let c = 0; c < 5; c++) {
      const plane = values.slice((5 * n + c) * 24, (5 * n + c + 1) * 24);
      logit += weight[5 * k + c] * plane.reduce((sum, value) => sum + value) / 24;
    }
    return 1 / (1 + Math.exp(-logit));
  });
  assertClose(a.toArray(), expected, 'routing');
  assert.deepEqual(routing.lastAttention, a.toArray());
  routing.lastAttention.fill(0);
  a.data.fill(0);
  assertClose(routing.lastAttention, expected, 'a copy');
  for (const thing of [routing, x, a]) thing.dispose();
});

test('lastAttention of a convolution is its routing', () => {
  const conv = dk.condConv2d(size);
  assert.equal(conv.lastAttention, null);
  for (const N of [2, 1, 3]) {
    const x = randomTensor(dk, [N, 6, 5, 5], N), a = randomTensor(dk, [N, 4], N);
    conv.forward(x, a).dispose();
    const values = a.toArray();
    a.data.fill(9);
    assert.deepEqual(conv.lastAttention, values);
    for (const tensor of [x, a]) tensor.dispose();
  }
  conv.dispose();
});

test('wrong routings are refused by that word', () => {
  const conv = dk.condConv2d(size);
  const x = randomTensor(dk, [2, 6, 5, 5]);
  assertRefused(() => conv.forward(x), 'ERR_CONFIG', 'routing must be a Tensor', 'undefined');
  assertRefused(() => conv.mix(7), 'ERR_CONFIG', 'routing must be a Tensor', 'got 7');
  for (const shape of [[2, 3], [1, 4], [2, 4, 1], [8], [0, 4]]) {
    const a = dk.zeros(shape);
    assertRefused(() => conv.forward(x, a), 'ERR_SHAPE', 'routing must be [N, K] = [2, 4]', `[${shape.join(', ')}]`);
    a.dispose();
  }
  for (const thing of [conv, x]) thing.dispose();
});

test('a routing that two convolutions share: its gradient is that of the sum', () => {
  const first = dk.condConv2d({ inChannels: 6, outChannels: 6, kernelSize: 3, padding: 'same', seed: 1 });
  const second = dk.condConv2d({ inChannels: 6, outChannels: 2, kernelSize: 1, seed: 2 });
  const routing = dk.routing({ channels: 6, seed: 3 });
  const modules = [first, second, routing];
  for (const module of modules) module.requiresGrad = true;
  const x = randomTensor(dk, [2, 6, 5, 6], 4);
  const target = randomTensor(dk, [2, 2, 5, 6], 5);
  const pass = () => {
    const a = routing.forward(x), inner = first.forward(x, a), y = second.forward(inner, a);
    const { loss, gradient } = dk.mseLoss(y, target);
    const made = [a, inner, y, gradient];
    return { loss, gradient, dispose: () => made.forEach((tensor) => tensor.dispose()) };
  };
  const { gradient, dispose } = pass();
  const innerGradient = second.backward(gradient);
  const direct = first.backward(innerGradient);
  const sum = first.attentionGradient.toArray();
  second.attentionGradient.data.forEach((value, i) => { sum[i] += value; });
  const through = routing.backward(dk.tensor(sum, [2, 4]));
  const inputGradient = direct.toArray().map((value, i) => value + through.data[i]);
  dispose();

  // compare with slopes of the loss
  const slope = (array, i) => {
    const start = array.toArray()[i], step = 2e-2;
    const [high, low] = [step, -step].map((length) => {
      array.data[i] = start + length;
      const { loss, dispose: end } = pass();
      end();
      return loss;
    });
    array.data[i] = start;
    return (high - low) / (2 * step);
  };
  const gradients = copies(routing.gradients());
  for (const [name, tensor] of Object.entries(routing.parameters())) {
    assertGradient(gradients[name], gradients[name].map((_, i) => slope(tensor, i)), name, 2e-4);
  }
  for (const i of [0, 33, 77, 200, 359]) {
    assert.ok(Math.abs(inputGradient[i] - slope(x, i)) < 2e-4, `x[${i}]: ${inputGradient[i]}, slope ${slope(x, i)}`);
  }
  for (const thing of [...modules, x, target, innerGradient, direct, through]) thing.dispose();
});
