/** The messages of an ONNX file, as onnx.proto numbers their fields; what the reader does not use is left out. */

/** @typedef {import('./protobuf.js').Schema} Schema */

/** @type {Schema} */
const STRING_PAIR = { 1: ['key', 'text'], 2: ['value', 'text'] };

/** @type {Schema} */
export const TENSOR = {
  1: ['dims', 'int', 'repeated'], 2: ['dataType', 'int'], 3: ['segment', 'mark'],
    4: ['floatData', 'float', 'repeated'],
  5: ['int32Data', 'int', 'repeated'], 6: ['stringData', 'mark', 'repeated'], 7: ['int64Data', 'int', 'repeated'],
  8: ['name', 'text'], 9: ['rawData', 'bytes'], 10: ['doubleData', 'double', 'repeated'],
  11: ['uint64Data', 'uint', 'repeated'], 13: ['externalData', () => STRING_PAIR, 'repeated'],
    14: ['dataLocation', 'int'],
};

/** @type {Schema} */
const SPARSE_TENSOR = { 1: ['values', () => TENSOR] };

/** @type {Schema} */
const DIMENSION = { 1: ['value', 'int'], 2: ['parameter', 'text'] };

/** @type {Schema} */
const SHAPE = { 1: ['dims', () => DIMENSION, 'repeated'] };

/** @type {Schema} */
const TENSOR_TYPE = { 1: ['elementType', 'int'], 2: ['shape', () => SHAPE] };

/** @type {Schema} */
const TYPE = {
  1: ['tensor', () => TENSOR_TYPE], 4: ['sequence', 'mark'], 5: ['map', 'mark'], 8: ['sparse', 'mark'],
    9: ['optional', 'mark'],
};

/** @type {Schema} */
const VALUE_INFO = { 1: ['name', 'text'], 2: ['type', () => TYPE] };

/** @type {Schema} */
const ATTRIBUTE = {
  1: ['name', 'text'], 2: ['float', 'float'], 3: ['int', 'int'], 4: ['string', 'text'], 5: ['tensor', () => TENSOR],
  6: ['graph', () => GRAPH], 7: ['floats', 'float', 'repeated'], 8: ['ints', 'int', 'repeated'],
    9: ['strings', 'text', 'repeated'],
  10: ['tensors', 'mark', 'repeated'], 11: ['graphs', 'mark', 'repeated'], 20: ['type', 'int'],
    21: ['reference', 'text'],
  22: ['sparse', 'mark'],
};

/** @type {Schema} */
const NODE = {
  1: ['inputs', 'text', 'repeated'], 2: ['outputs', 'text', 'repeated'], 3: ['name', 'text'], 4: ['op', 'text'],
  5: ['attributes', () => ATTRIBUTE, 'repeated'], 7: ['domain', 'text'], 8: ['overload', 'text'],
};

/** @type {Schema} */
const GRAPH = {
  1: ['nodes', () => NODE, 'repeated'], 5: ['initializers', () => TENSOR, 'repeated'],
  11: ['inputs', () => VALUE_INFO, 'repeated'],
  12: ['outputs', () => VALUE_INFO, 'repeated'], 15: ['sparse', () => SPARSE_TENSOR, 'repeated'],
};

/** @type {Schema} */
const OPSET = { 1: ['domain', 'text'], 2: ['version', 'int'] };

/** @type {Schema} */
const FUNCTION = {
  1: ['name', 'text'], 4: ['inputs', 'text', 'repeated'], 5: ['outputs', 'text', 'repeated'],
  7: ['nodes', () => NODE, 'repeated'], 9: ['opsets', () => OPSET, 'repeated'], 10: ['domain', 'text'],
  11: ['defaults', () => ATTRIBUTE, 'repeated'], 13: ['overload', 'text'],
};

/** @type {Schema} */
export const MODEL = {
  1: ['irVersion', 'int'], 2: ['producer', 'text'], 7: ['graph', () => GRAPH], 8: ['opsets', () => OPSET, 'repeated'],
  25: ['functions', () => FUNCTION, 'repeated'],
};
