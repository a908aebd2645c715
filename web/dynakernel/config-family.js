/** Options of DyConv, CondConv, ODConv and of kernels that come from elsewhere: defaults, checks and derived values. */
import { HEADS, INITIALISATION, MAX_ELEMENTS } from './abi.js';
import { integer, readSeed, real } from './check.js';
import {
  AGGREGATION_NAMES, checkAttention, completeAggregation, readRequired, readTemperature,
} from './config.js';
import { pairOf, sizeOf } from './shape.js';

/** @typedef {import('./abi.js').Algorithm} Algorithm */
/** @typedef {import('./config.js').AggregationConfig} AggregationConfig */
/** @typedef {import('./config.js').AggregationOptions} AggregationOptions */
/** @typedef {import('./config.js').AttentionNames} AttentionNames */
/** @typedef {import('./config.js').AttentionSettings} AttentionSettings */

/**
 * @typedef {object} DyConv2dAttentionOptions
 * @property {number} [ratio] the attention branch has floor(C * ratio) + 1 hidden channels, or K if C is 3 (0.25)
 * @property {number} [temperature] what the branch divides its outputs by before the softmax, more than 0 (34). The
 *   property `temperature` of the module changes it
 */

/**
 * Options of dk.dyConv2d. The kernels use the seed itself, and the attention uses its bitwise complement,
 * ~seed >>> 0.
 *
 * @typedef {AggregationOptions & DyConv2dAttentionOptions} DyConv2dOptions
 */

/**
 * @typedef {object} OdConv2dAttentionOptions
 * @property {number} [reduction] the attention branch has floor(C * reduction) hidden channels, at least 16 (0.0625)
 * @property {number} [temperature] what the branch divides its outputs by before the softmax and the sigmoids, more
 *   than 0 (1). The property `temperature` of the module changes it
 */

/**
 * Options of dk.odConv2d. The kernels use the seed itself, and the attention uses its bitwise complement,
 * ~seed >>> 0.
 *
 * @typedef {Omit<AggregationOptions, 'bias'> & OdConv2dAttentionOptions} OdConv2dOptions
 */

/**
 * @typedef {object} ExpertOptions
 * @property {boolean} [bias] whether each kernel has a bias for every output channel (false)
 * @property {number} [numExperts] K, kernels to mix (4)
 */

/**
 * Options of dk.condConv2d.
 *
 * @typedef {Omit<AggregationOptions, 'bias' | 'numKernels'> & ExpertOptions} CondConv2dOptions
 */

/**
 * Options of dk.routing.
 *
 * @typedef {object} RoutingOptions
 * @property {number} channels C, channels of the input
 * @property {number} [numExperts] K, the number of kernels that the routing weighs (4)
 * @property {number | undefined} [seed] the seed of the initial parameters, 0 to 2^32 - 1. By default
 *   a random one
 */

/**
 * Options of dk.dynamicConvolution.
 *
 * @typedef {Omit<AggregationOptions, 'bias' | 'numKernels' | 'precision' | 'seed'>} DynamicConvolutionOptions
 */

/**
 * Options with all defaults filled in.
 *
 * @template Options
 * @typedef {{ readonly [Name in keyof Options]-?: NonNullable<Options[Name]> }} Complete
 */

/** @typedef {Complete<DyConv2dOptions>} DyConv2dConfig */
/** @typedef {Complete<OdConv2dOptions>} OdConv2dConfig */
/** @typedef {Complete<CondConv2dOptions>} CondConv2dConfig */
/** @typedef {Complete<RoutingOptions>} RoutingConfig */
/** @typedef {Complete<DynamicConvolutionOptions>} DynamicConvolutionConfig */

/**
 * The parts of a block, and the configuration that it shows.
 *
 * @template Config
 * @typedef {{ config: Config, attention: AttentionSettings, aggregation: AggregationConfig }} BlockSettings
 */

const REQUIRED = ['inChannels', 'outChannels', 'kernelSize'];
const without = (/** @type {readonly string[]} */ ...names) =>
  AGGREGATION_NAMES.filter((name) => !names.includes(name));

/** @type {AttentionNames} */
const DYCONV_NAMES = { hidden: 'fc1', hiddenOption: 'ratio', heads: [[HEADS.kernels, 'fc2']] };
/** @type {AttentionNames} */
const ROUTING_NAMES = { heads: [[HEADS.kernels, '']], linear: true };
const ODCONV_LAYERS = /** @type {const} */ ([
  [HEADS.inputs, 'channel_fc'], [HEADS.outputs, 'filter_fc'], [HEADS.taps, 'spatial_fc'],
  [HEADS.kernels, 'kernel_fc'],
]);

/**
 * Reads the options of dk.dyConv2d.
 *
 * @param {unknown} value
 * @param {readonly Algorithm[]} algorithms that the library has
 * @returns {BlockSettings<DyConv2dConfig>}
 */
export function dyConvSettings(value, algorithms) {
  const what = 'dyConv2d';
  const names = [...AGGREGATION_NAMES, 'ratio', 'temperature'];
  const { ratio = 0.25, temperature = 34, ...options } = readRequired(value, what, names, REQUIRED);
  const aggregation = completeAggregation(options, what, algorithms);
  const { inChannels: C, numKernels: K, seed } = aggregation;
  const config = Object.freeze({
    ...aggregation, ratio: readShare(ratio, `${what}: ratio`),
    temperature: readTemperature(temperature, `${what}: temperature`),
  });
  const attention = {
    channels: C, hidden: C === 3 ? K : Math.floor(C * config.ratio) + 1, batchNorm: false, softmax: true,
    heads: [K, 0, 0, 0], names: DYCONV_NAMES, initialisation: INITIALISATION.fanOut,
    temperature: config.temperature, seed: ~seed >>> 0,
  };
  checkAttention(attention, `${what}: attention`);
  return { config, attention, aggregation };
}

/**
 * Reads the options of dk.odConv2d.
 *
 * @param {unknown} value
 * @param {readonly Algorithm[]} algorithms that the library has
 * @returns {BlockSettings<OdConv2dConfig>}
 */
export function odConvSettings(value, algorithms) {
  const what = 'odConv2d';
  const names = [...without('bias'), 'reduction', 'temperature'];
  const { reduction = 0.0625, temperature = 1, ...options } = readRequired(value, what, names, REQUIRED);
  const aggregation = completeAggregation({ ...options, bias: false }, what, algorithms);
  const { bias: _, ...shown } = aggregation;
  const { inChannels: C, outChannels: O, groups: G, numKernels: K, kernelSize, seed } = aggregation;
  const config = Object.freeze({
    ...shown, reduction: readShare(reduction, `${what}: reduction`),
    temperature: readTemperature(temperature, `${what}: temperature`),
  });
  // the authors leave out the heads that would only repeat another factor
  const taps = sizeOf(pairOf(kernelSize));
  const isDepthwise = C === G && C === O;
  const heads = [K === 1 ? 0 : K, isDepthwise ? 0 : O, C, taps === 1 ? 0 : taps];
  const attention = {
    channels: C, hidden: Math.max(Math.floor(C * config.reduction), 16), batchNorm: true, softmax: K > 1, heads,
    names: { hidden: 'fc', hiddenOption: 'reduction', heads: ODCONV_LAYERS.filter(([head]) => heads[head] > 0) },
    initialisation: INITIALISATION.fanOut, temperature: config.temperature, seed: ~seed >>> 0,
  };
  checkAttention(attention, `${what}: attention`);
  return { config, attention, aggregation };
}

/**
 * Reads the options of dk.condConv2d.
 *
 * @param {unknown} value
 * @param {readonly Algorithm[]} algorithms that the library has
 * @returns {{ config: CondConv2dConfig, aggregation: AggregationConfig }}
 */
export function condConvSettings(value, algorithms) {
  const what = 'condConv2d';
  const names = [...without('numKernels'), 'numExperts'];
  const { bias = false, numExperts = 4, ...options } = readRequired(value, what, names, REQUIRED);
  const numKernels = integer(numExperts, `${what}: numExperts`, 1, MAX_ELEMENTS);
  const aggregation = completeAggregation({ ...options, bias, numKernels }, what, algorithms);
  const { numKernels: K, ...shown } = aggregation;
  return { config: Object.freeze({ ...shown, numExperts: K }), aggregation };
}

/**
 * Reads the options of dk.routing.
 *
 * @param {unknown} value
 * @returns {{ config: RoutingConfig, attention: AttentionSettings }}
 */
export function routingSettings(value) {
  const what = 'routing';
  const { channels, numExperts = 4, seed } = readRequired(
    value, what, ['channels', 'numExperts', 'seed'], ['channels']);
  const config = Object.freeze({
    channels: integer(channels, `${what}: channels`, 1, MAX_ELEMENTS),
    numExperts: integer(numExperts, `${what}: numExperts`, 1, MAX_ELEMENTS),
    seed: readSeed(seed, what),
  });
  const attention = {
    channels: config.channels, hidden: 0, batchNorm: false, softmax: false, heads: [config.numExperts, 0, 0, 0],
    names: ROUTING_NAMES, initialisation: INITIALISATION.linear, temperature: 1, seed: config.seed,
  };
  checkAttention(attention, what);
  return { config, attention };
}

/**
 * Reads the options of dk.dynamicConvolution.
 *
 * @param {unknown} value
 * @param {readonly Algorithm[]} algorithms that the library has
 * @returns {{ config: DynamicConvolutionConfig, aggregation: AggregationConfig }}
 */
export function dynamicConvolutionSettings(value, algorithms) {
  const what = 'dynamicConvolution';
  const options = readRequired(value, what, without('bias', 'numKernels', 'precision', 'seed'), REQUIRED);
  const aggregation = completeAggregation({ ...options, bias: false, numKernels: 1, seed: 0 }, what, algorithms);
  const { bias: _bias, numKernels: _numKernels, precision: _precision, seed: _seed, ...config } = aggregation;
  return { config: Object.freeze(config), aggregation };
}

/**
 * A share of the channels.
 *
 * @param {unknown} value
 * @param {string} what
 */
const readShare = (value, what) => real(value, what, '0 or more', (share) => share >= 0);
