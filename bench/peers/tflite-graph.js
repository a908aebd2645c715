/** The block as TensorFlow Lite models: with runtime filters, or only its convolution with a constant filter. */
import { transpose } from './layout.js';
import { ACTIVATION, NO_TENSOR, PADDING, TfliteWriter } from './tflite-writer.js';

/** @typedef {import('../../web/bench/workload.js').Numbers} Numbers */
/** @typedef {import('../../web/bench/workload.js').State} State */
/** @typedef {import('../../web/bench/workload.js').Workload} Workload */

const EPSILON = 1e-5;

/** True if the models support the workload: a batch would need a filter for each image. @param {Workload} workload */
export const isSupported = ({ N }) => N === 1;

/** Input [1, H, W, C], output [1, Ho, Wo, O]. @param {Workload} workload @param {Numbers} numbers */
export function constantModel(workload, numbers) {
  const { C, O, H, W, K } = workload;
  const writer = new TfliteWriter();
  const x = writer.tensor('x', [1, H, W, C]);
  const attention = attentionOf(workload, numbers);
  const kernels = filterBank(workload, numbers.state);
  const filter = writer.tensor('filter', filterShape(workload), mix(attention, kernels));
  const biases = numbers.state['aggregation.bias']?.data ?? new Float32Array(K * O);
  const bias = writer.tensor('bias', [O], mix(attention, biases));
  return writer.encode([x], [convolution(writer, workload, x, filter, bias)]);
}

/**
 * The whole block: the attention, the mixture of the kernels as a product with their bank, and the convolution.
 * Input [1, H, W, C], output [1, Ho, Wo, O].
 *
 * @param {Workload} workload
 * @param {Numbers} numbers
 */
export function runtimeModel(workload, { state }) {
  const { C, O, H, W, K, M } = workload;
  const writer = new TfliteWriter();
  const x = writer.tensor('x', [1, H, W, C]);
  const pooled = writer.operator('MEAN', [x, writer.tensor('axes', [2], Int32Array.of(1, 2))], [1, C]);
  // batch norm is folded into the first layer, as converters do
  const { weight, offset } = foldedLayer(workload, state);
  const hidden = writer.operator('FULLY_CONNECTED',
    [pooled, writer.tensor('conv1', [M, C], weight), writer.tensor('offset', [M], offset)], [1, M],
    { activation: ACTIVATION.RELU });
  const second = ['weight', 'bias'].map((name) => state[`attention.conv2.${name}`].data);
  const logits = writer.operator('FULLY_CONNECTED',
    [hidden, writer.tensor('conv2', [K, M], second[0]), writer.tensor('conv2_bias', [K], second[1])], [1, K]);
  const attention = writer.operator('LOGISTIC', [logits], [1, K]);
  // the product of the attention with the bank
  const mixture = (/** @type {string} */ name, /** @type {Float32Array} */ bank, /** @type {number[]} */ shape) => {
    const size = bank.length / K;
    const constant = writer.tensor(`${name}_bank`, [size, K], transpose(bank, K, size));
    const mixed = writer.operator('FULLY_CONNECTED', [attention, constant, NO_TENSOR], [1, size]);
    const sizes = writer.tensor(`${name}_shape`, [shape.length], Int32Array.from(shape));
    return writer.operator('RESHAPE', [mixed, sizes], shape, { newShape: shape });
  };
  const filter = mixture('filter', filterBank(workload, state), filterShape(workload));
  const biases = state['aggregation.bias'];
  const bias = biases ? mixture('bias', biases.data, [O]) : writer.tensor('bias', [O], new Float32Array(O));
  return writer.encode([x], [convolution(writer, workload, x, filter, bias)]);
}

/** @param {Workload} workload */
const isDepthwise = ({ C, O, G }) => G > 1 && G === C && G === O;

/** [O, R, R, C/G], or [1, R, R, O] if depthwise. @param {Workload} workload */
const filterShape = (workload) => (isDepthwise(workload)
  ? [1, workload.R, workload.R, workload.O]
  : [workload.O, workload.R, workload.R, workload.C / workload.G]);

/**
 * The kernels in the layout of filters. [K, ...filterShape]
 *
 * @param {Workload} workload
 * @param {State} state
 */
function filterBank(workload, state) {
  const { C, O, G, R, K } = workload;
  const bank = state['aggregation.weight'].data;
  const size = bank.length / K;
  const depth = C / G;
  const result = new Float32Array(bank.length);
  for (let k = 0; k < K; k++) {
    const kernel = bank.subarray(k * size, (k + 1) * size);
    if (isDepthwise(workload)) {
      result.set(transpose(kernel, O, R * R), k * size); // [O, taps] -> [taps, O]
      continue;
    }
    for (let o = 0; o < O; o++) { // [C/G, taps] -> [taps, C/G]
      const filter = kernel.subarray(o * depth * R * R, (o + 1) * depth * R * R);
      result.set(transpose(filter, depth, R * R), k * size + o * depth * R * R);
    }
  }
  return result;
}

/**
 * @param {TfliteWriter} writer
 * @param {Workload} workload
 * @param {number} x
 * @param {number} filter
 * @param {number} bias
 */
function convolution(writer, workload, x, filter, bias) {
  const { C, O, R, H, W, Ho, Wo, stride, padding, dilation } = workload;
  // SAME pads as PyTorch does if nothing is left over; every other padding is an operator
  const isSame = stride === 1 && 2 * padding === dilation * (R - 1);
  let input = x;
  if (padding > 0 && !isSame) {
    const sides = writer.tensor('sides', [4, 2], Int32Array.of(0, 0, padding, padding, padding, padding, 0, 0));
    input = writer.operator('PAD', [x, sides], [1, H + 2 * padding, W + 2 * padding, C]);
  }
  return writer.operator(isDepthwise(workload) ? 'DEPTHWISE_CONV_2D' : 'CONV_2D', [input, filter, bias], [1, Ho, Wo, O], {
    padding: isSame ? PADDING.SAME : PADDING.VALID, strideW: stride, strideH: stride, dilationW: dilation,
    dilationH: dilation, ...(isDepthwise(workload) ? { multiplier: 1 } : {}),
  });
}

/**
 * The attention's first layer with the batch norm in it: weight [M, C] and offset [M].
 *
 * @param {Workload} workload
 * @param {State} state
 */
function foldedLayer({ C, M }, state) {
  const data = (/** @type {string} */ name) => state[`attention.${name}`].data;
  const scale = data('bn.weight').map((value, m) => value / Math.sqrt(data('bn.running_var')[m] + EPSILON));
  return {
    weight: data('conv1.weight').map((value, i) => value * scale[Math.floor(i / C)]),
    offset: Float32Array.from({ length: M }, (_, m) => data('bn.bias')[m] - data('bn.running_mean')[m] * scale[m]),
  };
}

/** The attention's K weights of the one image. @param {Workload} workload @param {Numbers} numbers */
function attentionOf(workload, { input, state }) {
  const { C, M, K, H, W } = workload;
  const pooled = Array.from({ length: C }, (_, c) =>
    input.subarray(c * H * W, (c + 1) * H * W).reduce((sum, value) => sum + value, 0) / (H * W));
  const { weight, offset } = foldedLayer(workload, state);
  const hidden = layer(pooled, weight, offset, M).map((value) => Math.max(0, value));
  const [second, bias] = ['weight', 'bias'].map((name) => state[`attention.conv2.${name}`].data);
  return layer(hidden, second, bias, K).map((logit) => 1 / (1 + Math.exp(-logit)));
}

/**
 * @param {readonly number[]} inputs
 * @param {Float32Array} weight [size, inputs]
 * @param {Float32Array} bias [size]
 * @param {number} size
 */
const layer = (inputs, weight, bias, size) => Array.from({ length: size }, (_, i) =>
  inputs.reduce((sum, value, j) => sum + value * weight[i * inputs.length + j], bias[i]));

/**
 * The sum of the parts of a bank, each times its weight.
 *
 * @param {readonly number[]} weights
 * @param {Float32Array} bank [weights, size]
 */
function mix(weights, bank) {
  const size = bank.length / weights.length;
  return Float32Array.from({ length: size }, (_, i) =>
    weights.reduce((sum, weight, k) => sum + weight * bank[k * size + i], 0));
}
