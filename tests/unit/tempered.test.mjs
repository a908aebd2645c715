// DyConv and ODConv: hidden sizes, attentions that sum to one, temperature, the parts that ODConv leaves out.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertClose, assertRefused, loadRuntime, randomTensor } from '../helpers.mjs';
import { copies } from '../training.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const size = { inChannels: 8, outChannels: 6, kernelSize: 3, padding: 1, seed: 3 };
const shapesOf = (module) =>
  Object.fromEntries(Object.entries(module.stateDict()).map(([name, { shape }]) => [name, shape]));

test('DyConv: the hidden channels are floor(C * ratio) + 1, or K if C is 3', () => {
  for (const [options, hidden] of [
    [{ inChannels: 16 }, 5], [{ inChannels: 3 }, 4], [{ inChannels: 3, numKernels: 7 }, 7],
    [{ inChannels: 13, ratio: 0.5 }, 7], [{ inChannels: 1 }, 1], [{ inChannels: 10, ratio: 0 }, 1],
    [{ inChannels: 10, ratio: 2 }, 21],
  ]) {
    const { numKernels = 4, inChannels } = options;
    const block = dk.dyConv2d({ ...size, ...options });
    assert.deepEqual(shapesOf(block), {
      weight: [numKernels, 6, inChannels, 3, 3], bias: [numKernels, 6],
      'attention.fc1.weight': [hidden, inChannels, 1, 1], 'attention.fc2.weight': [numKernels, hidden, 1, 1],
      'attention.fc2.bias': [numKernels],
    }, JSON.stringify(options));
    block.dispose();
  }
});

test('ODConv: the hidden channels are floor(C * reduction), at least 16, and some attentions are left out', () => {
  const heads = (options) => Object.entries(shapesOf(dk.odConv2d({ ...size, ...options })))
    .filter(([name]) => name.endsWith('_fc.weight')).map(([name, [length, hidden]]) => [name.slice(10, -7), length, hidden]);
  assert.deepEqual(heads({}), [['channel_fc', 8, 16], ['filter_fc', 6, 16], ['spatial_fc', 9, 16], ['kernel_fc', 4, 16]]);
  assert.deepEqual(heads({ inChannels: 300 })[0], ['channel_fc', 300, 18]);
  assert.deepEqual(heads({ inChannels: 36, reduction: 0.5 })[0], ['channel_fc', 36, 18]);
  assert.deepEqual(heads({ kernelSize: [2, 3] })[2], ['spatial_fc', 6, 16]);
  assert.deepEqual(heads({ kernelSize: 1, padding: 0 }).map(([name]) => name), ['channel_fc', 'filter_fc', 'kernel_fc']);
  assert.deepEqual(heads({ numKernels: 1 }).map(([name]) => name), ['channel_fc', 'filter_fc', 'spatial_fc']);
  assert.deepEqual(heads({ outChannels: 8, groups: 8 }).map(([name]) => name), ['channel_fc', 'spatial_fc', 'kernel_fc']);
  assert.deepEqual(heads({ outChannels: 16, groups: 8 }).map(([name]) => name),
    ['channel_fc', 'filter_fc', 'spatial_fc', 'kernel_fc']);
  assert.deepEqual(heads({ outChannels: 8, groups: 8, kernelSize: [1, 1], padding: 0, numKernels: 1 }).map(([name]) => name),
    ['channel_fc']);
});

test('the attention over the kernels sums to one; the temperature makes it even', () => {
  for (const kind of ['dyConv2d', 'odConv2d']) {
    const block = dk[kind]({ ...size, temperature: 1 });
    const x = randomTensor(dk, [3, 8, 5, 7]);
    const spread = () => {
      block.forward(x).dispose();
      const a = block.lastAttention;
      assert.equal(a.length, 12);
      for (let n = 0; n < 3; n++) assertClose([a.slice(4 * n, 4 * n + 4).reduce((sum, value) => sum + value)], [1], kind);
      return Math.max(...a) - Math.min(...a);
    };
    const spreads = [0.2, 1, 5, 1e6].map((temperature) => {
      block.temperature = temperature;
      return spread();
    });
    assert.ok(spreads.every((value, i) => i === 0 || value < spreads[i - 1]), `${kind}: ${spreads}`);
    assertClose([spreads[3]], [0], kind);
    for (const thing of [block, x]) thing.dispose();
  }
});

test('temperature: numbers of more than 0, also while training; config has the present one', () => {
  for (const [kind, first] of [['dyConv2d', 34], ['odConv2d', 1]]) {
    const block = dk[kind](size);
    assert.equal(block.temperature, first);
    assert.equal(block.config.temperature, first);
    for (const value of [0, -1, NaN, Infinity, 1e-60, 1e60, '3', null, undefined, true, [1], 3n]) {
      assertRefused(() => { block.temperature = value; }, 'ERR_CONFIG', `${kind}: temperature`, 'more than 0', 'got');
      assertRefused(() => dk[kind]({ ...size, temperature: value ?? null }), 'ERR_CONFIG', `${kind}: temperature`, 'more than 0');
    }
    assert.equal(block.temperature, first);
    block.temperature = 0.1;
    assert.equal(block.temperature, 0.1);
    assert.equal(block.config.temperature, 0.1);
    const again = dk[kind](block.config);
    const x = randomTensor(dk, [2, 8, 6, 5]);
    const [y, z] = [block, again].map((one) => one.forward(x));
    assert.deepEqual(y.toArray(), z.toArray());
    for (const thing of [block, again, x, y, z]) thing.dispose();
  }
});

test('a backward pass has the temperature of its forward pass', () => {
  for (const kind of ['dyConv2d', 'odConv2d']) {
    const block = dk[kind]({ ...size, temperature: 3 }).train();
    block.requiresGrad = true;
    const x = randomTensor(dk, [2, 8, 6, 5]);
    const y = block.forward(x);
    const results = [3, 0.25, 50].map((temperature) => {
      block.temperature = temperature;
      block.zeroGrad();
      const input = block.backward(y);
      const result = { input: input.toArray(), gradients: copies(block.gradients()) };
      input.dispose();
      assert.equal(block.temperature, temperature);
      return result;
    });
    for (const result of results) assert.deepEqual(result, results[0], kind);
    // the next forward pass takes the new one
    const [z] = [block.forward(x)];
    assert.notDeepEqual(z.toArray(), y.toArray());
    for (const thing of [block, x, y, z]) thing.dispose();
  }
});

test('softmax is stable for large logits', () => {
  for (const kind of ['dyConv2d', 'odConv2d']) {
    const name = kind === 'dyConv2d' ? 'attention.fc2.bias' : 'attention.kernel_fc.bias';
    const block = dk[kind]({ ...size, temperature: 1 });
    const x = randomTensor(dk, [1, 8, 4, 4]);
    for (const [biases, expected] of [
      [[1e30, 0, 0, -1e30], [1, 0, 0, 0]], [[3e4, 3e4, -3e4, 0], [0.5, 0.5, 0, 0]], [[-1e5, -1e5, -1e5, -1e5], [0.25, 0.25, 0.25, 0.25]],
    ]) {
      block.parameters()[name].data.set(biases);
      block.forward(x).dispose();
      const a = block.lastAttention;
      assert.ok(a.every(Number.isFinite), `${kind}: ${a}`);
      for (const [k, share] of expected.entries()) assert.ok(Math.abs(a[k] - share) < 0.3, `${kind}: ${a}, expected ${expected}`);
    }
    for (const thing of [block, x]) thing.dispose();
  }
});

test('ODConv: attentions of the latest forward pass, and null for those that are left out', () => {
  for (const [options, lengths] of [
    [{}, { kernel: 8, channel: 16, filter: 12, spatial: 18 }],
    [{ kernelSize: 1 }, { kernel: 8, channel: 16, filter: 12, spatial: null }],
    [{ numKernels: 1 }, { kernel: null, channel: 16, filter: 12, spatial: 18 }],
    [{ outChannels: 8, groups: 8 }, { kernel: 8, channel: 16, filter: null, spatial: 18 }],
  ]) {
    const block = dk.odConv2d({ ...size, ...options });
    assert.equal(block.lastAttentions, null);
    assert.equal(block.lastAttention, null);
    const x = randomTensor(dk, [2, 8, 6, 5]);
    block.forward(x).dispose();
    const attentions = block.lastAttentions;
    assert.deepEqual(Object.fromEntries(Object.entries(attentions).map(([name, values]) => [name, values?.length ?? null])),
      lengths, JSON.stringify(options));
    for (const [name, values] of Object.entries(attentions)) {
      assert.ok(values?.every((value) => value > 0 && value < 1) ?? true, `${name}: ${values}`);
    }
    assert.deepEqual(block.lastAttention, attentions.kernel ?? new Float32Array(2).fill(1));
    for (const thing of [block, x]) thing.dispose();
  }
});

test('ODConv: mix with some of the attentions, and refusals', () => {
  const block = dk.odConv2d(size);
  const single = dk.odConv2d({ ...size, numKernels: 1 });
  const [kernel, channel, filter, spatial] =
    [[2, 4], [2, 8], [2, 6], [2, 9]].map((shape, i) => randomTensor(dk, shape, i + 1));
  const state = block.stateDict().weight.data;
  const { weight, bias } = block.mix({ kernel, channel, filter: null, spatial });
  assert.equal(bias, null);
  assert.deepEqual(weight.shape, [2, 6, 8, 3, 3]);
  const [a, s, q] = [kernel, channel, spatial].map((tensor) => tensor.toArray());
  const expected = weight.toArray().map((_, i) => {
    const [n, inner, c, t] = [Math.floor(i / 432), i % 432, Math.floor(i / 9) % 8, i % 9];
    let sum = 0;
    for (let k = 0; k < 4; k++) sum += a[4 * n + k] * state[432 * k + inner];
    return sum * s[8 * n + c] * q[9 * n + t];
  });
  assertClose(weight.toArray(), expected, 'the formula');
  const alone = single.mix({ filter });
  assert.deepEqual(alone.weight.shape, [2, 6, 8, 3, 3]);
  for (const [value, code, ...words] of [
    [{}, 'ERR_CONFIG', 'needs kernel', '[N, 4]'], [{ channel }, 'ERR_CONFIG', 'needs kernel'],
    [{ kernel: 5 }, 'ERR_CONFIG', 'kernel must be a Tensor', 'got 5'], [null, 'ERR_CONFIG', 'odConv2d.mix', 'got null'],
    [kernel, 'ERR_CONFIG', 'odConv2d.mix takes an object'], [{ kernel, filters: filter }, 'ERR_CONFIG', '"filters"'],
    [{ kernel: filter }, 'ERR_SHAPE', 'kernel must be [N, K] = [2, 4]', '[2, 6]'],
    [{ kernel, channel: filter }, 'ERR_SHAPE', 'channel must be [N, C] = [2, 8]', '[2, 6]'],
    [{ kernel, filter: channel }, 'ERR_SHAPE', 'filter must be [N, O] = [2, 6]', '[2, 8]'],
    [{ kernel, spatial: channel }, 'ERR_SHAPE', 'spatial must be [N, Rh * Rw] = [2, 9]', '[2, 8]'],
  ]) assertRefused(() => block.mix(value), code, ...words);
  assertRefused(() => single.mix({}), 'ERR_CONFIG', 'one attention at least');
  const three = dk.zeros([3, 6]);
  assertRefused(() => block.mix({ kernel, filter: three }), 'ERR_SHAPE', 'filter', '[2, 6]', '[3, 6]');
  for (const thing of [block, single, kernel, channel, filter, spatial, weight, alone.weight, three]) thing.dispose();
});

test('options that the kinds do not have, and shares of channels', () => {
  assertRefused(() => dk.odConv2d({ ...size, bias: true }), 'ERR_CONFIG', 'odConv2d has no option "bias"');
  assertRefused(() => dk.dyConv2d({ ...size, reduction: 4 }), 'ERR_CONFIG', 'dyConv2d has no option "reduction"');
  for (const value of [-0.1, NaN, Infinity, '1', null, true]) {
    assertRefused(() => dk.dyConv2d({ ...size, ratio: value }), 'ERR_CONFIG', 'dyConv2d: ratio', '0 or more');
    assertRefused(() => dk.odConv2d({ ...size, reduction: value }), 'ERR_CONFIG', 'odConv2d: reduction', '0 or more');
  }
  assertRefused(() => dk.dyConv2d({ ...size, ratio: 1e300 }), 'ERR_MEMORY', 'dyConv2d: attention: fc1.weight');
});
