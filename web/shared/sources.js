/** @import { Photo } from './photos.js' */
/** @import { Source } from './types.js' */
import { stem } from './format.js';
import { photoAddress } from './photos.js';

/** The longest side of a picture in pixels. Larger pictures are shrunk once, as no page shows more. */
const MAX_SIDE = 2048;

/** A picture cannot be read. The message is for people. */
export class SourceError extends Error {}

/**
 * Fetches a photograph. Rejects with a SourceError if that fails.
 *
 * @param {Photo} photo
 * @param {Promise<Response>} [arriving]  its response, if it is being fetched already
 * @returns {Promise<Source>}
 */
export async function openPhoto(photo, arriving = fetch(photoAddress(photo))) {
  let blob;
  try {
    const response = await arriving;
    if (!response.ok) throw new Error(`the server returned ${response.status}`);
    blob = await response.blob();
  } catch (error) {
    throw new SourceError(
      `The photograph ${photo.file} could not be fetched: ${error instanceof Error ? error.message : error}.`,
    );
  }
  return openImage(blob, photo.file, photo.name);
}

/**
 * Reads a picture. Rejects with a SourceError if the browser cannot.
 *
 * @param {Blob} blob
 * @param {string} file  the file's name
 * @param {string} [name]  the picture's name for people
 * @returns {Promise<Source>}
 */
export async function openImage(blob, file, name = file) {
  const { bitmap, byElement } = await decode(blob, file);
  return { kind: 'image', name, stem: stem(file), file, byElement, ...(await readPixels(bitmap)) };
}

/**
 * Returns the frame that a video shows now as a picture.
 *
 * @param {HTMLVideoElement} video
 * @returns {Promise<Source>}
 */
export async function stillOf(video) {
  const picture = await readPixels(await createImageBitmap(video));
  return { kind: 'image', name: 'Webcam still', stem: 'webcam', file: 'webcam.png', byElement: false, ...picture };
}

/**
 * Reads the pixels and the size of a bitmap, and closes it. Pages keep the pixels because reading them takes long.
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
 * Decodes a picture with createImageBitmap, or with an image element if that fails.
 *
 * @param {Blob} blob
 * @param {string} file
 * @returns {Promise<{ bitmap: ImageBitmap, byElement: boolean }>}
 */
async function decode(blob, file) {
  if (blob.size === 0) throw new SourceError(`“${file}” is empty.`);
  try {
    return { bitmap: await createImageBitmap(blob), byElement: false };
  } catch {
    // createImageBitmap refuses SVG files, for one; an image element decodes them.
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
 * Draws an image on a canvas. createImageBitmap refuses or distorts an SVG that has no size; the canvas has the size
 * that the browser gives it.
 *
 * @param {HTMLImageElement} image
 */
function drawn(image) {
  const canvas = document.createElement('canvas');
  const { naturalWidth: width, naturalHeight: height } = image;
  canvas.width = width;
  canvas.height = height;
  // No source rectangle: with one, Firefox draws no SVG that has no size.
  canvas.getContext('2d')?.drawImage(image, 0, 0, width, height);
  return canvas;
}

/**
 * Returns the bitmap if it is small enough; or else closes it and returns a smaller one.
 *
 * @param {ImageBitmap} bitmap
 */
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

/** Lets go of the webcam's stream. @param {Source | null} source  a source that the page no longer shows */
export function release(source) {
  if (source?.image instanceof HTMLVideoElement) source.image.srcObject = null;
}
