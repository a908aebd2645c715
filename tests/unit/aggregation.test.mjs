// Kernels, strides, paddings and dilations that differ between the two directions.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Random } from '../../web/shared/random.js';
import { outputSize, referenceAggregation } from '../convolution.mjs';
import { algorithmsOf, assertClose, assertRefused, loadRuntime, randomTensor } from '../helpers.mjs';
import { seedTitle, seedsOf } from '../seeds.mjs';
import { assertGradient } from '../training.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

/** Compares the output, the mixture and all gradients with the reference's. */
function compare(config, shape, seed) {
  const what = JSON.stringify({ ...config, shape });
  const [N, , H, W] = shape, { numKernels, outChannels, bias = true } = config;
  const aggregation = dk.kernelAggregation({ ...config, seed });
  if (bias) aggregation.parameters().bias.data.set(randomTensor(dk, [numKernels, outChannels], seed).toArray());
  aggregation.requiresGrad = true;
  const x = randomTensor(dk, shape, seed + 1), a = randomTensor(dk, [N, numKernels], seed + 2);
  const gradOutput = randomTensor(dk, [N, outChannels, ...outputSize(config, [H, W])], seed + 3);
  const y = aggregation.forward(x, a);
  const gradInput = aggregation.backward(gradOutput);
  const state = aggregation.stateDict();

  const expected = referenceAggregation(config, {
    shape, x: x.toArray(), a: a.toArray(), weight: state.weight.data, bias: state.bias?.data, gradOutput: gradOutput.toArray(),
  });
  assert.deepEqual(y.shape, gradOutput.shape, what);
  assertClose(y.toArray(), expected.output, what);
  assert.deepEqual(gradInput.shape, shape, what);
  assertGradient(gradInput.toArray(), expected.gradients.x, `input, ${what}`);
  assertGradient(aggregation.attentionGradient.toArray(), expected.gradients.a, `attention, ${what}`);
  for (const [name, gradient] of Object.entries(aggregation.gradients())) {
    assert.deepEqual(gradient.shape, state[name].shape, what);
    assertGradient(gradient.toArray(), expected.gradients[name], `${name}, ${what}`);
  }
  for (const thing of [aggregation, x, a, gradOutput, y, gradInput]) thing.dispose();
}

const dense = { inChannels: 5, outChannels: 9, numKernels: 3 };
const depthwise = { inChannels: 10, outChannels: 10, groups: 10, numKernels: 2 };
const grouped = { inChannels: 6, outChannels: 4, groups: 2, numKernels: 2, bias: false };

for (const [name, channels] of Object.entries({ dense, depthwise, grouped })) {
  for (const geometry of [
    { kernelSize: [1, 3], padding: [0, 1] }, { kernelSize: [3, 1], padding: [1, 0] },
    { kernelSize: [1, 7], padding: [0, 3] }, { kernelSize: [7, 1], padding: [3, 0] },
    { kernelSize: [5, 3], padding: [2, 1], stride: [2, 1] }, { kernelSize: [5, 3], dilation: [1, 2] },
    { kernelSize: 3, stride: [2, 1], padding: 1 }, { kernelSize: 3, stride: [1, 3], padding: [0, 2] },
    { kernelSize: 3, padding: [2, 0], dilation: [2, 1] }, { kernelSize: 1, stride: [2, 1] },
    { kernelSize: 1, padding: [0, 2] }, { kernelSize: [2, 4], stride: [2, 4], padding: [1, 0] },
    { kernelSize: [3, 2], stride: [4, 2], dilation: [2, 3], padding: [5, 1] },
  ]) {
    test(`${name}, ${JSON.stringify(geometry)}: outputs and gradients match the definition`, () => {
      compare({ ...channels, ...geometry }, [2, channels.inChannels, 11, 17], 7);
    });
  }
}

for (const seed of seedsOf(50)) {
  test(`random rectangles: outputs and gradients match the definition, ${seedTitle(seed)}`, () => {
    const random = new Random(seed);
    const pick = (...values) => values[random.below(values.length)];
    const pairOf = (draw) => [draw(), draw()];
    for (let count = 0; count < 25; count++) {
      const groups = pick(1, 1, 1, 2, 3), each = pick(1, 1 + random.below(9));
      const kernelSize = pairOf(() => pick(1, 2, 3, 5)), dilation = pairOf(() => pick(1, 1, 2));
      const config = {
        inChannels: groups * each, outChannels: groups * (1 + random.below(10)), groups, kernelSize, dilation,
        stride: pairOf(() => pick(1, 1, 2, 3)), padding: kernelSize.map((size) => random.below(size + 1)),
        numKernels: 1 + random.below(4), bias: random.below(2) === 0,
      };
      const sides = [0, 1].map((axis) => dilation[axis] * (kernelSize[axis] - 1) + 1 + random.below(14));
      compare(config, [1 + random.below(2), config.inChannels, ...sides], seed + count);
    }
  });
}

test('a number and a pair of that number are the same module', () => {
  const x = randomTensor(dk, [2, 6, 13, 12]);
  const numbers = { kernelSize: 3, stride: 2, padding: 1, dilation: 2 };
  const pairs = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, [value, value]]));
  const [square, same] = [numbers, pairs].map((geometry) =>
    dk.dynamicKernelAggregation({ inChannels: 6, outChannels: 7, seed: 3, ...geometry }));
  assert.deepEqual(same.forward(x).toArray(), square.forward(x).toArray());
  assert.deepEqual(same.plan, square.plan);
});

test('the configuration reports what was given', () => {
  const kernelSize = [1, 7], given = { kernelSize, stride: [2, 1], padding: [0, 3], dilation: 1 };
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 4, ...given });
  kernelSize[0] = 5; // the caller's array
  for (const { config } of [block, block.aggregation]) {
    assert.deepEqual(config.kernelSize, [1, 7]);
    assert.deepEqual([config.stride, config.padding, config.dilation], [[2, 1], [0, 3], 1]);
    assert.ok(Object.isFrozen(config.kernelSize) && Object.isFrozen(config.stride));
  }
  // the configuration makes the same module again
  assert.deepEqual(dk.dynamicKernelAggregation(block.config).config, block.config);
});

test('the state dict, the parameters and the mixture have the shape [..., C/G, Rh, Rw]', () => {
  const config = { inChannels: 4, outChannels: 6, groups: 2, kernelSize: [3, 5], numKernels: 3 };
  const aggregation = dk.kernelAggregation({ ...config, seed: 1 });
  assert.deepEqual(aggregation.stateDict().weight.shape, [3, 6, 2, 3, 5]);
  assert.deepEqual(aggregation.parameters().weight.shape, [3, 6, 2, 3, 5]);
  const { weight, bias } = aggregation.mix(dk.tensor([1, 0, 0, 0, 1, 0], [2, 3]));
  assert.deepEqual([weight.shape, bias.shape], [[2, 6, 2, 3, 5], [2, 6]]);
  const kernels = aggregation.stateDict().weight.data, depth = 6 * 2 * 3 * 5;
  assert.deepEqual(weight.toArray(), kernels.slice(0, 2 * depth));

  const copy = dk.kernelAggregation({ ...config, seed: 2 });
  copy.loadStateDict(aggregation.stateDict());
  assert.deepEqual(copy.stateDict().weight.data, kernels);
  const turned = dk.kernelAggregation({ ...config, kernelSize: [5, 3] });
  assertRefused(() => turned.loadStateDict(aggregation.stateDict()), 'ERR_STATE', 'weight', '[3, 6, 2, 5, 3]', '[3, 6, 2, 3, 5]');
});

test('each algorithm that covers rectangles computes the same; the others refuse them', () => {
  const squareOnly = ['karatsuba', 'winograd', 'toomcook', 'polyphase', 'toomcook_depthwise'];
  const compared = new Set();
  for (const config of [
    { inChannels: 6, outChannels: 10, kernelSize: [5, 3], stride: [1, 2], padding: [2, 0], dilation: [1, 2] },
    { inChannels: 6, outChannels: 6, groups: 6, kernelSize: [3, 5], stride: [2, 1], padding: [0, 2] },
    { inChannels: 6, outChannels: 10, kernelSize: 1, stride: [1, 2], padding: [1, 0] },
  ]) {
    const x = randomTensor(dk, [1, 6, 15, 14]), a = randomTensor(dk, [1, 2]);
    const make = (algorithm) => dk.kernelAggregation({ ...config, numKernels: 2, seed: 1, algorithm });
    const expected = make('reference').forward(x, a).toArray();
    for (const algorithm of algorithmsOf(dk)) {
      const module = make(algorithm);
      try {
        assertClose(module.forward(x, a).toArray(), expected, `${algorithm} ${JSON.stringify(config)}`);
        compared.add(algorithm);
      } catch (error) {
        assert.equal(error.code, 'ERR_CONFIG', error.message);
      }
    }
  }
  assert.deepEqual([...algorithmsOf(dk)].filter((name) => !compared.has(name)).sort(), squareOnly.sort());
});

test('an input that is too small is refused, with what was given', () => {
  const wide = dk.kernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: [1, 7], padding: [4, 1] });
  for (const call of [() => wide.planFor([1, 3, 8, 4]), () => wide.forward(dk.zeros([1, 3, 8, 4]), dk.zeros([1, 4]))]) {
    assertRefused(call, 'ERR_SHAPE', 'the kernel is 1x7 and', 'padding [4, 1] is 16x6');
  }
  assert.ok(wide.planFor([1, 3, 1, 5]));
  const dilated = dk.kernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: [3, 2], dilation: [4, 1] });
  assertRefused(() => dilated.planFor([1, 3, 8, 9]), 'ERR_SHAPE', 'the kernel is 9x2 (size [3, 2], dilation [4, 1])',
    'padding 0 is 8x9');
});

test('kernels of thousands of rows or columns', () => {
  for (const [kernelSize, shape] of [[[3000, 1], [1, 1, 3002, 2]], [[1, 3000], [1, 1, 2, 3002]]]) {
    const config = { inChannels: 1, outChannels: 2, kernelSize, numKernels: 1 };
    compare(config, shape, 1);
  }
});
