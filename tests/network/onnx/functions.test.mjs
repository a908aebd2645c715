// Functions of a model: calls become nodes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOnnx } from '../../../web/dynakernel/network/onnx/read-onnx.js';
import { attribute, field, graph, int, node, tensor } from '../onnx-writer.mjs';
import { assertRefused, assertTensor, opsOf, runModel } from './support.mjs';

/** An attribute of a node that is the function's attribute of this name. */
const reference = (name, outer, type) => field(5, Buffer.concat([field(1, name), field(21, outer), int(20, type)]));

/** A FunctionProto. */
const definition = (name, { inputs, outputs, nodes, attributes = [], defaults = {}, opset = 17, overload = '' }) => field(25, Buffer.concat([
  field(1, name), ...inputs.map((one) => field(4, one)), ...outputs.map((one) => field(5, one)),
  ...attributes.map((one) => field(6, one)), ...nodes.map((one) => field(7, one)),
  ...(opset ? [field(9, int(2, opset))] : []), field(10, 'custom'),
  ...Object.entries(defaults).map(([key, value]) => field(11, attribute(key, value))), ...(overload ? [field(13, overload)] : []),
]));

const call = (name, inputs, outputs, attributes = {}, more = Buffer.alloc(0)) =>
  Buffer.concat([node(name, inputs, outputs, attributes, { name: 'call', domain: 'custom' }), more]);

const model = (parts, ...functions) => Buffer.concat([
  int(1, 8), field(7, graph({ inputs: { x: [4] }, outputs: ['y'], ...parts })), ...functions, field(8, int(2, 17)),
  field(8, Buffer.concat([field(1, 'custom'), int(2, 1)])),
]);

const x = Float32Array.of(-2, -1, 0.5, 3);
const run = (bytes) => runModel(bytes, { x }).outputs.y;
const leaky = Buffer.concat([node('LeakyRelu', ['a'], ['b']), reference('alpha', 'slope', 1)]);

test('attributes are those of the call, the function\'s, or left out', () => {
  const named = { inputs: ['a'], outputs: ['b'], nodes: [leaky], attributes: ['slope'] };
  const leak = (bytes) => run(bytes).data[0] / -2;
  const close = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-6, `${actual} should be ${expected}`);
  close(leak(model({ nodes: [call('Leak', ['x'], ['y'], { slope: { f: 0.5 } })] }, definition('Leak', named))), 0.5);
  close(leak(model({ nodes: [call('Leak', ['x'], ['y'])] }, definition('Leak', { ...named, defaults: { slope: { f: 0.25 } } }))), 0.25);
  close(leak(model({ nodes: [call('Leak', ['x'], ['y'])] }, definition('Leak', named))), 0.01);
});

test('names of two calls do not meet, and functions call functions', () => {
  const square = definition('Square', { inputs: ['a'], outputs: ['b'],
    nodes: [node('Abs', ['a'], ['t']), node('Mul', ['t', 't'], ['b'])] });
  const sum = definition('SumOfSquares', { inputs: ['a', 't'], outputs: ['y'],
    nodes: [call('Square', ['a'], ['b']), call('Square', ['t'], ['c']), node('Add', ['b', 'c'], ['y'])] });
  const bytes = model({ nodes: [call('Square', ['x'], ['t']), call('SumOfSquares', ['t', 'x'], ['y'])] }, square, sum);
  assertTensor(run(bytes), [4], [...x].map((value) => value ** 4 + value ** 2));
});

test('an input may be left out, an output too, and an input may be an output', () => {
  const clamp = definition('Clamp', { inputs: ['a', 'low', 'high'], outputs: ['b', 'negative', 'a'],
    nodes: [node('Clip', ['a', 'low', 'high'], ['b']), node('Neg', ['a'], ['negative'])] });
  const constants = { one: tensor([], [1]) };
  const first = model({ nodes: [call('Clamp', ['x', '', 'one'], ['y'])], constants }, clamp);
  assertTensor(run(first), [4], [-2, -1, 0.5, 1]);
  const third = model({ nodes: [call('Clamp', ['x'], ['b', '', 'c']), node('Add', ['b', 'c'], ['y'])] }, clamp);
  assertTensor(run(third), [4], [...x].map((value) => 2 * value));
});

test('subgraphs of a function see its tensors and attributes', () => {
  const branch = (op, more = Buffer.alloc(0)) =>
    ({ graph: graph({ nodes: [Buffer.concat([node(op, ['a'], ['inner']), more])], outputs: ['inner'] }) });
  const choose = definition('Choose', { inputs: ['a', 'isFirst'], outputs: ['b'], attributes: ['slope'],
    nodes: [node('If', ['isFirst'], ['b'],
      { then_branch: branch('LeakyRelu', reference('alpha', 'slope', 1)), else_branch: branch('Abs') })] });
  const of = (bit) => model({
    nodes: [call('Choose', ['x', 'bit'], ['y'], { slope: { f: 2 } })], constants: { bit: tensor([], [bit], { type: 'bool' }) },
  }, choose);
  assertTensor(run(of(1)), [4], [-4, -2, 0.5, 3]);
  assertTensor(run(of(0)), [4], [2, 1, 0.5, 3]);
});

test('a function may be written for another opset than the model', () => {
  // before opset 13, softmax takes all dimensions from axis 1 on as one
  const nodes = [node('Reshape', ['a', 'shape'], ['r']), node('Softmax', ['r'], ['s']), node('Reshape', ['s', 'back'], ['b'])];
  const old = definition('Old', { inputs: ['a', 'shape', 'back'], outputs: ['b'], nodes, opset: 11 });
  const constants = { shape: tensor([3], [1, 2, 2], { type: 'int64' }), back: tensor([1], [4], { type: 'int64' }) };
  const powers = [...x].map(Math.exp);
  const total = powers.reduce((a, b) => a + b);
  assertTensor(run(model({ nodes: [call('Old', ['x', 'shape', 'back'], ['y'])], constants }, old)), [4], powers.map((power) => power / total));
});

test('overloads are told apart, and a function that nothing calls does not matter', () => {
  const negate = definition('F', { inputs: ['a'], outputs: ['b'], nodes: [node('Neg', ['a'], ['b'])], overload: 'negative' });
  const absolute = definition('F', { inputs: ['a'], outputs: ['b'], nodes: [node('Abs', ['a'], ['b'])] });
  const unused = definition('Unused', { inputs: [], outputs: ['b'], nodes: [node('Nonsense', [], ['b'])], opset: 0 });
  const bytes = model({ nodes: [call('F', ['x'], ['t']), call('F', ['t'], ['y'], {}, field(8, 'negative'))] }, negate, absolute, unused);
  assert.deepEqual(opsOf(readOnnx(bytes)), ['abs', 'negate']);
});

test('hostile functions are refused', () => {
  const refuse = (parts, functions, ...words) => assertRefused(() => readOnnx(model(parts, ...functions)), 'ERR_ONNX', ...words);
  const loop = (name, next) => definition(name, { inputs: ['a'], outputs: ['b'], nodes: [call(next, ['a'], ['b'])] });
  refuse({ nodes: [call('A', ['x'], ['y'])] }, [loop('A', 'B'), loop('B', 'A')], 'calls itself');
  // each calls the next ten times: 10^8 nodes
  const bombs = Array.from({ length: 8 }, (_, i) => definition(`B${i}`, { inputs: ['a'], outputs: ['b'],
    nodes: Array.from({ length: 10 }, (_one, j) => (i < 7 ? call(`B${i + 1}`, ['a'], [j === 0 ? 'b' : `c${j}`]) :
      node('Neg', ['a'], [j === 0 ? 'b' : `c${j}`]))) }));
  refuse({ nodes: [call('B0', ['x'], ['y'])] }, bombs, 'more than 200000 nodes');
  const chain = Array.from({ length: 40 }, (_, i) => loop(`C${i}`, `C${i + 1}`));
  refuse({ nodes: [call('C0', ['x'], ['y'])] }, chain, '32 deep');
  const one = { inputs: ['a'], outputs: ['b'], nodes: [node('Neg', ['a'], ['b'])] };
  refuse({ nodes: [call('F', ['x', 'x'], ['y'])] }, [definition('F', one)], 'call', 'has 2 inputs', 'takes 1');
  refuse({ nodes: [call('F', ['x'], ['y'])] }, [definition('F', one), definition('F', one)], 'F', 'twice');
  refuse({ nodes: [call('F', ['x'], ['y'])] }, [definition('F', { ...one, opset: 99 })], 'opset 99');
  refuse({ nodes: [call('G', ['x'], ['y'])] }, [definition('F', one)], 'custom.G');
});
