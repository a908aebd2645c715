/**
 * Blocks in .safetensors files. Kind, channels and sizes follow from the tensors' names and shapes. `__metadata__` may
 * hold the rest: `config` holds stride, padding, dilation and temperature, `mean` and `std` hold the normalisation of
 * the pixels.
 *
 * @import { StateDict } from '../dynakernel/index.js'
 * @import { Block } from './blocks.js'
 * @import { Place, Reader, Tensors } from './state-readers.js'
 * @import { Definition, Normalisation } from './types.js'
 */
import { parseSafetensors, toSafetensors } from '../dynakernel/index.js';
import { stem } from './format.js';
import { KINDS } from './kinds.js';
import { normalisationMetadata, normalisationSentence, readNormalisation } from './normalisation.js';
import { READERS, StateDictError } from './state-readers.js';

export { StateDictError };

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
  const names = Object.keys(tensors);
  const parameters = names.filter((name) => !/(^|\.)grad\./.test(name));
  const places = READERS.flatMap((reader) => reader.find(parameters, tensors).map((place) => ({ reader, place })));
  if (places.length === 0) {
    throw new StateDictError(
      `“${file}” is no state dict of a dynamic convolution: it has no ` +
        `${enumerate(READERS.map(({ marker }) => marker), 'or')}, but ` +
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
  for (const { reader, place } of places) {
    try {
      blocks.push({ prefix: place.prefix, definition: define(tensors, reader, place, file) });
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
 * @param {Tensors} tensors
 * @param {Reader} reader
 * @param {Place} place
 * @param {string} file
 * @returns {Definition}
 */
function define(tensors, reader, { prefix, names }, file) {
  const { kind, required } = reader;
  const missing = required.filter((name) => !tensors[names.get(name) ?? name]);
  if (missing.length) {
    throw new StateDictError(`“${file}” lacks ${missing.join(', ')}, which a block of ${KINDS[kind].title} has.`);
  }
  /** @type {StateDict} */
  const state = {};
  for (const [name, inFile] of names) {
    if (tensors[inFile]) state[name] = tensors[inFile];
  }
  // The shapes give channels and sizes.
  const metadata = tensors.__metadata__;
  const stored = readConfig(metadata);
  const { perGroup, ...sizes } = reader.sizes(state, stored, file);
  const { inChannels, kernelSize } = sizes;
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
  const steps = readSteps(stored, kernelSize, file);
  const { stride = 1, dilation = 1, padding = (dilation * (kernelSize - 1)) >> 1 } = steps;
  const heat = readTemperature(stored, kind);
  const normalisation = readNormalisation(metadata, inChannels);
  return {
    id: stem(file),
    kind,
    title: file,
    summary: [
      `From ${file}${prefix ? `, ${prefix.replace(/\.$/, '')}` : ''}.`,
      kind === 'dynamic' ? '' : `A block of ${KINDS[kind].title}.`,
      stepsSentence({ ...steps, ...heat }, heat ? [...STEPS, 'temperature'] : STEPS),
      normalisation ? normalisationSentence(normalisation) : '',
    ].filter(Boolean).join(' '),
    config: {
      ...sizes,
      dilation,
      stride,
      padding,
      groups: inChannels / perGroup,
      bias: [...names.keys()].some((name) => /^((aggregation|conv)\.)?bias$/.test(name) && name in state),
      ...(heat ? { temperature: heat.temperature ?? Number(KINDS[kind].defaults.temperature) } : {}),
    },
    state,
    normalisation,
  };
}

/** The options that no shape shows, and their least values. */
const LEAST = { stride: 1, padding: 0, dilation: 1 };
const STEPS = Object.keys(LEAST);

/** @typedef {keyof typeof LEAST} Step */

/**
 * Reads the arguments of the PyTorch module, as far as the file holds them.
 *
 * @param {Record<string, string>} metadata
 * @returns {Record<string, unknown>}
 */
function readConfig(metadata) {
  try {
    return JSON.parse(metadata.config ?? '{}') ?? {};
  } catch {
    return {};
  }
}

/**
 * Reads stride, padding and dilation, as far as the configuration holds them.
 *
 * @param {Record<string, unknown>} stored
 * @param {number} kernelSize
 * @param {string} file
 * @returns {Partial<Record<Step, number>>}
 */
function readSteps(stored, kernelSize, file) {
  const config = stored.padding === 'same' ? { ...stored, padding: samePadding(stored, kernelSize, file) } : stored;
  const valid = Object.entries(LEAST).flatMap(([name, least]) => {
    // PyTorch's modules hold pairs: [vertical, horizontal].
    const values = [config[name]].flat();
    if (values.length > 2 || !values.every((value) => Number.isInteger(value) && Number(value) >= least)) return [];
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

/**
 * Returns the number that the padding 'same' stands for. Throws if there is none: with a stride, or an even kernel, it
 * pads the ends differently.
 *
 * @param {Record<string, unknown>} stored
 * @param {number} kernelSize
 * @param {string} file
 */
function samePadding({ stride = 1, dilation = 1 }, kernelSize, file) {
  const total = Number(dilation) * (kernelSize - 1);
  if (Number(stride) === 1 && total % 2 === 0) return total / 2;
  throw new StateDictError(
    `“${file}” has padding “same” with stride ${stride} and kernels of ${kernelSize}×${kernelSize}, which no number ` +
      'stands for. Here the padding is a number; the library takes “same”.',
  );
}

/**
 * Reads the temperature. Returns null for a kind that has none.
 *
 * @param {Record<string, unknown>} stored
 * @param {import('./types.js').KindId} kind
 * @returns {{ temperature?: number } | null}
 */
function readTemperature({ temperature }, kind) {
  if (!KINDS[kind].softmax) return null;
  return typeof temperature === 'number' && temperature > 0 ? { temperature } : {};
}

/**
 * Says which options the file holds.
 *
 * @param {Record<string, number>} stored
 * @param {string[]} names  those that matter
 */
function stepsSentence(stored, names) {
  const present = names.filter((name) => name in stored);
  const absent = names.filter((name) => !(name in stored));
  const request = `${enumerate(absent)}: set ${absent.length === 1 ? 'it' : 'them'} here.`;
  if (present.length === 0) return `A state dict does not hold ${request}`;
  const subject = `${enumerate(present)} ${present.length === 1 ? 'is' : 'are'} the file’s`;
  return subject.charAt(0).toUpperCase() + subject.slice(1) + (absent.length ? `; it does not say ${request}` : '.');
}

/**
 * Joins words with commas and a last "and".
 *
 * @param {string[]} words
 * @param {string} [last]  the last word between them
 */
const enumerate = (words, last = 'and') => words.join(', ').replace(/, ([^,]*)$/, ` ${last} $1`);

/**
 * Returns a block as a .safetensors file. Its metadata hold the arguments of the PyTorch module and the normalisation
 * of the pixels.
 *
 * @param {Block} block
 * @param {Normalisation} normalisation
 */
export function writeBlock(block, normalisation) {
  const { config, kind } = block;
  return toSafetensors(block.stateDict(), {
    config: JSON.stringify(kind.id === 'dynamic'
      ? kind.references(config) : { kind: kind.id, ...kind.references(config) }),
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
