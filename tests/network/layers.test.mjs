// The JavaScript door: each layer beside PyTorch's, names and initial numbers of parameters, and what is refused.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DynakernelError, parseSafetensors } from '../../web/dynakernel/index.js';
import { NetworkLayers, graphMaker } from '../../web/dynakernel/network/layers.js';
import { assertClose, assertRefused } from '../helpers.mjs';
import { evaluate } from './evaluate.mjs';
import { parametersOf, shapesOf } from './layers.mjs';

const file = parseSafetensors(readFileSync(new URL('../fixtures/layers.safetensors', import.meta.url)));
const twoInputs = ['input', 'input1'];

// The name of a case in the fixture, and the layer. x is the first input, y the second.
const CASES = [
  ['conv2d', (g, { x }) => g.conv2d(x, { name: '', outChannels: 6, kernelSize: [3, 2], stride: [2, 1], padding: [1, 0], dilation: [1, 2], groups: 2 })],
  ['conv2d four sides', (g, { x }) => g.conv2d(x, { name: '1', outChannels: 3, kernelSize: 3, padding: [1, 2, 3, 0], bias: false })],
  ['conv2d same', (g, { x }) => g.conv2d(x, { name: '', outChannels: 3, kernelSize: [3, 4], padding: 'same', dilation: [1, 2] })],
  ['convTranspose2d', (g, { x }) => g.convTranspose2d(x, {
    name: '', outChannels: 6, kernelSize: [3, 2], stride: [2, 3], padding: [1, 0], outputPadding: [1, 2], groups: 2, dilation: [2, 1],
  })],
  ['linear', (g, { x }) => g.linear(x, { name: '', outFeatures: 5 })],
  ['batchNorm2d', (g, { x }) => g.batchNorm2d(x, { name: '', eps: 0.01 })],
  ['prelu', (g, { x }) => g.prelu(x, { name: '', numParameters: 4 })],
  ['localResponseNorm odd', (g, { x }) => g.localResponseNorm(x, { size: 3, alpha: 0.5, beta: 0.6, k: 1.5 })],
  ['localResponseNorm even', (g, { x }) => g.localResponseNorm(x, { size: 2, alpha: 0.5, beta: 0.6, k: 1.5 })],
  ['relu', (g, { x }) => g.relu(x)],
  ['relu6', (g, { x }) => g.relu6(g.mul(x, 9))],
  ['hardtanh', (g, { x }) => g.hardtanh(x, { minVal: -0.5, maxVal: 0.7 })],
  ['clamp', (g, { x }) => g.clamp(x, { min: 0.1 })],
  ['leakyReLU', (g, { x }) => g.leakyReLU(x, { negativeSlope: 0.2 })],
  ['elu', (g, { x }) => g.elu(x, { alpha: 1.3 })],
  ['hardsigmoid', (g, { x }) => g.hardsigmoid(g.mul(3, x))],
  ['hardswish', (g, { x }) => g.hardswish(g.mul(3, x))],
  ['sigmoid', (g, { x }) => g.sigmoid(x)],
  ['tanh', (g, { x }) => g.tanh(x)],
  ['silu', (g, { x }) => g.silu(x)],
  ['gelu', (g, { x }) => g.gelu(x)],
  ['gelu tanh', (g, { x }) => g.gelu(x, { approximate: 'tanh' })],
  ['exp', (g, { x }) => g.exp(x)],
  ['neg', (g, { x }) => g.neg(x)],
  ['abs', (g, { x }) => g.abs(x)],
  ['reciprocal', (g, { x }) => g.reciprocal(x)],
  ['erf', (g, { x }) => g.erf(x)],
  ['softmax', (g, { x }) => g.softmax(x, { dim: -2 })],
  ['mean', (g, { x }) => g.mean(x, { dim: [3, 2] })],
  ['sum', (g, { x }) => g.sum(x, { dim: 1, keepdim: true })],
  ['amax', (g, { x }) => g.amax(x, { dim: [0, -1] })],
  ['mean of all', (g, { x }) => g.mean(x)],
  ['avgPool2d', (g, { x }) => g.avgPool2d(x, { kernelSize: [3, 2], stride: 2, padding: 1, ceilMode: true })],
  ['avgPool2d without padding', (g, { x }) => g.avgPool2d(x, { kernelSize: 3, stride: 2, padding: 1, countIncludePad: false })],
  ['maxPool2d', (g, { x }) => g.maxPool2d(x, { kernelSize: [2, 3], stride: [2, 1], padding: 1, dilation: [2, 1], ceilMode: true })],
  ['adaptiveAvgPool2d', (g, { x }) => g.adaptiveAvgPool2d(x, { outputSize: 1 })],
  ['adaptiveAvgPool2d of parts', (g, { x }) => g.adaptiveAvgPool2d(x, { outputSize: [5, 3] })],
  ['adaptiveMaxPool2d', (g, { x }) => g.adaptiveMaxPool2d(x, { outputSize: [1, 2] })],
  ['split', (g, { x }) => g.split(x, { splitSize: 3, dim: 2 })],
  ['split sizes', (g, { x }) => g.split(x, { splitSize: [1, 3], dim: 1 })],
  ['chunk', (g, { x }) => g.chunk(x, { chunks: 4, dim: -1 })],
  ['slice', (g, { x }) => g.slice(x, { dim: 2, start: 1, end: -1, step: 2 })],
  ['permute', (g, { x }) => g.permute(x, { dims: [0, 2, -1, 1] })],
  ['reshape', (g, { x }) => g.reshape(x, { shape: [2, -1, 3] })],
  ['flatten', (g, { x }) => g.flatten(x)],
  ['flatten some', (g, { x }) => g.flatten(x, { startDim: 1, endDim: 2 })],
  ['channelShuffle', (g, { x }) => g.channelShuffle(x, { groups: 2 })],
  ['pad', (g, { x }) => g.pad(x, { pad: [1, -1, 0, 2], value: 0.5 })],
  ['pad reflect', (g, { x }) => g.pad(x, { pad: [2, 1, 3, 0], mode: 'reflect' })],
  ['pad replicate', (g, { x }) => g.pad(x, { pad: [2, 1, 3, 0], mode: 'replicate' })],
  ['interpolate', (g, { x }) => g.interpolate(x, { scaleFactor: [2, 3] })],
  ['interpolate size', (g, { x }) => g.interpolate(x, { size: [7, 4] })],
  ['interpolate exact', (g, { x }) => g.interpolate(x, { size: [7, 4], mode: 'nearest-exact' })],
  ['interpolate bilinear', (g, { x }) => g.interpolate(x, { scaleFactor: 1.7, mode: 'bilinear' })],
  ['interpolate corners', (g, { x }) => g.interpolate(x, { size: [9, 4], mode: 'bilinear', alignCorners: true })],
  ['pixelShuffle', (g, { x }) => g.pixelShuffle(x, { upscaleFactor: 2 })],
  ['numbers', (g, { x }) => g.sub(3, g.div(g.minimum(g.maximum(g.add(g.mul(x, 2), 1), 0.5), 2), 4))],
  ['log', (g, { x }) => g.log(x), ['input']],
  ['sqrt', (g, { x }) => g.sqrt(x), ['input']],
  ['pow', (g, { x }) => g.pow(x, 1.7), ['input']],
  ['pow of a number', (g, { x }) => g.pow(2, x), ['input']],
  ...['add', 'sub', 'mul', 'div', 'minimum', 'maximum'].map((name) => [name, (g, { x, y }) => g[name](x, y), ['x', 'input1']]),
  ['pow of a tensor', (g, { x, y }) => g.pow(x, y), twoInputs],
  ['matmul', (g, { x, y }) => g.matmul(x, y), ['x', 'input1']],
  ['cat', (g, { x, y }) => g.cat([x, y], { dim: 1 }), ['x', 'input1']],
  ['dynamicConvolution', (g, { x, y }) => g.dynamicConvolution(x, y, { padding: 1, groups: 2 }), ['x', 'input1']],
  ['dynamicConvolution bias', (g, { x, y, z }) => g.dynamicConvolution(z, x, { bias: y, padding: 1, groups: 2 }), [...twoInputs, 'x']],
  ['kernelAttention', (g, { x }) => g.kernelAttention(x, { name: '', numKernels: 3, midChannels: 2 })],
  ['dynamicKernelAggregation', (g, { x }) => g.dynamicKernelAggregation(x, {
    name: '', outChannels: 6, kernelSize: [3, 2], stride: [1, 2], padding: [1, 0], dilation: [2, 1], groups: 2, numKernels: 3, reduction: 2,
  })],
  ['dyConv2d', (g, { x }) => g.dyConv2d(x, {
    name: '', outChannels: 5, kernelSize: 3, stride: 2, padding: 1, numKernels: 3, ratio: 0.5, temperature: 3,
  })],
  ['dyConv2d rgb', (g, { x }) => g.dyConv2d(x, { name: '', outChannels: 5, kernelSize: 3, padding: 1 }), ['input']],
  ['condConv2d', (g, { x }) => g.condConv2d(x, g.routing(x, { name: 'routing', numExperts: 3 }),
    { name: 'conv', outChannels: 5, kernelSize: 3, padding: 'same', bias: true, numExperts: 3 })],
  ['odConv2d', (g, { x }) => g.odConv2d(x, { name: '', outChannels: 6, kernelSize: 3, padding: 1, groups: 2, numKernels: 3, temperature: 2 })],
  ['odConv2d one kernel', (g, { x }) => g.odConv2d(x, { name: '', outChannels: 4, kernelSize: 1, numKernels: 1 })],
  ['odConv2d depthwise', (g, { x }) => g.odConv2d(x, { name: '', outChannels: 4, kernelSize: 3, padding: 1, groups: 4, numKernels: 2 })],
];

for (const [name, build, inputs = ['x']] of CASES) {
  test(`${name} makes what PyTorch makes`, () => {
    const tensors = Object.fromEntries(inputs.map((input, i) => ['xyz'[i], input === 'x' ? file.x : file[`${name}.${input}`]]));
    const shapes = Object.fromEntries(Object.entries(tensors).map(([input, { shape }]) => [input, shape]));
    const graph = graphMaker(shapes, (g, values) => Object.fromEntries(
      [build(g, values)].flat().map((value, i) => [`output${i || ''}`, value])), { seed: 1 })(null);

    // the state dict has the names and shapes of PyTorch's; then it gets PyTorch's numbers
    const prefix = `${name}.state.`;
    const state = Object.keys(file).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
    const parameters = parametersOf(graph);
    assert.deepEqual([...parameters.keys()].sort(), state.sort());
    for (const [key, value] of parameters) {
      assert.deepEqual(value.stateShape, file[prefix + key].shape, key);
      value.constant = file[prefix + key].data;
    }

    const { outputs } = evaluate(graph, Object.fromEntries(Object.entries(tensors).map(([input, { data }]) => [input, data])));
    const expected = Object.keys(file).filter((key) => key.startsWith(`${name}.output`));
    assert.equal(Object.keys(outputs).length, expected.length);
    for (const [output, { shape, data }] of Object.entries(outputs)) {
      // the file has one number where PyTorch has a scalar
      assert.deepEqual(shape, name === 'mean of all' ? [] : file[`${name}.${output}`].shape);
      assertClose(data, file[`${name}.${output}`].data, output);
    }
  });
}

test('every layer has a case', () => {
  const tested = CASES.map(([name, build]) => `${name} ${build}`).join('\n');
  const others = ['constructor', 'kernelAggregation', 'parameter']; // these have tests of their own
  for (let { prototype } = NetworkLayers; prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype)) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      assert.ok(others.includes(name) || new RegExp(`\\b${name}\\b`).test(tested), `${name} has no case`);
    }
  }
});

const image = { x: [1, 4, 6, 6] };
const make = (build, options) => graphMaker(image, build, { seed: 7, ...options })(null);

test('kernelAggregation takes an attention from elsewhere', () => {
  const graph = make((g, { x }) => {
    const a = g.kernelAttention(x, { name: 'a', numKernels: 2 });
    const shared = { outChannels: 4, kernelSize: 3, padding: 1, numKernels: 2 };
    return g.kernelAggregation(g.kernelAggregation(x, a, { name: 'b', ...shared }), a, { name: 'c', ...shared, bias: false });
  });
  assert.deepEqual(graph.nodes.map(({ op, name }) => `${op} ${name}`), ['attention a', 'dynamicConv2d b', 'dynamicConv2d c']);
  assert.deepEqual(graph.nodes[1].inputs[1], graph.nodes[0].outputs[0]);
  assert.deepEqual(Object.keys(shapesOf(graph)).filter((name) => !name.startsWith('a.')), ['b.weight', 'b.bias', 'c.weight']);
});

test('every dynamic layer is one attention and one convolution, and a routing serves several', () => {
  const graph = make((g, { x }) => {
    const weights = g.routing(x, { name: 'routing', numExperts: 3 });
    const sizes = { outChannels: 4, kernelSize: 3, padding: 1 };
    let y = g.condConv2d(x, weights, { name: 'cond1', ...sizes, numExperts: 3 });
    y = g.condConv2d(y, weights, { name: 'cond2', ...sizes, numExperts: 3, bias: true });
    y = g.dyConv2d(y, { name: 'dy', ...sizes, temperature: 30 });
    y = g.dynamicKernelAggregation(y, { name: 'dka', ...sizes });
    y = g.odConv2d(y, { name: 'od', ...sizes, outChannels: 6, temperature: 2 });
    y = g.odConv2d(y, { name: 'single', ...sizes, numKernels: 1 });
    y = g.odConv2d(y, { name: 'depthwise', ...sizes, groups: 4 });
    return g.odConv2d(y, { name: 'pointwise', outChannels: 5, kernelSize: 1, numKernels: 1 });
  });
  const inputs = ['x', 'a', 'weight', 'bias', 'f', 's', 'q'];
  const attributes = { eps: 1e-5, temperature: 1, softmax: false };
  const soft = (temperature) => ({ ...attributes, temperature, softmax: true });
  const seen = graph.nodes.map((node) => [node.op, node.name, node.op === 'attention' ? node.attributes
    : inputs.filter((_, i) => node.inputs[i]).join(' ')]);
  assert.deepEqual(seen, [
    ['attention', 'routing', attributes], ['dynamicConv2d', 'cond1', 'x a weight'], ['dynamicConv2d', 'cond2', 'x a weight bias'],
    ['attention', 'dy.attention', soft(30)], ['dynamicConv2d', 'dy', 'x a weight bias'],
    ['attention', 'dka.attention', attributes], ['dynamicConv2d', 'dka', 'x a weight bias'],
    ['attention', 'od.attention', soft(2)], ['dynamicConv2d', 'od', 'x a weight f s q'],
    ['attention', 'single.attention', soft(1)], ['dynamicConv2d', 'single', 'x weight f s q'],
    ['attention', 'depthwise.attention', soft(1)], ['dynamicConv2d', 'depthwise', 'x a weight s q'],
    ['attention', 'pointwise.attention', soft(1)], ['dynamicConv2d', 'pointwise', 'x weight f s'],
  ]);
});

test('a parameter is used or only in the state dict', () => {
  const graph = make((g, { x }) => {
    g.parameter({ name: 'spare', shape: [3, 1] });
    return g.mul(x, g.parameter({ name: 'scale', shape: [4, 1, 1], value: 0.5 }));
  });
  assert.deepEqual(shapesOf(graph), { scale: [4, 1, 1], spare: [3, 1] });
  assert.deepEqual(graph.unused.map(({ stateName }) => stateName), ['spare']);
  assert.deepEqual([...parametersOf(graph).get('scale').constant], [0.5, 0.5, 0.5, 0.5]);
});

test('names of values, of outputs and of what is kept', () => {
  const graph = make((g, { x }) => {
    const [a, b] = g.chunk(g.relu(x), { name: 'halves', chunks: 2, dim: 1 });
    assert.deepEqual([x.shape, a.shape], [[1, 4, 6, 6], [1, 2, 6, 6]]);
    return { sum: g.add(g.relu(a), b), same: x };
  }, { keep: ['relu_1', 'halves:1', 'halves'] });
  assert.deepEqual(graph.nodes.map(({ name }) => name), ['relu', 'halves', 'relu_1', 'add', 'same']);
  assert.deepEqual(graph.outputs.map(({ name }) => name), ['sum', 'same']);
  assert.deepEqual(graph.keep.map(({ value }) => value), [graph.nodes[2].outputs[0], graph.nodes[1].outputs[1], graph.nodes[1].outputs[0]]);
  assert.deepEqual(make((g, { x }) => g.relu(x)).outputs.map(({ name }) => name), ['output']);
});

/** The mean and the standard deviation of numbers. */
function statistics(numbers) {
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  return [mean, Math.sqrt(numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / numbers.length)];
}

test('parameters are initialised as PyTorch initialises each layer', () => {
  const graph = graphMaker({ x: [1, 32, 8, 8] }, (g, { x }) => {
    let y = g.batchNorm2d(g.conv2d(x, { name: 'conv', outChannels: 64, kernelSize: 3, groups: 2 }), { name: 'bn' });
    y = g.prelu(g.convTranspose2d(y, { name: 'up', outChannels: 32, kernelSize: 3 }), { name: 'prelu' });
    y = g.dynamicKernelAggregation(y, { name: 'dka', outChannels: 64, kernelSize: 3, midChannels: 32, numKernels: 32 });
    y = g.odConv2d(y, { name: 'od', outChannels: 32, kernelSize: 3, numKernels: 32 });
    return g.linear(g.flatten(y), { name: 'fc', outFeatures: 30 });
  }, { seed: 3 })(null);
  const numbers = (name) => parametersOf(graph).get(name).constant;
  const constants = { 'bn.weight': 1, 'bn.bias': 0, 'bn.running_mean': 0, 'bn.running_var': 1, 'prelu.weight': 0.25,
    'dka.attention.conv2.bias': 0, 'dka.attention.bn.weight': 1, 'dka.aggregation.bias': 0 };
  for (const [name, value] of Object.entries(constants)) assert.ok(numbers(name).every((number) => number === value), name);
  // uniform numbers up to a bound have a deviation of bound / sqrt(3)
  const bounds = { 'conv.weight': 1 / 12, 'up.weight': 1 / Math.sqrt(32 * 9), 'fc.weight': 1 / Math.sqrt(32 * 16),
    'dka.aggregation.weight': Math.sqrt(6 / (32 * 9)) };
  for (const [name, bound] of Object.entries(bounds)) {
    const [mean, deviation] = statistics(numbers(name));
    assert.ok(Math.abs(mean) < 0.03 * bound && Math.abs(deviation * Math.sqrt(3) / bound - 1) < 0.03, `${name}: ${mean}, ${deviation}`);
    const most = numbers(name).reduce((greatest, value) => Math.max(greatest, Math.abs(value)), 0);
    assert.ok(most <= bound * 1.000001 && most > 0.99 * bound, `${name}: ${most}`);
  }
  for (const [name, bound] of [['conv.bias', 1 / 12], ['up.bias', 1 / Math.sqrt(32 * 9)]]) {
    assert.ok(numbers(name).every((number) => Math.abs(number) <= bound * 1.000001 && number !== 0), name);
  }
  for (const [name, fanOut] of [['dka.attention.conv1.weight', 32], ['od.weight', 32 * 9]]) {
    const [mean, deviation] = statistics(numbers(name));
    const expected = Math.sqrt(2 / fanOut);
    assert.ok(Math.abs(mean) < 0.1 * expected && Math.abs(deviation / expected - 1) < 0.1, `${name}: ${mean}, ${deviation}`);
  }
});

test('the numbers of parameters follow from the seed and the name', () => {
  const numbersOf = (seed, name) => [...parametersOf(make((g, { x }) =>
    g.conv2d(x, { name, outChannels: 2, kernelSize: 1 }), { seed })).get(`${name}.weight`).constant];
  assert.deepEqual(numbersOf(5, 'a'), numbersOf(5, 'a'));
  assert.notDeepEqual(numbersOf(5, 'a'), numbersOf(6, 'a'));
  assert.notDeepEqual(numbersOf(5, 'a'), numbersOf(5, 'b'));
});

test('a later graph has other shapes and the same parameters without numbers', () => {
  const makeGraph = graphMaker(image, (g, { x }) => g.conv2d(x, { name: 'a', outChannels: 2, kernelSize: 3 }), { seed: 1 });
  const [first, later] = [makeGraph(null), makeGraph({ x: [3, 4, 9, 5] })];
  assert.deepEqual(later.outputs[0].value.shape, [3, 2, 7, 3]);
  assert.deepEqual(shapesOf(later), shapesOf(first));
  assert.equal(parametersOf(later).get('a.weight').constant.length, 0);
});

test('layers are refused after the network is built, and values of other networks', () => {
  let layers, value;
  make((g, { x }) => {
    [layers, value] = [g, x];
    return g.relu(x);
  });
  assertRefused(() => layers.relu(value), 'ERR_CONFIG', 'relu', 'complete');
  assertRefused(() => make((g) => g.relu(value)), 'ERR_CONFIG', 'relu: x', 'another network');
});

test('an error of the function that builds is the cause', () => {
  const cause = new RangeError('mine');
  assert.throws(() => make(() => { throw cause; }), (error) => error instanceof DynakernelError && error.code === 'ERR_CONFIG' &&
    error.cause === cause && error.message.includes('mine'));
});

// A call that is refused, the code, and words of the message.
const REFUSED = [
  [(g, { x }) => g.conv2d(x, { outChannels: 2, kernelSize: 3 }), 'ERR_CONFIG', 'conv2d needs name'],
  [(g, { x }) => g.conv2d(x), 'ERR_CONFIG', 'name, outChannels, kernelSize', 'no options'],
  [(g, { x }) => g.conv2d(x, { name: 'a', out_channels: 2, kernelSize: 3 }), 'ERR_CONFIG', 'did you mean outChannels'],
  [(g, { x }) => g.conv2d(x, { name: 4, outChannels: 2, kernelSize: 3 }), 'ERR_CONFIG', 'name must be a string', '4'],
  [(g, { x }) => g.conv2d(x, { name: 'a', outChannels: 2.5, kernelSize: 3 }), 'ERR_CONFIG', 'outChannels', '2.5'],
  [(g, { x }) => g.conv2d(x, { name: 'a', outChannels: 2, kernelSize: [3] }), 'ERR_CONFIG', '[vertical, horizontal]', '[3]'],
  [(g, { x }) => g.conv2d(x, { name: 'a', outChannels: 2, kernelSize: 3, padding: [1, 2, 3] }), 'ERR_CONFIG', 'padding', '[1, 2, 3]'],
  [(g, { x }) => g.conv2d(x, { name: 'a', outChannels: 2, kernelSize: 3, groups: 3 }), 'ERR_CONFIG', 'groups 3, 4 channels'],
  [(g, { x }) => g.conv2d(x, { name: 'a', outChannels: 2, kernelSize: 7 }), 'ERR_SHAPE', 'a: conv2d', 'reaches over 7'],
  [(g, { x }) => g.conv2d(x, { name: 'a', outChannels: 2 ** 20, kernelSize: 2 ** 14 }), 'ERR_MEMORY', 'a.weight'],
  [(g, { x }) => g.conv2d(g.flatten(x), { name: 'a', outChannels: 2, kernelSize: 7 }), 'ERR_SHAPE', '4 dimensions', '[1, 144]'],
  [(g, { x }) => [1, 2].map(() => g.conv2d(x, { name: 'a', outChannels: 2, kernelSize: 1 })), 'ERR_CONFIG', 'two layers', 'a.weight'],
  [(g, { x }) => [1, 2].map(() => g.batchNorm2d(x, { name: 'b' })), 'ERR_CONFIG', 'b.num_batches_tracked'],
  [(g) => g.conv2d('x', { name: 'a', outChannels: 2, kernelSize: 1 }), 'ERR_CONFIG', 'conv2d: x', '"x"'],
  [(g, { x }) => g.convTranspose2d(x, { name: 'a', outChannels: 2, kernelSize: 2, outputPadding: 1 }), 'ERR_CONFIG', 'outputPadding 1'],
  [(g, { x }) => g.convTranspose2d(x, { name: 'a', outChannels: 2, kernelSize: 2, padding: 'same' }), 'ERR_CONFIG', '"same"'],
  [(g, { x }) => g.linear(g.mean(x), { name: 'a', outFeatures: 2 }), 'ERR_SHAPE', '[]'],
  [(g, { x }) => g.batchNorm2d(g.mean(x), { name: 'a' }), 'ERR_SHAPE', '[]'],
  [(g, { x }) => g.batchNorm2d(x, { name: 'a', eps: -1 }), 'ERR_CONFIG', 'eps', '-1'],
  [(g, { x }) => g.prelu(x, { name: 'a', numParameters: 3 }), 'ERR_CONFIG', '4 channels', 'got 3'],
  [(g, { x }) => g.hardtanh(x, { minVal: 2, maxVal: 1 }), 'ERR_CONFIG', 'got 2 and 1'],
  [(g, { x }) => g.clamp(x, { max: NaN }), 'ERR_CONFIG', 'NaN'],
  [(g, { x }) => g.gelu(x, { approximate: 'fast' }), 'ERR_CONFIG', 'fast'],
  [(g, { x }) => g.relu(x, { inplace: true }), 'ERR_CONFIG', 'relu has no option "inplace"'],
  [(g) => g.add(1, 2), 'ERR_CONFIG', 'add needs a tensor'],
  [(g, { x }) => g.mul(x, '2'), 'ERR_CONFIG', 'mul: b', '"2"'],
  [(g, { x }) => g.add(x, g.slice(x, { dim: 1, end: 3 })), 'ERR_SHAPE', '[1, 4, 6, 6]', '[1, 3, 6, 6]'],
  [(g, { x }) => g.matmul(x, g.slice(x, { dim: 2, end: 3 })), 'ERR_SHAPE', 'cannot be multiplied'],
  [(g, { x }) => g.softmax(x, { dim: 4 }), 'ERR_SHAPE', 'softmax: dim', '4'],
  [(g, { x }) => g.softmax(x, { dim: -5 }), 'ERR_SHAPE', 'softmax: dim', '-5'],
  [(g, { x }) => g.mean(x, { dim: [1, -3] }), 'ERR_CONFIG', 'each axis once', '[1, -3]'],
  [(g, { x }) => g.mean(x, { dim: [] }), 'ERR_CONFIG', '[]'],
  [(g, { x }) => g.avgPool2d(x, { kernelSize: 2, padding: 2 }), 'ERR_CONFIG', 'half of kernelSize'],
  [(g, { x }) => g.maxPool2d(x, { kernelSize: 7 }), 'ERR_SHAPE', 'reaches over 7'],
  [(g, { x }) => g.adaptiveAvgPool2d(x, { outputSize: 4 }), 'ERR_CONFIG', '6x6', '4'],
  [(g) => g.cat([]), 'ERR_CONFIG', 'cat needs an array'],
  [(g, { x }) => g.cat(x), 'ERR_CONFIG', 'NetworkValue'],
  [(g, { x }) => g.cat([x, 3]), 'ERR_CONFIG', 'tensor 1', '3'],
  [(g, { x }) => g.cat([x, g.flatten(x)], { dim: 1 }), 'ERR_SHAPE', 'concat'],
  [(g, { x }) => g.split(x, { splitSize: [1, 2], dim: 1 }), 'ERR_SHAPE', '[1, 2]', '4'],
  [(g, { x }) => g.chunk(x, { chunks: 0 }), 'ERR_CONFIG', 'chunks', '0'],
  [(g, { x }) => g.slice(x, { dim: 1, start: 3, end: -3 }), 'ERR_SHAPE', 'nothing is left', '3', '-3'],
  [(g, { x }) => g.slice(x, { dim: 1, step: -1 }), 'ERR_CONFIG', 'step', '-1'],
  [(g, { x }) => g.reshape(x, { shape: [5, -1] }), 'ERR_SHAPE', '[1, 4, 6, 6]', '[5, -1]'],
  [(g, { x }) => g.reshape(x, { shape: [-1, -1] }), 'ERR_SHAPE', '[-1, -1]'],
  [(g, { x }) => g.reshape(x, { shape: 144 }), 'ERR_CONFIG', '144'],
  [(g, { x }) => g.flatten(x, { startDim: 2, endDim: 1 }), 'ERR_SHAPE', 'startDim 2'],
  [(g, { x }) => g.permute(x, { dims: [0, 1, 2, 2] }), 'ERR_CONFIG', '[0, 1, 2, 2]'],
  [(g, { x }) => g.channelShuffle(x, { groups: 3 }), 'ERR_SHAPE', '4 channels', '3 groups'],
  [(g, { x }) => g.pad(x, { pad: [1, 2, 3] }), 'ERR_CONFIG', '[1, 2, 3]'],
  [(g, { x }) => g.pad(x, { pad: [6, 0], mode: 'reflect' }), 'ERR_SHAPE', 'dimension 3', '[6, 0]'],
  [(g, { x }) => g.pad(x, { pad: [-3, -3] }), 'ERR_SHAPE', 'pad'],
  [(g, { x }) => g.interpolate(x, {}), 'ERR_CONFIG', 'neither'],
  [(g, { x }) => g.interpolate(x, { size: 3, scaleFactor: 2 }), 'ERR_CONFIG', 'both'],
  [(g, { x }) => g.interpolate(x, { scaleFactor: 0.1 }), 'ERR_CONFIG', '6x6', '0.1'],
  [(g, { x }) => g.interpolate(x, { size: 3, alignCorners: true }), 'ERR_CONFIG', 'alignCorners', '"nearest"'],
  [(g, { x }) => g.pixelShuffle(x, { upscaleFactor: 3 }), 'ERR_SHAPE', '4 channels', '3x3'],
  [(g, { x }) => g.kernelAggregation(x, g.flatten(x), { name: 'a', outChannels: 2, kernelSize: 1 }), 'ERR_SHAPE', 'the attention', '[1, 144]'],
  [(g, { x }) => g.dyConv2d(x, { name: 'a', outChannels: 2, kernelSize: 1, temperature: 0 }), 'ERR_CONFIG', 'temperature', '0'],
  [(g, { x }) => g.odConv2d(x, { name: 'a', outChannels: 2, kernelSize: 1, bias: true }), 'ERR_CONFIG', 'no option "bias"'],
  [(g, { x }) => g.dynamicConvolution(x, g.flatten(x)), 'ERR_SHAPE', 'weight', '[1, 144]'],
  [(g, { x }) => g.dynamicConvolution(x, x, { bias: x }), 'ERR_SHAPE'],
  [(g) => g.parameter({ name: 'a', shape: 3 }), 'ERR_CONFIG', 'shape', '3'],
  [(g) => g.parameter({ name: 'a', shape: [0] }), 'ERR_SHAPE', '[0]'],
  [(g) => g.parameter({ name: 'a', shape: [2], value: '1' }), 'ERR_CONFIG', '"1"'],
  [() => 5, 'ERR_CONFIG', 'must return', '5'],
  [(g, { x }) => [x], 'ERR_CONFIG', 'must return'],
  [async (g, { x }) => x, 'ERR_CONFIG', 'must return', 'Promise'],
  [() => ({}), 'ERR_CONFIG', 'no properties'],
  [(g, { x }) => ({ y: x, z: 1 }), 'ERR_CONFIG', 'the output "z"', '1'],
];

for (const [build, code, ...words] of REFUSED) {
  test(`refused: ${String(build).replace(/^.*?=> /, '')}`, () => assertRefused(() => make(build), code, ...words));
}

// Arguments of dk.network that are refused.
const ARGUMENTS = [
  [[], 'ERR_CONFIG', 'shape of each input', 'undefined'],
  [[{}], 'ERR_CONFIG', 'no properties'],
  [[{ x: 3 }], 'ERR_CONFIG', 'input "x"', '3'],
  [[{ x: [1, 0] }], 'ERR_SHAPE', '[1, 0]'],
  [[{ x: [1, 1, 1, 1, 1, 1, 1] }], 'ERR_SHAPE', '7 dimensions'],
  [[image], 'ERR_CONFIG', 'function', 'undefined'],
  [[image, (g, { x }) => x, { keep: 'relu' }], 'ERR_CONFIG', 'keep', '"relu"'],
  [[image, (g, { x }) => x, { keep: ['relu'] }], 'ERR_CONFIG', 'keep names "relu"'],
  [[image, (g, { x }) => x, { seed: -1 }], 'ERR_CONFIG', 'seed', '-1'],
  [[image, (g, { x }) => x, { name: 'net' }], 'ERR_CONFIG', 'no option "name"'],
];

for (const [given, code, ...words] of ARGUMENTS) {
  test(`refused arguments: ${words.join(', ')}`, () => assertRefused(() => graphMaker(...given)(null), code, ...words));
}
