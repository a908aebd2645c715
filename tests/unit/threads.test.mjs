// Threads: equal results, one thread with a reason, workers that end.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { load } from '../../web/dynakernel/index.js';
import { algorithmsOf, assertClose, assertRejected, assertRefused, randomTensor, simd } from '../helpers.mjs';

// Shapes that are large enough to be divided. They cover each algorithm, and each way of dividing in
// src/convolution/batch.c. Two of the ways are used only while all threads are awake.
const LAYERS = [
  { inChannels: 3, outChannels: 5, kernelSize: 3, padding: 1, image: [1, 3, 130, 131] },
  { inChannels: 3, outChannels: 4, kernelSize: 7, padding: 3, image: [1, 3, 70, 90] },
  { inChannels: 32, outChannels: 40, kernelSize: 3, padding: 1, image: [1, 32, 41, 43] },
  { inChannels: 32, outChannels: 32, kernelSize: 3, padding: 2, dilation: 2, image: [1, 32, 41, 43] },
  { inChannels: 64, outChannels: 72, kernelSize: 3, padding: 1, image: [1, 64, 13, 13] },
  { inChannels: 24, outChannels: 24, kernelSize: 5, padding: 2, groups: 24, image: [1, 24, 50, 47] },
  { inChannels: 24, outChannels: 24, kernelSize: 3, padding: 1, stride: 2, groups: 3, image: [3, 24, 60, 61] },
  { inChannels: 48, outChannels: 50, kernelSize: 1, image: [5, 48, 33, 31] },
  { inChannels: 32, outChannels: 32, kernelSize: 3, padding: 1, stride: 2, image: [1, 32, 81, 83] },
  { inChannels: 24, outChannels: 24, kernelSize: 3, padding: 1, groups: 24, image: [1, 24, 120, 130] },
  { inChannels: 9, outChannels: 20, kernelSize: 4, padding: 1, image: [1, 9, 90, 91] },
  { inChannels: 12, outChannels: 40, kernelSize: 4, stride: 4, image: [1, 12, 130, 131] },
  { inChannels: 64, outChannels: 72, kernelSize: 3, padding: 1, stride: 2, image: [1, 64, 27, 27] },
  { inChannels: 130, outChannels: 200, kernelSize: 1, image: [1, 130, 12, 13] },
  { inChannels: 96, outChannels: 112, kernelSize: 3, padding: 1, groups: 16, image: [1, 96, 30, 31] },
  { inChannels: 72, outChannels: 72, kernelSize: 3, padding: 1, groups: 72, image: [1, 72, 70, 71] },
  { inChannels: 40, outChannels: 40, kernelSize: 3, padding: 1, groups: 40, image: [1, 40, 64, 48] },
];

test('every algorithm is among the layers', async () => {
  const dk = await load({ simd, threads: 1 });
  const planned = LAYERS.map(({ image, ...config }) => dk.kernelAggregation(config).planFor(image).algorithm);
  assert.deepEqual(algorithmsOf(dk).filter((name) => !planned.includes(name)), ['auto', 'reference']);
  dk.dispose();
});

for (const count of [2, 3, 4])
  test(`${count} threads return the bits that one returns`, async () => {
    const single = await load({ simd, threads: 1 }), several = await load({ simd, threads: count });
    assert.equal(several.info.threads, count);
    for (const { image, ...config } of LAYERS) {
      const [expected, actual] = [single, several].map((dk) => {
        const block = dk.dynamicKernelAggregation({ ...config, seed: 3 });
        const x = randomTensor(dk, image);
        return Array.from({ length: 6 }, () => block.forward(x).toArray());
      });
      assert.deepEqual(actual, expected, JSON.stringify({ image, ...config }));
    }
    single.dispose();
    several.dispose();
  });

test('non-finite values, which some algorithms pass to another: the results of one thread', async () => {
  const single = await load({ simd, threads: 1 }), several = await load({ simd, threads: 3 });
  for (const { image, ...config } of LAYERS) {
    const [expected, actual] = [single, several].map((dk) => {
      const x = randomTensor(dk, image), attention = randomTensor(dk, [image[0], 4]);
      x.data[7] = Infinity;
      return dk.kernelAggregation({ ...config, seed: 3 }).forward(x, attention).toArray();
    });
    const name = JSON.stringify({ image, ...config });
    assert.ok(expected.some((value) => !Number.isFinite(value)) && expected.some(Number.isFinite), name);
    assertClose(actual, expected, name);
  }
  single.dispose();
  several.dispose();
});

test('without shared memory: one thread and a reason, on the console only for a number of threads', async (t) => {
  const warn = t.mock.method(console, 'warn', () => {});
  const { SharedArrayBuffer } = globalThis;
  delete globalThis.SharedArrayBuffer;
  t.after(() => Object.assign(globalThis, { SharedArrayBuffer }));
  for (const threads of [undefined, 'auto', 1, 4, 2]) {
    const dk = await load({ simd, threads });
    assert.equal(dk.info.threads, 1);
    if (threads === 1) assert.equal(dk.info.threadsReason, null);
    else assert.match(dk.info.threadsReason, /not cross-origin isolated.*Opener-Policy/);
    assert.deepEqual(randomTensor(dk, [2, 2]).shape, [2, 2]);
    dk.dispose();
    assert.equal(warn.mock.callCount(), typeof threads === 'number' && threads > 1 ? 1 : 0);
  }
  assert.match(warn.mock.calls[0].arguments[0], /one thread.*not cross-origin isolated.*Opener-Policy/);
});

test('no reason if there are several threads', async () => {
  const dk = await load({ simd, threads: 2 });
  assert.deepEqual([dk.info.threads, dk.info.threadsReason], [2, null]);
  dk.dispose();
});

test('refuses values that are not a number of threads', async () => {
  for (const threads of [0, -1, 1.5, 17, NaN, 'two', null]) {
    await assertRejected(load({ threads }), 'ERR_CONFIG', 'threads', threads === 17 ? 'at most 16' : 'whole number');
  }
});

test('a disposed runtime with threads refuses', async () => {
  const dk = await load({ simd, threads: 3 });
  dk.dispose();
  dk.dispose();
  assertRefused(() => dk.zeros([1]), 'ERR_DISPOSED');
});

const run = promisify(execFile);

/** Runs a body with load() in a new process, and returns its output. */
async function runAlone(body) {
  const source = `import { load } from '${new URL('../../web/dynakernel/index.js', import.meta.url)}';
    const options = { simd: '${simd}', threads: 3 };
    ${body}`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', source], { timeout: 30_000 });
  return stdout.trim();
}

const FORWARD = `
  const dk = await load(options);
  const block = dk.dynamicKernelAggregation({ inChannels: 16, outChannels: 16, kernelSize: 3, seed: 1 });
  block.forward(dk.zeros([1, 16, 64, 64]));`;

// Node names each thread of the process. A worker's threads end with it.
const TASKS = `
  const { readdirSync } = await import('node:fs');
  const { setTimeout: sleep } = await import('node:timers/promises');
  const tasks = () => readdirSync('/proc/self/task').length;
  const tasksFallTo = async (count) => {
    for (let wait = 0; wait < 100 && tasks() > count; wait++) await sleep(50);
    return tasks() <= count;
  };`;

test('a process with threads ends by itself', async () => {
  assert.equal(await runAlone(`${FORWARD} console.log('end');`), 'end');
});

test('dispose() ends the workers', async () => {
  assert.equal(await runAlone(`${TASKS} ${FORWARD}
    const before = tasks();
    dk.dispose();
    console.log(await tasksFallTo(before - 2));
    process.exit();`), 'true');
});

test('loading that is aborted leaves no workers', async () => {
  assert.equal(await runAlone(`${TASKS}
    (await load(options)).dispose();
    await sleep(500);
    const before = tasks();
    const codes = [];
    for (const time of [0, 1, 2, 5, 10, 20, 30, 40]) {
      const controller = new AbortController();
      const loading = load({ ...options, signal: controller.signal });
      setTimeout(() => controller.abort(), time);
      await loading.then((dk) => dk.dispose(), ({ code }) => codes.push(code));
    }
    await sleep(500);
    console.log(codes.length > 2 && codes.every((code) => code === 'ERR_LOAD'), await tasksFallTo(before));
    process.exit();`), 'true true');
});

test('several threads for a file without threads: one warning that names it', async () => {
  const file = new URL(`../../dist/dynakernel-${simd}.wasm`, import.meta.url);
  const reason = `dynakernel-${simd}.wasm has no threads`;
  assert.equal(await runAlone(`
    console.warn = (message) => console.log(message.replace(/.*\\//, ''));
    for (const threads of ['auto', 1, 4, 4]) {
      const dk = await load({ threads, wasm: '${file}' });
      console.log(dk.info.threads, dk.info.threadsReason?.replace(/.*\\//, ''));
      dk.dispose();
    }`), `1 ${reason}\n1 undefined\n${reason}. load({ threads: 1 }) avoids this warning.\n1 ${reason}\n1 ${reason}`);
});
