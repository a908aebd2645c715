/** The block as an ONNX model, as torch.onnx.export would write it. */
import { ModelWriter } from './onnx-writer.js';

/** @typedef {import('../../web/bench/workload.js').State} State */
/** @typedef {import('../../web/bench/workload.js').Workload} Workload */

/**
 * Input x [N, C, H, W], output y [N, O, Ho, Wo].
 *
 * @param {Workload} workload
 * @param {State} state
 * @returns {Uint8Array}
 */
export function onnxModel(workload, state) {
  const { N, C, O, G, K, R, H, W, Ho, Wo, stride, padding, dilation, bias } = workload;
  const writer = new ModelWriter();
  const parameters = [
    'conv1.weight', 'bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var', 'conv2.weight', 'conv2.bias',
  ].map((name) => {
    const { shape, data } = state[`attention.${name}`];
    return writer.floats(name, shape, data);
  });
  const attention = writer.attention('x', parameters, 1e-5, [N, K]);
  const kernels = writer.floats('kernels', [K, O * (C / G) * R * R], state['aggregation.weight'].data);
  const biases = bias ? writer.floats('biases', [K, O], state['aggregation.bias'].data) : null;
  const geometry = {
    N, C, O, G, kernel: [R, R], image: [H, W], size: [Ho, Wo], stride: [stride, stride],
    padding: [padding, padding, padding, padding], dilation: [dilation, dilation],
  };
  writer.aggregation('x', attention, kernels, biases, geometry, ['y']);
  return writer.encode('dynamic_kernel_aggregation', { x: [N, C, H, W] }, { y: [N, O, Ho, Wo] });
}
