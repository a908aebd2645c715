/** Options of the modules of Dite-HRNet's block: defaults, checks and derived values. config-family.js has the others'. */
import { HEADS, INITIALISATION, MAX_ELEMENTS, MAX_EXTENT, PRECISIONS } from './abi.js';
import { boolean, extent, integer, oneOf, readOptions, readSeed, real } from './check.js';
import { DynakernelError, given } from './errors.js';
import { checkSize, pairOf } from './shape.js';

/** @typedef {import('./abi.js').Algorithm} Algorithm */

/**
 * Options of dk.kernelAttention.
 *
 * @typedef {object} AttentionOptions
 * @property {number} channels C, channels of the input
 * @property {number} [reduction] there are C / reduction hidden channels, rounded down (4)
 * @property {number} [numKernels] K, the number of kernels that the attention weighs (4)
 * @property {number | undefined} [midChannels] M, hidden channels. By default K if C is 3, or else
 *   C / reduction, at least 1
 * @property {number | undefined} [seed] the seed of the initial parameters, 0 to 2^32 - 1. By default
 *   a random one
 */

/**
 * A number for both directions, or a pair: the vertical number (rows), then the horizontal one (columns),
 * as in PyTorch.
 *
 * @typedef {number | readonly [vertical: number, horizontal: number]} Extent
 */

/**
 * Options of dk.kernelAggregation.
 *
 * @typedef {object} AggregationOptions
 * @property {number} inChannels C
 * @property {number} outChannels O
 * @property {Extent} kernelSize R for R x R kernels, or [Rh, Rw] for kernels of Rh rows and Rw columns
 * @property {Extent} [stride] pixels from one output to the next (1)
 * @property {Extent | 'same'} [padding] zeros on each side, in pixels (0). A pair is the zeros above and below,
 *   then those on the left and on the right. 'same' pads as TensorFlow does: Ho = ceil(H / stride), Wo likewise,
 *   and the larger half of an odd number of zeros comes below and on the right
 * @property {Extent} [dilation] pixels from one tap to the next (1)
 * @property {number} [groups] G, a divisor of C and of O (1)
 * @property {boolean} [bias] whether each kernel has a bias for every output channel (true)
 * @property {number} [numKernels] K, kernels to mix (4)
 * @property {Algorithm} [algorithm] the algorithm to use; 'auto' lets the planner choose ('auto')
 * @property {'float32' | 'float16'} [precision] how the kernels are stored ('float32'). 'float16' halves their
 *   memory, and is faster only if they are larger than the processor's caches. It rounds each weight by at most
 *   2^-11 of itself (2^-25 for weights below 2^-14), which changes outputs by up to 3e-4 of the largest, in 32
 *   cases of PyTorch; sums are float32 as before. Weights must be within -65504 .. 65504. The module is then for inference: requiresGrad
 *   refuses, and parameters() does too, since the kernels have no array of floats
 * @property {number | undefined} [seed] the seed of the initial parameters, 0 to 2^32 - 1. By default
 *   a random one
 */

/**
 * Options of dk.dynamicKernelAggregation. The aggregation uses the seed itself, and the attention uses
 * its bitwise complement, ~seed >>> 0.
 *
 * @typedef {AggregationOptions & Pick<AttentionOptions, 'reduction' | 'midChannels'>} BlockOptions
 */

/**
 * @typedef {Readonly<{ channels: number, numKernels: number, midChannels: number, seed: number }>}
 *   AttentionConfig
 */
/**
 * The options with all defaults filled in. Pairs stay pairs, and numbers stay numbers.
 *
 * @typedef {{ readonly [Name in keyof AggregationOptions]-?: NonNullable<AggregationOptions[Name]> }}
 *   AggregationConfig
 */

/**
 * What the attention branch of a module computes, and under which names.
 *
 * @typedef {object} AttentionSettings
 * @property {number} channels C
 * @property {number} hidden M; 0: no hidden layer
 * @property {boolean} batchNorm whether the hidden layer has batch norm
 * @property {boolean} softmax whether the head of the kernels is a softmax
 * @property {readonly number[]} heads the length of each head, by its dk_head; 0: there is no such head
 * @property {AttentionNames} names
 * @property {number} initialisation a dk_initialisation
 * @property {number} temperature
 * @property {number} seed
 */

/**
 * The names of an attention branch's layers in state dicts.
 *
 * @typedef {object} AttentionNames
 * @property {string} [hidden]
 * @property {string} [hiddenOption] the option that the number of hidden channels depends on
 * @property {readonly (readonly [head: number, name: string])[]} heads in the reference's order; '' if the
 *   parameters have no prefix
 * @property {boolean} [linear] whether the layers are matrices; otherwise they are 1x1 convolutions
 */

/** @type {AttentionNames} */
const KERNEL_ATTENTION_NAMES = { hidden: 'conv1', hiddenOption: 'reduction', heads: [[HEADS.kernels, 'conv2']] };

const ATTENTION_NAMES = /** @type {const} */ (
  ['channels', 'reduction', 'numKernels', 'midChannels', 'seed']);
export const AGGREGATION_NAMES = /** @type {const} */ ([
  'inChannels', 'outChannels', 'kernelSize', 'stride', 'padding', 'dilation', 'groups', 'bias',
  'numKernels', 'algorithm', 'precision', 'seed',
]);
const BLOCK_NAMES = /** @type {const} */ ([...AGGREGATION_NAMES, 'reduction', 'midChannels']);

/**
 * Reads the options of dk.kernelAttention.
 *
 * @param {unknown} value
 * @returns {AttentionConfig}
 */
export function attentionConfig(value) {
  const what = 'kernelAttention';
  return completeAttention(readRequired(value, what, ATTENTION_NAMES, ['channels']), what);
}

/**
 * Reads the options of dk.kernelAggregation.
 *
 * @param {unknown} value
 * @param {readonly Algorithm[]} algorithms that the library has
 * @returns {AggregationConfig}
 */
export function aggregationConfig(value, algorithms) {
  const what = 'kernelAggregation';
  const required = ['inChannels', 'outChannels', 'kernelSize'];
  return completeAggregation(
    readRequired(value, what, AGGREGATION_NAMES, required), what, algorithms);
}

/**
 * Reads the options of dk.dynamicKernelAggregation: one configuration for each of the two modules.
 *
 * @param {unknown} value
 * @param {readonly Algorithm[]} algorithms that the library has
 * @returns {{ attention: AttentionConfig, aggregation: AggregationConfig }}
 */
export function blockConfig(value, algorithms) {
  const what = 'dynamicKernelAggregation';
  const required = ['inChannels', 'outChannels', 'kernelSize'];
  const { reduction, midChannels, ...options } = readRequired(value, what, BLOCK_NAMES, required);
  const aggregation = completeAggregation(options, what, algorithms);
  const { inChannels, numKernels, seed } = aggregation;
  const attention = completeAttention(
    { channels: inChannels, reduction, numKernels, midChannels, seed: ~seed >>> 0 }, what);
  return { attention, aggregation };
}

/**
 * Fills in the defaults and checks the values.
 *
 * @param {{ [name: string]: any }} options
 * @param {string} what the call, for messages
 * @returns {AttentionConfig}
 */
function completeAttention(options, what) {
  const { numKernels = 4, reduction = 4 } = options;
  const channels = integer(options.channels, `${what}: channels`, 1, MAX_ELEMENTS);
  const K = integer(numKernels, `${what}: numKernels`, 1, MAX_ELEMENTS);
  const divisor = integer(reduction, `${what}: reduction`, 1, MAX_ELEMENTS);
  const { midChannels = channels === 3 ? K : Math.max(1, Math.floor(channels / divisor)) } = options;
  const M = integer(midChannels, `${what}: midChannels`, 1, MAX_ELEMENTS);
  const config = Object.freeze({
    channels, numKernels: K, midChannels: M, seed: readSeed(options.seed, what),
  });
  checkAttention(kernelAttentionSettings(config), what);
  return config;
}

/**
 * The branch of dk.kernelAttention.
 *
 * @param {AttentionConfig} config
 * @returns {AttentionSettings}
 */
export const kernelAttentionSettings = ({ channels, numKernels, midChannels, seed }) => ({
  channels, hidden: midChannels, batchNorm: true, softmax: false, heads: [numKernels, 0, 0, 0],
  names: KERNEL_ATTENTION_NAMES, initialisation: INITIALISATION.fanOut, temperature: 1, seed,
});

/**
 * Refuses a branch with a parameter of more than MAX_ELEMENTS numbers.
 *
 * @param {AttentionSettings} settings
 * @param {string} what the call, for messages
 */
export function checkAttention({ channels, hidden, heads, names }, what) {
  const tail = names.linear ? [] : [1, 1];
  if (hidden > 0) checkSize([hidden, channels, ...tail], `${what}: ${names.hidden}.weight`);
  for (const [head, name] of names.heads) {
    checkSize([heads[head], hidden || channels, ...tail], `${what}: ${layerName(name, 'weight')}`);
  }
}

/**
 * The name of a layer's parameter in state dicts.
 *
 * @param {string} layer '' if its parameters have no prefix
 * @param {string} parameter
 */
export const layerName = (layer, parameter) => (layer === '' ? parameter : `${layer}.${parameter}`);

/**
 * A temperature: a number whose float32 is positive and finite.
 *
 * @param {unknown} value
 * @param {string} what
 */
export const readTemperature = (value, what) => real(value, what, 'more than 0',
  (number) => Math.fround(number) > 0 && Number.isFinite(Math.fround(number)));

/**
 * Fills in the defaults and checks the values.
 *
 * @param {{ [name: string]: any }} options
 * @param {string} what the call, for messages
 * @param {readonly Algorithm[]} algorithms
 * @returns {AggregationConfig}
 */
export function completeAggregation(options, what, algorithms) {
  const {
    inChannels, outChannels, kernelSize, stride = 1, padding = 0, dilation = 1, groups = 1,
    bias = true, numKernels = 4, algorithm = 'auto', precision = 'float32', seed,
  } = options;
  /** @type {AggregationConfig} */
  const config = {
    inChannels: integer(inChannels, `${what}: inChannels`, 1, MAX_ELEMENTS),
    outChannels: integer(outChannels, `${what}: outChannels`, 1, MAX_ELEMENTS),
    kernelSize: extent(kernelSize, `${what}: kernelSize`, 1, MAX_EXTENT),
    stride: extent(stride, `${what}: stride`, 1, MAX_EXTENT),
    padding: padding === 'same' ? padding : extent(padding, `${what}: padding`, 0, MAX_EXTENT, ", or 'same'"),
    dilation: extent(dilation, `${what}: dilation`, 1, MAX_EXTENT),
    groups: integer(groups, `${what}: groups`, 1, MAX_ELEMENTS),
    bias: boolean(bias, `${what}: bias`),
    numKernels: integer(numKernels, `${what}: numKernels`, 1, MAX_ELEMENTS),
    algorithm: oneOf(algorithm, `${what}: algorithm`, algorithms),
    precision: oneOf(precision, `${what}: precision`, PRECISIONS),
    seed: readSeed(seed, what),
  };
  for (const name of /** @type {const} */ (['inChannels', 'outChannels'])) {
    if (config[name] % config.groups !== 0) {
      throw new DynakernelError('ERR_CONFIG',
        `${what}: groups must divide ${name}; got groups ${config.groups}, ${name} ${config[name]}`);
    }
  }
  checkSize(weightShape(config), `${what}: weight`);
  checkSize([config.numKernels, config.outChannels], `${what}: bias`);
  return Object.freeze(config);
}

/**
 * The shape of the kernels, [K, O, C/G, Rh, Rw].
 *
 * @param {AggregationConfig} config
 */
export const weightShape = ({ numKernels, outChannels, inChannels, groups, kernelSize }) =>
  [numKernels, outChannels, inChannels / groups, ...pairOf(kernelSize)];

/**
 * Reads options. An undefined option counts as missing. Refuses if a required one is missing.
 *
 * @param {unknown} value
 * @param {string} what the call, for messages
 * @param {readonly string[]} names
 * @param {readonly string[]} required
 */
export function readRequired(value, what, names, required) {
  const options = Object.fromEntries(
    Object.entries(readOptions(value, what, names)).filter(([, option]) => option !== undefined));
  const missing = required.filter((name) => !(name in options));
  if (missing.length > 0) {
    throw new DynakernelError('ERR_CONFIG', `${what} needs ${missing.join(', ')}; ` +
      `got ${value === undefined ? 'no options' : given(options)}`);
  }
  return options;
}
