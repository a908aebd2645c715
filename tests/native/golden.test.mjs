// Compares the C library with PyTorch's results (tests/fixtures/golden), without the JavaScript wrapper.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { parseSafetensors } from '../../web/dynakernel/safetensors.js';
import { runProgram, variants } from './programs.mjs';

const folder = new URL('../fixtures/golden/', import.meta.url);
const TOLERANCE = 2e-5;
const PARAMETERS = [
  'attention.conv1.weight', 'attention.bn.weight', 'attention.bn.bias', 'attention.bn.running_mean',
  'attention.bn.running_var', 'attention.conv2.weight', 'attention.conv2.bias', 'aggregation.weight',
  'aggregation.bias',
];

const cases = readdirSync(folder).filter((file) => file.endsWith('.safetensors')).sort().map((file) => {
  const tensors = parseSafetensors(readFileSync(new URL(file, folder)));
  return { name: file.replace('.safetensors', ''), tensors, config: JSON.parse(tensors.__metadata__.config) };
});

const requests = cases.flatMap(({ name, tensors, config }) =>
  ['eval', 'train'].filter((mode) => tensors[`${mode}.output`]).map((mode) => ({ name, mode, tensors, config })));

test('there are 32 cases, and some of them have training mode', () => {
  assert.equal(cases.length, 32);
  assert.ok(requests.length > 32);
});

for (const variant of variants)
  test(`the C library's outputs match PyTorch's: ${variant}`, async (t) => {
    const input = Buffer.concat(requests.map(encodeRequest));
    const { status, stdout, stderr } = runProgram('forward', variant, { input });
    assert.equal(status, 0, stderr);
    let offset = 0;
    const take = (/** @type {number} */ count, Type = Float32Array) => {
      const bytes = stdout.subarray(offset, (offset += count * 4));
      return new Type(new Uint8Array(bytes).buffer);
    };
    for (const { name, mode, tensors, config } of requests)
      await t.test(`${name}, ${mode}`, () => {
        const label = `${name} ${mode} ${JSON.stringify(config)}`;
        assert.equal(take(1, Int32Array)[0], 0, `status of ${label}`);
        const [Ho, Wo] = take(2, Int32Array);
        const attention = tensors[`${mode}.attention`], output = tensors[`${mode}.output`];
        assert.deepEqual([Ho, Wo], output.shape.slice(2), label);
        assertClose(take(attention.data.length), attention.data, `attention of ${label}`);
        assertClose(take(output.data.length), output.data, `output of ${label}`);
        for (const statistic of ['running_mean', 'running_var']) {
          const key = `attention.bn.${statistic}`;
          const want = (mode === 'train' ? tensors[`train.${key}`] : tensors[key]).data;
          assertClose(take(want.length), want, `${statistic} of ${label}`);
        }
      });
    assert.equal(offset, stdout.length);
  });

/** A request in the format that tests/native/forward.c reads. */
function encodeRequest({ mode, tensors, config }) {
  const [N, C, H, W] = tensors.input.shape;
  const integers = Int32Array.of(
    C, config.out_channels, config.kernel_size, config.stride, config.padding, config.dilation,
    config.groups, config.num_kernels, Number(config.bias), 0,
    tensors['attention.conv1.weight'].shape[0], N, H, W, Number(mode === 'train'));
  const floats = [...PARAMETERS, 'input'].filter((name) => tensors[name]).map((name) => tensors[name].data);
  return Buffer.concat([integers, ...floats].map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)));
}

/** Asserts that values are within the tolerance of every output. */
function assertClose(got, want, label) {
  const largest = want.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const allowed = TOLERANCE * (1 + largest);
  const wrong = [...want.keys()].filter((i) => !(Math.abs(got[i] - want[i]) <= allowed));
  const shown = wrong.slice(0, 4).map((i) => `[${i}] got ${got[i]}, expected ${want[i]}`);
  assert.equal(wrong.length, 0, `${label}: ${wrong.length} of ${want.length} differ by more than ${allowed}: ${shown.join('; ')}`);
}
