/** CondConv: kernels mixed by a routing that may serve several convolutions. */
import { INITIALISATION } from './abi.js';
import { Aggregation } from './aggregation.js';
import { Attention } from './attention.js';
import { guardClass } from './boundary.js';
import { weightShape } from './config.js';
import { handleOf } from './module.js';
import { sizeOf } from './shape.js';


/** @typedef {import('./config.js').AggregationConfig} AggregationConfig */
/** @typedef {import('./config.js').AttentionSettings} AttentionSettings */
/** @typedef {import('./config-family.js').CondConv2dConfig} CondConv2dConfig */
/** @typedef {import('./config-family.js').RoutingConfig} RoutingConfig */
/** @typedef {import('./heap.js').Floats} Floats */
/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * The convolution of CondConv (Yang et al., NeurIPS 2019). forward(x, routing) takes the routing [N, K] that a Routing
 * computes. dk.condConv2d makes one.
 *
 * A state dict has the kernels as timm stores them, [K, O * C/G * Rh * Rw]. loadStateDict takes
 * [K, O, C/G, Rh, Rw] too.
 */
export class CondConv2d extends Aggregation {
  #config;
  /** The routing of the latest forward pass.
   * @type {Floats | null} */
  #latest = null;

  static {
    guardClass(this, 'CondConv2d');
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {{ config: CondConv2dConfig, aggregation: AggregationConfig }} settings
   */
  constructor(heap, { config, aggregation }) {
    const stored = weightShape(aggregation);
    const [K, ...kernel] = stored;
    super(heap, aggregation, {
      kind: 'CondConv2d', initialisation: INITIALISATION.linear, shown: [K, sizeOf(kernel)], stored,
    }, { call: 'condConv2d', attention: 'routing' });
    this.#config = config;
  }

  /** The configuration with all defaults filled in. */
  get config() {
    return this.#config;
  }

  /**
   * x [N, C, H, W], routing [N, K] -> [N, O, Ho, Wo], with
   * Ho = floor((H + 2 * padding - dilation * (Rh - 1) - 1) / stride) + 1, and Wo likewise. Of pairs, Ho
   * takes the vertical numbers and Wo the horizontal ones. With padding 'same', Ho = ceil(H / stride).
   *
   * @override
   * @param {Tensor} x
   * @param {Tensor} routing the share of each kernel in each image's mixture
   * @param {{ out?: Tensor | undefined }} [options] out: a tensor [N, O, Ho, Wo] to write into,
   *   instead of a new one
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_SHAPE; ERR_CONFIG if an argument is not a tensor of this runtime, out
   *   is an input, or the requested algorithm does not support the configuration; ERR_MEMORY;
   *   ERR_DISPOSED
   * @example
   * const routing = dk.routing({ channels: 16 });
   * const a = routing.forward(x);
   * const y = second.forward(first.forward(x, a), a); // two convolutions share it
   */
  forward(x, routing, options) {
    void this.#config; // read first: this refuses another object as `this`
    const y = super.forward(x, routing, options);
    this.#latest = routing.toArray();
    return y;
  }

  /**
   * A copy of the routing of the latest forward pass, [N * K], or null before the first.
   *
   * @returns {Floats | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * conv.forward(x, routing.forward(x)); // [1, C, H, W], 4 kernels
   * console.log(conv.lastAttention); // Float32Array(4) [0.31, 0.87, 0.52, 0.44]
   */
  get lastAttention() {
    handleOf(this);
    return this.#latest && this.#latest.slice();
  }
}

/**
 * The routing of CondConv: sigmoid(weight * mean(x) + bias), the share of each kernel. dk.routing makes one.
 */
export class Routing extends Attention {
  #config;
  /** The result of the latest forward pass.
   * @type {Floats | null} */
  #latest = null;

  static {
    guardClass(this, 'Routing');
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {{ config: RoutingConfig, attention: AttentionSettings }} settings
   */
  constructor(heap, { config, attention }) {
    super(heap, 'Routing', 'routing', attention);
    this.#config = config;
  }

  /** The configuration with all defaults filled in. */
  get config() {
    return this.#config;
  }

  /**
   * x [N, C, H, W] -> routing [N, K], each between 0 and 1.
   *
   * @override
   * @param {Tensor} x
   * @param {{ out?: Tensor | undefined }} [options] out: a tensor [N, K] to write into, instead of
   *   a new one
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_SHAPE; ERR_CONFIG if an argument is not a tensor of this runtime, or out
   *   is the input; ERR_MEMORY; ERR_DISPOSED
   * @example
   * const y = conv.forward(x, routing.forward(x));
   * // backward: two convolutions that share the routing add up their gradients of it
   * const xGradient = conv.backward(gradient);
   * const viaRouting = routing.backward(conv.attentionGradient);
   */
  forward(x, options) {
    void this.#config; // read first: this refuses another object as `this`
    const routing = super.forward(x, options);
    this.#latest = routing.toArray();
    return routing;
  }

  /**
   * A copy of the routing of the latest forward pass, [N * K], or null before the first.
   *
   * @returns {Floats | null}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * routing.forward(x); // [1, C, H, W], 4 kernels
   * console.log(routing.lastAttention); // Float32Array(4) [0.31, 0.87, 0.52, 0.44]
   */
  get lastAttention() {
    handleOf(this);
    return this.#latest && this.#latest.slice();
  }
}
