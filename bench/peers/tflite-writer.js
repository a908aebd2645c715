/** Writes TensorFlow Lite models operator by operator. */
import { encodeFlatbuffer } from './flatbuffer.js';

/**
 * The part of TensorFlow Lite's schema that the benchmark needs.
 *
 * @type {import('./flatbuffer.js').Schema}
 */
const SCHEMA = {
  Model: {
    version: [0, 'int'], operatorCodes: [1, 'OperatorCode[]'], subgraphs: [2, 'SubGraph[]'], buffers: [4, 'Buffer[]'],
  },
  OperatorCode: { deprecatedBuiltinCode: [0, 'byte'], version: [2, 'int'], builtinCode: [3, 'int'] },
  SubGraph: {
    tensors: [0, 'Tensor[]'], inputs: [1, 'ints'], outputs: [2, 'ints'], operators: [3, 'Operator[]'], name: [4, 'text'],
  },
  Tensor: { shape: [0, 'ints'], type: [1, 'byte'], buffer: [2, 'int'], name: [3, 'text'], hasRank: [8, 'byte'] },
  Buffer: { data: [0, 'bytes'] },
  Operator: {
    opcodeIndex: [0, 'int'], inputs: [1, 'ints'], outputs: [2, 'ints'], optionsType: [3, 'byte'], options: [4, 'union'],
  },
  Conv2DOptions: {
    padding: [0, 'byte'], strideW: [1, 'int'], strideH: [2, 'int'], dilationW: [4, 'int'], dilationH: [5, 'int'],
  },
  DepthwiseConv2DOptions: {
    padding: [0, 'byte'], strideW: [1, 'int'], strideH: [2, 'int'], multiplier: [3, 'int'], dilationW: [5, 'int'],
    dilationH: [6, 'int'],
  },
  FullyConnectedOptions: { activation: [0, 'byte'] },
  PadOptions: {},
  ReducerOptions: { keepDims: [0, 'byte'] },
  ReshapeOptions: { newShape: [0, 'ints'] },
};

const SCHEMA_VERSION = 3;

/** BuiltinOperator, and the number of its options in the union BuiltinOptions. */
const OPERATORS = {
  CONV_2D: { code: 3, options: 'Conv2DOptions', optionsType: 1 },
  DEPTHWISE_CONV_2D: { code: 4, options: 'DepthwiseConv2DOptions', optionsType: 2 },
  FULLY_CONNECTED: { code: 9, options: 'FullyConnectedOptions', optionsType: 8 },
  LOGISTIC: { code: 14, options: '', optionsType: 0 },
  RESHAPE: { code: 22, options: 'ReshapeOptions', optionsType: 17 },
  PAD: { code: 34, options: 'PadOptions', optionsType: 22 },
  MEAN: { code: 40, options: 'ReducerOptions', optionsType: 27 },
};

/** TensorType */
const TYPE = { FLOAT32: 0, INT32: 2 };
/** Padding */
export const PADDING = { SAME: 0, VALID: 1 };
/** ActivationFunctionType */
export const ACTIVATION = { NONE: 0, RELU: 1 };
/** The place of an input that is left out. */
export const NO_TENSOR = -1;

export class TfliteWriter {
  #tensors = [];
  #operators = [];
  /** The first buffer is empty: tensors without data have it. */
  #buffers = [{}];

  /**
   * Adds a tensor.
   *
   * @param {string} name
   * @param {readonly number[]} shape
   * @param {Float32Array | Int32Array} [data] of a constant
   * @returns {number} its place
   */
  tensor(name, shape, data) {
    const type = data instanceof Int32Array ? TYPE.INT32 : TYPE.FLOAT32;
    if (data) this.#buffers.push({ data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) });
    return this.#tensors.push({ shape, type, buffer: data ? this.#buffers.length - 1 : 0, name, hasRank: 1 }) - 1;
  }

  /**
   * Adds an operator and its output.
   *
   * @param {keyof typeof OPERATORS} name
   * @param {readonly number[]} inputs places of tensors
   * @param {readonly number[]} shape of the output
   * @param {{ [field: string]: any }} [options]
   * @returns {number} the output's place
   */
  operator(name, inputs, shape, options = {}) {
    const output = this.tensor(`${name.toLowerCase()}_${this.#operators.length}`, shape);
    this.#operators.push({ name, inputs, output, options });
    return output;
  }

  /**
   * Returns the bytes of the model.
   *
   * @param {readonly number[]} inputs
   * @param {readonly number[]} outputs
   */
  encode(inputs, outputs) {
    const names = [...new Set(this.#operators.map(({ name }) => name))];
    const operators = this.#operators.map(({ name, inputs: operands, output, options }) => ({
      opcodeIndex: names.indexOf(name), inputs: operands, outputs: [output],
      ...(OPERATORS[name].options
        ? { optionsType: OPERATORS[name].optionsType, options: [OPERATORS[name].options, options] }
        : {}),
    }));
    const operatorCodes = names.map((name) =>
      ({ deprecatedBuiltinCode: OPERATORS[name].code, version: 1, builtinCode: OPERATORS[name].code }));
    return encodeFlatbuffer(SCHEMA, 'Model', {
      version: SCHEMA_VERSION,
      operatorCodes,
      subgraphs: [{ tensors: this.#tensors, inputs, outputs, operators, name: 'main' }],
      buffers: this.#buffers,
    }, 'TFL3');
  }
}
