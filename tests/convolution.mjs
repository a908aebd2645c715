// KernelAggregation by its definition, in double precision: the output, and the gradients by the chain rule.

const pair = (value) => (Array.isArray(value) ? value : [value, value]);
const zeros = (length) => new Float64Array(length);

/** The output length of each axis, [Ho, Wo]. */
export function outputSize({ kernelSize, stride = 1, padding = 0, dilation = 1 }, size) {
  const [R, s, p, d] = [kernelSize, stride, padding, dilation].map(pair);
  return [0, 1].map((axis) => Math.floor((size[axis] + 2 * p[axis] - d[axis] * (R[axis] - 1) - 1) / s[axis]) + 1);
}

/** Calls visit(index in y, index in x, index in one kernel) for each product of the convolution of one image. */
function eachProduct(config, [H, W], visit) {
  const { inChannels: C, outChannels: O, groups: G = 1, kernelSize, stride = 1, padding = 0, dilation = 1 } = config;
  const [[Rh, Rw], [sh, sw], [ph, pw], [dh, dw]] = [kernelSize, stride, padding, dilation].map(pair);
  const [Ho, Wo] = outputSize(config, [H, W]), perGroup = C / G;
  for (let o = 0; o < O; o++) {
    const first = Math.floor(o / (O / G)) * perGroup;
    for (let c = 0; c < perGroup; c++) for (let r = 0; r < Rh; r++) for (let q = 0; q < Rw; q++) {
      for (let i = 0; i < Ho; i++) for (let j = 0; j < Wo; j++) {
        const row = i * sh - ph + r * dh, column = j * sw - pw + q * dw;
        if (row < 0 || row >= H || column < 0 || column >= W) continue;
        visit((o * Ho + i) * Wo + j, ((first + c) * H + row) * W + column, ((o * perGroup + c) * Rh + r) * Rw + q);
      }
    }
  }
}

/**
 * The output of x [N, C, H, W] and a [N, K], and the gradients of sum(output * gradOutput).
 *
 * @param {object} config options of dk.kernelAggregation
 * @param {{ shape: number[], x: ArrayLike<number>, a: ArrayLike<number>, weight: ArrayLike<number>,
 *   bias?: ArrayLike<number>, gradOutput: ArrayLike<number> }} values weight [K, O, C/G, Rh, Rw], bias [K, O]
 */
export function referenceAggregation(config, { shape: [N, C, H, W], x, a, weight, bias: given, gradOutput }) {
  const { outChannels: O, numKernels: K } = config;
  const bias = given ?? zeros(K * O);
  const depth = weight.length / K, pixels = outputSize(config, [H, W]).reduce((product, length) => product * length);
  const output = zeros(N * O * pixels);
  const gradients = { x: zeros(x.length), a: zeros(N * K), weight: zeros(K * depth), bias: zeros(K * O) };
  for (let n = 0; n < N; n++) {
    const [firstInput, firstOutput] = [n * C * H * W, n * O * pixels];
    // mix the kernels and biases
    const mixed = zeros(depth), mixedBias = zeros(O);
    for (let k = 0; k < K; k++) {
      for (let i = 0; i < depth; i++) mixed[i] += a[n * K + k] * weight[k * depth + i];
      for (let o = 0; o < O; o++) mixedBias[o] += a[n * K + k] * bias[k * O + o];
    }
    // convolve, forward and backward
    const mixedGradient = zeros(depth), biasGradient = zeros(O);
    for (let i = 0; i < O * pixels; i++) {
      output[firstOutput + i] = mixedBias[Math.floor(i / pixels)];
      biasGradient[Math.floor(i / pixels)] += gradOutput[firstOutput + i];
    }
    eachProduct(config, [H, W], (iy, ix, iw) => {
      output[firstOutput + iy] += mixed[iw] * x[firstInput + ix];
      gradients.x[firstInput + ix] += mixed[iw] * gradOutput[firstOutput + iy];
      mixedGradient[iw] += x[firstInput + ix] * gradOutput[firstOutput + iy];
    });
    // the chain rule through the mixture
    for (let k = 0; k < K; k++) {
      for (let i = 0; i < depth; i++) {
        gradients.a[n * K + k] += mixedGradient[i] * weight[k * depth + i];
        gradients.weight[k * depth + i] += a[n * K + k] * mixedGradient[i];
      }
      for (let o = 0; o < O; o++) {
        gradients.a[n * K + k] += biasGradient[o] * bias[k * O + o];
        gradients.bias[k * O + o] += a[n * K + k] * biasGradient[o];
      }
    }
  }
  return { output, gradients };
}
