/** What the classes of layers share. Each class adds layers of one kind to the class before. */
import { guardClass, rememberSelf } from '../../boundary.js';
import { index, integer, readList } from '../../check.js';
import { given } from '../../errors.js';
import { checkShape } from '../graph.js';
import { constant } from './initialise.js';
import { refusal } from './refusals.js';

/** @typedef {import('./scope.js').Scope} Scope */
/** @typedef {import('./value.js').NetworkValue} NetworkValue */
/** @typedef {import('../graph.js').Value} Value */

/**
 * The option of every layer that has no parameters.
 *
 * @typedef {object} LayerOptions
 * @property {string} [name] of the layer in net.layers, and for `keep` (the layer's kind)
 */

/** The layers' state. */
export class BaseLayers {
  #scope;

  static {
    guardClass(this, 'BaseLayers');
  }

  /**
   * @hideconstructor
   * @param {Scope} scope
   */
  constructor(scope) {
    rememberSelf(this, { close() {} }); // layers have no heap
    this.#scope = scope;
  }

  /**
   * @internal
   * @param {BaseLayers} layers
   * @returns {Scope}
   */
  static scopeOf(layers) {
    return layers.#scope;
  }

  /**
   * A parameter of your own, such as a scale that was learned. A network that has it in its state dict without using
   * it calls this too.
   *
   * @param {{ name: string, shape: readonly number[], value?: number }} options name: its whole name in the state dict;
   *   value: of each element at first (0)
   * @returns {NetworkValue}
   * @throws {import('../../errors.js').DynakernelError} ERR_CONFIG, ERR_SHAPE, ERR_MEMORY
   * @example
   * const gamma = g.parameter({ name: 'block.0.gamma', shape: [96, 1, 1], value: 1e-6 });
   * x = g.add(x, g.mul(y, gamma));
   */
  parameter(options) {
    const scope = this.#scope;
    const { name, shape, value = 0 } = scope.options('parameter', options, ['shape', 'value'], ['name', 'shape']);
    const lengths = readList(shape, (length) => typeof length === 'number');
    if (!lengths) throw refusal(`parameter: shape must be an array of lengths; got ${given(shape)}`);
    checkShape(lengths, name);
    if (typeof value !== 'number') {
      throw refusal(`parameter: value must be a number; got ${given(value)}`);
    }
    return scope.handle(scope.parameter('', name, lengths, constant(value)));
  }
}

/** The internal method, as a function. */
export const { scopeOf } = BaseLayers;

/**
 * Adds a layer that changes single elements of one tensor.
 *
 * @param {BaseLayers} layers
 * @param {string} layer
 * @param {unknown} x
 * @param {unknown} options
 * @param {string} op
 * @param {readonly string[]} [names] of options beside `name`
 * @param {(options: { [name: string]: any }) => { [name: string]: any }} [attributesOf]
 */
export function elementwise(layers, layer, x, options, op, names = [], attributesOf = () => ({})) {
  const scope = scopeOf(layers);
  const read = scope.options(layer, options, names);
  const value = scope.value(x, `${layer}: x`);
  return scope.handle(scope.emit(op, read.name ?? layer, [value], attributesOf(read)));
}

/**
 * An axis. A negative one counts from the end.
 *
 * @param {unknown} dim
 * @param {number} rank
 * @param {string} what
 */
export function readAxis(dim, rank, what) {
  if (typeof dim === 'number' && Number.isInteger(dim) && dim < 0 && dim >= -rank) return dim + rank;
  return index(dim, what, rank);
}

/**
 * Different axes, in rising order.
 *
 * @param {unknown} dim one, or a list
 * @param {number} rank
 * @param {string} what
 */
export function readAxes(dim, rank, what) {
  const list = readList(dim, () => true) ?? [dim];
  const axes = list.map((item) => readAxis(item, rank, what)).sort((a, b) => a - b);
  if (axes.length > 0 && axes.every((axis, i) => axis !== axes[i - 1])) return axes;
  throw refusal(`${what} must name each axis once; got ${given(dim)}`);
}

/**
 * A list of whole numbers.
 *
 * @param {unknown} value
 * @param {string} what
 * @param {number} least
 * @param {number} most
 */
export function readIntegers(value, what, least, most) {
  const list = readList(value, () => true);
  if (!list) throw refusal(`${what} must be an array of whole numbers; got ${given(value)}`);
  return list.map((item) => integer(item, what, least, most));
}
