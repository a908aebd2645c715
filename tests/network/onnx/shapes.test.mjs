// Operators that change the shape of tensors, and the shapes that exporters compute.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOnnx } from '../../../web/dynakernel/network/onnx/read-onnx.js';
import { ints, model, node, tensor } from '../onnx-writer.mjs';
import { assertRefused, assertTensor, count, graphOf, opsOf, run, runModel } from './support.mjs';

const x = count([2, 3, 4]);
const numbers = [...x.data];

test('Reshape: 0 keeps, -1 fills, allowzero', () => {
  assertTensor(run('Reshape', [x, ints([0, -1])]), [2, 12], numbers);
  assertTensor(run('Reshape', [x, ints([-1])]), [24], numbers);
  assertTensor(run('Reshape', [x, ints([4, 0, 2])]), [4, 3, 2], numbers);
  assert.deepEqual(opsOf(graphOf('Reshape', [x, ints([0, 0, 0])])), ['reshape'], 'an output has a node');
  for (const shape of [[5, -1], [-1, -1], [0, 0, 0, 0], [24, 2], [-2], [2 ** 40]]) {
    assertRefused(() => graphOf('Reshape', [x, ints(shape)]), 'ERR_ONNX', `the shape [${shape.join(', ')}]`);
  }
  assertRefused(() => graphOf('Reshape', [x, ints([0, -1])], { allowzero: 1 }), 'ERR_ONNX', '[0, -1]');
  assertRefused(() => graphOf('Reshape', [x, { shape: [1], data: [24] }]), 'ERR_ONNX', 'Reshape (computed shape)');
});

test('Flatten', () => {
  for (const [axis, shape] of [[undefined, [2, 12]], [0, [1, 24]], [2, [6, 4]], [3, [24, 1]], [-1, [6, 4]]]) {
    assertTensor(run('Flatten', [x], axis === undefined ? {} : { axis }), shape, numbers);
  }
  assertRefused(() => graphOf('Flatten', [x], { axis: 4 }), 'ERR_ONNX', 'axis 4');
});

test('Squeeze and Unsqueeze: axes as attributes and inputs', () => {
  const unit = count([1, 3, 1, 2]);
  assertTensor(run('Squeeze', [unit], {}), [3, 2], [0, 1, 2, 3, 4, 5]);
  assertTensor(run('Squeeze', [unit], { axes: [0] }, { opset: 11 }), [3, 1, 2], [0, 1, 2, 3, 4, 5]);
  assertTensor(run('Squeeze', [unit, ints([-2])]), [1, 3, 2], [0, 1, 2, 3, 4, 5]);
  assertTensor(run('Unsqueeze', [unit], { axes: [1, 5] }, { opset: 11 }), [1, 1, 3, 1, 2, 1], [0, 1, 2, 3, 4, 5]);
  assertTensor(run('Unsqueeze', [count([2]), ints([-1, 0])]), [1, 2, 1], [0, 1]);
  assertRefused(() => graphOf('Squeeze', [unit, ints([1])]), 'ERR_ONNX', 'axis 1', 'not 1');
  assertRefused(() => graphOf('Unsqueeze', [unit, ints([0, 0])]), 'ERR_ONNX', 'twice');
  assertRefused(() => graphOf('Unsqueeze', [unit, ints([9])]), 'ERR_ONNX', 'axis 9');
  assertRefused(() => graphOf('Unsqueeze', [unit]), 'ERR_ONNX', 'axes');
});

test('Transpose', () => {
  const grid = count([2, 3]);
  assertTensor(run('Transpose', [grid]), [3, 2], [0, 3, 1, 4, 2, 5]);
  assertTensor(run('Transpose', [x], { perm: [1, 0, 2] }), [3, 2, 4],
    [0, 1, 2].flatMap((b) => [0, 1].flatMap((a) => [0, 1, 2, 3].map((c) => a * 12 + b * 4 + c))));
  assert.deepEqual(opsOf(graphOf('Transpose', [count([1, 3, 1])], { perm: [1, 2, 0] })), ['reshape'], 'only axes of length 1 move');
  assertRefused(() => graphOf('Transpose', [grid], { perm: [0, 0] }), 'ERR_ONNX', 'twice');
  assertRefused(() => graphOf('Transpose', [grid], { perm: [0] }), 'ERR_ONNX', '1 axes');
  assertRefused(() => graphOf('Transpose', [grid], { perm: [0, 2] }), 'ERR_ONNX', 'axis 2');
});

test('two transposes are one, or none', () => {
  const twice = (first, second) => readOnnx(model({
    nodes: [node('Transpose', ['x'], ['a'], { perm: first }), node('Transpose', ['a'], ['y'], { perm: second })], inputs: { x: [2, 3, 4] },
      outputs: ['y'],
  }));
  assert.deepEqual(opsOf(twice([1, 2, 0], [1, 2, 0])), ['transpose']);
  assert.deepEqual(twice([1, 2, 0], [1, 2, 0]).nodes[0].attributes, { order: [2, 0, 1] });
  assert.deepEqual(opsOf(twice([1, 2, 0], [2, 0, 1])), ['reshape']);
});

test('Expand and Tile', () => {
  assertTensor(run('Expand', [count([2, 1]), ints([3, 1, 2])]), [3, 2, 2], [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]);
  assertTensor(run('Expand', [count([2, 1]), ints([1])]), [2, 1], [0, 1]);
  assertRefused(() => graphOf('Expand', [count([2]), ints([3])]), 'ERR_ONNX', '[2]', '[3]');
  assertTensor(run('Tile', [count([2, 2]), ints([2, 2])]), [4, 4], [0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3]);
  assertTensor(run('Tile', [count([2]), ints([1])]), [2], [0, 1]);
  assertRefused(() => graphOf('Tile', [count([2]), ints([1, 2])]), 'ERR_ONNX', '2 repeats');
});

test('DepthToSpace and SpaceToDepth', () => {
  const deep = count([1, 8, 1, 1]);
  assertTensor(run('DepthToSpace', [deep], { blocksize: 2 }), [1, 2, 2, 2], [0, 2, 4, 6, 1, 3, 5, 7]);
  assertTensor(run('DepthToSpace', [deep], { blocksize: 2, mode: 'CRD' }), [1, 2, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7]);
  assertTensor(run('SpaceToDepth', [count([1, 2, 2, 2])], { blocksize: 2 }), [1, 8, 1, 1], [0, 4, 1, 5, 2, 6, 3, 7]);
  assertRefused(() => graphOf('DepthToSpace', [count([1, 6, 1, 1])], { blocksize: 2 }), 'ERR_ONNX', '6 channels');
  assertRefused(() => graphOf('DepthToSpace', [deep], { blocksize: 0 }), 'ERR_ONNX', 'blocksize 0');
  assertRefused(() => graphOf('SpaceToDepth', [deep], { blocksize: 2 }), 'ERR_ONNX', '1x1');
});

test('channel shuffles', () => {
  const shuffle = (perm, grouped = [2, 2, 3, 1, 2]) => model({
    nodes: [node('Reshape', ['x', 'a'], ['r']), node('Transpose', ['r'], ['s'], { perm }), node('Reshape', ['s', 'b'], ['y'])],
    inputs: { x: [2, 6, 1, 2] }, outputs: ['y'], constants: { a: ints(grouped), b: ints([0, -1, 1, 2]) },
  });
  const { graph, outputs } = runModel(shuffle([0, 2, 1, 3, 4]), { x: count([2, 6, 1, 2]).data });
  assert.deepEqual(opsOf(graph), ['channelShuffle']);
  assert.deepEqual(graph.nodes[0].attributes, { groups: 2 });
  const order = [0, 3, 1, 4, 2, 5];
  assertTensor(outputs.y, [2, 6, 1, 2], [0, 1].flatMap((n) => order.flatMap((c) => [n * 12 + 2 * c, n * 12 + 2 * c + 1])));
  assert.deepEqual(opsOf(readOnnx(shuffle([0, 2, 1, 3], [2, 2, 3, 2]))), ['channelShuffle'], 'rows and columns as one axis');
  assert.deepEqual(opsOf(readOnnx(shuffle([1, 0, 2, 3], [2, 2, 3, 2]))), ['reshape', 'transpose', 'reshape'], 'of the batch');
});

test('the shapes that an exporter computes vanish', () => {
  const { graph, outputs } = runModel(model({
    nodes: [
      node('Relu', ['x'], ['r']), node('Shape', ['r'], ['s']), node('Gather', ['s', 'zero'], ['n'], { axis: 0 }),
        node('Size', ['r'], ['all']),
      node('Div', ['all', 'n'], ['rest']), node('Unsqueeze', ['n', 'axis'], ['n1']), node('Cast', ['rest'], ['restf'], { to: 1 }),
      node('Cast', ['restf'], ['resti'], { to: 7 }), node('Unsqueeze', ['resti', 'axis'], ['r1']),
        node('Concat', ['n1', 'r1'], ['shape'], { axis: 0 }),
      node('Reshape', ['r', 'shape'], ['flat']), node('Identity', ['flat'], ['same']), node('Dropout', ['same'], ['y', 'mask']),
        node('Exp', ['x'], ['dead']),
    ],
    inputs: { x: [2, 3, 4] }, outputs: ['y'], constants: { zero: tensor([], [0], { type: 'int64' }), axis: ints([0]) },
  }), { x: x.data });
  assert.deepEqual(opsOf(graph), ['relu', 'reshape']);
  assertTensor(outputs.y, [2, 12], numbers);
});

test('Shape takes a part of the lengths', () => {
  const shapeOf = (attributes) => {
    const { outputs } = runModel(model({
      nodes: [node('Shape', ['x'], ['s'], attributes), node('Cast', ['s'], ['f'], { to: 1 }),
        node('ReduceSum', ['x'], ['z'], { keepdims: 0 }), node('Mul', ['z', 'none'], ['m']), node('Add', ['m', 'f'], ['y'])],
      inputs: { x: [2, 3, 4] }, outputs: ['y'], constants: { none: tensor([], [0]) },
    }), { x: x.data });
    return [...outputs.y.data];
  };
  assert.deepEqual(shapeOf({}), [2, 3, 4]);
  assert.deepEqual(shapeOf({ start: 1 }), [3, 4]);
  assert.deepEqual(shapeOf({ start: -2, end: -1 }), [3]);
  assert.deepEqual(shapeOf({ end: 99 }), [2, 3, 4]);
});
