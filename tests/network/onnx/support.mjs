// Helpers of the tests of the ONNX door: models of one operator, run by the interpreter and by the C library.
import assert from 'node:assert/strict';
import { readModel } from '../../../web/dynakernel/network/onnx/model.js';
import { readOnnx, readOnnxOptions, traceModel } from '../../../web/dynakernel/network/onnx/read-onnx.js';
import { Random } from '../../../web/shared/random.js';
import { assertClose, assertRefused } from '../../helpers.mjs';
import { evaluate } from '../evaluate.mjs';
import { model, node } from '../onnx-writer.mjs';

export { assertClose, assertRefused };

export const sizeOf = (shape) => shape.reduce((product, length) => product * length, 1);

/** A tensor of given numbers. */
export const t = (shape, data) => ({ shape, data: Float32Array.from(data) });

/** A tensor of numbers from -2 to 2. */
export function random(shape, seed = 1) {
  const numbers = new Random(seed);
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => numbers.between(-2, 2)) };
}

/** A tensor of 0, 1, 2 ... */
export const count = (shape) => ({ shape, data: Float32Array.from({ length: sizeOf(shape) }, (_, i) => i) });

/**
 * A model with one operator. Inputs: tensors from outside, Buffers (TensorProto) for initializers, null for none.
 *
 * @returns {{ bytes: Buffer, inputs: { [name: string]: Float32Array } }}
 */
export function single(op, inputs, attributes = {}, { opset = 17, outputs = ['y'], name = 'node', used = outputs } = {}) {
  const [shapes, constants, data] = [{}, {}, {}];
  const names = inputs.map((input, i) => {
    if (input === null) return '';
    if (Buffer.isBuffer(input)) constants[`c${i}`] = input;
    else [shapes[`x${i}`], data[`x${i}`]] = [input.shape, input.data];
    return Buffer.isBuffer(input) ? `c${i}` : `x${i}`;
  });
  if (Object.keys(shapes).length === 0) shapes.unused = [1]; // a model has an input
  const bytes = model({ nodes: [node(op, names, outputs, attributes, { name })], inputs: shapes, outputs: used, constants }, opset);
  return { bytes, inputs: data };
}

/** The graph of a model with one operator. */
export const graphOf = (op, inputs, attributes, options) => readOnnx(single(op, inputs, attributes, options).bytes);

/** A builder with the file's nodes, folded, but nothing recognised. */
export const traceOnnx = (bytes, options) => traceModel(readModel(bytes), readOnnxOptions(options));

/** The ops of a graph, in order. */
export const opsOf = (graph) => graph.nodes.map((one) => one.op);

/** Runs a model with one operator. Returns its first output, or all outputs with `all`. */
export function run(op, inputs, attributes = {}, options = {}) {
  const one = single(op, inputs, attributes, options);
  const { outputs } = evaluate(readOnnx(one.bytes), one.inputs);
  return options.outputs ? outputs : outputs.y;
}

/** Runs a whole model. */
export function runModel(bytes, inputs, options) {
  const graph = readOnnx(bytes, options);
  return { graph, ...evaluate(graph, inputs) };
}

/** Asserts that a tensor has this shape and, within a millionth, these numbers. */
export function assertTensor(actual, shape, data, what = '') {
  assert.deepEqual(actual.shape, shape, `${what}: shape`);
  assert.equal(actual.data.length, data.length, `${what}: length`);
  data.forEach((expected, i) => {
    const isSame = Object.is(actual.data[i], expected) || Math.abs(actual.data[i] - expected) <= 2e-6 * (1 + Math.abs(expected));
    assert.ok(isSame, `${what}: [${i}] is ${actual.data[i]}, expected ${expected}`);
  });
}

/** Reads a model, and compares its outputs with those of the file's unchanged nodes. */
export function checkModel(bytes, seed = 3) {
  const plain = traceOnnx(bytes).graph();
  const graph = readOnnx(bytes);
  const inputs = Object.fromEntries(graph.inputs.map(({ name, shape }) => [name, random(shape, seed).data]));
  const expected = evaluate(plain, inputs).outputs;
  const { outputs } = evaluate(graph, inputs);
  for (const [name, { data, shape }] of Object.entries(expected)) {
    assert.deepEqual(outputs[name].shape, shape);
    assertClose(outputs[name].data, data, name);
    assert.ok(data.some((value) => Math.abs(value) > 0.1), 'the answer is not nothing');
  }
  return graph;
}

/** The dynamic convolutions of a graph. */
export const dynamicOf = (graph) => graph.nodes.filter((one) => one.op === 'dynamicConv2d');
/** The shapes of a node's inputs. */
export const shapesOf = ({ inputs }) => inputs.map((value) => value && value.shape);
