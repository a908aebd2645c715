/**
 * Finds the kernels of the family: computed kernels that are f[n,o] * s[n,c] * q[n,t] * sum over k of a[n,k] *
 * constant[k,o,c,t].
 */
import { sizeOf } from '../../shape.js';
import { MAX_RANK } from '../graph.js';
import { axesOf, factorsOf, undivided } from './axes.js';
import { gather, stridesOf } from './strided.js';

/** @typedef {import('../graph.js').Value} Value */
/** @typedef {import('./axes.js').Axis} Axis */
/** @typedef {import('./axes.js').Factor} Factor */
/** @typedef {import('./rewriter.js').Rewriter} Rewriter */

/**
 * A computed factor: its axes, and those that it is to have, in their order.
 *
 * @typedef {object} Role
 * @property {Factor[]} factors
 * @property {Axis[]} axes
 * @property {number} length of all its axes together
 */

/**
 * Kernels of N samples, or biases.
 *
 * @typedef {object} Mixture
 * @property {number} N
 * @property {number} K
 * @property {Axis[]} samples the axes of N
 * @property {Factor[]} constants
 * @property {Axis[]} kernelAxes those of the constants: K, then those of a kernel
 * @property {{ [role in 'kernels' | 'outputs' | 'inputs' | 'taps']: Role }} roles
 */

/** The most elements of kernels that are put in order. */
const LARGEST = 2 ** 25;

/**
 * @param {Value} weight [N*O, C/G, ...taps]
 * @param {number} N
 * @param {number} G
 * @param {Rewriter} r
 * @returns {Mixture | null}
 */
export function kernelMixture(weight, N, G, r) {
  const [rows, depth, ...extents] = weight.shape;
  const groups = axesOf(G);
  const [within, inputs, taps] = [axesOf(rows / N / G), axesOf(depth), extents.map(axesOf)];
  return mixtureOf(weight, [inputs, ...taps], { N, groups, within, inputs, taps: taps.flat() }, r);
}

/**
 * @param {Value} bias [N*O]
 * @param {number} N
 * @param {Rewriter} r
 * @returns {Mixture | null}
 */
export const biasMixture = (bias, N, r) =>
  mixtureOf(bias, [], { N, groups: [], within: axesOf(bias.shape[0] / N), inputs: [], taps: [] }, r);

/**
 * @param {Value} value
 * @param {Axis[][]} rest the dimensions after the first
 * @param {{ N: number, groups: Axis[], within: Axis[], inputs: Axis[], taps: Axis[] }} axes
 * @param {Rewriter} r
 * @returns {Mixture | null}
 */
function mixtureOf(value, rest, { N, groups, within, inputs, taps }, r) {
  if (value.constant) return null;
  const samples = axesOf(N);
  const { factors, sum } = factorsOf(value, [[...samples, ...groups, ...within], ...rest],
    [...groups, ...within, ...inputs, ...taps], r);

  // axes may have been divided
  const roleOf = (/** @type {readonly Axis[]} */ ...axes) => {
    const all = undivided(axes);
    return { factors: /** @type {Factor[]} */ ([]), axes: all, length: sizeOf(all.map(({ length }) => length)) };
  };
  const roles = {
    kernels: roleOf(...(sum ? [sum] : [])), outputs: roleOf(...groups, ...within),
    inputs: roleOf(...groups, ...inputs), taps: roleOf(...taps),
  };
  const made = {
    N, K: roles.kernels.length, roles, samples: undivided(samples), constants: /** @type {Factor[]} */ ([]),
    kernelAxes: [...roles.kernels.axes, ...undivided([...groups, ...within, ...inputs, ...taps])],
  };
  // those with the most axes have the least choice
  const own = (/** @type {Factor} */ { axes }) => axes.filter((axis) => !made.samples.includes(axis));
  for (const factor of [...factors].sort((a, b) => own(b).length - own(a).length)) {
    const axes = own(factor);
    if (factor.value.constant) {
      if (axes.length < factor.axes.length) return null;
      made.constants.push(factor);
      continue;
    }
    const isOfKernels = sum !== null && axes.includes(roles.kernels.axes[0]);
    const role = roleFor(axes, isOfKernels ? [roles.kernels] : [roles.outputs, roles.inputs, roles.taps]);
    // a tensor of more axes cannot be turned
    if (!role || made.samples.length + role.axes.length > MAX_RANK) return null;
    role.factors.push(factor);
  }
  const known = new Set(made.constants.flatMap(({ axes }) => axes));
  const isWhole = made.kernelAxes.every((axis) => known.has(axis)) && made.constants.length > 0;
  const isWeighed = (roles.kernels.factors.length > 0) === (made.K > 1);
  const isSmall = sizeOf(made.kernelAxes.map(({ length }) => length)) <= LARGEST || wholeConstant(made) !== null;
  return isWhole && isWeighed && isSmall ? made : null;
}

/**
 * The role that a factor with these axes takes: rather one that has no factor yet, and exactly these axes.
 *
 * @param {Axis[]} axes
 * @param {Role[]} roles
 */
function roleFor(axes, roles) {
  const fitting = roles.filter((role) => axes.every((axis) => role.axes.includes(axis)));
  const free = fitting.filter(({ factors }) => factors.length === 0);
  return free.find((role) => role.axes.length === axes.length) ?? free[0] ?? fitting[0] ?? null;
}

/**
 * A factor as a matrix.
 *
 * @param {Mixture} mixture
 * @param {keyof Mixture['roles']} role
 * @param {string} name
 * @param {Rewriter} r
 * @returns {Value | null} [N, length]; null if it is 1
 */
export function factorMatrix({ roles, samples, N }, role, name, r) {
  const { factors, axes, length } = roles[role];
  const target = [...samples, ...axes];
  const matrices = factors.map((factor) => {
    const present = target.filter((axis) => factor.axes.includes(axis));
    const lengths = (/** @type {readonly Axis[]} */ list) => list.map((axis) => axis.length);
    let value = r.reshape(factor.value, lengths(factor.axes), name);
    const order = present.map((axis) => factor.axes.indexOf(axis));
    if (order.some((axis, i) => axis !== i)) value = r.add('transpose', `${name}/transpose`, [value], { order });
    if (present.length < target.length) {
      value = r.reshape(value, target.map((axis) => (present.includes(axis) ? axis.length : 1)), name);
      value = r.add('expand', `${name}/expand`, [value], { shape: lengths(target) });
    }
    return r.reshape(value, [N, length], name);
  });
  if (matrices.length === 0) return null;
  return matrices.reduce((a, b) => r.add('multiply', `${name}/multiply`, [a, b]));
}

/**
 * Whether two mixtures, one of them of biases, have the same weights of kernels.
 *
 * @param {Mixture} bias
 * @param {Mixture} kernels
 * @param {Rewriter} r
 */
export function isSameAttention(bias, kernels, r) {
  const key = (/** @type {Mixture} */ { roles, samples }) => roles.kernels.factors.map(({ value, axes }) =>
    `${r.beforeReshape(value).id} ${axes.map((axis) => samples.includes(axis))}`).sort().join();
  const { outputs, inputs, taps } = bias.roles;
  return bias.K === kernels.K && bias.K > 1 && key(bias) === key(kernels) &&
    [outputs, inputs, taps].every(({ factors }) => factors.length === 0);
}

/**
 * The constants as one, [K, ...]: a view if it is in order.
 *
 * @param {Mixture} mixture
 * @param {number[]} shape
 * @param {string} stateName
 * @param {Rewriter} r
 */
export function kernelsOf(mixture, shape, stateName, r) {
  const { constants, kernelAxes } = mixture;
  const whole = wholeConstant(mixture);
  const main = mainConstant(mixture);
  const isRead = main.stateName === stateName;
  if (whole) {
    return r.builder.constant(/** @type {Float32Array} */ (whole.constant), shape, whole.name,
      { stateName, stateShape: isRead ? whole.stateShape : shape });
  }
  const lengths = kernelAxes.map(({ length }) => length);
  const kernels = new Float32Array(sizeOf(lengths)).fill(1);
  for (const { value, axes, isDivisor } of constants) {
    const own = stridesOf(axes.map(({ length }) => length));
    const strides = kernelAxes.map((axis) => (axes.includes(axis) ? own[axes.indexOf(axis)] : 0));
    const numbers = gather(/** @type {Float32Array} */ (value.constant), lengths, strides, 0,
      new Float32Array(kernels.length));
    for (let i = 0; i < kernels.length; i++) kernels[i] = isDivisor ? kernels[i] / numbers[i] : kernels[i] * numbers[i];
  }
  // a parameter in another order is that of the layer only if the file has no name for it
  return r.builder.constant(kernels, shape, main.name, isRead ? {} : { stateName, stateShape: shape });
}

/**
 * The constant that has the kernels as they are, if no other changes them.
 *
 * @param {Mixture} mixture
 * @returns {Value | null}
 */
function wholeConstant({ constants, kernelAxes }) {
  const others = constants.filter(({ value }) => value.constant?.length !== 1 || value.constant[0] !== 1);
  const [only] = others.length > 0 ? others : constants;
  const isInOrder = only.axes.length === kernelAxes.length && only.axes.every((axis, i) => axis === kernelAxes[i]);
  return others.length <= 1 && isInOrder && !only.isDivisor ? only.value : null;
}

/**
 * The largest constant, which gives the kernels their name.
 *
 * @param {Mixture} mixture
 */
export const mainConstant = ({ constants }) => constants.map(({ value }) => value).reduce((a, b) =>
  (sizeOf(b.shape) > sizeOf(a.shape) ? b : a));
