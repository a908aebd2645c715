/**
 * The block as an ONNX model, as torch.onnx.export would write it: the attention branch, two matrix products that mix
 * kernels and biases, and a convolution whose weight is computed. A batch becomes groups of one image, as in the
 * reference.
 */
import { float, integer, integers, join, message, tensorBytes, text } from './protobuf.js';

/** @typedef {import('../../web/bench/workload.js').State} State */
/** @typedef {import('../../web/bench/workload.js').Workload} Workload */

// Field numbers of onnx.proto, of the messages used here.
const MODEL = { irVersion: 1, graph: 7, opsetImport: 8 };
const OPSET = { version: 2 };
const GRAPH = { node: 1, name: 2, initializer: 5, input: 11, output: 12 };
const NODE = { input: 1, output: 2, opType: 4, attribute: 5 };
const ATTRIBUTE = { name: 1, float: 2, integer: 3, integers: 8, type: 20 };
const TENSOR = { dims: 1, dataType: 2, name: 8, rawData: 9 };
const VALUE = { name: 1, type: 2 };
const TYPE = { tensor: 1 };
const TENSOR_TYPE = { elementType: 1, shape: 2 };
const SHAPE = { dimension: 1 };
const DIMENSION = { value: 1 };

const FLOAT = 1;
const INT64 = 7;
const ATTRIBUTE_TYPE = { float: 1, integer: 2, integers: 7 };

const IR_VERSION = 8;
const OPSET_VERSION = 17;

/**
 * Input x [N, C, H, W], output y [N, O, Ho, Wo].
 *
 * @param {Workload} workload
 * @param {State} state
 * @returns {Uint8Array}
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

  return join(
    integer(MODEL.irVersion, IR_VERSION),
    message(MODEL.graph,
      ...nodes,
      text(GRAPH.name, 'dynamic_kernel_aggregation'),
      ...initializers,
      value(GRAPH.input, 'x', [N, C, H, W]),
      value(GRAPH.output, 'y', [N, O, Ho, Wo])),
    message(MODEL.opsetImport, integer(OPSET.version, OPSET_VERSION)));
}

/**
 * @param {string} type
 * @param {string[]} inputs
 * @param {string} output
 * @param {{ [name: string]: number | number[] }} [attributes] a whole number is an integer attribute
 */
function node(type, inputs, output, attributes = {}) {
  return message(GRAPH.node,
    ...inputs.map((name) => text(NODE.input, name)),
    text(NODE.output, output),
    text(NODE.opType, type),
    ...Object.entries(attributes).map(([name, given]) =>
      message(NODE.attribute, text(ATTRIBUTE.name, name), ...attribute(given))));
}

/** @param {number | number[]} given */
function attribute(given) {
  const type = (/** @type {number} */ number) => integer(ATTRIBUTE.type, number);
  if (Array.isArray(given)) return [integers(ATTRIBUTE.integers, given), type(ATTRIBUTE_TYPE.integers)];
  if (Number.isInteger(given)) return [integer(ATTRIBUTE.integer, given), type(ATTRIBUTE_TYPE.integer)];
  return [float(ATTRIBUTE.float, given), type(ATTRIBUTE_TYPE.float)];
}

/**
 * @param {string} name
 * @param {number[]} shape
 * @param {Float32Array} data
 */
const floats = (name, shape, data) => initializer(name, shape, FLOAT, data);

/**
 * @param {string} name
 * @param {number[]} data a shape, for Reshape
 */
const longs = (name, data) => initializer(name, [data.length], INT64, BigInt64Array.from(data, BigInt));

/**
 * @param {string} name
 * @param {number[]} shape
 * @param {number} type
 * @param {Float32Array | BigInt64Array} data
 */
function initializer(name, shape, type, data) {
  return message(GRAPH.initializer,
    integers(TENSOR.dims, shape),
    integer(TENSOR.dataType, type),
    text(TENSOR.name, name),
    tensorBytes(TENSOR.rawData, data));
}

/**
 * @param {number} field
 * @param {string} name
 * @param {number[]} shape
 */
function value(field, name, shape) {
  const dimensions = shape.map((length) => message(SHAPE.dimension, integer(DIMENSION.value, length)));
  const tensor = message(TYPE.tensor,
    integer(TENSOR_TYPE.elementType, FLOAT), message(TENSOR_TYPE.shape, ...dimensions));
  return message(field, text(VALUE.name, name), message(VALUE.type, tensor));
}
