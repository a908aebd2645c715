/** Finds the nodes of an ONNX graph that its outputs need. */
import { given } from '../../errors.js';

/** @typedef {import('../../errors.js').DynakernelError} DynakernelError */
/** @typedef {import('./node.js').OnnxNode} OnnxNode */
/** @typedef {import('./protobuf.js').Message} Message */

/**
 * Marks the nodes.
 *
 * @param {OnnxNode[]} nodes
 * @param {string[]} outputs
 * @param {Set<string>} needed to which names on the way are added: those of tensors that no node makes, and of those
 *   that a node makes beside others
 * @returns {Map<string, OnnxNode>} the node that makes a tensor
 * @throws {DynakernelError} ERR_ONNX if two nodes make the same tensor
 */
export function findNeeded(nodes, outputs, needed) {
  /** @type {Map<string, OnnxNode>} */
  const makers = new Map();
  // by index: an iterator makes an object at each step, which thousands of nodes notice
  for (let n = 0; n < nodes.length; n++) {
    const node = nodes[n];
    for (let i = 0; i < node.outputs.length; i++) {
      const name = node.outputs[i];
      if (name === '') continue;
      const other = makers.get(name);
      if (other) throw node.error(`makes ${given(name)}, which ${given(other.name)} makes too`);
      makers.set(name, node);
    }
  }
  const open = [...outputs];
  while (open.length > 0) {
    const name = /** @type {string} */ (open.pop());
    const node = makers.get(name);
    if (!node || node.outputs.length > 1) needed.add(name);
    if (!node || node.isNeeded) continue;
    node.isNeeded = true;
    for (let i = 0; i < node.inputs.length; i++) open.push(node.inputs[i]);
    for (let i = 0; i < node.attributes.length; i++) {
      const { graph } = node.attributes[i];
      if (graph) addNames(graph, open);
    }
  }
  return makers;
}

/**
 * Adds the names that a graph uses, in its own subgraphs too.
 *
 * @param {Message} graph
 * @param {string[]} names
 */
function addNames(graph, names) {
  for (const output of graph.outputs) names.push(output.name ?? '');
  for (const node of graph.nodes) {
    for (const name of node.inputs) names.push(name);
    for (const attribute of node.attributes) if (attribute.graph) addNames(attribute.graph, names);
  }
}
