// Constants, casts, conditions, and everything else that folds. One error names all nodes that cannot run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOnnx } from '../../../web/dynakernel/network/onnx/read-onnx.js';
import { graph as graphProto, ints, model, node, tensor } from '../onnx-writer.mjs';
import { assertRefused, assertTensor, graphOf, opsOf, run, runModel, t } from './support.mjs';

/** The numbers that nodes compute from constants. They are added to an input of zeros. */
function numbersOf(nodes, output, constants = {}, opset = 17) {
  const all = [...nodes, node('Cast', [output], ['float32'], { to: 1 }), node('Add', ['x', 'float32'], ['y'])];
  const { graph, outputs } =
    runModel(model({ nodes: all, inputs: { x: [1] }, outputs: ['y'], constants }, opset), { x: new Float32Array(1) });
  assert.deepEqual(opsOf(graph), ['add']);
  return outputs.y;
}

test('Constant: every attribute', () => {
  const constant = (attributes) => numbersOf([node('Constant', [], ['c'], attributes)], 'c');
  assertTensor(constant({ value: tensor([2, 1], [1, 2]) }), [2, 1], [1, 2]);
  assertTensor(constant({ value_float: { f: 1.5 } }), [1], [1.5]);
  assertTensor(constant({ value_floats: { f: [1.5, 2.5] } }), [2], [1.5, 2.5]);
  assertTensor(constant({ value_int: 7 }), [1], [7]);
  assertTensor(constant({ value_ints: [7, -8] }), [2], [7, -8]);
  assertRefused(() => constant({ value_string: 'text' }), 'ERR_ONNX', 'Constant (value_string)');
  assertRefused(() => constant({}), 'ERR_ONNX', 'must have a value');
});

test('ConstantOfShape and Range', () => {
  assertTensor(numbersOf([node('ConstantOfShape', ['s'], ['c'])], 'c', { s: ints([2, 2]) }), [2, 2], [0, 0, 0, 0]);
  assertTensor(numbersOf([node('ConstantOfShape', ['s'], ['c'], { value: ints([3]) })], 'c', { s: ints([2]) }), [2], [3, 3]);
  assertTensor(numbersOf([node('ConstantOfShape', ['s'], ['c'], { value: tensor([1], [0.5]) })], 'c', { s: ints([]) }), [1], [0.5]);
  const range = (type, ...values) =>
    numbersOf([node('Range', ['a', 'b', 'c'], ['r'])], 'r',
    Object.fromEntries(values.map((value, i) => ['abc'[i], tensor([], [value], { type })])));
  assertTensor(range('int64', 1, 7, 2), [3], [1, 3, 5]);
  assertTensor(range('int64', 7, 1, -3), [2], [7, 4]);
  assertTensor(range('float', 0, 1, 0.25), [4], [0, 0.25, 0.5, 0.75]);
  assertRefused(() => range('int64', 1, 2, 0), 'ERR_ONNX', 'Range', 'by 0');
});

test('constants that are too large are refused before memory is asked for', () => {
  const refuse = (op, inputs, ...words) => assertRefused(() => graphOf(op, inputs), 'ERR_ONNX', ...words);
  const scalar = (value) => tensor([], [value], { type: 'int64' });
  refuse('ConstantOfShape', [ints([1e6, 1e6])], '[1000000, 1000000]', 'at most');
  refuse('ConstantOfShape', [ints([2n ** 60n])], 'impossible shape');
  refuse('ConstantOfShape', [ints([-1])], '[-1]');
  refuse('Range', [scalar(0), scalar(1e9), scalar(1)], '[1000000000]');
  refuse('Range', [scalar(0), scalar(2n ** 62n), scalar(1)], 'Range');
  refuse('Expand', [t([1], [1]), ints([1e6, 1e6])], 'Expand', 'at most');
  refuse('Tile', [t([1], [1]), ints([1e12])], 'Tile', 'at most');
  refuse('Expand', [ints([1]), ints([1e6, 1e3])], 'too large to fold');
  refuse('Pad', [t([1, 1], [1]), ints([0, 0, 1e6, 1e6])], 'at most');
  // each is small enough, but all together are too large
  const nodes = Array.from({ length: 6 }, (_, i) => node('ConstantOfShape', ['s'], [`c${i}`]));
  nodes.push(node('Sum', ['x', ...nodes.map((_, i) => `c${i}`)], ['y']));
  assertRefused(() => readOnnx(model({ nodes, inputs: { x: [1] }, outputs: ['y'], constants: { s: ints([1e5, 500]) } })), 'ERR_ONNX',
    'together');
});

test('a large constant of floats is computed by the network, not folded', () => {
  const { graph } = runModel(model({
    nodes: [node('Expand', ['c', 's'], ['e']), node('Add', ['x', 'e'], ['y'])], inputs: { x: [1] }, outputs: ['y'],
      constants: { c: tensor([1], [2]), s: ints([1500, 1000]) },
  }), { x: new Float32Array(1) });
  assert.deepEqual(opsOf(graph), ['expand', 'add']);
});

test('Cast: floats are floats; integers fold', () => {
  const cast = (values, type, to) =>
    [...numbersOf([node('Cast', ['c'], ['d'], { to })], 'd', { c: tensor([values.length], values, { type }) }).data];
  assert.deepEqual(cast([1.7, -1.7, 0], 'float', 7), [1, -1, 0]);
  assert.deepEqual(cast([1.7, 0, -2], 'float', 9), [1, 0, 1]);
  assert.deepEqual(cast([0, 1], 'bool', 6), [0, 1]);
  assert.deepEqual(cast([0.1], 'double', 1), [Math.fround(0.1)]);
  assert.deepEqual(opsOf(graphOf('Cast', [t([2], [1, 2])], { to: 10 })), ['reshape']);
  assertTensor(run('CastLike', [t([2], [1.5, 2]), tensor([1], [1], { type: 'double' })]), [2], [1.5, 2]);
  assertRefused(() => graphOf('Cast', [t([1], [1])], { to: 7 }), 'ERR_ONNX', 'Cast (to int64 of a computed tensor): node');
  assertRefused(() => graphOf('Cast', [t([1], [1])], { to: 8 }), 'ERR_ONNX', 'STRING');
});

test('inputs of integers become floats, and can be nothing else', () => {
  const image = (nodes) => readOnnx(model({ nodes, inputs: { x: { shape: [1, 2], type: 'uint8' } }, outputs: ['y'] }));
  assert.deepEqual(opsOf(image([node('Cast', ['x'], ['f'], { to: 1 }), node('Relu', ['f'], ['y'])])), ['relu']);
  assertRefused(() => image([node('Relu', ['x'], ['y'])]), 'ERR_ONNX', 'computed uint8');
});

test('Dropout in training mode', () => {
  const bits = (value) => tensor([], [value], { type: 'bool' });
  assert.deepEqual(opsOf(graphOf('Dropout', [t([2], [1, 2]), tensor([], [0.5]), bits(0)])), ['reshape']);
  assertRefused(() => graphOf('Dropout', [t([2], [1, 2]), tensor([], [0.5]), bits(1)]), 'ERR_ONNX', 'training mode');
  assertRefused(() => graphOf('Dropout', [t([2], [1, 2])], {}, { outputs: ['y', 'mask'] }), 'ERR_ONNX', 'output 2, mask');
});

test('If: the branch of a condition that folds; names of the graph around it', () => {
  const branch = (op) => ({ graph: graphProto({ nodes: [node(op, ['x'], ['b'])], outputs: ['b'] }) });
  const build = (shape) => model({
    nodes: [node('Shape', ['x'], ['s']), node('Gather', ['s', 'zero'], ['n']), node('Equal', ['n', 'two'], ['isTwo']),
      node('If', ['isTwo'], ['y'], { then_branch: branch('Relu'), else_branch: branch('Tanh') })],
    inputs: { x: shape }, outputs: ['y'], constants: { zero: tensor([], [0], { type: 'int64' }), two: tensor([], [2], { type: 'int64' }) },
  });
  assert.deepEqual(opsOf(readOnnx(build([2]))), ['relu']);
  assert.deepEqual(opsOf(readOnnx(build([3]))), ['tanh']);
  const computed = model({ nodes: [node('If', ['c'], ['y'], { then_branch: branch('Relu'), else_branch: branch('Tanh') })],
    inputs: { x: [2], c: { shape: [1], type: 'bool' } }, outputs: ['y'] });
  assertRefused(() => readOnnx(computed), 'ERR_ONNX', 'If (a computed condition)');
  // the graph around a branch cannot use a name that only the branch has
  const leak = model({
    nodes: [node('If', ['one'], ['z'], { then_branch: branch('Relu'), else_branch: branch('Tanh') }), node('Relu', ['b'], ['y'])],
      inputs: { x: [2] }, outputs: ['y', 'z'],
    constants: { one: tensor([], [1], { type: 'bool' }) },
  });
  assertRefused(() => readOnnx(leak), 'ERR_ONNX', 'uses "b"');
});

test('all operators that cannot run are named at once, with their nodes', () => {
  const nodes = [
    node('TopK', ['x', 'axis'], ['a'], {}, { name: 'first' }), node('NonMaxSuppression', ['a', 'x'], ['b'], {}, { name: 'second' }),
    node('FusedConv', ['b'], ['c'], {}, { name: 'third', domain: 'com.microsoft' }), node('Relu', ['c'], ['d']),
    ...Array.from({ length: 9 }, (_, i) => node('LSTM', ['d'], [`e${i}`], {}, { name: `lstm${i}` })),
    node('Loop', ['', '', 'd'], ['f']), node('Scan', ['d'], ['g'], {}, { name: 'scan' }),
      node('Floor', ['x'], ['h'], {}, { name: 'floor' }),
    node('Cast', ['h'], ['i'], { to: 7 }), node('DeadAndUnknown', ['x'], ['dead']),
      node('Sum', [...Array.from({ length: 9 }, (_, i) => `e${i}`), 'f', 'g', 'i'], ['y']),
  ];
  const bytes = model({ nodes, inputs: { x: [2] }, outputs: ['y'], constants: { axis: ints([0]) } });
  assertRefused(() => readOnnx(bytes), 'ERR_ONNX', 'TopK: first\n', 'NonMaxSuppression: second\n', 'com.microsoft.FusedConv: third\n',
    'LSTM: lstm0, lstm1, ... and 7 more\n',
    'Loop: f\n', 'Scan: scan\n', 'Floor (of a computed tensor): floor');
  assert.throws(() => readOnnx(bytes), (error) => !error.message.includes('Relu') && !error.message.includes('\nSum') &&
    !error.message.includes('Dead'));
});

test('outputs: constants, inputs, the same value twice; each is made by a node of its own', () => {
  const { graph, outputs } = runModel(model({
    nodes: [node('Relu', ['x'], ['r']), node('Identity', ['r'], ['again']), node('Identity', ['x'], ['same']),
      node('Identity', ['c'], ['fixed'])],
    inputs: { x: [2] }, outputs: ['r', 'again', 'same', 'fixed', 'x'], constants: { c: tensor([1], [7]) },
  }), { x: Float32Array.of(-1, 2) });
  assert.equal(new Set(graph.outputs.map(({ value }) => value)).size, 5);
  const made = new Set(graph.nodes.flatMap((one) => one.outputs));
  assert.ok(graph.outputs.every(({ value }) => made.has(value)));
  assert.deepEqual(Object.values(outputs).map(({ data }) => [...data]), [[0, 2], [0, 2], [-1, 2], [7], [-1, 2]]);
});

test('keep: tensors by name, nodes by name; what is no value is refused', () => {
  const bytes = model({
    nodes: [node('Relu', ['x'], ['inner'], {}, { name: 'relu' }), node('Exp', ['inner'], ['y']), node('Neg', ['x'], ['dead']),
      node('Shape', ['x'], ['s'])],
    inputs: { x: [2] }, outputs: ['y'], constants: { c: tensor([1], [7]) },
  });
  const input = { x: Float32Array.of(-1, 2) };
  const { kept, graph } = runModel(bytes, input, { keep: ['inner', 'relu', 'dead', 'x'] });
  assert.deepEqual(Object.values(kept).map(({ data }) => [...data]), [[0, 2], [0, 2], [1, -2], [-1, 2]]);
  assert.deepEqual(opsOf(graph), ['relu', 'exp', 'negate']);
  assertRefused(() => readOnnx(bytes, { keep: ['none'] }), 'ERR_CONFIG', '"none"', 'inner');
  assertRefused(() => readOnnx(bytes, { keep: ['s'] }), 'ERR_CONFIG', 'constant');
  assertRefused(() => readOnnx(bytes, { keep: 'inner' }), 'ERR_CONFIG', 'array of names');
  assertRefused(() => readOnnx(bytes, { keeps: [] }), 'ERR_CONFIG', 'it takes shapes, keep');
});

test('what is computed twice in the same way is computed once', () => {
  const nodes = [
    node('Identity', ['w'], ['same']), node('Mul', ['x', 'w'], ['a']), node('Mul', ['x', 'same'], ['b']),
      node('Add', ['a', 'b'], ['twice']),
    node('Clip', ['twice', 'zero'], ['c']), node('Clip', ['twice', '', 'zero'], ['d']), node('Elu', ['c'], ['e'], { alpha: { f: 1 } }),
    node('Elu', ['c'], ['f'], { alpha: { f: 2 } }), node('Sum', ['d', 'e', 'f'], ['y']),
  ];
  const constants = { w: tensor([2], [3, -4]), zero: tensor([], [0]) };
  const { graph, outputs, kept } =
    runModel(model({ nodes, inputs: { x: [2] }, outputs: ['y', 'b'], constants }), { x: Float32Array.of(1, 2) }, { keep: ['a', 'b'] });
  assert.deepEqual(opsOf(graph), ['multiply', 'add', 'relu', 'clip', 'elu', 'elu', 'add', 'add']);
  assertTensor(outputs.y, [2], [12, -16]);
  for (const one of [outputs.b, kept.a, kept.b]) assertTensor(one, [2], [3, -8]);
});

test('names of nodes are unique, values count in order', () => {
  const graph = readOnnx(model({
    nodes: [node('Relu', ['x'], ['a'], {}, { name: 'n' }), node('Exp', ['a'], ['b'], {}, { name: 'n' }),
      node('Neg', ['b'], ['y'], {}, { name: 'n_1' })], inputs: { x: [2] }, outputs: ['y'],
  }));
  assert.equal(new Set(graph.nodes.map(({ name }) => name)).size, 3);
  assert.deepEqual(graph.nodes.map(({ outputs }) => outputs[0].id), [1, 2, 3]);
  assert.deepEqual(graph.nodes.map(({ outputs }) => outputs[0].name), ['a', 'b', 'y']);
});

test('initializers among the inputs, as old files have them, are constants', () => {
  const bytes = model({ nodes: [node('Add', ['x', 'w'], ['y'])], inputs: { x: [2], w: [2] }, outputs: ['y'],
    constants: { w: tensor([2], [1, 2]) } }, 6);
  const graph = readOnnx(bytes);
  assert.deepEqual(graph.inputs.map(({ name }) => name), ['x']);
  assert.equal(graph.nodes[0].inputs[1].stateName, 'w');
});
