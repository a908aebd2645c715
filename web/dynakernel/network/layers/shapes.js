/** Layers that move elements: joining, cutting, reshaping, padding, resizing. */
import { MAX_ELEMENTS, MAX_EXTENT } from '../../abi.js';
import { guardClass } from '../../boundary.js';
import { boolean, integer, oneOf, readList } from '../../check.js';
import { given } from '../../errors.js';
import { shapeText, sizeOf } from '../../shape.js';
import { readAxis, readIntegers, scopeOf } from './base.js';
import { ReductionLayers } from './reductions.js';
import { refusal, shapeRefusal } from './refusals.js';
import { imageChannels } from './windows.js';

/** @typedef {import('../../errors.js').DynakernelError} DynakernelError */
/** @typedef {import('./base.js').BaseLayers} BaseLayers */
/** @typedef {import('./base.js').LayerOptions} LayerOptions */
/** @typedef {import('./value.js').NetworkValue} NetworkValue */
/** @typedef {import('./windows.js').Pair} Pair */

/**
 * @typedef {object} InterpolateOptions
 * @property {string} [name] of the layer
 * @property {Pair} [size] of the output; either this or scaleFactor
 * @property {Pair} [scaleFactor] output size / input size
 * @property {'nearest' | 'nearest-exact' | 'bilinear'} [mode] ('nearest')
 * @property {boolean} [alignCorners] of bilinear: whether the corners of both images coincide (false)
 */

/** Layers that move elements. An axis `dim` may be negative: it then counts from the end. */
export class ShapeLayers extends ReductionLayers {
  static {
    guardClass(this, 'ShapeLayers');
  }

  /**
   * Joins tensors along an axis.
   *
   * @param {readonly NetworkValue[]} tensors
   * @param {LayerOptions & { dim?: number }} [options] dim (0, the batch, as in PyTorch; 1 for channels)
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_SHAPE if other axes differ
   * @example
   * x = g.cat([skip, g.interpolate(x, { scaleFactor: 2 })], { dim: 1 });
   */
  cat(tensors, options) {
    const scope = scopeOf(this);
    const { name, dim = 0 } = scope.options('cat', options, ['dim']);
    const list = readList(tensors, () => true);
    if (!list?.length) throw refusal(`cat needs an array of tensors; got ${given(tensors)}`);
    const values = list.map((tensor, i) => scope.value(tensor, `cat: tensor ${i}`));
    const axis = readAxis(dim, values[0].shape.length, 'cat: dim');
    return scope.handle(scope.emit('concat', name ?? 'cat', values, { axis }));
  }

  /**
   * Cuts a tensor into parts along an axis.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { splitSize: number | readonly number[], dim?: number }} options splitSize: the length of
   *   every part, of which the last may be shorter, or of each; dim (0)
   * @returns {NetworkValue[]}
   * @throws {DynakernelError} ERR_SHAPE if the parts do not add up
   * @example
   * const [left, right] = g.split(x, { splitSize: [8, 24], dim: 1 });
   */
  split(x, options) {
    const scope = scopeOf(this);
    const { name = 'split', splitSize, dim = 0 } = scope.options('split', options, ['splitSize', 'dim'], ['splitSize']);
    const value = scope.value(x, 'split: x');
    const axis = readAxis(dim, value.shape.length, 'split: dim');
    const sizes = typeof splitSize === 'number'
      ? equalParts(value.shape[axis], integer(splitSize, 'split: splitSize', 1, MAX_ELEMENTS))
      : readIntegers(splitSize, 'split: splitSize', 1, MAX_ELEMENTS);
    return scope.emitAll('split', name, [value], { axis, sizes }).map((part) => scope.handle(part));
  }

  /**
   * Cuts a tensor into at most `chunks` parts of one length along an axis. The last one may be shorter.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { chunks: number, dim?: number }} options dim (0)
   * @returns {NetworkValue[]}
   * @throws {DynakernelError} ERR_SHAPE if there is no such axis
   * @example
   * const [a, b] = g.chunk(x, { chunks: 2, dim: 1 }); // two halves of the channels
   */
  chunk(x, options) {
    const scope = scopeOf(this);
    const { name = 'chunk', chunks, dim = 0 } = scope.options('chunk', options, ['chunks', 'dim'], ['chunks']);
    const value = scope.value(x, 'chunk: x');
    const axis = readAxis(dim, value.shape.length, 'chunk: dim');
    const length = value.shape[axis];
    const sizes = equalParts(length, Math.ceil(length / integer(chunks, 'chunk: chunks', 1, MAX_ELEMENTS)));
    return scope.emitAll('split', name, [value], { axis, sizes }).map((part) => scope.handle(part));
  }

  /**
   * Elements start, start + step, ... before end, along an axis. Negative places count from the end, as in Python.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { dim: number, start?: number, end?: number, step?: number }} options start (0), end (the
   *   length), step: 1 or more (1)
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_SHAPE if nothing is left
   * @example
   * const even = g.slice(x, { dim: 3, step: 2 }); // x[..., ::2]
   */
  slice(x, options) {
    const scope = scopeOf(this);
    const { name = 'slice', dim, start = 0, end = MAX_ELEMENTS, step = 1 } =
      scope.options('slice', options, ['dim', 'start', 'end', 'step'], ['dim']);
    const value = scope.value(x, 'slice: x');
    const { shape } = value;
    const axis = readAxis(dim, shape.length, 'slice: dim');
    const length = shape[axis];
    const place = (/** @type {unknown} */ position, /** @type {string} */ what) => {
      const whole = integer(position, what, -MAX_ELEMENTS, MAX_ELEMENTS);
      return Math.min(Math.max(whole < 0 ? whole + length : whole, 0), length);
    };
    const first = place(start, 'slice: start');
    const stride = integer(step, 'slice: step', 1, MAX_ELEMENTS);
    const count = Math.ceil((place(end, 'slice: end') - first) / stride);
    if (count < 1) {
      throw shapeRefusal(`slice: nothing is left of dimension ${axis} of ${shapeText(shape)} between ` +
        `start ${given(start)} and end ${given(end)}`);
    }
    return scope.handle(scope.emit('slice', name, [value], {
      starts: shape.map((_, i) => (i === axis ? first : 0)),
      steps: shape.map((_, i) => (i === axis ? stride : 1)),
      size: shape.map((other, i) => (i === axis ? count : other)),
    }));
  }

  /**
   * Another shape of the same elements in the same order.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { shape: readonly number[] }} options shape: one length may be -1, for what is left
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_SHAPE if the numbers of elements differ
   * @example
   * const tokens = g.reshape(x, { shape: [N, C, -1] }); // [N, C, H * W]
   */
  reshape(x, options) {
    const scope = scopeOf(this);
    const { name = 'reshape', shape } = scope.options('reshape', options, ['shape'], ['shape']);
    const value = scope.value(x, 'reshape: x');
    const lengths = readIntegers(shape, 'reshape: shape', -1, MAX_ELEMENTS);
    const known = sizeOf(lengths.filter((length) => length !== -1));
    const rest = sizeOf(value.shape) / known;
    const full = lengths.map((length) => (length === -1 ? rest : length));
    if (lengths.filter((length) => length === -1).length > 1 || lengths.includes(0) || !Number.isInteger(rest)) {
      throw shapeRefusal(`reshape: ${shapeText(value.shape)} cannot become ${shapeText(lengths)}`);
    }
    return scope.handle(scope.emit('reshape', name, [value], { shape: full }));
  }

  /**
   * Makes one axis of several.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { startDim?: number, endDim?: number }} [options] the first and the last of the axes (1, -1:
   *   all but the batch, as nn.Flatten)
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_SHAPE if there is no such axis
   * @example
   * const logits = g.linear(g.flatten(x), { name: 'classifier', outFeatures: 10 });
   */
  flatten(x, options) {
    const scope = scopeOf(this);
    const { name = 'flatten', startDim = 1, endDim = -1 } = scope.options('flatten', options, ['startDim', 'endDim']);
    const value = scope.value(x, 'flatten: x');
    const { shape } = value;
    const first = readAxis(startDim, shape.length, 'flatten: startDim');
    const end = readAxis(endDim, shape.length, 'flatten: endDim') + 1;
    if (first >= end) {
      throw shapeRefusal(
        `flatten: startDim ${given(startDim)} lies behind endDim ${given(endDim)} of ${shapeText(shape)}`);
    }
    const flat = [...shape.slice(0, first), sizeOf(shape.slice(first, end)), ...shape.slice(end)];
    return scope.handle(scope.emit('reshape', name, [value], { shape: flat }));
  }

  /**
   * Another order of the axes.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { dims: readonly number[] }} options dims: for each axis of the output, the axis of x
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_CONFIG if dims does not name each axis once
   * @example
   * const last = g.permute(x, { dims: [0, 2, 3, 1] }); // channels last
   */
  permute(x, options) {
    const scope = scopeOf(this);
    const { name = 'permute', dims } = scope.options('permute', options, ['dims'], ['dims']);
    const value = scope.value(x, 'permute: x');
    const rank = value.shape.length;
    const order = readIntegers(dims, 'permute: dims', -rank, rank - 1).map((axis) => (axis < 0 ? axis + rank : axis));
    if (order.length !== rank || new Set(order).size !== rank) {
      throw refusal(`permute: dims must name each axis of ${shapeText(value.shape)} once; got ${given(dims)}`);
    }
    return scope.handle(scope.emit('transpose', name, [value], { order }));
  }

  /**
   * Deals the channels of `groups` groups in turn: channel i * C/groups + j moves to j * groups + i.
   *
   * @param {NetworkValue} x [N, C, ...]
   * @param {LayerOptions & { groups: number }} options groups: a divisor of C
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_SHAPE if groups does not divide C
   */
  channelShuffle(x, options) {
    const scope = scopeOf(this);
    const { name = 'channelShuffle', groups } = scope.options('channelShuffle', options, ['groups'], ['groups']);
    const value = scope.value(x, 'channelShuffle: x');
    if (value.shape.length < 2) {
      throw shapeRefusal(`channelShuffle: x must have channels, [N, C, ...]; got ${shapeText(value.shape)}`);
    }
    const count = integer(groups, 'channelShuffle: groups', 1, MAX_ELEMENTS);
    return scope.handle(scope.emit('channelShuffle', name, [value], { groups: count }));
  }

  /**
   * Adds elements at the ends of axes.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { pad: readonly number[], mode?: 'constant' | 'reflect' | 'replicate', value?: number }}
   *   options pad: as F.pad's, the last axis first: [left, right, top, bottom]; negative ones cut off; mode ('constant');
   *   value: of a constant (0)
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   * @example
   * x = g.pad(x, { pad: [1, 1, 1, 1], mode: 'reflect' });
   */
  pad(x, options) {
    const scope = scopeOf(this);
    const { name = 'pad', pad, mode = 'constant', value = 0 } =
      scope.options('pad', options, ['pad', 'mode', 'value'], ['pad']);
    const input = scope.value(x, 'pad: x');
    const { shape } = input;
    const kind = oneOf(mode, 'pad: mode', ['constant', 'reflect', 'replicate']);
    if (typeof value !== 'number') throw refusal(`pad: value must be a number; got ${given(value)}`);
    const sides = readIntegers(pad, 'pad: pad', -MAX_EXTENT, MAX_EXTENT);
    if (sides.length % 2 !== 0 || sides.length > 2 * shape.length) {
      throw refusal(
        `pad: pad must have two numbers for each of the last axes of ${shapeText(shape)}; got ${given(pad)}`);
    }
    // the pairs of pad begin with the last axis
    const side = (/** @type {number} */ axis, /** @type {number} */ end) =>
      sides[2 * (shape.length - 1 - axis) + end] ?? 0;
    const before = shape.map((_, axis) => side(axis, 0));
    const after = shape.map((_, axis) => side(axis, 1));
    const tooFar = shape.findIndex((length, axis) =>
      kind === 'reflect' && Math.max(before[axis], after[axis]) >= length);
    if (tooFar >= 0) {
      throw shapeRefusal(`pad: a reflection must be shorter than dimension ${tooFar} of ` +
        `${shapeText(shape)}; got ${given(pad)}`);
    }
    const attributes = { before, after, mode: kind === 'replicate' ? 'edge' : kind, value };
    return scope.handle(scope.emit('pad', name, [input], attributes));
  }

  /**
   * Another size of an image.
   *
   * @param {NetworkValue} x [N, C, H, W]
   * @param {InterpolateOptions} options
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   * @example
   * x = g.interpolate(x, { scaleFactor: 2, mode: 'bilinear', alignCorners: true });
   */
  interpolate(x, options) {
    const scope = scopeOf(this);
    const read = scope.options('interpolate', options, ['size', 'scaleFactor', 'mode', 'alignCorners']);
    const { name = 'interpolate', mode = 'nearest', alignCorners = false } = read;
    const value = scope.value(x, 'interpolate: x');
    imageChannels('interpolate', value.shape);
    const kind = oneOf(mode, 'interpolate: mode', ['nearest', 'nearest-exact', 'bilinear']);
    const aligned = boolean(alignCorners, 'interpolate: alignCorners');
    if (aligned && kind !== 'bilinear') {
      throw refusal(`interpolate: alignCorners needs the mode 'bilinear'; got ${given(mode)}`);
    }
    const target = readTarget(value.shape.slice(2), read);
    // the nearest pixel is that to the left, or with 'nearest-exact' the one whose centre is nearest
    const places = kind === 'nearest' ? { coordinates: 'asymmetric', nearestMode: 'floor' }
      : { coordinates: aligned ? 'align_corners' : 'half_pixel', nearestMode: 'round_prefer_ceil' };
    return scope.handle(scope.emit('resize', name, [value],
      { mode: kind === 'bilinear' ? kind : 'nearest', ...places, ...target }));
  }

  /**
   * Blocks of r x r pixels from r^2 channels each: [N, C * r^2, H, W] -> [N, C, H * r, W * r].
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { upscaleFactor: number }} options upscaleFactor: r
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_SHAPE if r^2 does not divide the channels
   */
  pixelShuffle(x, options) {
    const scope = scopeOf(this);
    const { name = 'pixelShuffle', upscaleFactor } =
      scope.options('pixelShuffle', options, ['upscaleFactor'], ['upscaleFactor']);
    const value = scope.value(x, 'pixelShuffle: x');
    const block = integer(upscaleFactor, 'pixelShuffle: upscaleFactor', 1, MAX_EXTENT);
    return scope.handle(scope.emit('depthToSpace', name, [value], { block, mode: 'CRD' }));
  }
}

/**
 * Parts of one length. The last may be shorter.
 *
 * @param {number} length
 * @param {number} part
 */
function equalParts(length, part) {
  const count = Math.ceil(length / part);
  return Array.from({ length: count }, (_, i) => Math.min(part, length - i * part));
}

/**
 * The size and the scale of a resized image.
 *
 * @param {number[]} from [H, W]
 * @param {{ [name: string]: any }} options
 */
function readTarget(from, { size, scaleFactor }) {
  if ((size === undefined) === (scaleFactor === undefined)) {
    throw refusal(`interpolate needs either size or scaleFactor; got ${size === undefined ? 'neither' : 'both'}`);
  }
  const both = size ?? scaleFactor;
  const list = readList(both, () => true, 2) ?? [both, both];
  if (list.length !== 2) {
    throw refusal(`interpolate: ${size === undefined ? 'scaleFactor' : 'size'} must be a number ` +
      `or [vertical, horizontal]; got ${given(both)}`);
  }
  if (size !== undefined) {
    const target = list.map((length) => integer(length, 'interpolate: size', 1, MAX_ELEMENTS));
    return { size: target, scales: target.map((length, i) => length / from[i]) };
  }
  const target = list.map((factor, i) => {
    const length = typeof factor === 'number' ? Math.floor(from[i] * factor) : NaN;
    if (length >= 1 && length <= MAX_ELEMENTS) return length;
    throw refusal(`interpolate: scaleFactor must make a size of 1 pixel or more of ` +
      `${from.join('x')}; got ${given(factor)}`);
  });
  return { size: target, scales: list };
}
