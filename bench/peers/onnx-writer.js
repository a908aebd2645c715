/** Writes ONNX models node by node. */
import { ATTRIBUTE, DATA, encodeMessage } from './onnx-proto.js';

const IR_VERSION = 8;
const OPSET_VERSION = 17;

/** @typedef {number | number[] | string} Attribute a whole number is an integer attribute */

/**
 * A convolution by computed kernels.
 *
 * @typedef {object} Geometry
 * @property {number} N
 * @property {number} C
 * @property {number} O
 * @property {number} G
 * @property {number[]} kernel
 * @property {number[]} image H and W
 * @property {number[]} size Ho and Wo
 * @property {number[]} stride
 * @property {number[]} padding top, left, bottom, right
 * @property {number[]} dilation
 */

export class ModelWriter {
  #nodes = [];
  #initializers = [];
  #made = 0;
  /** How often a node's name was wanted. @type {Map<string, number>} */
  #wanted = new Map();
  /** The path of the module that the next nodes belong to, such as 'stem.conv1'. */
  module = '';

  /**
   * Adds a node.
   *
   * @param {string} opType
   * @param {string[]} inputs
   * @param {{ [name: string]: Attribute }} [attributes]
   * @param {string[]} [outputs] their names; by default one that is new
   * @returns {string} the first output
   */
  add(opType, inputs, attributes = {}, outputs = [this.#name(opType)]) {
    const attribute = Object.entries(attributes).map(([name, given]) => ({ name, ...typed(given) }));
    this.#nodes.push({ opType, name: this.#nodeName(opType), input: inputs, output: outputs, attribute });
    return outputs[0];
  }

  /**
   * @param {string} name
   * @param {readonly number[]} shape
   * @param {Float32Array} data
   */
  floats(name, shape, data) {
    this.#initializers.push(floatTensor(name, shape, data));
    return name;
  }

  /** Adds a list of whole numbers. @param {readonly number[]} numbers */
  longs(numbers) {
    const name = this.#name('numbers');
    const data = BigInt64Array.from(numbers, BigInt);
    this.#initializers.push(initializer(name, [numbers.length], DATA.INT64, data));
    return name;
  }

  /**
   * @param {string} x
   * @param {readonly number[]} shape
   * @param {string[]} [outputs]
   */
  reshape(x, shape, outputs) {
    return this.add('Reshape', [x, this.longs(shape)], {}, outputs);
  }

  /**
   * The attention of the block: [N, K].
   *
   * @param {string} x
   * @param {string[]} parameters W1 as a 1x1 kernel; weight, bias, mean and variance of the batch norm; W2, b2
   * @param {number} epsilon
   * @param {[N: number, K: number]} shape
   * @param {string[]} [outputs]
   */
  attention(x, [W1, weight, bias, mean, variance, W2, b2], epsilon, shape, outputs) {
    const pooled = this.add('GlobalAveragePool', [x]);
    const hidden = this.add('Conv', [pooled, W1]);
    const norm = this.add('BatchNormalization', [hidden, weight, bias, mean, variance], { epsilon });
    const logits = this.add('Conv', [this.add('Relu', [norm]), W2, b2]);
    return this.add('Sigmoid', [this.reshape(logits, shape)], {}, outputs);
  }

  /**
   * A dynamic convolution as torch.onnx.export writes it: matrix products mix kernels and biases, and a batch becomes
   * groups of one image.
   *
   * @param {string} x
   * @param {string} attention [N, K]
   * @param {string} kernels [K, O * C/G * Rh * Rw]
   * @param {string | null} biases [K, O]
   * @param {Geometry} geometry
   * @param {string[]} [outputs]
   */
  aggregation(x, attention, kernels, biases, geometry, outputs) {
    const { N, C, O, G, kernel, image, size, stride, padding, dilation } = geometry;
    const weight = this.reshape(this.add('MatMul', [attention, kernels]), [N * O, C / G, ...kernel]);
    const bias = biases && this.reshape(this.add('MatMul', [attention, biases]), [N * O]);
    const attributes = { kernel_shape: kernel, strides: stride, pads: padding, dilations: dilation, group: N * G };
    const operands = bias ? [weight, bias] : [weight];
    if (N === 1) return this.add('Conv', [x, ...operands], attributes, outputs);
    const images = this.reshape(x, [1, N * C, ...image]);
    return this.reshape(this.add('Conv', [images, ...operands], attributes), [N, O, ...size], outputs);
  }

  /**
   * The bytes of the model.
   *
   * @param {string} name
   * @param {{ [name: string]: readonly number[] }} inputs
   * @param {{ [name: string]: readonly number[] }} outputs
   * @returns {Uint8Array}
   */
  encode(name, inputs, outputs) {
    return encodeMessage('ModelProto', {
      irVersion: IR_VERSION,
      opsetImport: [{ version: OPSET_VERSION }],
      graph: {
        name, node: this.#nodes, initializer: this.#initializers,
        input: Object.entries(inputs).map(valueInfo), output: Object.entries(outputs).map(valueInfo),
      },
    });
  }

  /** A name as torch.onnx.export gives it: the module's path, the operator, and a number. @param {string} opType */
  #nodeName(opType) {
    const name = ['', ...this.module.split('.').filter(Boolean), opType].join('/');
    const count = this.#wanted.get(name) ?? 0;
    this.#wanted.set(name, count + 1);
    return count > 0 ? `${name}_${count}` : name;
  }

  /** @param {string} what */
  #name(what) {
    return `${what}_${this.#made++}`;
  }
}

/** @param {Attribute} given */
function typed(given) {
  if (Array.isArray(given)) return { type: ATTRIBUTE.INTS, ints: given };
  if (typeof given === 'string') return { type: ATTRIBUTE.STRING, s: given };
  return Number.isInteger(given) ? { type: ATTRIBUTE.INT, i: given } : { type: ATTRIBUTE.FLOAT, f: given };
}

/**
 * A TensorProto of floats.
 *
 * @param {string} name
 * @param {readonly number[]} shape
 * @param {Float32Array} data
 */
export const floatTensor = (name, shape, data) => initializer(name, shape, DATA.FLOAT, data);

/**
 * @param {string} name
 * @param {readonly number[]} dims
 * @param {number} dataType
 * @param {Float32Array | BigInt64Array} data little-endian in memory on every machine that runs WebAssembly
 */
const initializer = (name, dims, dataType, data) =>
  ({ name, dims: [...dims], dataType, rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) });

/** @param {[name: string, shape: readonly number[]]} value */
const valueInfo = ([name, shape]) =>
  ({ name, type: { tensorType: { elemType: DATA.FLOAT, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } } });
