/**
 * Converts the pixels of callers and canvases to RGBA bytes in sRGB. Each property is read once: the
 * value that was checked is the value that is used.
 */
import { DynakernelError, given } from './errors.js';
import { bufferOf, lengthOf, offsetOf, tagOf } from './numbers.js';

/** @typedef {import('./box.js').Region} Region */
/** @typedef {import('./source.js').PixelData} PixelData */

/** Returns some rows of a picture, or of a region of it.
 * @typedef {(top: number, rows: number) => Uint8Array} Rows */

/**
 * The conversion of a colour space to sRGB.
 *
 * @typedef {object} ColorSpace
 * @property {readonly number[]} matrix from its primaries to those of sRGB, both linear
 * @property {boolean} linear whether its values are linear light
 */

const SRGB = [1, 0, 0, 0, 1, 0, 0, 0, 1];

/** No adaptation: Display P3 and sRGB both have the white point D65. */
const P3 = [
  1.2249401762805598, -0.22494017628055997, 0,
  -0.0420569547096881, 1.0420569547096881, 0,
  -0.019637554590334432, -0.07863604555063189, 1.0982736001409663,
];

/** @type {{ [name: string]: ColorSpace | undefined }} */
const COLOR_SPACES = Object.assign(Object.create(null), {
  'srgb': { matrix: SRGB, linear: false },
  'srgb-linear': { matrix: SRGB, linear: true },
  'display-p3': { matrix: P3, linear: false },
  'display-p3-linear': { matrix: P3, linear: true },
});

/** How callers get bytes in sRGB. */
const ADVICE = 'draw it on a canvas and call ' +
  "getImageData(x, y, width, height, { colorSpace: 'srgb' })";

/**
 * The rows of a picture of a known size. Bytes in sRGB are returned as views if the rows are whole. Other pixels
 * are copied or converted, only those of each call.
 *
 * @param {{ data?: unknown, colorSpace?: unknown, pixelFormat?: unknown }} picture
 * @param {number} width
 * @param {number} height
 * @param {Region} [region] the part whose rows are returned
 * @returns {{ rows: Rows, copies: boolean }}
 */
export function rowsOf(picture, width, height, region = { left: 0, top: 0, width, height }) {
  if (typeof picture !== 'object' || picture === null) {
    throw unreadable(`getImageData() must return an object with data; got ${given(picture)}`);
  }
  const { data, colorSpace, pixelFormat } = picture;
  const space = spaceOf(colorSpace);
  const values = valuesOf(data, pixelFormat, `${width}x${height}`, width * height * 4);
  const isWhole = region.width === width;
  const part = (/** @type {number} */ top, /** @type {number} */ rows) => {
    const first = (region.top + top) * width + region.left;
    if (isWhole) return values.subarray(first * 4, (first + rows * width) * 4);
    const View = /** @type {Uint8ArrayConstructor} */ (values.constructor);
    const cut = new View(rows * region.width * 4);
    for (let row = 0; row < rows; row++) {
      const start = (first + row * width) * 4;
      cut.set(values.subarray(start, start + region.width * 4), row * region.width * 4);
    }
    return cut;
  };
  if (values instanceof Uint8Array && space === COLOR_SPACES.srgb) {
    return { rows: /** @type {Rows} */ (part), copies: !isWhole };
  }
  return { rows: (top, rows) => toSrgb(part(top, rows), space), copies: true };
}

/**
 * @param {unknown} name
 * @returns {ColorSpace}
 */
function spaceOf(name = 'srgb') {
  const space = typeof name === 'string' ? COLOR_SPACES[name] : undefined;
  if (space) return space;
  const known = Object.keys(COLOR_SPACES).map((item) => `'${item}'`).join(', ');
  throw unreadable(`the picture's colorSpace must be one of ${known}; got ${given(name)}: ${ADVICE}`);
}

/**
 * A view on the pixels' memory.
 *
 * @param {unknown} data
 * @param {unknown} pixelFormat
 * @param {string} size of the picture
 * @param {number} length of the data of such a picture
 * @returns {Uint8Array | Float32Array} Float32Array stands for Float16Array, which older versions of
 *   TypeScript do not declare
 */
function valuesOf(data, pixelFormat = 'rgba-unorm8', size, length) {
  const kind = tagOf(data);
  const isBytes = kind === 'Uint8Array' || kind === 'Uint8ClampedArray';
  const isHalves = kind === 'Float16Array';
  if (!isBytes && !isHalves) {
    const hint = ArrayBuffer.isView(data) ? `; for other pixels, ${ADVICE}` : '';
    throw unreadable("the picture's data must be a Uint8Array or Uint8ClampedArray of RGBA; " +
      `got ${given(data)}${hint}`);
  }
  if (pixelFormat !== (isBytes ? 'rgba-unorm8' : 'rgba-float16')) {
    throw unreadable("the picture's pixelFormat must be 'rgba-unorm8' for bytes and 'rgba-float16' for a " +
      `Float16Array; got ${given(pixelFormat)} with a ${kind}`);
  }
  const actual = lengthOf(data);
  if (actual !== length) {
    throw unreadable(`a picture of ${size} has ${length} ${isBytes ? 'bytes' : 'numbers'} of RGBA; ` +
      `got ${actual}`);
  }
  const View = isBytes ? Uint8Array : /** @type {any} */ (globalThis).Float16Array;
  return new View(bufferOf(data), offsetOf(data), length);
}

/**
 * @param {string} message
 * @param {unknown} [cause]
 */
export const unreadable = (message, cause) => new DynakernelError('ERR_IMAGE', message, { cause });

/** The number of steps of linear light. In the darkest sRGB a step is a twentieth of a byte. */
const STEPS = 2 ** 16 - 1;

/** The sRGB byte of each step, once a picture has needed it.
 * @type {Uint8Array | undefined} */
let srgbBytes;

/** @param {number} value */
const toLinear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);

/** @param {number} linear */
const fromLinear = (linear) =>
  (linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055);

/**
 * Colours as sRGB bytes. Colours outside of sRGB are clipped in each channel, as in browsers.
 *
 * @param {Uint8Array | Float32Array} values RGBA, 0 to 255 or 0 to 1
 * @param {ColorSpace} space
 * @returns {Uint8Array}
 */
function toSrgb(values, { matrix, linear }) {
  const isBytes = values instanceof Uint8Array;
  const rgba = new Uint8ClampedArray(values.length); // rounds and clips
  const bytes = new Uint8Array(rgba.buffer);
  if (matrix === SRGB && !linear) { // sRGB already
    for (let i = 0; i < values.length; i++) rgba[i] = 255 * values[i];
    return bytes;
  }
  // the byte of each step of linear light
  srgbBytes ??= Uint8Array.from({ length: STEPS + 1 }, (_, step) =>
    Math.round(255 * fromLinear(step / STEPS)));
  // The light of a byte is looked up, and the light of a float is computed. A float may be negative.
  const lightOf = (/** @type {number} */ value) =>
    (linear ? value : Math.sign(value) * toLinear(Math.abs(value)));
  const byteLight = Float64Array.from({ length: 256 }, (_, byte) => lightOf(byte / 255));
  // each pixel: to linear light, to sRGB's primaries, to bytes
  for (let i = 0; i < values.length; i += 4) {
    const red = isBytes ? byteLight[values[i]] : lightOf(values[i]);
    const green = isBytes ? byteLight[values[i + 1]] : lightOf(values[i + 1]);
    const blue = isBytes ? byteLight[values[i + 2]] : lightOf(values[i + 2]);
    for (let c = 0; c < 3; c++) {
      const light = matrix[3 * c] * red + matrix[3 * c + 1] * green + matrix[3 * c + 2] * blue;
      bytes[i + c] = srgbBytes[Math.round(STEPS * Math.min(1, Math.max(0, light)))];
    }
    rgba[i + 3] = isBytes ? values[i + 3] : 255 * values[i + 3];
  }
  return bytes;
}
