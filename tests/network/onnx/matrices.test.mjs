// Products of matrices, and reductions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ints, model, node, tensor } from '../onnx-writer.mjs';
import { assertRefused, assertTensor, count, graphOf, opsOf, random, run, runModel, t } from './support.mjs';

const a = t([2, 3], [1, 2, 3, 4, 5, 6]);
const b = [1, 0, 2, -1, 3, 1]; // [3, 2]
const AB = [14, 1, 32, 1];

test('MatMul: batches, vectors, constants at either side', () => {
  assertTensor(run('MatMul', [a, t([3, 2], b)]), [2, 2], AB);
  assertTensor(run('MatMul', [a, tensor([3, 2], b)]), [2, 2], AB);
  assertTensor(run('MatMul', [tensor([2, 3], a.data), t([3, 2], b)]), [2, 2], AB);
  assertTensor(run('MatMul', [t([3], [1, 2, 3]), t([3, 2], b)]), [2], [14, 1]);
  assertTensor(run('MatMul', [a, t([3], [1, 2, 3])]), [2], [14, 32]);
  assertTensor(run('MatMul', [t([3], [1, 2, 3]), t([3], [1, 2, 3])]), [], [14]);
  assertTensor(run('MatMul', [t([2, 1, 3], a.data), t([1, 3, 2], b)]), [2, 1, 2], AB);
  assert.deepEqual(opsOf(graphOf('MatMul', [a, tensor([3, 2], b)])), ['linear']);
  assert.deepEqual(opsOf(graphOf('MatMul', [count([2, 2, 3]), tensor([2, 3, 2], [...b, ...b])])), ['matmul']);
  assertRefused(() => graphOf('MatMul', [a, t([2, 2], [1, 1, 1, 1])]), 'ERR_ONNX', '[2, 3]', '[2, 2]');
  assertRefused(() => graphOf('MatMul', [t([], [1]), a]), 'ERR_ONNX', 'without dimensions');
});

test('Gemm: transposes, factors, a bias that is broadcast', () => {
  const plain = (inputs, attributes) => run('Gemm', inputs, attributes);
  assertTensor(plain([a, tensor([3, 2], b), tensor([2], [10, 20])]), [2, 2], [24, 21, 42, 21]);
  assertTensor(plain([t([3, 2], [1, 4, 2, 5, 3, 6]), tensor([3, 2], b)], { transA: 1 }), [2, 2], AB);
  assertTensor(plain([a, tensor([2, 3], [1, 2, 3, 0, -1, 1]), tensor([2], [10, 20])], { transB: 1 }), [2, 2], [24, 21, 42, 21]);
  assertTensor(plain([a, t([2, 3], [1, 2, 3, 0, -1, 1])], { transB: 1 }), [2, 2], AB);
  assertTensor(plain([a, tensor([3, 2], b), tensor([2, 1], [10, 20])], { alpha: { f: 2 }, beta: { f: 0.5 } }), [2, 2], [33, 7, 74, 12]);
  assertTensor(plain([a, tensor([3, 2], b), tensor([], [10])], { beta: { f: 0 } }), [2, 2], AB);
  const linear = graphOf('Gemm', [a, tensor([2, 3], [1, 2, 3, 0, -1, 1]), tensor([2], [10, 20])], { transB: 1 });
  assert.deepEqual(opsOf(linear), ['linear']);
  assert.equal(linear.nodes[0].inputs.length, 3);
  assert.deepEqual(opsOf(graphOf('Gemm', [a, tensor([3, 2], b), tensor([2], [10, 20])])), ['linear'], 'the bias belongs to the layer');
  assertRefused(() => graphOf('Gemm', [count([2, 2, 2]), tensor([3, 2], b)]), 'ERR_ONNX', 'two matrices');
  assertRefused(() => graphOf('Gemm', [a, tensor([3, 2], b), count([3, 2, 2])]), 'ERR_ONNX', '[3, 2, 2]');
});

test('a product that something else needs keeps its bias apart', () => {
  const { graph } = runModel(model({
    nodes: [node('MatMul', ['x', 'w'], ['z']), node('Add', ['z', 'b'], ['y'])], inputs: { x: [2, 3] }, outputs: ['y', 'z'],
    constants: { w: tensor([3, 2], b), b: tensor([2], [1, 2]) },
  }), { x: a.data });
  assert.deepEqual(opsOf(graph), ['linear', 'add']);
});

test('a product of constants folds', () => {
  const { graph, outputs } = runModel(model({
    nodes: [node('MatMul', ['a', 'b'], ['z']), node('Add', ['x', 'z'], ['y'])], inputs: { x: [1] }, outputs: ['y'],
    constants: { a: tensor([1, 2, 3], a.data), b: tensor([2, 3, 2], [...b, ...b.map((v) => 2 * v)]) },
  }), { x: new Float32Array(1) });
  assert.deepEqual(opsOf(graph), ['add']);
  assertTensor(outputs.y, [2, 2, 2], [...AB, ...AB.map((v) => 2 * v)]);
});

test('Einsum', () => {
  const einsum = (equation, ...inputs) => run('Einsum', inputs, { equation });
  assertTensor(einsum('ij,jk->ik', a, t([3, 2], b)), [2, 2], AB);
  assertTensor(einsum('ij, jk', a, t([3, 2], b)), [2, 2], AB);
  assertTensor(einsum('ij,jk->ki', a, t([3, 2], b)), [2, 2], [14, 32, 1, 1]);
  assertTensor(einsum('ij->ji', a), [3, 2], [1, 4, 2, 5, 3, 6]);
  assertTensor(einsum('ij->j', a), [3], [5, 7, 9]);
  assertTensor(einsum('i,j->ij', t([2], [1, 2]), t([2], [3, 4])), [2, 2], [3, 4, 6, 8]);
  assertTensor(einsum('ij,ij->i', a, a), [2], [14, 77]);
  assertTensor(einsum('bchw,bkhw->bkc', count([1, 2, 1, 2]), t([1, 1, 1, 2], [1, 10])), [1, 1, 2], [10, 32]);
  assertTensor(einsum('ijz,jk->ik', t([2, 3, 1], a.data), t([3, 2], b)), [2, 2], AB, 'an index that only one has is summed');
  for (const equation of ['ii->i', 'ij,jk,kl->il', '...i,ij->...j', 'ij->ik', 'i1->i']) {
    assertRefused(() => graphOf('Einsum', [a, a], { equation }), 'ERR_ONNX', 'Einsum (equation');
  }
  assertRefused(() => einsum('ij,jk->ik', a, a), 'ERR_ONNX', 'two lengths for the index j');
  assertRefused(() => einsum('ijk,jk->ik', a, a), 'ERR_ONNX', 'does not fit');
});

const x = random([2, 3, 2], 9);
const at = (i, j, k) => x.data[(i * 3 + j) * 2 + k];

test('CumSum: along each axis, exclusive, reverse, of constants', () => {
  const grid = t([2, 3], [1, 2, 3, 4, 5, 6]);
  const sums = (axis, attributes = {}) => run('CumSum', [grid, tensor([], [axis], { type: 'int64' })], attributes).data;
  assert.deepEqual([...sums(1)], [1, 3, 6, 4, 9, 15]);
  assert.deepEqual([...sums(-2)], [1, 2, 3, 5, 7, 9]);
  assert.deepEqual([...sums(1, { exclusive: 1 })], [0, 1, 3, 0, 4, 9]);
  assert.deepEqual([...sums(1, { reverse: 1 })], [6, 5, 3, 15, 11, 6]);
  assert.deepEqual([...sums(1, { exclusive: 1, reverse: 1 })], [5, 3, 0, 11, 6, 0]);
  const nodes = [node('CumSum', ['c', 'axis'], ['s']), node('Reshape', ['x', 's'], ['y'])];
  const constants = { c: ints([1, 1]), axis: ints([0]) };
  assert.deepEqual(runModel(model({ nodes, inputs: { x: [2] }, outputs: ['y'], constants }), { x: Float32Array.of(5, 6) }).outputs.y.shape, [1, 2]);
  assertRefused(() => graphOf('CumSum', [count([1, 3000]), ints([1])]), 'ERR_ONNX', 'CumSum (over 3000 elements)');
});

const REDUCTIONS = {
  ReduceSum: (row) => row.reduce((p, q) => p + q), ReduceMean: (row) => row.reduce((p, q) => p + q) / row.length,
  ReduceMax: (row) => Math.max(...row), ReduceMin: (row) => Math.min(...row), ReduceProd: (row) => row.reduce((p, q) => p * q),
  ReduceL1: (row) => row.reduce((p, q) => p + Math.abs(q), 0), ReduceL2: (row) => Math.hypot(...row),
  ReduceSumSquare: (row) => row.reduce((p, q) => p + q * q, 0), ReduceLogSumExp: (row) =>
    Math.log(row.reduce((p, q) => p + Math.exp(q), 0)),
};

for (const [op, compute] of Object.entries(REDUCTIONS)) {
  test(op, () => {
    const middle = [0, 1].flatMap((i) => [0, 1].map((k) => compute([0, 1, 2].map((j) => at(i, j, k)))));
    assertTensor(run(op, [x], { axes: [1] }, { opset: 11 }), [2, 1, 2], middle, `${op} by attribute`);
    assertTensor(run(op, [x], { axes: [-2], keepdims: 0 }, { opset: 11 }), [2, 2], middle, `${op} without dimensions`);
    assertTensor(run(op, [x, ints([1])], {}, { opset: 18 }), [2, 1, 2], middle, `${op} by input`);
    assertTensor(run(op, [x], { keepdims: 0 }, { opset: 11 }), [], [compute([...x.data])], `${op} of all`);
    const outer = [0, 1, 2].map((j) => compute([0, 1].flatMap((i) => [0, 1].map((k) => at(i, j, k)))));
    assertTensor(run(op, [x, ints([2, 0])], { keepdims: 0 }, { opset: 18 }), [3], outer, `${op} of two axes`);
    assertTensor(run(op, [x], {}, { opset: 18 }), [1, 1, 1], [compute([...x.data])], `${op} of all by default`);
    const each = [...x.data].map((v) => compute([v]));
    assertTensor(run(op, [x], { noop_with_empty_axes: 1 }, { opset: 18 }), [2, 3, 2], each, `${op} of nothing`);
  });
}

test('ReduceLogSum, and what cannot be reduced', () => {
  assertTensor(run('ReduceLogSum', [t([2, 2], [1, 2, 3, 4])], { axes: [1] }, { opset: 11 }), [2, 1], [Math.log(3), Math.log(7)]);
  assertRefused(() => graphOf('ReduceSum', [x, ints([3])]), 'ERR_ONNX', 'axis 3');
  assertRefused(() => graphOf('ReduceSum', [x, ints([1, -2])]), 'ERR_ONNX', 'twice');
  assertRefused(() => graphOf('ReduceProd', [count([1, 300])], { axes: [1] }), 'ERR_ONNX', 'ReduceProd (over 300 elements)');
  assertTensor(run('ReduceLogSumExp', [t([2], [1000, 1000])], { keepdims: 0 }, { opset: 11 }), [], [1000 + Math.log(2)], 'no overflow');
});
