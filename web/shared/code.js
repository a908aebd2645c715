/** Lines of code that make a block of any kind, as the pages show them. */

/** @import { BlockConfig, KindId } from './types.js' */
import { CONDCONV_PREFIXES, KINDS, geometry } from './kinds.js';

/**
 * Returns the lines that make a block and load its parameters.
 *
 * @param {KindId} kind
 * @param {BlockConfig} config
 * @param {string} file  the file that a button saves; '' if the parameters follow from the seed
 * @param {string} [button]  the button's name
 */
export function blockLines(kind, config, file, button = 'Save state dict') {
  const { call } = KINDS[kind];
  const { inChannels, numKernels, seed } = config;
  const lines = [`const block = dk.${call}(${object(blockOptions(kind, config, file !== ''))});`];
  if (kind === 'condconv') {
    const options = { channels: inChannels, ...(numKernels === 4 ? {} : { numExperts: numKernels }) };
    lines.push(`const routing = dk.routing(${object(file || seed === undefined ? options : { ...options, seed })});`);
  }
  if (file) lines.push(...loadLines(kind, file, button));
  return lines;
}

/**
 * Returns the lines that load the parameters from a file.
 *
 * @param {KindId} kind
 * @param {string} file
 * @param {string} button
 */
function loadLines(kind, file, button) {
  const fetched = `const response = await fetch('${file}'); // from “${button}”`;
  if (kind !== 'condconv') return [fetched, 'block.loadStateDict(new Uint8Array(await response.arrayBuffer()));'];
  const { convolution, routing } = CONDCONV_PREFIXES;
  return [
    fetched,
    'const state = new Uint8Array(await response.arrayBuffer());',
    `block.loadStateDict(state, { prefix: '${convolution}' });`,
    `routing.loadStateDict(state, { prefix: '${routing}' });`,
  ];
}

/**
 * Returns the lines that run the block on x and print its attention.
 *
 * @param {KindId} kind
 */
export function forwardLines(kind) {
  if (kind === 'condconv')
    return ['const y = block.forward(x, routing.forward(x));', 'console.log(routing.lastAttention);'];
  return ['const y = block.forward(x);', `console.log(block.lastAttention${kind === 'odconv' ? 's' : ''});`];
}

/**
 * Returns the lines that run the block on x with weights of the kernels that are set by hand.
 *
 * @param {KindId} kind
 * @param {BlockConfig} config
 * @param {ArrayLike<number>} weights  [K]
 */
export function manualLines(kind, config, weights) {
  const numbers = Array.from(weights, (value) => Number(value.toFixed(4))).join(', ');
  const lines = [`const a = dk.tensor([${numbers}], [1, ${weights.length}]); // by hand`];
  if (kind === 'dynamic') return [...lines, 'const y = block.aggregation.forward(x, a);'];
  if (kind === 'condconv') return [...lines, 'const y = block.forward(x, a);'];
  // The block's own attention runs within it only, so the kernels are mixed first and applied apart.
  lines.push(
    ...(kind === 'odconv'
      ? ['block.forward(x); // for the other attentions', ...ODCONV_MIX]
      : ['const { weight, bias } = block.mix(a);']),
    `const convolution = dk.dynamicConvolution(${object(withoutDefaults(geometry(config), KINDS[kind].defaults))});`,
    'const y = convolution.forward(x, weight, bias);',
  );
  return lines;
}

/** The lines that mix ODConv's kernels by a. */
const ODCONV_MIX = [
  'const { channel, filter, spatial } = block.lastAttentions;',
  'const scale = (values) => values && dk.tensor(values, [1, values.length]);',
  'const { weight, bias } = block.mix({',
  '  kernel: a, channel: scale(channel), filter: scale(filter), spatial: scale(spatial),',
  '});',
];

/**
 * Returns the options of the call that are not the defaults.
 *
 * @param {KindId} kind
 * @param {BlockConfig} config
 * @param {boolean} fromFile  true if the parameters come from a file, so that no seed is needed
 */
function blockOptions(kind, config, fromFile) {
  const { options, defaults } = KINDS[kind];
  const chosen = withoutDefaults(options(config), defaults);
  const { inChannels, numKernels, midChannels } = config;
  if (midChannels === (inChannels === 3 ? numKernels : 1)) delete chosen.midChannels;
  if (fromFile) delete chosen.seed;
  return chosen;
}

/**
 * @param {Record<string, unknown>} options
 * @param {Record<string, unknown>} defaults
 */
const withoutDefaults = (options, defaults) =>
  Object.fromEntries(Object.entries(options).filter(([name, value]) => value !== undefined && value !== defaults[name]));

/** Formats options as an object literal, on one line if it is short. @param {Record<string, unknown>} options */
export function object(options) {
  const entries = Object.entries(options).map(
    ([name, value]) => `${name}: ${Array.isArray(value) ? `[${value.join(', ')}]` : value}`,
  );
  const short = `{ ${entries.join(', ')} }`;
  if (short.length <= 60) return short;
  // Several options on each line, up to a width.
  const lines = [''];
  for (const entry of entries) {
    if (lines[lines.length - 1].length + entry.length > 72) lines.push('');
    lines[lines.length - 1] += `${lines[lines.length - 1] ? ' ' : '  '}${entry},`;
  }
  return `{\n${lines.join('\n')}\n}`;
}
