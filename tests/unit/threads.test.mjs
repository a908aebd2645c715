// Threads: the same answers, fall-back with its reason, workers that end.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { load } from '../../web/dynakernel/index.js';
import { assertRejected, assertRefused, randomTensor, simd } from '../helpers.mjs';

// Large enough to be divided: by rows, by blocks of output channels, by samples; one of each algorithm.
const LAYERS = [
  { inChannels: 3, outChannels: 5, kernelSize: 3, padding: 1, image: [1, 3, 130, 131] },
  { inChannels: 3, outChannels: 4, kernelSize: 7, padding: 3, image: [1, 3, 70, 90] },
  { inChannels: 32, outChannels: 40, kernelSize: 3, padding: 1, image: [1, 32, 41, 43] },
  { inChannels: 32, outChannels: 32, kernelSize: 3, padding: 2, dilation: 2, image: [1, 32, 41, 43] },
  { inChannels: 64, outChannels: 72, kernelSize: 3, padding: 1, image: [1, 64, 13, 13] },
  { inChannels: 24, outChannels: 24, kernelSize: 5, padding: 2, groups: 24, image: [1, 24, 50, 47] },
  { inChannels: 24, outChannels: 24, kernelSize: 3, padding: 1, stride: 2, groups: 3, image: [3, 24, 60, 61] },
  { inChannels: 48, outChannels: 50, kernelSize: 1, image: [5, 48, 33, 31] },
];

for (const count of [2, 3, 4])
  test(`${count} threads answer what one does, to the last bit`, async () => {
    const single = await load({ simd, threads: 1 }), several = await load({ simd, threads: count });
    assert.equal(several.info.threads, count);
    for (const { image, ...config } of LAYERS) {
      const [expected, actual] = [single, several].map((dk) => {
        const block = dk.dynamicKernelAggregation({ ...config, seed: 3 });
        let y;
        for (let repeat = 0; repeat < 6; repeat++) {
          y?.dispose();
          y = block.forward(randomTensor(dk, image));
        }
        return y.toArray();
      });
      assert.deepEqual(actual, expected, JSON.stringify({ image, ...config }));
    }
    single.dispose();
    several.dispose();
  });

test('without shared memory: one warning with the reason, and one thread', async (t) => {
  const warn = t.mock.method(console, 'warn', () => {});
  const { SharedArrayBuffer } = globalThis;
  delete globalThis.SharedArrayBuffer;
  t.after(() => Object.assign(globalThis, { SharedArrayBuffer }));
  for (const threads of [1, 4, 2]) {
    const dk = await load({ simd, threads });
    assert.equal(dk.info.threads, 1);
    assert.deepEqual(randomTensor(dk, [2, 2]).shape, [2, 2]);
    dk.dispose();
  }
  assert.equal(warn.mock.callCount(), 1);
  assert.match(warn.mock.calls[0].arguments[0], /one thread.*not cross-origin isolated.*Opener-Policy/);
});

test('refuses what is no number of threads', async () => {
  for (const threads of [0, -1, 1.5, 17, NaN, 'two', null]) {
    await assertRejected(load({ threads }), 'ERR_CONFIG', 'threads', threads === 17 ? 'at most 16' : 'whole number');
  }
});

test('a disposed runtime ends its workers, and refuses', async () => {
  const dk = await load({ simd, threads: 3 });
  dk.dispose();
  dk.dispose();
  assertRefused(() => dk.zeros([1]), 'ERR_DISPOSED');
});

const run = promisify(execFile);
const script = (body) => ['--input-type=module', '--eval', `
  import { load } from '${new URL('../../web/dynakernel/index.js', import.meta.url)}';
  const dk = await load({ simd: '${simd}', threads: 3 });
  const block = dk.dynamicKernelAggregation({ inChannels: 16, outChannels: 16, kernelSize: 3, seed: 1 });
  block.forward(dk.zeros([1, 16, 64, 64]));
  ${body}
  console.log(dk.info ? 'end' : '');`];

test('a process with threads ends by itself', async () => {
  const { stdout } = await run(process.execPath, script(''), { timeout: 20_000 });
  assert.equal(stdout, 'end\n');
});

test('dispose() ends the workers', async () => {
  // Node names each thread of the process; those of workers go with them.
  const body = `
    const { readdirSync } = await import('node:fs');
    const tasks = () => readdirSync('/proc/self/task').length;
    const before = tasks();
    dk.dispose();
    for (let wait = 0; wait < 100 && tasks() > before - 2; wait++) await new Promise((resolve) => setTimeout(resolve, 50));
    console.log(before - tasks() >= 2);
    process.exit();`;
  const { stdout } = await run(process.execPath, script(body), { timeout: 20_000 });
  assert.equal(stdout, 'true\n');
});
