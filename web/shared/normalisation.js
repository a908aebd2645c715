/** How pixels are normalised before a block sees them, and how a .safetensors file says so. */

/** @import { Normalisation } from './types.js' */

/** @type {Normalisation} */
export const UNCHANGED = { title: 'not at all', mean: [0, 0, 0], std: [1, 1, 1] };

/** @type {Normalisation} */
export const SYMMETRIC = { title: 'to −1 … 1', mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** Those that are always offered. @type {Normalisation[]} */
export const NORMALISATIONS = [
  UNCHANGED,
  SYMMETRIC,
  { title: 'as ImageNet', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
];

/** Whether it changes pixels at all. @param {Normalisation} normalisation */
export const changesPixels = ({ mean, std }) =>
  mean.some((value) => value !== 0) || std.some((value) => value !== 1);

/**
 * As fromImage takes it.
 *
 * @param {Normalisation} normalisation
 * @param {number} channels
 */
export const imageOptions = ({ mean, std }, channels) => ({ mean: mean.slice(0, channels), std: std.slice(0, channels) });

/**
 * What a file's metadata say: mean and std, each a number for all channels or one for each of them, as JSON.
 *
 * @param {Record<string, string>} metadata
 * @param {number} channels
 * @returns {Normalisation | undefined} one of NORMALISATIONS where it is one; undefined where the file says nothing
 *   that could be meant
 */
export function readNormalisation(metadata, channels) {
  if (metadata.mean === undefined && metadata.std === undefined) return undefined;
  const mean = readChannels(metadata.mean ?? '0', channels);
  const std = readChannels(metadata.std ?? '1', channels);
  if (!mean || !std || std.some((value) => value <= 0)) return undefined;
  const isOffered = (/** @type {Normalisation} */ offered) =>
    mean.every((value, c) => value === offered.mean[c] && std[c] === offered.std[c]);
  return NORMALISATIONS.find(isOffered) ?? { title: 'as the file says', mean, std };
}

/**
 * @param {string} text
 * @param {number} channels
 * @returns {number[] | null}
 */
function readChannels(text, channels) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const values = Array.isArray(value) ? value : new Array(channels).fill(value);
  return values.length === channels && values.every(Number.isFinite) ? values : null;
}

/**
 * The same for a file that is written.
 *
 * @param {Normalisation} normalisation
 * @param {number} channels
 */
export function normalisationMetadata(normalisation, channels) {
  const { mean, std } = imageOptions(normalisation, channels);
  return { mean: channelsText(mean), std: channelsText(std) };
}

/** What a file says, for a person. @param {Normalisation} normalisation */
export function normalisationSentence(normalisation) {
  if (!changesPixels(normalisation)) return 'Its pixels are not normalised.';
  const { mean, std } = normalisation;
  return `Its pixels are normalised by mean ${channelsText(mean)} and standard deviation ${channelsText(std)}.`;
}

/** One number where it is the same for all. @param {number[]} values  of the channels */
const channelsText = (values) => {
  const [first] = values;
  return values.every((value) => value === first) ? String(first) : `[${values.join(', ')}]`;
};
