/** Describes a graph to the C library, in the words that the chapter "networks" of src/dynakernel.h lists. */
import { DESCRIPTION, OPERATIONS } from '../abi.js';

/** @typedef {import('./graph.js').Graph} Graph */
/** @typedef {import('./graph.js').Node} Node */
/** @typedef {import('./graph.js').Value} Value */
/** @typedef {{ [name: string]: any }} Attributes */

/**
 * @typedef {object} Description
 * @property {Int32Array} words
 * @property {Value[]} constants in the order in which the library counts them
 */

/** A float32, and its bits as an integer. */
const [FLOAT, BITS] = ((/** @type {ArrayBuffer} */ buffer) =>
  /** @type {const} */ ([new Float32Array(buffer), new Int32Array(buffer)]))(new ArrayBuffer(4));

/** @param {number} number */
function bitsOf(number) {
  FLOAT[0] = number;
  return BITS[0];
}

/** @param {Attributes} attributes */
const windowOf = ({ stride, padding, dilation }) => stride.concat(padding, dilation);

/** @param {Attributes} attributes */
const convolution = (attributes) => windowOf(attributes).concat(attributes.groups);

/** @param {Attributes} attributes */
const axis = (attributes) => [attributes.axis];

/** A set of axes: one bit each.
 * @param {Attributes} attributes */
const axes = (attributes) =>
  [attributes.axes.reduce((/** @type {number} */ set, /** @type {number} */ one) => set | 1 << one, 0)];

/** Attributes that are floats, by their names.
 * @param {string[]} names */
const floats = (...names) => (/** @type {Attributes} */ attributes) => names.map((name) => bitsOf(attributes[name]));

/** The words of a choice are their places in these lists. */
const PADS = ['constant', 'edge', 'reflect'];
const RESIZES = ['nearest', 'bilinear'];
const COORDINATES = ['half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel'];
const ROUNDINGS = ['floor', 'ceil', 'round_prefer_floor', 'round_prefer_ceil'];
const BLOCKS = ['DCR', 'CRD'];

/** The attributes of an op as words. An op that is not listed has none.
 * @type {{ readonly [op: string]: (attributes: Attributes) => number[] }} */
const ATTRIBUTES = {
  conv2d: convolution, dynamicConv2d: convolution, convTranspose2d: convolution,
  attention: (a) => [...floats('eps', 'temperature')(a), Number(a.softmax)],
  batchNorm: floats('eps'),
  clip: floats('low', 'high'), leakyRelu: floats('slope'), elu: floats('alpha'), hardSigmoid: floats('alpha', 'beta'),
  softmax: axis, concat: axis, split: axis,
  reduceMean: axes, reduceSum: axes, reduceMax: axes,
  maxPool: (a) => [...a.kernel, ...windowOf(a)],
  averagePool: (a) => [...a.kernel, ...windowOf(a), Number(a.countIncludePad)],
  slice: ({ starts, steps }) => [...starts, ...steps],
  transpose: ({ order }) => order,
  channelShuffle: ({ groups }) => [groups],
  pad: ({ mode, value, before }) => [PADS.indexOf(mode), bitsOf(value), ...before],
  resize: ({ mode, coordinates, nearestMode = 'floor', scales }) => [RESIZES.indexOf(mode),
    COORDINATES.indexOf(coordinates), ROUNDINGS.indexOf(nearestMode), ...scales.map(bitsOf)],
  depthToSpace: ({ block, mode }) => [block, BLOCKS.indexOf(mode)],
  spaceToDepth: ({ block }) => [block],
  lrn: ({ size, ...a }) => [size, ...floats('alpha', 'beta', 'bias')(a)],
};

/** The number of a node's dk_op. Only gelu has two.
 * @param {Node} node */
const numberOf = ({ op, attributes }) =>
  OPERATIONS.indexOf(op === 'gelu' && attributes.tanh ? 'geluTanh' : /** @type {any} */ (op));

/**
 * @param {Graph} graph
 * @param {readonly Value[]} kept values that can be read after a run; a node makes each of them
 * @returns {Description}
 */
export function describe({ inputs, outputs, nodes, unused = [] }, kept) {
  // values, by id; an id in several places is one value
  /** @type {Value[]} */
  const values = [];
  const note = (/** @type {readonly (Value | null)[]} */ list) => {
    for (let i = 0; i < list.length; i++) {
      const value = list[i];
      if (value) values[value.id] = value;
    }
  };
  note(inputs);
  for (const node of nodes) {
    note(node.inputs);
    note(node.outputs);
  }
  note(unused);
  const constants = values.filter((value) => value.constant);

  const words = [DESCRIPTION, values.length, constants.length, inputs.length, outputs.length, kept.length, nodes.length];
  const addAll = (/** @type {readonly number[]} */ numbers) => {
    for (let i = 0; i < numbers.length; i++) words.push(numbers[i]);
  };
  const addIds = (/** @type {readonly (Value | null)[]} */ list) => {
    for (let i = 0; i < list.length; i++) words.push(list[i]?.id ?? -1);
  };
  for (const { shape } of values) {
    words.push(shape.length);
    addAll(shape);
  }
  for (const list of [constants, inputs, outputs.map(({ value }) => value), kept]) addIds(list);
  for (const node of nodes) {
    const attributes = ATTRIBUTES[node.op]?.(node.attributes) ?? [];
    words.push(numberOf(node), node.inputs.length, node.outputs.length, attributes.length);
    addIds(node.inputs);
    addIds(node.outputs);
    addAll(attributes);
  }
  return { words: Int32Array.from(words), constants };
}
