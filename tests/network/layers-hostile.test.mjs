// Every layer of the JavaScript door, called with hostile values in every place: only DynakernelErrors leave, and a call
// that is accepted returns values of the network. A layer or an option that the table lacks fails the first tests.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DynakernelError } from '../../web/dynakernel/index.js';
import { NetworkLayers } from '../../web/dynakernel/network/layers.js';
import { Scope } from '../../web/dynakernel/network/layers/scope.js';
import { isHandle } from '../../web/dynakernel/network/layers/value.js';
import { makeWorld } from '../hostile/api.mjs';
import { hostileValues } from '../hostile/values.mjs';

let world;
before(async () => {
  world = await makeWorld();
});
after(() => [world.dk, world.foreign].forEach((runtime) => runtime.dispose()));

const named = { name: 'a' };
const window = { stride: 1, padding: 1, dilation: 1, groups: 1 };
const conv = { ...named, outChannels: 4, kernelSize: 3, ...window, bias: true };
const { bias: _bias, ...withoutBias } = conv;
const pool = { ...named, kernelSize: 2, stride: 2, padding: 0, ceilMode: false };
const reduction = { ...named, dim: [2, 3], keepdim: true };
const attention = { numKernels: 2, reduction: 2, midChannels: 2 };

// The arguments of a valid call, with the options last. x is [1, 4, 6, 6], a is [1, 2], w is [1, 2, 4, 3, 3].
const TABLE = {
  conv2d: ({ x }) => [x, conv],
  convTranspose2d: ({ x }) => [x, { ...conv, stride: 2, outputPadding: 1 }],
  linear: ({ x }) => [x, { ...named, outFeatures: 2, bias: true }],
  batchNorm2d: ({ x }) => [x, { ...named, eps: 0.1 }],
  localResponseNorm: ({ x }) => [x, { ...named, size: 2, alpha: 1, beta: 1, k: 1 }],
  prelu: ({ x }) => [x, { ...named, numParameters: 4, init: 0.1 }],
  hardtanh: ({ x }) => [x, { ...named, minVal: -1, maxVal: 1 }],
  clamp: ({ x }) => [x, { ...named, min: -1, max: 1 }],
  leakyReLU: ({ x }) => [x, { ...named, negativeSlope: 0.1 }],
  elu: ({ x }) => [x, { ...named, alpha: 1 }],
  gelu: ({ x }) => [x, { ...named, approximate: 'tanh' }],
  ...Object.fromEntries(['relu', 'relu6', 'hardsigmoid', 'hardswish', 'sigmoid', 'tanh', 'silu', 'exp', 'log', 'sqrt', 'neg',
    'abs', 'reciprocal', 'erf'].map((layer) => [layer, ({ x }) => [x, named]])),
  ...Object.fromEntries(['add', 'sub', 'mul', 'div', 'minimum', 'maximum', 'pow', 'matmul'].map((layer) =>
    [layer, ({ x }) => [x, x, named]])),
  softmax: ({ x }) => [x, { ...named, dim: 1 }],
  ...Object.fromEntries(['mean', 'sum', 'amax'].map((layer) => [layer, ({ x }) => [x, reduction]])),
  avgPool2d: ({ x }) => [x, { ...pool, countIncludePad: false }],
  maxPool2d: ({ x }) => [x, { ...pool, dilation: 1 }],
  adaptiveAvgPool2d: ({ x }) => [x, { ...named, outputSize: 2 }],
  adaptiveMaxPool2d: ({ x }) => [x, { ...named, outputSize: [1, 2] }],
  cat: ({ x }) => [[x, x], { ...named, dim: 1 }],
  split: ({ x }) => [x, { ...named, splitSize: [1, 3], dim: 1 }],
  chunk: ({ x }) => [x, { ...named, chunks: 2, dim: 1 }],
  slice: ({ x }) => [x, { ...named, dim: 1, start: 1, end: 3, step: 1 }],
  reshape: ({ x }) => [x, { ...named, shape: [1, -1] }],
  flatten: ({ x }) => [x, { ...named, startDim: 1, endDim: 2 }],
  permute: ({ x }) => [x, { ...named, dims: [0, 2, 3, 1] }],
  channelShuffle: ({ x }) => [x, { ...named, groups: 2 }],
  pad: ({ x }) => [x, { ...named, pad: [1, 1], mode: 'constant', value: 1 }],
  interpolate: ({ x }) => [x, { ...named, size: undefined, scaleFactor: 2, mode: 'bilinear', alignCorners: true }],
  pixelShuffle: ({ x }) => [x, { ...named, upscaleFactor: 2 }],
  dynamicKernelAggregation: ({ x }) => [x, { ...conv, ...attention }],
  kernelAttention: ({ x }) => [x, { ...named, ...attention }],
  kernelAggregation: ({ x, a }) => [x, a, { ...conv, numKernels: 2 }],
  dyConv2d: ({ x }) => [x, { ...conv, numKernels: 2, ratio: 0.5, temperature: 2 }],
  condConv2d: ({ x, a }) => [x, a, { ...conv, numExperts: 2 }],
  routing: ({ x }) => [x, { ...named, numExperts: 2 }],
  odConv2d: ({ x }) => [x, { ...withoutBias, numKernels: 2, reduction: 0.5, temperature: 2 }],
  dynamicConvolution: ({ x, a, w }) => [x, w, { ...named, ...window, bias: a }],
  parameter: () => [{ ...named, shape: [2], value: 1 }],
};

/** A network that is being built, and values of it. */
function begin() {
  const scope = new Scope(1);
  const input = (name, shape) => scope.handle(scope.builder.input(name, shape));
  return { g: new NetworkLayers(scope), x: input('x', [1, 4, 6, 6]), a: input('a', [1, 2]), w: input('w', [1, 2, 4, 3, 3]) };
}

test('the table lists every layer', () => {
  const layers = [];
  for (let { prototype } = NetworkLayers; prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype)) {
    layers.push(...Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor'));
  }
  assert.deepEqual(Object.keys(TABLE).sort(), layers.sort());
});

for (const [layer, argumentsOf] of Object.entries(TABLE)) {
  test(`${layer} lists every option, and takes them`, () => {
    const { g, ...values } = begin();
    const args = argumentsOf(values);
    const last = args.length - 1;
    assert.throws(() => g[layer](...args.slice(0, last), { unheardOf: 1 }), (error) => {
      const [, names] = /it takes (.*)$/.exec(error.message);
      assert.deepEqual(Object.keys(args[last]).sort(), names.split(', ').sort());
      return true;
    });
    g[layer](...args);
  });

  test(`${layer} with hostile values`, () => {
    const count = argumentsOf(begin()).length;
    const options = Object.keys(argumentsOf(begin())[count - 1]);
    const places = [...Array.from({ length: count }, (_, i) => ({ argument: i })), ...options.map((option) => ({ option }))];
    for (const place of places) {
      for (const { name, make } of hostileValues) attack(layer, argumentsOf, place, make, name);
    }
  });
}

test('hostile lengths of a parameter', () => {
  for (const { name, make } of hostileValues) {
    attack('parameter', () => [{ ...named, shape: undefined }], { option: 'shape' }, () => [1, make(2, world)], name);
  }
});

/** Makes one call with a hostile value in one place. */
function attack(layer, argumentsOf, { argument, option }, make, name) {
  const { g, ...values } = begin();
  const args = argumentsOf(values);
  const last = args.length - 1;
  const what = `${layer}, ${option ?? `argument ${argument + 1}`} = ${name}`;
  if (option === undefined) args[argument] = make(args[argument], world);
  else args[last] = { ...args[last], [option]: make(args[last][option], world) };
  let result;
  try {
    result = g[layer](...args);
  } catch (error) {
    assert.ok(isOwn(error), `${what}: ${String(error?.stack ?? 'an error that cannot be read')}`);
    return;
  }
  for (const value of [result].flat()) {
    assert.ok(isHandle(value) && value.shape.every((length) => Number.isSafeInteger(length) && length >= 1), what);
  }
}

function isOwn(error) {
  try {
    return error instanceof DynakernelError;
  } catch {
    return false;
  }
}
