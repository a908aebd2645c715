/** Dynamic convolutions: kernels that depend on the image. */
import { MAX_ELEMENTS } from '../../abi.js';
import { guardClass } from '../../boundary.js';
import { integer, real } from '../../check.js';
import { shapeText, sizeOf } from '../../shape.js';
import { attend, readTemperature, within } from './attention.js';
import { scopeOf } from './base.js';
import { ConvolutionLayers } from './convolutions.js';
import { constant, kaimingNormal, kaimingUniform, layerDefault } from './initialise.js';
import { shapeRefusal } from './refusals.js';
import { CONVOLUTION_NAMES, imageChannels, readConvolution } from './windows.js';

/** @typedef {import('../../errors.js').DynakernelError} DynakernelError */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./convolutions.js').Conv2dOptions} Conv2dOptions */
/** @typedef {import('./initialise.js').Fill} Fill */
/** @typedef {import('./scope.js').Scope} Scope */
/** @typedef {import('./value.js').NetworkValue} NetworkValue */
/** @typedef {import('./windows.js').Convolution} Convolution */
/** @typedef {import('./windows.js').Pair} Pair */
/** @typedef {import('./windows.js').Padding} Padding */

/**
 * @typedef {object} AttentionLayerOptions
 * @property {string} name of the layer, before the names of its parameters
 * @property {number} [numKernels] K (4)
 * @property {number} [reduction] there are C / reduction hidden channels, rounded down (4)
 * @property {number} [midChannels] hidden channels. By default K if C is 3, or else C / reduction, at least 1
 */

/** @typedef {Conv2dOptions & { numKernels?: number }} AggregationLayerOptions */

/** @typedef {AggregationLayerOptions & AttentionLayerOptions} BlockLayerOptions */

/** What every layer with a name and kernels needs. */
const REQUIRED = ['name', 'outChannels', 'kernelSize'];

const ATTENTION_NAMES = ['numKernels', 'reduction', 'midChannels'];

/** Dynamic convolutions. x is [N, C, H, W]. */
export class DynamicLayers extends ConvolutionLayers {
  static {
    guardClass(this, 'DynamicLayers');
  }

  /**
   * Dite-HRNet's block: an attention branch weighs K kernels, and x is convolved with their mixture. Parameters:
   * `${name}.attention.*` and `${name}.aggregation.*`.
   *
   * @param {NetworkValue} x
   * @param {BlockLayerOptions} options
   * @returns {NetworkValue} [N, O, Ho, Wo]
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   * @example
   * x = g.dynamicKernelAggregation(x, { name: 'stem.3', outChannels: 32, kernelSize: 3, padding: 1 });
   */
  dynamicKernelAggregation(x, options) {
    const scope = scopeOf(this);
    const layer = 'dynamicKernelAggregation';
    const read = scope.options(layer, options, [...CONVOLUTION_NAMES, ...ATTENTION_NAMES], REQUIRED);
    const value = scope.value(x, `${layer}: x`);
    const convolution = readConvolution(layer, value.shape, read);
    const a = kernelAttention(scope, layer, value, { ...read, name: within(read.name, 'attention') });
    return scope.handle(aggregate(scope, layer, value, a, convolution, read, within(read.name, 'aggregation')));
  }

  /**
   * The attention branch of the block alone: mean, 1x1 convolution, batch norm, ReLU, 1x1 convolution, sigmoid.
   *
   * @param {NetworkValue} x
   * @param {AttentionLayerOptions} options
   * @returns {NetworkValue} [N, K]
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   */
  kernelAttention(x, options) {
    const scope = scopeOf(this);
    const read = scope.options('kernelAttention', options, ATTENTION_NAMES, ['name']);
    const value = scope.value(x, 'kernelAttention: x');
    return scope.handle(kernelAttention(scope, 'kernelAttention', value, read));
  }

  /**
   * The block's mixing and convolution, with an attention from elsewhere.
   *
   * @param {NetworkValue} x
   * @param {NetworkValue} attention [N, K]
   * @param {AggregationLayerOptions} options
   * @returns {NetworkValue} [N, O, Ho, Wo]
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   */
  kernelAggregation(x, attention, options) {
    const scope = scopeOf(this);
    const layer = 'kernelAggregation';
    const read = scope.options(layer, options, [...CONVOLUTION_NAMES, 'numKernels'], REQUIRED);
    const value = scope.value(x, `${layer}: x`);
    const a = scope.value(attention, `${layer}: attention`);
    const convolution = readConvolution(layer, value.shape, read);
    return scope.handle(aggregate(scope, layer, value, a, convolution, read, read.name));
  }

  /**
   * DyConv (Chen et al., CVPR 2020): a softmax with a temperature weighs K kernels. Parameters:
   * `${name}.attention.fc1.weight`, `${name}.attention.fc2.{weight,bias}`, `${name}.weight`, `${name}.bias`.
   *
   * @param {NetworkValue} x
   * @param {AggregationLayerOptions & { ratio?: number, temperature?: number }} options ratio (0.25), temperature (34)
   * @returns {NetworkValue} [N, O, Ho, Wo]
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   * @example
   * x = g.dyConv2d(x, { name: 'layer1.0.conv2', outChannels: 64, kernelSize: 3, padding: 1, temperature: 1 });
   */
  dyConv2d(x, options) {
    const scope = scopeOf(this);
    const layer = 'dyConv2d';
    const read = scope.options(layer, options, [...CONVOLUTION_NAMES, 'numKernels', 'ratio', 'temperature'], REQUIRED);
    const { name, ratio = 0.25, numKernels = 4, temperature = 34 } = read;
    const value = scope.value(x, `${layer}: x`);
    const convolution = readConvolution(layer, value.shape, read);
    const { C } = convolution;
    const K = integer(numKernels, `${layer}: numKernels`, 1, MAX_ELEMENTS);
    const share = real(ratio, `${layer}: ratio`, '0 or more', (number) => number >= 0);
    const degree = readTemperature(layer, temperature);
    const path = within(name, 'attention');
    const { kernels } = attend(scope, value, {
      name: path, temperature: degree, softmax: true,
      hidden: { path: within(path, 'fc1'), length: C === 3 ? K : Math.floor(C * share) + 1 },
      heads: { kernels: { path: within(path, 'fc2'), length: K } },
    });
    return scope.handle(aggregate(scope, layer, value, kernels, convolution, read, name));
  }

  /**
   * CondConv (Yang et al., NeurIPS 2019), with the weights of its experts from elsewhere. Parameters: `${name}.weight`,
   * `${name}.bias`, stored as in timm.
   *
   * @param {NetworkValue} x
   * @param {NetworkValue} routing [N, K], such as g.routing() makes
   * @param {Conv2dOptions & { numExperts?: number }} options numExperts: K (4); bias (false)
   * @returns {NetworkValue} [N, O, Ho, Wo]
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   * @example
   * const weights = g.routing(x, { name: 'block.routing_fn', numExperts: 4 });
   * x = g.condConv2d(x, weights, { name: 'block.conv_pw', outChannels: 96, kernelSize: 1 });
   */
  condConv2d(x, routing, options) {
    const scope = scopeOf(this);
    const layer = 'condConv2d';
    const read = scope.options(layer, options, [...CONVOLUTION_NAMES, 'numExperts'], REQUIRED);
    const { name, bias = false, numExperts = 4 } = read;
    const value = scope.value(x, `${layer}: x`);
    const a = scope.value(routing, `${layer}: routing`);
    const convolution = readConvolution(layer, value.shape, { ...read, bias });
    const K = integer(numExperts, `${layer}: numExperts`, 1, MAX_ELEMENTS);
    const { shape, fanIn } = kernelsOf(convolution, K);
    const fill = layerDefault(fanIn);
    const weight = scope.parameter(name, 'weight', [K, convolution.O * fanIn], fill, shape);
    const biases = convolution.bias ? scope.parameter(name, 'bias', [K, convolution.O], fill) : null;
    return scope.handle(scope.emit('dynamicConv2d', name, [value, a, weight, biases], convolution.attributes));
  }

  /**
   * The weights of CondConv's experts: sigmoid(linear(mean of x)). One routing may serve several convolutions.
   *
   * @param {NetworkValue} x
   * @param {{ name: string, numExperts?: number }} options numExperts (4)
   * @returns {NetworkValue} [N, numExperts]
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   */
  routing(x, options) {
    const scope = scopeOf(this);
    const { name, numExperts = 4 } = scope.options('routing', options, ['numExperts'], ['name']);
    const value = scope.value(x, 'routing: x');
    imageChannels('routing', value.shape);
    const K = integer(numExperts, 'routing: numExperts', 1, MAX_ELEMENTS);
    const { kernels } = attend(scope, value, { name, form: 'linear', heads: { kernels: { path: name, length: K } } });
    return scope.handle(/** @type {Value} */ (kernels));
  }

  /**
   * ODConv (Li et al., ICLR 2022): attention over kernels, input channels, output channels and taps. Parameters:
   * `${name}.attention.*` and `${name}.weight`.
   *
   * @param {NetworkValue} x
   * @param {Omit<Conv2dOptions, 'bias'> & { numKernels?: number, reduction?: number, temperature?: number }} options
   *   numKernels (4), reduction (0.0625), temperature (1)
   * @returns {NetworkValue} [N, O, Ho, Wo]
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   * @example
   * x = g.odConv2d(x, { name: 'layer1.0.conv1', outChannels: 64, kernelSize: 3, padding: 1 });
   */
  odConv2d(x, options) {
    const scope = scopeOf(this);
    const layer = 'odConv2d';
    const names = CONVOLUTION_NAMES.filter((option) => option !== 'bias');
    const read = scope.options(layer, options, [...names, 'numKernels', 'reduction', 'temperature'], REQUIRED);
    const { name, numKernels = 4, reduction = 0.0625, temperature = 1 } = read;
    const value = scope.value(x, `${layer}: x`);
    const convolution = readConvolution(layer, value.shape, { ...read, bias: false });
    const { C, O, kernel, attributes: { groups } } = convolution;
    const K = integer(numKernels, `${layer}: numKernels`, 1, MAX_ELEMENTS);
    const share = real(reduction, `${layer}: reduction`, '0 or more', (number) => number >= 0);
    const degree = readTemperature(layer, temperature);
    const taps = sizeOf(kernel);

    // the attentions that the authors leave out are 1
    const path = within(name, 'attention');
    const part = (/** @type {string} */ own, /** @type {number} */ length) => ({ path: within(path, own), length });
    const a = attend(scope, value, {
      name: path, temperature: degree, softmax: true,
      hidden: part('fc', Math.max(Math.floor(C * share), 16)), batchNorm: within(path, 'bn'),
      heads: {
        kernels: K > 1 ? part('kernel_fc', K) : null,
        outputs: C !== groups || C !== O ? part('filter_fc', O) : null,
        inputs: part('channel_fc', C),
        taps: taps > 1 ? part('spatial_fc', taps) : null,
      },
    });
    const weight = scope.parameter(name, 'weight', [K, O, C / groups, ...kernel], kaimingNormal(O * taps));
    const inputs = [value, a.kernels, weight, null, a.outputs, a.inputs, a.taps];
    return scope.handle(scope.emit('dynamicConv2d', name || layer, inputs, convolution.attributes));
  }

  /**
   * A convolution with kernels that are computed in the network, for each sample or for all.
   *
   * @param {NetworkValue} x
   * @param {NetworkValue} weight [N, O, C/G, Rh, Rw] or [O, C/G, Rh, Rw]
   * @param {{ name?: string, bias?: NetworkValue, stride?: Pair, padding?: Padding | 'same', dilation?: Pair,
   *   groups?: number }} [options] bias: [N, O] or [O] (none)
   * @returns {NetworkValue} [N, O, Ho, Wo]
   * @throws {DynakernelError} ERR_CONFIG, ERR_SHAPE
   * @example
   * const kernels = g.reshape(g.linear(code, { name: 'hyper', outFeatures: 8 * 9 }), { shape: [N, 8, 1, 3, 3] });
   * x = g.dynamicConvolution(x, kernels, { padding: 1, groups: 8 });
   */
  dynamicConvolution(x, weight, options) {
    const scope = scopeOf(this);
    const layer = 'dynamicConvolution';
    const read = scope.options(layer, options, ['bias', 'stride', 'padding', 'dilation', 'groups']);
    const { name = layer, bias } = read;
    const value = scope.value(x, `${layer}: x`);
    const kernels = scope.value(weight, `${layer}: weight`);
    const rank = kernels.shape.length;
    if (rank !== 4 && rank !== 5) {
      throw shapeRefusal(`${layer}: weight must be [N, O, C/G, Rh, Rw] or [O, C/G, Rh, Rw]; ` +
        `got ${shapeText(kernels.shape)}`);
    }
    const [O, , ...kernelSize] = kernels.shape.slice(rank - 4);
    const { attributes } = readConvolution(layer, value.shape, { ...read, bias: false, outChannels: O, kernelSize });
    if (bias === undefined) return scope.handle(scope.emit('conv2d', name, [value, kernels], attributes));

    // a bias for each sample is no input of the op: it is added
    const y = scope.emit('conv2d', `${name}.conv2d`, [value, kernels], attributes);
    const biases = scope.value(bias, `${layer}: bias`);
    const { shape } = biases;
    if (shape[shape.length - 1] !== O || shape.length > 2) {
      throw shapeRefusal(`${layer}: bias must be [N, ${O}] or [${O}]; got ${shapeText(shape)}`);
    }
    const spread = scope.emit('reshape', name, [biases], { shape: [...shape, 1, 1] });
    return scope.handle(scope.emit('add', name, [y, spread]));
  }
}

/**
 * The attention branch of the block.
 *
 * @param {Scope} scope
 * @param {string} layer for messages
 * @param {Value} x
 * @param {{ [name: string]: any }} options
 */
function kernelAttention(scope, layer, x, { name, numKernels = 4, reduction = 4, midChannels }) {
  const C = imageChannels(layer, x.shape);
  const K = integer(numKernels, `${layer}: numKernels`, 1, MAX_ELEMENTS);
  const divisor = integer(reduction, `${layer}: reduction`, 1, MAX_ELEMENTS);
  const usual = C === 3 ? K : Math.max(1, Math.floor(C / divisor));
  const M = integer(midChannels ?? usual, `${layer}: midChannels`, 1, MAX_ELEMENTS);
  const { kernels } = attend(scope, x, {
    name, hidden: { path: within(name, 'conv1'), length: M }, batchNorm: within(name, 'bn'),
    heads: { kernels: { path: within(name, 'conv2'), length: K } },
  });
  return /** @type {Value} */ (kernels);
}

/**
 * Makes K kernels and their biases, and convolves with their mixture.
 *
 * @param {Scope} scope
 * @param {string} layer for messages
 * @param {Value} x
 * @param {Value | null} a [N, K]
 * @param {Convolution} convolution
 * @param {{ [name: string]: any }} options
 * @param {string} path of the parameters
 */
function aggregate(scope, layer, x, a, convolution, { name, numKernels = 4 }, path) {
  const K = integer(numKernels, `${layer}: numKernels`, 1, MAX_ELEMENTS);
  const { shape, fanIn } = kernelsOf(convolution, K);
  const weight = scope.parameter(path, 'weight', shape, kaimingUniform(fanIn));
  const biases = convolution.bias ? scope.parameter(path, 'bias', [K, convolution.O], constant(0)) : null;
  return scope.emit('dynamicConv2d', name || layer, [x, a, weight, biases], convolution.attributes);
}

/**
 * The shape of K kernels, [K, O, C/G, Rh, Rw], and the inputs of one output element.
 *
 * @param {Convolution} convolution
 * @param {number} K
 */
function kernelsOf({ C, O, kernel, attributes }, K) {
  const depth = C / attributes.groups;
  return { shape: [K, O, depth, ...kernel], fanIn: depth * sizeOf(kernel) };
}
