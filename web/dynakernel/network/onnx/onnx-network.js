/** dk.onnxNetwork: a network from an ONNX file. */
import { createNetwork } from '../network.js';
import { readModel } from './model.js';
import { graphOf, readOnnxOptions } from './read-onnx.js';
import { dropWeights } from './tensors.js';

/** @typedef {import('../../heap.js').Heap} Heap */

/**
 * @typedef {object} OnnxOptions
 * @property {{ [input: string]: readonly number[] }} [shapes] of the inputs whose sizes the file leaves open
 * @property {string[]} [keep] names of tensors or nodes of the file, or of layers: net.activation(name) then
 *   returns their values
 */

/**
 * @param {Heap} heap
 * @param {unknown} bytes
 * @param {unknown} options
 */
export function onnxNetwork(heap, bytes, options) {
  const { shapes, keep } = readOnnxOptions(options);
  const model = readModel(bytes);
  return createNetwork(heap, (later) => {
    if (later) return graphOf(model, { shapes: later, keep });
    const graph = graphOf(model, { shapes, keep });
    // other sizes need the file's structure only
    dropWeights(model.graph);
    return graph;
  }, { label: 'onnxNetwork' });
}
