/** The handle of a tensor in a network that is being built. */
import { guardClass, rememberSelf } from '../../boundary.js';
import { given } from '../../errors.js';
import { refusal } from './refusals.js';

/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./scope.js').Scope} Scope */

/** Handles have no heap. */
const NO_HEAP = { close() {} };

/**
 * A tensor that a network will compute: an input, or what a layer returns. It has a shape, but no numbers yet.
 */
export class NetworkValue {
  #scope;
  #value;

  static {
    guardClass(this, 'NetworkValue');
  }

  /**
   * @hideconstructor
   * @param {Scope} scope
   * @param {Value} value
   */
  constructor(scope, value) {
    rememberSelf(this, NO_HEAP);
    this.#scope = scope;
    this.#value = value;
  }

  /**
   * The graph's value behind a handle of this scope.
   *
   * @internal
   * @param {Scope} scope
   * @param {unknown} handle
   * @param {string} what for messages
   * @returns {Value}
   */
  static unwrap(scope, handle, what) {
    if (!NetworkValue.isHandle(handle)) {
      throw refusal(`${what} must be an input of the network or what a layer returns; got ${given(handle)}`);
    }
    if (handle.#scope !== scope) {
      throw refusal(`${what} belongs to another network`);
    }
    return handle.#value;
  }

  /**
   * @internal
   * @param {unknown} handle
   * @returns {handle is NetworkValue}
   */
  static isHandle(handle) {
    return typeof handle === 'object' && handle !== null && #value in handle;
  }

  /**
   * The lengths of its dimensions: [N, C, H, W] for images.
   *
   * @returns {number[]}
   */
  get shape() {
    return [...this.#value.shape];
  }
}

/** The internal methods, as functions. */
export const { unwrap, isHandle } = NetworkValue;
