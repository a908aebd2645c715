/** Writes ONNX models with protobufjs. */

/** The part of onnx.proto that the models here need, with its field numbers. */
const SCHEMA = `
  syntax = "proto3";
  message ModelProto { int64 ir_version = 1; GraphProto graph = 7; repeated OperatorSetIdProto opset_import = 8; }
  message OperatorSetIdProto { string domain = 1; int64 version = 2; }
  message GraphProto {
    repeated NodeProto node = 1;
    string name = 2;
    repeated TensorProto initializer = 5;
    repeated ValueInfoProto input = 11;
    repeated ValueInfoProto output = 12;
  }
  message NodeProto {
    repeated string input = 1;
    repeated string output = 2;
    string op_type = 4;
    repeated AttributeProto attribute = 5;
  }
  message AttributeProto {
    string name = 1;
    float f = 2;
    int64 i = 3;
    bytes s = 4;
    repeated int64 ints = 8;
    int32 type = 20;
  }
  message TensorProto { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
  message ValueInfoProto { string name = 1; TypeProto type = 2; }
  message TypeProto { TensorTypeProto tensor_type = 1; }
  message TensorTypeProto { int32 elem_type = 1; TensorShapeProto shape = 2; }
  message TensorShapeProto { repeated DimensionProto dim = 1; }
  message DimensionProto { int64 dim_value = 1; }`;

/** AttributeProto.AttributeType */
export const ATTRIBUTE = { FLOAT: 1, INT: 2, STRING: 3, INTS: 7 };
/** TensorProto.DataType */
export const DATA = { FLOAT: 1, INT64: 7 };

/** A CommonJS module in Node; in a browser, a script that sets a global object. */
const protobufjs = new URL('../node_modules/protobufjs/dist/protobuf.min.js', import.meta.url).href;

/**
 * @param {string} name of the message's type, such as ModelProto
 * @param {object} message names are those of the schema in camelCase
 * @returns {Promise<Uint8Array>}
 */
export async function encodeMessage(name, message) {
  const protobuf = (await import(protobufjs)).default ?? /** @type {any} */ (globalThis).protobuf;
  const type = protobuf.parse(SCHEMA).root.lookupType(name);
  const fault = type.verify(message);
  if (fault) throw new Error(`the ${name} is wrong: ${fault}`);
  return type.encode(message).finish();
}
