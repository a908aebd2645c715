// Workers that end, or stop, while a runtime needs them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { after, test } from 'node:test';
import { load } from '../../web/dynakernel/index.js';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { assertRefused, randomTensor, simd } from '../helpers.mjs';

const threadsModule = createRequire(import.meta.url)('node:worker_threads');
const { Worker } = threadsModule;
after(() => {
  threadsModule.Worker = Worker;
  syncBuiltinESMExports();
});

/**
 * A runtime with threads, and its workers. start(url, options) makes each worker.
 */
async function loadWith(threads, start = (url, options) => new Worker(url, options)) {
  const workers = [];
  threadsModule.Worker = function (url, options) {
    workers.push(start(url, options));
    return workers.at(-1);
  };
  syncBuiltinESMExports();
  try {
    return { dk: await load({ simd, threads }), workers };
  } finally {
    threadsModule.Worker = Worker;
    syncBuiltinESMExports();
  }
}

const config = { inChannels: 16, outChannels: 24, kernelSize: 3, padding: 1, seed: 4 };

/** Work for several threads, with the outputs that one thread computes. */
async function workFor(dk) {
  const single = await load({ simd, threads: 1 });
  const [expected, block] = [single, dk].map((runtime) => {
    const made = runtime.dynamicKernelAggregation(config);
    return runtime === dk ? made : made.forward(randomTensor(runtime, [1, 16, 96, 90])).toArray();
  });
  single.dispose();
  return { block, x: randomTensor(dk, [1, 16, 96, 90]), expected };
}

/** Waits until a condition holds. */
async function until(holds, what) {
  for (let wait = 0; wait < 200; wait++) {
    if (holds()) return;
    await new Promise((next) => setTimeout(next, 25));
  }
  assert.fail(`never: ${what}`);
}

test('a worker that ends between calls: the same answers on one thread, and info says why', async () => {
  const { dk, workers } = await loadWith(3);
  const { block, x, expected } = await workFor(dk);
  assert.deepEqual(block.forward(x).toArray(), expected);
  assert.deepEqual([dk.info.threads, dk.info.threadsReason], [3, null]);
  const [{ threadId }] = workers;
  assert.ok(threadId > 0);
  await workers[0].terminate();
  assert.deepEqual(block.forward(x).toArray(), expected);
  await until(() => dk.info.threads === 1, 'one thread');
  assert.match(dk.info.threadsReason, /^a worker thread has ended/);
  for (let i = 0; i < 3; i++) assert.deepEqual(block.forward(x).toArray(), expected);
  await until(() => workers.every((worker) => worker.threadId === -1), 'the other worker ends too');
  assert.deepEqual(block.forward(x).toArray(), expected);
  dk.dispose();
});

test('dispose() is no loss', async () => {
  const { dk, workers } = await loadWith(2);
  dk.dispose();
  await until(() => workers[0].threadId === -1, 'the worker ends');
});

test('a worker that dies in the middle of its task: ERR_LOAD in time, then one thread', async () => {
  // The stack is outside the memory, so the first function that needs it traps: the task, not the wait.
  const { dk } = await loadWith(2, (url, { workerData, ...options }) =>
    new Worker(url, { ...options, workerData: { ...workerData, stack: 2 ** 31 - 64 } }));
  const { block, x, expected } = await workFor(dk);
  const state = block.stateDict();
  const kept = dk.tensor([1, 2, 3], [3]);
  block.requiresGrad = true;

  let begin;
  assertRefused(() => {
    for (let call = 0; call < 1000; call++) { // the caller may finish before the worker begins
      begin = performance.now();
      block.forward(x).dispose();
    }
  }, 'ERR_LOAD', 'worker', '5 seconds');
  const took = performance.now() - begin;
  assert.ok(took > 4000 && took < 60_000, `${took} ms`);
  assert.equal(dk.info.threads, 1);
  assert.match(dk.info.threadsReason, /did not finish/);

  // The runtime does not know yet that the worker is dead, so it must not use memory that the worker may write.
  assertRefused(() => block.forward(x), 'ERR_LOAD', 'worker', 'stateDict()', 'load()');
  assertRefused(() => block.backward(x), 'ERR_MODE');
  assert.deepEqual(block.stateDict(), state);
  assert.deepEqual([...kept.toArray()], [1, 2, 3]);
  kept.dispose();
  assert.equal(dk.trim(), 4 * 24 * 16 * 9, 'the scratch of stateDict() only');

  const { c, context } = heapOf(dk);
  await until(() => c.dk_context_lost(context) === 0, 'Node tells that the worker has ended');
  for (let i = 0; i < 3; i++) assert.deepEqual(block.forward(x).toArray(), expected);
  // Memory of objects that were disposed meanwhile was kept, and is freed now.
  const { live } = heapOf(dk);
  dk.zeros([16, 96, 90]).dispose();
  const before = dk.info.heapBytes;
  for (let i = 0; i < 100; i++) {
    dk.zeros([16, 96, 90]).dispose();
    block.forward(x).dispose();
  }
  assert.deepEqual([dk.info.heapBytes, heapOf(dk).live], [before, live]);
  dk.dispose();
});

/** The offset of a context's field, in 32-bit words. In src/base/context.h all fields before it have 32 bits. */
function fieldOf(name) {
  const header = readFileSync(new URL('../../src/base/context.h', import.meta.url), 'utf8');
  const [, body] = header.match(/struct dk_context \{(.*?)\n\};/s);
  const fields = body.replace(/\/\*.*?\*\//gs, '').split(';').map((line) => line.trim()).filter(Boolean);
  const index = fields.findIndex((field) => field.match(/\w+$/)[0] === name);
  assert.ok(index >= 0, name);
  for (const field of fields.slice(0, index)) {
    assert.match(field, /^(void \*|size_t |u?int32_t |float |parallel_task |const void \*|atomic_int |atomic_bool )/);
  }
  return index;
}

test('a worker that is paused in its task, and goes on later', async () => {
  // Takes one task as the workers of src/base/parallel.c do, and then pauses.
  const paused = `
    const { parentPort, workerData: { memory, context, pause, fields } } = require('node:worker_threads');
    const words = () => new Int32Array(memory.buffer);
    const at = (name) => context / 4 + fields[name];
    parentPort.postMessage('ready');
    Atomics.wait(pause, 2, 0);
    for (;;) {
      Atomics.add(words(), at('inside'), 1);
      if (Atomics.load(words(), at('next')) < Atomics.load(words(), at('count')) &&
          Atomics.add(words(), at('next'), 1) < Atomics.load(words(), at('count'))) break;
      Atomics.sub(words(), at('inside'), 1);
    }
    Atomics.store(pause, 1, 1);
    Atomics.wait(pause, 0, 0);
    Atomics.add(words(), at('finished'), 1);
    Atomics.sub(words(), at('inside'), 1);`;
  const pause = new Int32Array(new SharedArrayBuffer(12)); // flags: may go on, has a task, may begin
  const fields = Object.fromEntries(['inside', 'next', 'count', 'finished'].map((name) => [name, fieldOf(name)]));
  const { dk } = await loadWith(2, (url, { workerData, ...options }) =>
    new Worker(paused, { ...options, eval: true, workerData: { ...workerData, pause, fields } }));
  const { block, x, expected } = await workFor(dk);
  const y = dk.zeros([1, 24, 96, 90]);
  block.requiresGrad = true;
  assert.deepEqual(block.forward(x, { out: y }).toArray(), expected);
  block.backward(y).dispose();
  Atomics.store(pause, 2, 1);
  Atomics.notify(pause, 2);
  for (let i = 0; i < 1000 && pause[1] === 0; i++) {
    try {
      block.forward(x, { out: y }); // the caller may finish before the worker begins
    } catch (error) {
      assert.equal(error.code, 'ERR_LOAD', error.stack);
      assert.equal(pause[1], 1);
    }
  }
  assert.equal(pause[1], 1, 'the worker took a task');
  const { c, context } = heapOf(dk);
  assert.equal(c.dk_context_lost(context), 1);
  assertRefused(() => block.backward(y), 'ERR_MODE'); // the record of the last pass is half written
  assertRefused(() => block.forward(x), 'ERR_LOAD', 'worker');
  assertRefused(() => dk.fromImage({ data: new Uint8Array(64), width: 4, height: 4 }, { width: 2 }), 'ERR_LOAD');

  Atomics.store(pause, 0, 1);
  Atomics.notify(pause, 0);
  await until(() => c.dk_context_lost(context) === 0, 'the worker is out of its task');
  assert.deepEqual(block.forward(x, { out: y }).toArray(), expected);
  assert.equal(dk.info.threads, 1);
  dk.dispose();
});
