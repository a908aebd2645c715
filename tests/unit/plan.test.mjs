// The planner's choices, and forced algorithms.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Random } from '../../web/shared/random.js';
import { algorithmsOf, assertClose, assertRefused, loadRuntime, randomTensor } from '../helpers.mjs';
import { seedTitle, seedsOf } from '../seeds.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

test('plan describes the latest forward pass, planFor any', () => {
  const block = dk.dynamicKernelAggregation({ inChannels: 16, outChannels: 16, kernelSize: 3, padding: 1 });
  assert.equal(block.plan, null);
  assert.equal(block.aggregation.plan, null);

  const shapes = [[1, 16, 40, 40], [2, 16, 5, 3]];
  for (const shape of shapes) {
    const planned = block.aggregation.planFor(shape);
    assert.deepEqual(Object.keys(planned), ['algorithm', 'tile', 'workspaceBytes']);
    assert.ok(algorithmsOf(dk).slice(1).includes(planned.algorithm), planned.algorithm);
    assert.ok(planned.tile >= 1 && planned.workspaceBytes >= 0);
    block.forward(randomTensor(dk, shape)).dispose();
    assert.deepEqual(block.plan, planned);
    assert.deepEqual(block.aggregation.plan, planned);
  }
  // a pass of the aggregation alone changes it too
  block.aggregation.forward(randomTensor(dk, shapes[0]), randomTensor(dk, [1, 4])).dispose();
  assert.deepEqual(block.plan, block.aggregation.planFor(shapes[0]));
});

/** Each algorithm covers at least one of these shapes. A new algorithm that covers none needs a new shape. */
const SHAPES = [
  { inChannels: 6, outChannels: 10, kernelSize: 3, stride: 2, padding: 2, dilation: 2, groups: 2 },
  { inChannels: 16, outChannels: 24, kernelSize: 3, padding: 1 },
  { inChannels: 16, outChannels: 24, kernelSize: 3, padding: 1, stride: 2 },
  { inChannels: 3, outChannels: 8, kernelSize: 3, padding: 1, stride: 2 },
  { inChannels: 3, outChannels: 8, kernelSize: 7, padding: 3 },
  { inChannels: 3, outChannels: 8, kernelSize: 7, padding: 3, stride: 2 },
  { inChannels: 12, outChannels: 9, kernelSize: 1 },
  { inChannels: 6, outChannels: 10, kernelSize: 2, stride: 3, padding: 1, groups: 2 },
  { inChannels: 10, outChannels: 10, kernelSize: 5, padding: 2, groups: 10 },
];

/** The algorithms that cover a shape, without 'auto'. */
const covering = (config, image) => algorithmsOf(dk).slice(1).filter((algorithm) => {
  const module = dk.kernelAggregation({ ...config, algorithm });
  try {
    return module.planFor(image) !== null;
  } catch (error) {
    assert.equal(error.code, 'ERR_CONFIG');
    return false;
  } finally {
    module.dispose();
  }
});

/** The algorithms, as plans name them, whose outputs were compared with the reference's. */
const compared = new Set();

for (const config of SHAPES) {
  test(`every algorithm that covers ${JSON.stringify(config)} answers what the reference does`, () => {
    const image = [2, config.inChannels, 21, 18];
    const x = randomTensor(dk, image);
    const expected = dk.dynamicKernelAggregation({ ...config, seed: 5, algorithm: 'reference' }).forward(x).toArray();
    for (const algorithm of covering(config, image)) {
      const block = dk.dynamicKernelAggregation({ ...config, seed: 5, algorithm });
      const y = block.forward(x).toArray();
      assert.equal(block.config.algorithm, algorithm);
      if (algorithm !== 'toomcook') assert.equal(block.plan.algorithm, algorithm);
      assertClose(y, expected, `${algorithm} ${JSON.stringify(config)}`);
      compared.add(block.plan.algorithm);
    }
  });
}

test('every algorithm of the table was compared with the reference', () => {
  const missing = algorithmsOf(dk).slice(1).filter((name) => !compared.has(name));
  assert.deepEqual(missing, [], 'SHAPES has no shape that these cover');
});

test("'toomcook' stands for its whole family, and the plan tells which of it runs", () => {
  for (const [algorithm, config] of [
    ['toomcook', { inChannels: 3, outChannels: 8, kernelSize: 7 }],
    ['karatsuba', { inChannels: 3, outChannels: 8, kernelSize: 3, stride: 2 }],
    ['toomcook_depthwise', { inChannels: 8, outChannels: 8, kernelSize: 5, groups: 8 }],
  ]) {
    for (const forced of new Set(['toomcook', algorithm])) {
      const module = dk.kernelAggregation({ ...config, algorithm: forced });
      assert.equal(module.planFor([1, config.inChannels, 21, 18]).algorithm, algorithm);
    }
  }
  // The name of one member of a family means that member only.
  const karatsuba = dk.kernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 7, algorithm: 'karatsuba' });
  assertRefused(() => karatsuba.planFor([1, 3, 21, 18]), 'ERR_CONFIG', 'karatsuba');
});

for (const seed of seedsOf(30)) {
  test(`random configurations: the planned algorithm computes what the reference computes, ${seedTitle(seed)}`, () => {
    const random = new Random(seed);
    for (let count = 0; count < 60; count++) {
      const { config, shape } = drawn(random);
      const x = randomTensor(dk, shape, seed + count);
      const [block, reference] = ['auto', 'reference'].map((algorithm) =>
        dk.dynamicKernelAggregation({ ...config, seed: count, algorithm }));
      const [y, expected] = [block, reference].map((made) => made.forward(x));
      const what = `${count}: ${block.plan.algorithm}, ${JSON.stringify({ ...config, shape })}`;
      assert.deepEqual(y.shape, expected.shape, what);
      assertClose(y.toArray(), expected.toArray(), what);
      for (const thing of [x, block, reference, y, expected]) thing.dispose();
    }
  });
}

/** A configuration, and the shape of images that are large enough for it. */
function drawn(random) {
  const pick = (...values) => values[random.below(values.length)];
  const groups = pick(1, 1, 1, 2, 4);
  const depthwise = random.below(4) === 0;
  const channels = depthwise ? 1 + random.below(24) : groups * (1 + random.below(12));
  // equal in both directions more often than not: the transforms cover only such shapes
  const both = random.below(4) > 0;
  const pairOf = (draw) => (both ? Array(2).fill(draw(0)) : [draw(0), draw(1)]);
  const kernelSize = pairOf(() => pick(1, 2, 3, 3, 3, 5, 7)), dilation = pairOf(() => pick(1, 1, 1, 2));
  const padding = pairOf((axis) => random.below(kernelSize[axis] + 1));
  const config = {
    inChannels: channels, outChannels: depthwise ? channels : groups * (1 + random.below(12)),
    groups: depthwise ? channels : groups, kernelSize, stride: pairOf(() => pick(1, 1, 2, 3)), padding, dilation,
    numKernels: 1 + random.below(5), bias: random.below(2) === 0,
  };
  const sides = [0, 1].map((axis) => dilation[axis] * (kernelSize[axis] - 1) + 1 + random.below(24));
  return { config, shape: [1 + random.below(3), channels, ...sides] };
}

// Around the edges of what is multiplied at a time: tiles of 4×4 outputs, input and output channels.
for (const [algorithm, stride] of [['winograd', 1], ['polyphase', 2]]) {
  for (let tiles = 1; tiles <= 13; tiles++) {
    test(`'${algorithm}' computes what direct convolution computes: ${tiles} tiles, channels around 4 and 8`, () => {
      for (const inChannels of [3, 4, 5, 8, 9, 12, 20]) {
        for (const outChannels of [3, 4, 5, 8, 13]) {
          // Whole tiles, and a last tile of one, two and three columns.
          for (const columns of [0, 1, 2, 3].map((spare) => 4 * tiles - spare)) {
            const config = { inChannels, outChannels, kernelSize: 3, padding: 1, stride, numKernels: 2, seed: tiles };
            const image = [1, inChannels, 3 * stride, columns * stride], what = JSON.stringify({ ...config, image });
            const x = randomTensor(dk, image, columns);
            const [block, direct] = [algorithm, 'direct'].map((name) =>
              dk.dynamicKernelAggregation({ ...config, algorithm: name }));
            const [y, expected] = [block, direct].map((made) => made.forward(x));
            assert.equal(block.plan.algorithm, algorithm, what);
            assertClose(y.toArray(), expected.toArray(), what);
            for (const thing of [x, block, direct, y, expected]) thing.dispose();
          }
        }
      }
    });
  }
}

// Larger than the random configurations of the native checks: several strips of tile rows, several
// chunks of input channels or of columns, the last of them ragged, planes far apart, and an output block
// of few channels.
for (const [algorithm, inChannels, height, width, extra] of [
  ['winograd', 70, 58, 63, {}], ['winograd', 70, 41, 62, { dilation: 3 }], ['winograd', 521, 7, 6, {}],
  ['polyphase', 70, 107, 118, { stride: 2 }], ['polyphase', 521, 13, 11, { stride: 2 }],
  ['pointwise', 70, 33, 37, { kernelSize: 1, padding: 0 }], ['im2col', 3, 131, 118, { kernelSize: 4, stride: 4 }],
  ['im2col', 150, 33, 37, {}], ['toomcook', 3, 9, 1103, {}],
  ['toomcook', 3, 9, 1029, { kernelSize: 7, padding: 3 }],
]) {
  const title = `algorithm: '${algorithm}', ${inChannels} channels of ${height}×${width}, ${JSON.stringify(extra)}`;
  test(`${title}, computes the same as direct convolution`, () => {
    const config = { inChannels, outChannels: 12, kernelSize: 3, padding: 1, numKernels: 2, seed: 5, ...extra };
    const x = randomTensor(dk, [2, inChannels, height, width]), a = randomTensor(dk, [2, 2]);
    const [y, expected] = [algorithm, 'direct'].map((name) =>
      dk.dynamicKernelAggregation({ ...config, algorithm: name }).aggregation.forward(x, a).toArray());
    assertClose(y, expected, title);
  });
}

// With stride 2 no output may read the last row and column. Their values must not matter.
for (const [algorithm, kernelSize] of [['toomcook', 3], ['toomcook', 5], ['toomcook', 7], ['polyphase', 3], ['im2col', 3]]) {
  test(`algorithm: '${algorithm}', kernels of ${kernelSize}, stride 2: unread values do not matter`, () => {
    const config = { inChannels: 8, outChannels: 4, kernelSize, stride: 2, numKernels: 2, seed: 5 };
    for (const height of [1, 3, 5, 7, 9, 15].map((more) => kernelSize + more)) {
      const width = kernelSize + 17, x = randomTensor(dk, [1, 8, height, width]), a = randomTensor(dk, [1, 2]);
      for (let c = 0; c < 8; c++) {
        const plane = x.data.subarray(c * height * width, (c + 1) * height * width);
        plane.fill(1e4, (height - 1) * width);
        for (let row = 0; row < height; row++) plane[row * width + width - 1] = -1e4;
      }
      const [y, expected] = [algorithm, 'direct'].map((name) =>
        dk.dynamicKernelAggregation({ ...config, algorithm: name }).aggregation.forward(x, a).toArray());
      assertClose(y, expected, `${algorithm} ${JSON.stringify({ ...config, height, width })}`);
    }
  });
}

test('the planner chooses other algorithms if dilation would leave tiles empty', () => {
  const chosen = [2, 8, 24].map((dilation) => dk.dynamicKernelAggregation({
    inChannels: 16, outChannels: 16, kernelSize: 3, padding: dilation, dilation,
  }).aggregation.planFor([1, 16, 28, 28]).algorithm);
  assert.deepEqual(chosen.map((name) => name === 'winograd'), [true, true, false], `${chosen}`);
});

test('the planner skips algorithms whose workspace would not fit', () => {
  for (const [inChannels, outChannels, dilation, height, width] of [
    [2048, 256, 24, 65, 65], // DeepLab's spatial pyramid
    [64, 64, 64, 512, 2048], [1, 1, 3000, 100, 100], [1, 1, 4000, 100, 100], [1, 1, 2700, 5401, 5401],
  ]) {
    const title = JSON.stringify({ inChannels, outChannels, dilation, height, width });
    const config = { inChannels, outChannels, kernelSize: 3, padding: dilation, dilation, numKernels: 1 };
    const conv = dk.kernelAggregation(config);
    const { algorithm, workspaceBytes } = conv.planFor([1, inChannels, height, width]);
    assert.ok(workspaceBytes <= 2 ** 27, `${title}: ${algorithm} in ${workspaceBytes} bytes`);
    conv.dispose();
    // A forced algorithm refuses a shape that does not fit its workspace.
    const other = dk.kernelAggregation({ ...config, algorithm: 'winograd' });
    assertRefused(() => other.planFor([1, inChannels, height, width]), 'ERR_MEMORY', 'winograd');
    other.dispose();
  }
});

test('numbers close to the largest stay finite, whatever the algorithm', () => {
  const random = new Random(1);
  for (const config of SHAPES) {
    const C = config.inChannels, image = [1, C, 21, 18];
    for (const name of covering(config, image)) {
      const [conv, reference] = [name, 'reference'].map((algorithm) =>
        dk.kernelAggregation({ ...config, numKernels: 1, seed: 5, algorithm }));
      const one = dk.tensor([1], [1, 1]), x = dk.zeros(image);
      const patterns = {
        'one value': (i) => (i === 100 ? 3e38 : 0), 'all alike': () => 1e36, noise: () => random.between(-2e36, 2e36),
      };
      for (const [pattern, valueAt] of Object.entries(patterns)) {
        x.data.forEach((_, i, all) => { all[i] = valueAt(i); });
        const y = conv.forward(x, one).toArray();
        assert.ok(y.every(Number.isFinite), `${name}, ${pattern}: ${y.filter((value) => !Number.isFinite(value)).length}`);
        assertClose(y, reference.forward(x, one).toArray(), `${name}, ${pattern}`);
      }
      for (const thing of [conv, reference, one, x]) thing.dispose();
    }
  }
});

test('NaN and infinity pass through as they do in PyTorch', () => {
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: 1, seed: 1 });
  const x = dk.zeros([2, 3, 4, 4]);
  x.data[5] = NaN; // in the first image: its attention is NaN, and so all of its output
  const y = block.forward(x).toArray();
  assert.ok(y.subarray(0, 32).every(Number.isNaN));
  assert.ok(y.subarray(32).every(Number.isFinite), 'the second image is untouched');

  const a = dk.tensor([1, 0, 0, 0], [1, 4]);
  const one = dk.tensor(new Float32Array(48).fill(1), [1, 3, 4, 4]);
  one.data[7] = Infinity;
  const z = block.aggregation.forward(one, a).toArray();
  assert.equal(Math.abs(z[7]), Infinity);
  assert.ok(Number.isFinite(z[6]) && Number.isFinite(z[8]));
});
