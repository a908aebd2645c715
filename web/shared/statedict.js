/**
 * What a .safetensors file says about the block that it belongs to: the shapes give the channels and sizes, and
 * `__metadata__`, where it does, what no shape shows: `config` stride, padding and dilation, `mean` and `std` how pixels
 * are normalised.
 *
 * @import { DynamicKernelAggregation as Block, StateDict } from '../dynakernel/index.js'
 * @import { Definition, Normalisation } from './types.js'
 */
import { parseSafetensors, toSafetensors } from '../dynakernel/index.js';
import { stem } from './format.js';
import { normalisationMetadata, normalisationSentence, readNormalisation } from './normalisation.js';

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
  /** @type {{ prefix: string, definition: Definition }[]} */
  const blocks = [];
  /** @type {unknown} */
  let refusal;
  for (const prefix of prefixes) {
    try {
      blocks.push({ prefix, definition: define(tensors, prefix, file) });
    } catch (error) {
      refusal ??= error;
    }
  }
  if (blocks.length === 0) throw refusal;
  return blocks;
}

/**
 * @param {ReturnType<typeof parseSafetensors>} tensors
 * @param {string} prefix
 * @param {string} file
 * @returns {Definition}
 */
function define(tensors, prefix, file) {
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
  const given = readSteps(tensors.__metadata__);
  const { stride = 1, dilation = 1, padding = (dilation * (kernelSize - 1)) >> 1 } = given;
  const normalisation = readNormalisation(tensors.__metadata__, inChannels);
  return {
    id: stem(file),
    title: file,
    summary: [
      `From ${file}${prefix ? `, ${prefix.replace(/\.$/, '')}` : ''}.`,
      stepsSentence(given),
      normalisation ? normalisationSentence(normalisation) : '',
    ].filter(Boolean).join(' '),
    config: {
      inChannels,
      outChannels,
      kernelSize,
      numKernels,
      midChannels,
      dilation,
      stride,
      padding,
      groups: inChannels / perGroup,
      bias: 'aggregation.bias' in state,
    },
    state,
    normalisation,
  };
}

/** What no shape shows, and the least that it can be. */
const LEAST = { stride: 1, padding: 0, dilation: 1 };

/** @typedef {keyof typeof LEAST} Step */

/**
 * Stride, padding and dilation as far as the file says.
 *
 * @param {Record<string, string>} metadata
 * @returns {Partial<Record<Step, number>>}
 */
function readSteps(metadata) {
  let config;
  try {
    config = JSON.parse(metadata.config ?? '{}');
  } catch {
    return {};
  }
  const said = Object.entries(LEAST).filter(
    ([name, least]) => Number.isInteger(config?.[name]) && config[name] >= least,
  );
  return Object.fromEntries(said.map(([name]) => [name, config[name]]));
}

/** Which of them the file says. @param {Partial<Record<Step, number>>} given */
function stepsSentence(given) {
  const said = Object.keys(LEAST).filter((name) => name in given);
  const unsaid = Object.keys(LEAST).filter((name) => !(name in given));
  const rest = `${enumerate(unsaid)}: set ${unsaid.length === 1 ? 'it' : 'them'} here.`;
  if (said.length === 0) return `A state dict does not hold ${rest}`;
  const own = `${enumerate(said)} ${said.length === 1 ? 'is' : 'are'} the file’s`;
  return own.charAt(0).toUpperCase() + own.slice(1) + (unsaid.length ? `; it does not say ${rest}` : '.');
}

/** @param {string[]} words */
const enumerate = (words) => words.join(', ').replace(/, ([^,]*)$/, ' and $1');

/**
 * The block as a .safetensors file, with the arguments of the reference's module and the normalisation of its pixels as
 * metadata.
 *
 * @param {Block} block
 * @param {Normalisation} normalisation
 */
export function writeBlock(block, normalisation) {
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
  return toSafetensors(block.stateDict(), {
    config: JSON.stringify(reference),
    ...normalisationMetadata(normalisation, config.inChannels),
  });
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
      "safetensors.torch.save_file(block.state_dict(), 'block.safetensors') writes the same as .safetensors, which is " +
      'read here.'
    );
  }
  if (/\.(onnx|npz|npy|h5|tflite|gguf)$/i.test(file)) {
    return `“${file}” is not a .safetensors file, the one format that is read here.`;
  }
  return '';
}
