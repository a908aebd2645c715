// The graph that every door makes: shapes of every op, names, numbers of values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GraphBuilder } from '../../web/dynakernel/network/graph.js';
import { OPS, inferShapes } from '../../web/dynakernel/network/infer.js';
import { assertRefused } from '../helpers.mjs';
import { MEANINGS } from './interpret.mjs';

const windows = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };

// op, shapes of inputs, attributes, shapes of outputs
const SHAPES = [
  ['conv2d', [[2, 4, 5, 6], [8, 2, 3, 2], [8]], { ...windows, stride: [2, 1], padding: [1, 0, 1, 0], groups: 2 }, [[2, 8, 3, 5]]],
  ['conv2d', [[2, 4, 5, 5], [2, 8, 4, 1, 1]], windows, [[2, 8, 5, 5]]],
  ['dynamicConv2d', [[2, 4, 5, 5], [2, 3], [3, 8, 2, 3, 3], [3, 8]], { ...windows, dilation: [2, 1], groups: 2 },
    [[2, 8, 1, 3]]],
  ['dynamicConv2d', [[2, 4, 5, 5], [2, 3], [3, 8, 2, 3, 3], null, [2, 8], [2, 4], [2, 9]], { ...windows, groups: 2 }, [[2, 8, 3, 3]]],
  ['dynamicConv2d', [[2, 4, 5, 5], null, [1, 8, 4, 1, 1], null, null, [2, 4]], windows, [[2, 8, 5, 5]]],
  ['attention', [[2, 8, 5, 5], [3, 8], [3], [3], [3], [3], [4, 3], [4]], {}, [[2, 4]]],
  ['attention', [[2, 8, 5, 5], null, null, null, null, null, [4, 8]], {}, [[2, 4]]],
  ['attention', [[2, 8, 5, 5], [3, 8], null, null, null, null, [4, 3], [4], [6, 3], [6], null, null, [9, 3], [9]], {}, [[2, 4], [2, 6], [2, 9]]],
  ['convTranspose2d', [[1, 4, 3, 3], [4, 2, 3, 3], [4]],
    { ...windows, stride: [2, 2], padding: [1, 1, 1, 1], outputPadding: [1, 0], groups: 2 }, [[1, 4, 6, 5]]],
  ['batchNorm', [[2, 3, 4], [3], [3], [3], [3]], {}, [[2, 3, 4]]],
  ['linear', [[2, 5, 3], [7, 3], [7]], {}, [[2, 5, 7]]],
  ['matmul', [[3, 1, 2, 4], [5, 4, 6]], {}, [[3, 5, 2, 6]]],
  ['add', [[2, 1, 3], [4, 1]], {}, [[2, 4, 3]]],
  ['prelu', [[2, 3, 4], [3, 1]], {}, [[2, 3, 4]]],
  ['softmax', [[2, 3]], { axis: 1 }, [[2, 3]]],
  ['reduceSum', [[2, 3, 4]], { axes: [0, 2], keepDims: true }, [[1, 3, 1]]],
  ['reduceMean', [[2, 3, 4]], { axes: [0, 2], keepDims: false }, [[3]]],
  ['maxPool', [[1, 2, 5, 5]], { size: [3, 2] }, [[1, 2, 3, 2]]],
  ['concat', [[1, 2, 3], [1, 4, 3]], { axis: 1 }, [[1, 6, 3]]],
  ['split', [[1, 6, 3]], { axis: 1, sizes: [2, 4] }, [[1, 2, 3], [1, 4, 3]]],
  ['slice', [[4, 4]], { starts: [0, 3], steps: [2, -1], size: [2, 4] }, [[2, 4]]],
  ['reshape', [[2, 3]], { shape: [6] }, [[6]]],
  ['transpose', [[2, 3, 4]], { order: [2, 0, 1] }, [[4, 2, 3]]],
  ['channelShuffle', [[1, 6, 2]], { groups: 3 }, [[1, 6, 2]]],
  ['pad', [[2, 3]], { before: [0, 1], after: [2, 0] }, [[4, 4]]],
  ['resize', [[1, 2, 3, 3]], { size: [6, 7] }, [[1, 2, 6, 7]]],
  ['depthToSpace', [[1, 8, 2, 3]], { block: 2 }, [[1, 2, 4, 6]]],
  ['spaceToDepth', [[1, 2, 4, 6]], { block: 2 }, [[1, 8, 2, 3]]],
  ['expand', [[3, 1]], { shape: [2, 3, 4] }, [[2, 3, 4]]],
];

for (const [op, inputs, attributes, outputs] of SHAPES) {
  test(`${op} ${JSON.stringify(inputs)}`, () => assert.deepEqual(inferShapes(op, inputs, attributes), outputs));
}

test('every op has a shape and a meaning', () => {
  assert.deepEqual(Object.keys(MEANINGS).sort(), [...OPS].sort());
  assertRefused(() => inferShapes('toString', [[1]], {}), 'ERR_CONFIG', 'toString');
});

const REFUSED = [
  ['conv2d', [[2, 4, 5], [8, 4, 1, 1]], windows, '4 dimensions', '[2, 4, 5]'],
  ['conv2d', [[2, 4, 5, 5], [8, 4, 1]], windows, 'the weight'],
  ['conv2d', [[2, 4, 5, 5], [8, 3, 1, 1]], windows, '3 input channels', '4 input channels'],
  ['conv2d', [[2, 4, 5, 5], [8, 4, 1, 1], [7]], windows, 'the bias', '[8]', '[7]'],
  ['conv2d', [[2, 4, 5, 5], [3, 8, 4, 1, 1]], windows, 'the batch of the kernels', '[2]', '[3]'],
  ['conv2d', [[2, 4, 5, 5], [8, 4, 6, 1]], windows, 'reaches over 6'],
  ['dynamicConv2d', [[2, 4, 5, 5], [2, 4], [3, 8, 4, 1, 1]], windows, 'the attention', '[2, 3]', '[2, 4]'],
  ['dynamicConv2d', [[2, 4, 5, 5], [2, 3], [3, 8, 4, 1, 1], [3, 4]], windows, 'the bias', '[3, 8]', '[3, 4]'],
  ['dynamicConv2d', [[2, 4, 5, 5], null, [3, 8, 4, 1, 1]], windows, '3 kernels need the attention', '[2, 3]'],
  ['dynamicConv2d', [[2, 4, 5, 5], null, [1, 8, 4, 1, 1], null, [2, 4]], windows, 'output channels', '[2, 8]', '[2, 4]'],
  ['dynamicConv2d', [[2, 4, 5, 5], null, [1, 8, 4, 1, 1], null, null, [1, 4]], windows, 'input channels', '[2, 4]', '[1, 4]'],
  ['dynamicConv2d', [[2, 4, 5, 5], null, [1, 8, 4, 3, 1], null, null, null, [2, 9]], windows, 'taps', '[2, 3]', '[2, 9]'],
  ['attention', [[2, 8, 5, 5], [3, 7], [3], [3], [3], [3], [4, 3], [4]], {}, 'hidden weight', '[3, 8]'],
  ['attention', [[2, 8, 5, 5], [3, 8], [3], [3], [2], [3], [4, 3], [4]], {}, 'batch norm'],
  ['attention', [[2, 8, 5, 5], null, [8], [8], [8], [8], [4, 8], [4]], {}, 'batch norm needs a hidden layer'],
  ['attention', [[2, 8, 5, 5], [3, 8], [3], null, [3], [3], [4, 3], [4]], {}, 'a weight, a bias, a mean and a variance'],
  ['attention', [[2, 8, 5, 5], [3, 8], null, null, null, null, null, null, [4, 8]], {}, 'weight of the outputs', '[4, 3]'],
  ['attention', [[2, 8, 5, 5], null, null, null, null, null, null, [4]], {}, 'bias of the kernels', '[0]', '[4]'],
  ['attention', [[2, 8, 5, 5], null], {}, 'no head'],
  ['convTranspose2d', [[1, 4, 3, 3], [3, 2, 1, 1]], { ...windows, outputPadding: [0, 0] }, '4 input channels'],
  ['batchNorm', [[2], [2], [2], [2], [2]], {}, '2 dimensions'],
  ['linear', [[2, 4], [7, 3]], {}, '[3]', '[4]'],
  ['matmul', [[2, 3], [4, 2]], {}, '[2, 3]', '[4, 2]'],
  ['add', [[2, 3], [2]], {}, '[2, 3]', '[2]'],
  ['concat', [[1, 2], [2, 2]], { axis: 1 }, '[1, 2]', '[2, 2]'],
  ['split', [[5]], { axis: 0, sizes: [2, 2] }, 'add up to 5'],
  ['reshape', [[2, 3]], { shape: [7] }, '[2, 3]', '[7]'],
  ['channelShuffle', [[1, 6]], { groups: 4 }, '4 groups'],
  ['expand', [[3]], { shape: [2] }, '[3]'],
];

for (const [op, inputs, attributes, ...words] of REFUSED) {
  test(`${op} refuses ${JSON.stringify(inputs)}`, () =>
    assertRefused(() => inferShapes(op, inputs, attributes), 'ERR_SHAPE', op, ...words));
}

test('a builder names and numbers', () => {
  const builder = new GraphBuilder();
  const x = builder.input('x', [2, 3]);
  const unused = builder.constant(new Float32Array(1), [1], 'unused');
  const weight = builder.constant(new Float32Array(12), [4, 3], 'weight', { stateName: 'fc.weight', stateShape: [4, 3] });
  const [y] = builder.add('linear', 'fc', [x, weight]);
  const [z] = builder.add('relu', 'fc', [y]);
  builder.outputs.push({ name: 'z', value: z });
  const graph = builder.graph();
  assert.deepEqual(graph.nodes.map(({ name }) => name), ['fc', 'fc_1']);
  assert.deepEqual([x, weight, y, z].map(({ id }) => id), [0, 1, 2, 3]);
  assert.deepEqual([weight.stateName, weight.stateShape, x.constant, unused.constant.length], ['fc.weight', [4, 3], null, 1]);
  assert.deepEqual(z.shape, [2, 4]);
});

test('tensors that no network can hold', () => {
  const builder = new GraphBuilder();
  assertRefused(() => builder.input('x', [1, 1, 1, 1, 1, 1, 1]), 'ERR_SHAPE', 'x', '7 dimensions', '6');
  for (const shape of [[0], [2, -1], [1.5], [NaN]]) assertRefused(() => builder.input('x', shape), 'ERR_SHAPE', 'at least 1');
  assertRefused(() => builder.input('x', [2 ** 30]), 'ERR_MEMORY', 'x', '[1073741824]');
  const nodes = builder.nodes.length;
  assertRefused(() => builder.add('expand', 'e', [builder.input('y', [1])], { shape: [2 ** 20, 2 ** 20] }), 'ERR_MEMORY', 'e [');
  assert.equal(builder.nodes.length, nodes);
});
