// Compares the C library with PyTorch's gradients (tests/fixtures/golden) and training runs
// (tests/fixtures/training).
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { parseSafetensors } from '../../web/dynakernel/safetensors.js';
import { runProgram, variants } from './programs.mjs';

const PARAMETERS = [
  'attention.conv1.weight', 'attention.bn.weight', 'attention.bn.bias', 'attention.conv2.weight',
  'attention.conv2.bias', 'aggregation.weight', 'aggregation.bias',
];
const STATISTICS = ['attention.bn.running_mean', 'attention.bn.running_var'];

/** Every .safetensors file of tests/fixtures/FOLDER. */
function readCases(folder) {
  const location = new URL(`../fixtures/${folder}/`, import.meta.url);
  return readdirSync(location).filter((file) => file.endsWith('.safetensors')).sort().map((file) => {
    const tensors = parseSafetensors(readFileSync(new URL(file, location)));
    const { config, training } = tensors.__metadata__;
    return {
      name: file.replace('.safetensors', ''), tensors, config: config && JSON.parse(config),
      training: training ? JSON.parse(training) : undefined,
    };
  });
}

// In golden files with both modes, eval.grad.* of the parameters are wrong: they are gradients of training mode.
// tests/fixtures/eval-gradients has the right ones.
const corrected = Object.fromEntries(readCases('eval-gradients').map(({ name, tensors }) => [name, tensors]));
const gradients = readCases('golden').flatMap(({ name, tensors, config }) => ['eval', 'train']
  .filter((mode) => tensors[`${mode}.grad.input`])
  .map((mode) => ({ name, mode, config, tensors: { ...tensors, ...corrected[name] }, goal: tensors[`${mode}.grad_output`] })));

const runs = readCases('training').map((run) => ({ ...run, mode: run.training.mode, goal: run.tensors.target }));

test('there are gradients in both modes and four training runs', () => {
  assert.equal(gradients.filter(({ mode }) => mode === 'eval').length, 32);
  assert.ok(gradients.some(({ mode }) => mode === 'train'));
  assert.equal(runs.length, 4);
});

for (const variant of variants) {
  test(`gradients match PyTorch's: ${variant}`, async (t) => {
    const answer = ask(variant, gradients);
    for (const { name, mode, tensors, config } of gradients)
      await t.test(`${name}, ${mode}`, () => {
        const compared = ['input', ...present(tensors)].map((key) => {
          const want = tensors[`${mode}.grad.${key}`].data;
          return { key, want, got: answer.take(want.length) };
        });
        for (const { key, want, got } of compared) {
          const allowed = 1e-4 * (1 + largest(want));
          assertWithin(got, want, () => allowed, `gradient of ${key}, ${name} ${mode} ${JSON.stringify(config)}`);
        }
      });
    answer.end();
  });

  test(`training runs match PyTorch's: ${variant}`, async (t) => {
    const answer = ask(variant, runs);
    for (const { name, tensors, training } of runs)
      await t.test(name, () => {
        const losses = tensors.loss.data, gotLosses = answer.take(training.steps);
        const compared = [...present(tensors), ...STATISTICS].map((key) => {
          const want = tensors[`after.${key}`].data;
          return { key, want, got: answer.take(want.length) };
        });
        assert.equal(losses.length, training.steps);
        assertWithin(gotLosses, losses, (i) => 1e-3 * losses[i], `loss of ${name}`);
        for (const { key, want, got } of compared) assertWithin(got, want, () => 2e-3, `${key} after ${name}`);
      });
    answer.end();
  });
}

function present(tensors) {
  return PARAMETERS.filter((key) => tensors[key]);
}

/** Sends the requests to tests/native/gradients.c. take() returns the next numbers of its answer. */
function ask(variant, requests) {
  const { status, stdout, stderr } = runProgram('gradients', variant, { input: Buffer.concat(requests.map(encodeRequest)) });
  assert.equal(status, 0, stderr);
  let offset = 0;
  return {
    take(/** @type {number} */ count) {
      const bytes = stdout.subarray(offset, (offset += count * 4));
      assert.equal(bytes.length, count * 4, 'the answer ends early');
      return new Float32Array(new Uint8Array(bytes).buffer);
    },
    end: () => assert.equal(offset, stdout.length),
  };
}

/** A request in the format that tests/native/gradients.c reads. */
function encodeRequest({ mode, tensors, config, training, goal }) {
  const [N, C, H, W] = tensors.input.shape;
  const { lr = 0, momentum = 0, weight_decay = 0, betas = [0.9, 0.999], eps = 1e-8 } = training?.options ?? {};
  const integers = Int32Array.of(
    C, config.out_channels, config.kernel_size, config.stride, config.padding, config.dilation,
    config.groups, config.num_kernels, Number(config.bias), 0,
    tensors['attention.conv1.weight'].shape[0], N, H, W, Number(mode === 'train'),
    training?.steps ?? 0, Number(training?.optimizer === 'adam'));
  const options = Float64Array.of(lr, momentum, weight_decay, ...betas, eps);
  const floats = [...present(tensors), ...STATISTICS, 'input'].map((name) => tensors[name].data);
  return Buffer.concat([integers, options, ...floats, goal.data].map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength)));
}

function largest(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

function assertWithin(got, want, allowed, label) {
  const wrong = [...want.keys()].filter((i) => !(Math.abs(got[i] - want[i]) <= allowed(i)));
  const shown = wrong.slice(0, 4).map((i) => `[${i}] got ${got[i]}, expected ${want[i]} within ${allowed(i)}`);
  assert.equal(wrong.length, 0, `${label}: ${wrong.length} of ${want.length} differ: ${shown.join('; ')}`);
}
