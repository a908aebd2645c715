/** @import { Definition } from '../shared/types.js' */
import { CLASSIC, COLOURS, attentionValues, coloured, gabor } from '../shared/handmade.js';

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

/** @type {Definition[]} */
export const PRESETS = [
  {
    id: 'classic',
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
    title: 'Random',
    summary:
      'The reference’s initialisation, as a network starts out before training: four random kernels for each of ' +
      'eight maps, and an attention that has learnt nothing yet. Every seed gives another block.',
    config: { ...DEFAULTS, outChannels: 8, numKernels: 4, seed: 1 },
  },
  {
    id: 'depthwise',
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
    title: 'Strided',
    summary:
      'The kernel moves two pixels at a time, so that maps have half the width and height: how a network’s first ' +
      'layer shrinks a picture. Random kernels from a seed, sixteen maps.',
    config: { ...DEFAULTS, outChannels: 16, stride: 2, bias: false, numKernels: 4, seed: 1 },
  },
  {
    id: 'dilated',
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

/** True if the definition's numbers come from a seed. @param {Definition} definition */
export const isSeeded = (definition) => definition.config.seed !== undefined;
