/**
 * Parameters written by hand instead of learnt: classic kernels, Gabor filters, and an attention. The hidden
 * units of the attention are ramps over the picture's mean colour.
 */

/** The shares of red, green and blue in luma (ITU-R BT.601). */
export const LUMA = [0.299, 0.587, 0.114];

/**
 * Classic 3×3 kernels from textbooks, row by row.
 *
 * @type {Record<string, number[]>}
 */
export const CLASSIC = {
  'Gaussian blur': [1, 2, 1, 2, 4, 2, 1, 2, 1].map((value) => value / 16),
  Sharpen: [0, -1, 0, -1, 5, -1, 0, -1, 0],
  'Sobel x': [-1, 0, 1, -2, 0, 2, -1, 0, 1],
  'Sobel y': [-1, -2, -1, 0, 0, 0, 1, 2, 1],
  Laplacian: [0, 1, 0, 1, -4, 1, 0, 1, 0],
  Emboss: [-2, -1, 0, -1, 1, 1, 0, 1, 2],
};

/**
 * The weights that an output channel gives to red, green and blue.
 *
 * @type {Record<string, number[]>}
 */
export const COLOURS = {
  grey: [1 / 3, 1 / 3, 1 / 3],
  red: [1, 0, 0],
  green: [0, 1, 0],
  blue: [0, 0, 1],
  'red – green': [1, -1, 0],
  'blue – yellow': [-0.5, -0.5, 1],
};

/**
 * The attention's hidden units. Each is a ramp that rises from 0 once mix · [R, G, B] passes the threshold. The
 * comments give the values of the four photographs: astronaut, cat, coffee, rocket.
 */
const RAMPS = {
  dark: { mix: LUMA.map((value) => -value), threshold: -0.2 }, // luma below 0.2; 0.45 0.47 0.41 0.24
  dim: { mix: LUMA.map((value) => -value), threshold: -0.36 },
  bright: { mix: LUMA, threshold: 0.55 },
  light: { mix: LUMA, threshold: 0.38 },
  cool: { mix: [-1, 0, 1], threshold: 0 }, // blue over red; -0.18 -0.24 -0.42 0.12
  warm: { mix: [1, 0, -1], threshold: 0.2 },
  hot: { mix: [1, 0, -1], threshold: 0.3 },
  green: { mix: [-0.5, 1, -0.5], threshold: 0.03 }, // -0.05 -0.02 -0.08 -0.02
};

/** The ramps' slope: a unit is 1 if its mix is 0.05 above the threshold. */
const SLOPE = 20;

/** @typedef {keyof typeof RAMPS} Ramp */

/**
 * Returns the parameters of an attention with M ramps and K kernels. A kernel's weight is sigmoid(bias + Σ pull ·
 * ramp). A bias of −3.5 gives 0.03 if all ramps are 0.
 *
 * @param {Ramp[]} ramps  M of them
 * @param {{ bias: number, pulls: Partial<Record<Ramp, number>> }[]} kernels  K of them
 * @returns {Record<string, number[]>}
 */
export function attentionValues(ramps, kernels) {
  return {
    'attention.conv1.weight': ramps.flatMap((name) => RAMPS[name].mix),
    // Batch norm applies threshold and slope: (mix · [R, G, B] − threshold) · SLOPE.
    'attention.bn.weight': ramps.map(() => SLOPE),
    'attention.bn.bias': ramps.map(() => 0),
    'attention.bn.running_mean': ramps.map((name) => RAMPS[name].threshold),
    'attention.bn.running_var': ramps.map(() => 1),
    'attention.conv2.weight': kernels.flatMap(({ pulls }) => ramps.map((name) => pulls[name] ?? 0)),
    'attention.conv2.bias': kernels.map(({ bias }) => bias),
  };
}

/**
 * The hidden units of DyConv's attention, and the inputs that CondConv's routing mixes. They have no threshold: each is
 * mix · [R, G, B]. The comments give the values of the four photographs: astronaut, cat, coffee, rocket.
 */
const MIXES = {
  luma: LUMA, // 0.45 0.47 0.41 0.24
  blueness: RAMPS.cool.mix, // -0.18 -0.24 -0.42 0.12
  redness: RAMPS.warm.mix,
  greenness: RAMPS.green.mix, // -0.05 -0.02 -0.08 -0.02
};

/** @typedef {keyof typeof MIXES} Mix */

/** The logit of a kernel: bias + Σ pull · mix. @typedef {{ bias: number, pulls: Partial<Record<Mix, number>> }} Logit */

/**
 * Returns the parameters of DyConv's attention with a hidden unit for each mix and K kernels. Its hidden units are
 * max(0, mix · [R, G, B]). With three input channels it has as many as kernels.
 *
 * @param {Mix[]} mixes  K of them
 * @param {Logit[]} kernels  K of them
 * @returns {Record<string, number[]>}
 */
export function softmaxValues(mixes, kernels) {
  return {
    'attention.fc1.weight': mixes.flatMap((name) => MIXES[name]),
    'attention.fc2.weight': kernels.flatMap(({ pulls }) => mixes.map((name) => pulls[name] ?? 0)),
    'attention.fc2.bias': kernels.map(({ bias }) => bias),
  };
}

/**
 * Returns the parameters of CondConv's routing: sigmoid(bias + Σ pull · mix · [R, G, B]) for each of the K kernels.
 *
 * @param {Logit[]} kernels
 * @returns {Record<string, number[]>}
 */
export function routingValues(kernels) {
  const names = /** @type {Mix[]} */ (Object.keys(MIXES));
  return {
    'routing_fn.weight': kernels.flatMap(({ pulls }) =>
      [0, 1, 2].map((c) => names.reduce((sum, name) => sum + (pulls[name] ?? 0) * MIXES[name][c], 0))),
    'routing_fn.bias': kernels.map(({ bias }) => bias),
  };
}

/**
 * A number of an attention before sigmoid or softmax: bias + Σ pull · ramp.
 *
 * @typedef {{ bias: number, pulls: Partial<Record<Ramp, number>> }} Pulled
 */

/** The hidden units of ODConv's attention over three channels. */
const ODCONV_UNITS = 16;

/**
 * Returns the parameters of ODConv's four attentions. The ramps are the first of its 16 hidden units; the rest are 0.
 *
 * @param {Ramp[]} ramps
 * @param {{ kernel: Pulled[], channel: Pulled[], filter: Pulled[], spatial: Pulled[] }} heads
 * @returns {Record<string, number[]>}
 */
export function odconvValues(ramps, heads) {
  const units = Array.from({ length: ODCONV_UNITS }, (_, unit) => ramps[unit]);
  return {
    'attention.fc.weight': units.flatMap((name) => (name ? RAMPS[name].mix : [0, 0, 0])),
    // Batch norm applies threshold and slope, as in attentionValues.
    'attention.bn.weight': units.map((name) => (name ? SLOPE : 0)),
    'attention.bn.bias': units.map(() => 0),
    'attention.bn.running_mean': units.map((name) => (name ? RAMPS[name].threshold : 0)),
    'attention.bn.running_var': units.map(() => 1),
    ...Object.fromEntries(Object.entries(heads).flatMap(([head, numbers]) => [
      [`attention.${head}_fc.weight`, numbers.flatMap(({ pulls }) => units.map((name) => pulls[name] ?? 0))],
      [`attention.${head}_fc.bias`, numbers.map(({ bias }) => bias)],
    ])),
  };
}

/**
 * Returns a kernel [C, R, R]: the plane, multiplied by each colour's weight.
 *
 * @param {number[]} plane  [R, R]
 * @param {number[]} colours  [C]
 */
export function coloured(plane, colours) {
  return colours.flatMap((share) => plane.map((value) => share * value || 0)); // || 0: no negative zeros
}

/**
 * Returns a Gabor filter [R, R]: a wave under a Gaussian, without a constant part. Its absolute values add up to 1.
 *
 * @param {number} R
 * @param {{ wavelength: number, angle: number, sigma: number, phase: number }} shape
 */
export function gabor(R, { wavelength, angle, sigma, phase }) {
  // the Gaussian and the wave
  const middle = (R - 1) / 2;
  /** @type {number[]} */
  const envelope = [];
  /** @type {number[]} */
  const wave = [];
  for (let y = 0; y < R; y++) {
    for (let x = 0; x < R; x++) {
      const dx = x - middle;
      const dy = y - middle;
      const along = dx * Math.cos(angle) + dy * Math.sin(angle);
      envelope.push(Math.exp(-(dx * dx + dy * dy) / (2 * sigma * sigma)));
      wave.push(Math.cos((2 * Math.PI * along) / wavelength + phase));
    }
  }
  // their product, without its constant part
  const sum = envelope.reduce((total, value) => total + value, 0);
  const constant = envelope.reduce((total, value, i) => total + value * wave[i], 0) / sum;
  const plane = envelope.map((value, i) => value * (wave[i] - constant));
  // scaled
  const size = plane.reduce((total, value) => total + Math.abs(value), 0);
  return plane.map((value) => value / size);
}
