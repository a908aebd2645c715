/** Draws maps as pictures: one map or all maps, through a colour map or as RGB. */
import { index, integer, isListOf, oneOf, readOptions } from './check.js';
import { MAX_SIDE, checkCanvas, contextOf, drawAtSize, hasSize, putRows, rehearse } from './canvas.js';
import { COLORMAPS, palette } from './colormaps.js';
import { DynakernelError, byteText, given, messageOf } from './errors.js';
import { shapeText } from './shape.js';

/** @typedef {import('./canvas.js').DrawableCanvas} DrawableCanvas */
/** @typedef {import('./canvas.js').Picture} Picture */
/** @typedef {import('./colormaps.js').Colormap} Colormap */
/** @typedef {import('./heap.js').Heap} Heap */

/**
 * - 'auto': from the least to the greatest finite value of this map (for channel 'rgb', of its planes)
 * - 'shared': the same of all maps of the tensor, to compare pictures
 * - [low, high]: given numbers. Values outside get the colours of the ends
 *
 * With the colour map 'coolwarm', 'auto' and 'shared' are widened to be symmetric around 0.
 *
 * @typedef {'auto' | 'shared' | readonly [number, number]} Range
 */

/**
 * @typedef {object} MapOptions
 * @property {number} [batch] the index of the image in the batch (0)
 * @property {number | 'rgb'} [channel] the index of the map. 'rgb' shows a tensor's 3 channels as one
 *   coloured picture, without a colour map (0)
 * @property {Colormap} [colormap] ('gray')
 * @property {Range} [range] ('auto')
 */

/**
 * @typedef {object} GridOptions
 * @property {number} [batch] the index of the image in the batch (0)
 * @property {number} [columns] maps per row (a number that makes the grid about square)
 * @property {number} [gap] transparent pixels between maps (1)
 * @property {Colormap} [colormap] ('gray')
 * @property {Range} [range] ('auto')
 */

/** A tensor as N images of C maps. pointer() checks the tensor; call it after all code of a caller.
 * @typedef {{ heap: Heap, pointer: () => number, N: number, C: number, pixels: number, width: number,
 *   height: number }} Maps */

/** One map, or three planes, and its colours. first is the index of the map in the tensor.
 * @typedef {{ first: number, channel: number | 'rgb', colormap: Colormap, range: [number, number] }} View */

/** A grid of maps of one tensor, with transparent gaps.
 * @typedef {{ maps: Maps, views: View[], columns: number, gap: number, width: number,
 *   height: number }} Sheet */

/** The most pixels in the heap's scratch: 1 MB, which fits into the cache. */
const STRIP = 2 ** 18;

/** The palettes of each heap, which live as long as it.
 * @type {WeakMap<Heap, Map<Colormap, number>>} */
const palettes = new WeakMap();

/**
 * @param {Heap} heap
 * @param {() => number} pointer
 * @param {readonly number[]} shape
 * @param {MapOptions} [options]
 * @returns {Picture}
 */
export function toImageData(heap, pointer, shape, options) {
  const maps = mapsOf(heap, pointer, shape);
  const view = readMapOptions(maps, options, 'toImageData');
  const picture = newPicture(maps.width, maps.height);
  fillPicture(picture, sheetOf(maps, [view]));
  return picture;
}

/**
 * @param {Heap} heap
 * @param {() => number} pointer
 * @param {readonly number[]} shape
 * @param {DrawableCanvas} canvas
 * @param {MapOptions} [options]
 * @returns {[number, number]}
 */
export function drawMap(heap, pointer, shape, canvas, options) {
  const maps = mapsOf(heap, pointer, shape);
  const view = readMapOptions(maps, options, 'drawMap');
  drawSheet(canvas, sheetOf(maps, [view]));
  return view.range;
}

/**
 * @param {Heap} heap
 * @param {() => number} pointer
 * @param {readonly number[]} shape
 * @param {DrawableCanvas} canvas
 * @param {GridOptions} [options]
 * @returns {[number, number][]}
 */
export function drawMaps(heap, pointer, shape, canvas, options) {
  const maps = mapsOf(heap, pointer, shape);
  const { columns: wanted = Math.ceil(Math.sqrt(maps.C)), gap: space = 1, ...rest } =
    readOptions(options, 'drawMaps', ['batch', 'columns', 'gap', 'colormap', 'range']);
  const columns = Math.min(integer(wanted, 'drawMaps: columns', 1, MAX_SIDE), maps.C);
  const gap = integer(space, 'drawMaps: gap', 0, MAX_SIDE);
  // A shared range is the same for all maps, so it is searched once.
  const range = rest.range === 'shared' ? readMapOptions(maps, rest, 'drawMaps').range : rest.range;
  const views = Array.from({ length: maps.C }, (_, channel) =>
    readMapOptions(maps, { ...rest, range, channel }, 'drawMaps'));
  drawSheet(canvas, sheetOf(maps, views, columns, gap));
  return views.map((view) => view.range);
}

/**
 * A tensor of 2, 3 or 4 dimensions as N images of C maps.
 *
 * @param {Heap} heap
 * @param {() => number} pointer
 * @param {readonly number[]} shape
 * @returns {Maps}
 */
function mapsOf(heap, pointer, shape) {
  if (shape.length < 2 || shape.length > 4 || shape.includes(0)) {
    throw new DynakernelError('ERR_SHAPE',
      `expected a tensor [N, C, H, W], [C, H, W] or [H, W], not empty; got ${shapeText(shape)}`);
  }
  const [N, C, height, width] = [...Array(4 - shape.length).fill(1), ...shape];
  return { heap, pointer, N, C, height, width, pixels: height * width };
}

/**
 * @param {Maps} maps
 * @param {MapOptions | undefined} options
 * @param {string} what
 * @returns {View}
 */
function readMapOptions(maps, options, what) {
  const { batch = 0, channel = 0, colormap = 'gray', range = 'auto' } =
    readOptions(options, what, ['batch', 'channel', 'colormap', 'range']);
  const image = index(batch, `${what}: batch`, maps.N) * maps.C;
  const name = oneOf(colormap, `${what}: colormap`, COLORMAPS);
  if (channel === 'rgb' && maps.C !== 3) {
    throw new DynakernelError('ERR_SHAPE',
      `${what}: channel 'rgb' needs a tensor with 3 channels; it has ${maps.C}`);
  }
  const first = channel === 'rgb' ? image : image + index(channel, `${what}: channel`, maps.C);
  const count = channel === 'rgb' ? 3 : 1;
  const limits = readRange(maps, range, what, first, count);
  if (name === 'coolwarm' && channel !== 'rgb' && typeof range === 'string') {
    const greatest = Math.max(-limits[0], limits[1]);
    return { first, channel, colormap: name, range: [0 - greatest, greatest] };
  }
  return { first, channel, colormap: name, range: limits };
}

/**
 * @param {Maps} maps
 * @param {unknown} range
 * @param {string} what
 * @param {number} first map
 * @param {number} count maps
 * @returns {[number, number]}
 */
function readRange({ heap, pointer, N, C, pixels }, range, what, first, count) {
  if (range === 'auto' || range === 'shared') {
    return heap.scope((take) => {
      const limits = take(8);
      if (range === 'auto') heap.c.dk_range(pointer() + first * pixels * 4, count * pixels, limits);
      else heap.c.dk_range(pointer(), N * C * pixels, limits);
      const [low, high] = heap.floats(limits, 2);
      return [low, high];
    });
  }
  const isEnd = (/** @type {unknown} */ end) =>
    typeof end === 'number' && Number.isFinite(Math.fround(end));
  if (!isListOf(range, isEnd) || range.length !== 2 || range[0] > range[1]) {
    throw new DynakernelError('ERR_CONFIG',
      `${what}: range must be 'auto', 'shared' or [low, high]; got ${given(range)}`);
  }
  return [range[0], range[1]];
}

/**
 * @param {Maps} maps
 * @param {View[]} views
 * @param {number} [columns]
 * @param {number} [gap]
 * @returns {Sheet}
 */
function sheetOf(maps, views, columns = 1, gap = 0) {
  const rows = Math.ceil(views.length / columns);
  return {
    maps, views, columns, gap,
    width: columns * maps.width + (columns - 1) * gap,
    height: rows * maps.height + (rows - 1) * gap,
  };
}

/**
 * An empty picture.
 *
 * @param {number} width
 * @param {number} height
 * @returns {Picture}
 */
function newPicture(width, height) {
  const length = width * height * 4;
  let picture;
  try {
    picture = typeof ImageData === 'function'
      ? /** @type {Picture} */ (new ImageData(width, height))
      : { data: new Uint8ClampedArray(length), width, height, colorSpace: /** @type {const} */ ('srgb') };
  } catch (error) {
    throw new DynakernelError('ERR_MEMORY', `no memory for a picture of ${width}x${height}, ` +
      `${byteText(length)}: ${messageOf(error)}`, { cause: error });
  }
  if (ArrayBuffer.isView(picture.data) && picture.data.length === length) return picture;
  throw new DynakernelError('ERR_IMAGE', `the platform's ImageData has data ${given(picture.data)} ` +
    `for ${width}x${height} pixels`);
}

/**
 * Draws a sheet on a canvas, which takes the sheet's size. Strips as wide as the canvas overwrite all
 * former pixels: nothing is cleared first, and browsers are faster than with one picture per map.
 *
 * @param {DrawableCanvas} canvas
 * @param {Sheet} sheet
 */
function drawSheet(canvas, sheet) {
  const { maps, views, width, height } = sheet;
  const { heap } = maps;
  // steps that may fail come first, before the canvas changes
  checkCanvas(canvas, width, height);
  const rows = stripRows(sheet);
  for (const { channel, colormap } of views) if (channel !== 'rgb') paletteIn(heap, colormap);
  heap.scratch(rows * width * 4);
  const context = contextOf(canvas);
  maps.pointer(); // getContext() may have disposed of the tensor
  if (!hasSize(canvas, width, height)) {
    rehearse(context, heap, () => heap.scratch(rows * width * 4), width, rows);
  }

  drawAtSize(canvas, width, height, () => {
    for (let next = 0; next < height; next += rows) {
      const top = Math.min(next, height - rows); // all strips have one size, so the last may overlap another
      putRows(context, heap, () => colourRows(sheet, top, rows), width, top, rows);
    }
  });
}

/**
 * Writes a sheet's colours into a picture of its size.
 *
 * @param {Picture} picture
 * @param {Sheet} sheet
 */
function fillPicture({ data }, sheet) {
  const { maps: { heap }, width, height } = sheet;
  const strip = stripRows(sheet);
  for (let top = 0; top < height; top += strip) {
    const rows = Math.min(strip, height - top);
    data.set(heap.bytes(colourRows(sheet, top, rows), rows * width * 4), top * width * 4);
  }
}

/** @param {Sheet} sheet */
const stripRows = ({ width, height }) => Math.min(height, Math.max(1, Math.floor(STRIP / width)));

/**
 * Computes the RGBA of some of the sheet's rows in the heap's scratch.
 *
 * @param {Sheet} sheet
 * @param {number} top
 * @param {number} count of rows
 */
function colourRows({ maps, views, columns, gap, width }, top, count) {
  const { heap } = maps;
  const pitch = maps.height + gap;
  const rgba = heap.scratch(count * width * 4);
  for (let row = top, rows; row < top + count; row += rows) {
    const line = row % pitch; // row of the maps or of the gap below them
    const left = top + count - row;
    const target = rgba + (row - top) * width * 4;
    if (line < maps.height) {
      rows = Math.min(maps.height - line, left);
      const first = Math.floor(row / pitch) * columns;
      colourMaps(maps, views.slice(first, first + columns), line, rows, target, width, gap);
    } else {
      rows = Math.min(pitch - line, left);
      heap.bytes(target, rows * width * 4).fill(0);
    }
  }
  return rgba;
}

/**
 * Computes some rows of maps side by side. Pixels to the right of the last map are transparent.
 *
 * @param {Maps} maps
 * @param {View[]} views
 * @param {number} line the first row of the maps
 * @param {number} rows
 * @param {number} rgba
 * @param {number} stride pixels from one row of rgba to the next
 * @param {number} gap
 */
function colourMaps({ heap, pointer, pixels, width }, views, line, rows, rgba, stride, gap) {
  const start = pointer();
  views.forEach(({ first, channel, colormap, range: [low, high] }, column) => {
    const map = start + (first * pixels + line * width) * 4;
    const x = column * (width + gap);
    if (channel === 'rgb') { // the only view
      heap.c.dk_planes_to_rgba(map, pixels, rows * width, low, high, rgba);
      return;
    }
    const blank = column < views.length - 1 ? gap : stride - x - width;
    const table = paletteIn(heap, colormap);
    heap.c.dk_map_to_rgba_rows(map, rows, width, low, high, table, rgba + x * 4, stride, blank);
  });
}

/**
 * @param {Heap} heap
 * @param {Colormap} name
 */
function paletteIn(heap, name) {
  let loaded = palettes.get(heap);
  if (!loaded) palettes.set(heap, loaded = new Map());
  let pointer = loaded.get(name);
  if (pointer === undefined) {
    const colours = palette(name);
    pointer = heap.allocate(colours.length, 'a colour map');
    heap.bytes(pointer, colours.length).set(colours);
    loaded.set(name, pointer);
  }
  return pointer;
}
