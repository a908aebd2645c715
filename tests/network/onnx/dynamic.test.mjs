// Dynamic convolutions as exporters write them. They are recognised and named, and compute the same numbers as the
// file's nodes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layerNames } from '../../../web/dynakernel/network/onnx/layer-names.js';
import { readOnnx } from '../../../web/dynakernel/network/onnx/read-onnx.js';
import { evaluate } from '../evaluate.mjs';
import { node, tensor } from '../onnx-writer.mjs';
import { Writer, aggregate, diteBlock, diteLike } from './dite-like.mjs';
import { assertClose, checkModel as check, dynamicOf, opsOf, random, shapesOf, traceOnnx } from './support.mjs';

for (const N of [1, 3]) {
  test(`a network like Dite-HRNet, ${N} images`, () => {
    const graph = check(diteLike(N));
    const ops = opsOf(graph);
    const dynamic = dynamicOf(graph);
    assert.deepEqual(dynamic.map(({ name }) => name), ['stem.branch1.0.conv', 'stem.branch2.2.conv']);
    assert.deepEqual(shapesOf(dynamic[0]), [[N, 8, 8, 6], [N, 4], [4, 8, 1, 3, 3]]);
    assert.deepEqual(shapesOf(dynamic[1]), [[N, 8, 8, 6], [N, 4], [4, 8, 8, 1, 1], [4, 8]]);
    assert.deepEqual(dynamic.map(({ attributes }) => attributes.groups), [8, 1]);
    assert.deepEqual(dynamic.map(({ inputs }) => inputs[2].stateName),
      ['stem.branch1.0.conv.aggregation.weight', 'stem.branch2.2.conv.aggregation.weight']);
    assert.deepEqual(dynamic[1].inputs[3].stateName, 'stem.branch2.2.conv.aggregation.bias');
    // the attention, whether the exporter folded its batch norm or not
    const attentions = graph.nodes.filter(({ op }) => op === 'attention');
    assert.deepEqual(attentions.map(({ name }) => name), ['stem.branch1.0.conv.attention', 'stem.branch2.2.conv.attention']);
    assert.deepEqual(attentions.map(({ attributes }) => Math.fround(attributes.eps)), [0, Math.fround(1e-5)]);
    assert.deepEqual(attentions[1].inputs[1].stateName, 'stem.branch2.2.conv.attention.conv1.weight');
    // no nodes of folded batches, shapes and transposes remain
    assert.equal(ops.filter((op) => op === 'channelShuffle').length, 1);
    for (const op of ['linear', 'transpose', 'sigmoid2', 'reduceMean', 'expand']) assert.ok(!ops.includes(op), op);
    assert.equal(ops.filter((op) => op === 'resize').length, 1);
  });
}

/** DyConv's attention: mean, two 1x1 convolutions and a softmax over K kernels. */
function softAttention(w, x, { N, C, K }, path) {
  const relu = w.add('Relu',
    [w.conv(w.add('GlobalAveragePool', [x]), w.parameter('layer.attention.fc1.weight', [3, C, 1, 1]), '', {}, path)]);
  const second = w.conv(relu, w.parameter('layer.attention.fc2.weight', [K, 3, 1, 1]), w.parameter('layer.attention.fc2.bias', [K]), {},
    path);
  const scaled = w.add('Div', [w.add('Reshape', [second, w.ints(N, -1)]), w.add('Constant', [], { value_float: { f: 34 } })]);
  return w.add('Softmax', [scaled], { axis: 1 });
}

for (const N of [1, 2]) {
  test(`DyConv, ${N} images: a softmax and a mixed bias`, () => {
    const w = new Writer();
    const sizes = { N, C: 4, O: 6, R: 3, G: 2, H: 5, W: 4, stride: 2 };
    const a = softAttention(w, 'x', { N, C: 4, K: 4 }, '/layer/attention/fc1');
    const weight = w.add('Reshape', [w.parameter('layer.weight', [4, 6, 2, 3, 3]), w.ints(4, -1)]);
    const bias = w.add('Reshape', [w.add('MatMul', [a, w.parameter('layer.bias', [4, 6])]), w.ints(-1)]);
    const y = aggregate(w, 'x', w.add('MatMul', [a, weight]), { ...sizes, bias }, '/layer');
    const graph = check(w.model({ x: [N, 4, 5, 4] }, [y]));
    const [dynamic] = dynamicOf(graph);
    assert.equal(dynamic.name, 'layer');
    assert.deepEqual(shapesOf(dynamic), [[N, 4, 5, 4], [N, 4], [4, 6, 2, 3, 3], [4, 6]]);
    assert.deepEqual([dynamic.inputs[2].stateName, dynamic.inputs[3].stateName], ['layer.weight', 'layer.bias']);
    assert.deepEqual(opsOf(graph), ['attention', 'dynamicConv2d']);
    const [attention] = graph.nodes;
    assert.deepEqual(attention.attributes, { eps: 0, temperature: 34, softmax: true });
    assert.deepEqual(attention.inputs.map((value) => value?.stateName),
      [undefined, 'layer.attention.fc1.weight', ...new Array(4).fill(undefined), 'layer.attention.fc2.weight', 'layer.attention.fc2.bias']);
  });

  test(`CondConv, ${N} images: one linear routing for two convolutions`, () => {
    const w = new Writer();
    const mean = w.add('Flatten', [w.add('GlobalAveragePool', ['x'])]);
    const routing = w.add('Sigmoid',
      [w.add('Gemm', [mean, w.parameter('routing.weight', [3, 4]), w.parameter('routing.bias', [3])], { transB: 1 })]);
    const sizes = { N, C: 4, O: 4, H: 5, W: 5 };
    const first = aggregate(w, 'x', w.add('MatMul', [routing, w.parameter('conv_pw.weight', [3, 16])]), { ...sizes, R: 1 }, '/conv_pw');
    const second = aggregate(w, w.add('Relu', [first]), w.add('MatMul', [routing, w.parameter('conv_dw.weight', [3, 36])]),
      { ...sizes, R: 3, G: 4 }, '/conv_dw');
    const graph = check(w.model({ x: [N, 4, 5, 5] }, [second]));
    const dynamic = dynamicOf(graph);
    assert.deepEqual(dynamic.map(({ name }) => name), ['conv_pw', 'conv_dw']);
    assert.equal(dynamic[0].inputs[1], dynamic[1].inputs[1]);
    assert.deepEqual(opsOf(graph), ['attention', 'dynamicConv2d', 'relu', 'dynamicConv2d']);
    assert.deepEqual(dynamic[0].inputs[2].stateShape, [3, 16]);
  });

  for (const [K, R] of [[4, 3], [1, 3], [4, 1]]) {
    test(`ODConv, ${N} images, K = ${K}, R = ${R}: a product of attentions`, () => {
      const w = new Writer();
      const [C, O, H, W] = [4, 6, 5, 4];
      const z = w.add('Relu',
        [w.conv(w.add('GlobalAveragePool', ['x']), w.parameter('fc.weight', [4, C, 1, 1]), w.parameter('fc.bias', [4]), {}, '/fc')]);
      const head = (name, length, activation, shape) => w.add('Reshape', [w.add(activation, [
        w.conv(z, w.parameter(`${name}.weight`, [length, 4, 1, 1]), w.parameter(`${name}.bias`, [length]), {}, `/${name}`)],
          activation === 'Softmax' ? { axis: 1 } : {}), w.ints(...shape)]);
      const s = head('channel_fc', C, 'Sigmoid', [N, C, 1, 1]);
      const f = head('filter_fc', O, 'Sigmoid', [N, O, 1, 1]);
      const scaled = w.add('Mul', ['x', s]);
      const kernels = w.add('Unsqueeze', [w.parameter('conv.weight', [K, O, C, R, R]), w.ints(0)]);
      let product = kernels;
      const factors = [];
      if (R > 1) factors.push(head('spatial_fc', R * R, 'Sigmoid', [N, 1, 1, 1, R, R]));
      if (K > 1) factors.push(head('kernel_fc', K, 'Softmax', [N, K, 1, 1, 1, 1]));
      product = w.add('Mul', [factors.reduce((a, b) => w.add('Mul', [a, b])), kernels]);
      const mixed = w.add('ReduceSum', [product, w.ints(1)], { keepdims: 0 });
      const y = w.add('Mul', [aggregate(w, scaled, mixed, { N, C, O, R, H, W }, '/conv'), f]);
      const graph = check(w.model({ x: [N, C, H, W] }, [y]));
      assert.deepEqual(opsOf(graph), ['attention', 'dynamicConv2d']);
      const [dynamic] = dynamicOf(graph);
      assert.equal(dynamic.name, 'conv');
      const q = R > 1 ? [[N, R * R]] : [];
      assert.deepEqual(shapesOf(dynamic), [[N, C, H, W], K > 1 ? [N, K] : null, [K, O, C, R, R], null, [N, O], [N, C], ...q]);
      assert.equal(dynamic.inputs[2].stateName, 'conv.weight');
      // the numbers of each head go where they belong
      const heads = graph.nodes[0].inputs.slice(6).map((value) => value?.stateName).filter((name) => name?.endsWith('weight'));
      assert.deepEqual(heads, ['kernel_fc', 'filter_fc', 'channel_fc', 'spatial_fc'].map((name) => `${name}.weight`)
        .filter((name) => (K > 1 || name !== 'kernel_fc.weight') && (R > 1 || name !== 'spatial_fc.weight')));
    });
  }

  test(`kernels in other orders, ${N} images`, () => {
    const w = new Writer();
    const [C, O, K, R] = [3, 4, 5, 3];
    const L = O * C * R * R;
    // stored as [K, R, R, C, O], TensorFlow's order
    const a = w.add('Softmax',
      [w.add('Reshape', [w.conv(w.add('GlobalAveragePool', ['x']), w.parameter('fc', [K, C, 1, 1]), '', {}, '/fc'), w.ints(N, K)])],
      { axis: 1 });
    const mixed = w.add('Reshape', [w.add('MatMul', [a, w.parameter('bank', [K, L])]), w.ints(N, R, R, C, O)]);
    const y = aggregate(w, 'x', w.add('Transpose', [mixed], { perm: [0, 4, 3, 1, 2] }), { N, C, O, R, H: 4, W: 4 }, '/tf');
    // the constant at the left, and a Gemm with transB
    const left = w.add('MatMul', [w.parameter('left', [L, K]), w.add('Transpose', [a], { perm: [1, 0] })]);
    const y2 = aggregate(w, 'x', w.add('Transpose', [left], { perm: [1, 0] }), { N, C, O, R, H: 4, W: 4 }, '/left');
    const y3 = aggregate(w, 'x', w.add('Gemm', [a, w.parameter('gemm', [L, K])], { transB: 1 }), { N, C, O, R, H: 4, W: 4 }, '/gemm');
    const graph = check(w.model({ x: [N, C, 4, 4] }, [y, y2, y3]));
    assert.deepEqual(dynamicOf(graph).map(({ name }) => name), ['tf', 'left', 'gemm']);
    assert.ok(!opsOf(graph).includes('matmul') && !opsOf(graph).includes('transpose'), String(opsOf(graph)));
  });

  test(`any other computed weight is a runtime kernel, ${N} images`, () => {
    const w = new Writer();
    const [C, O, R] = [2, 3, 3];
    const mean = w.add('Flatten', [w.add('GlobalAveragePool', ['x'])]);
    const hidden = w.add('Gemm', [mean, w.parameter('hyper.weight', [O * C * R * R, C]), w.parameter('hyper.bias', [O * C * R * R])],
      { transB: 1 });
    const bias = w.add('Reshape', [w.add('MatMul', [mean, w.parameter('b', [C, O])]), w.ints(-1)]);
    const y = aggregate(w, 'x', hidden, { N, C, O, R, H: 4, W: 5, bias }, '/hyper');
    const graph = check(w.model({ x: [N, C, 4, 5] }, [y]));
    const [conv] = graph.nodes.filter(({ op }) => op === 'conv2d');
    assert.deepEqual(conv.inputs[1].shape, N === 1 ? [O, C, R, R] : [N, O, C, R, R]);
    assert.equal(conv.attributes.groups, 1);
    assert.equal(conv.inputs.length, 1 + 1, 'a computed bias is added afterwards');
    assert.ok(opsOf(graph).includes('add'));
  });
}

test('a constant bias, one of another attention, and a computed bias of constant kernels stay additions', () => {
  const w = new Writer();
  const sizes = { N: 2, C: 4, O: 4, R: 1, H: 3, W: 3 };
  const one = diteBlock(w, 'x', '/one', sizes);
  const a = softAttention(w, 'x', { N: 2, C: 4, K: 3 }, '/a');
  const b = w.add('Sigmoid', [a]);
  const bias = w.add('Reshape', [w.add('MatMul', [b, w.parameter('bias', [3, 4])]), w.ints(-1)]);
  const two = aggregate(w, one, w.add('MatMul', [a, w.parameter('two.weight', [3, 16])]), { ...sizes, bias }, '/two');
  const three = aggregate(w, two, w.add('MatMul', [a, w.parameter('three.weight', [3, 16])]),
    { ...sizes, bias: w.parameter('three.bias', [8]) }, '/three');
  const mean = w.add('Flatten', [w.add('ReduceMean', [three], { axes: [0, 2, 3], keepdims: 0 })], { axis: 0 });
  const y = w.conv(three, w.parameter('last.weight', [4, 4, 1, 1]), w.add('Reshape', [mean, w.ints(-1)]), {}, '/last');
  const graph = check(w.model({ x: [2, 4, 3, 3] }, [y]));
  assert.deepEqual(dynamicOf(graph).map(({ inputs }) => inputs.length), [3, 3, 3]);
  assert.equal(opsOf(graph).filter((op) => op === 'add').length, 3);
});

test('scales that something else uses stay outside of a dynamic layer', () => {
  const w = new Writer();
  const sizes = { N: 1, C: 4, O: 4, R: 1, H: 3, W: 3 };
  const scale = w.add('Sigmoid', [w.add('GlobalAveragePool', ['x'])]);
  const scaled = w.add('Mul', ['x', scale]);
  const y = diteBlock(w, scaled, '/block', sizes); // its attention needs the scaled input too
  const excited = w.add('Mul', [y, w.add('Sigmoid', [w.add('GlobalAveragePool', [y])])]); // squeeze and excitation
  const graph = check(w.model({ x: [1, 4, 3, 3] }, [excited]));
  assert.equal(dynamicOf(graph)[0].inputs.length, 3);
  assert.equal(opsOf(graph).filter((op) => op === 'multiply').length, 2);
});

test('a sum over kernels that are expanded, with and without a batch axis', () => {
  const w = new Writer();
  const [K, C, O] = [3, 4, 5];
  const a = w.add('Softmax', [w.add('Flatten', [w.add('GlobalAveragePool', ['x'])])], { axis: 1 });
  const three = w.add('Slice', [a, w.ints(0), w.ints(K), w.ints(1)]);
  const bank = w.parameter('bank.weight', [K, O, C, 1, 1]);
  const whole = w.add('Expand', [w.add('Reshape', [three, w.ints(1, K, 1, 1, 1, 1)]), w.ints(1, K, O, C, 1, 1)]);
  const first = w.add('ReduceSum', [w.add('Mul', [whole, w.add('Unsqueeze', [bank, w.ints(0)])]), w.ints(1)], { keepdims: 0 });
  const second = w.add('ReduceSum', [w.add('Mul', [w.add('Reshape', [three, w.ints(K, 1, 1, 1, 1)]), bank]), w.ints(0)], { keepdims: 0 });
  const sizes = { N: 1, C, O, R: 1, H: 3, W: 3 };
  const graph = check(w.model({ x: [1, C, 3, 3] }, [aggregate(w, 'x', first, sizes, '/one'), aggregate(w, 'x', second, sizes, '/two')]));
  assert.deepEqual(dynamicOf(graph).map(shapesOf), [0, 1].map(() => [[1, C, 3, 3], [1, K], [K, O, C, 1, 1]]));
});

test('a scale of an output with a bias, or of an output that is needed by itself, stays a multiplication', () => {
  const sizes = { N: 2, C: 4, O: 4, R: 1, H: 3, W: 3 };
  for (const bias of [true, false]) {
    const w = new Writer();
    const y = diteBlock(w, 'x', '/block', { ...sizes, bias });
    const scaled = w.add('Mul', [w.add('Sigmoid', [w.add('GlobalMaxPool', ['x'])]), y]);
    const graph = check(w.model({ x: [2, 4, 3, 3] }, bias ? [scaled] : [scaled, y]));
    assert.equal(dynamicOf(graph).length, 1);
    assert.equal(dynamicOf(graph)[0].inputs.length, bias ? 4 : 3);
    assert.equal(opsOf(graph).filter((op) => op === 'multiply').length, 1);
  }
});

test('an attention with a bias before its batch norm is computed by ordinary nodes', () => {
  const w = new Writer();
  const y = diteBlock(w, 'x', '/block', { N: 2, C: 4, O: 4, R: 1, H: 3, W: 3, folded: false, biased: true });
  const graph = check(w.model({ x: [2, 4, 3, 3] }, [y]));
  assert.equal(dynamicOf(graph).length, 1);
  assert.ok(opsOf(graph).includes('batchNorm') && !opsOf(graph).includes('attention'));
});

test('a product whose rows are no samples is a runtime kernel', () => {
  const w = new Writer();
  const [N, C, O] = [2, 3, 4];
  const a = w.add('Softmax', [w.add('Flatten', [w.add('GlobalAveragePool', ['x'])])], { axis: 1 });
  const mixed = w.add('MatMul', [a, w.parameter('bank.weight', [C, O * C])]);
  // the samples take turns along the output channels
  const turned = w.add('Transpose', [w.add('Reshape', [mixed, w.ints(N, O, C)])], { perm: [1, 0, 2] });
  const y = aggregate(w, 'x', turned, { N, C, O, R: 1, H: 3, W: 3 }, '/turned');
  const graph = check(w.model({ x: [N, C, 3, 3] }, [y]));
  assert.equal(dynamicOf(graph).length, 0);
  assert.deepEqual(graph.nodes.find(({ op }) => op === 'conv2d').inputs[1].shape, [N, O, C, 1, 1]);
});

test('weights are views of the file if they are aligned', () => {
  let views = 0;
  for (let shift = 0; shift < 4; shift++) {
    const w = new Writer();
    w.constants[`p${'a'.repeat(shift)}`] = tensor([1], [1]);
    w.constants.bank = tensor([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);
    const a = w.add('Softmax', [w.add('Flatten', [w.add('GlobalAveragePool', ['x'])])], { axis: 1 });
    const y = aggregate(w, 'x', w.add('MatMul', [a, 'bank']), { N: 1, C: 2, O: 2, R: 1, H: 2, W: 2 }, '/block');
    const bytes = w.model({ x: [1, 2, 2, 2] }, [y]);
    const file = new Uint8Array(bytes).slice();
    const at = Buffer.from(file.buffer).indexOf(Buffer.from(new Float32Array([1, 2, 3, 4]).buffer));
    const [dynamic] = dynamicOf(readOnnx(file));
    const isView = dynamic.inputs[2].constant.buffer === file.buffer;
    assert.equal(isView, at % 4 === 0);
    views += Number(isView);
    assert.deepEqual([...dynamic.inputs[2].constant], [1, 2, 3, 4, 5, 6, 7, 8]);
  }
  assert.equal(views, 1);
});

test('names of dynamic layers: from the initializer, from the path of the node, from the name of the node', () => {
  const nameOf = (initializer, path) => {
    const w = new Writer();
    const a = w.add('Softmax', [w.add('Flatten', [w.add('GlobalAveragePool', ['x'])])], { axis: 1 });
    const y = aggregate(w, 'x', w.add('MatMul', [a, w.parameter(initializer, [2, 4])]), { N: 1, C: 2, O: 2, R: 1, H: 2, W: 2 }, path);
    return dynamicOf(readOnnx(w.model({ x: [1, 2, 2, 2] }, [y])))[0].name;
  };
  assert.equal(nameOf('backbone.stem.conv.aggregation.weight', '/any'), 'backbone.stem.conv');
  assert.equal(nameOf('onnx::MatMul_77', '/stem/branch1/branch1.0/conv/aggregation'), 'stem.branch1.0.conv');
  assert.equal(nameOf('onnx::MatMul_77', '/conv.0/conv.0/conv'), 'conv.0.conv.0.conv');
  assert.equal(nameOf('123', 'plain'), 'plain/Conv');
  assert.deepEqual(layerNames('/a/b/aggregation/Conv', 'bank', 'onnx::1'), { layer: 'a.b', weight: 'bank', bias: 'a.b.aggregation.bias' });
  assert.deepEqual(layerNames('/a/Conv', 'x.aggregation.weight', undefined),
    { layer: 'x', weight: 'x.aggregation.weight', bias: 'x.aggregation.bias' });
  assert.deepEqual(layerNames('/a/Conv', 'x.weight', 'own.bias'), { layer: 'x', weight: 'x.weight', bias: 'own.bias' });
});

test('a kept value stays readable inside of a recognised pattern', () => {
  const w = new Writer();
  const y = diteBlock(w, 'x', '/block', { N: 2, C: 4, O: 4, R: 1, H: 3, W: 3 });
  w.nodes.push(node('Identity', [y], ['y']));
  const bytes = w.model({ x: [2, 4, 3, 3] }, ['y']);
  const names = ['/block/attention/conv2/Conv', '/block/aggregation/Conv', '/block/aggregation/Gemm'];
  const input = random([2, 4, 3, 3]).data;
  const kept = evaluate(readOnnx(bytes, { keep: names }), { x: input }).kept;
  const plain = evaluate(traceOnnx(bytes, { keep: names }).graph(), { x: input }).kept;
  assert.deepEqual(Object.keys(kept), names);
  for (const name of names) {
    assert.deepEqual(kept[name].shape, plain[name].shape);
    assertClose(kept[name].data, plain[name].data, name);
  }
});

test('a layer that was recognised is kept by its own name', () => {
  const w = new Writer();
  const y = diteBlock(w, 'x', '/stem/conv', { N: 2, C: 4, O: 4, R: 1, H: 3, W: 3 });
  w.nodes.push(node('Identity', [y], ['y']));
  const bytes = w.model({ x: [2, 4, 3, 3] }, ['y']);
  const { kept, outputs } = evaluate(readOnnx(bytes, { keep: ['stem.conv', 'stem.conv.attention'] }),
    { x: random([2, 4, 3, 3]).data });
  assert.deepEqual(kept['stem.conv'], outputs.y);
  assert.deepEqual(kept['stem.conv.attention'].shape, [2, 4]);
  const unknown = () => readOnnx(bytes, { keep: ['stem.other'] });
  assert.throws(unknown, /keep names "stem\.other", which no tensor, node or layer of the model has/);
});
