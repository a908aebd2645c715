/** The ONNX door of networks: the bytes of a file become a graph. */
import { readOptions, readList } from '../../check.js';
import { DynakernelError, given, listText } from '../../errors.js';
import { readInputs } from './inputs.js';
import { readModel } from './model.js';
import { recognise } from './recognise.js';
import { isFloat } from './tensors.js';
import { Trace } from './trace.js';

/** @typedef {import('../graph.js').Graph} Graph */
/** @typedef {import('../graph.js').GraphBuilder} GraphBuilder */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./protobuf.js').Message} Message */
/** @typedef {import('./trace.js').Operand} Operand */
/** @typedef {import('./trace.js').Scope} Scope */

/**
 * Reads an ONNX file of opset 6 to 22 as a network's graph. What the file computes from constants and shapes is
 * folded; convolutions whose kernels are mixtures of constant ones become dynamic layers.
 *
 * @param {ArrayBuffer | ArrayBufferView} bytes weights may be views on them afterwards
 * @param {{ shapes?: { [input: string]: number[] }, keep?: string[] }} [options] `shapes`: of inputs whose sizes the
 *   file
 *   leaves open; an open first dimension that is named like a batch is 1 if it is not given. `keep`: names of tensors
 * or
 *   nodes of the file whose values stay readable
 * @returns {Graph}
 * @throws {DynakernelError} ERR_ONNX if the bytes are no ONNX file, or the model has operators that a network has not,
 *   all of which the message names; ERR_CONFIG if sizes are missing, or `keep` names nothing; ERR_SHAPE if a shape
 *   contradicts the file
 * @example
 * const graph = readOnnx(readFileSync('model.onnx'), { shapes: { image: [1, 3, 256, 192] } });
 */
export function readOnnx(bytes, options) {
  return graphOf(readModel(bytes), readOnnxOptions(options));
}

/** @typedef {{ graph: Message, opset: number }} Model */

/**
 * The options of onnxNetwork.
 *
 * @param {unknown} options
 * @returns {{ shapes: unknown, keep: string[] }}
 */
export function readOnnxOptions(options) {
  const { shapes, keep } = readOptions(options, 'onnxNetwork', ['shapes', 'keep']);
  const kept = keep === undefined ? [] : readList(keep, (name) => typeof name === 'string');
  if (!kept) throw new DynakernelError('ERR_CONFIG', `keep must be an array of names; got ${given(keep)}`);
  return { shapes, keep: kept };
}

/**
 * The graph of a model.
 *
 * @param {Model} model
 * @param {{ shapes: unknown, keep: string[] }} options
 */
export function graphOf(model, options) {
  const builder = traceModel(model, options);
  recognise(builder);
  keepLayers(builder, options.keep, model.graph);
  builder.separateOutputs();
  return builder.graph();
}

/**
 * The file's nodes as a graph, folded, but nothing recognised: a convolution's weight may be computed in several nodes.
 *
 * @param {Model} model
 * @param {{ shapes: unknown, keep: string[] }} options
 * @returns {GraphBuilder}
 */
export function traceModel({ graph, opset }, { shapes, keep: kept }) {

  // old files list initializers among the inputs
  const constants = new Set(graph.initializers.map((/** @type {Message} */ tensor) => tensor.name ?? ''));
  const declared = graph.inputs.filter((/** @type {Message} */ input) => !constants.has(input.name ?? ''));
  const names = declared.map((/** @type {Message} */ input) => input.name ?? '');
  const twice = names.find((/** @type {string} */ name, /** @type {number} */ i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new DynakernelError('ERR_ONNX', `two inputs have the name ${given(twice)}`);
  if (graph.outputs.length === 0) throw new DynakernelError('ERR_ONNX', 'the model has no outputs');
  if (names.length === 0) throw new DynakernelError('ERR_ONNX', 'the model has no inputs');

  const trace = new Trace(opset);
  /** @type {Map<string, Operand>} */
  const inputs = new Map();
  for (const { name, dtype, shape } of readInputs(declared, shapes)) {
    inputs.set(name, { dtype, shape, name, data: null, value: trace.builder.input(name, shape) });
  }
  const wanted = kept.map((name) =>
    graph.nodes.find((/** @type {Message} */ node) => node.name === name)?.outputs[0] ?? name);
  const scope = trace.run(graph, inputs, wanted);
  trace.checkSupported();
  addOutputs(trace, scope, graph);
  trace.builder.keep = kept.flatMap((name, i) => {
    const operand = trace.findIn(scope, wanted[i]);
    return operand ? [{ name, value: keptValue(name, operand) }] : [];
  });
  return trace.builder;
}

/**
 * Keeps the values of layers that got their names when they were recognised, such as dynamic convolutions.
 *
 * @param {GraphBuilder} builder
 * @param {readonly string[]} names all that are to be kept; the builder keeps those of the file already
 * @param {Message} graph
 */
function keepLayers(builder, names, graph) {
  for (const name of names) {
    if (builder.keep.some((kept) => kept.name === name)) continue;
    const layer = builder.nodes.find((node) => node.name === name);
    if (!layer) {
      const known = graph.nodes.flatMap((/** @type {Message} */ node) => node.outputs);
      throw new DynakernelError('ERR_CONFIG',
        `keep names ${given(name)}, which no tensor, node or layer of the model has; it has ${listText(known, 8)}`);
    }
    builder.keep.push({ name, value: layer.outputs[0] });
  }
}

/**
 * @param {Trace} trace
 * @param {Scope} scope
 * @param {Message} graph
 */
function addOutputs(trace, scope, graph) {
  const { builder } = trace;
  for (const { name = '' } of graph.outputs) {
    if (builder.outputs.some((output) => output.name === name)) {
      throw new DynakernelError('ERR_ONNX', `two outputs have the name ${given(name)}`);
    }
    const operand = trace.findIn(scope, name);
    if (!operand) {
      throw new DynakernelError('ERR_ONNX', `no node, input or initializer makes the output ${given(name)}`);
    }
    if (operand.data ? !['float', 'double'].includes(operand.dtype) : !isFloat(operand.dtype)) {
      throw new DynakernelError('ERR_ONNX',
        `the output ${given(name)} is ${operand.data ? 'a constant ' : ''}of type ${operand.dtype}; ` +
        'a network computes float32');
    }
    builder.outputs.push({ name, value: trace.valueOf(operand) });
  }
}

/**
 * @param {string} name
 * @param {Operand} operand
 * @returns {Value}
 */
function keptValue(name, operand) {
  if (!operand.value || operand.data) {
    throw new DynakernelError('ERR_CONFIG', `keep names ${given(name)}, which is a constant`);
  }
  return operand.value;
}
