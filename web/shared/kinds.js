/** The kinds of dynamic convolution on the pages: their names, their options, and how their files are known. */

/** @import { BlockConfig, KindId } from './types.js' */

/**
 * @typedef {object} Kind
 * @property {KindId} id
 * @property {string} title
 * @property {string} call  the library's method that makes a block
 * @property {boolean} softmax  true if the weights of the kernels add up to 1; else each is between 0 and 1
 * @property {string} kernels  the name of the kernels in a state dict of the page
 * @property {(config: BlockConfig) => Record<string, unknown>} options  the options of the call
 * @property {Record<string, unknown>} defaults  the library's defaults of those options, which code leaves out
 * @property {(config: BlockConfig) => Record<string, unknown>} references  the arguments of the PyTorch module
 */

/** The options that all kinds have. @param {BlockConfig} config */
export const geometry = ({ inChannels, outChannels, kernelSize, stride, padding, dilation, groups }) =>
  ({ inChannels, outChannels, kernelSize, stride, padding, dilation, groups });

/** Those of PyTorch's modules that have C and O as `in_channels` and `out_channels`. @param {BlockConfig} config */
const channelArguments = (config) => ({ in_channels: config.inChannels, out_channels: config.outChannels });

/** Those of PyTorch's modules that have them as `in_planes` and `out_planes`. @param {BlockConfig} config */
const planeArguments = (config) => ({ in_planes: config.inChannels, out_planes: config.outChannels });

/** The arguments that all PyTorch's modules share. @param {BlockConfig} config */
const sharedArguments = ({ kernelSize, stride, padding, dilation, groups }) =>
  ({ kernel_size: kernelSize, stride, padding, dilation, groups });

/** The library's defaults of the shared options. */
const GEOMETRY_DEFAULTS = { stride: 1, padding: 0, dilation: 1, groups: 1 };

/** @type {Record<KindId, Kind>} */
export const KINDS = {
  dynamic: {
    id: 'dynamic',
    title: 'Dite-HRNet',
    call: 'dynamicKernelAggregation',
    softmax: false,
    kernels: 'aggregation.weight',
    options: (config) => ({
      ...geometry(config), bias: config.bias, numKernels: config.numKernels, midChannels: config.midChannels,
      seed: config.seed,
    }),
    defaults: { ...GEOMETRY_DEFAULTS, bias: true, numKernels: 4 },
    references: (config) => ({
      ...channelArguments(config), ...sharedArguments(config), bias: config.bias, num_kernels: config.numKernels,
      mid_channels: config.midChannels,
    }),
  },
  dyconv: {
    id: 'dyconv',
    title: 'DyConv',
    call: 'dyConv2d',
    softmax: true,
    kernels: 'weight',
    options: (config) => ({
      ...geometry(config), ratio: config.ratio, bias: config.bias, numKernels: config.numKernels,
      temperature: config.temperature, seed: config.seed,
    }),
    defaults: { ...GEOMETRY_DEFAULTS, ratio: 0.25, bias: true, numKernels: 4, temperature: 34 },
    references: (config) => ({
      ...planeArguments(config), ...sharedArguments(config), ratio: config.ratio, bias: config.bias,
      K: config.numKernels, temperature: config.temperature,
    }),
  },
  condconv: {
    id: 'condconv',
    title: 'CondConv',
    call: 'condConv2d',
    softmax: false,
    kernels: 'conv.weight',
    options: (config) => ({
      ...geometry(config), bias: config.bias, numExperts: config.numKernels, seed: config.seed,
    }),
    defaults: { ...GEOMETRY_DEFAULTS, bias: false, numExperts: 4 },
    references: (config) => ({
      ...channelArguments(config), ...sharedArguments(config), bias: config.bias, num_experts: config.numKernels,
    }),
  },
  odconv: {
    id: 'odconv',
    title: 'ODConv',
    call: 'odConv2d',
    softmax: true,
    kernels: 'weight',
    options: (config) => ({
      ...geometry(config), reduction: config.reduction, numKernels: config.numKernels,
      temperature: config.temperature, seed: config.seed,
    }),
    defaults: { ...GEOMETRY_DEFAULTS, reduction: 0.0625, numKernels: 4, temperature: 1 },
    references: (config) => ({
      ...planeArguments(config), ...sharedArguments(config), reduction: config.reduction,
      kernel_num: config.numKernels, temperature: config.temperature,
    }),
  },
};

/** The prefixes of CondConv's two modules in a state dict of the page. timm's blocks name the routing so. */
export const CONDCONV_PREFIXES = { convolution: 'conv.', routing: 'routing_fn.' };
