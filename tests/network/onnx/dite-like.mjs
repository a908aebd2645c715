// Small models with the nodes that torch.onnx writes: the blocks of Dite-HRNet, DyConv, CondConv and ODConv. The batch
// is folded into groups.
import { Random } from '../../../web/shared/random.js';
import { ints, model, node, tensor } from '../onnx-writer.mjs';
import { sizeOf } from './support.mjs';

/** Collects the nodes and initializers of a model. */
export class Writer {
  constructor(seed = 1) {
    this.random = new Random(seed);
    this.nodes = [];
    this.constants = {};
    this.count = 0;
  }

  /** A parameter of numbers from -1 to 1, or from `low` to `high`. */
  parameter(name, shape, low = -1, high = 1) {
    this.constants[name] = tensor(shape, Array.from({ length: sizeOf(shape) }, () => this.random.between(low, high)));
    return name;
  }

  /** A constant of whole numbers, as a Constant node. */
  ints(...values) {
    return this.add('Constant', [], { value: ints(values) });
  }

  /** A scalar whole number. */
  scalar(value) {
    return this.add('Constant', [], { value: tensor([], [value], { type: 'int64' }) });
  }

  /** Adds a node with one output and returns that output. */
  add(op, inputs, attributes = {}, path = '') {
    const output = `${path || 'onnx::'}${op}_output_${this.count++}`;
    this.nodes.push(node(op, inputs, [output], attributes, { name: path ? `${path}/${op}` : '' }));
    return output;
  }

  conv(x, weight, bias, attributes, path) {
    return this.add('Conv', bias ? [x, weight, bias] : [x, weight], { dilations: [1, 1], group: 1, ...attributes }, path);
  }

  batchNorm(x, name, C, path) {
    const statistics = [['weight', 0.5, 1.5], ['bias', -1, 1], ['running_mean', -1, 1], ['running_var', 0.5, 1.5]];
    const names = statistics.map(([one, low, high]) => this.parameter(`${name}.${one}`, [C], low, high));
    return this.add('BatchNormalization', [x, ...names], { epsilon: { f: 1e-5 } }, path);
  }

  model(inputs, outputs, opset = 13) {
    return model({ nodes: this.nodes, inputs, outputs, constants: this.constants }, opset);
  }
}

/** A dynamic convolution: reshapes the weight to [N*O, C/G, R, R] and x to [1, N*C, H, W]. */
export function aggregate(w, x, mixed, { N, C, O, R, G = 1, H, W, bias, stride = 1 }, path) {
  const weight = w.add('Reshape', [mixed, w.ints(N * O, C / G, R, R)], {}, path);
  const folded = w.add('Reshape', [x, w.ints(1, N * C, H, W)], {}, path);
  const padding = Math.floor(R / 2);
  const y = w.conv(folded, weight, bias,
    { group: N * G, kernel_shape: [R, R], pads: new Array(4).fill(padding), strides: [stride, stride] }, path);
  return w.add('Reshape', [y, w.ints(N, O, Math.ceil(H / stride), Math.ceil(W / stride))], {}, path);
}

/**
 * The block of Dite-HRNet. `folded`: whether the exporter folded the attention's batch norm. `biased`: whether the
 * attention's first convolution has a bias.
 */
export function diteBlock(w, x, path, { N, C, K = 4, folded = true, biased = folded, bias = false, ...sizes }) {
  const { O, R, G = 1 } = sizes;
  const name = path.slice(1).replaceAll('/', '.').replace(/(branch\d)\.branch/, 'branch');
  const mid = Math.max(1, C / 4);
  const mean = w.add('GlobalAveragePool', [x], {}, `${path}/attention/avg_pool`);
  const first = folded ? 'onnx::Conv_'.concat(w.count) : `${name}.attention.conv1.weight`;
  let z = w.conv(mean, w.parameter(first, [mid, C, 1, 1]), biased ? w.parameter(`${first}1`, [mid]) : '', {}, `${path}/attention/conv1`);
  if (!folded) z = w.batchNorm(z, `${name}.attention.bn`, mid, `${path}/attention/bn`);
  const relu = w.add('Relu', [z], {}, `${path}/attention/relu`);
  const second = w.conv(relu, w.parameter(`${name}.attention.conv2.weight`, [K, mid, 1, 1]),
    w.parameter(`${name}.attention.conv2.bias`, [K]), {}, `${path}/attention/conv2`);
  // x.view(N, -1), computed from the shape: exporters write it so if the sizes are unknown
  const length = w.add('Gather', [w.add('Shape', [relu]), w.scalar(0)], { axis: 0 });
  const shape = w.add('Concat', [w.add('Unsqueeze', [length, w.ints(0)]), w.ints(-1)], { axis: 0 });
  const a = w.add('Sigmoid', [w.add('Reshape', [second, shape], {}, `${path}/attention`)], {}, `${path}/attention/sigmoid`);
  const depth = C / G;
  const mixed = w.add('Gemm', [a, w.parameter(`onnx::Gemm_${w.count}`, [K, O * depth * R * R])], { alpha: { f: 1 }, beta: { f: 0 } },
    `${path}/aggregation`);
  const biases = bias ? w.add('Reshape',
    [w.add('MatMul', [a, w.parameter(`${name}.aggregation.bias`, [K, O])], {}, `${path}/aggregation`), w.ints(-1)]) : '';
  return aggregate(w, x, mixed, { N, C, bias: biases, ...sizes }, `${path}/aggregation`);
}

/**
 * A stem like that of Dite-HRNet: halves by slices with ends computed from the shape, dynamic blocks, context by a
 * softmax over positions, concat and channel shuffle, and a resize to a computed shape.
 */
export function diteLike(N = 1) {
  const w = new Writer(7);
  const [C, H, W] = [8, 8, 6];
  const x = w.add('Relu',
    [w.conv('image', w.parameter('onnx::Conv_1', [2 * C, 3, 3, 3]), w.parameter('onnx::Conv_2', [2 * C]),
    { pads: [1, 1, 1, 1], strides: [2, 2] }, '/stem/conv1/conv')], {}, '/stem/conv1/relu');
  const channels = w.add('Gather', [w.add('Shape', [x]), w.ints(1)], { axis: 0 });
  const half = w.add('Div', [w.add('Add', [channels, w.ints(1)]), w.ints(2)]);
  const first = w.add('Slice', [x, w.ints(0), w.add('Mul', [half, w.ints(1)]), w.ints(1)]);
  const second = w.add('Slice', [x, w.add('Mul', [half, w.ints(1)]), w.add('Mul', [half, w.ints(2)]), w.ints(1)]);

  const sizes = { N, C, O: C, H, W };
  const a = w.batchNorm(diteBlock(w, first, '/stem/branch1/branch1.0/conv', { ...sizes, R: 3, G: C }), 'stem.branch1.0.bn', C,
    '/stem/branch1/branch1.0/bn');
  const mask = w.conv(a, w.parameter('stem.branch1.1.conv_mask.weight', [1, C, 1, 1]), '', {}, '/stem/branch1/branch1.1/conv_mask');
  const softmax = w.add('Softmax', [w.add('Reshape', [mask, w.ints(N, 1, H * W)])], { axis: 2 });
  const flat = w.add('Unsqueeze', [w.add('Reshape', [a, w.ints(N, C, H * W)]), w.ints(1)]);
  const context = w.add('MatMul', [flat, w.add('Unsqueeze', [softmax, w.ints(3)])]);
  const scaled = w.add('Mul', [a, w.add('Sigmoid', [w.add('Transpose', [context], { perm: [0, 2, 1, 3] })])]);
  const b = w.add('Relu', [diteBlock(w, second, '/stem/branch2/branch2.2/conv', { ...sizes, R: 1, folded: false, bias: true })]);

  const both = w.add('Concat', [scaled, b], { axis: 1 });
  const grouped = w.add('Reshape', [both, w.ints(N, 2, C, H, W)]);
  const shuffled = w.add('Reshape', [w.add('Transpose', [grouped], { perm: [0, 2, 1, 3, 4] }), w.ints(N, 2 * C, H, W)]);
  const size = w.add('Slice', [w.add('Shape', [shuffled]), w.ints(0), w.ints(2), w.ints(0)]);
  const larger = w.add('Concat', [size, w.ints(2 * H, 2 * W)], { axis: 0 });
  const up = w.add('Resize', [shuffled, '', '', larger],
    { mode: 'nearest', nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' });
  w.nodes.push(node('Identity', [up], ['heatmaps']));
  return w.model({ image: [N, 3, 2 * H, 2 * W] }, ['heatmaps']);
}

