/** @import { Definition } from '../shared/types.js' */
import {
  CLASSIC, COLOURS, attentionValues, coloured, gabor, odconvValues, routingValues, softmaxValues,
} from '../shared/handmade.js';

const DEFAULTS = { inChannels: 3, kernelSize: 3, stride: 1, padding: 1, dilation: 1, groups: 1, bias: true };

const classicNames = Object.keys(CLASSIC);
const colourNames = Object.keys(COLOURS);

/** The pictures for which the attention picks each classic kernel, in the order of CLASSIC. */
const classicHints = ['if dark', 'otherwise', 'if blue', 'if warm or green', 'if bright', 'if red'];

/** Parameters: K classic kernels in O colours, chosen by mean colour. M = K = 6, as in the PyTorch module. */
function classicValues() {
  return {
    ...attentionValues(
      ['dark', 'bright', 'cool', 'warm', 'hot', 'green'],
      [
        { bias: -3.5, pulls: { dark: 5 } }, // Gaussian blur
        { bias: 2.5, pulls: { dark: -8, bright: -8, cool: -8, warm: -8, green: -8 } }, // Sharpen
        { bias: -3.5, pulls: { cool: 3 } }, // Sobel x
        { bias: -3.5, pulls: { warm: 8, hot: -24, green: 4 } }, // Sobel y
        { bias: -3.5, pulls: { bright: 4 } }, // Laplacian
        { bias: -3.5, pulls: { hot: 3 } }, // Emboss
      ],
    ),
    'aggregation.weight': classicNames.flatMap((kernel) =>
      colourNames.flatMap((colour) => coloured(CLASSIC[kernel], COLOURS[colour])),
    ),
  };
}

/** Parameters: K = 4 kernels [O = 6, 1, 3, 3], each with two filters per colour plane. */
function depthwiseValues() {
  const diagonal = [0, 1, 2, -1, 0, 1, -2, -1, 0];
  const antidiagonal = [-2, -1, 0, -1, 0, 1, 0, 1, 2];
  const across = [0, 0, 0, 1, 1, 1, 0, 0, 0].map((value) => value / 3);
  const down = [0, 1, 0, 0, 1, 0, 0, 1, 0].map((value) => value / 3);
  const pairs = [
    [CLASSIC['Sobel x'], CLASSIC['Sobel y']],
    [diagonal, antidiagonal],
    [across, down],
    [CLASSIC.Sharpen, CLASSIC.Laplacian],
  ];
  return {
    ...attentionValues(
      ['dark', 'cool', 'warm', 'green'],
      [
        { bias: -3.5, pulls: { cool: 3 } },
        { bias: -3.5, pulls: { warm: 8, green: 4 } },
        { bias: -3.5, pulls: { dark: 5 } },
        { bias: 2.5, pulls: { dark: -8, cool: -8, warm: -8, green: -8 } },
      ],
    ),
    'aggregation.weight': pairs.flatMap(([first, second]) => [0, 1, 2].flatMap(() => [...first, ...second])),
  };
}

/** Parameters: Gabor filters of eight orientations; fine and coarse in luma, red – green, blue – yellow. */
function gaborValues() {
  const R = 7;
  const families = [
    { wavelength: 4, sigma: 1.6, colours: COLOURS.grey },
    { wavelength: 8, sigma: 2.4, colours: COLOURS.grey },
    { wavelength: 7, sigma: 2.2, colours: COLOURS['red – green'] },
    { wavelength: 7, sigma: 2.2, colours: COLOURS['blue – yellow'] },
  ];
  return {
    ...attentionValues(
      ['dim', 'light', 'cool', 'warm'],
      [
        { bias: -3.5, pulls: { light: 5 } },
        { bias: -3.5, pulls: { dim: 3 } },
        { bias: -3.5, pulls: { warm: 5 } },
        { bias: -3.5, pulls: { cool: 2.5 } },
      ],
    ),
    'aggregation.weight': families.flatMap(({ wavelength, sigma, colours }) =>
      Array.from({ length: 8 }, (_, o) =>
        coloured(gabor(R, { wavelength, sigma, angle: (o * Math.PI) / 8, phase: -Math.PI / 2 }), colours),
      ).flat(),
    ),
  };
}

/** The four classic kernels of the other kinds' presets. */
const FOUR = ['Gaussian blur', 'Sobel x', 'Emboss', 'Sharpen'];

/** Parameters: those four in O = 6 colours, [K, O, C, 3, 3]. */
const fourKernels = () =>
  FOUR.flatMap((kernel) => colourNames.flatMap((colour) => coloured(CLASSIC[kernel], COLOURS[colour])));

/** Parameters of DyConv: the kernels compete for one whole. */
function dyconvValues() {
  return {
    ...softmaxValues(
      ['luma', 'blueness', 'redness', 'greenness'],
      [
        { bias: 5, pulls: { luma: -25 } }, // Gaussian blur
        { bias: -2, pulls: { blueness: 40, greenness: 40 } }, // Sobel x
        { bias: -9, pulls: { redness: 28 } }, // Emboss
        { bias: 0, pulls: {} }, // Sharpen
      ],
    ),
    weight: fourKernels(),
  };
}

/** Parameters of CondConv: each kernel is routed on its own. */
function condconvValues() {
  return {
    ...routingValues([
      { bias: 5, pulls: { luma: -25 } }, // Gaussian blur
      { bias: -2, pulls: { blueness: 30 } }, // Sobel x
      { bias: -9, pulls: { redness: 28 } }, // Emboss
      { bias: -8.5, pulls: { luma: 21 } }, // Sharpen
    ]),
    'conv.weight': fourKernels(),
  };
}

/** Parameters of ODConv: the picture also decides which colours, maps and taps count. */
function odconvPresetValues() {
  /** A scale that is high unless one of the ramps pulls it down. */
  const unless = (/** @type {Partial<Record<import('../shared/handmade.js').Ramp, number>>} */ pulls) =>
    ({ bias: 2.5, pulls });
  const [row, column, corner] = [{ warm: -6, hot: -2 }, { cool: -2 }, { light: -3, cool: -2, warm: -2 }];
  return {
    ...odconvValues(
      ['dark', 'dim', 'bright', 'light', 'cool', 'warm', 'hot', 'green'],
      {
        kernel: [
          { bias: -2, pulls: { dark: 5 } }, // Gaussian blur
          { bias: -2, pulls: { cool: 2.4, green: 4 } }, // Sobel x
          { bias: -2, pulls: { hot: 2 } }, // Emboss
          { bias: 1, pulls: {} }, // Sharpen
        ],
        channel: [unless({ cool: -2 }), unless({ dark: -2 }), unless({ warm: -3 })],
        filter: [
          unless({}), // grey
          unless({ cool: -2 }), // red
          unless({ hot: -2, cool: -1 }), // green
          unless({ warm: -3 }), // blue
          unless({ dim: -2 }), // red – green
          unless({ hot: -3 }), // blue – yellow
        ],
        // The corners fade in light pictures, the middle's neighbours to the side or above and below with the colour.
        spatial: [corner, column, corner, row, {}, row, corner, column, corner].map(unless),
      },
    ),
    weight: fourKernels(),
  };
}

/** The presets of Dite-HRNet's block. @type {Definition[]} */
export const DITE_PRESETS = [
  {
    id: 'classic',
    kind: 'dynamic',
    title: 'Classic kernels',
    summary:
      'Six kernels from the textbook, each on grey, on one colour, and on two pairs of opposite colours. The ' +
      'attention is written by hand: it picks a kernel by how dark, bright, warm, blue or green the picture is.',
    config: { ...DEFAULTS, outChannels: 6, numKernels: 6 },
    values: classicValues(),
    kernelNames: classicNames,
    kernelHints: classicHints,
    channelNames: colourNames,
  },
  {
    id: 'reference',
    kind: 'dynamic',
    title: 'Random',
    summary:
      'The reference’s initialisation, as a network starts out before training: four random kernels for each of ' +
      'eight maps, and an attention that has learnt nothing yet. Every seed gives another block.',
    config: { ...DEFAULTS, outChannels: 8, numKernels: 4, seed: 1 },
  },
  {
    id: 'depthwise',
    kind: 'dynamic',
    title: 'Depthwise',
    summary:
      'Each colour plane is filtered alone, without the others: three groups, two maps from each. A third of the ' +
      'multiplications; the maps never mix colours.',
    config: { ...DEFAULTS, outChannels: 6, groups: 3, numKernels: 4 },
    values: depthwiseValues(),
    kernelNames: ['Edges', 'Diagonals', 'Smear', 'Detail'],
    kernelHints: ['if blue', 'if warm or green', 'if dark', 'otherwise'],
    channelNames: ['red, first', 'red, second', 'green, first', 'green, second', 'blue, first', 'blue, second'],
  },
  {
    id: 'strided',
    kind: 'dynamic',
    title: 'Strided',
    summary:
      'The kernel moves two pixels at a time, so that maps have half the width and height: how a network’s first ' +
      'layer shrinks a picture. Random kernels from a seed, sixteen maps.',
    config: { ...DEFAULTS, outChannels: 16, stride: 2, bias: false, numKernels: 4, seed: 1 },
  },
  {
    id: 'dilated',
    kind: 'dynamic',
    title: 'Dilated',
    summary:
      'The classic kernels with gaps: the same nine numbers, spread four pixels apart, look at 9×9 pixels and find ' +
      'coarser edges at no further cost.',
    config: { ...DEFAULTS, outChannels: 6, padding: 4, dilation: 4, numKernels: 6 },
    values: classicValues(),
    kernelNames: classicNames,
    kernelHints: classicHints,
    channelNames: colourNames,
  },
  {
    id: 'seven',
    kind: 'dynamic',
    title: '7×7',
    summary:
      'Gabor filters, which resemble what the first layer of a trained network looks for: eight directions, fine or ' +
      'coarse in brightness, or in colour.',
    config: { ...DEFAULTS, outChannels: 8, kernelSize: 7, padding: 3, numKernels: 4 },
    values: gaborValues(),
    kernelNames: ['Fine', 'Coarse', 'Red – green', 'Blue – yellow'],
    kernelHints: ['if light', 'if dim', 'if warm', 'if blue'],
    channelNames: Array.from({ length: 8 }, (_, o) => `turned ${o * 22.5}°`),
  },
];

const kindNames = { kernelNames: FOUR, channelNames: colourNames };
const KIND_DEFAULTS = { ...DEFAULTS, outChannels: 6, numKernels: 4 };

/** A preset of each other kind. @type {Definition[]} */
export const KIND_PRESETS = [
  {
    id: 'dyconv',
    kind: 'dyconv',
    title: 'DyConv',
    summary:
      'Chen et al., CVPR 2020. Its attention is a softmax: the kernels share one whole. A low temperature lets one ' +
      'kernel win, a high one makes them equal; training starts at 34 and ends at 1.',
    config: { ...KIND_DEFAULTS, temperature: 1 },
    values: dyconvValues(),
    kernelHints: ['if dark', 'if blue or green', 'if red', 'otherwise'],
    ...kindNames,
  },
  {
    id: 'condconv',
    kind: 'condconv',
    title: 'CondConv',
    summary:
      'Yang et al., NeurIPS 2019. A routing of one linear layer and a sigmoid weighs each kernel on its own, so that ' +
      'several may count fully, or none.',
    config: { ...KIND_DEFAULTS, bias: false },
    values: condconvValues(),
    kernelHints: ['if dark', 'if blue', 'if red', 'if light'],
    ...kindNames,
  },
  {
    id: 'odconv',
    kind: 'odconv',
    title: 'ODConv',
    summary:
      'Li et al., ICLR 2022. Four attentions: besides sharing out the kernels, the picture decides how much each ' +
      'input channel, each output channel and each tap of the kernel counts.',
    config: { ...KIND_DEFAULTS, bias: false, temperature: 1 },
    values: odconvPresetValues(),
    kernelHints: ['if dark', 'if blue or green', 'if red', 'otherwise'],
    ...kindNames,
  },
];

export const PRESETS = [...DITE_PRESETS, ...KIND_PRESETS];

/** True if the definition's numbers come from a seed. @param {Definition} definition */
export const isSeeded = (definition) => definition.config.seed !== undefined;
