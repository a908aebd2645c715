// TensorFlow.js on its CPU backend as a trainer. No other backend for Node has all gradients that the block needs. The
// block is built from tfjs-core's operations in NHWC, the layout of TensorFlow.js.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { root } from '../../scripts/project.mjs';
import { burstOf } from './timing.mjs';

const require = createRequire(import.meta.url);

/** @returns {Promise<import('./session.mjs').Trainer>} */
export async function tfjsCpu() {
  const tf = await bundle();
  tf.enableProdMode(); // turns off checks for NaN and the advice to use another backend
  if (!(await tf.setBackend('cpu'))) throw new Error("TensorFlow.js could not start its backend 'cpu'");
  return {
    id: 'tfjs-cpu',
    version: tf.version_core,
    threads: 1,
    close() {},
    async prepare(workload, { input, target: values, state, lr }) {
      if (!hasGradients(workload)) return null;
      const { N, C, O, H, W, Ho, Wo } = workload;
      const image = tf.tidy(() => tf.transpose(tf.tensor(input, [N, C, H, W]), [0, 2, 3, 1]).dataSync());
      const target = tf.tidy(() => tf.transpose(tf.tensor(values, [N, O, Ho, Wo]), [0, 2, 3, 1]));
      const { statistics, parameters } = upload(tf, workload, state);
      const trained = Object.values(parameters);
      const optimizer = tf.train.adam(lr, 0.9, 0.999, 1e-8); // PyTorch's epsilon; the default is 1e-7
      const step = () => tf.tidy(() => {
        const { value, grads } = tf.variableGrads(() => {
          const x = tf.tensor4d(image, [N, H, W, C]);
          const y = forward(tf, workload, x, { ...statistics, ...parameters });
          return tf.mean(tf.squaredDifference(y, target));
        }, trained);
        optimizer.applyGradients(grads);
        return value.dataSync()[0];
      });
      return {
        burst: burstOf(step),
        dispose() {
          optimizer.dispose();
          tf.dispose([target, trained, Object.values(statistics)]);
        },
      };
    },
  };
}

/** Bundles tfjs-core with its gradients. Node cannot import the file that registers them: it is no ES module. */
async function bundle() {
  const outfile = join(root, 'build/bench/tfjs-core.cjs');
  await build({
    entryPoints: [fileURLToPath(new URL('tfjs-core.js', import.meta.url))],
    outfile, bundle: true, platform: 'node', format: 'cjs', mainFields: ['module', 'main'], logLevel: 'error',
  });
  return require(outfile);
}

const isDepthwise = ({ C, G }) => G === C && G > 1;

/** TensorFlow.js has one kernel for a batch, no groups except depthwise, and no gradient of a dilated convolution. */
const hasGradients = (workload) =>
  workload.N === 1 && (workload.G === 1 || isDepthwise(workload)) && workload.dilation === 1;

/**
 * Uses no fused convolutions: their gradient also computes the input's gradient, but training does not need it.
 *
 * @param {any} tf
 * @param {import('../../web/bench/workload.js').Workload} workload
 * @param {any} x [1, H, W, C]
 * @param {{ [name: string]: any }} tensors
 */
function forward(tf, workload, x, tensors) {
  const { C, O, R, stride, padding } = workload;
  const { conv1, scale, offset, mean, variance, conv2, conv2Bias, kernels, biases } = tensors;
  const hidden = tf.matMul(tf.mean(x, [1, 2]), conv1);
  const rectified = tf.relu(tf.batchNorm2d(hidden, mean, variance, offset, scale, 1e-5));
  const attention = tf.sigmoid(tf.add(tf.matMul(rectified, conv2), conv2Bias));
  const mixed = tf.matMul(attention, kernels);
  const y = isDepthwise(workload)
    ? tf.depthwiseConv2d(x, tf.reshape(mixed, [R, R, C, O / C]), stride, padding)
    : tf.conv2d(x, tf.reshape(mixed, [R, R, C, O]), stride, padding);
  return biases ? tf.add(y, tf.reshape(tf.matMul(attention, biases), [O])) : y;
}

/**
 * @param {any} tf
 * @param {import('../../web/bench/workload.js').Workload} workload
 * @param {import('../../web/bench/workload.js').State} state
 */
function upload(tf, { C, K, M }, state) {
  const tensor = (/** @type {string} */ name) => tf.tensor(state[name].data, state[name].shape);
  const columns = (/** @type {string} */ name, /** @type {number[]} */ shape) =>
    tf.transpose(tf.reshape(tensor(name), shape));
  return tf.tidy(() => {
    const statistics = { mean: tensor('attention.bn.running_mean'), variance: tensor('attention.bn.running_var') };
    const initial = {
      conv1: columns('attention.conv1.weight', [M, C]),
      scale: tensor('attention.bn.weight'),
      offset: tensor('attention.bn.bias'),
      conv2: columns('attention.conv2.weight', [K, M]),
      conv2Bias: tensor('attention.conv2.bias'),
      // [K, O, C/G, R, R] -> [K, R, R, C/G, O]
      kernels: tf.reshape(tf.transpose(tensor('aggregation.weight'), [0, 3, 4, 2, 1]), [K, -1]),
      ...(state['aggregation.bias'] ? { biases: tensor('aggregation.bias') } : {}),
    };
    const parameters = Object.fromEntries(Object.entries(initial).map(([name, value]) => [name, tf.variable(value)]));
    return { statistics, parameters };
  });
}
