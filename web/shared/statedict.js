/**
 * Blocks in .safetensors files. Channels and sizes follow from the tensors' shapes. `__metadata__` may hold the rest:
 * `config` holds stride, padding and dilation, `mean` and `std` hold the normalisation of the pixels.
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

/** A file holds no block that the playground can show. The message is for people. */
export class StateDictError extends Error {}

/**
 * Reads the blocks in a file. The prefix of a block's tensors tells it from the others; it is '' if the file is the
 * state dict of one block.
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
  // Keep the blocks that can be shown; if there are none, say what is wrong with the first.
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
 * Returns the definition of one block. Throws a StateDictError if the playground cannot show it.
 *
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
  // The shapes give channels and sizes.
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
  // The metadata give the rest, or the usual values apply.
  const stored = readSteps(tensors.__metadata__, file);
  const { stride = 1, dilation = 1, padding = (dilation * (kernelSize - 1)) >> 1 } = stored;
  const normalisation = readNormalisation(tensors.__metadata__, inChannels);
  return {
    id: stem(file),
    title: file,
    summary: [
      `From ${file}${prefix ? `, ${prefix.replace(/\.$/, '')}` : ''}.`,
      stepsSentence(stored),
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

/** The options that no shape shows, and their least values. */
const LEAST = { stride: 1, padding: 0, dilation: 1 };

/** @typedef {keyof typeof LEAST} Step */

/**
 * Reads stride, padding and dilation, as far as the file holds them.
 *
 * @param {Record<string, string>} metadata
 * @param {string} file
 * @returns {Partial<Record<Step, number>>}
 */
function readSteps(metadata, file) {
  let config;
  try {
    config = JSON.parse(metadata.config ?? '{}');
  } catch {
    return {};
  }
  const valid = Object.entries(LEAST).flatMap(([name, least]) => {
    // PyTorch's modules hold pairs: [vertical, horizontal].
    const values = [config?.[name]].flat();
    if (values.length > 2 || !values.every((value) => Number.isInteger(value) && value >= least)) return [];
    if (values.length === 2 && values[0] !== values[1]) {
      throw new StateDictError(
        `“${file}” has ${name} [${values.join(', ')}]. Here the ${name} is the same in both directions; ` +
          'the library takes such pairs.',
      );
    }
    return values.length ? [[name, values[0]]] : [];
  });
  return Object.fromEntries(valid);
}

/** Says which of them the file holds. @param {Partial<Record<Step, number>>} stored */
function stepsSentence(stored) {
  const present = Object.keys(LEAST).filter((name) => name in stored);
  const absent = Object.keys(LEAST).filter((name) => !(name in stored));
  const request = `${enumerate(absent)}: set ${absent.length === 1 ? 'it' : 'them'} here.`;
  if (present.length === 0) return `A state dict does not hold ${request}`;
  const subject = `${enumerate(present)} ${present.length === 1 ? 'is' : 'are'} the file’s`;
  return subject.charAt(0).toUpperCase() + subject.slice(1) + (absent.length ? `; it does not say ${request}` : '.');
}

/** Joins words with commas and a last "and". @param {string[]} words */
const enumerate = (words) => words.join(', ').replace(/, ([^,]*)$/, ' and $1');

/**
 * Returns a block as a .safetensors file. Its metadata hold the arguments of the PyTorch module and the normalisation
 * of the pixels.
 *
 * @param {Block} block
 * @param {Normalisation} normalisation
 */
export function writeBlock(block, normalisation) {
  const { config } = block;
  const moduleArguments = {
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
    config: JSON.stringify(moduleArguments),
    ...normalisationMetadata(normalisation, config.inChannels),
  });
}

/**
 * Returns a sentence that refuses a file of parameters in another format, by its name; '' for all other names.
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
