// The public API for the hostile tests: all members, found in the exports and the prototypes, and a valid call of each.
// The tests replace the receiver, the arguments and the options of a call one by one.
import { readFileSync } from 'node:fs';
import { createCanvas } from '@napi-rs/canvas';
import * as pose from '../../web/dynakernel/dite-hrnet/index.js';
import * as exports from '../../web/dynakernel/index.js';
import { loadRuntime } from '../helpers.mjs';
import { Writer, diteBlock } from '../network/onnx/dite-like.mjs';

const { DynakernelError, cosineSchedule, load, parseCheckpoint, parseSafetensors, stepSchedule, toFloat32, toSafetensors, warmupSchedule } = exports;

export const config = { inChannels: 3, outChannels: 2, kernelSize: 3, seed: 1 };

const unseeded = { inChannels: 3, outChannels: 2, kernelSize: 3 };

const checkpoint = readFileSync(new URL('../fixtures/checkpoints/plain.pth', import.meta.url));

/** An ONNX file: a dynamic block and a convolution, from x [1, 3, 8, 8] to [1, 2, 6, 6]. */
function onnxFile() {
  const w = new Writer(3);
  const dynamic = diteBlock(w, 'x', '/block', { N: 1, C: 3, O: 3, R: 1, H: 8, W: 8 });
  return w.model({ x: [1, 3, 8, 8] }, [w.conv(dynamic, w.parameter('weight', [2, 3, 3, 3]), '', {}, '/conv')]);
}

/** The same network without the block, from the JavaScript door. */
const buildNetwork = (g, { x }) => ({ y: g.conv2d(x, { name: 'conv', outChannels: 2, kernelSize: 3 }) });
const KEPT = '/block/attention/relu/Relu';

/** A runtime with one object of each class. It has already taken the memory that later calls need. */
export async function makeWorld() {
  const dk = await loadRuntime();
  const foreign = await loadRuntime();
  const block = dk.dynamicKernelAggregation(config);
  const untouched = dk.dynamicKernelAggregation({ ...config, seed: 2 });
  const attention = dk.kernelAttention({ channels: 3, seed: 3 });
  const aggregation = dk.kernelAggregation({ ...config, seed: 4 });
  const dyConv = dk.dyConv2d({ ...config, seed: 5 });
  const odConv = dk.odConv2d({ ...config, seed: 6 });
  const condConv = dk.condConv2d({ ...config, seed: 7 });
  const routing = dk.routing({ channels: 3, seed: 8 });
  const dynamic = dk.dynamicConvolution({ inChannels: 3, outChannels: 2, kernelSize: 3 });
  const numbers = (count) => Float32Array.from({ length: count }, (_, i) => Math.sin(i + 1));
  const x = dk.tensor(numbers(192), [1, 3, 8, 8]);
  const a = dk.tensor([0.1, 0.2, 0.3, 0.4], [1, 4]);
  const world = {
    dk, foreign, block, untouched, attention, aggregation, dyConv, odConv, condConv, routing, dynamic, x, a,
    kernels: dk.tensor(numbers(54), [1, 2, 3, 3, 3]), biases: dk.tensor([1, 2], [1, 2]),
    channel: dk.tensor([0.5, 1, 2], [1, 3]), filter: dk.tensor([0.5, 1], [1, 2]), spatial: dk.tensor(numbers(9), [1, 9]),
    out: dk.zeros([1, 2, 6, 6]), target: dk.tensor(numbers(72), [1, 2, 6, 6]),
    attentionOut: dk.zeros([1, 4]), pixels: dk.zeros([1, 3, 4, 4]), inputGradient: dk.zeros([1, 3, 8, 8]),
    optimizer: dk.adam([block, attention, aggregation], { lr: 1e-3 }),
    foreignTensor: foreign.zeros([1, 3, 8, 8]), foreignBlock: foreign.dynamicKernelAggregation(config),
    gone: dk.zeros([1, 3, 8, 8]), goneBlock: dk.dynamicKernelAggregation(config),
    picture: () => ({ data: new Uint8ClampedArray(64).fill(99), width: 4, height: 4 }),
    canvas: () => createCanvas(4, 4),
    net: dk.onnxNetwork(onnxFile(), { keep: [KEPT] }), goneNet: dk.onnxNetwork(onnxFile()),
    file: onnxFile, checkpoint: () => new Uint8Array(checkpoint).slice(),
    bytes: () => toSafetensors({ weight: { shape: [2], data: Float32Array.of(1, 2) } }),
    dict: () => block.stateDict(),
  };
  world.gone.dispose();
  world.goneBlock.dispose();
  world.goneNet.dispose();
  for (const module of [block, attention, aggregation, dyConv, odConv, condConv, routing, dynamic]) {
    module.requiresGrad = true;
  }
  warm(world);
  return world;
}

/** Takes the memory that the runtime keeps: for the backward pass, gradients, the optimizer's state, scratch. */
function warm({
  block, untouched, attention, aggregation, dyConv, odConv, condConv, routing, dynamic, x, a, kernels, biases, target,
  attentionOut, optimizer, dk, out, canvas, picture, pixels, net, file,
}) {
  for (let turn = 0; turn < 2; turn++) {
    for (const module of [block, untouched, dyConv, odConv]) module.forward(x, { out });
    for (const module of [aggregation, condConv]) module.forward(x, a, { out });
    for (const module of [attention, routing]) module.forward(x, { out: attentionOut });
    dynamic.forward(x, kernels, biases, { out });
    for (const module of [block, aggregation, dyConv, odConv, condConv, dynamic]) module.backward(target).dispose();
    for (const module of [attention, routing]) module.backward(attentionOut).dispose();
    optimizer.step();
    for (const module of [block, untouched, attention, aggregation, dyConv, odConv, condConv, routing, net]) {
      module.loadStateDict(module.stateDict());
    }
    net.forward(x, { out });
    net.activation(KEPT).dispose();
    for (const made of [dk.onnxNetwork(file()), dk.network({ x: [1, 3, 8, 8] }, buildNetwork)]) made.dispose();
    dk.fromImage(picture(), { width: 4, height: 4, out: pixels });
    out.drawMaps(canvas(), { colormap: 'viridis' });
    for (const colormap of ['gray', 'coolwarm']) out.drawMap(canvas(), { colormap });
    out.toImageData();
  }
}

/**
 * A valid call: the receiver, the arguments, and which argument is the options, with a valid value for each option.
 * `slots` build the arguments around a value that lies deeper. `run` makes calls that are not methods of the receiver.
 */
const call = (on, args = () => [], more = {}) => ({ on, args, ...more });

const dimensions = { stride: 1, padding: 1, dilation: 1, groups: 1, bias: true, numKernels: 2, algorithm: 'direct', precision: 'float16', seed: 1 };
const makes = { inChannels: 3, outChannels: 2, kernelSize: 3, ...dimensions };
/** Options that take a pair: a hostile value as one of its items. */
const pairs = Object.fromEntries(['kernelSize', 'stride', 'padding', 'dilation'].flatMap((name) => [
  [`${name}, vertical`, (w, value) => [{ ...config, [name]: [value, 1] }]],
  [`${name}, horizontal`, (w, value) => [{ ...config, [name]: [1, value] }]],
]));
const maps = { batch: 0, colormap: 'gray', range: [0, 1] };
const withOut = (out) => ({ at: 2, values: { out } });
const own = (make) => (world) => make(world); // a receiver for one call only

const without = (name, { [name]: _, ...rest }) => rest;

const disposable = {
  Tensor: (w) => w.dk.zeros([1]),
  Module: (w) => w.dk.kernelAttention({ channels: 1, seed: 1 }),
  Aggregation: (w) => w.dk.condConv2d({ ...config, kernelSize: 1 }),
  Block: (w) => w.dk.odConv2d({ ...config, kernelSize: 1 }),
  DynamicConvolution: (w) => w.dk.dynamicConvolution({ inChannels: 1, outChannels: 1, kernelSize: 1 }),
  Optimizer: (w) => w.dk.sgd(w.block),
  Network: (w) => w.dk.network({ x: [1, 3, 8, 8] }, buildNetwork),
};
const disposes = (name) => ({
  [`${name}.dispose`]: call(own(disposable[name])),
});
const endsUsing = (name) => ({ [`${name}[dispose]`]: call(own(disposable[name])) });

const image = {
  mean: [0.1, 0.2, 0.3], std: 2, channels: 3, width: 4, height: 4, crop: { x: -1, y: 0.5, width: 3, height: 3 },
  out: (w) => w.pixels, batch: 0, maxPixels: 99,
};

/** A runtime whose networks are small: a whole Dite-HRNet takes half a second to plan. */
const smallNetworks = (w) => ({ network: (inputs, build, options) => w.dk.network({ x: [2] }, (g, { x }) => g.relu(x), options) });

export const table = {
  DynakernelError: call(null, () => ['ERR_SHAPE', 'message', { cause: 1 }], { run: (args) => new DynakernelError(...args) }),
  load: call(null, () => [{ threads: 1 }], {
    run: (args) => load(...args),
    options: { at: 0, values: { simd: 'baseline', threads: 1, wasm: undefined, signal: undefined } },
  }),
  parseCheckpoint: call(null, (w) => [w.checkpoint()], { run: (args) => parseCheckpoint(...args) }),
  parseSafetensors: call(null, (w) => [w.bytes()], { run: (args) => parseSafetensors(...args) }),
  toSafetensors: call(null, () => [{ weight: { shape: [2], data: Float32Array.of(1, 2), dtype: 'F32' } }, { a: 'b' }], {
    run: (args) => toSafetensors(...args),
    options: { at: 2, values: { dtype: 'F16' } },
    slots: {
      value: (w, value) => [{ weight: value }],
      shape: (w, value) => [{ weight: { shape: value, data: Float32Array.of(1, 2) } }],
      data: (w, value) => [{ weight: { shape: [2], data: value } }],
      dtype: (w, value) => [{ weight: { shape: [2], data: Float32Array.of(1, 2), dtype: value } }],
      string: (w, value) => [{}, { key: value }],
    },
  }),
  toFloat32: call(null, () => [{ shape: [2], data: Uint16Array.of(1, 2), dtype: 'F16' }], {
    run: (args) => toFloat32(...args),
    slots: {
      shape: (w, value) => [{ shape: value, data: Uint16Array.of(1, 2), dtype: 'F16' }],
      data: (w, value) => [{ shape: [2], data: value }],
      dtype: (w, value) => [{ shape: [2], data: Uint16Array.of(1, 2), dtype: value }],
    },
  }),
  cosineSchedule: call(null, () => [{ lr: 1, steps: 9 }], {
    run: (args) => cosineSchedule(...args)(0),
    options: { at: 0, values: { lr: 1, steps: 9, warmup: 2, least: 0.1 } },
    slots: { step: (w, value) => ({ step: value }) },
    runSlot: ({ step }) => cosineSchedule({ lr: 1, steps: 9, warmup: 2 })(step),
  }),
  stepSchedule: call(null, () => [{ lr: 1, every: 9 }], {
    run: (args) => stepSchedule(...args)(0),
    options: { at: 0, values: { lr: 1, every: 9, factor: 0.5 } },
    slots: { step: (w, value) => ({ step: value }) },
    runSlot: ({ step }) => stepSchedule({ lr: 1, every: 9 })(step),
  }),
  warmupSchedule: call(null, () => [{ lr: 1, warmup: 9 }], {
    run: (args) => warmupSchedule(...args)(0),
    options: { at: 0, values: { lr: 1, warmup: 9 } },
    slots: { rate: (w, value) => ({ rate: value }) },
    runSlot: ({ rate }) => warmupSchedule({ lr: () => rate, warmup: 9 })(1),
  }),

  diteHRNet: call(null, (w) => [smallNetworks(w), { depth: 18 }], {
    run: (args) => pose.diteHRNet(...args),
    options: {
      at: 1, base: { depth: 18 }, values: { depth: 30, joints: 3, height: 64, width: 32, batch: 2, keep: ['relu'], seed: 1 },
    },
  }),
  decodeHeatmaps: call(null, (w) => [w.x], {
    run: (args) => pose.decodeHeatmaps(...args),
    options: { at: 1, values: { box: { x: 0, y: 0, width: 2, height: 2 } } },
    slots: {
      side: (w, value) => [w.x, { box: { x: 0, y: value, width: 2, height: 2 } }],
      'one box': (w, value) => [w.x, { box: [value] }],
    },
  }),
  cropBox: call(null, () => [{ x: 0, y: 0, width: 2, height: 2 }, { width: 3, height: 4 }], {
    run: (args) => pose.cropBox(...args),
    options: { at: 1, base: { width: 3, height: 4 }, values: { width: 3, height: 4, padding: 1 } },
    slots: { side: (w, value) => [{ x: 0, y: 0, width: value, height: 2 }, { width: 3, height: 4 }] },
  }),

  'Runtime.get info': call((w) => w.dk),
  'Runtime.get disposed': call((w) => w.dk),
  // The memory is trimmed before, so each call returns 0.
  'Runtime.trim': call((w) => { w.dk.trim(); return w.dk; }),
  'Runtime.tensor': call((w) => w.dk, () => [Float32Array.of(1, 2, 3, 4), [2, 2]], {
    slots: {
      number: (w, value) => [[1, 2, value, 4], [4]],
      row: (w, value) => [[[1, 2], value], [2, 2]],
      length: (w, value) => [[1, 2], [2, value]],
    },
  }),
  'Runtime.zeros': call((w) => w.dk, () => [[2, 2]], { slots: { length: (w, value) => [[2, value]] } }),
  'Runtime.fromImage': call((w) => w.dk, (w) => [w.picture()], {
    options: { at: 1, values: image },
    slots: {
      data: (w, value) => [{ ...w.picture(), data: value }],
      width: (w, value) => [{ ...w.picture(), width: value }],
      height: (w, value) => [{ ...w.picture(), height: value }],
      context: (w, value) => [{ width: 4, height: 4, getContext: () => value }],
      'canvas width': (w, value) => [{ width: value, height: 4, getContext: () => pixelsContext(value, 4) }],
      'canvas height': (w, value) => [{ width: 4, height: value, getContext: () => pixelsContext(4, value) }],
      'pixels of a canvas': (w, value) => [{ width: 4, height: 4, getContext: () => ({ getImageData: () => value }) }],
      'data of a canvas': (w, value) =>
        [{ width: 4, height: 4, getContext: () => ({ getImageData: () => ({ data: value, width: 4, height: 4 }) }) }],
      'one mean': (w, value) => [w.picture(), { mean: [0, value, 0] }],
      'side of a crop': (w, value) => [w.picture(), { crop: { x: value, y: 0, width: 2, height: 2 }, width: 2, height: 2 }],
    },
  }),
  // The layers have a table of their own: tests/network/layers-hostile.test.mjs.
  'Runtime.network': call((w) => w.dk, () => [{ x: [1, 2, 3, 3] }, (g, { x }) => g.relu(x)], {
    options: { at: 2, values: { keep: ['relu'], seed: 1 } },
    slots: {
      shape: (w, value) => [{ x: value }, (g, { x }) => g.relu(x)],
      length: (w, value) => [{ x: [1, value] }, (g, { x }) => g.relu(x)],
      'what is built': (w, value) => [{ x: [1] }, () => value],
      output: (w, value) => [{ x: [1] }, (g, { x }) => ({ y: x, z: value })],
      'name of a layer': (w, value) => [{ x: [1, value] }, (g, { x }) => g.relu(x), { keep: [value] }],
    },
  }),
  'Runtime.dynamicKernelAggregation': call((w) => w.dk, () => [config],
    { options: { at: 0, values: { ...makes, reduction: 2, midChannels: 3 }, base: config }, slots: pairs }),
  'Runtime.kernelAttention': call((w) => w.dk, () => [{ channels: 3 }],
    { options: { at: 0, values: { channels: 3, reduction: 2, numKernels: 2, midChannels: 1, seed: 1 } } }),
  'Runtime.kernelAggregation': call((w) => w.dk, () => [config],
    { options: { at: 0, values: { ...makes, kernelSize: [3, 1], stride: [1, 2] }, base: config }, slots: pairs }),
  'Runtime.dyConv2d': call((w) => w.dk, () => [config],
    { options: { at: 0, values: { ...makes, ratio: 0.5, temperature: 2 }, base: config }, slots: pairs }),
  'Runtime.odConv2d': call((w) => w.dk, () => [config], {
    options: { at: 0, values: { ...without('bias', makes), reduction: 0.5, temperature: 2 }, base: config }, slots: pairs,
  }),
  'Runtime.condConv2d': call((w) => w.dk, () => [config], {
    options: { at: 0, values: { ...without('numKernels', makes), numExperts: 2, padding: 'same' }, base: config },
    slots: pairs,
  }),
  'Runtime.routing': call((w) => w.dk, () => [{ channels: 3 }],
    { options: { at: 0, values: { channels: 3, numExperts: 2, seed: 1 } } }),
  'Runtime.dynamicConvolution': call((w) => w.dk, () => [unseeded], {
    options: {
      at: 0, base: unseeded,
      values: ['bias', 'numKernels', 'precision', 'seed'].reduce((values, name) => without(name, values), makes),
    },
  }),
  'Runtime.onnxNetwork': call((w) => w.dk, (w) => [w.file()], {
    options: { at: 1, values: { shapes: { x: [1, 3, 8, 8] }, keep: [KEPT] } },
    slots: {
      shape: (w, value) => [w.file(), { shapes: { x: value } }],
      length: (w, value) => [w.file(), { shapes: { x: [1, 3, value, 8] } }],
      'one name': (w, value) => [w.file(), { keep: [value] }],
    },
  }),
  'Runtime.mseLoss': call((w) => w.dk, (w) => [w.target, w.out], { options: withOut((w) => w.dk.zeros([1, 2, 6, 6])) }),
  'Runtime.l1Loss': call((w) => w.dk, (w) => [w.target, w.out], { options: withOut((w) => w.dk.zeros([1, 2, 6, 6])) }),
  'Runtime.huberLoss': call((w) => w.dk, (w) => [w.target, w.out], {
    options: { at: 2, values: { delta: 1, out: (w) => w.dk.zeros([1, 2, 6, 6]) } },
  }),
  'Runtime.sgd': call((w) => w.dk, (w) => [w.block], {
    options: { at: 1, values: { lr: 0.1, momentum: 0.9, weightDecay: 0 } },
    slots: { module: (w, value) => [[w.block, value]] },
  }),
  'Runtime.adam': call((w) => w.dk, (w) => [[w.block]], {
    options: { at: 1, values: { lr: 0.1, betas: [0.9, 0.99], eps: 1e-8, weightDecay: 0 } },
    slots: { module: (w, value) => [[value]], beta: (w, value) => [w.block, { betas: [value, 0.9] }] },
  }),
  'Runtime.dispose': call(own((w) => w.foreign), () => [], { ends: true }),
  'Runtime[dispose]': call(own((w) => w.foreign), () => [], { ends: true }),

  'Tensor.get shape': call((w) => w.x),
  'Tensor.get data': call((w) => w.x),
  'Tensor.get disposed': call((w) => w.x),
  'Tensor.set': call((w) => w.pixels, () => [new Float32Array(48)], {
    slots: { item: (w, value) => [[value, ...new Array(47).fill(0)]] },
  }),
  'Tensor.toArray': call((w) => w.x, () => [new Float32Array(192)]),
  'Tensor.toImageData': call((w) => w.x, () => [], { options: { at: 0, values: { ...maps, channel: 1 } } }),
  'Tensor.drawMap': call((w) => w.x, (w) => [w.canvas()], {
    options: { at: 1, values: { ...maps, channel: 'rgb' } },
    slots: { context: (w, value) => [{ width: 1, height: 1, getContext: () => value }] },
  }),
  'Tensor.drawMaps': call((w) => w.x, (w) => [w.canvas()], {
    options: { at: 1, values: { ...maps, columns: 2, gap: 1 } },
    slots: { 'end of the range': (w, value) => [w.canvas(), { range: [0, value] }] },
  }),
  ...disposes('Tensor'), ...endsUsing('Tensor'),

  'Module.get training': call((w) => w.block),
  'Module.train': call((w) => w.block, () => [false]),
  'Module.eval': call((w) => w.block),
  'Module.get requiresGrad': call((w) => w.block),
  'Module.set requiresGrad': call((w) => w.block, () => [true]),
  'Module.stateDict': call((w) => w.block),
  'Module.loadStateDict': call((w) => w.block, (w) => [w.dict()], {
    options: { at: 1, values: { strict: false, prefix: '' } },
    slots: {
      value: (w, value) => [{ ...w.dict(), 'attention.bn.weight': value }],
      ...Object.fromEntries(['shape', 'data', 'dtype'].flatMap((field) =>
        ['aggregation.weight', 'attention.bn.bias', 'attention.bn.num_batches_tracked'].map((name) =>
          [`${field} of ${name}`, (w, value) => [{ ...w.dict(), [name]: { ...w.dict()[name], [field]: value } }]]))),
    },
  }),
  'Module.parameters': call((w) => w.block),
  'Module.gradients': call((w) => w.block),
  'Module.zeroGrad': call((w) => w.block),
  'Module.get disposed': call((w) => w.block),
  ...disposes('Module'), ...endsUsing('Module'),

  'Attention.forward': call((w) => w.attention, (w) => [w.x],
    { options: { at: 1, values: { out: (w) => w.attentionOut } } }),
  'Attention.backward': call((w) => w.attention, (w) => [w.a],
    { options: { at: 1, values: { out: (w) => w.inputGradient, input: true } } }),
  'KernelAttention.get config': call((w) => w.attention),
  'Routing.get config': call((w) => w.routing),
  'Routing.get lastAttention': call((w) => w.routing),
  'Routing.forward': call((w) => w.routing, (w) => [w.x],
    { options: { at: 1, values: { out: (w) => w.attentionOut } } }),

  'Convolution.get plan': call((w) => w.aggregation),
  'Convolution.planFor': call((w) => w.aggregation, () => [[1, 3, 8, 8]],
    { slots: { length: (w, value) => [[1, 3, value, 8]] } }),
  'Aggregation.forward': call((w) => w.aggregation, (w) => [w.x, w.a],
    { options: { at: 2, values: { out: (w) => w.out } } }),
  'Aggregation.backward': call((w) => w.aggregation, (w) => [w.target],
    { options: { at: 1, values: { out: (w) => w.inputGradient, input: true } } }),
  'Aggregation.get attentionGradient': call((w) => w.aggregation),
  'Aggregation.mix': call((w) => w.aggregation, (w) => [w.a]),
  ...disposes('Aggregation'),
  'KernelAggregation.get config': call((w) => w.aggregation),
  'CondConv2d.get config': call((w) => w.condConv),
  'CondConv2d.get lastAttention': call((w) => w.condConv),
  'CondConv2d.forward': call((w) => w.condConv, (w) => [w.x, w.a],
    { options: { at: 2, values: { out: (w) => w.out } } }),

  'DynamicConvolution.get config': call((w) => w.dynamic),
  'DynamicConvolution.get weightGradient': call((w) => w.dynamic),
  'DynamicConvolution.get biasGradient': call((w) => w.dynamic),
  'DynamicConvolution.forward': call((w) => w.dynamic, (w) => [w.x, w.kernels, w.biases],
    { options: { at: 3, values: { out: (w) => w.out } } }),
  'DynamicConvolution.backward': call((w) => w.dynamic, (w) => [w.target],
    { options: { at: 1, values: { out: (w) => w.inputGradient, input: true } } }),
  ...disposes('DynamicConvolution'),

  'Block.forward': call((w) => w.odConv, (w) => [w.x], { options: { at: 1, values: { out: (w) => w.out } } }),
  'Block.backward': call((w) => w.dyConv, (w) => [w.target],
    { options: { at: 1, values: { out: (w) => w.inputGradient, input: true } } }),
  'Block.get lastAttention': call((w) => w.block),
  'Block.get plan': call((w) => w.block),
  'Block.planFor': call((w) => w.block, () => [[1, 3, 8, 8]], { slots: { length: (w, value) => [[1, 3, value, 8]] } }),
  ...disposes('Block'),
  'DynamicKernelAggregation.get attention': call((w) => w.block),
  'DynamicKernelAggregation.get aggregation': call((w) => w.block),
  'DynamicKernelAggregation.get config': call((w) => w.block),
  'DynamicKernelAggregation.mix': call((w) => w.block, (w) => [w.a]),

  'TemperedBlock.get temperature': call((w) => w.dyConv),
  'TemperedBlock.set temperature': call((w) => w.dyConv, () => [34]),
  'DyConv2d.get config': call((w) => w.dyConv),
  'DyConv2d.mix': call((w) => w.dyConv, (w) => [w.a]),
  'OdConv2d.get config': call((w) => w.odConv),
  'OdConv2d.get lastAttention': call((w) => w.odConv),
  'OdConv2d.get lastAttentions': call((w) => w.odConv),
  'OdConv2d.mix': call((w) => w.odConv, (w) => [{ kernel: w.a }], {
    options: {
      at: 0,
      values: { kernel: (w) => w.a, channel: (w) => w.channel, filter: (w) => w.filter, spatial: (w) => w.spatial },
    },
  }),

  'Network.get inputs': call((w) => w.net),
  'Network.get outputs': call((w) => w.net),
  'Network.get layers': call((w) => w.net),
  'Network.get attention': call((w) => w.net),
  'Network.get attentions': call((w) => w.net),
  'Network.forward': call((w) => w.net, (w) => [w.x], {
    options: { at: 1, values: { out: (w) => w.out } },
    slots: {
      'the named input': (w, value) => [{ x: value }],
      'the named out': (w, value) => [w.x, { out: { [Object.keys(w.net.outputs)[0]]: value } }],
    },
  }),
  'Network.profile': call((w) => w.net, (w) => [w.x], { options: { at: 1, values: { runs: 1 } } }),
  'Network.activation': call((w) => w.net, () => [KEPT]),
  'Network.stateDict': call((w) => w.net),
  'Network.loadStateDict': call((w) => w.net, (w) => [w.net.stateDict()], {
    options: { at: 1, values: { strict: false, prefix: '' } },
    slots: {
      value: (w, value) => [{ ...w.net.stateDict(), weight: value }],
      ...Object.fromEntries(['shape', 'data', 'dtype'].map((field) => [`${field} of weight`, (w, value) => {
        const dict = w.net.stateDict();
        return [{ ...dict, weight: { ...dict.weight, [field]: value } }];
      }])),
    },
  }),
  'Network.get disposed': call((w) => w.net),
  ...disposes('Network'), ...endsUsing('Network'),

  'Optimizer.get lr': call((w) => w.optimizer),
  'Optimizer.set lr': call((w) => w.optimizer, () => [0.1]),
  'Optimizer.step': call((w) => w.optimizer),
  'Optimizer.zeroGrad': call((w) => w.optimizer),
  'Optimizer.stateDict': call((w) => w.optimizer, () => [], { options: { at: 0, values: { flat: true } } }),
  'Optimizer.loadStateDict': call((w) => w.optimizer, (w) => [w.optimizer.stateDict()], {
    slots: {
      ...Object.fromEntries(['state', 'param_groups'].map((field) =>
        [field, (w, value) => [{ ...w.optimizer.stateDict(), [field]: value }]])),
      'an entry': (w, value) => [{ ...w.optimizer.stateDict(), state: { ...w.optimizer.stateDict().state, 0: value } }],
      'a flat array': (w, value) => {
        const flat = w.optimizer.stateDict({ flat: true });
        return [{ ...flat, [Object.keys(flat)[0]]: value }];
      },
    },
  }),
  'Optimizer.get disposed': call((w) => w.optimizer),
  ...disposes('Optimizer'), ...endsUsing('Optimizer'),
};

/** A context like those of odd packages: it always returns 16 pixels and repeats the size that it is given. */
const pixelsContext = (width, height) => ({
  getImageData: () => ({ data: new Uint8ClampedArray(64), width, height }),
});

/** The classes of the objects in a world, with their base classes, by name. */
function classesOf(world) {
  const classes = new Map();
  for (const object of [
    world.dk, world.x, world.attention, world.aggregation, world.block, world.dyConv, world.odConv, world.condConv,
    world.routing, world.dynamic, world.optimizer, world.net,
  ]) {
    let prototype = Object.getPrototypeOf(object);
    for (; prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype)) {
      classes.set(prototype.constructor.name, prototype);
    }
  }
  return classes;
}

/** All public members by the names that the table uses. */
export function membersOf(world) {
  const members = [...Object.keys(exports), ...Object.keys(pose)];
  for (const [name, prototype] of classesOf(world)) {
    for (const key of Reflect.ownKeys(prototype)) {
      if (key === 'constructor' || key === Symbol.toStringTag) continue;
      const { get, set, value } = Object.getOwnPropertyDescriptor(prototype, key);
      const text = typeof key === 'symbol' ? '[dispose]' : `.${key}`; // Symbol.dispose is the only one
      if (get) members.push(`${name}.get ${String(key)}`);
      if (set) members.push(`${name}.set ${String(key)}`);
      if (value) members.push(`${name}${text}`);
    }
  }
  return members;
}

/** The function behind a member of the table. */
export function functionOf(world, member) {
  const match = /^(\w+)(?:\.(get |set )?(\w+)|\[dispose\])$/.exec(member);
  const [, className, accessor, key] = match;
  const prototype = classesOf(world).get(className);
  const symbol = Reflect.ownKeys(prototype).find((other) => typeof other === 'symbol' && other !== Symbol.toStringTag);
  const descriptor = Object.getOwnPropertyDescriptor(prototype, key ?? symbol);
  return accessor ? descriptor[accessor.trim()] : descriptor.value;
}
