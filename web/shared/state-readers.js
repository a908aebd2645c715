/**
 * How the blocks of each kind are found in a file, and what the shapes of their tensors say.
 *
 * @import { parseSafetensors } from '../dynakernel/index.js'
 * @import { BlockConfig, KindId } from './types.js'
 */
import { CONDCONV_PREFIXES, KINDS } from './kinds.js';

/** A file holds no block that the playground can show. The message is for people. */
export class StateDictError extends Error {}

/** @typedef {ReturnType<typeof parseSafetensors>} Tensors */
/** @typedef {Record<string, { shape: readonly number[] }>} Shaped  tensors by the names of the page's state dict */
/** @typedef {Pick<BlockConfig, 'inChannels' | 'outChannels' | 'kernelSize' | 'numKernels'> & { perGroup: number }
 *   & Partial<BlockConfig>} Sizes  perGroup is C/G */

/**
 * A block's place in a file: the prefix that tells it from the others, and the file's name of each tensor by the name in
 * the page's state dict.
 *
 * @typedef {{ prefix: string, names: Map<string, string> }} Place
 */

/**
 * @typedef {object} Reader
 * @property {KindId} kind
 * @property {string} marker  the end of the name that gives a block away
 * @property {string[]} required  names that a block has
 * @property {(names: string[], tensors: Tensors) => Place[]} find
 * @property {(state: Shaped, stored: Record<string, unknown>, file: string) => Sizes} sizes  `stored` is the
 *   configuration in the file's metadata
 */

/** The names of batch norm in an attention. */
const BATCH_NORM = ['weight', 'bias', 'running_mean', 'running_var'].map((name) => `attention.bn.${name}`);
const BATCHES = 'attention.bn.num_batches_tracked';

/** The attentions of ODConv that a block may lack: its shape decides. */
const ODCONV_OPTIONAL = ['filter', 'spatial', 'kernel'].flatMap((head) =>
  ['weight', 'bias'].map((name) => `attention.${head}_fc.${name}`));

/**
 * Returns the prefixes of the names that end in these words.
 *
 * @param {string[]} names
 * @param {string} marker
 */
const prefixesOf = (names, marker) =>
  names.filter((name) => name === marker || name.endsWith(`.${marker}`))
    .map((name) => name.slice(0, name.length - marker.length));

/**
 * Returns the reader of a kind whose tensors all have one prefix, and whose kernels are [K, O, C/G, R, R].
 *
 * @param {object} kind
 * @param {KindId} kind.id
 * @param {string} kind.marker
 * @param {string} kind.squeeze  the weight [M, C, 1, 1] of the attention's first layer
 * @param {string[]} kind.required
 * @param {string[]} kind.optional
 * @param {(hidden: number, sizes: Sizes, file: string) => Partial<BlockConfig>} kind.hidden  returns the options that
 *   M shows
 * @returns {Reader}
 */
function reader({ id, marker, squeeze, required, optional, hidden }) {
  const { kernels } = KINDS[id];
  return {
    kind: id,
    marker,
    required,
    find: (names) => prefixesOf(names, marker).map((prefix) =>
      ({ prefix, names: new Map([...required, ...optional].map((name) => [name, prefix + name])) })),
    sizes: (state, _, file) => {
      const [weight, first] = [state[kernels].shape, state[squeeze].shape];
      if (weight.length !== 5 || first.length !== 4 || weight[3] !== weight[4]) {
        throw new StateDictError(
          `“${file}” has ${kernels} [${weight.join(', ')}] and ${squeeze} [${first.join(', ')}]; ` +
            'expected [K, O, C/G, R, R] and [M, C, 1, 1].',
        );
      }
      const [numKernels, outChannels, perGroup, kernelSize] = weight;
      const sizes = { inChannels: first[1], outChannels, perGroup, kernelSize, numKernels };
      return { ...sizes, ...hidden(first[0], sizes, file) };
    },
  };
}

/** @type {Reader[]} */
export const READERS = [
  reader({
    id: 'dynamic',
    marker: 'aggregation.weight',
    squeeze: 'attention.conv1.weight',
    required: [
      'attention.conv1.weight', ...BATCH_NORM, 'attention.conv2.weight', 'attention.conv2.bias', 'aggregation.weight',
    ],
    optional: [BATCHES, 'aggregation.bias'],
    hidden: (midChannels) => ({ midChannels }),
  }),
  reader({
    id: 'dyconv',
    marker: 'attention.fc1.weight',
    squeeze: 'attention.fc1.weight',
    required: ['attention.fc1.weight', 'attention.fc2.weight', 'attention.fc2.bias', 'weight'],
    optional: ['bias'],
    hidden: (M, { inChannels, numKernels }, file) => {
      if (inChannels !== 3) return { ratio: (M - 1) / inChannels };
      if (M === numKernels) return {};
      throw new StateDictError(
        `“${file}” has ${M} hidden units for ${numKernels} kernels; DyConv has as many as kernels if it reads 3 ` +
          'channels.',
      );
    },
  }),
  reader({
    id: 'odconv',
    marker: 'attention.channel_fc.weight',
    squeeze: 'attention.fc.weight',
    required: [
      'attention.fc.weight', ...BATCH_NORM, 'attention.channel_fc.weight', 'attention.channel_fc.bias', 'weight',
    ],
    optional: [BATCHES, ...ODCONV_OPTIONAL],
    hidden: (M, { inChannels }) => (M === 16 ? {} : { reduction: M / inChannels }),
  }),
  {
    kind: 'condconv',
    marker: 'routing_fn.weight',
    required: ['conv.weight', 'routing_fn.weight', 'routing_fn.bias'],
    find: findCondConvs,
    sizes: condConvSizes,
  },
];

/**
 * Finds each convolution that a routing weighs: its weight [K, O·C/G·R·R] lies beside the routing, or one name deeper,
 * as in timm's blocks.
 *
 * @param {string[]} names
 * @param {Tensors} tensors
 * @returns {Place[]}
 */
function findCondConvs(names, tensors) {
  const { convolution, routing } = CONDCONV_PREFIXES;
  return prefixesOf(names, `${routing}weight`).flatMap((prefix) => {
    const [K] = tensors[`${prefix}${routing}weight`].shape;
    const weights = names.filter((name) => {
      const inner = name.startsWith(prefix) ? name.slice(prefix.length) : '';
      const { shape } = tensors[name];
      return /^([^.]+\.)?weight$/.test(inner) && inner !== `${routing}weight` && shape.length === 2 && shape[0] === K;
    });
    return weights.map((name) => {
      const stem = name.slice(0, -'weight'.length);
      return {
        prefix: stem === prefix + convolution ? prefix : stem, // the page's own file needs no word for it
        names: new Map([
          [`${convolution}weight`, name], [`${convolution}bias`, `${stem}bias`],
          ...['weight', 'bias'].map((part) =>
            /** @type {[string, string]} */ ([`${routing}${part}`, `${prefix}${routing}${part}`])),
        ]),
      };
    });
  });
}

/**
 * Reads the sizes of CondConv. Its kernels are stored as rows, so the file must say more than their shape.
 *
 * @param {Shaped} state
 * @param {Record<string, unknown>} stored
 * @param {string} file
 * @returns {Sizes}
 */
function condConvSizes(state, stored, file) {
  const [numKernels, length] = state['conv.weight'].shape;
  const [, inChannels] = state['routing_fn.weight'].shape;
  const groups = Number(stored.groups ?? 1);
  const perGroup = inChannels / groups;
  /** @type {unknown} */
  const O = stored.out_channels ?? state['conv.bias']?.shape[1];
  /** @type {unknown} */
  const R = [stored.kernel_size].flat()[0];
  const kernelSize = Number(R ?? Math.sqrt(length / (Number(O) * perGroup)));
  const outChannels = Number(O ?? length / (perGroup * kernelSize ** 2));
  const isWhole = [perGroup, kernelSize, outChannels].every((size) => Number.isInteger(size) && size > 0);
  if (!isWhole || outChannels * perGroup * kernelSize ** 2 !== length) {
    throw new StateDictError(
      `“${file}” holds CondConv’s kernels as rows of ${length} numbers, which do not say how many output channels and ` +
        'taps a kernel has. Save it with the metadata config: {"out_channels": …, "kernel_size": …}.',
    );
  }
  return { inChannels, outChannels, perGroup, kernelSize, numKernels };
}
