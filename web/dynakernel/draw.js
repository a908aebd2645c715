/** Maps as pictures: one map, or all of them, through a colour map or as RGB. */
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
 * - 'auto': the least and greatest finite value of this map (with channel 'rgb': of its planes)
 * - 'shared': those of all maps of the tensor, so that pictures can be compared
 * - [low, high]: as given; what lies outside takes the colours of the ends
 *
 * With the colour map 'coolwarm', 'auto' and 'shared' are widened to lie evenly around 0.
 *
 * @typedef {'auto' | 'shared' | readonly [number, number]} Range
 */

/**
 * @typedef {object} MapOptions
 * @property {number} [batch] which image of the batch (0)
 * @property {number | 'rgb'} [channel] which map, or all three of a tensor with 3 channels as one
 *   coloured picture, for which colormap plays no role (0)
 * @property {Colormap} [colormap] ('gray')
 * @property {Range} [range] ('auto')
 */

/**
 * @typedef {object} GridOptions
 * @property {number} [batch] which image of the batch (0)
 * @property {number} [columns] maps in a row (as many as make the grid about square)
 * @property {number} [gap] transparent pixels between maps (1)
 * @property {Colormap} [colormap] ('gray')
 * @property {Range} [range] ('auto')
 */

/** The tensor's maps, as seen by this file.
 * @typedef {{ heap: Heap, pointer: () => number, N: number, C: number, pixels: number, width: number,
 *   height: number }} Maps */

/** How one picture is made.
 * @typedef {{ first: number, channel: number | 'rgb', colormap: Colormap, range: [number, number] }} View */

/** Maps of one tensor in rows, with transparent gaps.
 * @typedef {{ maps: Maps, views: View[], columns: number, gap: number, width: number,
 *   height: number }} Sheet */

/** Pixels that pass through the heap's scratch at a time: 1 MB, which the cache holds. */
const STRIP = 2 ** 18;

/** Palettes in the heap; they end with it.
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
  fill(picture, sheetOf(maps, [view]));
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
  put(canvas, sheetOf(maps, [view]));
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
  // A shared range is the first map's as well: searched once, not once a map.
  const range = rest.range === 'shared' ? readMapOptions(maps, rest, 'drawMaps').range : rest.range;
  const views = Array.from({ length: maps.C }, (_, channel) =>
    readMapOptions(maps, { ...rest, range, channel }, 'drawMaps'));
  put(canvas, sheetOf(maps, views, columns, gap));
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
      'maps can be drawn of a tensor [N, C, H, W], [C, H, W] or [H, W] that is not empty; ' +
      `got ${shapeText(shape)}`);
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
      `${what}: channel 'rgb' needs a tensor with 3 channels; this one has ${maps.C}`);
  }
  const first = channel === 'rgb' ? image : image + index(channel, `${what}: channel`, maps.C);
  const count = channel === 'rgb' ? 3 : 1;
  const limits = readRange(maps, range, what, first, count);
  if (name === 'coolwarm' && channel !== 'rgb' && typeof range === 'string') {
    const most = Math.max(-limits[0], limits[1]);
    return { first, channel, colormap: name, range: [0 - most, most] };
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
      `${what}: range must be 'auto', 'shared' or [low, high], two numbers in this order; ` +
      `got ${given(range)}`);
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
    throw new DynakernelError('ERR_MEMORY', `a picture of ${width}x${height} needs ` +
      `${byteText(length)}, which cannot be had: ${messageOf(error)}`, { cause: error });
  }
  if (ArrayBuffer.isView(picture.data) && picture.data.length === length) return picture;
  throw new DynakernelError('ERR_IMAGE', `the ImageData of this platform gives ${given(picture.data)} ` +
    `for ${width}x${height} pixels`);
}

/**
 * Draws a sheet on a canvas, which takes its size. Strips as wide as the canvas overwrite all that
 * it showed: browsers need not clear it first, and are quicker than with a picture for each map.
 *
 * @param {DrawableCanvas} canvas
 * @param {Sheet} sheet
 */
function put(canvas, sheet) {
  const { maps, views, width, height } = sheet;
  const { heap } = maps;
  // What may fail comes first, while the canvas is as it was.
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
      const top = Math.min(next, height - rows); // strips of one size: the last may overlap another
      putRows(context, heap, () => colour(sheet, top, rows), width, top, rows);
    }
  });
}

/**
 * Writes a sheet's colours into a picture of its size.
 *
 * @param {Picture} picture
 * @param {Sheet} sheet
 */
function fill({ data }, sheet) {
  const { maps: { heap }, width, height } = sheet;
  const strip = stripRows(sheet);
  for (let top = 0; top < height; top += strip) {
    const rows = Math.min(strip, height - top);
    data.set(heap.bytes(colour(sheet, top, rows), rows * width * 4), top * width * 4);
  }
}

/** @param {Sheet} sheet */
const stripRows = ({ width, height }) => Math.min(height, Math.max(1, Math.floor(STRIP / width)));

/**
 * The colours of some of the sheet's rows, RGBA, in the heap's scratch.
 *
 * @param {Sheet} sheet
 * @param {number} top
 * @param {number} count of rows
 */
function colour({ maps, views, columns, gap, width }, top, count) {
  const { heap } = maps;
  const pitch = maps.height + gap;
  const rgba = heap.scratch(count * width * 4);
  for (let row = top, rows; row < top + count; row += rows) {
    const line = row % pitch; // of the maps, or of the gap below them
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
 * The colours of some rows of maps side by side; what is right of the last is transparent.
 *
 * @param {Maps} maps
 * @param {View[]} views
 * @param {number} line the maps' first row that counts
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
    if (channel === 'rgb') { // always alone
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
