// Writes ONNX files by hand: just enough protobuf for the tests.

/** A varint: a number of 64 bits, seven bits a byte. Negative numbers are in two's complement. */
export function varint(value) {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes = [];
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return Buffer.from([...bytes, Number(rest)]);
}

/** A field with bytes, text or a message in it. */
export function field(number, content) {
  const bytes = typeof content === 'string' ? Buffer.from(content) : Buffer.concat([content].flat());
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

/** A field with a varint in it. */
export const int = (number, value) => Buffer.concat([varint(number * 8), varint(value)]);

/** A field with a float32 in it. */
export function float(number, value) {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint(number * 8 + 5), bytes]);
}

const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

export const TYPES = {
  float: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, string: 8, bool: 9, float16: 10, double: 11, uint32: 12,
  uint64: 13, complex64: 14, bfloat16: 16,
};

const ARRAYS = {
  float: Float32Array, double: Float64Array, int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array,
  int32: Int32Array, uint32: Uint32Array, bool: Uint8Array, float16: Uint16Array, bfloat16: Uint16Array,
};

/** A TensorProto with raw data. For float16 and bfloat16 the data are bits. */
export function tensor(shape, data, { name = '', type = 'float' } = {}) {
  const array = type === 'int64' || type === 'uint64' ? BigInt64Array.from(data, BigInt) : ARRAYS[type].from(data);
  return Buffer.concat([...shape.map((length) => int(1, length)), int(2, TYPES[type]), field(8, name), field(9, bytesOf(array))]);
}

export const ints = (values, name = '') => tensor([values.length], values, { name, type: 'int64' });

/** An attribute. Its type follows from its value: { f: 1.5 } is a FLOAT, a whole number an INT, an array INTS. */
export function attribute(name, value) {
  const head = field(1, name);
  if (Buffer.isBuffer(value)) return Buffer.concat([head, field(5, value), int(20, 4)]);
  if (typeof value === 'string') return Buffer.concat([head, field(4, value), int(20, 3)]);
  if (typeof value === 'number') return Buffer.concat([head, int(3, value), int(20, 2)]);
  if (Array.isArray(value)) return Buffer.concat([head, ...value.map((one) => int(8, one)), int(20, 7)]);
  if (value.graph) return Buffer.concat([head, field(6, value.graph), int(20, 5)]);
  if (Array.isArray(value.f)) return Buffer.concat([head, ...value.f.map((one) => float(7, one)), int(20, 6)]);
  return Buffer.concat([head, float(2, value.f), int(20, 1)]);
}

/** A NodeProto. */
export function node(op, inputs, outputs, attributes = {}, { name = '', domain = '' } = {}) {
  return Buffer.concat([
    ...inputs.map((input) => field(1, input)), ...outputs.map((output) => field(2, output)), field(3, name), field(4, op),
    ...Object.entries(attributes).map(([key, value]) => field(5, attribute(key, value))), ...(domain ? [field(7, domain)] : []),
  ]);
}

/** A ValueInfoProto. Lengths that are strings are open. */
export function valueInfo(name, shape, type = 'float') {
  const dims = shape?.map((length) => field(1, typeof length === 'string' ? field(2, length) : int(1, length)));
  const tensorType = Buffer.concat([int(1, TYPES[type]), ...(dims ? [field(2, dims)] : [])]);
  return Buffer.concat([field(1, name), field(2, field(1, tensorType))]);
}

/**
 * A GraphProto. inputs: { name: shape } or { name: { shape, type } }; constants: { name: TensorProto without a name }.
 */
export function graph({ nodes, inputs = {}, outputs, constants = {} }) {
  return Buffer.concat([
    ...nodes.map((one) => field(1, one)),
    ...Object.entries(constants).map(([name, one]) => field(5, Buffer.concat([one, field(8, name)]))),
    ...Object.entries(inputs).map(([name, one]) =>
      field(11, Array.isArray(one) || one === null ? valueInfo(name, one) : valueInfo(name, one.shape, one.type))),
    ...outputs.map((name) => field(12, valueInfo(name, null))),
  ]);
}

/** A ModelProto. */
export function model(parts, opset = 17) {
  return Buffer.concat([int(1, 8), field(2, 'tests'), field(7, graph(parts)), field(8, int(2, opset))]);
}
