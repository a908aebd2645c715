// Writes a network's graph as an ONNX file, as torch.onnx.export would: with the ops that Dite-HRNet has.
import { ModelWriter } from '../peers/onnx-writer.js';

/** @typedef {import('../../web/dynakernel/network/graph.js').Graph} Graph */
/** @typedef {import('../../web/dynakernel/network/graph.js').Node} Node */
/** @typedef {import('../../web/dynakernel/network/graph.js').Value} Value */

/**
 * @param {Graph} graph
 * @param {string} name
 * @returns {Uint8Array}
 */
export function writeGraph(graph, name) {
  const writer = new GraphWriter(graph);
  for (const node of graph.nodes) writer.write(node);
  const shapes = (values) => Object.fromEntries(values.map(([key, value]) => [key, value.shape]));
  return writer.model.encode(name, shapes(graph.inputs.map((value) => [value.name, value])),
    shapes(graph.outputs.map(({ name: key, value }) => [key, value])));
}

class GraphWriter {
  model = new ModelWriter();
  /** Names of values in the file. @type {Map<Value, string>} */
  #names = new Map();
  /** Names of outputs of the graph. @type {Map<Value, string>} */
  #outputs;

  /** @param {Graph} graph */
  constructor(graph) {
    for (const value of graph.inputs) this.#names.set(value, value.name);
    this.#outputs = new Map(graph.outputs.map(({ name, value }) => [value, name]));
  }

  /** @param {Node} node */
  write(node) {
    if (!Object.hasOwn(OPS, node.op)) throw new Error(`the bench writes no ONNX file with ${node.op}`);
    this.model.module = node.name;
    const outputs = node.outputs.map((value) => this.#outputs.get(value) ?? `value_${value.id}`);
    OPS[node.op](this, node, outputs);
    node.outputs.forEach((value, i) => this.#names.set(value, outputs[i]));
  }

  /**
   * The name of a value; a constant becomes an initializer.
   *
   * @param {Value} value
   * @param {readonly number[]} [shape] of a constant
   */
  name(value, shape = value.shape) {
    if (value.constant) return this.model.floats(`${value.name}_${value.id}`, shape, value.constant);
    return /** @type {string} */ (this.#names.get(value));
  }

  /** @param {Node} node */
  names({ inputs }) {
    return inputs.filter(Boolean).map((value) => this.name(value));
  }
}

/** @typedef {(writer: GraphWriter, node: Node, outputs: string[]) => void} Write */

/**
 * An op that ONNX has too.
 *
 * @param {string} opType
 * @param {(node: Node) => { [name: string]: any }} [attributes]
 * @returns {Write}
 */
const plain = (opType, attributes = () => ({})) => (writer, node, outputs) =>
  void writer.model.add(opType, writer.names(node), attributes(node), outputs);

/** @type {{ [op: string]: Write }} */
const OPS = {
  conv2d: plain('Conv', ({ inputs: [, weight], attributes: { stride, padding, dilation, groups } }) =>
    ({ kernel_shape: weight.shape.slice(2), strides: stride, pads: padding, dilations: dilation, group: groups })),
  batchNorm: plain('BatchNormalization', ({ attributes: { eps } }) => ({ epsilon: eps })),
  relu: plain('Relu'), sigmoid: plain('Sigmoid'), add: plain('Add'), multiply: plain('Mul'), matmul: plain('MatMul'),
  softmax: plain('Softmax', ({ attributes: { axis } }) => ({ axis })),
  concat: plain('Concat', ({ attributes: { axis } }) => ({ axis })),
  transpose: plain('Transpose', ({ attributes: { order } }) => ({ perm: order })),
  split: (writer, node, outputs) => {
    const { axis, sizes } = node.attributes;
    writer.model.add('Split', [...writer.names(node), writer.model.longs(sizes)], { axis }, outputs);
  },
  reshape: (writer, node, outputs) => {
    writer.model.reshape(writer.names(node)[0], node.attributes.shape, outputs);
  },
  channelShuffle: (writer, node, outputs) => {
    const [N, C, ...size] = node.outputs[0].shape;
    const { groups } = node.attributes;
    const grouped = writer.model.reshape(writer.names(node)[0], [N, groups, C / groups, ...size]);
    const swapped = writer.model.add('Transpose', [grouped], { perm: [0, 2, 1, 3, 4] });
    writer.model.reshape(swapped, [N, C, ...size], outputs);
  },
  resize: (writer, node, outputs) => {
    const { mode, coordinates, nearestMode } = node.attributes;
    const attributes = {
      mode: mode === 'bilinear' ? 'linear' : mode, coordinate_transformation_mode: coordinates, nearest_mode: nearestMode,
    };
    writer.model.add('Resize', [...writer.names(node), '', '', writer.model.longs(node.outputs[0].shape)], attributes, outputs);
  },
  // the branch of Dite-HRNet's block
  attention: (writer, node, outputs) => {
    const [x, W1, weight, bias, mean, variance, W2, b2] = /** @type {Value[]} */ (node.inputs);
    const kernels = [W1, W2].map((one) => writer.name(one, [...one.shape, 1, 1]));
    const rest = [weight, bias, mean, variance].map((one) => writer.name(one));
    writer.model.attention(writer.name(x), [kernels[0], ...rest, kernels[1], writer.name(b2)], node.attributes.eps,
      /** @type {[number, number]} */ (node.outputs[0].shape), outputs);
  },
  dynamicConv2d: (writer, node, outputs) => {
    const [x, attention, weight, bias] = /** @type {Value[]} */ (node.inputs);
    const [K, O, depth, ...kernel] = weight.shape;
    const [N, C, ...image] = x.shape;
    const { stride, padding, dilation, groups: G } = node.attributes;
    const kernels = writer.name(weight, [K, O * depth * kernel[0] * kernel[1]]);
    const size = node.outputs[0].shape.slice(2);
    writer.model.aggregation(writer.name(x), writer.name(attention), kernels, bias ? writer.name(bias) : null,
      { N, C, O, G, kernel, image, size, stride, padding, dilation }, outputs);
  },
};
