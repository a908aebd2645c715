/** @import { Photo } from './types.js' */
import { PHOTOS } from '../shared/photos.js';
import { openImage, openPhoto } from '../shared/sources.js';

/** The side of the photographs in pixels. Crops are taken from them. */
const SIDE = 160;

/** The most photographs. A batch has as many examples. */
export const MOST_PHOTOS = 8;

/**
 * A photograph that a person can choose to learn from.
 *
 * @typedef {object} Entry
 * @property {string} id  its id in PHOTOS; '' for a person's own
 * @property {Photo} photo
 * @property {HTMLCanvasElement} canvas  shows the photograph
 * @property {string} alt
 * @property {boolean} chosen
 * @property {string} effect  its target in lessons with a target per photograph
 */

/** The targets of the photographs, in turn. */
export const FIRST_TARGETS = ['sepia', 'sobel', 'blur', 'emboss', 'sharpen'];

/** Opens the photographs that the page comes with. @returns {Promise<Entry[]>} */
export function shippedPhotos() {
  return Promise.all(PHOTOS.map(async (photo, i) => entry(await openPhoto(photo), photo.name, photo.alt, i, photo.id)));
}

/**
 * Opens a photograph of the person's own.
 *
 * @param {File} file
 * @param {number} index  the photograph's index among all
 */
export async function ownPhoto(file, index) {
  const name = file.name.replace(/\.[a-z0-9]+$/i, '') || 'Pasted';
  return entry(await openImage(file, file.name), name, name, index);
}

/**
 * Makes an entry from the middle square of a picture.
 *
 * @param {import('../shared/types.js').Source} source
 * @param {string} name
 * @param {string} alt
 * @param {number} index
 * @param {string} [id]
 * @returns {Promise<Entry>}
 */
async function entry({ image }, name, alt, index, id = '') {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('this browser has no canvas to read pictures with');
  const { width, height } = image;
  const length = Math.min(width, height);
  const bitmap = await createImageBitmap(image, (width - length) >> 1, (height - length) >> 1, length, length);
  try {
    context.fillRect(0, 0, SIDE, SIDE); // black behind transparent pixels
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, SIDE, SIDE);
  } finally {
    bitmap.close();
  }
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  return { id, photo: { name, data, side: SIDE }, canvas, alt, chosen: true, effect: FIRST_TARGETS[index % FIRST_TARGETS.length] };
}
