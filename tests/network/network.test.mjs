// The class Network: arguments and errors, sizes, layers, attention, kept values, state dicts, lifetimes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gunzipSync } from 'node:zlib';
import { parseCheckpoint, parseSafetensors, toSafetensors } from '../../web/dynakernel/index.js';
import { GraphBuilder } from '../../web/dynakernel/network/graph.js';
import { createNetwork } from '../../web/dynakernel/network/network.js';
import { readOnnx } from '../../web/dynakernel/network/onnx/read-onnx.js';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { DISPOSE } from '../../web/dynakernel/boundary.js';
import { algorithmsOf, assertClose, assertRefused, loadRuntime, randomTensor } from '../helpers.mjs';
import { interpret } from './interpret.mjs';
import { Writer, diteBlock, diteLike } from './onnx/dite-like.mjs';
import { random } from './onnx/support.mjs';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

const dk = await loadRuntime();
after(() => dk.dispose());
const heap = heapOf(dk);

/** A file with open sizes: a convolution, a dynamic block, and two outputs. */
function openFile() {
  const w = new Writer(5);
  const y = w.add('Relu', [w.conv('image', w.parameter('first.weight', [8, 3, 3, 3]), w.parameter('first.bias', [8]),
    { pads: [1, 1, 1, 1] }, '/first')], {}, '/relu');
  const block = diteBlock(w, y, '/block', { N: 1, C: 8, O: 8, R: 1, H: 0, W: 0, folded: false });
  const head = w.add('GlobalAveragePool', [block], {}, '/pool');
  w.constants.unread = w.constants['first.bias'];
  return w.model({ image: [1, 3, 'height', 'width'] }, [block, head]);
}

/** A graph of one convolution with its parameters. */
function smallGraph(shape = [1, 2, 4, 4], { name = 'conv', extra = [] } = {}) {
  const builder = new GraphBuilder();
  const x = builder.input('x', shape);
  const parameter = (suffix, dims) => builder.constant(random(dims, 4).data, dims, `${name}.${suffix}`,
    { stateName: `${name}.${suffix}`, stateShape: dims });
  const [y] = builder.add('conv2d', name, [x, parameter('weight', [3, shape[1], 1, 1]), parameter('bias', [3])],
    { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 });
  let value = y;
  for (const { op, inputs = [], attributes } of extra) {
    const others = inputs.map(([numbers, dims]) => builder.constant(Float32Array.from(numbers), dims, 'number'));
    [value] = builder.add(op, op, [value, ...others], attributes);
  }
  builder.outputs = [{ name: 'y', value }];
  return builder.graph();
}

const make = (makeGraph) => createNetwork(heap, makeGraph, { label: 'test' });

function assertSame(actual, { outputs }) {
  const byName = 'shape' in actual ? { [Object.keys(outputs)[0]]: actual } : actual;
  assert.deepEqual(Object.keys(byName), Object.keys(outputs));
  for (const [name, { shape, data }] of Object.entries(outputs)) {
    assert.deepEqual([...byName[name].shape], shape);
    assertClose(byName[name].toArray(), data, name);
  }
}

test('an ONNX file: inputs, outputs, forward', () => {
  const bytes = diteLike(1);
  const net = dk.onnxNetwork(bytes);
  assert.deepEqual(net.inputs, { image: [1, 3, 16, 12] });
  assert.deepEqual(net.outputs, { heatmaps: [1, 16, 16, 12] });
  const x = randomTensor(dk, [1, 3, 16, 12]);
  const expected = interpret(readOnnx(bytes), { image: x.toArray() });
  const y = net.forward(x);
  assertSame(y, expected);
  // named, and into a tensor
  const out = dk.zeros([1, 16, 16, 12]);
  assert.equal(net.forward({ image: x }, { out }), out);
  assertSame(out, expected);
  assert.equal(net.forward(x, { out: { heatmaps: out } }), out);
  net.dispose();
});

test('several outputs are an object, and out may give some of them', () => {
  const net = dk.onnxNetwork(openFile(), { shapes: { image: [1, 3, 5, 6] } });
  const x = randomTensor(dk, [1, 3, 5, 6]);
  const [block, head] = Object.keys(net.outputs);
  const made = net.forward(x);
  assert.deepEqual(Object.keys(made), [block, head]);
  const out = dk.zeros([1, 8, 1, 1]);
  const again = net.forward(x, { out: { [head]: out } });
  assert.equal(again[head], out);
  assert.deepEqual(out.toArray(), made[head].toArray());
  const wrong = dk.zeros([1, 8, 1, 2]);
  const live = heap.live;
  assertRefused(() => net.forward(x, { out: { [head]: wrong } }), 'ERR_SHAPE', '[1, 8, 1, 1]', '[1, 8, 1, 2]');
  assertRefused(() => net.forward(x, { out: wrong }), 'ERR_CONFIG', 'an object with a Tensor for each output', 'a Tensor');
  assertRefused(() => net.forward(x, { out: { nothing: wrong } }), 'ERR_CONFIG', '"nothing"');
  const same = dk.zeros([1, 8, 5, 6]);
  assertRefused(() => net.forward(x, { out: { [block]: same, [head]: same } }), 'ERR_SHAPE', '[1, 8, 1, 1]');
  same.dispose();
  assert.equal(heap.live, live, 'the output that was made before the error is freed');
  net.dispose();
});

test('inputs that do not fit are named, with the shapes that were given and expected', () => {
  const net = make(() => smallGraph());
  const refused = (x, code, ...words) => assertRefused(() => net.forward(x), code, ...words);
  refused(dk.zeros([2, 4, 4]), 'ERR_SHAPE', 'the input x', '4 dimensions', '[1, 2, 4, 4]', '[2, 4, 4]');
  refused(dk.zeros([0, 2, 4, 4]), 'ERR_SHAPE', 'the input x', 'must not be empty', '[0, 2, 4, 4]');
  refused({ y: dk.zeros([1]) }, 'ERR_CONFIG', 'x', '"y"');
  refused({}, 'ERR_CONFIG', 'undefined for x');
  refused(3, 'ERR_CONFIG', 'a Tensor for the input x', '3');
  refused(null, 'ERR_CONFIG', 'null');
  refused({ x: [1] }, 'ERR_CONFIG', '[1]');
  const gone = dk.zeros([1, 2, 4, 4]);
  gone.dispose();
  refused(gone, 'ERR_DISPOSED', 'the input x');
  assertRefused(() => net.forward(dk.zeros([1, 2, 4, 4]), { into: 1 }), 'ERR_CONFIG', '"into"');
  const x = dk.zeros([1, 2, 4, 4]);
  assertRefused(() => net.forward(x, { out: x }), 'ERR_SHAPE', 'out', '[1, 3, 4, 4]');
  net.dispose();
  const file = dk.onnxNetwork(diteLike(1));
  assertRefused(() => file.forward(dk.zeros([1, 3, 16, 13])), 'ERR_SHAPE', 'image', '[1, 3, 16, 12]', '[1, 3, 16, 13]');
  file.dispose();
});

test('a tensor of another runtime is refused', async () => {
  const other = await loadRuntime();
  const net = make(() => smallGraph());
  assertRefused(() => net.forward(other.zeros([1, 2, 4, 4])), 'ERR_CONFIG', 'the input x', 'another runtime');
  net.dispose();
  other.dispose();
});

test('several inputs are an object', () => {
  const builder = new GraphBuilder();
  const [a, b] = [builder.input('a', [2, 3]), builder.input('b', [3])];
  builder.outputs = [{ name: 'y', value: builder.add('subtract', 'minus', [a, b])[0] }];
  const graph = builder.graph();
  const net = make(() => graph);
  const tensors = { b: dk.tensor([1, 2, 3], [3]), a: dk.tensor([1, 2, 3, 4, 5, 6], [2, 3]) };
  assert.deepEqual([...net.forward(tensors).toArray()], [0, 0, 0, 3, 3, 3]);
  assertRefused(() => net.forward(tensors.a), 'ERR_CONFIG', 'an object with a Tensor for each input: { a, b }', 'a Tensor');
  assertRefused(() => net.forward({ a: tensors.a }), 'ERR_CONFIG', 'undefined for b');
  net.dispose();
});

test('other sizes are planned when they come, and the file is not needed', () => {
  const bytes = new Uint8Array(openFile()).slice();
  const copy = bytes.slice();
  const net = dk.onnxNetwork(bytes, { shapes: { image: [1, 3, 5, 6] } });
  bytes.fill(0);
  for (const [H, W] of [[5, 6], [8, 8], [5, 7], [1, 1], [9, 4], [8, 8], [5, 6]]) {
    const x = randomTensor(dk, [1, 3, H, W], H);
    const y = net.forward(x);
    assertSame(y, interpret(readOnnx(copy, { shapes: { image: [1, 3, H, W] } }), { image: x.toArray() }));
    assert.deepEqual(net.inputs, { image: [1, 3, H, W] });
    assert.deepEqual(Object.values(net.outputs), [[1, 8, H, W], [1, 8, 1, 1]]);
  }
  net.dispose();
});

test('a network keeps nothing of the bytes', async () => {
  const run = () => {
    const bytes = new Uint8Array(openFile()).slice();
    const net = dk.onnxNetwork(bytes, { shapes: { image: [1, 3, 5, 6] }, keep: ['/first/Conv'] });
    Object.values(net.forward(dk.zeros([1, 3, 6, 6]))).forEach((tensor) => tensor.dispose());
    return { net, memory: new WeakRef(bytes.buffer) };
  };
  const { net, memory } = run();
  // a WeakRef that was read keeps its object until the task ends
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    collectGarbage();
  }
  assert.equal(memory.deref(), undefined);
  net.dispose();
});

test('the last four plans are kept', () => {
  const calls = [];
  const net = make((shapes) => {
    calls.push(shapes);
    return smallGraph(shapes?.x);
  });
  const run = (length) => net.forward(dk.zeros([1, 2, length, 4])).dispose();
  for (const length of [4, 5, 6, 7, 4, 7, 6, 5]) run(length);
  assert.deepEqual(calls.map((shapes) => shapes?.x[2]), [undefined, 5, 6, 7]);
  run(8);
  run(7);
  assert.equal(calls.length, 5);
  run(4); // the oldest of five
  assert.equal(calls.length, 6);
  net.dispose();
});

test('parameters keep what was loaded when other sizes are planned', () => {
  const net = dk.onnxNetwork(openFile(), { shapes: { image: [1, 3, 5, 6] } });
  const dict = net.stateDict();
  dict['first.weight'].data.fill(0.25);
  net.loadStateDict(dict);
  const x = randomTensor(dk, [1, 3, 7, 7]);
  const other = net.forward(x);
  assert.deepEqual(net.stateDict(), dict);
  const same = dk.onnxNetwork(openFile(), { shapes: { image: [1, 3, 7, 7] } });
  same.loadStateDict(dict);
  const expected = same.forward(x);
  for (const name of Object.keys(expected)) assertClose(other[name].toArray(), expected[name].toArray(), name);
  net.dispose();
  same.dispose();
});

test('a network whose constants depend on the sizes cannot change them', () => {
  const refused = (makeGraph, ...words) => {
    const net = make(makeGraph);
    assertRefused(() => net.forward(dk.zeros([1, 2, 5, 4])), 'ERR_SHAPE', 'test', 'x [1, 2, 5, 4]', 'x [1, 2, 4, 4]', ...words);
    assert.deepEqual([...net.forward(dk.zeros([1, 2, 4, 4])).shape], [1, 3, 4, 4], 'the network still runs');
    net.dispose();
  };
  const scaled = (numbers, dims) => ({ op: 'multiply', inputs: [[numbers, dims]] });
  refused((shapes) => smallGraph(shapes?.x, { extra: [scaled([shapes?.x[2] ?? 4], [])] }), 'number', 'its numbers change');
  refused((shapes) => smallGraph(shapes?.x, { extra: [scaled(new Array(shapes?.x[2] ?? 4).fill(1), [shapes?.x[2] ?? 4, 1])] }),
    'number', '[4, 1] becomes [5, 1]');
  refused((shapes) => smallGraph(shapes?.x, { extra: shapes ? [scaled([1], [])] : [] }), 'it is new');
  refused((shapes) => smallGraph(shapes?.x, { extra: shapes ? [] : [scaled([1], [])] }), 'it is gone');
  refused((shapes) => smallGraph(shapes?.x, { name: shapes ? 'other' : 'conv' }), 'other.weight');
  // a file that divides by the number of pixels
  const w = new Writer();
  const size = w.add('Cast', [w.add('Size', ['x'])], { to: 1 });
  const bytes = w.model({ x: [1, 2, 'h', 4] }, [w.add('Div', ['x', size])]);
  const net = dk.onnxNetwork(bytes, { shapes: { x: [1, 2, 4, 4] } });
  assertRefused(() => net.forward(dk.zeros([1, 2, 5, 4])), 'ERR_SHAPE', 'onnxNetwork', 'its numbers change');
  net.dispose();
});

test('an error of the graph for other sizes names the inputs', () => {
  const net = make((shapes) => smallGraph(shapes?.x));
  assertRefused(() => net.forward(dk.zeros([1, 4, 4, 4])), 'ERR_SHAPE', 'x [1, 4, 4, 4]', 'x [1, 2, 4, 4]', 'conv.weight',
    '[3, 2, 1, 1] becomes [3, 4, 1, 1]');
  net.dispose();
});

test('layers', () => {
  const net = dk.onnxNetwork(diteLike(2));
  const nodes = new Map(readOnnx(diteLike(2)).nodes.map((node) => [node.name, node]));
  const { layers } = net;
  const covered = layers.flatMap(({ name, op, fused }) => (op === 'copy' ? [] : [name, ...fused]));
  assert.ok(layers.length > 0);
  for (const { name, op, output, algorithm, multiplyAdds, fused } of layers) {
    const node = nodes.get(name);
    assert.ok(node, name);
    if (op !== 'copy') assert.equal(op, node.op);
    assert.equal(Array.isArray(output), true);
    assert.ok(multiplyAdds >= 0);
    const isConvolution = ['conv2d', 'dynamicConv2d'].includes(op);
    assert.equal(isConvolution, algorithm !== null, `${name} ${op}: ${algorithm}`);
    if (isConvolution) assert.ok(algorithmsOf(dk).slice(1).includes(algorithm), algorithm);
    for (const other of fused) assert.ok(nodes.has(other) && other !== name, other);
  }
  assert.equal(new Set(covered).size, covered.length, 'a node is computed once');
  const dynamic = layers.find(({ name }) => name === 'stem.branch2.2.conv');
  assert.equal(dynamic.op, 'dynamicConv2d');
  assert.equal(dynamic.multiplyAdds, 2 * 8 * 8 * 8 * 6);
  net.dispose();
});

test('layers: a copy of a constant or an input has its shape', () => {
  const w = new Writer(3);
  const joined = w.add('Concat', ['x', w.parameter('token', [1, 1, 4]), 'x'], { axis: 1 });
  const net = dk.onnxNetwork(w.model({ x: [1, 2, 4] }, [w.add('Exp', [joined])]));
  assert.deepEqual(net.layers.filter(({ op }) => op === 'copy').map(({ output }) => output.length), [3, 3, 3]);
  net.dispose();
});

test('profile: the layers, with times', () => {
  const net = dk.onnxNetwork(diteLike(1));
  const x = randomTensor(dk, [1, 3, 16, 12]);
  const live = heap.live;
  const profiled = net.profile(x, { runs: 3 });
  assert.equal(heap.live, live);
  assert.deepEqual(profiled.map(({ ms: _, ...layer }) => layer), net.layers);
  for (const { ms } of profiled) assert.ok(ms >= 0 && ms < 1000, String(ms));
  assert.ok(profiled.some(({ ms }) => ms > 0));
  assert.ok(Object.keys(net.attention).length > 0, 'it is a forward pass too');
  for (const runs of [0, 1.5, '2', Infinity]) assertRefused(() => net.profile(x, { runs }), 'ERR_CONFIG', 'runs');
  net.dispose();
});

test('attention: of every dynamic layer, after a pass', () => {
  const bytes = diteLike(3);
  const net = dk.onnxNetwork(bytes);
  assert.deepEqual(net.attention, {});
  const x = randomTensor(dk, [3, 3, 16, 12]);
  net.forward(x);
  const graph = readOnnx(bytes);
  graph.keep = graph.nodes.filter(({ op }) => op === 'dynamicConv2d').map(({ name, inputs }) => ({ name, value: inputs[1] }));
  const { kept } = interpret(graph, { image: x.toArray() });
  assert.deepEqual(Object.keys(net.attention), ['stem.branch1.0.conv', 'stem.branch2.2.conv']);
  for (const [name, numbers] of Object.entries(net.attention)) {
    assert.equal(numbers.constructor, Float32Array);
    assertClose(numbers, kept[name].data, name);
  }
  net.dispose();
});

test('attentions: what each kind of dynamic layer has', () => {
  const net = dk.network({ x: [2, 4, 5, 6] }, (g, { x }) => {
    const y = g.odConv2d(g.dyConv2d(x, { name: 'dy', outChannels: 4, kernelSize: 3, padding: 1, temperature: 2 }),
      { name: 'od', outChannels: 6, kernelSize: 3, numKernels: 3 });
    return g.odConv2d(y, { name: 'single', outChannels: 5, kernelSize: 1, numKernels: 1 });
  }, { seed: 3 });
  assert.deepEqual(net.attentions, {});
  const x = randomTensor(dk, [2, 4, 5, 6]);
  net.forward(x);
  const { attention, attentions } = net;
  const lengths = Object.fromEntries(Object.entries(attentions).map(([layer, factors]) =>
    [layer, Object.fromEntries(Object.entries(factors).map(([name, numbers]) => [name, numbers && numbers.length]))]));
  assert.deepEqual(lengths, {
    dy: { kernel: 2 * 4, filter: null, channel: null, spatial: null },
    od: { kernel: 2 * 3, filter: 2 * 6, channel: 2 * 4, spatial: 2 * 9 },
    single: { kernel: null, filter: 2 * 5, channel: 2 * 6, spatial: null },
  });
  assert.deepEqual([attention.dy, attention.od], [attentions.dy.kernel, attentions.od.kernel]);
  assert.deepEqual([...attention.single], [1, 1]);
  for (const [layer, K] of [['dy', 4], ['od', 3]]) {
    for (let n = 0; n < 2; n++) {
      const sum = attention[layer].subarray(n * K, (n + 1) * K).reduce((a, b) => a + b);
      assert.ok(Math.abs(sum - 1) < 1e-6, `${layer}: a softmax adds up to ${sum}`);
    }
  }
  assert.ok(attentions.od.filter.every((number) => number > 0 && number < 1));
  net.dispose();
  assertRefused(() => net.attentions, 'ERR_DISPOSED');
});

test('an ONNX file with every attention is planned for other sizes', () => {
  const file = new URL('../fixtures/exporters/odconv-family.safetensors.gz', import.meta.url);
  const tensors = parseSafetensors(gunzipSync(readFileSync(file)));
  const net = dk.onnxNetwork(tensors['file.dynamo-18-open'].data, { shapes: { x: tensors.input.shape } });
  for (const kind of ['', 'open.', '']) {
    const { data, shape } = tensors[`${kind}input`];
    assertClose(net.forward(dk.tensor(data, shape)).toArray(), tensors[`${kind}output.0`].data, kind);
  }
  assert.deepEqual(net.layers.map(({ op }) => op).filter((op) => op !== 'copy'),
    new Array(4).fill(['attention', 'dynamicConv2d']).flat());
  net.dispose();
});

test('attention that is an input or a constant, and kept inputs', () => {
  const builder = new GraphBuilder();
  const [x, a] = [builder.input('x', [2, 1, 2, 2]), builder.input('a', [2, 3])];
  const fixed = builder.constant(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3], 'fixed');
  const attributes = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };
  const weight = () => builder.constant(random([3, 1, 1, 1, 1]).data, [3, 1, 1, 1, 1], 'weight');
  const [one] = builder.add('dynamicConv2d', 'one', [x, a, weight()], attributes);
  const [two] = builder.add('dynamicConv2d', 'two', [one, fixed, weight()], attributes);
  builder.outputs = [{ name: 'y', value: two }];
  builder.keep = [{ name: 'the input', value: a }];
  const graph = builder.graph();
  const net = make(() => graph);
  const tensors = { x: randomTensor(dk, [2, 1, 2, 2]), a: dk.tensor([6, 5, 4, 3, 2, 1], [2, 3]) };
  assertSame(net.forward(tensors), interpret(graph, { x: tensors.x.toArray(), a: tensors.a.toArray() }));
  tensors.a.data.fill(0);
  const seen = net.attention;
  assert.deepEqual([...seen.one], [6, 5, 4, 3, 2, 1]);
  assert.deepEqual([...seen.two], [1, 2, 3, 4, 5, 6]);
  assert.deepEqual([...net.activation('the input').toArray()], [6, 5, 4, 3, 2, 1]);
  net.dispose();
});

test('activation: kept values', () => {
  const bytes = diteLike(1);
  const keep = ['/stem/conv1/relu/Relu', '/stem/branch1/branch1.0/conv/aggregation/Conv'];
  const net = dk.onnxNetwork(bytes, { keep });
  assertRefused(() => net.activation(keep[0]), 'ERR_MODE', keep[0], 'forward()');
  assertRefused(() => net.activation('other'), 'ERR_CONFIG', '"other"', keep[0]);
  const x = randomTensor(dk, [1, 3, 16, 12]);
  net.forward(x);
  const { kept } = interpret(readOnnx(bytes, { keep }), { image: x.toArray() });
  for (const name of keep) {
    const value = net.activation(name);
    assert.deepEqual([...value.shape], kept[name].shape);
    assertClose(value.toArray(), kept[name].data, name);
  }
  net.dispose();
  const plain = dk.onnxNetwork(bytes);
  plain.forward(x);
  assertRefused(() => plain.activation(keep[0]), 'ERR_CONFIG', '{ keep: [names] }');
  plain.dispose();
});

test('kept values outlive a pass that is refused, even one of a larger size', () => {
  const net = dk.onnxNetwork(openFile(), { shapes: { image: [1, 3, 8, 8] }, keep: ['/reluRelu_output_1'] });
  net.forward(randomTensor(dk, [1, 3, 8, 8]));
  const before = net.activation('/reluRelu_output_1').toArray();

  // the larger size is planned, and needs more memory, before its output is refused
  const out = dk.zeros([1, 8, 2, 2]);
  assertRefused(() => net.forward(randomTensor(dk, [1, 3, 96, 96]), { out: { [Object.keys(net.outputs)[0]]: out } }), 'ERR_SHAPE');
  assert.deepEqual(net.activation('/reluRelu_output_1').toArray(), before);
  net.dispose();
});

test('state dict: what the file holds, to the last bit', () => {
  const bytes = diteLike(1);
  const net = dk.onnxNetwork(bytes);
  const values = new Map();
  for (const node of readOnnx(bytes).nodes) {
    for (const value of node.inputs) if (value?.stateName !== undefined) values.set(value.stateName, value);
  }
  const dict = net.stateDict();
  const counts = Object.keys(dict).filter((name) => name.endsWith('.num_batches_tracked'));
  assert.deepEqual(counts.length, 2);
  for (const name of counts) assert.deepEqual(dict[name], { shape: [], data: new BigInt64Array(1) });
  assert.deepEqual(Object.keys(dict).filter((name) => !counts.includes(name)).sort(), [...values.keys()].sort());
  for (const [name, { stateShape, constant }] of values) {
    assert.deepEqual(dict[name].shape, stateShape);
    assert.deepEqual(dict[name].data, constant, name);
  }
  net.dispose();
});

test('loading: bytes, objects, strict, prefix, counts of batches', () => {
  const net = dk.onnxNetwork(diteLike(1));
  const dict = net.stateDict();
  for (const { data } of Object.values(dict)) data.fill(data instanceof BigInt64Array ? 7n : 0.5);
  const prefixed = Object.fromEntries(Object.entries(dict).map(([name, value]) => [`model.${name}`, value]));
  assert.deepEqual(net.loadStateDict(toSafetensors(dict)), { missing: [], unexpected: [] });
  assert.deepEqual(net.stateDict(), dict);
  assertRefused(() => net.loadStateDict(prefixed), 'ERR_STATE', "{ prefix: 'model.' }");
  net.loadStateDict(prefixed, { prefix: 'model.' });

  // older files have no counts
  const before = net.stateDict();
  const uncounted = Object.fromEntries(Object.entries(dict).filter(([name]) => !name.endsWith('tracked')));
  assert.deepEqual(net.loadStateDict(uncounted), { missing: [], unexpected: [] });

  const [name] = Object.keys(uncounted);
  const { [name]: left, ...others } = uncounted;
  assertRefused(() => net.loadStateDict(others), 'ERR_STATE', 'missing', name);
  assertRefused(() => net.loadStateDict({ ...uncounted, more: left }), 'ERR_STATE', 'unexpected: more');
  assertRefused(() => net.loadStateDict({ ...uncounted, [name]: { shape: [1], data: Float32Array.of(1) } }), 'ERR_STATE', name, '[1]');
  assert.deepEqual(net.stateDict(), before, 'a refused source changes nothing');
  assert.deepEqual(net.loadStateDict({ ...others, more: left }, { strict: false }), { missing: [name], unexpected: ['more'] });
  net.dispose();
});

test('weights larger than a slice are written and read whole', () => {
  const builder = new GraphBuilder();
  const x = builder.input('x', [1, 300]);
  const numbers = random([500, 300]).data;
  const weight = builder.constant(numbers, [500, 300], 'w', { stateName: 'w', stateShape: [500, 300] });
  builder.outputs = [{ name: 'y', value: builder.add('linear', 'linear', [x, weight])[0] }];
  const graph = builder.graph();
  const net = make(() => graph);
  assert.deepEqual(net.stateDict().w.data, numbers);
  const input = randomTensor(dk, [1, 300]);
  assertSame(net.forward(input), interpret(graph, { x: input.toArray() }));
  net.dispose();
});

test('a parameter in two shapes is one entry, and both change', () => {
  const builder = new GraphBuilder();
  const x = builder.input('x', [2, 3]);
  const state = { stateName: 'scale', stateShape: [3] };
  const [row, column] = [[3], [1, 3]].map((shape) => builder.constant(Float32Array.of(1, 2, 3), shape, 'scale', state));
  const [once] = builder.add('multiply', 'once', [x, row]);
  builder.outputs = [{ name: 'y', value: builder.add('multiply', 'twice', [once, column])[0] }];
  const graph = builder.graph();
  const net = make(() => graph);
  assert.deepEqual(net.stateDict(), { scale: { shape: [3], data: Float32Array.of(1, 2, 3) } });
  net.loadStateDict({ scale: { shape: [3], data: Float32Array.of(2, 3, 4) } });
  assert.deepEqual([...net.forward(dk.tensor([1, 1, 1, 1, 1, 1], [2, 3])).toArray()], [4, 9, 16, 4, 9, 16]);
  net.dispose();
});

test('what parseCheckpoint returns is loaded; the bytes themselves get a hint', () => {
  const bytes = readFileSync(new URL('../fixtures/checkpoints/plain.pth', import.meta.url));
  const dict = parseCheckpoint(bytes);
  const [name, { shape: [...shape] }] = Object.entries(dict).find(([, { data }]) => data instanceof Float32Array);
  const builder = new GraphBuilder();
  const x = builder.input('x', shape);
  const constant = builder.constant(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape, name, { stateName: name, stateShape: shape });
  builder.outputs = [{ name: 'y', value: builder.add('add', 'add', [x, constant])[0] }];
  const graph = builder.graph();
  const net = make(() => graph);
  net.loadStateDict(dict, { strict: false });
  assert.deepEqual(net.stateDict()[name].data, dict[name].data);
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: 3 });
  for (const module of [net, block]) {
    assertRefused(() => module.loadStateDict(bytes), 'ERR_SAFETENSORS', 'parseCheckpoint(bytes)');
  }
  net.dispose();
});

test('Proxies of networks and tensors are accepted wherever the objects are', () => {
  const wrap = (object) => new Proxy(object, {});
  const net = dk.onnxNetwork(openFile(), { shapes: { image: [1, 3, 5, 6] } });
  const x = randomTensor(dk, [1, 3, 5, 6]);
  const [block, head] = Object.keys(net.outputs);
  const out = { [block]: dk.zeros([1, 8, 5, 6]), [head]: dk.zeros([1, 8, 1, 1]) };
  const expected = net.forward(x);
  wrap(net).forward(wrap(x), { out: { [block]: wrap(out[block]), [head]: out[head] } });
  assert.deepEqual(out[block].toArray(), expected[block].toArray());
  wrap(net).forward({ image: wrap(x) }, { out });
  assert.deepEqual(wrap(net).layers, net.layers);
  net.dispose();
});

test('disposal: twice, by using, with the runtime, and of what a network holds', async () => {
  const live = heap.live;
  const net = dk.onnxNetwork(openFile(), { shapes: { image: [1, 3, 5, 6] } });
  const x = randomTensor(dk, [1, 3, 5, 6]);
  Object.values(net.forward(x)).forEach((tensor) => tensor.dispose());
  assert.equal(net.disposed, false);
  net[DISPOSE]();
  net.dispose();
  x.dispose();
  assert.equal(net.disposed, true);
  assert.equal(heap.live, live);
  for (const use of [() => net.forward(x), () => net.profile(x), () => net.layers, () => net.inputs, () => net.outputs,
    () => net.attention, () => net.activation('a'), () => net.stateDict(), () => net.loadStateDict({})]) {
    assertRefused(use, 'ERR_DISPOSED', 'the Network', 'it is disposed');
  }
  const other = await loadRuntime();
  const last = other.onnxNetwork(diteLike(1));
  other.dispose();
  assert.equal(last.disposed, true);
  assertRefused(() => last.layers, 'ERR_DISPOSED', 'its runtime is disposed');
  last.dispose();
  assertRefused(() => other.onnxNetwork(diteLike(1)), 'ERR_DISPOSED', 'runtime');
});

test('networks and their plans that are forgotten are freed', async () => {
  const bytes = openFile();
  const useAndForget = () => {
    const net = dk.onnxNetwork(bytes, { shapes: { image: [1, 3, 5, 6] } });
    for (const length of [6, 7]) Object.values(net.forward(dk.zeros([1, 3, 5, length]))).forEach((tensor) => tensor.dispose());
  };
  const before = heap.live;
  for (let i = 0; i < 10; i++) useAndForget();
  const heapBytes = dk.info.heapBytes;
  for (let turn = 0; turn < 100 && heap.live > before; turn++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(heap.live <= before, `${heap.live - before} objects are still alive`);
  for (let i = 0; i < 10; i++) useAndForget();
  assert.equal(dk.info.heapBytes, heapBytes, 'the memory is used again');
});

test('a failure while a network is made frees what was taken', () => {
  const live = heap.live;
  const graph = smallGraph();
  graph.nodes[0].attributes.groups = 3; // what no door would make
  assertRefused(() => make(() => graph), 'ERR_CONFIG', 'test', 'refuses');
  assertRefused(() => dk.onnxNetwork(Buffer.from('nothing')), 'ERR_ONNX');
  assertRefused(() => dk.onnxNetwork(diteLike(1), { keep: 'one' }), 'ERR_CONFIG', 'keep');
  assertRefused(() => dk.onnxNetwork(diteLike(1), { shape: {} }), 'ERR_CONFIG', '"shape"', 'shapes');
  assert.equal(heap.live, live);
});

test('a steady pass allocates nothing on the heap', () => {
  const net = dk.onnxNetwork(diteLike(1));
  const x = randomTensor(dk, [1, 3, 16, 12]);
  const out = dk.zeros([1, 16, 16, 12]);
  net.forward(x, { out });
  const { dk_alloc } = heap.c;
  const before = { live: heap.live, heapBytes: dk.info.heapBytes, place: dk_alloc(8) >>> 0 };
  heap.c.dk_free(before.place);
  for (let i = 0; i < 100; i++) net.forward(x, { out });
  const place = dk_alloc(8) >>> 0;
  heap.c.dk_free(place);
  assert.deepEqual({ live: heap.live, heapBytes: dk.info.heapBytes, place }, before);
  net.dispose();
});

test('an operation that reads a resize repeated lists both', () => {
  const net = dk.network({ x: [1, 4, 3, 5] }, (g, { x }) => {
    const large = g.sigmoid(g.interpolate(x, { scaleFactor: 2 }), { name: 'large' });
    return { y: g.add(large, g.interpolate(x, { scaleFactor: 2, name: 'enlarged' }), { name: 'sum' }) };
  });
  const x = randomTensor(dk, [1, 4, 3, 5]), pixels = x.toArray();
  const expected = Float32Array.from({ length: 4 * 6 * 10 }, (_, i) => {
    const value = pixels[Math.floor(i / 60) * 15 + (Math.floor(i / 20) % 3) * 5 + (Math.floor(i / 2) % 5)];
    return 1 / (1 + Math.exp(-value)) + value;
  });
  assertClose(net.forward(x).toArray(), expected, 'y');
  assert.deepEqual(net.layers.map(({ name, fused }) => [name, fused]),
    [['interpolate', []], ['large', ['enlarged', 'sum']]]);
  net.dispose();
});

test('concatenations that begin with the same parts share their memory', () => {
  const net = dk.network({ x: [2, 3, 4, 5] }, (g, { x }) => {
    const parts = [g.sigmoid(x)];
    for (const name of ['first', 'second', 'third'])
      parts.push(g.tanh(g.cat(parts, { dim: 1 }), { name }));
    return { y: g.exp(g.cat(parts, { dim: 1 })) };
  });
  const x = randomTensor(dk, [2, 3, 4, 5]), pixels = x.toArray(), plane = 60;
  const expected = Array.from({ length: 2 }, (_, n) => {
    const parts = [[...pixels.subarray(n * plane, (n + 1) * plane)].map((value) => 1 / (1 + Math.exp(-value)))];
    for (let i = 0; i < 3; i++) parts.push(parts.flat().map(Math.tanh));
    return parts.flat().map(Math.exp);
  }).flat();
  assertClose(net.forward(x).toArray(), Float32Array.from(expected), 'y');
  assert.deepEqual(net.layers.filter(({ op }) => op === 'copy'), []);
  net.dispose();
});
