/** Workloads: a block at one input size, and the numbers that every engine computes with. */
import { Random } from '../shared/random.js';

/**
 * A workload in workloads.json. Numbers in parentheses are defaults.
 *
 * @typedef {object} WorkloadSource
 * @property {number} [n] batch (1)
 * @property {number} cin
 * @property {number} cout
 * @property {number} k kernel size
 * @property {number} [s] stride (1)
 * @property {number} [p] padding (0)
 * @property {number} [d] dilation (1)
 * @property {number} [g] groups (1)
 * @property {number} [K] kernels (4)
 * @property {boolean} [bias] whether the block has a bias (true)
 * @property {number} h
 * @property {number} w
 */

/**
 * A workload whose dimensions have the library's letters: N C O G K M H W; R is the kernel's size.
 *
 * @typedef {object} Workload
 * @property {string} name
 * @property {number} N
 * @property {number} C
 * @property {number} O
 * @property {number} G
 * @property {number} K
 * @property {number} M
 * @property {number} R
 * @property {number} H
 * @property {number} W
 * @property {number} Ho
 * @property {number} Wo
 * @property {number} stride
 * @property {number} padding
 * @property {number} dilation
 * @property {boolean} bias
 * @property {number} flops the operations of a direct convolution: a multiplication and an addition for each tap
 */

/** @typedef {{ [name: string]: { shape: number[], data: Float32Array } }} State */

/** @typedef {{ input: Float32Array, state: State }} Numbers */

const DEFAULTS = { n: 1, s: 1, p: 0, d: 1, g: 1, K: 4, bias: true };
const REQUIRED = ['cin', 'cout', 'k', 'h', 'w'];
const LETTERS = [...REQUIRED, ...Object.keys(DEFAULTS)];

/**
 * Reads a workload. Throws an error if it is invalid.
 *
 * @param {string} name
 * @param {WorkloadSource} source
 * @returns {Workload}
 */
export function readWorkload(name, source) {
  const unknown = Object.keys(source).find((key) => !LETTERS.includes(key));
  if (unknown) throw new Error(`workload ${name}: there is no '${unknown}'; expected ${LETTERS.join(', ')}`);
  const full = { ...DEFAULTS, ...source };
  for (const key of LETTERS) check(`workload ${name}: ${key}`, key, /** @type {Record<string, unknown>} */ (full)[key]);
  const { n: N, cin: C, cout: O, k: R, s: stride, p: padding, d: dilation, g: G, K, bias, h: H, w: W } = full;
  if (C % G || O % G) throw new Error(`workload ${name}: ${G} groups do not divide ${C} and ${O} channels`);
  const outer = (/** @type {number} */ size) => Math.floor((size + 2 * padding - dilation * (R - 1) - 1) / stride) + 1;
  const Ho = outer(H);
  const Wo = outer(W);
  if (Ho < 1 || Wo < 1) throw new Error(`workload ${name}: the kernel is larger than the padded input`);
  const M = C === 3 ? K : Math.max(1, Math.floor(C / 4));
  const flops = 2 * N * O * Ho * Wo * (C / G) * R * R;
  return { name, N, C, O, G, K, M, R, H, W, Ho, Wo, stride, padding, dilation, bias, flops };
}

/**
 * Throws if a value of a workload is invalid.
 *
 * @param {string} subject  the start of the message
 * @param {string} key
 * @param {unknown} value
 */
function check(subject, key, value) {
  if (key === 'bias') {
    if (typeof value !== 'boolean') throw new Error(`${subject} must be true or false; got ${value}`);
    return;
  }
  const least = key === 'p' ? 0 : 1;
  if (!Number.isInteger(value) || Number(value) < least) {
    throw new Error(`${subject} must be a whole number, ${least} or more; got ${value}`);
  }
}

/**
 * Reads the workloads of a file.
 *
 * @param {{ [name: string]: WorkloadSource }} sources
 * @returns {Workload[]}
 */
export const readWorkloads = (sources) => Object.entries(sources).map(([name, source]) => readWorkload(name, source));

/** Describes a workload beside its kind, as in "64 → 64, 3×3, stride 2, 56×56". @param {Workload} workload */
export function describe({ N, C, O, G, K, R, H, W, stride, dilation }) {
  const grouping = G === 1 || (G === C && G === O) ? '' : `, ${G} groups`;
  const steps = `${stride > 1 ? `, stride ${stride}` : ''}${dilation > 1 ? `, dilation ${dilation}` : ''}`;
  const kernels = K === 4 ? '' : `, ${K} kernels`;
  return `${C} → ${O}, ${R}×${R}${grouping}${steps}${kernels}, ${N > 1 ? `${N} images ` : ''}${H}×${W}`;
}

/** Returns the kind of convolution, for people. @param {Workload} workload */
export function kindOf({ N, C, O, G, R, stride, dilation }) {
  if (N > 1) return 'Batch';
  if (G > 1) return G === C && G === O ? 'Depthwise' : 'Grouped';
  if (C <= 4) return 'Canvas';
  if (R === 1) return 'Pointwise';
  if (dilation > 1) return 'Dilated';
  return stride > 1 ? 'Strided' : 'Dense';
}

/**
 * Layers as what a session measures.
 *
 * @type {import('./session.js').Task<Workload, Numbers>}
 */
export const LAYERS = {
  describe: (workload) => ({
    name: workload.name, kind: kindOf(workload), description: describe(workload), flops: workload.flops,
  }),
  makeNumbers,
  prepare: (engine, workload, numbers) => engine.prepare(workload, numbers),
};

/**
 * Makes an input and a state dict in which every part affects the output: batch norm shifts and scales, the biases
 * differ, and the attention weights stay away from 0 and 1.
 *
 * @param {Workload} workload
 * @returns {Numbers}
 */
export function makeNumbers({ N, C, O, G, K, M, R, H, W, bias }) {
  const random = new Random(1);
  const between = (/** @type {number} */ low, /** @type {number} */ high, /** @type {number[]} */ ...shape) => {
    const data = new Float32Array(shape.reduce((product, length) => product * length, 1));
    for (let i = 0; i < data.length; i++) data[i] = random.between(low, high);
    return { shape, data };
  };
  const fanIn = (C / G) * R * R;
  const bound = Math.sqrt(6 / fanIn); // Kaiming uniform, the block's initialisation
  /** @type {State} */
  const state = {
    'attention.conv1.weight': between(-1, 1, M, C, 1, 1),
    'attention.bn.weight': between(0.5, 1.5, M),
    'attention.bn.bias': between(-0.2, 0.8, M),
    'attention.bn.running_mean': between(-0.1, 0.1, M),
    'attention.bn.running_var': between(0.5, 1.5, M),
    'attention.conv2.weight': between(-1 / Math.sqrt(M), 1 / Math.sqrt(M), K, M, 1, 1),
    'attention.conv2.bias': between(-1, 1, K),
    'aggregation.weight': between(-bound, bound, K, O, C / G, R, R),
  };
  if (bias) state['aggregation.bias'] = between(-1, 1, K, O);
  return { input: between(-1, 1, N, C, H, W).data, state };
}

/**
 * Returns the options of dk.dynamicKernelAggregation.
 *
 * @param {Workload} workload
 */
export const blockOptions = ({ C, O, R, G, K, stride, padding, dilation, bias }) => ({
  inChannels: C, outChannels: O, kernelSize: R, groups: G, numKernels: K, stride, padding, dilation, bias,
});

/**
 * Returns a state dict as PyTorch saves it: with the number of training steps.
 *
 * @param {State} state
 */
export const stateDict = (state) => ({
  ...state, 'attention.bn.num_batches_tracked': { shape: [], data: new BigInt64Array(1) },
});
