// Convolutions and pools: padding of every kind, one axis, dilation, sizes rounded up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tensor } from '../onnx-writer.mjs';
import { assertRefused, assertTensor, count, graphOf, opsOf, run, t } from './support.mjs';

const ones = (shape) => tensor(shape, new Array(shape.reduce((a, b) => a * b, 1)).fill(1));

test('Conv with auto_pad: SAME puts the odd element at the end or the beginning', () => {
  const x = t([1, 1, 1, 4], [1, 2, 3, 4]);
  const weight = tensor([1, 1, 1, 2], [1, 10]);
  assertTensor(run('Conv', [x, weight], { auto_pad: 'SAME_UPPER' }), [1, 1, 1, 4], [21, 32, 43, 4]);
  assertTensor(run('Conv', [x, weight], { auto_pad: 'SAME_LOWER' }), [1, 1, 1, 4], [10, 21, 32, 43]);
  assertTensor(run('Conv', [x, weight], { auto_pad: 'VALID' }), [1, 1, 1, 3], [21, 32, 43]);
  assertTensor(run('Conv', [x, weight], { auto_pad: 'SAME_UPPER', strides: [2, 2] }), [1, 1, 1, 2], [21, 43]);
  assertTensor(run('Conv', [x, weight], { auto_pad: 'SAME_LOWER', dilations: [1, 2] }), [1, 1, 1, 4], [20, 31, 42, 3]);
  assertTensor(run('Conv', [x, weight], { pads: [0, 1, 0, 2] }), [1, 1, 1, 6], [10, 21, 32, 43, 4, 0]);
  assertRefused(() => graphOf('Conv', [x, weight], { auto_pad: 'SAME' }), 'ERR_ONNX', 'auto_pad SAME');
});

test('Conv of one axis, with a bias and groups', () => {
  const x = t([1, 2, 3], [1, 2, 3, 4, 5, 6]);
  const y = run('Conv', [x, tensor([2, 1, 2], [1, 1, 1, -1]), tensor([2], [100, 200])], { group: 2, pads: [1, 0], strides: [1] });
  assertTensor(y, [1, 2, 3], [101, 103, 105, 196, 199, 199]);
});

test('Conv of what does not fit', () => {
  const x = count([1, 2, 3, 3]);
  assertRefused(() => graphOf('Conv', [x, ones([1, 2, 4, 1])]), 'ERR_ONNX', 'Conv "node"', 'reaches over 4');
  assertRefused(() => graphOf('Conv', [x, ones([1, 3, 1, 1])]), 'ERR_ONNX', '2 input channels');
  assertRefused(() => graphOf('Conv', [x, ones([3, 1, 1, 1])], { group: 2 }), 'ERR_ONNX', '2 groups');
  assertRefused(() => graphOf('Conv', [x, ones([1, 2, 1])]), 'ERR_ONNX', '4 dimensions');
  assertRefused(() => graphOf('Conv', [x, ones([1, 2, 1, 1])], { kernel_shape: [3, 3] }), 'ERR_ONNX', 'kernel_shape [3, 3]');
  assertRefused(() => graphOf('Conv', [x, ones([1, 2, 1, 1])], { strides: [0, 1] }), 'ERR_ONNX', 'strides', '[0, 1]');
  assertRefused(() => graphOf('Conv', [x, ones([1, 2, 1, 1])], { pads: [0, 0] }), 'ERR_ONNX', '4 numbers in pads');
  assertRefused(() => graphOf('Conv', [x, ones([1, 2, 1, 1])], { pads: [-1, 0, 0, 0] }), 'ERR_ONNX', 'pads');
  assertRefused(() => graphOf('Conv', [x, ones([1, 2, 1, 1])], { group: 0 }), 'ERR_ONNX', '0 groups');
  assertRefused(() => graphOf('Conv', [count([1, 1, 2, 2, 2]), ones([1, 1, 1, 1, 1])]), 'ERR_ONNX', 'Conv (of 3 axes)');
});

test('pools of three axes: those of an image, or one axis alone', () => {
  const x = count([1, 2, 2, 2, 2]);
  assertTensor(run('MaxPool', [x], { kernel_shape: [1, 2, 2] }), [1, 2, 2, 1, 1], [3, 7, 11, 15]);
  assertTensor(run('AveragePool', [x], { kernel_shape: [2, 1, 1] }), [1, 2, 1, 2, 2], [2, 3, 4, 5, 10, 11, 12, 13]);
  const padded = { kernel_shape: [2, 1, 1], pads: [1, 0, 0, 0, 0, 0], strides: [2, 1, 1], count_include_pad: 1 };
  assertTensor(run('AveragePool', [x], padded), [1, 2, 1, 2, 2], [0, 0.5, 1, 1.5, 4, 4.5, 5, 5.5]);
  assertRefused(() => graphOf('MaxPool', [x], { kernel_shape: [2, 1, 2] }), 'ERR_ONNX', 'MaxPool (of 3 axes)');
});

test('ConvTranspose: strides, output padding, output shape, auto_pad, groups, one axis', () => {
  const x = t([1, 1, 1, 2], [1, 2]);
  const weight = tensor([1, 1, 1, 3], [1, 10, 100]);
  const options = (more) => ({ strides: [1, 2], ...more });
  assertTensor(run('ConvTranspose', [x, weight], options({})), [1, 1, 1, 5], [1, 10, 102, 20, 200]);
  assertTensor(run('ConvTranspose', [x, weight], options({ pads: [0, 1, 0, 1] })), [1, 1, 1, 3], [10, 102, 20]);
  assertTensor(run('ConvTranspose', [x, weight], options({ pads: [0, 1, 0, 1], output_padding: [0, 1] })), [1, 1, 1, 4],
    [10, 102, 20, 200]);
  assertTensor(run('ConvTranspose', [x, weight], options({ auto_pad: 'SAME_UPPER' })), [1, 1, 1, 4], [1, 10, 102, 20]);
  assertTensor(run('ConvTranspose', [x, weight], options({ auto_pad: 'SAME_LOWER' })), [1, 1, 1, 4], [10, 102, 20, 200]);
  assertTensor(run('ConvTranspose', [x, weight], options({ output_shape: [1, 3] })), [1, 1, 1, 3], [10, 102, 20]);
  assertTensor(run('ConvTranspose', [x, weight], options({ output_shape: [1, 1, 1, 3] })), [1, 1, 1, 3], [10, 102, 20]);
  assertTensor(run('ConvTranspose', [x, weight], options({ output_shape: [1, 6] })), [1, 1, 1, 6], [1, 10, 102, 20, 200, 0]);
  assertTensor(run('ConvTranspose', [t([1, 2, 2], [1, 2, 3, 4]), tensor([2, 1, 2], [1, 2, 3, 4]), tensor([2], [0, 1])], { group: 2 }),
    [1, 2, 3], [1, 4, 4, 10, 25, 17]);
  assertRefused(() => graphOf('ConvTranspose', [x, weight], { pads: [0, 3, 0, 3] }), 'ERR_ONNX', 'at least 1');
  assertRefused(() => graphOf('ConvTranspose', [x, weight], { output_shape: [1] }), 'ERR_ONNX', 'output_shape');
  assertRefused(() => graphOf('ConvTranspose', [x, weight], { output_shape: [1, 2 ** 40] }), 'ERR_ONNX', 'output_shape');
});

test('AveragePool: what counts', () => {
  const x = t([1, 1, 1, 4], [1, 2, 3, 6]);
  const pads = [0, 1, 0, 1];
  const kernel = { kernel_shape: [1, 3] };
  assertTensor(run('AveragePool', [x], { ...kernel, pads }), [1, 1, 1, 4], [1.5, 2, 11 / 3, 4.5]);
  assertTensor(run('AveragePool', [x], { ...kernel, pads, count_include_pad: 1 }), [1, 1, 1, 4], [1, 2, 11 / 3, 3]);
  assertTensor(run('AveragePool', [x], { ...kernel, strides: [1, 2] }), [1, 1, 1, 1], [2]);
  assertTensor(run('AveragePool', [x], { ...kernel, strides: [1, 2], ceil_mode: 1 }), [1, 1, 1, 2], [2, 4.5], 'the last window is cut off');
  assertTensor(run('AveragePool', [x], { ...kernel, strides: [1, 2], ceil_mode: 1, count_include_pad: 1 }), [1, 1, 1, 2], [2, 4.5],
    'beyond the padding nothing counts');
  assertTensor(run('AveragePool', [x], { ...kernel, auto_pad: 'SAME_UPPER', strides: [1, 2] }), [1, 1, 1, 2], [2, 4.5]);
  assertTensor(run('AveragePool', [x], { kernel_shape: [1, 2], dilations: [1, 2] }, { opset: 19 }), [1, 1, 1, 2], [2, 4]);
  assertTensor(run('AveragePool', [t([1, 1, 3], [1, 2, 6])], { kernel_shape: [2] }), [1, 1, 2], [1.5, 4]);
});

test('MaxPool: padding never wins, windows that begin in the padding at the end do not exist', () => {
  const x = t([1, 1, 1, 4], [-1, -2, -3, -6]);
  assertTensor(run('MaxPool', [x], { kernel_shape: [1, 3], pads: [0, 1, 0, 1] }), [1, 1, 1, 4], [-1, -1, -2, -3]);
  assertTensor(run('MaxPool', [x], { kernel_shape: [1, 2], strides: [1, 3], ceil_mode: 1 }), [1, 1, 1, 2], [-1, -6]);
  assertTensor(run('MaxPool', [x], { kernel_shape: [1, 1], strides: [1, 5], pads: [0, 0, 0, 1], ceil_mode: 1 }), [1, 1, 1, 1], [-1]);
  assertTensor(run('MaxPool', [x], { kernel_shape: [1, 2], dilations: [1, 2] }), [1, 1, 1, 2], [-1, -2]);
  assertTensor(run('MaxPool', [t([1, 1, 3], [1, 2, 6])], { kernel_shape: [2] }), [1, 1, 2], [2, 6]);
  // the second output
  assert.deepEqual(opsOf(graphOf('MaxPool', [x], { kernel_shape: [1, 2] }, { outputs: ['y', 'places'], used: ['y'] })), ['maxPool']);
  assertRefused(() => graphOf('MaxPool', [x], { kernel_shape: [1, 2] }, { outputs: ['y', 'places'] }), 'ERR_ONNX',
    'MaxPool (output 2, places)');
  assertRefused(() => graphOf('MaxPool', [x]), 'ERR_ONNX', 'kernel_shape');
  assertRefused(() => graphOf('MaxPool', [x], { kernel_shape: [1, 9] }), 'ERR_ONNX', 'larger than its input');
});

test('GlobalAveragePool and GlobalMaxPool', () => {
  assertTensor(run('GlobalAveragePool', [count([1, 2, 2, 2])]), [1, 2, 1, 1], [1.5, 5.5]);
  assertTensor(run('GlobalMaxPool', [count([1, 2, 4])]), [1, 2, 1], [3, 7]);
  assert.deepEqual(graphOf('GlobalAveragePool', [count([1, 2, 2, 2])]).nodes[0].attributes, { axes: [2, 3], keepDims: true });
  assertRefused(() => graphOf('GlobalAveragePool', [count([1, 2])]), 'ERR_ONNX', '3 dimensions');
});
