// The words that describe a graph to the C library, as the chapter "networks" of src/dynakernel.h lists them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe } from '../../web/dynakernel/network/describe.js';
import { GraphBuilder } from '../../web/dynakernel/network/graph.js';
import { OPS } from '../../web/dynakernel/network/infer.js';

/** The bits of a float32. */
const bits = (number) => new Int32Array(Float32Array.of(number).buffer)[0];

const window = { stride: [1, 2], padding: [3, 4, 5, 6], dilation: [7, 8] };
const WINDOW = [1, 2, 3, 4, 5, 6, 7, 8];

/** Each op: its attributes, its number in the header, and the words of the attributes. */
const OPERATIONS = [
  ['conv2d', { ...window, groups: 9 }, 1, [...WINDOW, 9]],
  ['dynamicConv2d', { ...window, groups: 9 }, 2, [...WINDOW, 9]],
  ['attention', { eps: 1e-5, temperature: 34, softmax: true }, 3, [bits(1e-5), bits(34), 1]],
  ['attention', { eps: 0, temperature: 1, softmax: false }, 3, [0, bits(1), 0]],
  ['convTranspose2d', { ...window, outputPadding: [1, 0], groups: 2 }, 4, [...WINDOW, 2]],
  ['batchNorm', { eps: 1e-3 }, 5, [bits(1e-3)]],
  ['linear', {}, 6, []], ['matmul', {}, 7, []],
  ['add', {}, 8, []], ['subtract', {}, 9, []], ['multiply', {}, 10, []], ['divide', {}, 11, []],
  ['minimum', {}, 12, []], ['maximum', {}, 13, []], ['power', {}, 14, []], ['prelu', {}, 15, []],
  ['relu', {}, 16, []], ['clip', { low: -Infinity, high: 6 }, 17, [bits(-Infinity), bits(6)]],
  ['leakyRelu', { slope: 0.01 }, 18, [bits(0.01)]], ['elu', { alpha: 2 }, 19, [bits(2)]],
  ['hardSigmoid', { alpha: 0.2, beta: 0.5 }, 20, [bits(0.2), bits(0.5)]], ['hardSwish', {}, 21, []],
  ['sigmoid', {}, 22, []], ['tanh', {}, 23, []], ['silu', {}, 24, []],
  ['gelu', { tanh: false }, 25, []], ['gelu', { tanh: true }, 26, []],
  ['exp', {}, 27, []], ['log', {}, 28, []], ['sqrt', {}, 29, []], ['negate', {}, 30, []], ['reciprocal', {}, 31, []],
  ['abs', {}, 32, []], ['erf', {}, 33, []],
  ['softmax', { axis: 2 }, 34, [2]],
  ['reduceMean', { axes: [0, 2, 5], keepDims: true }, 35, [0b100101]], ['reduceSum', { axes: [], keepDims: true }, 36, [0]],
  ['reduceMax', { axes: [1], keepDims: false }, 37, [2]],
  ['averagePool', { kernel: [2, 3], ...window, countIncludePad: true, size: [4, 5] }, 38, [2, 3, ...WINDOW, 1]],
  ['maxPool', { kernel: [2, 3], ...window, size: [4, 5] }, 39, [2, 3, ...WINDOW]],
  ['concat', { axis: 1 }, 40, [1]], ['split', { axis: 1, sizes: [2, 3] }, 41, [1]],
  ['slice', { starts: [0, 5], steps: [1, -1], size: [2, 2] }, 42, [0, 5, 1, -1]],
  ['reshape', { shape: [6] }, 43, []], ['transpose', { order: [1, 0] }, 44, [1, 0]],
  ['channelShuffle', { groups: 4 }, 45, [4]], ['expand', { shape: [2, 3] }, 46, []],
  ['pad', { mode: 'constant', value: 0.5, before: [0, -1], after: [1, 2] }, 47, [0, bits(0.5), 0, -1]],
  ['pad', { mode: 'edge', value: 0, before: [1], after: [0] }, 47, [1, 0, 1]],
  ['pad', { mode: 'reflect', value: 0, before: [1], after: [0] }, 47, [2, 0, 1]],
  ['resize', { mode: 'nearest', coordinates: 'half_pixel', nearestMode: 'floor', scales: [2, 0.5], size: [1, 1] }, 48,
    [0, 0, 0, bits(2), bits(0.5)]],
  ['resize', { mode: 'bilinear', coordinates: 'align_corners', nearestMode: 'ceil', scales: [1, 1], size: [1, 1] }, 48,
    [1, 1, 1, bits(1), bits(1)]],
  ['resize', { mode: 'nearest', coordinates: 'asymmetric', nearestMode: 'round_prefer_floor', scales: [1, 1], size: [1, 1] },
    48, [0, 2, 2, bits(1), bits(1)]],
  ['resize', { mode: 'nearest', coordinates: 'pytorch_half_pixel', nearestMode: 'round_prefer_ceil', scales: [1, 1],
    size: [1, 1] }, 48, [0, 3, 3, bits(1), bits(1)]],
  ['depthToSpace', { block: 2, mode: 'DCR' }, 49, [2, 0]], ['depthToSpace', { block: 3, mode: 'CRD' }, 49, [3, 1]],
  ['spaceToDepth', { block: 2 }, 50, [2]],
  ['lrn', { size: 5, alpha: 1e-4, beta: 0.75, bias: 2 }, 51, [5, bits(1e-4), bits(0.75), bits(2)]],
];

const value = (id, shape, constant = null) => ({ id, shape, name: `v${id}`, constant });

test('the table has every op', () => {
  assert.deepEqual([...new Set(OPERATIONS.map(([op]) => op))].sort(), [...OPS].sort());
});

for (const [op, attributes, number, expected] of OPERATIONS) {
  test(`${op} ${JSON.stringify(attributes)}`, () => {
    const [x, y] = [value(0, [2]), value(1, [3])];
    const node = { op, name: op, inputs: [x], outputs: [y], attributes };
    const { words } = describe({ inputs: [x], outputs: [{ name: 'y', value: y }], nodes: [node], keep: [] }, []);
    const head = [0x314e4b44, 2, 0, 1, 1, 0, 1, /* values */ 1, 2, 1, 3, /* input, output */ 0, 1];
    assert.deepEqual([...words], [...head, number, 1, 1, expected.length, 0, 1, ...expected]);
  });
}

test('values, constants, inputs, outputs, kept values, and inputs that are left out', () => {
  const builder = new GraphBuilder();
  const x = builder.input('x', [1, 4, 3, 3]);
  const unused = builder.input('unused', []);
  const weight = builder.constant(new Float32Array(8), [2, 4, 1, 1], 'weight');
  const [y] = builder.add('conv2d', 'conv', [x, weight, null],
    { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 });
  const [left, right] = builder.add('split', 'split', [y], { axis: 1, sizes: [1, 1] });
  builder.outputs = [{ name: 'right', value: right }, { name: 'left', value: left }];
  const { words, constants } = describe(builder.graph(), [y]);
  assert.deepEqual(constants, [weight]);
  assert.deepEqual([x, unused, weight, y, left, right].map(({ id }) => id), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual([...words], [
    0x314e4b44, 6, 1, 2, 2, 1, 2,
    4, 1, 4, 3, 3, 0, 4, 2, 4, 1, 1, 4, 1, 2, 3, 3, 4, 1, 1, 3, 3, 4, 1, 1, 3, 3,
    2, 0, 1, 5, 4, 3,
    1, 3, 1, 9, 0, 2, -1, 3, 1, 1, 0, 0, 0, 0, 1, 1, 1,
    41, 1, 2, 1, 3, 4, 5, 1,
  ]);
});
