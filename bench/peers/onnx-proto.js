/** Writes the messages of ONNX files. */

/**
 * The part of onnx.proto that the benchmark needs: for each field its number, and 'int', 'float', 'text', 'bytes' or
 * the message in it. A field whose value is an array is repeated.
 *
 * @type {{ [message: string]: { [field: string]: [number: number, type: string] } }}
 */
const SCHEMA = {
  ModelProto: { irVersion: [1, 'int'], graph: [7, 'GraphProto'], opsetImport: [8, 'OperatorSetIdProto'] },
  OperatorSetIdProto: { domain: [1, 'text'], version: [2, 'int'] },
  GraphProto: {
    node: [1, 'NodeProto'], name: [2, 'text'], initializer: [5, 'TensorProto'], input: [11, 'ValueInfoProto'],
    output: [12, 'ValueInfoProto'],
  },
  NodeProto: {
    input: [1, 'text'], output: [2, 'text'], name: [3, 'text'], opType: [4, 'text'], attribute: [5, 'AttributeProto'],
  },
  AttributeProto: {
    name: [1, 'text'], f: [2, 'float'], i: [3, 'int'], s: [4, 'text'], ints: [8, 'int'], type: [20, 'int'],
  },
  TensorProto: { dims: [1, 'int'], dataType: [2, 'int'], name: [8, 'text'], rawData: [9, 'bytes'] },
  ValueInfoProto: { name: [1, 'text'], type: [2, 'TypeProto'] },
  TypeProto: { tensorType: [1, 'TensorTypeProto'] },
  TensorTypeProto: { elemType: [1, 'int'], shape: [2, 'TensorShapeProto'] },
  TensorShapeProto: { dim: [1, 'DimensionProto'] },
  DimensionProto: { dimValue: [1, 'int'] },
};

/** AttributeProto.AttributeType */
export const ATTRIBUTE = { FLOAT: 1, INT: 2, STRING: 3, INTS: 7 };
/** TensorProto.DataType */
export const DATA = { FLOAT: 1, INT64: 7 };

/** How a field's value begins. */
const [VARINT, LENGTH, FOUR_BYTES] = [0, 2, 5];

/**
 * @param {string} name of the message's type, such as ModelProto
 * @param {{ [field: string]: any }} message names are those of the schema
 * @returns {Uint8Array}
 */
export function encodeMessage(name, message) {
  const fields = SCHEMA[name];
  /** @type {Uint8Array[]} */
  const parts = [];
  for (const [field, value] of Object.entries(message)) {
    if (!fields[field]) throw new Error(`${name} has no field ${field}`);
    const [number, type] = fields[field];
    for (const one of Array.isArray(value) ? value : [value]) parts.push(encodeField(number, type, one));
  }
  return joined(parts);
}

/**
 * @param {number} number
 * @param {string} type
 * @param {any} value
 */
function encodeField(number, type, value) {
  if (type === 'int') return joined([varint(number * 8 + VARINT), varint(value)]);
  if (type === 'float') {
    return joined([varint(number * 8 + FOUR_BYTES), new Uint8Array(Float32Array.of(value).buffer)]);
  }
  return lengthField(number, type === 'bytes' ? value : type === 'text' ? new TextEncoder().encode(value)
    : encodeMessage(type, value));
}

/**
 * A field with bytes or a message in it.
 *
 * @param {number} number
 * @param {Uint8Array} content
 */
export const lengthField = (number, content) =>
  joined([varint(number * 8 + LENGTH), varint(content.length), content]);

/** A whole number in seven bits a byte; a negative one in two's complement of 64 bits. @param {number} value */
function varint(value) {
  const bytes = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); bytes.length === 0 || rest > 0n; rest >>= 7n) {
    bytes.push(Number(rest & 127n) + (rest > 127n ? 128 : 0));
  }
  return Uint8Array.from(bytes);
}

/** @param {readonly Uint8Array[]} parts */
export function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
