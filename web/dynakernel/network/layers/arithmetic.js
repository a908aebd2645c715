/** Arithmetic with one or two tensors, and products of matrices. */
import { guardClass } from '../../boundary.js';
import { given } from '../../errors.js';
import { ActivationLayers } from './activations.js';
import { elementwise, scopeOf } from './base.js';
import { refusal } from './refusals.js';
import { isHandle } from './value.js';

/** @typedef {import('../../errors.js').DynakernelError} DynakernelError */
/** @typedef {import('./base.js').BaseLayers} BaseLayers */
/** @typedef {import('./base.js').LayerOptions} LayerOptions */
/** @typedef {import('./value.js').NetworkValue} NetworkValue */

/** Arithmetic. Shapes of two tensors are broadcast as in PyTorch, and one of the two may be a number. */
export class ArithmeticLayers extends ActivationLayers {
  static {
    guardClass(this, 'ArithmeticLayers');
  }

  /**
   * a + b.
   *
   * @param {NetworkValue | number} a
   * @param {NetworkValue | number} b
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   * @example
   * x = g.relu(g.add(x, shortcut));
   */
  add(a, b, options) {
    return binary(this, 'add', 'add', a, b, options);
  }

  /**
   * a - b.
   *
   * @param {NetworkValue | number} a
   * @param {NetworkValue | number} b
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  sub(a, b, options) {
    return binary(this, 'sub', 'subtract', a, b, options);
  }

  /**
   * a * b.
   *
   * @param {NetworkValue | number} a
   * @param {NetworkValue | number} b
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   * @example
   * x = g.mul(x, g.sigmoid(scale)); // x [N, C, H, W], scale [N, C, 1, 1]
   */
  mul(a, b, options) {
    return binary(this, 'mul', 'multiply', a, b, options);
  }

  /**
   * a / b.
   *
   * @param {NetworkValue | number} a
   * @param {NetworkValue | number} b
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  div(a, b, options) {
    return binary(this, 'div', 'divide', a, b, options);
  }

  /**
   * The smaller of a and b, element by element.
   *
   * @param {NetworkValue | number} a
   * @param {NetworkValue | number} b
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  minimum(a, b, options) {
    return binary(this, 'minimum', 'minimum', a, b, options);
  }

  /**
   * The greater of a and b, element by element.
   *
   * @param {NetworkValue | number} a
   * @param {NetworkValue | number} b
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  maximum(a, b, options) {
    return binary(this, 'maximum', 'maximum', a, b, options);
  }

  /**
   * a to the power of b.
   *
   * @param {NetworkValue | number} a
   * @param {NetworkValue | number} b
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  pow(a, b, options) {
    return binary(this, 'pow', 'power', a, b, options);
  }

  /**
   * e to the power of x.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  exp(x, options) {
    return elementwise(this, 'exp', x, options, 'exp');
  }

  /**
   * The natural logarithm.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  log(x, options) {
    return elementwise(this, 'log', x, options, 'log');
  }

  /**
   * The square root.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  sqrt(x, options) {
    return elementwise(this, 'sqrt', x, options, 'sqrt');
  }

  /**
   * -x.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  neg(x, options) {
    return elementwise(this, 'neg', x, options, 'negate');
  }

  /**
   * The absolute value.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  abs(x, options) {
    return elementwise(this, 'abs', x, options, 'abs');
  }

  /**
   * 1 / x.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  reciprocal(x, options) {
    return elementwise(this, 'reciprocal', x, options, 'reciprocal');
  }

  /**
   * The error function.
   *
   * @param {NetworkValue} x
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   */
  erf(x, options) {
    return elementwise(this, 'erf', x, options, 'erf');
  }

  /**
   * Products of matrices: a [..., M, K], b [..., K, L] -> [..., M, L]. The other dimensions are broadcast.
   *
   * @param {NetworkValue} a
   * @param {NetworkValue} b
   * @param {LayerOptions} [options]
   * @returns {NetworkValue}
   * @throws {DynakernelError} ERR_SHAPE
   * @example
   * const scores = g.softmax(g.matmul(q, g.permute(k, { dims: [0, 2, 1] })), { dim: -1 });
   */
  matmul(a, b, options) {
    const scope = scopeOf(this);
    const { name } = scope.options('matmul', options, []);
    const values = [scope.value(a, 'matmul: a'), scope.value(b, 'matmul: b')];
    return scope.handle(scope.emit('matmul', name ?? 'matmul', values));
  }
}

/**
 * Adds a layer of two tensors, or of a tensor and a number.
 *
 * @param {BaseLayers} layers
 * @param {string} layer
 * @param {string} op
 * @param {unknown} a
 * @param {unknown} b
 * @param {unknown} options
 */
function binary(layers, layer, op, a, b, options) {
  const scope = scopeOf(layers);
  const { name } = scope.options(layer, options, []);
  if (typeof a === 'number' && typeof b === 'number') {
    throw refusal(`${layer} needs a tensor; got the numbers ${given(a)} and ${given(b)}`);
  }
  const inputs = [a, b].map((operand, i) => {
    if (typeof operand === 'number') return scope.constant([operand]);
    if (isHandle(operand)) return scope.value(operand, `${layer}: ${'ab'[i]}`);
    throw refusal(`${layer}: ${'ab'[i]} must be a number, an input of the network or what a ` +
      `layer returns; got ${given(operand)}`);
  });
  return scope.handle(scope.emit(op, name ?? layer, inputs));
}
