// Operators that compute each element by itself: numbers, broadcasting, and folding of constants to the same numbers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOnnx } from '../../../web/dynakernel/network/onnx/read-onnx.js';
import { model, node, tensor } from '../onnx-writer.mjs';
import { assertRefused, assertTensor, graphOf, opsOf, run, runModel, single, t } from './support.mjs';

/** Runs a node on constants. Its result is added to an input of zeros, so the reader must fold the node. */
function folded(op, constants, attributes = {}, { opset = 17, type = 'float' } = {}) {
  const names = constants.map((_, i) => `c${i}`);
  const nodes = [node(op, names, ['z'], attributes), node('Cast', ['z'], ['f'], { to: 1 }), node('Add', ['x', 'f'], ['y'])];
  const initializers = Object.fromEntries(constants.map(([shape, data, own = type], i) => [names[i], tensor(shape, data, { type: own })]));
  const { graph, outputs } =
    runModel(model({ nodes, inputs: { x: [1] }, outputs: ['y'], constants: initializers }, opset), { x: new Float32Array(1) });
  assert.deepEqual(opsOf(graph), ['add'], `${op} folds`);
  return outputs.y;
}

const A = [-1.5, 0, 0.25, 2];
const B = [0.5, -2, 4, 1];

const BINARY = {
  Add: (a, b) => a + b, Sub: (a, b) => a - b, Mul: (a, b) => a * b, Div: (a, b) => a / b, Min: Math.min, Max: Math.max,
  Sum: (a, b) => a + b, Mean: (a, b) => (a + b) / 2,
};

for (const [op, compute] of Object.entries(BINARY)) {
  test(op, () => {
    const expected = A.map((a, i) => compute(a, B[i]));
    assertTensor(run(op, [t([4], A), t([4], B)]), [4], expected, op);
    assertTensor(folded(op, [[[4], A], [[4], B]]), [4], expected, `${op} folded`);
    // [2, 1] and [3]
    const grid = [1, 2].flatMap((a) => [3, 4, 5].map((b) => compute(a, b)));
    assertTensor(run(op, [t([2, 1], [1, 2]), t([3], [3, 4, 5])]), [2, 3], grid, `${op} broadcast`);
    assertTensor(folded(op, [[[2, 1], [1, 2]], [[3], [3, 4, 5]]]), [2, 3], grid, `${op} broadcast and folded`);
  });
}

test('Sum, Mean, Min and Max of one and of several', () => {
  const inputs = [t([2], [1, 5]), t([2], [2, 4]), t([1], [6])];
  assertTensor(run('Sum', inputs), [2], [9, 15]);
  assertTensor(run('Mean', inputs), [2], [3, 5]);
  assertTensor(run('Min', inputs), [2], [1, 4]);
  assertTensor(run('Max', inputs), [2], [6, 6]);
  for (const op of ['Sum', 'Mean', 'Min', 'Max']) assertTensor(run(op, [inputs[0]]), [2], [1, 5], op);
});

test('Pow: exponents of other types', () => {
  assertTensor(run('Pow', [t([3], [1, 2, 3]), tensor([], [2], { type: 'int64' })]), [3], [1, 4, 9]);
  assertTensor(run('Pow', [t([2], [2, 3]), t([2], [3, 2])]), [2], [8, 9]);
  assertTensor(folded('Pow', [[[2], [2, 3]], [[2], [3, 2], 'int64']]), [2], [8, 9]);
});

test('opset 6 aligns the second operand at an axis', () => {
  const x = t([1, 2, 2], [1, 2, 3, 4]);
  assertTensor(run('Add', [x, t([2], [10, 20])], { broadcast: 1, axis: 1 }, { opset: 6 }), [1, 2, 2], [11, 12, 23, 24]);
  assertTensor(run('Add', [x, t([2], [10, 20])], { broadcast: 1 }, { opset: 6 }), [1, 2, 2], [11, 22, 13, 24]);
  assertRefused(() => graphOf('Mul', [x, t([2, 2], [1, 1, 1, 1])], { broadcast: 1, axis: 2 }, { opset: 6 }), 'ERR_ONNX', 'axis 2');
});

const UNARY = {
  Sqrt: [[0.25, 4, 0, 9], Math.sqrt], Exp: [A, Math.exp], Log: [[0.5, 1, 2, 3], Math.log], Abs: [A, Math.abs], Neg: [A, (x) => -x],
  Reciprocal: [B, (x) => 1 / x], Tanh: [A, Math.tanh], Sigmoid: [A, (x) => 1 / (1 + Math.exp(-x))], Relu: [A, (x) => Math.max(0, x)],
  Sign: [A, Math.sign],
};

for (const [op, [data, compute]] of Object.entries(UNARY)) {
  test(op, () => {
    assertTensor(run(op, [t([4], data)]), [4], data.map(compute), op);
    assertTensor(folded(op, [[[4], data]]), [4], data.map(compute), `${op} folded`);
  });
}

test('Erf', () => assertTensor(run('Erf', [t([5], [-1, 0, 0.5, 2, 3])]), [5],
  [-0.8427007929, 0, 0.5204998778, 0.9953222650, 0.9999779095]));

test('Sign of the least and largest floats', () => {
  assertTensor(run('Sign', [t([4], [1e-45, -1e-45, 3e38, -3e38])]), [4], [1, -1, 1, -1]);
});

test('folded: comparisons, logic and rounding', () => {
  const pairs = [[[4], [1, 2, 3, -1]], [[4], [2, 2, 2, 2]]];
  const expected = { Equal: [0, 1, 0, 0], Less: [1, 0, 0, 1], LessOrEqual: [1, 1, 0, 1], Greater: [0, 0, 1, 0],
    GreaterOrEqual: [0, 1, 1, 0] };
  for (const [op, bits] of Object.entries(expected)) assertTensor(folded(op, pairs), [4], bits, op);
  const bits = [[[4], [0, 0, 1, 1]], [[4], [0, 1, 0, 1]]];
  assertTensor(folded('And', bits, {}, { type: 'bool' }), [4], [0, 0, 0, 1]);
  assertTensor(folded('Or', bits, {}, { type: 'bool' }), [4], [0, 1, 1, 1]);
  assertTensor(folded('Xor', bits, {}, { type: 'bool' }), [4], [0, 1, 1, 0]);
  assertTensor(folded('Not', [[[2], [0, 1]]], {}, { type: 'bool' }), [2], [1, 0]);
  assertTensor(folded('IsNaN', [[[2], [NaN, 1]]]), [2], [1, 0]);
  assertTensor(folded('IsInf', [[[3], [NaN, 1, -Infinity]]]), [3], [0, 0, 1]);
  assertTensor(folded('Floor', [[[2], [-1.5, 1.5]]]), [2], [-2, 1]);
  assertTensor(folded('Ceil', [[[2], [-1.5, 1.5]]]), [2], [-1, 2]);
  assertTensor(folded('Round', [[[6], [0.5, 1.5, 2.5, -0.5, -1.5, 2.6]]]), [6], [0, 2, 2, -0, -2, 3]);
  assertTensor(folded('Sin', [[[1], [1]]]), [1], [Math.sin(1)]);
  assertTensor(folded('Cos', [[[1], [1]]]), [1], [Math.cos(1)]);
  assertTensor(folded('Mod', [[[4], [5, -5, 5, -5]], [[4], [3, 3, -3, -3]]], {}, { type: 'int64' }), [4], [2, 1, -1, -2]);
  assertTensor(folded('Mod', [[[4], [5, -5, 5, -5]], [[4], [3, 3, -3, -3]]], { fmod: 1 }), [4], [2, -2, 2, -2]);
  for (const op of ['Round', 'Floor', 'Mod']) {
    assertRefused(() => graphOf(op, op !== 'Mod' ? [t([1], [1])] : [t([1], [1]), t([1], [1])]), 'ERR_ONNX',
      `${op} (of a computed tensor): node`);
  }
});

test('computed: comparisons and logic, as 0 and 1', () => {
  const [least, most] = [1e-45, 3e38];
  const pairs = [[1, 2], [2, 2], [3, 2], [-most, most], [most, -most], [0, least], [-least, 0], [-Infinity, 0], [Infinity, 1]];
  const [a, b] = [0, 1].map((side) => t([pairs.length], pairs.map((pair) => pair[side])));
  const toFloat = (nodes, inputs) => runModel(model({
    nodes: [...nodes, node('Cast', ['bits'], ['y'], { to: 1 })], inputs: { a: a.shape, b: b.shape }, outputs: ['y'],
  }), inputs).outputs.y;
  const given = { a: a.data, b: b.data };
  const compare = { Greater: (x, y) => x > y, Less: (x, y) => x < y, GreaterOrEqual: (x, y) => x >= y,
    LessOrEqual: (x, y) => x <= y, Equal: (x, y) => x === y };
  for (const [op, holds] of Object.entries(compare)) {
    const bits = toFloat([node(op, ['a', 'b'], ['bits'])], given);
    assertTensor(bits, a.shape, pairs.map(([x, y]) => Number(holds(Math.fround(x), Math.fround(y)))), op);
  }
  const logic = { And: (x, y) => x && y, Or: (x, y) => x || y, Xor: (x, y) => x !== y };
  for (const [op, holds] of Object.entries(logic)) {
    const nodes = [node('Greater', ['a', 'b'], ['p']), node('Less', ['b', 'b'], ['never']), node('Not', ['never'], ['q']),
      node(op, ['p', 'q'], ['bits'])];
    assertTensor(toFloat(nodes, given), a.shape, pairs.map(([x, y]) => Number(holds(x > y, true))), op);
  }
  const isNotZero = toFloat([node('Cast', ['a'], ['bits'], { to: 9 })], given);
  assertTensor(isNotZero, a.shape, pairs.map(([x]) => Number(x !== 0)), 'Cast to bool');
  const parts = [node('Greater', ['a', 'b'], ['p']), node('Concat', ['p', 'p'], ['pp'], { axis: 0 })];
  const output = model({ nodes: parts, inputs: { a: [2], b: [2] }, outputs: ['pp'] });
  assertRefused(() => readOnnx(output), 'ERR_ONNX', 'output "pp"', 'bool');
  const added = [node('Greater', ['a', 'b'], ['p']), node('Add', ['p', 'a'], ['y'])];
  assertRefused(() => readOnnx(model({ nodes: added, inputs: { a: [2], b: [2] }, outputs: ['y'] })), 'ERR_ONNX', 'computed bool');
});

test('Where with a computed condition keeps every number as it is', () => {
  const nodes = [node('Greater', ['a', 'zero'], ['p']), node('Unsqueeze', ['p', 'axis'], ['q']), node('Where', ['q', 'b', 'c'], ['y'])];
  const { outputs } = runModel(model({
    nodes, inputs: { a: [2], b: [2, 3], c: [1] }, outputs: ['y'],
    constants: { zero: tensor([], [0]), axis: tensor([1], [1], { type: 'int64' }) },
  }), { a: Float32Array.of(1, -1), b: Float32Array.of(1, -Infinity, 1e-40, Infinity, 2, 3), c: Float32Array.of(-7) });
  assertTensor(outputs.y, [2, 3], [1, -Infinity, Math.fround(1e-40), -7, -7, -7]);
});

test('integers are divided as integers, truncated', () => {
  assertTensor(folded('Div', [[[3], [7, -7, 8]], [[1], [2]]], {}, { type: 'int64' }), [3], [3, -3, 4]);
  assertTensor(folded('Div', [[[1], [7]], [[1], [2]]]), [1], [3.5]);
});

test('Where', () => {
  const bits = tensor([4], [1, 0, 0, 1], { type: 'bool' });
  const x = t([4], [1, Infinity, 3, -4]);
  const fixed = tensor([1], [-Infinity]);
  assertTensor(run('Where', [bits, x, fixed]), [4], [1, -Infinity, -Infinity, -4]);
  assertTensor(run('Where', [bits, fixed, x]), [4], [-Infinity, Infinity, 3, -Infinity]);
  assertTensor(run('Where', [bits, t([4], [1, 2, 3, 4]), t([1], [9])]), [4], [1, 9, 9, 4]);
  // every element comes from one side; the shape comes from all three inputs
  const ones = tensor([2, 1], [1, 1], { type: 'bool' });
  const zeros = tensor([2, 1], [0, 0], { type: 'bool' });
  assertTensor(run('Where', [ones, t([1], [7]), t([1], [9])]), [2, 1], [7, 7]);
  assertTensor(run('Where', [zeros, t([1], [7]), t([3], [1, 2, 3])]), [2, 3], [1, 2, 3, 1, 2, 3]);
  assertTensor(folded('Where', [[[2, 1], [1, 0], 'bool'], [[2], [1, 2]], [[1], [9]]]), [2, 2], [1, 2, 9, 9]);
  const computed = single('Where', [{ shape: [1], data: [1] }, t([1], [1]), t([1], [1])]);
  assertRefused(() => readOnnx(computed.bytes), 'ERR_ONNX', 'a computed condition');
});
