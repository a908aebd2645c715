/** Turns pictures into tensors: (v / 255 - mean) / std, one plane per channel, optionally resized. */
import { MAX_ELEMENTS, checkStatus } from './abi.js';
import { readBox } from './box.js';
import { index, integer, readOptions } from './check.js';
import { DynakernelError, given } from './errors.js';
import { shapeText } from './shape.js';
import { sliceRows } from './source.js';
import { outPointerOf, produce, shapeOf } from './tensor.js';

/** @typedef {import('./box.js').Box} Box */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./source.js').ImageSource} ImageSource */
/** @typedef {import('./source.js').PixelReader} PixelReader */
/** @typedef {import('./source.js').Pixels} Pixels */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * @typedef {object} ImageOptions
 * @property {number | ArrayLike<number>} [mean] is subtracted from each channel (values 0 to 1): one
 *   number for all channels, or one per channel (0)
 * @property {number | ArrayLike<number>} [std] divides each channel afterwards: one number, or one per
 *   channel (1)
 * @property {number} [channels] 3: red, green, blue; 1: luma, 0.299 R + 0.587 G + 0.114 B (3, or the
 *   channels of out)
 * @property {number} [width] of the tensor. The whole picture, or the crop, is resized to it, with antialiasing. If
 *   only one of width and height is given, the other keeps the aspect ratio (the picture's width, or
 *   that of out)
 * @property {number} [height]
 * @property {Box} [crop] the part of the picture to convert, in its pixels: { x, y, width, height }. It may have
 *   fractions, and reach beyond the picture, where all is black. The result is that of a picture that was cut
 *   out before (the whole picture)
 * @property {Tensor | undefined} [out] a tensor [N, channels, H, W] to write into, instead of a new one
 * @property {number} [batch] the index of the image in out (0)
 * @property {number} [maxPixels] the largest picture or crop that is read, because reading blocks the page: for
 *   seconds from this size on (268,435,456 = 16384x16384, more than cameras have)
 */

/** Chromium's largest canvas. Photographs have at most 200 million pixels. */
const MAX_PIXELS = 2 ** 28;

/**
 * @param {Heap} heap
 * @param {PixelReader} reader
 * @param {ImageSource} source
 * @param {ImageOptions} [options]
 * @returns {Tensor}
 */
export function fromImage(heap, reader, source, options) {
  const { mean = 0, std = 1, channels, width, height, crop, out, batch = 0, maxPixels = MAX_PIXELS } =
    readOptions(options, 'fromImage',
      ['mean', 'std', 'channels', 'width', 'height', 'crop', 'out', 'batch', 'maxPixels']);
  // check the options before the source is read
  if (out !== undefined) outPointerOf(heap, out);
  const [N, C, outH, outW] = out === undefined ? [1, 3] : imageShape(out);
  if (channels !== undefined && channels !== 1 && channels !== 3) {
    throw new DynakernelError('ERR_CONFIG',
      `fromImage: channels must be 3 (RGB) or 1 (luma); got ${given(channels)}`);
  }
  const channelCount = channels ?? C;
  const image = index(batch, 'fromImage: batch', N);
  const norm = [
    ...perChannel(mean, 'mean', channelCount, () => true),
    ...perChannel(std, 'std', channelCount, (value) => value !== 0),
  ];

  const box = crop === undefined ? undefined : readBox(crop, 'fromImage: crop');

  // open the source, which tells its size
  const opened = reader.open(source,
    integer(maxPixels, 'fromImage: maxPixels', 1, Number.MAX_SAFE_INTEGER), box);
  const part = box ? { height: Math.max(1, Math.round(box.height)), width: Math.max(1, Math.round(box.width)) }
    : opened.region;
  const [H, W] = targetSize(part, height, width, outH, outW);

  // convert into a new tensor, or into out
  if (out === undefined) {
    return produce(heap, [1, channelCount, H, W], 'an image', (pointer) => {
      convert(heap, opened, box, norm, () => pointer, channelCount, H, W);
    });
  }
  if (channelCount !== C || H !== outH || W !== outW) {
    throw new DynakernelError('ERR_SHAPE', `the options need out to be [N, ${channelCount}, ${H}, ${W}]; ` +
      `got ${shapeText(shapeOf(out))}`);
  }
  // out is checked again after each read, because code of the source may dispose of it
  const place = () => outPointerOf(heap, out) + image * channelCount * H * W * 4;
  convert(heap, opened, box, norm, place, channelCount, H, W);
  return out;
}

/** @param {Tensor} out */
function imageShape(out) {
  const shape = shapeOf(out);
  if (shape.length === 4 && (shape[1] === 1 || shape[1] === 3) && !shape.includes(0)) return shape;
  throw new DynakernelError('ERR_SHAPE',
    `out must be [N, 3, H, W] or [N, 1, H, W], not empty; got ${shapeText(shape)}`);
}

/**
 * @param {{ width: number, height: number }} part of the picture that is converted
 * @param {unknown} height
 * @param {unknown} width
 * @param {number | undefined} outH
 * @param {number | undefined} outW
 */
function targetSize(part, height, width, outH, outW) {
  const H = height === undefined ? outH : integer(height, 'fromImage: height', 1, MAX_ELEMENTS);
  const W = width === undefined ? outW : integer(width, 'fromImage: width', 1, MAX_ELEMENTS);
  const scaled = (/** @type {number} */ side, /** @type {number} */ other, /** @type {number} */ target) =>
    Math.max(1, Math.round((side * target) / other));
  if (H === undefined && W === undefined) return [part.height, part.width];
  if (H === undefined) return [scaled(part.height, part.width, Number(W)), Number(W)];
  return [H, W ?? scaled(part.width, part.height, H)];
}

/**
 * @param {unknown} value
 * @param {string} name
 * @param {number} channels
 * @param {(value: number) => boolean} allowed
 */
function perChannel(value, name, channels, allowed) {
  const list = typeof value === 'number' ? Array(channels).fill(value) : value;
  const isList = (Array.isArray(list) || ArrayBuffer.isView(list)) &&
    /** @type {any} */ (list).length === channels;
  // C computes with float32. Each item is read once.
  const floats = Array.from({ length: isList ? channels : 0 }, (_, channel) => {
    const item = /** @type {any} */ (list)[channel];
    return typeof item === 'number' ? Math.fround(item) : NaN;
  });
  if (isList && floats.every((item) => Number.isFinite(item) && allowed(item))) return floats;
  throw new DynakernelError('ERR_CONFIG', `fromImage: ${name} must be a finite number, or one for ` +
    `each of the ${channels} channels${allowed(0) ? '' : ', not 0'}; got ${given(value)}`);
}

/**
 * Converts the source's rows in C, one strip at a time: a large photograph needs little memory.
 *
 * @param {Heap} heap
 * @param {Pixels} opened
 * @param {Box | undefined} crop
 * @param {readonly number[]} norm mean and std of each channel
 * @param {() => number} place checks the target [channels, H, W] and returns its pointer
 * @param {number} channels
 * @param {number} H
 * @param {number} W
 */
function convert(heap, opened, crop, norm, place, channels, H, W) {
  const { region: { left, top: above, width, height }, bandRows } = opened;
  const rowBytes = width * 4;
  const stripRows = sliceRows(width);
  // the crop within the region; nothing is cut if they are the same
  const box = crop ? [crop.x - left, crop.y - above, crop.width, crop.height] : [0, 0, width, height];
  const isWhole = box[0] === 0 && box[1] === 0 && box[2] === width && box[3] === height;
  const resized = !isWhole || height !== H || width !== W;
  heap.scope((take) => {
    // mean, std and box for C
    const mean = take(norm.length * 4);
    const std = mean + channels * 4;
    heap.floats(mean, norm.length).set(norm);
    const boxed = isWhole ? 0 : take(32);
    if (boxed) heap.doubles(boxed, 4).set(box);
    const resize = (/** @type {number} */ strip, /** @type {number} */ top, /** @type {number} */ rows,
      /** @type {number} */ planes) =>
      checkStatus(heap.c.dk_resize_rows(heap.context, strip, top, rows, height, width, boxed, channels, mean, std,
        planes, H, W), () => `resizing ${box[2]}x${box[3]} to ${W}x${H}`);

    // the crop may show nothing of the picture
    if (height === 0) resize(0, 0, 0, place());
    for (let top = 0; top < height; top += bandRows) {
      // read a band, which may run code of the caller, then check the target
      const rows = Math.min(bandRows, height - top);
      const rgba = opened.read(top, rows);
      const planes = place();
      const band = heap.copyIfOnHeap(rgba);
      for (let row = 0; row < rows; row += stripRows) {
        // copy a strip into the heap, then convert it
        const count = Math.min(stripRows, rows - row);
        const strip = heap.scratch(count * rowBytes);
        heap.bytes(strip, count * rowBytes)
          .set(band.subarray(row * rowBytes, (row + count) * rowBytes));
        if (resized) {
          resize(strip, top + row, count, planes);
        } else {
          heap.c.dk_rgba_to_planes(strip, count * width, channels, mean, std,
            planes + (top + row) * width * 4, H * W);
        }
      }
      opened.discard?.();
    }
  });
}
