/** Activations: functions of single elements. */
import { MAX_ELEMENTS } from '../../abi.js';
import { guardClass } from '../../boundary.js';
import { integer, oneOf, real } from '../../check.js';
import { given } from '../../errors.js';
import { BaseLayers, elementwise, scopeOf } from './base.js';
import { constant } from './initialise.js';
import { refusal } from './refusals.js';

/** @typedef {import('./base.js').LayerOptions} LayerOptions */
/** @typedef {import('./value.js').NetworkValue} NetworkValue */

/** @param {unknown} value
 *  @param {string} what */
const finite = (value, what) => real(value, what, 'of any sign', () => true);

/** Activations. Each takes a tensor of any shape and returns one of the same shape. */
export class ActivationLayers extends BaseLayers {
  static {
    guardClass(this, 'ActivationLayers');
  }

  /**
   * max(x, 0).
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   * @example
   * x = g.relu(g.batchNorm2d(x, { name: 'bn1' }));
   */
  relu(x, options) {
    return elementwise(this, 'relu', x, options, 'relu');
  }

  /**
   * min(max(x, 0), 6).
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  relu6(x, options) {
    return elementwise(this, 'relu6', x, options, 'clip', [], () => ({ low: 0, high: 6 }));
  }

  /**
   * min(max(x, minVal), maxVal).
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { minVal?: number, maxVal?: number }} [options] minVal (-1), maxVal (1)
   * @returns {NetworkValue}
   */
  hardtanh(x, options) {
    return elementwise(this, 'hardtanh', x, options, 'clip', ['minVal', 'maxVal'], ({ minVal = -1, maxVal = 1 }) =>
      readRange('hardtanh', minVal, maxVal, 'minVal', 'maxVal'));
  }

  /**
   * min(max(x, min), max).
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { min?: number, max?: number }} [options] min (-Infinity), max (Infinity)
   * @returns {NetworkValue}
   */
  clamp(x, options) {
    return elementwise(this, 'clamp', x, options, 'clip', ['min', 'max'], ({ min = -Infinity, max = Infinity }) =>
      readRange('clamp', min, max, 'min', 'max'));
  }

  /**
   * x if x > 0, else negativeSlope * x.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { negativeSlope?: number }} [options] negativeSlope (0.01)
   * @returns {NetworkValue}
   */
  leakyReLU(x, options) {
    return elementwise(this, 'leakyReLU', x, options, 'leakyRelu', ['negativeSlope'], ({ negativeSlope = 0.01 }) =>
      ({ slope: finite(negativeSlope, 'leakyReLU: negativeSlope') }));
  }

  /**
   * x if x > 0, else weight * x. The parameter `weight` has one number, or one for each channel.
   *
   * @param {NetworkValue} x [N, C, ...]
   * @param {{ name: string, numParameters?: number, init?: number }} options numParameters: 1 or C (1); init (0.25)
   * @returns {NetworkValue}
   * @example
   * x = g.prelu(x, { name: 'act1', numParameters: 64 });
   */
  prelu(x, options) {
    const scope = scopeOf(this);
    const { name, numParameters = 1, init = 0.25 } =
      scope.options('prelu', options, ['numParameters', 'init'], ['name']);
    const value = scope.value(x, 'prelu: x');
    const count = integer(numParameters, 'prelu: numParameters', 1, MAX_ELEMENTS);
    const { shape } = value;
    const channels = shape.length > 1 ? shape[1] : 1;
    if (count !== 1 && count !== channels) {
      throw refusal(`prelu: numParameters must be 1 or the ${channels} channels of the input; got ${count}`);
    }
    // one slope for each channel is broadcast over the axes behind it
    const broadcast = count === 1 ? [1] : [count, ...shape.slice(2).map(() => 1)];
    const slope = scope.parameter(name, 'weight', [count], constant(finite(init, 'prelu: init')), broadcast);
    return scope.handle(scope.emit('prelu', name, [value, slope]));
  }

  /**
   * x if x > 0, else alpha * (exp(x) - 1).
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { alpha?: number }} [options] alpha (1)
   * @returns {NetworkValue}
   */
  elu(x, options) {
    return elementwise(this, 'elu', x, options, 'elu', ['alpha'], ({ alpha = 1 }) =>
      ({ alpha: finite(alpha, 'elu: alpha') }));
  }

  /**
   * min(max(x / 6 + 1/2, 0), 1).
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  hardsigmoid(x, options) {
    return elementwise(this, 'hardsigmoid', x, options, 'hardSigmoid', [], () => ({ alpha: 1 / 6, beta: 0.5 }));
  }

  /**
   * x * hardsigmoid(x).
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  hardswish(x, options) {
    return elementwise(this, 'hardswish', x, options, 'hardSwish');
  }

  /**
   * 1 / (1 + exp(-x)).
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  sigmoid(x, options) {
    return elementwise(this, 'sigmoid', x, options, 'sigmoid');
  }

  /**
   * The hyperbolic tangent.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  tanh(x, options) {
    return elementwise(this, 'tanh', x, options, 'tanh');
  }

  /**
   * x * sigmoid(x).
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  silu(x, options) {
    return elementwise(this, 'silu', x, options, 'silu');
  }

  /**
   * x times the normal distribution's cumulative function at x, or an approximation of it by tanh.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions & { approximate?: 'none' | 'tanh' }} [options] approximate ('none')
   * @returns {NetworkValue}
   */
  gelu(x, options) {
    return elementwise(this, 'gelu', x, options, 'gelu', ['approximate'], ({ approximate = 'none' }) =>
      ({ tanh: oneOf(approximate, 'gelu: approximate', ['none', 'tanh']) === 'tanh' }));
  }
}

/**
 * The attributes of a clip.
 *
 * @param {string} layer
 * @param {unknown} low
 * @param {unknown} high
 * @param {string} lowName
 * @param {string} highName
 */
function readRange(layer, low, high, lowName, highName) {
  if (typeof low === 'number' && typeof high === 'number' && low <= high) return { low, high };
  throw refusal(`${layer}: ${lowName} and ${highName} must be numbers, ${lowName} at most ` +
    `${highName}; got ${given(low)} and ${given(high)}`);
}
