/** @import { Source } from './types.js' */
import { stem } from './format.js';

/** Larger images are shrunk once at the start: no setting of the playground shows more. */
const MAX_SIDE = 2048;

export const PHOTOS = [
  { file: 'astronaut.jpg', name: 'Astronaut', alt: 'An astronaut in an orange suit before a flag and a model shuttle' },
  { file: 'chelsea.jpg', name: 'Cat', alt: 'A tabby cat’s face' },
  { file: 'coffee.jpg', name: 'Coffee', alt: 'A red cup of espresso on a wooden table' },
  { file: 'rocket.jpg', name: 'Rocket', alt: 'A rocket on its pad under a blue evening sky' },
];

/** An image that could not be had; the message is for people. */
export class SourceError extends Error {}

/** @param {typeof PHOTOS[number]} photo */
export const photoAddress = (photo) => new URL(`../photos/${photo.file}`, import.meta.url).href;

/**
 * @param {typeof PHOTOS[number]} photo
 * @returns {Promise<Source>}
 */
export async function openPhoto(photo) {
  let blob;
  try {
    const response = await fetch(photoAddress(photo));
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    blob = await response.blob();
  } catch (error) {
    throw new SourceError(
      `The photograph ${photo.file} could not be fetched: ${error instanceof Error ? error.message : error}.`,
    );
  }
  return openImage(blob, photo.file, photo.name);
}

/**
 * @param {Blob} blob
 * @param {string} file  its name, or what stands for one
 * @param {string} [name]  for people
 * @returns {Promise<Source>}
 */
export async function openImage(blob, file, name = file) {
  const { bitmap, byElement } = await decode(blob, file);
  return { kind: 'image', name, stem: stem(file), file, byElement, ...(await readPixels(bitmap)) };
}

/**
 * What a video shows now, as a picture of its own.
 *
 * @param {HTMLVideoElement} video
 * @returns {Promise<Source>}
 */
export async function stillOf(video) {
  const picture = await readPixels(await createImageBitmap(video));
  return { kind: 'image', name: 'Webcam still', stem: 'webcam', file: 'webcam.png', byElement: false, ...picture };
}

/**
 * The pixels of a bitmap, which is closed, and the size that it had. Read once, since reading is what takes long and
 * they stay the same.
 *
 * @param {ImageBitmap} bitmap
 * @returns {Promise<Pick<Source, 'width' | 'height'> & { image: ImageData }>}
 */
async function readPixels(bitmap) {
  const { width, height } = bitmap;
  const small = await shrink(bitmap);
  try {
    const canvas = document.createElement('canvas');
    canvas.width = small.width;
    canvas.height = small.height;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (!context) {
      throw new SourceError(
        `This browser has no canvas of ${small.width} × ${small.height} pixels to read the picture with.`,
      );
    }
    context.drawImage(small, 0, 0);
    return { image: context.getImageData(0, 0, small.width, small.height), width, height };
  } finally {
    small.close();
  }
}

/**
 * @param {Blob} blob
 * @param {string} file
 * @returns {Promise<{ bitmap: ImageBitmap, byElement: boolean }>}
 */
async function decode(blob, file) {
  if (blob.size === 0) throw new SourceError(`“${file}” is empty.`);
  try {
    return { bitmap: await createImageBitmap(blob), byElement: false };
  } catch {
    // What createImageBitmap does not take from a file, SVG above all, an element may.
  }
  const address = URL.createObjectURL(blob);
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    return { bitmap: await createImageBitmap(drawn(image)), byElement: true };
  } catch {
    const type = blob.type && !blob.type.startsWith('image/') ? ` (${blob.type})` : '';
    throw new SourceError(
      `“${file}”${type} is not an image that this browser can read. PNG, JPEG, WebP, GIF and SVG work everywhere.`,
    );
  } finally {
    URL.revokeObjectURL(address);
  }
}

/**
 * An image on a canvas: an SVG may have no size of its own, which createImageBitmap refuses or distorts; what is drawn
 * has the one that the browser gives it.
 *
 * @param {HTMLImageElement} image
 */
function drawn(image) {
  const canvas = document.createElement('canvas');
  const { naturalWidth: width, naturalHeight: height } = image;
  canvas.width = width;
  canvas.height = height;
  // From that size to that size, as fromImage draws it.
  canvas.getContext('2d')?.drawImage(image, 0, 0, width, height, 0, 0, width, height);
  return canvas;
}

/** The bitmap, or a smaller one in place of it, which is closed. @param {ImageBitmap} bitmap */
async function shrink(bitmap) {
  const longest = Math.max(bitmap.width, bitmap.height);
  if (longest <= MAX_SIDE) return bitmap;
  const side = (/** @type {number} */ length) => Math.max(1, Math.round((length * MAX_SIDE) / longest));
  try {
    return await createImageBitmap(bitmap, {
      resizeWidth: side(bitmap.width),
      resizeHeight: side(bitmap.height),
      resizeQuality: 'high',
    });
  } finally {
    bitmap.close();
  }
}

/** @param {Source | null} source  one that is shown no longer */
export function release(source) {
  if (source?.image instanceof HTMLVideoElement) source.image.srcObject = null;
}
