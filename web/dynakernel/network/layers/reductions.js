/** Softmax, means, sums and pools. */
import { guardClass } from '../../boundary.js';
import { boolean } from '../../check.js';
import { given } from '../../errors.js';
import { ArithmeticLayers } from './arithmetic.js';
import { readAxes, readAxis, scopeOf } from './base.js';
import { refusal } from './refusals.js';
import { POOL_NAMES, imageChannels, readPair, readPool } from './windows.js';

/** @typedef {import('../../errors.js').DynakernelError} DynakernelError */
/** @typedef {import('./base.js').BaseLayers} BaseLayers */
/** @typedef {import('./base.js').LayerOptions} LayerOptions */
/** @typedef {import('./value.js').NetworkValue} NetworkValue */
/** @typedef {import('./windows.js').Pair} Pair */
/** @typedef {import('./windows.js').Padding} Padding */

/**
 * @typedef {object} ReductionOptions
 * @property {string} [name] of the layer
 * @property {number | readonly number[]} [dim] one axis or several; negative ones count from the end (all)
 * @property {boolean} [keepdim] whether the axes stay, with length 1 (false)
 */

/**
 * @typedef {object} PoolOptions
 * @property {string} [name] of the layer
 * @property {Pair} kernelSize
 * @property {Pair} [stride] (kernelSize)
 * @property {Padding} [padding] at most half of kernelSize (0)
 * @property {boolean} [ceilMode] whether the last window may be cut off (false)
 */

/** Softmax, reductions and pools. */
export class ReductionLayers extends ArithmeticLayers {
  static {
    guardClass(this, 'ReductionLayers');
  }

  /**
   * exp(x) divided by its sum over an axis.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { dim: number }} options dim: the axis
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_SHAPE if there is no such axis
   * @example
   * const probabilities = g.softmax(logits, { dim: 1 });
   */
  softmax(x, options) {
    const scope = scopeOf(this);
    const { name, dim } = scope.options('softmax', options, ['dim'], ['dim']);
    const value = scope.value(x, 'softmax: x');
    const axis = readAxis(dim, value.shape.length, 'softmax: dim');
    return scope.handle(scope.emit('softmax', name ?? 'softmax', [value], { axis }));
  }

  /**
   * The mean over axes.
   *
   * @param {NetworkValue} x
   * @param {ReductionOptions} [options]
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_SHAPE if there is no such axis
   * @example
   * const pooled = g.mean(x, { dim: [2, 3] }); // [N, C, H, W] -> [N, C]
   */
  mean(x, options) {
    return reduce(this, 'mean', 'reduceMean', x, options);
  }

  /**
   * The sum over axes.
   *
   * @param {NetworkValue} x
   * @param {ReductionOptions} [options]
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_SHAPE if there is no such axis
   */
  sum(x, options) {
    return reduce(this, 'sum', 'reduceSum', x, options);
  }

  /**
   * The greatest element over axes.
   *
   * @param {NetworkValue} x
   * @param {ReductionOptions} [options]
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_SHAPE if there is no such axis
   */
  amax(x, options) {
    return reduce(this, 'amax', 'reduceMax', x, options);
  }

  /**
   * The mean of windows.
   *
   * @param {NetworkValue} x [N, C, H, W]
   * @param {PoolOptions & { countIncludePad?: boolean }} options countIncludePad: whether padding counts as zeros
   *   (true)
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_SHAPE if no window fits
   * @example
   * x = g.avgPool2d(x, { kernelSize: 2 });
   */
  avgPool2d(x, options) {
    const scope = scopeOf(this);
    const read = scope.options('avgPool2d', options, [...POOL_NAMES, 'countIncludePad'], ['kernelSize']);
    const value = scope.value(x, 'avgPool2d: x');
    const attributes = {
      ...readPool('avgPool2d', value.shape, read),
      countIncludePad: boolean(read.countIncludePad ?? true, 'avgPool2d: countIncludePad'),
    };
    return scope.handle(scope.emit('averagePool', read.name ?? 'avgPool2d', [value], attributes));
  }

  /**
   * The greatest element of windows.
   *
   * @param {NetworkValue} x [N, C, H, W]
   * @param {PoolOptions & { dilation?: Pair }} options dilation (1)
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_SHAPE if no window fits
   * @example
   * x = g.maxPool2d(x, { kernelSize: 3, stride: 2, padding: 1 });
   */
  maxPool2d(x, options) {
    const scope = scopeOf(this);
    const read = scope.options('maxPool2d', options, [...POOL_NAMES, 'dilation'], ['kernelSize']);
    const value = scope.value(x, 'maxPool2d: x');
    const attributes = readPool('maxPool2d', value.shape, read);
    return scope.handle(scope.emit('maxPool', read.name ?? 'maxPool2d', [value], attributes));
  }

  /**
   * The mean of outputSize windows in each direction. outputSize must divide the size of x. An outputSize of 1 takes
   * the mean of the whole image.
   *
   * @param {NetworkValue} x [N, C, H, W]
   * @param {LayerOptions & { outputSize: Pair }} options
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_CONFIG if outputSize does not divide the size
   * @example
   * const pooled = g.flatten(g.adaptiveAvgPool2d(x, { outputSize: 1 })); // [N, C]
   */
  adaptiveAvgPool2d(x, options) {
    return adaptivePool(this, 'adaptiveAvgPool2d', 'reduceMean', 'averagePool', x, options);
  }

  /**
   * The greatest element of outputSize windows in each direction. outputSize must divide the size of x.
   *
   * @param {NetworkValue} x [N, C, H, W]
   * @param {LayerOptions & { outputSize: Pair }} options
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_CONFIG if outputSize does not divide the size
   */
  adaptiveMaxPool2d(x, options) {
    return adaptivePool(this, 'adaptiveMaxPool2d', 'reduceMax', 'maxPool', x, options);
  }
}

/**
 * @param {BaseLayers} layers
 * @param {string} layer
 * @param {string} op
 * @param {unknown} x
 * @param {unknown} options
 */
function reduce(layers, layer, op, x, options) {
  const scope = scopeOf(layers);
  const { name, dim, keepdim = false } = scope.options(layer, options, ['dim', 'keepdim']);
  const value = scope.value(x, `${layer}: x`);
  const rank = value.shape.length;
  const axes = dim === undefined ? value.shape.map((_, i) => i) : readAxes(dim, rank, `${layer}: dim`);
  const keepDims = boolean(keepdim, `${layer}: keepdim`);
  return scope.handle(scope.emit(op, name ?? layer, [value], { axes, keepDims }));
}

/**
 * @param {BaseLayers} layers
 * @param {string} layer
 * @param {string} whole the op if there is one window
 * @param {string} op the op if there are more
 * @param {unknown} x
 * @param {unknown} options
 */
function adaptivePool(layers, layer, whole, op, x, options) {
  const scope = scopeOf(layers);
  const { name = layer, outputSize } = scope.options(layer, options, ['outputSize'], ['outputSize']);
  const value = scope.value(x, `${layer}: x`);
  imageChannels(layer, value.shape);
  const size = readPair(outputSize, `${layer}: outputSize`, 1);
  if (size[0] === 1 && size[1] === 1) {
    return scope.handle(scope.emit(whole, name, [value], { axes: [2, 3], keepDims: true }));
  }
  const [H, W] = value.shape.slice(2);
  if (H % size[0] !== 0 || W % size[1] !== 0) {
    throw refusal(`${layer}: outputSize must divide the input's size ${H}x${W}; ` +
      `got ${given(outputSize)}`);
  }
  const kernel = [H / size[0], W / size[1]];
  return scope.handle(scope.emit(op, name, [value],
    { kernel, stride: kernel, padding: [0, 0, 0, 0], dilation: [1, 1], size, countIncludePad: true }));
}
