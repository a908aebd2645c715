// Random weights that keep the scale of what flows through a network, so that outputs can be compared.
import { readModel } from '../../web/dynakernel/network/onnx/model.js';
import { readTensor } from '../../web/dynakernel/network/onnx/tensors.js';
import { Random } from '../../web/shared/random.js';
import { encodeMessage, joined, lengthField } from '../peers/onnx-proto.js';
import { floatTensor } from '../peers/onnx-writer.js';

/** @typedef {{ op: string, place: number, transposed?: boolean }} Use a parameter as an operator's input */

const product = (lengths) => lengths.reduce((a, b) => a * b, 1);

/** Bounds of biases and means, of the scales of batch norms, and of variances and other scales. */
const SHIFTS = /** @type {[number, number]} */ ([-0.2, 0.2]);
const NORMS = /** @type {[number, number]} */ ([0.25, 0.75]);
const SCALES = /** @type {[number, number]} */ ([0.5, 1.5]);

/**
 * The bounds of a parameter's numbers: Kaiming's for kernels. Batch norms shrink what they scale, because each residual
 * addition makes it larger, and the last layer is small: softmax would make 0 and 1 of large numbers, whatever they are.
 *
 * @param {readonly number[]} shape
 * @param {Use} use op: as ONNX names it
 * @returns {[low: number, high: number]}
 */
export function boundsOf(shape, { op, place, transposed = false }) {
  if (place === 1 && op === 'BatchNormalization') return NORMS;
  if ((place === 4 && op === 'BatchNormalization') || op === 'Mul' || op === 'Div') return SCALES;
  const isMatrix = op === 'Gemm' || op === 'MatMul';
  if (place !== 1 || !(isMatrix || op === 'Conv')) return SHIFTS;
  const inputs = !isMatrix ? product(shape.slice(1)) : transposed ? shape[1] : shape[shape.length - 2];
  const bound = Math.sqrt((isMatrix ? 1 : 6) / inputs);
  return [-bound, bound];
}

/**
 * @param {readonly number[]} shape
 * @param {Use} use
 * @param {Random} random
 */
export function randomWeights(shape, use, random) {
  const [low, high] = boundsOf(shape, use);
  return Float32Array.from({ length: product(shape) }, () => random.between(low, high));
}

/** Operators that only give a parameter another shape. */
const RESHAPES = ['Reshape', 'Unsqueeze', 'Squeeze', 'Identity'];

/**
 * Gives a model weights, if it has none: the ONNX project publishes architectures whose weights are ConstantOfShape
 * nodes, all of one number. They become initializers. All other bytes of the file stay as they are.
 *
 * @param {Uint8Array} bytes
 * @param {number} seed
 * @returns {Uint8Array}
 */
export function withWeights(bytes, seed) {
  const { graph } = readModel(bytes);
  const made = new Map(graph.nodes.filter(({ op }) => op === 'ConstantOfShape').map((node) => [node.outputs[0], node]));
  const uses = usesOf(graph.nodes, made);
  if (![...uses.values()].some(({ op, place }) => op === 'Conv' && place === 1)) return bytes;

  const random = new Random(seed);
  const wanted = new Set([...made.values()].map(({ inputs }) => inputs[0]));
  const shapes = new Map(graph.initializers.filter(({ name }) => wanted.has(name))
    .map((tensor) => [tensor.name, [...readTensor(tensor, () => 'a shape').data]]));
  const replaced = new Set();
  const added = [];
  for (const [name, use] of uses) {
    const shape = shapes.get(made.get(name).inputs[0]);
    if (!shape) throw new Error(`the shape of the weight ${name} is not a constant of the file`);
    const message = floatTensor(name, shape, randomWeights(shape, use, random));
    added.push(lengthField(GRAPH_INITIALIZER, encodeMessage('TensorProto', message)));
    replaced.add(graph.nodes.indexOf(made.get(name)));
  }
  return rewritten(bytes, MODEL_GRAPH, (content) => {
    let node = 0;
    const kept = fieldsOf(content).filter(({ number }) => number !== GRAPH_NODE || !replaced.has(node++));
    return joined([...kept.map(({ whole }) => whole), ...added]);
  });
}

/**
 * What the outputs of some nodes are used as, through operators that reshape them.
 *
 * @param {any[]} nodes
 * @param {Map<string, any>} made
 * @returns {Map<string, Use>}
 */
function usesOf(nodes, made) {
  /** @type {Map<string, string>} */
  const origins = new Map([...made.keys()].map((name) => [name, name]));
  const uses = new Map();
  for (const { op, inputs, outputs, attributes } of nodes) {
    inputs.forEach((input, place) => {
      const origin = origins.get(input);
      if (origin === undefined) return;
      if (RESHAPES.includes(op)) origins.set(outputs[0], origin);
      else uses.set(origin, { op, place, transposed: attributes.some(({ name, int }) => name === 'transB' && int === 1) });
    });
  }
  return uses;
}

// ------------------------------------------------------------------------------------------------ protobuf

/** Numbers of fields: ModelProto.graph, GraphProto.node and GraphProto.initializer. */
const [MODEL_GRAPH, GRAPH_NODE, GRAPH_INITIALIZER] = [7, 1, 5];

/**
 * The fields of a message. The file was read before, so it is well formed.
 *
 * @param {Uint8Array} bytes
 * @returns {{ number: number, whole: Uint8Array, content: Uint8Array }[]}
 */
function fieldsOf(bytes) {
  const fields = [];
  let at = 0;
  const next = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const begin = at;
    const tag = next();
    const type = tag % 8;
    let start = at;
    if (type === 0) next();
    else {
      const length = type === 2 ? next() : type === 1 ? 8 : 4;
      start = at;
      at += length;
    }
    fields.push({ number: Math.floor(tag / 8), whole: bytes.subarray(begin, at), content: bytes.subarray(start, at) });
  }
  return fields;
}

/**
 * A message with another content of one field.
 *
 * @param {Uint8Array} bytes
 * @param {number} number
 * @param {(content: Uint8Array) => Uint8Array} change
 */
const rewritten = (bytes, number, change) => joined(fieldsOf(bytes).map((one) =>
  (one.number === number ? lengthField(number, change(one.content)) : one.whole)));
