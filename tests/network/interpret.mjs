// A slow, plain interpreter of a network's graph. It defines each op. Storage is float32, sums are double.
// Tensors are { shape, data }; every op has a function of (inputs, attributes, output shapes) -> outputs.

const sizeOf = (shape) => shape.reduce((product, length) => product * length, 1);
const stridesOf = (shape) => shape.map((_, i) => sizeOf(shape.slice(i + 1)));

/** All positions of a shape, in order. The array is the same one every time. */
function* positions(shape) {
  const index = shape.map(() => 0);
  for (let count = sizeOf(shape); count > 0; count--) {
    yield index;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

/** Gathers elements of x: each is at the place that `place(index)` returns, or is `value` if that is null. */
function gathered(x, shape, place, value = 0) {
  const data = new Float32Array(sizeOf(shape));
  const strides = stridesOf(x.shape);
  let i = 0;
  for (const index of positions(shape)) {
    const from = place(index);
    data[i++] = from === null ? value : x.data[from.reduce((sum, at, axis) => sum + at * strides[axis], 0)];
  }
  return { shape, data };
}

const map = (x, compute) => ({ shape: x.shape, data: Float32Array.from(x.data, compute) });

const broadcastTo = (x, shape) => (x.shape.length === shape.length && x.shape.every((length, i) => length === shape[i]) ? x
  : gathered(x, shape, (index) => x.shape.map((length, i) => (length === 1 ? 0 : index[i + shape.length - x.shape.length]))));

const binary = (compute) => ([a, b], _, [shape]) => {
  const [left, right] = [broadcastTo(a, shape).data, broadcastTo(b, shape).data];
  return [{ shape, data: left.map((value, i) => compute(value, right[i])) }];
};

const unary = (compute) => ([x], attributes) => [map(x, (value) => compute(value, attributes))];

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** The error function, by its series or continued fraction: to about 1e-15. */
export function erf(x) {
  const t = Math.abs(x);
  if (Number.isNaN(x)) return NaN;
  if (t > 6) return Math.sign(x);
  if (t < 2.5) {
    let [term, sum] = [t, t];
    for (let n = 1; n < 100; n++) {
      term *= -t * t / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * sum * 2 / Math.sqrt(Math.PI);
  }
  let fraction = t;
  for (let n = 60; n >= 1; n--) fraction = t + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-t * t) / fraction / Math.sqrt(Math.PI));
}

/** One image's convolution: x [C,H,W], weight [O,C/G,Rh,Rw] into y [O,Ho,Wo]. */
function convolve(x, [, H, W], weight, [O, depth, Rh, Rw], bias, y, [Ho, Wo], { stride, padding, dilation, groups }) {
  for (let o = 0; o < O; o++) {
    const first = Math.floor(o / (O / groups)) * depth;
    const sums = new Float64Array(Ho * Wo).fill(bias ? bias[o] : 0);
    for (let c = 0; c < depth; c++) {
      for (let v = 0; v < Rh; v++) {
        for (let h = 0; h < Rw; h++) {
          const factor = weight[((o * depth + c) * Rh + v) * Rw + h];
          for (let i = 0; i < Ho; i++) {
            const row = i * stride[0] + v * dilation[0] - padding[0];
            if (row < 0 || row >= H) continue;
            const base = ((first + c) * H + row) * W;
            for (let j = 0; j < Wo; j++) {
              const column = j * stride[1] + h * dilation[1] - padding[1];
              if (column >= 0 && column < W) sums[i * Wo + j] += factor * x[base + column];
            }
          }
        }
      }
    }
    y.set(sums, o * Ho * Wo);
  }
}

/** A convolution of a batch. kernels(n) returns the weight and bias of a sample. */
function convolveBatch(x, kernelShape, kernels, attributes, shape) {
  const data = new Float32Array(sizeOf(shape));
  const [N, C, H, W] = x.shape;
  const inner = sizeOf(shape.slice(1));
  for (let n = 0; n < N; n++) {
    const { weight, bias } = kernels(n);
    convolve(x.data.subarray(n * C * H * W, (n + 1) * C * H * W), [C, H, W], weight, kernelShape, bias,
      data.subarray(n * inner, (n + 1) * inner), shape.slice(2), attributes);
  }
  return [{ shape, data }];
}

function conv2d([x, weight, bias], attributes, [shape]) {
  const perSample = weight.shape.length === 5;
  const kernelShape = perSample ? weight.shape.slice(1) : weight.shape;
  const size = sizeOf(kernelShape);
  return convolveBatch(x, kernelShape, (n) =>
    ({ weight: perSample ? weight.data.subarray(n * size, (n + 1) * size) : weight.data, bias: bias?.data }), attributes, shape);
}

/** w[n,o,c,t] = f[n,o] * s[n,c] * q[n,t] * sum over k of a[n,k] * weight[k,o,c,t], and the bias without f, s and q. */
function dynamicConv2d([x, a, weight, bias, f, s, q], attributes, [shape]) {
  const [K, ...kernelShape] = weight.shape;
  const [O, depth, Rh, Rw] = kernelShape;
  const [C, T] = [x.shape[1], Rh * Rw];
  const each = O / attributes.groups;
  const mixed = (rows, n) => {
    const length = rows.length / K;
    const sums = new Float64Array(length);
    rows.forEach((value, i) => {
      sums[i % length] += (a ? a.data[n * K + Math.floor(i / length)] : 1) * value;
    });
    return sums;
  };
  const scaled = (kernels, n) => kernels.map((value, i) => {
    const [o, c, t] = [Math.floor(i / T / depth), Math.floor(i / T) % depth, i % T];
    const input = Math.floor(o / each) * depth + c;
    return value * (f ? f.data[n * O + o] : 1) * (s ? s.data[n * C + input] : 1) * (q ? q.data[n * T + t] : 1);
  });
  return convolveBatch(x, kernelShape, (n) =>
    ({ weight: scaled(mixed(weight.data, n), n), bias: bias && mixed(bias.data, n) }), attributes, shape);
}

/** The means of the planes, a hidden layer with batch norm and ReLU, and heads: see dk_attention. */
function attention([x, hidden, weight, bias, mean, variance, ...heads], { eps, temperature, softmax: isSoft }, shapes) {
  const [N, C, H, W] = x.shape;
  const product = (matrix, vector, biases) => Array.from({ length: matrix.shape[0] }, (_, row) =>
    vector.reduce((sum, value, i) => sum + value * matrix.data[row * vector.length + i], biases ? biases.data[row] : 0));
  const normed = (value, m) =>
    (weight ? (value - mean.data[m]) / Math.sqrt(variance.data[m] + eps) * weight.data[m] + bias.data[m] : value);
  const outputs = shapes.map((shape) => ({ shape, data: new Float32Array(sizeOf(shape)) }));
  for (let n = 0; n < N; n++) {
    const p = Array.from({ length: C }, (_, c) =>
      x.data.subarray((n * C + c) * H * W, (n * C + c + 1) * H * W).reduce((sum, value) => sum + value, 0) / (H * W));
    const z = hidden ? product(hidden, p).map((value, m) => Math.max(0, normed(value, m))) : p;
    let made = 0;
    for (let head = 0; head < 4; head++) {
      if (!heads[2 * head]) continue;
      const logits = product(heads[2 * head], z, heads[2 * head + 1]).map((value) => value / temperature);
      const numbers = head === 0 && isSoft
        ? softmax([{ shape: [logits.length], data: logits }], { axis: 0 })[0].data : logits.map(sigmoid);
      outputs[made].data.set(numbers, n * numbers.length);
      made++;
    }
  }
  return outputs;
}

function convTranspose2d([x, weight, bias], { stride, padding, dilation, groups }, [shape]) {
  const [N, C, H, W] = x.shape;
  const [, O, Ho, Wo] = shape;
  const [, each, Rh, Rw] = weight.shape;
  const sums = new Float64Array(sizeOf(shape));
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < C; c++) {
      const group = Math.floor(c / (C / groups));
      for (let o = 0; o < each; o++) {
        for (const [i, j, v, h] of positions([H, W, Rh, Rw])) {
          const row = i * stride[0] + v * dilation[0] - padding[0];
          const column = j * stride[1] + h * dilation[1] - padding[1];
          if (row < 0 || row >= Ho || column < 0 || column >= Wo) continue;
          sums[((n * O + group * each + o) * Ho + row) * Wo + column] +=
            x.data[((n * C + c) * H + i) * W + j] * weight.data[((c * each + o) * Rh + v) * Rw + h];
        }
      }
    }
  }
  return [{ shape, data: Float32Array.from(sums, (sum, i) => sum + (bias ? bias.data[Math.floor(i / Ho / Wo) % O] : 0)) }];
}

function matmul([a, b], _, [shape]) {
  const [M, N] = shape.slice(-2);
  const K = a.shape.at(-1);
  const batch = shape.slice(0, -2);
  const [left, right] = [broadcastTo(a, [...batch, M, K]).data, broadcastTo(b, [...batch, K, N]).data];
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    const [outer, m, n] = [Math.floor(i / N / M), Math.floor(i / N) % M, i % N];
    let sum = 0;
    for (let k = 0; k < K; k++) sum += left[(outer * M + m) * K + k] * right[(outer * K + k) * N + n];
    data[i] = sum;
  }
  return [{ shape, data }];
}

function linear([x, weight, bias], _, [shape]) {
  const [O, I] = weight.shape;
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    const [row, o] = [Math.floor(i / O), i % O];
    let sum = bias ? bias.data[o] : 0;
    for (let j = 0; j < I; j++) sum += x.data[row * I + j] * weight.data[o * I + j];
    data[i] = sum;
  }
  return [{ shape, data }];
}

const reduction = (start, combine, finish = (sum) => sum) => ([x], { axes }, [shape]) => {
  const kept = x.shape.map((length, i) => (axes.includes(i) ? 1 : length));
  const strides = stridesOf(kept);
  const sums = new Float64Array(sizeOf(shape)).fill(start);
  let i = 0;
  for (const index of positions(x.shape)) {
    const place = index.reduce((sum, at, axis) => sum + (axes.includes(axis) ? 0 : at * strides[axis]), 0);
    sums[place] = combine(sums[place], x.data[i++]);
  }
  return [{ shape, data: Float32Array.from(sums, (sum) => finish(sum, x.data.length / sums.length)) }];
};

const pooling = (isMax) => ([x], { kernel, stride, padding, dilation, countIncludePad }, [shape]) => {
  const [, , H, W] = x.shape;
  const data = new Float32Array(sizeOf(shape));
  let place = 0;
  for (const [n, c, i, j] of positions(shape)) {
    let [sum, count, most] = [0, 0, -Infinity];
    for (const [v, h] of positions(kernel)) {
      const row = i * stride[0] + v * dilation[0] - padding[0];
      const column = j * stride[1] + h * dilation[1] - padding[1];
      // the padding counts if countIncludePad is set; places beyond it never count
      if (countIncludePad && row < H + padding[2] && column < W + padding[3]) count++;
      if (row < 0 || row >= H || column < 0 || column >= W) continue;
      const value = x.data[((n * x.shape[1] + c) * H + row) * W + column];
      if (!countIncludePad) count++;
      sum += value;
      most = Number.isNaN(value) || value > most ? value : most;
    }
    data[place++] = isMax ? most : sum / count;
  }
  return [{ shape, data }];
};

function softmax([x], { axis }) {
  const data = new Float32Array(x.data.length);
  const [length, inner] = [x.shape[axis], sizeOf(x.shape.slice(axis + 1))];
  for (let first = 0; first < data.length; first++) {
    if (Math.floor(first / inner) % length !== 0) continue;
    const row = Array.from({ length }, (_, i) => x.data[first + i * inner]);
    const most = row.reduce((a, b) => Math.max(a, b));
    const powers = row.map((value) => Math.exp(value - most));
    const sum = powers.reduce((a, b) => a + b);
    powers.forEach((power, i) => {
      data[first + i * inner] = power / sum;
    });
  }
  return [{ shape: x.shape, data }];
}

function concat(inputs, { axis }, [shape]) {
  const data = new Float32Array(sizeOf(shape));
  const outer = sizeOf(shape.slice(0, axis));
  let place = 0;
  for (let o = 0; o < outer; o++) {
    for (const x of inputs) {
      const inner = sizeOf(x.shape.slice(axis));
      data.set(x.data.subarray(o * inner, (o + 1) * inner), place);
      place += inner;
    }
  }
  return [{ shape, data }];
}

function split([x], { axis, sizes }, shapes) {
  let start = 0;
  return shapes.map((shape, i) => {
    const begin = start;
    start += sizes[i];
    return gathered(x, shape, (index) => index.map((at, j) => (j === axis ? at + begin : at)));
  });
}

function channelShuffle([x], { groups }) {
  const each = x.shape[1] / groups;
  return [gathered(x, x.shape, ([n, c, ...rest]) => [n, (c % groups) * each + Math.floor(c / groups), ...rest])];
}

function pad([x], { before, mode, value }, [shape]) {
  return [gathered(x, shape, (index) => {
    const place = index.map((at, i) => {
      const [inner, last] = [at - before[i], x.shape[i] - 1];
      if (mode === 'edge') return Math.min(Math.max(inner, 0), last);
      if (mode === 'reflect') return inner < 0 ? -inner : inner > last ? 2 * last - inner : inner;
      return inner;
    });
    return place.some((at, i) => at < 0 || at >= x.shape[i]) ? null : place;
  }, value)];
}

/** The coordinate in the input axis of a place in the resized axis. */
function coordinate(at, scale, length, target, coordinates) {
  if (coordinates === 'asymmetric') return at / scale;
  if (coordinates === 'align_corners') return target === 1 ? 0 : at * (length - 1) / (target - 1);
  if (coordinates === 'pytorch_half_pixel' && target === 1) return 0;
  return (at + 0.5) / scale - 0.5;
}

const ROUND = {
  floor: Math.floor, ceil: Math.ceil, round_prefer_floor: (x) => Math.ceil(x - 0.5), round_prefer_ceil: (x) => Math.floor(x + 0.5),
};

function resize([x], { mode, coordinates, nearestMode, scales, size }, [shape]) {
  const clamp = (at, axis) => Math.min(Math.max(at, 0), x.shape[axis] - 1);
  const from = (index, i) => coordinate(index[2 + i], scales[i], x.shape[2 + i], size[i], coordinates);
  if (mode === 'nearest') {
    return [gathered(x, shape, (index) => [index[0], index[1], ...[0, 1].map((i) => clamp(ROUND[nearestMode](from(index, i)), 2 + i))])];
  }
  const data = new Float32Array(sizeOf(shape));
  let place = 0;
  for (const index of positions(shape)) {
    let sum = 0;
    for (const corner of positions([2, 2])) {
      let factor = 1;
      const at = [0, 1].map((i) => {
        const exact = from(index, i);
        const low = Math.floor(exact);
        factor *= corner[i] === 0 ? 1 - (exact - low) : exact - low;
        return clamp(low + corner[i], 2 + i);
      });
      const [, , H, W] = x.shape;
      if (factor !== 0) sum += factor * x.data[((index[0] * x.shape[1] + index[1]) * H + at[0]) * W + at[1]];
    }
    data[place++] = sum;
  }
  return [{ shape, data }];
}

function depthToSpace([x], { block, mode }, [shape]) {
  const C = shape[1];
  return [gathered(x, shape, ([n, c, i, j]) => {
    const [v, h] = [i % block, j % block];
    const channel = mode === 'DCR' ? (v * block + h) * C + c : (c * block + v) * block + h;
    return [n, channel, Math.floor(i / block), Math.floor(j / block)];
  })];
}

function spaceToDepth([x], { block }, [shape]) {
  const C = x.shape[1];
  return [gathered(x, shape, ([n, channel, i, j]) => {
    const tap = Math.floor(channel / C);
    return [n, channel % C, i * block + Math.floor(tap / block), j * block + tap % block];
  })];
}

function lrn([x], { size, alpha, beta, bias }) {
  const [, C] = x.shape;
  const inner = sizeOf(x.shape.slice(2));
  return [{ shape: x.shape, data: x.data.map((value, i) => {
    const c = Math.floor(i / inner) % C;
    const [first, last] = [Math.max(0, c - Math.floor((size - 1) / 2)), Math.min(C - 1, c + Math.ceil((size - 1) / 2))];
    let sum = 0;
    for (let other = first; other <= last; other++) sum += x.data[i + (other - c) * inner] ** 2;
    return value / (bias + alpha / size * sum) ** beta;
  }) }];
}

function batchNorm([x, weight, bias, mean, variance], { eps }) {
  const inner = sizeOf(x.shape.slice(2));
  return [{ shape: x.shape, data: x.data.map((value, i) => {
    const c = Math.floor(i / inner) % x.shape[1];
    return (value - mean.data[c]) / Math.sqrt(variance.data[c] + eps) * weight.data[c] + bias.data[c];
  }) }];
}

const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

export const MEANINGS = {
  conv2d, dynamicConv2d, attention, convTranspose2d, batchNorm, linear, matmul,
  add: binary((a, b) => a + b), subtract: binary((a, b) => a - b), multiply: binary((a, b) => a * b), divide: binary((a, b) => a / b),
  minimum: binary(Math.min), maximum: binary(Math.max), power: binary(Math.pow),
  prelu: binary((x, slope) => (x < 0 ? slope * x : x)),
  relu: unary((x) => Math.max(x, 0)), leakyRelu: unary((x, { slope }) => (x < 0 ? slope * x : x)),
  elu: unary((x, { alpha }) => (x > 0 ? x : alpha * Math.expm1(x))), clip: unary((x, { low, high }) => clamp(x, low, high)),
  hardSigmoid: unary((x, { alpha, beta }) => clamp(alpha * x + beta, 0, 1)), hardSwish: unary((x) => x * clamp(x / 6 + 0.5, 0, 1)),
  sigmoid: unary(sigmoid), tanh: unary(Math.tanh), silu: unary((x) => x * sigmoid(x)),
  gelu: unary((x, { tanh }) =>
    0.5 * x * (1 + (tanh ? Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)) : erf(x * Math.SQRT1_2)))),
  exp: unary(Math.exp), sqrt: unary(Math.sqrt), negate: unary((x) => -x), reciprocal: unary((x) => 1 / x), abs: unary(Math.abs),
  log: unary(Math.log), erf: unary(erf),
  softmax,
  reduceSum: reduction(0, (a, b) => a + b), reduceMean: reduction(0, (a, b) => a + b, (sum, count) => sum / count),
    reduceMax: reduction(-Infinity, Math.max),
  averagePool: pooling(false), maxPool: pooling(true),
  concat, split, channelShuffle, pad, resize, depthToSpace, spaceToDepth, lrn,
  slice: ([x], { starts, steps }, [shape]) => [gathered(x, shape, (index) => index.map((at, i) => starts[i] + at * steps[i]))],
  reshape: ([x], _, [shape]) => [{ shape, data: x.data }],
  transpose: ([x], { order }, [shape]) => [gathered(x, shape, (index) => order.map((_, axis) => index[order.indexOf(axis)]))],
  expand: ([x], _, [shape]) => [broadcastTo(x, shape)],
};

/**
 * Runs a graph. inputs holds a Float32Array for each name. Returns { outputs, kept }: outputs holds { shape, data } for
 * each name, and kept holds the same for the values of graph.keep.
 */
export function interpret(graph, inputs) {
  const tensors = new Map();
  for (const value of graph.inputs) {
    const data = inputs[value.name];
    if (data?.length !== sizeOf(value.shape)) throw new Error(`input ${value.name} needs ${sizeOf(value.shape)} numbers`);
    tensors.set(value, { shape: value.shape, data });
  }
  const read = (value) => {
    if (!value) return undefined;
    if (value.constant) return { shape: value.shape, data: value.constant };
    const tensor = tensors.get(value);
    if (!tensor) throw new Error(`${value.name} is used before it is made`);
    return tensor;
  };
  // finds the last use of each tensor, because it is released after that
  const last = new Map();
  graph.nodes.forEach((node, i) => node.inputs.forEach((value) => last.set(value, i)));
  for (const { value } of [...graph.outputs, ...graph.keep]) last.set(value, Infinity);
  graph.nodes.forEach((node, i) => {
    const made = MEANINGS[node.op](node.inputs.map(read), node.attributes, node.outputs.map((value) => value.shape));
    node.outputs.forEach((value, j) => {
      if (made[j].data.length !== sizeOf(value.shape)) throw new Error(
        `${node.op} ${node.name} made ${made[j].data.length} numbers for ${value.shape}`);
      tensors.set(value, { shape: value.shape, data: made[j].data });
    });
    for (const value of node.inputs) if (last.get(value) === i) tensors.delete(value);
  });
  const named = (list) => Object.fromEntries(list.map(({ name, value }) => [name, read(value)]));
  return { outputs: named(graph.outputs), kept: named(graph.keep) };
}
