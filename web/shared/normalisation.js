/** The normalisation of pixels before a block reads them, and its notation in a .safetensors file. */

/** @import { Normalisation } from './types.js' */

/** @type {Normalisation} */
export const UNCHANGED = { title: 'not at all', mean: [0, 0, 0], std: [1, 1, 1] };

/** @type {Normalisation} */
export const SYMMETRIC = { title: 'to −1 … 1', mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** That of most networks that were trained on ImageNet. @type {Normalisation} */
export const IMAGENET = { title: 'as ImageNet', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** The normalisations that the pages always offer. @type {Normalisation[]} */
export const NORMALISATIONS = [UNCHANGED, SYMMETRIC, IMAGENET];

/** True if the normalisation changes any pixel. @param {Normalisation} normalisation */
export const changesPixels = ({ mean, std }) =>
  mean.some((value) => value !== 0) || std.some((value) => value !== 1);

/**
 * Returns the normalisation as options of fromImage.
 *
 * @param {Normalisation} normalisation
 * @param {number} channels
 */
export const imageOptions = ({ mean, std }, channels) => ({
  mean: mean.slice(0, channels), std: std.slice(0, channels),
});

/**
 * Reads the normalisation from a file's metadata: mean and std as JSON, each one number for all channels or an array
 * with a number per channel.
 *
 * @param {Record<string, string>} metadata
 * @param {number} channels
 * @returns {Normalisation | undefined} the object of NORMALISATIONS if it is one of them; undefined if the metadata
 *   hold none, or an invalid one
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
 * Returns the metadata that readNormalisation reads.
 *
 * @param {Normalisation} normalisation
 * @param {number} channels
 */
export function normalisationMetadata(normalisation, channels) {
  const { mean, std } = imageOptions(normalisation, channels);
  return { mean: channelsText(mean), std: channelsText(std) };
}

/** Describes a file's normalisation for a person. @param {Normalisation} normalisation */
export function normalisationSentence(normalisation) {
  if (!changesPixels(normalisation)) return 'Its pixels are not normalised.';
  const { mean, std } = normalisation;
  return `Its pixels are normalised by mean ${channelsText(mean)} and standard deviation ${channelsText(std)}.`;
}

/**
 * Returns one number if all channels have the same, or else an array, as JSON.
 *
 * @param {number[]} values  a channel each
 */
const channelsText = (values) => {
  const [first] = values;
  return values.every((value) => value === first) ? String(first) : `[${values.join(', ')}]`;
};
