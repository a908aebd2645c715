/**
 * The block as an ONNX model, as torch.onnx.export would write it: the attention branch, two matrix products that mix
 * kernels and biases, and a convolution with a computed weight. A batch becomes groups of one image, as in the
 * reference.
 */
import { ATTRIBUTE, DATA, encodeModel } from './onnx-proto.js';

/** @typedef {import('../../web/bench/workload.js').State} State */
/** @typedef {import('../../web/bench/workload.js').Workload} Workload */

const IR_VERSION = 8;
const OPSET_VERSION = 17;

/**
 * Input x [N, C, H, W], output y [N, O, Ho, Wo].
 *
 * @param {Workload} workload
 * @param {State} state
 * @returns {Promise<Uint8Array>}
 */
export function onnxModel(workload, state) {
  const { N, C, O, G, K, R, H, W, Ho, Wo, stride, padding, dilation, bias } = workload;
  const norm = ['weight', 'bias', 'running_mean', 'running_var'].map((name) => `attention.bn.${name}`);
  const nodes = [
    node('GlobalAveragePool', ['x'], 'pooled'),
    node('Conv', ['pooled', 'attention.conv1.weight'], 'hidden'),
    node('BatchNormalization', ['hidden', ...norm], 'normalised', { epsilon: 1e-5 }),
    node('Relu', ['normalised'], 'rectified'),
    node('Conv', ['rectified', 'attention.conv2.weight', 'attention.conv2.bias'], 'logits'),
    node('Reshape', ['logits', 'shape.attention'], 'rows'),
    node('Sigmoid', ['rows'], 'attention'),
    node('MatMul', ['attention', 'kernels'], 'mixed'),
    node('Reshape', ['mixed', 'shape.weight'], 'weight'),
  ];
  const attention = Object.entries(state).filter(([name]) => name.startsWith('attention.'));
  const initializers = [
    ...attention.map(([name, { shape, data }]) => floats(name, shape, data)),
    floats('kernels', [K, O * (C / G) * R * R], state['aggregation.weight'].data),
    longs('shape.attention', [N, K]),
    longs('shape.weight', [N * O, C / G, R, R]),
  ];
  if (bias) {
    nodes.push(
      node('MatMul', ['attention', 'biases'], 'mixed.bias'),
      node('Reshape', ['mixed.bias', 'shape.bias'], 'bias'));
    initializers.push(floats('biases', [K, O], state['aggregation.bias'].data), longs('shape.bias', [N * O]));
  }
  const attributes = {
    kernel_shape: [R, R], strides: [stride, stride], pads: [padding, padding, padding, padding],
    dilations: [dilation, dilation], group: N * G,
  };
  const operands = ['weight', ...(bias ? ['bias'] : [])];
  if (N === 1) {
    nodes.push(node('Conv', ['x', ...operands], 'y', attributes));
  } else {
    nodes.push(
      node('Reshape', ['x', 'shape.x'], 'images'),
      node('Conv', ['images', ...operands], 'maps', attributes),
      node('Reshape', ['maps', 'shape.y'], 'y'));
    initializers.push(longs('shape.x', [1, N * C, H, W]), longs('shape.y', [N, O, Ho, Wo]));
  }

  return encodeModel({
    irVersion: IR_VERSION,
    opsetImport: [{ version: OPSET_VERSION }],
    graph: {
      name: 'dynamic_kernel_aggregation',
      node: nodes,
      initializer: initializers,
      input: [value('x', [N, C, H, W])],
      output: [value('y', [N, O, Ho, Wo])],
    },
  });
}

/**
 * @param {string} opType
 * @param {string[]} input
 * @param {string} output
 * @param {{ [name: string]: number | number[] }} [attributes] a whole number is an integer attribute
 */
function node(opType, input, output, attributes = {}) {
  const attribute = Object.entries(attributes).map(([name, given]) => ({ name, ...typed(given) }));
  return { opType, input, output: [output], attribute };
}

/** @param {number | number[]} given */
function typed(given) {
  if (Array.isArray(given)) return { type: ATTRIBUTE.INTS, ints: given };
  return Number.isInteger(given) ? { type: ATTRIBUTE.INT, i: given } : { type: ATTRIBUTE.FLOAT, f: given };
}

/**
 * @param {string} name
 * @param {number[]} shape
 * @param {Float32Array} data
 */
const floats = (name, shape, data) => initializer(name, shape, DATA.FLOAT, data);

/**
 * @param {string} name
 * @param {number[]} data a shape, for Reshape
 */
const longs = (name, data) => initializer(name, [data.length], DATA.INT64, BigInt64Array.from(data, BigInt));

/**
 * @param {string} name
 * @param {number[]} dims
 * @param {number} dataType
 * @param {Float32Array | BigInt64Array} data little-endian in memory on every machine that runs WebAssembly
 */
const initializer = (name, dims, dataType, data) =>
  ({ name, dims, dataType, rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) });

/**
 * @param {string} name
 * @param {number[]} shape
 */
const value = (name, shape) =>
  ({ name, type: { tensorType: { elemType: DATA.FLOAT, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } } });
