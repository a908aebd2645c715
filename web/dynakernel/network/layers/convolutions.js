/** Convolutions, linear layers and normalisation. */
import { MAX_ELEMENTS } from '../../abi.js';
import { guardClass } from '../../boundary.js';
import { boolean, integer, real } from '../../check.js';
import { given } from '../../errors.js';
import { shapeText, sizeOf } from '../../shape.js';
import { scopeOf } from './base.js';
import { layerDefault } from './initialise.js';
import { refusal, shapeRefusal } from './refusals.js';
import { ShapeLayers } from './shapes.js';
import { CONVOLUTION_NAMES, readConvolution, readPair } from './windows.js';

/** @typedef {import('../../errors.js').DynakernelError} DynakernelError */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./base.js').LayerOptions} LayerOptions */
/** @typedef {import('./scope.js').Scope} Scope */
/** @typedef {import('./value.js').NetworkValue} NetworkValue */
/** @typedef {import('./windows.js').Pair} Pair */
/** @typedef {import('./windows.js').Padding} Padding */

/**
 * @typedef {object} Conv2dOptions
 * @property {string} name of the layer, before the names of its parameters
 * @property {number} outChannels O
 * @property {Pair} kernelSize
 * @property {Pair} [stride] (1)
 * @property {Padding | 'same'} [padding] zeros at the sides; 'same': as many as make a picture of the input's size /
 *   stride, more at the end (0)
 * @property {Pair} [dilation] (1)
 * @property {number} [groups] a divisor of C and O (1)
 * @property {boolean} [bias] (true)
 */

/**
 * @typedef {object} ConvTranspose2dOptions
 * @property {string} name of the layer, before the names of its parameters
 * @property {number} outChannels O
 * @property {Pair} kernelSize
 * @property {Pair} [stride] (1)
 * @property {Padding} [padding] what is cut off at the sides (0)
 * @property {Pair} [outputPadding] what is added at the lower and the right side; less than stride or dilation (0)
 * @property {Pair} [dilation] (1)
 * @property {number} [groups] (1)
 * @property {boolean} [bias] (true)
 */

/** Convolutions, linear layers and normalisation. Parameters have PyTorch's names: `${name}.weight`, `${name}.bias`. */
export class ConvolutionLayers extends ShapeLayers {
  static {
    guardClass(this, 'ConvolutionLayers');
  }

  /**
   * A convolution.
   *
   * @param {NetworkValue} x [N, C, H, W]
   * @param {Conv2dOptions} options
   * @returns {NetworkValue} [N, O, Ho, Wo]
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   * @example
   * x = g.conv2d(x, { name: 'stem.0', outChannels: 32, kernelSize: 3, stride: 2, padding: 1, bias: false });
   */
  conv2d(x, options) {
    const scope = scopeOf(this);
    const read = scope.options('conv2d', options, CONVOLUTION_NAMES, ['name', 'outChannels', 'kernelSize']);
    const { name } = read;
    const value = scope.value(x, 'conv2d: x');
    const { C, O, kernel, bias, attributes } = readConvolution('conv2d', value.shape, read);
    const fill = layerDefault(C / attributes.groups * sizeOf(kernel));
    const weight = scope.parameter(name, 'weight', [O, C / attributes.groups, ...kernel], fill);
    const biases = bias ? [scope.parameter(name, 'bias', [O], fill)] : [];
    return scope.handle(scope.emit('conv2d', name, [value, weight, ...biases], attributes));
  }

  /**
   * A transposed convolution.
   *
   * @param {NetworkValue} x [N, C, H, W]
   * @param {ConvTranspose2dOptions} options
   * @returns {NetworkValue} [N, O, Ho, Wo]
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   * @example
   * x = g.convTranspose2d(x, { name: 'up', outChannels: 64, kernelSize: 4, stride: 2, padding: 1 });
   */
  convTranspose2d(x, options) {
    const scope = scopeOf(this);
    const layer = 'convTranspose2d';
    const read = scope.options(layer, options, [...CONVOLUTION_NAMES, 'outputPadding'],
      ['name', 'outChannels', 'kernelSize']);
    const { name, outputPadding = 0 } = read;
    const value = scope.value(x, `${layer}: x`);
    if (read.padding === 'same') throw refusal(`${layer}: padding must be numbers; got "same"`);
    const { C, O, kernel, bias, attributes } = readConvolution(layer, value.shape, read);
    const { stride, dilation, groups } = attributes;
    const extra = readPair(outputPadding, `${layer}: outputPadding`, 0);
    if (extra.some((length, i) => length >= Math.max(stride[i], dilation[i]))) {
      throw refusal(`${layer}: outputPadding must be less than stride or dilation; ` +
        `got outputPadding ${given(outputPadding)}, stride [${stride.join(', ')}], dilation [${dilation.join(', ')}]`);
    }
    const fill = layerDefault(O / groups * sizeOf(kernel));
    const weight = scope.parameter(name, 'weight', [C, O / groups, ...kernel], fill);
    const biases = bias ? [scope.parameter(name, 'bias', [O], fill)] : [];
    return scope.handle(scope.emit(layer, name, [value, weight, ...biases], { ...attributes, outputPadding: extra }));
  }

  /**
   * x W^T + bias, over the last axis.
   *
   * @param {NetworkValue} x [..., I]
   * @param {{ name: string, outFeatures: number, bias?: boolean }} options bias (true)
   * @returns {NetworkValue} [..., outFeatures]
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   * @example
   * const logits = g.linear(features, { name: 'classifier', outFeatures: 1000 });
   */
  linear(x, options) {
    const scope = scopeOf(this);
    const { name, outFeatures, bias = true } =
      scope.options('linear', options, ['outFeatures', 'bias'], ['name', 'outFeatures']);
    const value = scope.value(x, 'linear: x');
    const O = integer(outFeatures, 'linear: outFeatures', 1, MAX_ELEMENTS);
    if (value.shape.length === 0) throw shapeRefusal('linear: x must have a dimension; got []');
    return scope.handle(linear(scope, name, name, value, O, boolean(bias, 'linear: bias')));
  }

  /**
   * Batch norm with the running statistics: (x - running_mean) / sqrt(running_var + eps) * weight + bias for each
   * channel. After a convolution it costs nothing.
   *
   * @param {NetworkValue} x [N, C, ...]
   * @param {{ name: string, eps?: number }} options eps (1e-5)
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   * @example
   * x = g.relu(g.batchNorm2d(x, { name: 'stem.1' }));
   */
  batchNorm2d(x, options) {
    const scope = scopeOf(this);
    const { name, eps = 1e-5 } = scope.options('batchNorm2d', options, ['eps'], ['name']);
    const value = scope.value(x, 'batchNorm2d: x');
    if (value.shape.length < 2) {
      throw shapeRefusal(`batchNorm2d: x must have channels, [N, C, ...]; got ${shapeText(value.shape)}`);
    }
    const epsilon = real(eps, 'batchNorm2d: eps', '0 or more', (number) => number >= 0);
    const statistics = scope.batchNorm(name, value.shape[1]);
    return scope.handle(scope.emit('batchNorm', name, [value, ...statistics], { eps: epsilon }));
  }

  /**
   * x / (k + alpha * mean of x^2 over `size` neighbouring channels)^beta.
   *
   * @param {NetworkValue} x [N, C, ...]
   * @param {LayerOptions & { size: number, alpha?: number, beta?: number, k?: number }} options alpha (1e-4), beta
   *   (0.75), k (1)
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   */
  localResponseNorm(x, options) {
    const scope = scopeOf(this);
    const layer = 'localResponseNorm';
    const { name = layer, size, alpha = 1e-4, beta = 0.75, k = 1 } =
      scope.options(layer, options, ['size', 'alpha', 'beta', 'k'], ['size']);
    const value = scope.value(x, `${layer}: x`);
    if (value.shape.length < 3) {
      throw shapeRefusal(`${layer}: x must be [N, C, ...]; got ${shapeText(value.shape)}`);
    }
    const channels = integer(size, `${layer}: size`, 1, MAX_ELEMENTS);
    const [a, b, bias] = Object.entries({ alpha, beta, k }).map(([option, number]) =>
      real(number, `${layer}: ${option}`, 'of any sign', () => true));
    if (channels % 2 === 1) {
      return scope.handle(scope.emit('lrn', name, [value], { size: channels, alpha: a, beta: b, bias }));
    }
    return scope.handle(evenResponseNorm(scope, name, value, { size: channels, alpha: a, beta: b, k: bias }));
  }
}

/**
 * A linear layer.
 *
 * @param {Scope} scope
 * @param {string} name of the node
 * @param {string} path of the parameters
 * @param {Value} x
 * @param {number} O
 * @param {boolean} bias
 */
export function linear(scope, name, path, x, O, bias) {
  const I = x.shape[x.shape.length - 1];
  const fill = layerDefault(I);
  const weight = scope.parameter(path, 'weight', [O, I], fill);
  const biases = bias ? [scope.parameter(path, 'bias', [O], fill)] : [];
  return scope.emit('linear', name, [x, weight, ...biases]);
}

/**
 * PyTorch's window of an even size has one channel more before than behind; that of the op lrn, which is ONNX's, is the
 * other way round.
 *
 * @param {Scope} scope
 * @param {string} name
 * @param {Value} x
 * @param {{ size: number, alpha: number, beta: number, k: number }} options
 */
function evenResponseNorm(scope, name, x, { size, alpha, beta, k }) {
  const [N, C, ...rest] = x.shape;
  const inner = sizeOf(rest);
  const part = `${name}.window`;
  // the mean over channels is that of a pool over an image with the channels as rows
  const squares = scope.emit('multiply', part, [x, x]);
  const image = scope.emit('reshape', part, [squares], { shape: [N, 1, C, inner] });
  const padded = scope.emit('pad', part, [image],
    { before: [0, 0, size / 2, 0], after: [0, 0, size / 2 - 1, 0], mode: 'constant', value: 0 });
  const means = scope.emit('averagePool', part, [padded], {
    kernel: [size, 1], stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], size: [C, inner], countIncludePad: true,
  });
  const spread = scope.emit('reshape', part, [means], { shape: x.shape });
  const scaled = scope.emit('multiply', part, [spread, scope.constant([alpha])]);
  const sum = scope.emit('add', part, [scaled, scope.constant([k])]);
  const power = scope.emit('power', part, [sum, scope.constant([beta])]);
  return scope.emit('divide', name, [x, power]);
}
