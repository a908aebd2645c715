// Activations of every opset, and those that exporters write as several operators.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOnnx } from '../../../web/dynakernel/network/onnx/read-onnx.js';
import { evaluate } from '../evaluate.mjs';
import { erf } from '../interpret.mjs';
import { model, node, tensor } from '../onnx-writer.mjs';
import { assertRefused, assertTensor, graphOf, opsOf, random, run, t, traceOnnx } from './support.mjs';

const X = [-4, -3, -1, -0.5, 0, 0.5, 1, 2.5, 3, 7];
const x = t([10], X);
const sigmoid = (v) => 1 / (1 + Math.exp(-v));
const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

const CASES = [
  ['LeakyRelu', {}, (v) => (v < 0 ? 0.01 * v : v), 16], ['LeakyRelu', { alpha: { f: 0.5 } }, (v) => (v < 0 ? 0.5 * v : v), 6],
  ['Elu', {}, (v) => (v < 0 ? Math.expm1(v) : v), 6], ['Elu', { alpha: { f: 2 } }, (v) => (v < 0 ? 2 * Math.expm1(v) : v), 22],
  ['Selu', {}, (v) => 1.0507009873554805 * (v < 0 ? 1.6732632423543772 * Math.expm1(v) : v), 6],
  ['Selu', { alpha: { f: 1 }, gamma: { f: 2 } }, (v) => 2 * (v < 0 ? Math.expm1(v) : v), 22],
  ['Celu', { alpha: { f: 2 } }, (v) => Math.max(0, v) + Math.min(0, 2 * Math.expm1(v / 2)), 12],
  ['ThresholdedRelu', {}, (v) => (v > 1 ? v : 0), 10], ['ThresholdedRelu', { alpha: { f: -0.75 } }, (v) => (v > -0.75 ? v : 0), 22],
  ['HardSigmoid', {}, (v) => clamp(0.2 * v + 0.5, 0, 1), 6],
    ['HardSigmoid', { alpha: { f: 0.5 }, beta: { f: 0.25 } }, (v) => clamp(0.5 * v + 0.25, 0, 1), 22],
  ['HardSwish', {}, (v) => v * clamp(v / 6 + 0.5, 0, 1), 14],
  ['Softplus', {}, (v) => Math.log1p(Math.exp(v)), 6], ['Softsign', {}, (v) => v / (1 + Math.abs(v)), 6],
  ['Mish', {}, (v) => v * Math.tanh(Math.log1p(Math.exp(v))), 18],
  ['Gelu', {}, (v) => v * 0.5 * (1 + erf(v / Math.SQRT2)), 20],
  ['Gelu', { approximate: 'tanh' }, (v) => v * 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))), 20],
  ['Clip', { min: { f: -1 }, max: { f: 2 } }, (v) => clamp(v, -1, 2), 6], ['Clip', { max: { f: 2 } }, (v) => Math.min(v, 2), 10],
  ['Clip', {}, (v) => v, 6],
];

for (const [op, attributes, compute, opset] of CASES) {
  test(`${op} ${JSON.stringify(attributes)}, opset ${opset}`, () =>
    assertTensor(run(op, [x], attributes, { opset }), [10], X.map(compute), op));
}

test('Softplus and ThresholdedRelu of numbers that overflow', () => {
  assertTensor(run('Softplus', [t([2], [1000, -1000])]), [2], [1000, 0]);
  assertTensor(run('ThresholdedRelu', [t([3], [-Infinity, Infinity, 1])]), [3], [0, Infinity, 0]);
});

test('Clip by inputs: both, one, none, computed', () => {
  const at = (value) => tensor([], [value]);
  assertTensor(run('Clip', [x, at(-1), at(2)], {}, { opset: 11 }), [10], X.map((v) => clamp(v, -1, 2)));
  assertTensor(run('Clip', [x, null, at(2)]), [10], X.map((v) => Math.min(v, 2)));
  assertTensor(run('Clip', [x, at(-1)]), [10], X.map((v) => Math.max(v, -1)));
  assertTensor(run('Clip', [x, t([], [-1]), t([], [2])]), [10], X.map((v) => clamp(v, -1, 2)));
  assert.deepEqual(opsOf(graphOf('Clip', [x, at(0)])), ['relu']);
  assert.deepEqual(graphOf('Clip', [x, at(0), at(6)]).nodes[0].attributes, { low: 0, high: 6 });
  assertRefused(() => graphOf('Clip', [x, tensor([2], [0, 1])]), 'ERR_ONNX', 'one number in min', 'got 2');
});

test('PRelu: one slope, one a channel, and the old form without dimensions', () => {
  const image = t([1, 2, 1, 2], [-1, 2, -3, -4]);
  assertTensor(run('PRelu', [image, tensor([1], [0.5])]), [1, 2, 1, 2], [-0.5, 2, -1.5, -2]);
  assertTensor(run('PRelu', [image, tensor([2, 1, 1], [0.5, 2])]), [1, 2, 1, 2], [-0.5, 2, -6, -8]);
  assertTensor(run('PRelu', [image, tensor([2], [0.5, 2])], {}, { opset: 6 }), [1, 2, 1, 2], [-0.5, 2, -6, -8]);
  assertRefused(() => graphOf('PRelu', [image, tensor([3], [1, 2, 3])]), 'ERR_ONNX', '[3]');
});

/** Softmax of rows. */
const softmaxOf = (rows) => rows.flatMap((row) => {
  const powers = row.map(Math.exp);
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
});

test('Softmax and LogSoftmax: one axis since opset 13, all from an axis on before', () => {
  const cube = t([2, 2, 2], [1, 2, 3, 4, 0, -1, 2, 0.5]);
  const last = softmaxOf([[1, 2], [3, 4], [0, -1], [2, 0.5]]);
  const flat = softmaxOf([[1, 2, 3, 4], [0, -1, 2, 0.5]]);
  const [a, b, c, d] = [softmaxOf([[1, 3]]), softmaxOf([[2, 4]]), softmaxOf([[0, 2]]), softmaxOf([[-1, 0.5]])];
  const middle = [a[0], b[0], a[1], b[1], c[0], d[0], c[1], d[1]];
  for (const [op, finish] of [['Softmax', (v) => v], ['LogSoftmax', Math.log]]) {
    assertTensor(run(op, [cube]), [2, 2, 2], last.map(finish), `${op} 13`);
    assertTensor(run(op, [cube], { axis: 1 }), [2, 2, 2], middle.map(finish), `${op} 13, axis 1`);
    assertTensor(run(op, [cube], { axis: -2 }), [2, 2, 2], middle.map(finish), `${op} 13, axis -2`);
    assertTensor(run(op, [cube], {}, { opset: 12 }), [2, 2, 2], flat.map(finish), `${op} 12`);
    assertTensor(run(op, [cube], { axis: 2 }, { opset: 11 }), [2, 2, 2], last.map(finish), `${op} 11, axis 2`);
    assertTensor(run(op, [cube], { axis: -1 }, { opset: 11 }), [2, 2, 2], last.map(finish), `${op} 11, axis -1`);
  }
  assertTensor(run('LogSoftmax', [t([2], [0, 200])], { axis: 0 }), [2], [-200, 0], 'no overflow');
  assertRefused(() => graphOf('Softmax', [cube], { axis: 3 }), 'ERR_ONNX', 'axis 3', '3 dimensions');
});

test('Hardmax: the first of the largest', () => {
  assertTensor(run('Hardmax', [t([2, 3], [1, 3, 3, -1e-30, -2, -3])]), [2, 3], [0, 1, 0, 1, 0, 0]);
  assertTensor(run('Hardmax', [t([2, 2], [1, 5, 3, 5])], { axis: 0 }), [2, 2], [0, 1, 1, 0]);
  assertTensor(run('Hardmax', [t([1, 2, 2], [1, 5, 7, 5])], {}, { opset: 11 }), [1, 2, 2], [0, 0, 1, 0]);
});

/** A model of several nodes over x, whose last output is y. */
function composed(nodes, constants = {}, shape = [10]) {
  const initializers = Object.fromEntries(Object.entries(constants).map(([name, value]) => [name, tensor([], [value])]));
  return model({ nodes: nodes.map(([op, inputs, output, attributes]) => node(op, inputs, [output], attributes)), inputs: { x: shape },
    outputs: ['y'], constants: initializers });
}

const RECOGNISED = {
  'silu': [['silu'], [['Sigmoid', ['x'], 's'], ['Mul', ['x', 's'], 'y']]],
  'silu, the gate first': [['silu'], [['Sigmoid', ['x'], 's'], ['Mul', ['s', 'x'], 'y']]],
  'silu of a product': [['multiply', 'silu'], [['Mul', ['x', 'x'], 'p'], ['Sigmoid', ['p'], 's'], ['Mul', ['p', 's'], 'y']]],
  'hard swish of hard sigmoid': [['hardSwish'], [['HardSigmoid', ['x'], 's', { alpha: { f: 1 / 6 } }], ['Mul', ['x', 's'], 'y']]],
  'hard swish, divided at the end': [['hardSwish'],
    [['Add', ['x', 'three'], 'a'], ['Clip', ['a', 'zero', 'six'], 'c'], ['Mul', ['x', 'c'], 'm'], ['Div', ['m', 'six'], 'y']]],
  'hard swish, divided before': [['hardSwish'],
    [['Add', ['x', 'three'], 'a'], ['Clip', ['a', 'zero', 'six'], 'c'], ['Div', ['c', 'six'], 'd'], ['Mul', ['x', 'd'], 'y']]],
  'hard sigmoid': [['hardSigmoid'], [['Add', ['three', 'x'], 'a'], ['Clip', ['a', 'zero', 'six'], 'c'], ['Div', ['c', 'six'], 'y']]],
  'gelu by erf': [['gelu'],
    [['Div', ['x', 'root2'], 'd'], ['Erf', ['d'], 'e'], ['Add', ['e', 'one'], 'a'], ['Mul', ['x', 'a'], 'm'], ['Mul', ['m', 'half'], 'y']]],
  'gelu by erf, half first': [['gelu'],
    [['Mul', ['x', 'half'], 'h'], ['Mul', ['x', 'inverse'], 'd'], ['Erf', ['d'], 'e'], ['Add', ['one', 'e'], 'a'],
    ['Mul', ['h', 'a'], 'y']]],
  'gelu by tanh': [['gelu'],
    [['Mul', ['x', 'x'], 'x2'], ['Mul', ['x2', 'x'], 'x3'], ['Mul', ['x3', 'cubic'], 'k'], ['Add', ['x', 'k'], 's'],
    ['Mul', ['s', 'root'], 'u'],
    ['Tanh', ['u'], 't'], ['Add', ['t', 'one'], 'a'], ['Mul', ['x', 'half'], 'h'], ['Mul', ['h', 'a'], 'y']]],
  'gelu by tanh and a power': [['gelu'],
    [['Pow', ['x', 'three'], 'x3'], ['Mul', ['x3', 'cubic'], 'k'], ['Add', ['x', 'k'], 's'], ['Mul', ['s', 'root'], 'u'],
    ['Tanh', ['u'], 't'], ['Add', ['t', 'one'], 'a'], ['Mul', ['x', 'a'], 'm'], ['Mul', ['m', 'half'], 'y']]],
  'gelu by tanh, half of the gate': [['gelu'],
    [['Pow', ['x', 'three'], 'x3'], ['Mul', ['cubic', 'x3'], 'k'], ['Add', ['x', 'k'], 's'], ['Mul', ['root', 's'], 'u'],
    ['Tanh', ['u'], 't'], ['Add', ['t', 'one'], 'a'], ['Mul', ['half', 'a'], 'h'], ['Mul', ['x', 'h'], 'y']]],
  'gelu of a product': [['multiply', 'gelu'],
    [['Mul', ['x', 'x'], 'p'], ['Mul', ['p', 'p'], 'p2'], ['Mul', ['p', 'p2'], 'p3'], ['Mul', ['cubic', 'p3'], 'k'],
    ['Add', ['p', 'k'], 's'], ['Mul', ['root', 's'], 'u'], ['Tanh', ['u'], 't'], ['Add', ['one', 't'], 'a'],
    ['Mul', ['p', 'a'], 'm'], ['Mul', ['half', 'm'], 'y']]],
  'gelu of a scaled value': [['multiply', 'gelu'],
    [['Mul', ['x', 'three'], 'p'], ['Mul', ['p', 'inverse'], 'd'], ['Erf', ['d'], 'e'], ['Add', ['e', 'one'], 'a'],
    ['Mul', ['p', 'half'], 'h'], ['Mul', ['a', 'h'], 'y']]],
  'no silu: the gate is of something else': [['abs', 'sigmoid', 'multiply'],
    [['Abs', ['x'], 'b'], ['Sigmoid', ['b'], 's'], ['Mul', ['x', 's'], 'y']]],
  'no hard swish: another bound': [['add', 'clip', 'multiply', 'divide'],
    [['Add', ['x', 'three'], 'a'], ['Clip', ['a', 'one', 'six'], 'c'], ['Mul', ['x', 'c'], 'm'], ['Div', ['m', 'six'], 'y']]],
  'no gelu: another factor': [['divide', 'erf', 'add', 'multiply', 'multiply'],
    [['Div', ['x', 'root2'], 'd'], ['Erf', ['d'], 'e'], ['Add', ['e', 'one'], 'a'], ['Mul', ['x', 'a'], 'm'],
    ['Mul', ['m', 'inverse'], 'y']]],
};
const NUMBERS = { zero: 0, one: 1, three: 3, six: 6, half: 0.5, root2: Math.SQRT2, inverse: Math.SQRT1_2, cubic: 0.044715,
  root: Math.sqrt(2 / Math.PI) };

for (const [name, [ops, nodes]] of Object.entries(RECOGNISED)) {
  test(`recognised: ${name}`, () => {
    const bytes = composed(nodes, NUMBERS);
    const graph = readOnnx(bytes);
    assert.deepEqual(opsOf(graph), ops);
    const input = { x: random([10], 5).data };
    assertTensor(evaluate(graph, input).outputs.y, [10], [...evaluate(traceOnnx(bytes).graph(), input).outputs.y.data], name);
  });
}

test('sigmoid(x) that something else needs stays beside a silu', () => {
  const bytes = composed([['Sigmoid', ['x'], 's'], ['Mul', ['x', 's'], 'm'], ['Add', ['m', 's'], 'y']]);
  assert.deepEqual(opsOf(readOnnx(bytes)), ['sigmoid', 'silu', 'add']);
  assertTensor(evaluate(readOnnx(bytes), { x: Float32Array.from(X) }).outputs.y, [10], X.map((v) => v * sigmoid(v) + sigmoid(v)));
});
