/**
 * TensorFlow.js on its wasm backend as an engine of the benchmark. The block is built from tfjs-core's operations. Its
 * input and output are in NHWC, the layout of TensorFlow.js.
 */

import { transpose } from './layout.js';

/** @typedef {import('../../web/bench/engine.js').Engine} Engine */
/** @typedef {import('../../web/bench/workload.js').Numbers} Numbers */
/** @typedef {import('../../web/bench/workload.js').Workload} Workload */

/**
 * @param {any} tf the module @tensorflow/tfjs-core, with the backend 'wasm' registered
 * @param {{ threads: number }} options
 * @returns {Promise<Engine>}
 */
export async function tfjsWasm(tf, { threads }) {
  if (!(await tf.setBackend('wasm'))) throw new Error("TensorFlow.js could not start its backend 'wasm'");
  return {
    id: 'tfjs-wasm',
    version: tf.version_core,
    threads,
    close() {},
    async prepare(workload, numbers) {
      const { N, C, O, G } = workload;
      const depthwise = G === C && G > 1;
      if (N > 1 || (G > 1 && !depthwise)) return null; // one kernel for a batch, no groups except depthwise
      const { H, W, Ho, Wo } = workload;
      const image = transpose(numbers.input, C, H * W);
      const constants = uploadState(tf, workload, numbers, depthwise);
      /** @type {Float32Array} */
      let output;
      return {
        run() {
          const y = tf.tidy(() => forward(tf, workload, tf.tensor4d(image, [1, H, W, C]), constants, depthwise));
          output = y.dataSync();
          y.dispose();
        },
        output: () => transpose(output, Ho * Wo, O),
        dispose() {
          for (const tensor of Object.values(constants)) tensor?.dispose();
        },
      };
    },
  };
}

/**
 * @param {any} tf
 * @param {Workload} workload
 * @param {any} x [1, H, W, C]
 * @param {{ [name: string]: any }} constants
 * @param {boolean} depthwise
 */
function forward(tf, { C, O, K, R, stride, padding, dilation }, x, constants, depthwise) {
  const { conv1, scale, offset, mean, variance, conv2, conv2Bias, kernels, biases } = constants;
  const hidden = tf.matMul(tf.mean(x, [1, 2]), conv1);
  const rectified = tf.relu(tf.batchNorm2d(hidden, mean, variance, offset, scale, 1e-5));
  const attention = tf.sigmoid(tf.add(tf.matMul(rectified, conv2), conv2Bias));
  const filter = tf.reshape(tf.matMul(attention, kernels), depthwise ? [R, R, C, O / C] : [R, R, C, O]);
  // The fused convolutions refuse the result of matMul as a bias, in any shape.
  const bias = biases && tf.sum(tf.mul(tf.reshape(attention, [K, 1]), biases), 0);
  const convolve = depthwise ? tf.fused.depthwiseConv2d : tf.fused.conv2d;
  return convolve({ x, filter, bias, strides: stride, pad: padding, dilations: dilation, dimRoundingMode: 'floor' });
}

/**
 * @param {any} tf
 * @param {Workload} workload
 * @param {Numbers} numbers
 * @param {boolean} depthwise
 */
function uploadState(tf, { C, O, K, M, R }, { state }, depthwise) {
  const data = (/** @type {string} */ name) => state[name].data;
  const kernels = new Float32Array(data('aggregation.weight').length);
  const size = kernels.length / K;
  for (let k = 0; k < K; k++) { // [O, C/G, R*R] -> [R*R, C, O], or [R*R, O] if depthwise
    const kernel = data('aggregation.weight').subarray(k * size, (k + 1) * size);
    kernels.set(transpose(kernel, O, depthwise ? R * R : C * R * R, depthwise ? 1 : R * R), k * size);
  }
  return {
    conv1: tf.tensor2d(transpose(data('attention.conv1.weight'), M, C), [C, M]),
    scale: tf.tensor1d(data('attention.bn.weight')),
    offset: tf.tensor1d(data('attention.bn.bias')),
    mean: tf.tensor1d(data('attention.bn.running_mean')),
    variance: tf.tensor1d(data('attention.bn.running_var')),
    conv2: tf.tensor2d(transpose(data('attention.conv2.weight'), K, M), [M, K]),
    conv2Bias: tf.tensor1d(data('attention.conv2.bias')),
    kernels: tf.tensor2d(kernels, [K, size]),
    biases: state['aggregation.bias'] && tf.tensor2d(data('aggregation.bias'), [K, O]),
  };
}
