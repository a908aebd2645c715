/** The effects that a lesson can teach: linear filters. One kernel computes each of them exactly. */

import { CLASSIC, LUMA } from '../shared/handmade.js';

const SOBEL_DIAGONAL = [-2, -1, 0, -1, 0, 1, 0, 1, 2];

/** The colours of an old print: a row each for its red, green and blue, over those of the photograph. */
const SEPIA = [
  [0.37, 0.73, 0.18],
  [0.31, 0.62, 0.15],
  [0.24, 0.48, 0.12],
];

/**
 * Weights [O, C, R, R] with O = C = 3, and a bias [O], for pixels of −1 to 1.
 *
 * @typedef {{ weight: Float32Array<ArrayBuffer>, bias: Float32Array<ArrayBuffer> }} Filter
 */

/**
 * @typedef {object} Effect
 * @property {string} id
 * @property {string} title
 * @property {string} summary
 * @property {(R: number) => Filter} filter
 */

/** @type {Effect[]} */
export const EFFECTS = [
  {
    id: 'blur',
    title: 'Blur',
    summary: 'A Gaussian over each colour plane.',
    filter: (R) => planes(R, gaussian(R)),
  },
  {
    id: 'sharpen',
    title: 'Sharpen',
    summary: 'Each pixel, and twice what distinguishes it from its blurred surroundings.',
    filter: (R) => planes(R, gaussian(R).map((value, i) => -2 * value + (i === R * R >> 1 ? 3 : 0))),
  },
  {
    id: 'sobel',
    title: 'Sobel',
    summary: 'Edges as colours: red where brightness changes across, green downwards, blue along the diagonal.',
    filter: (R) => ({
      weight: flatten(
        [CLASSIC['Sobel x'], CLASSIC['Sobel y'], SOBEL_DIAGONAL].map((kernel) => grey(centred(R, kernel, 0.5))),
      ),
      bias: new Float32Array(3),
    }),
  },
  {
    id: 'emboss',
    title: 'Emboss',
    summary: 'A relief in grey, lit from the upper left.',
    filter: (R) => ({
      weight: flatten([0, 1, 2].map(() => grey(centred(R, CLASSIC.Emboss, 0.6)))),
      bias: new Float32Array(3),
    }),
  },
  {
    id: 'sepia',
    title: 'Sepia',
    summary: 'A colour grade: no neighbour counts, only how red, green and blue mix.',
    filter: (R) => ({
      weight: flatten(SEPIA.map((row) => row.flatMap((share) => centred(R, [0, 0, 0, 0, 1, 0, 0, 0, 0], share)))),
      // The matrix is for pixels u from 0 to 1. The block's pixels are 2u − 1, so the filter needs this bias.
      bias: Float32Array.from(SEPIA, (row) => row.reduce((sum, share) => sum + share, 0) - 1),
    }),
  },
];

/** Returns the effect with this id. Throws if there is none. @param {string} id */
export function effect(id) {
  const found = EFFECTS.find((candidate) => candidate.id === id);
  if (!found) throw new Error(`there is no effect ${id}; expected one of ${EFFECTS.map((one) => one.id).join(', ')}`);
  return found;
}

/** Returns a Gaussian kernel [R, R] whose sum is 1. @param {number} R */
function gaussian(R) {
  const sigma = R / 4;
  const side = Array.from({ length: R }, (_, i) => Math.exp(-((i - (R >> 1)) ** 2) / (2 * sigma * sigma)));
  const sum = side.reduce((total, value) => total + value, 0);
  return side.flatMap((a) => side.map((b) => (a * b) / (sum * sum)));
}

/**
 * Returns an R×R kernel with a scaled 3×3 kernel in its middle and zeros around it.
 *
 * @param {number} R
 * @param {number[]} kernel
 * @param {number} scale
 */
function centred(R, kernel, scale) {
  const wide = new Array(R * R).fill(0);
  const margin = (R - 3) >> 1;
  kernel.forEach((value, i) => {
    wide[(margin + Math.floor(i / 3)) * R + margin + (i % 3)] = value * scale;
  });
  return wide;
}

/** Returns the kernel [C, R, R] that filters luma. @param {number[]} kernel */
const grey = (kernel) => LUMA.flatMap((share) => kernel.map((value) => value * share));

/**
 * Returns the filter that applies one kernel to each colour plane alone.
 *
 * @param {number} R
 * @param {number[]} kernel  [R, R]
 * @returns {Filter}
 */
function planes(R, kernel) {
  const weight = new Float32Array(9 * R * R);
  for (let channel = 0; channel < 3; channel++) weight.set(kernel, channel * 4 * R * R);
  return { weight, bias: new Float32Array(3) };
}

/** @param {number[][]} rows */
const flatten = (rows) => Float32Array.from(rows.flat());
