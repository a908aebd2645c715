// Computed kernels: which are those of a dynamic convolution, in whatever order their factors are multiplied, and what around
// them belongs to the layer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../../web/shared/random.js';
import { seedTitle, seedsOf } from '../../seeds.mjs';
import { Writer, aggregate } from './dite-like.mjs';
import { checkModel, dynamicOf, opsOf } from './support.mjs';

// Each factor of the formula, its axes in the product [N, K, G, O/G, C/G, R, R], and the input of dynamicConv2d.
const FACTORS = [['a', 'NK', 1], ['f', 'NGO', 4], ['s', 'NGC', 5], ['q', 'NRS', 6]];

for (const seed of seedsOf(20261130)) {
  for (let round = 0; round < 24; round++) {
    test(`a product in any order, ${round}, ${seedTitle(seed)}`, () => {
      const numbers = new Random(seed + round);
      const pick = (list) => list[Math.floor(numbers.between(0, list.length))];
      const lengths = { N: pick([1, 1, 2, 3]), K: pick([1, 2, 4]), G: pick([1, 1, 2]), O: pick([1, 3]), C: pick([1, 4]), R: pick([1, 3]) };
      lengths.S = lengths.R;
      const { N, K, G, O, C, R } = lengths;
      const [H, W, axes] = [5, 4, [...'NKGOCRS']];
      // a rank of 6 is the most: one axis of output channels goes
      const kept = G === 1 ? axes.filter((axis) => axis !== 'G') : O === 1 ? axes.filter((axis) => axis !== 'O') : null;
      if (!kept) return;
      const w = new Writer(seed + round);
      const means = w.add('Flatten', [w.add('GlobalAveragePool', ['x'])]);
      const given = FACTORS.filter(([name, , input]) => (name === 'a' ? K > 1 : numbers.between(0, 3) > 1) && input);
      // without a factor of each image, there is one kernel for the whole batch
      if (given.length === 0 && N > 1) return;
      const factors = given.map(([name, own]) => {
        const length = [...own].reduce((product, axis) => product * (axis === 'N' ? 1 : lengths[axis]), 1);
        const head = w.add('Sigmoid', [w.add('Gemm',
          [means, w.parameter(`${name}.weight`, [length, G * C]), w.parameter(`${name}.bias`, [length])], { transB: 1 })]);
        return w.add('Reshape', [head, w.ints(...kept.map((axis) => (own.includes(axis) ? lengths[axis] : 1)))]);
      });
      const bank = w.add('Unsqueeze', [w.parameter('conv.weight', kept.slice(1).map((axis) => lengths[axis]), 4, 9), w.ints(0)]);
      const order = [bank, ...factors].map((value) => [numbers.between(0, 1), value]).sort(([a], [b]) => a - b).map(([, value]) => value);
      const product = order.reduce((one, other) => w.add('Mul', numbers.between(0, 1) < 0.5 ? [one, other] : [other, one]));
      const mixed = w.add('ReduceSum', [product, w.ints(1)], { keepdims: pick([0, 1]) });
      const y = aggregate(w, 'x', mixed, { N, C: G * C, O: G * O, R, G, H, W }, '/conv');
      const graph = checkModel(w.model({ x: [N, G * C, H, W] }, [y]));
      const text = JSON.stringify({ lengths, given, ops: opsOf(graph) });
      if (given.length === 0) return assert.ok(!opsOf(graph).includes('attention'), text);
      assert.deepEqual(dynamicOf(graph).map(({ inputs }) => inputs[2].shape), [[K, G * O, C, R, R]], text);
      const [{ inputs }] = dynamicOf(graph);
      for (const [, , input] of given.filter(([name]) => name === 'a')) assert.deepEqual(inputs[input].shape, [N, K], text);
      assert.equal(opsOf(graph).filter((op) => op === 'attention').length, 1, text);
      assert.ok(!opsOf(graph).includes('reduceSum') && !opsOf(graph).includes('conv2d'), text);
    });
  }
}

test('a kernel with a factor that the formula has not is a runtime kernel', () => {
  // [N, O, C, 1, 1], and a second sum of computed tensors
  for (const shape of [[2, 4, 3, 1, 1], null]) {
    const w = new Writer();
    const mean = w.add('Flatten', [w.add('GlobalAveragePool', ['x'])]);
    const bank = w.add('Unsqueeze', [w.parameter('bank', [4, 3, 3, 3]), w.ints(0)]);
    const head = (length) => w.add('Gemm', [mean, w.parameter(`w${length}`, [length, 3]), w.parameter(`b${length}`, [length])], { transB: 1 });
    const factor = shape ? w.add('Reshape', [head(12), w.ints(...shape)])
      : w.add('Reshape', [w.add('MatMul', [w.add('Reshape', [head(8), w.ints(2, 4, 2)]), w.add('Reshape', [head(6), w.ints(2, 2, 3)])]),
        w.ints(2, 4, 3, 1, 1)]);
    const y = aggregate(w, 'x', w.add('Mul', [bank, factor]), { N: 2, C: 3, O: 4, R: 3, H: 4, W: 4 }, '/conv');
    const graph = checkModel(w.model({ x: [2, 3, 4, 4] }, [y]));
    assert.equal(dynamicOf(graph).length, 0);
    assert.deepEqual(graph.nodes.find(({ op }) => op === 'conv2d').inputs[1].shape, [2, 4, 3, 3, 3]);
  }
});

test('zero padding before a convolution belongs to it, other padding does not', () => {
  for (const [pads, mode, expected] of [
    [[0, 0, 1, 0, 0, 0, 2, 1], 'constant', [2, 1, 3, 2]], [[0, 0, 1, 0, 0, 0, 2, 1], 'edge', null],
    [[0, 1, 1, 0, 0, 0, 2, 1], 'constant', null],
  ]) {
    const w = new Writer();
    const padded = w.add('Pad', ['x', w.ints(...pads)], { mode });
    const C = 2 + pads[1];
    const y = w.conv(padded, w.parameter('weight', [3, C, 3, 3]), '', { pads: [1, 1, 1, 1], strides: [2, 2] }, '/conv');
    const graph = checkModel(w.model({ x: [1, 2, 6, 5] }, [y]));
    assert.deepEqual(opsOf(graph), expected ? ['conv2d'] : ['pad', 'conv2d']);
    assert.deepEqual(graph.nodes.at(-1).attributes.padding, expected ?? [1, 1, 1, 1]);
  }
});

test('means of an image in every form', () => {
  const [N, C, H, W] = [2, 4, 3, 5];
  const forms = {
    'global pool': (w) => w.add('GlobalAveragePool', ['x']),
    'both axes': (w) => w.add('ReduceMean', ['x'], { axes: [-1, 2], keepdims: 0 }),
    'pixels in a row': (w) => w.add('ReduceMean', [w.add('Reshape', ['x', w.ints(N, C, -1)])], { axes: [2], keepdims: 0 }),
    'columns, then rows': (w) => w.add('ReduceMean', [w.add('ReduceMean', ['x'], { axes: [3], keepdims: 0 })], { axes: [2], keepdims: 0 }),
    'rows, then columns': (w) => w.add('ReduceMean', [w.add('ReduceMean', ['x'], { axes: [2], keepdims: 1 })], { axes: [3], keepdims: 1 }),
    'a pool of the size of the image': (w) => w.add('AveragePool', ['x'], { kernel_shape: [H, W] }),
    // these are no means of planes
    'one axis': (w) => w.add('ReduceMean', ['x'], { axes: [3], keepdims: 0 }),
    'a part': (w) => w.add('AveragePool', ['x'], { kernel_shape: [H, 3], strides: [1, 3] }),
  };
  for (const [name, form] of Object.entries(forms)) {
    const w = new Writer();
    const mean = w.add('Flatten', [form(w)]);
    const isWhole = !['one axis', 'a part'].includes(name);
    const features = isWhole ? C : C * (name === 'a part' ? 1 : H);
    const a = w.add('Sigmoid', [w.add('Gemm', [mean, w.parameter('fc.weight', [3, features]), w.parameter('fc.bias', [3])], { transB: 1 })]);
    const y = aggregate(w, 'x', w.add('MatMul', [a, w.parameter('conv.weight', [3, 24])]), { N, C, O: 6, R: 1, H, W }, '/conv');
    const ops = opsOf(checkModel(w.model({ x: [N, C, H, W] }, [y])));
    assert.equal(ops.includes('attention'), isWhole, `${name}: ${ops}`);
    if (isWhole) assert.deepEqual(ops, ['attention', 'dynamicConv2d'], name);
  }
});

test('squeeze and excitation around a constant kernel is no dynamic layer', () => {
  const w = new Writer();
  const gate = (x, name) => w.add('Mul', [x, w.add('Sigmoid',
    [w.conv(w.add('GlobalAveragePool', [x]), w.parameter(`${name}.weight`, [4, 4, 1, 1]), w.parameter(`${name}.bias`, [4]), {}, `/${name}`)])]);
  const y = gate(w.conv(gate('x', 'before'), w.parameter('conv.weight', [4, 4, 1, 1]), '', {}, '/conv'), 'after');
  const graph = checkModel(w.model({ x: [2, 4, 5, 5] }, [y]));
  assert.equal(dynamicOf(graph).length, 0);
  assert.equal(opsOf(graph).filter((op) => op === 'multiply').length, 2);
});
