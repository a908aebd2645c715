/** Schedules: a network planned for one set of input sizes, and what is known about it. */
import { checkStatus } from '../abi.js';
import { describe } from './describe.js';

/** @typedef {import('../abi.js').Algorithm} Algorithm */
/** @typedef {import('../heap.js').CObject} CObject */
/** @typedef {import('../heap.js').Heap} Heap */
/** @typedef {import('./arguments.js').NamedShape} NamedShape */
/** @typedef {import('./describe.js').Description} Description */
/** @typedef {import('./graph.js').Graph} Graph */
/** @typedef {import('./graph.js').NamedValue} NamedValue */
/** @typedef {import('./graph.js').Value} Value */

/**
 * A layer of a network, after folding and fusing.
 *
 * @typedef {object} NetworkLayer
 * @property {string} name that of the layer in PyTorch, or of the node in the file
 * @property {string} op such as 'conv2d'; 'copy' if values are brought into another layout
 * @property {number[]} output its shape
 * @property {Algorithm | null} algorithm of a convolution
 * @property {number} multiplyAdds multiplications with addition, for the whole batch
 * @property {string[]} fused names of the layers that this one computes too
 */

/**
 * Where the numbers of a value are after a run: among the library's kept values, in an input, or in a constant.
 *
 * @typedef {{ kept: number } | { input: number } | { constant: number }} Source
 */

/** @typedef {{ name: string, shape: number[], source: Source }} Readable a value that can be read after a run */

/**
 * The factors of a dynamic layer's kernels. Those that the layer lacks are null.
 *
 * @typedef {object} ReadableAttention
 * @property {number} samples N
 * @property {{ [factor in typeof FACTORS[number]]: Readable | null }} factors
 */

/** @typedef {{ name: string, op: string, inputs: (number | undefined)[], outputs: number[] }} NodeSummary */

/**
 * @typedef {object} Schedule
 * @property {CObject} object
 * @property {NamedShape[]} inputs
 * @property {NamedShape[]} outputs
 * @property {Map<string, Readable>} kept
 * @property {Map<string, ReadableAttention>} attention of each dynamic layer
 * @property {NodeSummary[]} nodes inputs and outputs are numbers of values
 * @property {number[][]} shapes of values
 */

/**
 * A graph as the library and a schedule need it.
 *
 * @typedef {Description & Omit<Schedule, 'object'>} Plan
 */

/** The factors of a dynamic layer's kernels, as ODConv's authors name them, and the inputs of dynamicConv2d. */
const FACTORS = /** @type {const} */ (['kernel', 'filter', 'channel', 'spatial']);
const FACTOR_INPUTS = [1, 4, 5, 6];

/**
 * @param {Graph} graph
 * @returns {Plan}
 */
export function planGraph(graph) {
  /** @type {{ name: string, samples: number, factors: (Value | null)[] }[]} */
  const dynamic = [];
  /** @type {NodeSummary[]} */
  const nodes = [];
  /** @type {number[][]} */
  const shapes = [];
  for (const { name, op, inputs, outputs } of graph.nodes) {
    if (op === 'dynamicConv2d') {
      dynamic.push({ name, samples: outputs[0].shape[0], factors: FACTOR_INPUTS.map((i) => inputs[i] ?? null) });
    }
    /** @type {NodeSummary} */
    const summary = { name, op, inputs: new Array(inputs.length), outputs: new Array(outputs.length) };
    // inputs as well: the library may copy an input or a constant
    for (let i = 0; i < inputs.length; i++) {
      const value = inputs[i];
      summary.inputs[i] = value?.id;
      if (value) shapes[value.id] = value.shape;
    }
    for (let i = 0; i < outputs.length; i++) {
      const value = outputs[i];
      summary.outputs[i] = value.id;
      shapes[value.id] = value.shape;
    }
    nodes.push(summary);
  }
  const readable = [...graph.keep.map(({ value }) => value), ...dynamic.flatMap(({ factors }) => factors)];
  // the library keeps values that a node makes
  const isMade = (/** @type {Value} */ value) => !value.constant && !graph.inputs.includes(value);
  const keptValues = [...new Set(readable.flatMap((value) => (value && isMade(value) ? [value] : [])))];
  const description = describe(graph, keptValues);
  const sourceOf = (/** @type {Value} */ value) => (value.constant ? { constant: description.constants.indexOf(value) }
    : isMade(value) ? { kept: keptValues.indexOf(value) } : { input: graph.inputs.indexOf(value) });
  /** @type {(name: string, value: Value) => Readable} */
  const readableOf = (name, value) => ({ name, shape: value.shape, source: sourceOf(value) });
  /** @type {(factors: (Value | null)[]) => ReadableAttention['factors']} */
  const readFactors = (factors) => /** @type {any} */ (Object.fromEntries(FACTORS.map((name, i) => {
    const value = factors[i];
    return [name, value && readableOf(name, value)];
  })));

  return {
    ...description, nodes, shapes,
    kept: new Map(graph.keep.map(({ name, value }) => [name, readableOf(name, value)])),
    attention: new Map(dynamic.map(({ name, samples, factors }) => [name, { samples, factors: readFactors(factors) }])),
    inputs: graph.inputs.map(({ name, shape }) => ({ name, shape })),
    outputs: graph.outputs.map(({ name, value: { shape } }) => ({ name, shape })),
  };
}

/** What the library's errors mean for networks. */
export const REASONS = {
  ERR_CONFIG: 'the library refuses the description of a layer, or a convolution that no algorithm covers',
  ERR_SHAPE: 'the library refuses the shapes of a layer',
};

/**
 * Calls a function of the library with a description.
 *
 * @param {Heap} heap
 * @param {Int32Array} words
 * @param {string} what for messages
 * @param {(description: number, length: number, result: number) => number} create writes a pointer to result
 * @returns {number} the pointer
 */
export function createFrom(heap, words, what, create) {
  return heap.scope((take) => {
    const description = take(4 * words.length);
    const result = take(4);
    heap.words(description, words.length).set(words);
    checkStatus(create(description, words.length, result), () => what, REASONS);
    return heap.words(result, 1)[0] >>> 0;
  });
}

/**
 * @param {Heap} heap
 * @param {number} network
 * @param {Plan} plan
 * @param {string} what for messages
 * @returns {Schedule}
 */
export function createSchedule(heap, network, { words, constants: _, ...plan }, what) {
  const pointer = createFrom(heap, words, what,
    (description, length, result) => heap.c.dk_schedule_create(network, description, length, result));
  return { ...plan, object: { pointer, destroy: 'dk_schedule_destroy' } };
}

/**
 * @param {Heap} heap
 * @param {Schedule} schedule
 * @returns {NetworkLayer[]}
 */
export function layersOf(heap, { object: { pointer }, nodes, shapes }) {
  const count = heap.c.dk_schedule_layers(pointer);
  return heap.scope((take) => {
    const struct = take(24); // dk_layer
    const layers = Array.from({ length: count }, (_, index) => {
      heap.c.dk_schedule_layer(pointer, index, struct);
      const [op, first, last, output, algorithm] = heap.words(struct, 5);
      const [multiplyAdds] = heap.floats(struct + 20, 1);
      const node = nodes[first];
      return {
        name: node.name, op: op === 0 ? 'copy' : node.op, output: [...shapes[output]],
        algorithm: algorithm ? heap.algorithms[algorithm] : null, multiplyAdds, nodes: chainOf(nodes, first, last),
      };
    });
    return withResizes(nodes, layers);
  });
}

/**
 * The nodes from the first one to the last: each uses the output of the one before.
 *
 * @param {NodeSummary[]} nodes
 * @param {number} first
 * @param {number} last
 */
function chainOf(nodes, first, last) {
  const chain = [nodes[first]];
  for (let i = first + 1; i <= last; i++) {
    const before = chain[chain.length - 1];
    if (nodes[i].inputs.some((id) => id !== undefined && before.outputs.includes(id))) chain.push(nodes[i]);
  }
  return chain;
}

/**
 * Lists the names of each layer's nodes after the first one, and of the resizes that the layer reads instead: those
 * that are no layer.
 *
 * @param {NodeSummary[]} nodes
 * @param {(Omit<NetworkLayer, 'fused'> & { nodes: NodeSummary[] })[]} layers
 * @returns {NetworkLayer[]}
 */
function withResizes(nodes, layers) {
  const first = new Set(layers.map((layer) => layer.nodes[0]));
  const absorbed = nodes.filter((node) => node.op === 'resize' && !first.has(node));
  return layers.map(({ nodes: chain, ...layer }) => {
    const fused = layer.op === 'copy' ? [] : chain.flatMap((node, i) => [
      ...absorbed.filter(({ outputs: [id] }) => node.inputs.includes(id)).map(({ name }) => name),
      ...(i > 0 ? [node.name] : []),
    ]);
    return { ...layer, fused };
  });
}
