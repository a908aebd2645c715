// Helpers of the unit tests: the build under test, seeded numbers, comparisons of numbers, refusals.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { DynakernelError, load, parseSafetensors } from '../web/dynakernel/index.js';
import { heapOf } from '../web/dynakernel/runtime.js';
import { Random } from '../web/shared/random.js';

/** The build under test: DYNAKERNEL_SIMD in the environment. */
export const simd = process.env.DYNAKERNEL_SIMD ?? 'baseline';

/** The number of threads: DYNAKERNEL_THREADS in the environment. */
export const threads = Number(process.env.DYNAKERNEL_THREADS ?? 1);

/** A runtime of that build with that number of threads. The options override both. */
export const loadRuntime = (options = {}) => load({ simd, threads, ...options });

/** The names of the library's algorithms, 'auto' first, from the library's own table. */
export const algorithmsOf = (dk) => heapOf(dk).algorithms;

/** A tensor of random numbers between -1 and 1. */
export function randomTensor(dk, shape, seed = 1) {
  const random = new Random(seed);
  const size = shape.reduce((product, length) => product * length, 1);
  return dk.tensor(Float32Array.from({ length: size }, () => random.between(-1, 1)), shape);
}

/** Asserts that values are within 2e-5 * (1 + max|expected|), the tolerance of every output. NaN matches only NaN. */
export function assertClose(actual, expected, label) {
  assert.equal(actual.length, expected.length, `${label}: length`);
  const finite = expected.filter(Number.isFinite);
  const tolerance = 2e-5 * (1 + finite.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
  for (let i = 0; i < expected.length; i++) {
    const same = Object.is(actual[i], expected[i]) || Math.abs(actual[i] - expected[i]) <= tolerance;
    if (!same) assert.fail(`${label}: [${i}] is ${actual[i]}, expected ${expected[i]} within ${tolerance}`);
  }
}

/** Asserts that work throws a DynakernelError with this code, and that its message contains each of these words. */
export function assertRefused(work, code, ...words) {
  assert.throws(work, (error) => isRefusal(error, code, words));
}

/** Like assertRefused(), for a promise. */
export async function assertRejected(work, code, ...words) {
  await assert.rejects(work, (error) => isRefusal(error, code, words));
}

function isRefusal(error, code, words) {
  assert.ok(error instanceof DynakernelError, `expected a DynakernelError, got ${error?.stack ?? error}`);
  assert.equal(error.code, code, error.message);
  for (const word of words) {
    assert.ok(error.message.includes(word), `"${error.message}" should contain "${word}"`);
  }
  return true;
}

const goldenFolder = new URL('fixtures/golden/', import.meta.url);

export const goldenNames = readdirSync(goldenFolder).filter((file) => file.endsWith('.safetensors'))
  .map((file) => file.replace('.safetensors', ''));

/**
 * PyTorch's results for one configuration. The file contains the state dict, `input`, and for each MODE
 * `MODE.attention`, `MODE.output` and gradients. The modes are eval and, if the batch has more than one image, train. For
 * train it also contains the running statistics after the pass.
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
