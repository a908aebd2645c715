// Helpers of the unit tests: the build under test, seeded numbers, closeness, refusals.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { DynakernelError, load, parseSafetensors } from '../web/dynakernel/index.js';
import { Random } from '../web/shared/random.js';

/** The build that DYNAKERNEL_SIMD names. */
export const simd = process.env.DYNAKERNEL_SIMD ?? 'baseline';

/** The number that DYNAKERNEL_THREADS holds. */
export const threads = Number(process.env.DYNAKERNEL_THREADS ?? 1);

/** A runtime of that build and number of threads. Options override them. */
export const loadRuntime = (options = {}) => load({ simd, threads, ...options });

/** A tensor of numbers from -1 to 1. */
export function randomTensor(dk, shape, seed = 1) {
  const random = new Random(seed);
  const size = shape.reduce((product, length) => product * length, 1);
  return dk.tensor(Float32Array.from({ length: size }, () => random.between(-1, 1)), shape);
}

/** Within 2e-5 * (1 + max|expected|), the tolerance of every output, and NaN only if expected. */
export function assertClose(actual, expected, what) {
  assert.equal(actual.length, expected.length, `${what}: length`);
  const finite = expected.filter(Number.isFinite);
  const tolerance = 2e-5 * (1 + finite.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
  for (let i = 0; i < expected.length; i++) {
    const same = Object.is(actual[i], expected[i]) || Math.abs(actual[i] - expected[i]) <= tolerance;
    if (!same) assert.fail(`${what}: [${i}] is ${actual[i]}, expected ${expected[i]} within ${tolerance}`);
  }
}

/** Checks that work throws a DynakernelError with this code and each of these words in its message. */
export function assertRefused(work, code, ...words) {
  assert.throws(work, (error) => isRefusal(error, code, words));
}

/** Does the same for a promise. */
export async function assertRejected(work, code, ...words) {
  await assert.rejects(work, (error) => isRefusal(error, code, words));
}

function isRefusal(error, code, words) {
  assert.ok(error instanceof DynakernelError, `a DynakernelError, not ${error?.stack ?? error}`);
  assert.equal(error.code, code, error.message);
  for (const word of words) {
    assert.ok(error.message.includes(word), `"${error.message}" should speak of "${word}"`);
  }
  return true;
}

const goldenFolder = new URL('fixtures/golden/', import.meta.url);

export const goldenNames = readdirSync(goldenFolder).map((file) => file.replace('.safetensors', ''));

/**
 * PyTorch's outputs for one configuration. The file holds the state dict, `input`, and for each MODE of eval and train
 * (only if the batch has more than one image) `MODE.attention`, `MODE.output`, gradients, and after a training pass
 * the running statistics.
 */
export function golden(name) {
  const file = parseSafetensors(readFileSync(new URL(`${name}.safetensors`, goldenFolder)));
  const { in_channels, out_channels, kernel_size, num_kernels, ...rest } = JSON.parse(file.__metadata__.config);
  const config = {
    inChannels: in_channels, outChannels: out_channels, kernelSize: kernel_size, numKernels: num_kernels, ...rest,
  };
  const state = Object.fromEntries(Object.entries(file).filter(([key]) => /^(attention|aggregation)\./.test(key)));
  return { file, config, state };
}
