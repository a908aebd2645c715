/** Dynamic convolutions: kernels that depend on the image. */
import { MAX_ELEMENTS } from '../../abi.js';
import { guardClass } from '../../boundary.js';
import { integer, real } from '../../check.js';
import { shapeText, sizeOf } from '../../shape.js';
import { scopeOf } from './base.js';
import { ConvolutionLayers, linear } from './convolutions.js';
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

/** The epsilon of every batch norm of an attention branch. */
const EPS = 1e-5;

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
    const hidden = C === 3 ? K : Math.floor(C * share) + 1;
    const fc1 = pointwise(scope, path, 'fc1', pooled(scope, path, value), hidden, { bias: false });
    const logits = pointwise(scope, path, 'fc2', scope.emit('relu', path, [fc1]), K);
    const a = softened(scope, path, logits, degree);
    return scope.handle(aggregate(scope, layer, value, a, convolution, read, name));
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
    const logits = linear(scope, name, name, pooled(scope, name, value), K, true);
    return scope.handle(scope.emit('sigmoid', name, [logits]));
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

    // z = ReLU(BN(fc(mean x)))
    const path = within(name, 'attention');
    const hidden = Math.max(Math.floor(C * share), 16);
    const fc = pointwise(scope, path, 'fc', pooled(scope, path, value), hidden, { bias: false });
    const statistics = scope.batchNorm(within(path, 'bn'), hidden);
    const z = scope.emit('relu', path, [scope.emit('batchNorm', path, [fc, ...statistics], { eps: EPS })]);

    const gate = (/** @type {string} */ part, /** @type {number} */ length, /** @type {number[]} */ shape) => {
      const logits = cooled(scope, path, pointwise(scope, path, part, z, length), degree);
      const shares = scope.emit('sigmoid', path, [logits]);
      return scope.emit('reshape', path, [shares], { shape: [value.shape[0], ...shape] });
    };

    // the kernels of each sample as [N, G, O/G, C/G, taps], and the attentions in shapes that fit; those that the
    // authors leave out are 1
    const parts = [groups, O / groups, C / groups, taps];
    const factors = [gate('channel_fc', C, [groups, 1, C / groups, 1])];
    if (C !== groups || C !== O) factors.push(gate('filter_fc', O, [groups, O / groups, 1, 1]));
    if (taps > 1) factors.push(gate('spatial_fc', taps, [1, 1, 1, taps]));
    const a = K > 1 ? softened(scope, path, pointwise(scope, path, 'kernel_fc', z, K), degree) : null;
    if (a) scope.builder.attentions.push({ name, value: a });
    const fill = kaimingNormal(O * taps);
    const weight = scope.parameter(name, 'weight', [K, O, C / groups, ...kernel], fill, [K, sizeOf(parts)]);
    const mixture = a ? scope.emit('matmul', path, [a, weight]) : weight;
    const kernels = factors.reduce((product, factor) => scope.emit('multiply', path, [product, factor]),
      scope.emit('reshape', path, [mixture], { shape: [mixture.shape[0], ...parts] }));
    const shaped = scope.emit('reshape', path, [kernels], { shape: [value.shape[0], O, C / groups, ...kernel] });
    return scope.handle(scope.emit('conv2d', name, [value, shaped], convolution.attributes));
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
 * @param {string} path
 * @param {string} name
 */
const within = (path, name) => (path === '' ? name : `${path}.${name}`);

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
  const conv1 = scope.parameter(within(name, 'conv1'), 'weight', [M, C, 1, 1], kaimingNormal(M), [M, C]);
  const bn = scope.batchNorm(within(name, 'bn'), M);
  const conv2 = within(name, 'conv2');
  const weight = scope.parameter(conv2, 'weight', [K, M, 1, 1], kaimingNormal(K), [K, M]);
  const bias = scope.parameter(conv2, 'bias', [K], constant(0));
  return scope.emit('kernelAttention', name, [x, conv1, ...bn, weight, bias], { eps: EPS });
}

/**
 * Makes K kernels and their biases, and convolves with their mixture.
 *
 * @param {Scope} scope
 * @param {string} layer for messages
 * @param {Value} x
 * @param {Value} a [N, K]
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

/**
 * The mean of each channel: [N, C].
 *
 * @param {Scope} scope
 * @param {string} name
 * @param {Value} x
 */
const pooled = (scope, name, x) => scope.emit('reduceMean', name, [x], { axes: [2, 3], keepDims: false });

/**
 * A 1x1 convolution of an image of one pixel, [N, I] -> [N, O], initialised as attention branches are.
 *
 * @param {Scope} scope
 * @param {string} path
 * @param {string} part
 * @param {Value} z
 * @param {number} O
 * @param {{ bias: boolean }} [options]
 */
function pointwise(scope, path, part, z, O, { bias } = { bias: true }) {
  const full = within(path, part);
  const I = z.shape[1];
  const weight = scope.parameter(full, 'weight', [O, I, 1, 1], kaimingNormal(O), [O, I]);
  const biases = bias ? [scope.parameter(full, 'bias', [O], constant(0))] : [];
  return scope.emit('linear', full, [z, weight, ...biases]);
}

/**
 * @param {string} layer
 * @param {unknown} temperature
 */
const readTemperature = (layer, temperature) =>
  real(temperature, `${layer}: temperature`, 'more than 0', (number) => number > 0);

/**
 * Logits divided by a temperature.
 *
 * @param {Scope} scope
 * @param {string} name
 * @param {Value} logits
 * @param {number} temperature
 */
const cooled = (scope, name, logits, temperature) =>
  (temperature === 1 ? logits : scope.emit('divide', name, [logits, scope.constant([temperature])]));

/**
 * The softmax with a temperature.
 *
 * @param {Scope} scope
 * @param {string} name
 * @param {Value} logits [N, K]
 * @param {number} temperature
 */
const softened = (scope, name, logits, temperature) =>
  scope.emit('softmax', name, [cooled(scope, name, logits, temperature)], { axis: 1 });
