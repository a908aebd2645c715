/**
 * The page's example: a small network of four dynamic layers, with parameters written by hand. It develops a picture:
 * it sharpens or smooths, brightens or darkens, cools or warms it, by what it sees. It also finds edges and names the
 * picture's mood.
 */

/** @import { Network, Runtime, StateDict } from '../dynakernel/index.js' */
/** @import { NetworkLayers } from '../dynakernel/network/layers.js' */
/** @import { NetworkValue } from '../dynakernel/network/layers/value.js' */
import { CLASSIC, COLOURS, LUMA, attentionValues, coloured, gabor } from '../shared/handmade.js';

/** The size of the picture: that of most of the photographs. */
export const SIZE = { height: 256, width: 384 };

/** The classes of the output `mood`. */
export const MOODS = ['dark', 'bright', 'warm', 'cool', 'neutral'];

const IDENTITY = [0, 0, 0, 0, 1, 0, 0, 0, 0];

/** What an attention weight is if no ramp pulls: nearly 0, or nearly 1. */
const OFF = -3.5;
const ON = 3.5;

/**
 * The dynamic layers: the options of g.dynamicKernelAggregation, the names of the kernels, and parameters.
 *
 * @type {{ name: string, kernels: string[],
 *   options: { outChannels: number, kernelSize: number, padding?: number, groups?: number },
 *   attention: Parameters<typeof attentionValues>, weight: number[] }[]}
 */
export const DYNAMIC = [
  {
    name: 'detail',
    kernels: ['smooth', 'sharpen'],
    options: { outChannels: 3, kernelSize: 3, padding: 1, groups: 3 },
    attention: [['dim'], [{ bias: OFF, pulls: { dim: 3 } }, { bias: ON, pulls: { dim: -8 } }]],
    weight: [...perColour(CLASSIC['Gaussian blur']), ...perColour(between(IDENTITY, CLASSIC.Sharpen))],
  },
  {
    name: 'exposure',
    kernels: ['brighten', 'keep', 'darken'],
    options: { outChannels: 3, kernelSize: 1 },
    attention: [['dim', 'bright'], [
      { bias: OFF, pulls: { dim: 3 } },
      { bias: ON, pulls: { dim: -8, bright: -8 } },
      { bias: OFF, pulls: { bright: 4 } },
    ]],
    weight: [...gains(1.8, 1.8, 1.8), ...gains(1, 1, 1), ...gains(0.75, 0.75, 0.75)],
  },
  {
    name: 'balance',
    kernels: ['cool down', 'keep', 'warm up'],
    options: { outChannels: 3, kernelSize: 1 },
    attention: [['warm', 'cool'], [
      { bias: OFF, pulls: { warm: 8 } },
      { bias: ON, pulls: { warm: -8, cool: -8 } },
      { bias: OFF, pulls: { cool: 4 } },
    ]],
    weight: [...gains(0.85, 1, 1.3), ...gains(1, 1, 1), ...gains(1.2, 1, 0.8)],
  },
  {
    name: 'edges',
    kernels: ['fine', 'coarse', 'red – green'],
    options: { outChannels: 4, kernelSize: 7, padding: 3 },
    attention: [['dim', 'light', 'warm'], [
      { bias: OFF, pulls: { light: 5, warm: -8 } },
      { bias: OFF, pulls: { dim: 5 } },
      { bias: OFF, pulls: { warm: 5 } },
    ]],
    weight: [
      ...gabors({ wavelength: 4, sigma: 1.6 }, COLOURS.grey),
      ...gabors({ wavelength: 8, sigma: 2.4 }, COLOURS.grey),
      ...gabors({ wavelength: 7, sigma: 2.2 }, COLOURS['red – green']),
    ],
  },
];

/** The layer whose values the page shows at first: the edges. */
export const SHOWN = 'edges.abs';

/** The outputs of the example, the first of which the page shows first. */
export const OUTPUTS = ['picture', 'edges', 'mood'];

/** The static layer that names the mood: five scores of the mean red, green and blue. */
const MOOD = {
  weight: [LUMA.map((share) => -20 * share), LUMA.map((share) => 20 * share), [20, 0, -20], [-20, 0, 20], [0, 0, 0]],
  bias: [7, -10, -4, 0, 0],
};

/**
 * Makes the example.
 *
 * @param {Runtime} dk
 * @param {{ height: number, width: number }} size of the picture
 * @param {string[]} keep layers whose values stay readable
 * @returns {Network}
 */
export function makeExample(dk, { height, width }, keep) {
  const network = dk.network({ image: [1, 3, height, width] }, build, { keep, seed: 1 });
  network.loadStateDict(exampleState());
  return network;
}

/**
 * The network, layer by layer.
 *
 * @param {NetworkLayers} g
 * @param {{ [name: string]: NetworkValue }} inputs
 */
function build(g, { image }) {
  const [detail, exposure, balance, edges] = DYNAMIC.map(({ name, options, kernels, attention: [ramps] }) => (
    (/** @type {NetworkValue} */ x) => g.dynamicKernelAggregation(x,
      { name, ...options, numKernels: kernels.length, midChannels: ramps.length, bias: false })));
  const clear = detail(image);
  const developed = balance(exposure(clear));
  const colour = g.flatten(g.adaptiveAvgPool2d(image, { outputSize: 1 }));
  return {
    picture: g.clamp(developed, { name: 'picture', min: 0, max: 1 }),
    edges: g.avgPool2d(g.abs(edges(clear), { name: SHOWN }), { name: 'pool', kernelSize: 4 }),
    mood: g.softmax(g.linear(colour, { name: 'mood', outFeatures: MOODS.length }), { dim: 1 }),
  };
}

/** The parameters of all layers under PyTorch's names. */
function exampleState() {
  /** @type {StateDict} */
  const state = {
    'mood.weight': { shape: [MOODS.length, 3], data: Float32Array.from(MOOD.weight.flat()) },
    'mood.bias': { shape: [MOODS.length], data: Float32Array.from(MOOD.bias) },
  };
  for (const { name, kernels, options, attention, weight } of DYNAMIC) {
    const { outChannels, kernelSize, groups = 1 } = options;
    const [K, M] = [kernels.length, attention[0].length];
    state[`${name}.aggregation.weight`] = {
      shape: [K, outChannels, 3 / groups, kernelSize, kernelSize], data: Float32Array.from(weight),
    };
    for (const [key, numbers] of Object.entries(attentionValues(...attention))) {
      const shape = { 'attention.conv1.weight': [M, 3, 1, 1], 'attention.conv2.weight': [K, M, 1, 1] }[key];
      state[`${name}.${key}`] = { shape: shape ?? [numbers.length], data: Float32Array.from(numbers) };
    }
  }
  return state;
}

/** The kernel for each of three colour planes. @param {number[]} plane */
function perColour(plane) {
  return [...plane, ...plane, ...plane];
}

/**
 * The middle of two kernels.
 *
 * @param {number[]} first
 * @param {number[]} second
 */
function between(first, second) {
  return first.map((value, i) => (value + second[i]) / 2);
}

/**
 * The 1×1 kernels that multiply red, green and blue.
 *
 * @param {number} red
 * @param {number} green
 * @param {number} blue
 */
function gains(red, green, blue) {
  return [red, 0, 0, 0, green, 0, 0, 0, blue];
}

/**
 * Edges in four directions.
 *
 * @param {{ wavelength: number, sigma: number }} shape
 * @param {number[]} colours
 */
function gabors(shape, colours) {
  return [0, 1, 2, 3].flatMap((o) =>
    coloured(gabor(7, { ...shape, angle: (o * Math.PI) / 4, phase: -Math.PI / 2 }), colours));
}
