// Every op of a graph: the C library computes what the interpreter does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GraphBuilder } from '../../web/dynakernel/network/graph.js';
import { OPS } from '../../web/dynakernel/network/infer.js';
import { Random } from '../../web/shared/random.js';
import { seedTitle, seedsOf } from '../seeds.mjs';
import { evaluate } from './evaluate.mjs';

const still = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1] };
const plain = { ...still, groups: 1 };
const wide = { stride: [2, 1], padding: [2, 0, 1, 3], dilation: [1, 2], groups: 2 };
const window = { ...still, kernel: [3, 2], stride: [2, 1], padding: [1, 1, 0, 1] };
const bilinear = { mode: 'bilinear', coordinates: 'half_pixel', nearestMode: 'floor' };
const nearest = { mode: 'nearest', coordinates: 'asymmetric', nearestMode: 'floor' };

// Inputs: constants and values of a shape, with numbers between two bounds.
const c = (shape, from = -2, to = 2) => ({ constant: true, shape, from, to });
const v = (shape, from = -2, to = 2) => ({ constant: false, shape, from, to });
const image = (C = 4, H = 7, W = 9) => v([2, C, H, W]);

/** An op, its inputs, and its attributes. */
const CASES = [
  ['conv2d', [image(), c([6, 4, 1, 1]), c([6])], plain],
  ['conv2d', [image(8, 12, 20), c([16, 8, 3, 3])], { ...plain, padding: [1, 1, 1, 1] }],
  ['conv2d', [image(8, 12, 20), c([16, 8, 3, 3]), c([16])], { ...plain, stride: [2, 2], padding: [1, 1, 1, 1] }],
  ['conv2d', [image(8, 16, 16), c([8, 1, 5, 5])], { ...plain, padding: [2, 2, 2, 2], groups: 8 }],
  ['conv2d', [image(), c([6, 2, 3, 2]), c([6])], wide],
  ['conv2d', [image(), c([6, 4, 1, 7])], { ...plain, padding: [0, 3, 0, 3] }],
  ['conv2d', [image(), v([6, 2, 3, 2])], wide],
  ['conv2d', [image(), v([2, 6, 2, 3, 2]), c([6])], wide],
  ['conv2d', [image(), v([2, 5, 4, 1, 1])], plain],
  ['dynamicConv2d', [image(), v([2, 3]), c([3, 6, 2, 3, 2]), c([3, 6])], wide],
  ['dynamicConv2d', [image(8, 9, 9), v([2, 4]), c([4, 8, 1, 3, 3])], { ...plain, padding: [1, 1, 1, 1], groups: 8 }],
  ['dynamicConv2d', [image(8, 9, 9), v([2, 4]), c([4, 8, 8, 1, 1]), c([4, 8])], plain],
  // with f, s and q; one kernel without attention
  ['dynamicConv2d', [image(), v([2, 3]), c([3, 6, 2, 3, 2]), c([3, 6]), v([2, 6]), v([2, 4]), v([2, 6])], wide],
  ['dynamicConv2d', [image(8, 9, 9), v([2, 4]), c([4, 8, 8, 3, 3]), null, v([2, 8]), v([2, 8]), v([2, 9])], { ...plain, padding: [1, 1, 1, 1] }],
  ['dynamicConv2d', [image(8, 9, 9), v([2, 4]), c([4, 8, 1, 5, 5]), null, null, v([2, 8]), v([2, 25])],
    { ...plain, padding: [2, 2, 2, 2], groups: 8 }],
  ['dynamicConv2d', [image(8, 9, 9), null, c([1, 8, 8, 1, 1]), null, v([2, 8]), v([2, 8])], plain],
  ['dynamicConv2d', [image(), null, c([1, 3, 4, 3, 3]), c([1, 3])], plain],
  ['attention', [image(), c([3, 4]), c([3]), c([3]), c([3]), c([3], 0.5, 2), c([5, 3]), c([5])],
    { eps: 1e-5, temperature: 1, softmax: false }],
  ['attention', [image(), c([3, 4]), null, null, null, null, c([5, 3]), c([5])], { eps: 0, temperature: 34, softmax: true }],
  ['attention', [image(), null, null, null, null, null, c([8, 4]), null], { eps: 0, temperature: 0.5, softmax: false }],
  ['attention', [image(6), c([16, 6]), c([16]), c([16]), c([16]), c([16], 0.5, 2), c([4, 16]), c([4]), c([9, 16]), c([9]),
    c([6, 16]), c([6]), c([25, 16]), c([25])], { eps: 1e-5, temperature: 3, softmax: true }],
  ['attention', [image(6), c([16, 6]), null, null, null, null, null, null, null, null, c([6, 16]), c([6]), c([9, 16])],
    { eps: 0, temperature: 1, softmax: true }],
  ['convTranspose2d', [image(), c([4, 3, 3, 2]), c([6])], { ...plain, stride: [2, 1], padding: [1, 0, 0, 1],
    outputPadding: [1, 0], groups: 2 }],
  ['convTranspose2d', [image(), c([4, 3, 2, 2])], { ...plain, stride: [2, 2], outputPadding: [0, 0], dilation: [1, 2] }],
  ['batchNorm', [image(), c([4]), c([4]), c([4]), c([4], 0.5, 2)], { eps: 1e-3 }],
  ['batchNorm', [v([3, 4]), c([4]), c([4]), c([4]), c([4], 0.5, 2)], { eps: 1e-5 }],
  ['linear', [v([2, 3, 5]), c([7, 5]), c([7])]],
  ['linear', [v([5, 40]), c([33, 40])]],
  ['matmul', [v([3, 1, 4, 5]), v([2, 5, 6])]],
  ['matmul', [v([17, 33]), v([33, 9])]],
  ...['add', 'subtract', 'multiply', 'minimum', 'maximum'].flatMap((op) => [
    [op, [image(), image()]], [op, [image(), v([4, 1, 1])]], [op, [v([2, 1, 5]), v([3, 1])]], [op, [c([]), v([7])]], [op, [v([]), v([])]],
  ]),
  ['divide', [image(), v([2, 1, 7, 1], 0.5, 2)]], ['divide', [c([9], 1, 2), v([7, 9], 0.5, 2)]],
  ['power', [v([3, 5], 0.1, 3), v([5])]], ['power', [v([3, 5]), { ...c([], 2, 2) }]],
  ['prelu', [image(), c([4, 1, 1])]], ['prelu', [v([3, 5]), v([5])]],
  ...['relu', 'sigmoid', 'tanh', 'silu', 'hardSwish', 'exp', 'negate', 'abs', 'erf'].flatMap((op) =>
    [[op, [v([3, 37], -8, 8)]], [op, [image(3)]]]),
  ...['sqrt', 'reciprocal', 'log'].map((op) => [op, [v([2, 45], 0.01, 9)]]),
  ['leakyRelu', [image()], { slope: 0.2 }], ['elu', [image()], { alpha: 1.5 }],
  ['clip', [image()], { low: -0.5, high: 1 }], ['clip', [v([9])], { low: -Infinity, high: 0.25 }],
  ['hardSigmoid', [v([50], -9, 9)], { alpha: 0.2, beta: 0.5 }],
  ['gelu', [v([60], -6, 6)], { tanh: false }], ['gelu', [v([60], -6, 6)], { tanh: true }],
  ['softmax', [v([3, 5, 7])], { axis: 1 }], ['softmax', [v([3, 40])], { axis: 1 }], ['softmax', [image()], { axis: 0 }],
  ...['reduceMean', 'reduceSum', 'reduceMax'].flatMap((op) => [
    [op, [image()], { axes: [2, 3], keepDims: true }], [op, [v([3, 4, 5])], { axes: [1], keepDims: false }],
    [op, [v([3, 4, 5])], { axes: [0, 2], keepDims: false }], [op, [v([2, 3])], { axes: [0, 1], keepDims: false }],
  ]),
  ['averagePool', [image()], { ...window, size: [4, 10], countIncludePad: true }],
  ['averagePool', [image()], { ...window, size: [4, 10], countIncludePad: false }],
  ['maxPool', [image()], { ...window, size: [4, 10] }],
  ['maxPool', [image()], { ...still, kernel: [3, 3], stride: [2, 2], dilation: [1, 1], size: [3, 4] }],
  ['concat', [image(1), image(3), image(2)], { axis: 1 }], ['concat', [v([2, 3]), v([4, 3])], { axis: 0 }],
  ['split', [image(6)], { axis: 1, sizes: [1, 3, 2] }], ['split', [v([2, 3, 9])], { axis: 2, sizes: [4, 5] }],
  ['slice', [image()], { starts: [0, 3, 1, 8], steps: [1, -1, 2, -3], size: [2, 3, 3, 3] }],
  ['slice', [v([9])], { starts: [2], steps: [1], size: [5] }],
  ['reshape', [v([2, 3, 4])], { shape: [4, 6] }], ['reshape', [v([1, 1])], { shape: [] }],
  ['transpose', [image()], { order: [0, 2, 3, 1] }], ['transpose', [v([2, 3, 1, 4, 2, 3])], { order: [5, 0, 4, 2, 1, 3] }],
  ['channelShuffle', [image(6)], { groups: 3 }], ['channelShuffle', [v([2, 8])], { groups: 2 }],
  ['pad', [image()], { before: [0, 0, 1, 2], after: [0, 0, 3, 0], mode: 'constant', value: 0.5 }],
  ['pad', [image()], { before: [0, 1, -1, 2], after: [0, 0, -2, 1], mode: 'constant', value: 0 }],
  ['pad', [image()], { before: [0, 0, 3, 2], after: [0, 0, 1, 4], mode: 'reflect', value: 0 }],
  ['pad', [v([3, 4])], { before: [2, 1], after: [0, 5], mode: 'edge', value: 0 }],
  ['resize', [image()], { ...nearest, scales: [2, 2], size: [14, 18] }],
  ['resize', [image()], { ...nearest, coordinates: 'half_pixel', nearestMode: 'round_prefer_ceil', scales: [0.5, 1.5], size: [3, 13] }],
  ...['half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel'].flatMap((coordinates) => [
    ['resize', [image()], { ...bilinear, coordinates, scales: [2, 3], size: [14, 27] }],
    ['resize', [image()], { ...bilinear, coordinates, scales: [3 / 7, 1 / 9], size: [3, 1] }],
  ]),
  ['depthToSpace', [image(8)], { block: 2, mode: 'DCR' }], ['depthToSpace', [image(9)], { block: 3, mode: 'CRD' }],
  ['spaceToDepth', [image(2, 6, 8)], { block: 2 }],
  ['lrn', [image(7)], { size: 5, alpha: 0.1, beta: 0.75, bias: 1 }], ['lrn', [v([2, 3, 4])], { size: 2, alpha: 1e-3, beta: 0.5, bias: 2 }],
  ['expand', [v([3, 1])], { shape: [2, 3, 4] }], ['expand', [image(1)], { shape: [2, 5, 7, 9] }],
];

test('the table has every op', () => assert.deepEqual([...new Set(CASES.map(([op]) => op))].sort(), [...OPS].sort()));

for (const seed of seedsOf(20261130)) {
  CASES.forEach(([op, inputs, attributes = {}], i) => {
    const text = inputs.map((input) => (input ? `${input.constant ? 'constant ' : ''}[${input.shape}]` : 'none')).join(' ');
    test(`${op} ${text} ${JSON.stringify(attributes)}, ${seedTitle(seed)}`, () => {
      const random = new Random(seed + i);
      const builder = new GraphBuilder();
      const data = {};
      const values = inputs.map((input, place) => {
        if (!input) return null;
        const { constant, shape, from, to } = input;
        const numbers = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.between(from, to));
        if (constant) return builder.constant(numbers, shape, `c${place}`);
        data[`x${place}`] = numbers;
        return builder.input(`x${place}`, shape);
      });
      builder.outputs = builder.add(op, op, values, attributes).map((value, place) => ({ name: `y${place}`, value }));
      evaluate(builder.graph(), data);
    });
  });
}
