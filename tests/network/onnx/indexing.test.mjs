// Operators that take parts of tensors, and operators that join tensors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ints, model, node, tensor } from '../onnx-writer.mjs';
import { assertRefused, assertTensor, count, graphOf, opsOf, run, runModel, t } from './support.mjs';

const row = count([6]);
const grid = count([2, 4]);

test('Slice by attributes, before opset 10', () => {
  const options = { opset: 9 };
  assertTensor(run('Slice', [row], { starts: [1], ends: [3] }, options), [2], [1, 2]);
  assertTensor(run('Slice', [grid], { starts: [1, -2], ends: [2, 2 ** 31], axes: [0, 1] }, options), [1, 2], [6, 7]);
});

test('Slice by inputs: negative places, steps, the largest integers', () => {
  const slice = (x, starts, ends, axes, steps) =>
    run('Slice', [x, ints(starts), ints(ends), ...(axes ? [ints(axes)] : []), ...(steps ? [ints(steps)] : [])]);
  const MOST = 9223372036854775807n;
  assertTensor(slice(row, [2], [MOST]), [4], [2, 3, 4, 5]);
  assertTensor(slice(row, [-2], [MOST], [0]), [2], [4, 5]);
  assertTensor(slice(row, [0], [-1], [-1]), [5], [0, 1, 2, 3, 4]);
  assertTensor(slice(row, [0], [MOST], [0], [2]), [3], [0, 2, 4]);
  assertTensor(slice(row, [-1], [-MOST], [0], [-1]), [6], [5, 4, 3, 2, 1, 0]);
  assertTensor(slice(row, [4], [0], [0], [-3]), [2], [4, 1]);
  assertTensor(slice(row, [5], [MOST], [0], [MOST]), [1], [5]);
  assertTensor(slice(grid, [1, 0], [2, 3], [0, 1], [1, 2]), [1, 2], [4, 6]);
  assertTensor(run('Slice', [grid, ints([1]), ints([3]), ints([1])]), [2, 2], [1, 2, 5, 6]);
  for (const [starts, ends, axes, steps, ...words] of [
    [[0], [1], [0], [0], 'step 0'], [[0, 0], [1], [0], [1], '2, 1, 1 and 1'], [[0], [1], [2], [1], 'axis 2'],
      [[0, 0], [1, 1], [0, 0], [1, 1], '2, 2, 2'],
    [[3], [1], [0], [1], 'at least 1'],
  ]) assertRefused(() => slice(row, starts, ends, axes, steps), 'ERR_ONNX', ...words);
  assertRefused(() => graphOf('Slice', [row, t([1], [0]), ints([1])]), 'ERR_ONNX', 'Slice (computed starts)');
});

test('Split: equal parts, an attribute, an input, a smaller last part', () => {
  const outputs = ['a', 'b', 'c'];
  const parts = (result) => outputs.map((name) => [...result[name].data]);
  assert.deepEqual(parts(run('Split', [row], {}, { opset: 9, outputs })), [[0, 1], [2, 3], [4, 5]]);
  assert.deepEqual(parts(run('Split', [row], { split: [1, 2, 3] }, { opset: 9, outputs })), [[0], [1, 2], [3, 4, 5]]);
  assert.deepEqual(parts(run('Split', [row, ints([3, 2, 1])], {}, { opset: 13, outputs })), [[0, 1, 2], [3, 4], [5]]);
  assert.deepEqual(parts(run('Split', [count([7])], { num_outputs: 3 }, { opset: 18, outputs })), [[0, 1, 2], [3, 4, 5], [6]]);
  const halves = run('Split', [grid], { axis: -1 }, { outputs: ['a', 'b'] });
  assertTensor(halves.b, [2, 2], [2, 3, 6, 7]);
  assert.deepEqual(graphOf('Split', [grid], { axis: 1 }, { outputs: ['a', 'b'] }).nodes[0].attributes, { axis: 1, sizes: [2, 2] });
  assertRefused(() => graphOf('Split', [count([7])], {}, { opset: 13, outputs }), 'ERR_ONNX', '7 elements', '3 equal parts');
  assertRefused(() => graphOf('Split', [row, ints([1, 2])], {}, { outputs: ['a', 'b'] }), 'ERR_ONNX', '[1, 2]');
  assertRefused(() => graphOf('Split', [row, ints([7, -1])], {}, { outputs: ['a', 'b'] }), 'ERR_ONNX', '[7, -1]');
});

test('Concat, with empty tensors among the inputs', () => {
  assertTensor(run('Concat', [grid, grid], { axis: 1 }), [2, 8], [0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7]);
  assertTensor(run('Concat', [grid, t([1, 4], [9, 9, 9, 9])], { axis: -2 }), [3, 4], [0, 1, 2, 3, 4, 5, 6, 7, 9, 9, 9, 9]);
  assertTensor(run('Concat', [tensor([0], []), grid, tensor([0], [])], { axis: 0 }), [2, 4], [...grid.data]);
  assertRefused(() => graphOf('Concat', [grid, row], { axis: 0 }), 'ERR_ONNX', '[6]');
  assertRefused(() => graphOf('Concat', [grid, count([3, 4])], { axis: 1 }), 'ERR_ONNX', '[3, 4]');
});

test('Gather at known places: a slice, or several put together', () => {
  const gather = (x, shape, indices, axis = 0) => run('Gather', [x, tensor(shape, indices, { type: 'int64' })], { axis });
  assertTensor(gather(grid, [], [1]), [4], [4, 5, 6, 7]);
  assertTensor(gather(grid, [], [-1], 1), [2], [3, 7]);
  assertTensor(gather(row, [3], [1, 3, 5]), [3], [1, 3, 5]);
  assertTensor(gather(row, [3], [5, 4, 3]), [3], [5, 4, 3]);
  assertTensor(gather(row, [4], [0, 5, 5, 2]), [4], [0, 5, 5, 2]);
  assertTensor(gather(row, [2, 2], [0, 1, 4, 2]), [2, 2], [0, 1, 4, 2]);
  assertTensor(gather(grid, [2, 1], [2, 0], 1), [2, 2, 1], [2, 0, 6, 4]);
  assert.deepEqual(opsOf(graphOf('Gather', [row, ints([1, 3, 5])])), ['slice']);
  assertRefused(() => gather(row, [1], [6]), 'ERR_ONNX', 'element 6', 'axis of 6');
  assertRefused(() => gather(row, [1], [-7]), 'ERR_ONNX', 'element -7');
  assertRefused(() => graphOf('Gather', [row, { shape: [1], data: [1] }]), 'ERR_ONNX', 'Gather (computed indices)');
  const { outputs } = runModel(model({
    nodes: [node('Gather', ['table', 'at'], ['g'], { axis: 1 }), node('Add', ['x', 'g'], ['y'])], inputs: { x: [1] }, outputs: ['y'],
    constants: { table: tensor([2, 2], [1, 2, 3, 4]), at: ints([-1, 0, 1]) },
  }), { x: new Float32Array(1) });
  assertTensor(outputs.y, [2, 3], [2, 1, 2, 4, 3, 4]);
});

test('GatherND at known places of one axis, of two, of all', () => {
  const at = (shape, places) => run('GatherND', [grid, tensor(shape, places, { type: 'int64' })]);
  assertTensor(at([2, 1], [1, 0]), [2, 4], [4, 5, 6, 7, 0, 1, 2, 3]);
  assertTensor(at([2, 2], [1, -1, -2, 1]), [2], [7, 1]);
  assertTensor(at([2, 1, 2], [0, 0, 1, 2]), [2, 1], [0, 6]);
  assertRefused(() => at([1, 1], [2]), 'ERR_ONNX', 'element 2', 'axis of 2');
  assertRefused(() => at([1, 3], [0, 0, 0]), 'ERR_ONNX', '3 axes', '2 dimensions');
  assertRefused(() => run('GatherND', [grid, ints([0])], { batch_dims: 1 }), 'ERR_ONNX', 'GatherND (with 1 batch_dims)');
  assertRefused(() => graphOf('GatherND', [grid, { shape: [1, 1], data: [1] }]), 'ERR_ONNX', 'GatherND (computed indices)');
});

test('ScatterND at known places, the last of which counts, of computed tensors and constants', () => {
  const at = (shape, places) => tensor(shape, places, { type: 'int64' });
  assertTensor(run('ScatterND', [grid, at([1, 1], [-1]), t([1, 4], [9, 8, 7, 6])]), [2, 4], [0, 1, 2, 3, 9, 8, 7, 6]);
  assertTensor(run('ScatterND', [grid, at([3, 2], [0, 1, 1, -2, 0, 1]), t([3], [9, 8, 7])]), [2, 4], [0, 7, 2, 3, 4, 5, 8, 7]);
  assertTensor(run('ScatterND', [grid, at([0, 1], []), tensor([0, 4], [])]), [2, 4], [0, 1, 2, 3, 4, 5, 6, 7]);
  const { graph, outputs } = runModel(model({
    nodes: [node('ScatterND', ['c', 'i', 'u'], ['s']), node('Add', ['x', 's'], ['y'])], inputs: { x: [1] }, outputs: ['y'],
    constants: { c: tensor([3], [1, 2, 3]), i: at([1, 1], [1]), u: tensor([1], [9]) },
  }), { x: new Float32Array(1) });
  assertTensor(outputs.y, [3], [1, 9, 3]);
  assert.deepEqual(opsOf(graph), ['add'], 'constants fold');
  assertRefused(() => run('ScatterND', [grid, at([1, 1], [2]), t([1, 4], [1, 1, 1, 1])]), 'ERR_ONNX', 'element 2', 'axis of 2');
  assertRefused(() => run('ScatterND', [grid, at([1, 1], [0]), t([1, 3], [1, 1, 1])]), 'ERR_ONNX', 'writes [1, 3]', '1 places of [4]');
  assertRefused(() => run('ScatterND', [grid, at([1, 1], [0]), t([1, 4], [1, 1, 1, 1])], { reduction: 'add' }, { opset: 16 }),
    'ERR_ONNX', 'ScatterND (reduction add)');
});

test('Pad: modes, attributes and inputs, axes, negative lengths', () => {
  const x = t([1, 3], [1, 2, 3]);
  assertTensor(run('Pad', [x], { pads: [0, 1, 0, 2], value: { f: 9 } }, { opset: 10 }), [1, 6], [9, 1, 2, 3, 9, 9]);
  assertTensor(run('Pad', [x, ints([0, 1, 0, 2]), tensor([], [9])]), [1, 6], [9, 1, 2, 3, 9, 9]);
  assertTensor(run('Pad', [x, ints([0, 1, 0, 2])], { mode: 'edge' }), [1, 6], [1, 1, 2, 3, 3, 3]);
  assertTensor(run('Pad', [x, ints([0, 1, 0, 2])], { mode: 'reflect' }), [1, 6], [2, 1, 2, 3, 2, 1]);
  assertTensor(run('Pad', [x, ints([1, -1]), null, ints([-1])], {}, { opset: 18 }), [1, 3], [0, 1, 2]);
  assertTensor(run('Pad', [x, ints([0, -1, 1, 0])]), [2, 2], [2, 3, 0, 0]);
  assertRefused(() => graphOf('Pad', [x, ints([0, 3, 0, 0])], { mode: 'reflect' }), 'ERR_ONNX', 'reflects more');
  assertRefused(() => graphOf('Pad', [x, ints([0, 1, 0, 0])], { mode: 'wrap' }, { opset: 19 }), 'ERR_ONNX', 'Pad (mode wrap)');
  assertRefused(() => graphOf('Pad', [x, ints([0, 1])]), 'ERR_ONNX', '4 numbers in pads');
  assertRefused(() => graphOf('Pad', [x, ints([0, -2, 0, -2])]), 'ERR_ONNX', 'at least 1');
  // the same on constants
  for (const [mode, expected] of [['constant', [0, 1, 2, 3, 0, 0]], ['edge', [1, 1, 2, 3, 3, 3]], ['reflect', [2, 1, 2, 3, 2, 1]]]) {
    const { graph, outputs } = runModel(model({
      nodes: [node('Pad', ['c', 'p'], ['z'], { mode }), node('Add', ['x', 'z'], ['y'])], inputs: { x: [1] }, outputs: ['y'],
      constants: { c: tensor([1, 3], [1, 2, 3]), p: ints([0, 1, 0, 2]) },
    }), { x: new Float32Array(1) });
    assert.deepEqual(opsOf(graph), ['add']);
    assertTensor(outputs.y, [1, 6], expected, mode);
  }
});

test('constants with long rows are cut, turned and put together', () => {
  const data = Array.from({ length: 100 }, (_, i) => i);
  const { graph, outputs } = runModel(model({
    nodes: [
      node('Slice', ['c', 'one', 'end', 'one'], ['s']), node('Concat', ['s', 's'], ['two'], { axis: 1 }), node('Transpose', ['two'], ['turned']),
      node('Transpose', ['turned'], ['back']), node('Add', ['x', 'back'], ['y']),
    ],
    inputs: { x: [1] }, outputs: ['y'], constants: { c: tensor([2, 50], data), one: ints([1]), end: ints([41]) },
  }), { x: new Float32Array(1) });
  assert.deepEqual(opsOf(graph), ['add']);
  assertTensor(outputs.y, [2, 80], [0, 1].flatMap((half) => [0, 1].flatMap(() => data.slice(50 * half + 1, 50 * half + 41))));
});
