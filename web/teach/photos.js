/** @import { Photo } from './types.js' */
import { PHOTOS, openImage, openPhoto } from '../shared/sources.js';

/** Photographs are kept with this many pixels a side, of which crops are taken. */
const SIDE = 160;

/** More would be too many for a batch. */
export const MOST_PHOTOS = 8;

/**
 * A photograph that may be learnt from.
 *
 * @typedef {object} Entry
 * @property {Photo} photo
 * @property {HTMLCanvasElement} canvas  the same, to be shown
 * @property {string} alt
 * @property {boolean} chosen
 * @property {string} effect  what is wanted of it where each has its own
 */

/** What the shipped ones are to become, in order; own ones take up where these end. */
const EFFECTS = ['sepia', 'sobel', 'blur', 'emboss', 'sharpen'];

/** @returns {Promise<Entry[]>} */
export function shippedPhotos() {
  return Promise.all(PHOTOS.map(async (photo, i) => entry(await openPhoto(photo), photo.name, photo.alt, i)));
}

/**
 * @param {File} file
 * @param {number} index  of the photograph among all
 */
export async function ownPhoto(file, index) {
  const name = file.name.replace(/\.[a-z0-9]+$/i, '') || 'Pasted';
  return entry(await openImage(file, file.name), name, name, index);
}

/**
 * The middle square of a picture.
 *
 * @param {import('../shared/types.js').Source} source
 * @param {string} name
 * @param {string} alt
 * @param {number} index
 * @returns {Promise<Entry>}
 */
async function entry({ image }, name, alt, index) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('this browser has no canvas to read pictures with');
  const { width, height } = image;
  const length = Math.min(width, height);
  const bitmap = await createImageBitmap(image, (width - length) >> 1, (height - length) >> 1, length, length);
  try {
    context.fillRect(0, 0, SIDE, SIDE); // behind what is transparent
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, SIDE, SIDE);
  } finally {
    bitmap.close();
  }
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  return { photo: { name, data, side: SIDE }, canvas, alt, chosen: true, effect: EFFECTS[index % EFFECTS.length] };
}
