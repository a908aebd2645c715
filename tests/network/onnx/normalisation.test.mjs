// Normalisations of every opset, against their formulas.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tensor } from '../onnx-writer.mjs';
import { assertRefused, assertTensor, graphOf, opsOf, random, run, t } from './support.mjs';

/** (row - mean) / sqrt(variance + eps) */
function normalised(row, eps = 1e-5) {
  const mean = row.reduce((a, b) => a + b) / row.length;
  const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / row.length;
  return row.map((v) => (v - mean) / Math.sqrt(variance + eps));
}

const x = random([2, 4, 3]);
const rows = (length) => Array.from({ length: 24 / length }, (_, i) => [...x.data.subarray(i * length, (i + 1) * length)]);
const C = (data) => tensor([data.length], data);

test('BatchNormalization: one node if the statistics are constants, its formula if not', () => {
  const [scale, bias, mean, variance] = [[1, 2, 3, 4], [5, 6, 7, 8], [0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4]];
  const expected = [...x.data].map((v, i) => {
    const c = Math.floor(i / 3) % 4;
    return (v - mean[c]) / Math.sqrt(variance[c] + 0.1) * scale[c] + bias[c];
  });
  const eps = { epsilon: { f: 0.1 } };
  for (const [opset, more] of [[6, { is_test: 1, spatial: 1 }], [7, {}], [9, {}], [14, { training_mode: 0 }], [15, {}]]) {
    assertTensor(run('BatchNormalization', [x, C(scale), C(bias), C(mean), C(variance)], { ...eps, ...more }, { opset }), [2, 4, 3],
      expected, `opset ${opset}`);
  }
  assertTensor(run('BatchNormalization', [x, t([4], scale), C(bias), t([4], mean), C(variance)], eps), [2, 4, 3], expected, 'computed');
  // spatial = 0: statistics of each element
  const each = (data) => tensor([4, 3], data.flatMap((v) => [v, v, v]));
  assertTensor(run('BatchNormalization', [x, each(scale), each(bias), each(mean), each(variance)], { ...eps, spatial: 0 }, { opset: 7 }),
    [2, 4, 3], expected, 'spatial');
  // training mode: the statistics of the batch
  const trained = [...x.data].map((_, i) => {
    const c = Math.floor(i / 3) % 4;
    const channel = [...x.data].filter((_value, j) => Math.floor(j / 3) % 4 === c);
    const average = channel.reduce((a, b) => a + b) / 6;
    const spread = channel.reduce((a, b) => a + (b - average) ** 2, 0) / 6;
    return (x.data[i] - average) / Math.sqrt(spread + 0.1) * scale[c] + bias[c];
  });
  assertTensor(run('BatchNormalization', [x, C(scale), C(bias), C(mean), C(variance)], { ...eps, training_mode: 1 }, { opset: 15 }),
    [2, 4, 3], trained, 'training mode');
  assertRefused(() => graphOf('BatchNormalization', [x, C(scale), C(bias), C(mean), C(variance)], {}, { opset: 9, outputs: ['y', 'mean'] }),
    'ERR_ONNX', 'output 2');
  assertRefused(() => graphOf('BatchNormalization', [x, C([1]), C(bias), C(mean), C(variance)]), 'ERR_ONNX', '[4]', '[1]');
});

test('InstanceNormalization', () => {
  const expected = rows(3).flatMap((row, i) => normalised(row).map((v) => v * (i % 4 + 1) + 10));
  assertTensor(run('InstanceNormalization', [x, C([1, 2, 3, 4]), C([10, 10, 10, 10])]), [2, 4, 3], expected);
});

test('LayerNormalization: axes, no bias, mean and deviation', () => {
  const scale = [1, 2, 3];
  const expected = rows(3).flatMap((row) => normalised(row).map((v, i) => v * scale[i]));
  assertTensor(run('LayerNormalization', [x, C(scale)]), [2, 4, 3], expected);
  assertTensor(run('LayerNormalization', [x, C(scale), C([1, 1, 1])]), [2, 4, 3], expected.map((v) => v + 1));
  const two = rows(12).flatMap((row) => normalised(row, 0.5));
  assertTensor(run('LayerNormalization', [x, tensor([4, 3], new Array(12).fill(1))], { axis: 1, epsilon: { f: 0.5 } }), [2, 4, 3], two);
  const { mean, deviation } = run('LayerNormalization', [x, C(scale)], {}, { outputs: ['y', 'mean', 'deviation'] });
  assertTensor(mean, [2, 4, 1], rows(3).map((row) => row.reduce((a, b) => a + b) / 3));
  assertTensor(deviation, [2, 4, 1], rows(3).map((row) => {
    const m = row.reduce((a, b) => a + b) / 3;
    return 1 / Math.sqrt(row.reduce((sum, v) => sum + (v - m) ** 2, 0) / 3 + 1e-5);
  }));
  assert.ok(!opsOf(graphOf('LayerNormalization', [x, C(scale)])).includes('reciprocal'), 'what nothing needs is not computed');
});

test('GroupNormalization: scales of groups in opset 18, of channels in 21', () => {
  const groups = rows(6).map((row) => normalised(row));
  const byGroup = groups.flatMap((row, i) => row.map((v) => v * (i % 2 + 1) + 3));
  assertTensor(run('GroupNormalization', [x, C([1, 2]), C([3, 3])], { num_groups: 2 }, { opset: 18 }), [2, 4, 3], byGroup);
  const byChannel = groups.flat().map((v, i) => v * (Math.floor(i / 3) % 4 + 1) + 3);
  assertTensor(run('GroupNormalization', [x, C([1, 2, 3, 4]), C([3, 3, 3, 3])], { num_groups: 2 }, { opset: 21 }), [2, 4, 3], byChannel);
  assertRefused(() => graphOf('GroupNormalization', [x, C([1]), C([1])], { num_groups: 3 }, { opset: 18 }), 'ERR_ONNX', '3 groups');
});

test('LRN and LpNormalization', () => {
  const image = t([1, 4, 1, 1], [1, 2, 3, 4]);
  const expected = [5, 14, 29, 25].map((sum, i) => (i + 1) / (2 + 0.5 / 3 * sum) ** 0.75);
  assertTensor(run('LRN', [image], { size: 3, alpha: { f: 0.5 }, bias: { f: 2 } }), [1, 4, 1, 1], expected);
  assertTensor(run('LRN', [image], { size: 2, alpha: { f: 2 } }), [1, 4, 1, 1],
    [5, 13, 25, 16].map((sum, i) => (i + 1) / (1 + sum) ** 0.75));
  assertRefused(() => graphOf('LRN', [image]), 'ERR_ONNX', 'size');
  assertTensor(run('LpNormalization', [t([2, 2], [3, 4, 0, 5])]), [2, 2], [0.6, 0.8, 0, 1]);
  assertTensor(run('LpNormalization', [t([2, 2], [3, 4, -1, 4])], { p: 1, axis: 0 }), [2, 2], [0.75, 0.5, -0.25, 0.5]);
});
