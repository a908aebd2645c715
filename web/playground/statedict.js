/**
 * What a .safetensors file says about the block that it belongs to: the shapes give the channels and sizes, and
 * `__metadata__.config`, where there is one, what no shape shows: stride, padding and dilation.
 *
 * @import { Block, Definition, StateDict } from './types.js'
 */
import { parseSafetensors, toSafetensors } from '../dynakernel/index.js';
import { stem } from './format.js';

const REQUIRED = [
  'attention.conv1.weight',
  'attention.bn.weight',
  'attention.bn.bias',
  'attention.bn.running_mean',
  'attention.bn.running_var',
  'attention.conv2.weight',
  'attention.conv2.bias',
  'aggregation.weight',
];
const OPTIONAL = ['attention.bn.num_batches_tracked', 'aggregation.bias'];

/** A file that holds no block that the playground can show; the message is for people. */
export class StateDictError extends Error {}

/**
 * The blocks in a file, by the prefix of their names ('' where the file is one block's state dict).
 *
 * @param {Uint8Array} bytes
 * @param {string} file
 * @returns {{ prefix: string, definition: Definition }[]} at least one
 */
export function readBlocks(bytes, file) {
  const tensors = parseSafetensors(bytes);
  const prefixes = Object.keys(tensors)
    .filter((name) => /(^|\.)aggregation\.weight$/.test(name) && !/(^|\.)grad\./.test(name))
    .map((name) => name.slice(0, -'aggregation.weight'.length));
  if (prefixes.length === 0) {
    const names = Object.keys(tensors);
    throw new StateDictError(
      `“${file}” is no state dict of a dynamic-kernel block: it has no aggregation.weight, but ` +
        (names.length
          ? `${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}.`
          : 'no tensor at all.'),
    );
  }
  const config = readConfig(tensors.__metadata__);
  /** @type {{ prefix: string, definition: Definition }[]} */
  const blocks = [];
  /** @type {unknown} */
  let refusal;
  for (const prefix of prefixes) {
    try {
      blocks.push({ prefix, definition: define(tensors, prefix, config, file) });
    } catch (error) {
      refusal ??= error;
    }
  }
  if (blocks.length === 0) throw refusal;
  return blocks;
}

/**
 * @param {StateDict} tensors
 * @param {string} prefix
 * @param {Record<string, unknown>} given  stride, padding, dilation where the file says
 * @param {string} file
 * @returns {Definition}
 */
function define(tensors, prefix, given, file) {
  const missing = REQUIRED.filter((name) => !tensors[prefix + name]);
  if (missing.length) {
    throw new StateDictError(`“${file}” lacks ${missing.join(', ')}, which a dynamic-kernel block has.`);
  }
  /** @type {StateDict} */
  const state = {};
  for (const name of [...REQUIRED, ...OPTIONAL]) {
    if (tensors[prefix + name]) state[name] = tensors[prefix + name];
  }
  const kernels = state['aggregation.weight'].shape;
  const squeeze = state['attention.conv1.weight'].shape;
  if (kernels.length !== 5 || squeeze.length !== 4 || kernels[3] !== kernels[4]) {
    throw new StateDictError(
      `“${file}” has aggregation.weight [${kernels.join(', ')}] and attention.conv1.weight ` +
        `[${squeeze.join(', ')}]; expected [K, O, C/G, R, R] and [M, C, 1, 1].`,
    );
  }
  const [numKernels, outChannels, perGroup, kernelSize] = kernels;
  const [midChannels, inChannels] = squeeze;
  if (inChannels !== 3 && inChannels !== 1) {
    throw new StateDictError(
      `“${file}” is a block for ${inChannels} input channels. The playground feeds pictures, which have 3 ` +
        '(red, green, blue) or 1 (luma).',
    );
  }
  if (perGroup < 1 || inChannels % perGroup) {
    throw new StateDictError(
      `“${file}” has kernels over ${perGroup} input channels; ${inChannels} cannot be grouped so.`,
    );
  }
  /** @type {(name: string, least: number, otherwise: number) => number} */
  const option = (name, least, otherwise) => {
    const value = given[name];
    return Number.isInteger(value) && Number(value) >= least ? Number(value) : otherwise;
  };
  const dilation = option('dilation', 1, 1);
  return {
    id: stem(file),
    title: file,
    summary:
      `From ${file}${prefix ? `, ${prefix.replace(/\.$/, '')}` : ''}. ` +
      (given.kernel_size
        ? 'Stride, padding and dilation are the file’s.'
        : 'A state dict does not hold stride, padding and dilation: set them here.'),
    config: {
      inChannels,
      outChannels,
      kernelSize,
      numKernels,
      midChannels,
      dilation,
      stride: option('stride', 1, 1),
      padding: option('padding', 0, (dilation * (kernelSize - 1)) >> 1),
      groups: inChannels / perGroup,
      bias: 'aggregation.bias' in state,
    },
    state,
  };
}

/**
 * @param {Record<string, string>} metadata
 * @returns {Record<string, unknown>}
 */
function readConfig(metadata) {
  try {
    const config = JSON.parse(metadata.config ?? '{}');
    return typeof config === 'object' && config !== null ? config : {};
  } catch {
    return {};
  }
}

/**
 * The block as a .safetensors file, with the arguments of the reference's module as metadata.
 *
 * @param {Block} block
 * @param {Record<string, string>} [metadata] what else the file says
 */
export function writeBlock(block, metadata = {}) {
  const { config } = block;
  const reference = {
    in_channels: config.inChannels,
    out_channels: config.outChannels,
    kernel_size: config.kernelSize,
    stride: config.stride,
    padding: config.padding,
    dilation: config.dilation,
    groups: config.groups,
    bias: config.bias,
    num_kernels: config.numKernels,
    mid_channels: config.midChannels,
  };
  return toSafetensors(block.stateDict(), { config: JSON.stringify(reference), ...metadata });
}

/**
 * Why a file that looks like a network's parameters in another format is not read; '' for any other name.
 *
 * @param {string} file
 */
export function refuseFormat(file) {
  if (/\.(pt|pth|ckpt|pkl|bin)$/i.test(file)) {
    return (
      `“${file}” looks like a pickle, which can run code when it is opened. In PyTorch, ` +
      "safetensors.torch.save_file(block.state_dict(), 'block.safetensors') writes the same as .safetensors, which the " +
      'playground reads.'
    );
  }
  if (/\.(onnx|npz|npy|h5|tflite|gguf)$/i.test(file)) {
    return `“${file}” is not a .safetensors file, the one format that the playground reads.`;
  }
  return '';
}
