/** Recognises dynamic convolutions: those whose kernels are computed. */
import { layerNames } from './layer-names.js';
import { biasMixture, factorMatrix, isSameAttention, kernelMixture, kernelsOf, mainConstant } from './mixture.js';
import { withoutPadding } from './padding.js';
import { channelScale, isUsedOnceBackTo, scaledImage, withoutLast } from './scales.js';

/** @typedef {import('../graph.js').Node} Node */
/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./mixture.js').Mixture} Mixture */
/** @typedef {import('./rewriter.js').Rewriter} Rewriter */

/**
 * A convolution with computed kernels: a dynamic one if it can be, else one with a runtime kernel. A batch that was
 * folded into groups becomes a batch again.
 *
 * @param {Node} before
 * @param {Rewriter} r
 * @returns {Value | null}
 */
export function recogniseDynamic(before, r) {
  if (before.op !== 'conv2d') return null;
  const node = withoutPadding(before, r);
  const [x, weight, bias = null] = /** @type {Value[]} */ (node.inputs);
  const { attributes, name } = node;
  const { shape } = before.outputs[0];
  if (weight.constant && (!bias || bias.constant)) {
    return node === before ? null : r.add('conv2d', name, node.inputs, attributes);
  }
  if (weight.constant) return withBias(r.add('conv2d', name, [x, weight], attributes), bias, name, r);

  const found = findKernels(node, r);
  if (found) {
    const { y, bias: rest } = makeDynamic(node, found, r);
    return withBias(r.reshape(y, shape, name), rest, name, r);
  }

  // a batch of the kernels: a reshape of the input folded it into the channels
  const N = foldedBatch(x, r);
  if (N === 1 || !fitsBatch(node, N)) {
    if (!bias && node === before) return null;
    return withBias(r.add('conv2d', name, [x, weight], attributes), bias, name, r);
  }
  const images = r.reshape(x, [N, x.shape[1] / N, x.shape[2], x.shape[3]], name);
  const kernels = r.reshape(weight, [N, weight.shape[0] / N, ...weight.shape.slice(1)], name);
  const y = r.add('conv2d', name, [images, kernels], { ...attributes, groups: attributes.groups / N });
  return withBias(r.reshape(y, shape, name), bias, name, r);
}

/**
 * Adds a bias after a convolution.
 *
 * @param {Value} y
 * @param {Value | null} bias
 * @param {string} name
 * @param {Rewriter} r
 */
const withBias = (y, bias, name, r) =>
  (bias ? r.add('add', `${name}/bias`, [y, r.reshape(bias, [bias.shape[0], 1, 1], name)]) : y);

/**
 * The samples that a reshape folded into the channels of an image.
 *
 * @param {Value} x
 * @param {Rewriter} r
 */
function foldedBatch(x, r) {
  if (x.shape[0] !== 1) return 1;
  const { shape } = r.beforeReshape(x);
  const [N, C, H, W] = shape;
  return shape.length === 4 && N * C === x.shape[1] && H === x.shape[2] && W === x.shape[3] ? N : 1;
}

/**
 * Whether the channels and groups of a convolution may be those of N samples.
 *
 * @param {Node} node
 * @param {number} N
 */
const fitsBatch = ({ inputs: [x, weight], attributes: { groups } }, N) =>
  /** @type {Value} */ (x).shape[1] % N === 0 && /** @type {Value} */ (weight).shape[0] % N === 0 && groups % N === 0;

/**
 * The mixture that the kernels of a convolution of one image are.
 *
 * @param {Node} node
 * @param {Rewriter} r
 * @returns {Mixture | null}
 */
function findKernels(node, r) {
  const [x, weight] = /** @type {Value[]} */ (node.inputs);
  if (x.shape[0] !== 1) return null;
  // the samples are those of the images, or the rows of what the kernels were before a reshape
  const counts = new Set([foldedBatch(x, r)]);
  for (let value = weight, maker = r.maker(value, 'reshape'); maker; maker = r.maker(value, 'reshape')) {
    value = /** @type {Value} */ (maker.inputs[0]);
    counts.add(value.shape[0] ?? 1);
  }
  for (const N of counts) {
    const found = fitsBatch(node, N) ? kernelMixture(weight, N, node.attributes.groups / N, r) : null;
    if (found) return found;
  }
  return null;
}

/**
 * @param {Node} node
 * @param {Mixture} mixture
 * @param {Rewriter} r
 * @returns {{ y: Value, bias: Value | null }} the bias that is left to add
 */
function makeDynamic(node, mixture, r) {
  const [x, weight, bias = null] = /** @type {Value[]} */ (node.inputs);
  const { N, K } = mixture;
  const [, channels, H, W] = x.shape;
  const [outputs, depth, ...taps] = weight.shape;
  const [C, O] = [channels / N, outputs / N];

  // the bias is a mixture by the same attention, or added afterwards
  const other = bias && biasMixture(bias, N, r);
  const biases = other && isSameAttention(other, mixture, r) ? other : null;
  const names = layerNames(node.name, mainConstant(mixture).stateName, biases ? mainConstant(biases).stateName : undefined);
  const { layer } = names;

  // a scale of the input channels is one of the kernels, if nothing else needs the scaled image
  const images = r.reshape(x, [N, C, H, W], node.name);
  const scaled = isUsedOnceBackTo(x, r.beforeReshape(x), r) ? scaledImage(r.beforeReshape(x), [N, C, H, W], r) : null;
  const inner = factorMatrix(mixture, 'inputs', layer, r);
  const outer = scaled && channelScale(scaled.scale, N, layer, r);
  const inputs = [
    scaled?.x ?? images, factorMatrix(mixture, 'kernels', layer, r),
    kernelsOf(mixture, [K, O, depth, ...taps], names.weight, r),
    biases ? kernelsOf(biases, [K, O], names.bias, r) : null,
    factorMatrix(mixture, 'outputs', layer, r),
    inner && outer ? r.add('multiply', `${layer}/multiply`, [inner, outer]) : inner ?? outer,
    factorMatrix(mixture, 'taps', layer, r),
  ];
  const y = r.add('dynamicConv2d', layer, withoutLast(inputs), { ...node.attributes, groups: node.attributes.groups / N });
  return { y, bias: biases ? null : bias };
}
