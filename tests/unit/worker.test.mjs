// The worker door in Node: the same answers as load(), errors, what crosses, disposal, and the end of a worker.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { DynakernelError, toSafetensors } from '../../web/dynakernel/index.js';
import { loadInWorker, transfer } from '../../web/dynakernel/worker/index.js';
import { makeWorld } from '../hostile/api.mjs';
import { hostileValues } from '../hostile/values.mjs';
import { assertRejected, golden, goldenNames, loadRuntime, simd, threads } from '../helpers.mjs';

const options = { simd, threads };
const config = { inChannels: 3, outChannels: 2, kernelSize: 3, seed: 1 };
const ownWorker = (name = 'own-worker') => new Worker(new URL(`../${name}.mjs`, import.meta.url));

let dk, local;
before(async () => {
  [dk, local] = await Promise.all([loadInWorker(options), loadRuntime()]);
});
after(() => {
  dk?.dispose();
  local?.dispose();
});

test('the runtime is as asked for', async () => {
  const { simd: build, threads: count } = await dk.info;
  assert.deepEqual([build, count], [simd, threads]);
});

for (const name of goldenNames) {
  test(`the same bits as load(): ${name}`, async () => {
    const { file, config: options_, state } = golden(name);
    const [block, here] = [await dk.dynamicKernelAggregation(options_), local.dynamicKernelAggregation(options_)];
    await block.loadStateDict(state);
    here.loadStateDict(state);
    const x = await dk.tensor(file.input.data, file.input.shape);
    const y = await block.forward(x), expected = here.forward(local.tensor(file.input.data, file.input.shape));
    assert.deepEqual(y.shape, expected.shape);
    assert.deepEqual(await y.toArray(), expected.toArray());
    assert.deepEqual(await block.lastAttention, here.lastAttention);
    for (const part of [x, y, block, expected, here]) part.dispose();
  });
}

test('training takes the same steps', async () => {
  const losses = [];
  for (const runtime of [dk, local]) {
    const block = await runtime.dynamicKernelAggregation(config);
    await block.train();
    if (runtime === dk) await block.set('requiresGrad', true);
    else block.requiresGrad = true;
    const optimizer = await runtime.adam(block, { lr: 0.01 });
    const x = await runtime.tensor(Float32Array.from({ length: 2 * 3 * 36 }, (_, i) => Math.sin(i)), [2, 3, 6, 6]);
    const target = await runtime.zeros([2, 2, 4, 4]);
    for (let step = 0; step < 3; step++) {
      const { loss, gradient } = await runtime.mseLoss(await block.forward(x), target);
      losses.push(loss);
      await optimizer.zeroGrad();
      assert.equal(await block.backward(gradient, { input: false }), null);
      await optimizer.step();
    }
    const gradients = await block.gradients();
    losses.push(...await gradients['attention.conv2.bias'].toArray());
  }
  assert.deepEqual(losses.slice(0, losses.length / 2), losses.slice(losses.length / 2));
});

test('an object has one handle, and constants without a message', async () => {
  const block = await dk.dynamicKernelAggregation(config);
  const x = await dk.zeros([1, 3, 5, 5]);
  const y = await block.forward(x);
  assert.equal(await block.forward(x, { out: y }), y);
  assert.equal(await block.attention, await block.attention);
  assert.equal(await block.eval(), block);
  assert.deepEqual(y.shape, [1, 2, 3, 3]);
  assert.equal(block.config.outChannels, 2);
  assert.equal(Object.prototype.toString.call(y), '[object Tensor]');
  assert.equal(y.constructor.name, 'Tensor');
});

test('every public member is there, and reading a property twice gives the same', async () => {
  const block = local.dynamicKernelAggregation(config), x = local.zeros([1, 3, 5, 5]);
  const remoteBlock = await dk.dynamicKernelAggregation(config), remoteX = await dk.zeros([1, 3, 5, 5]);
  const net = local.onnxNetwork(onnx()), remoteNet = await dk.onnxNetwork(onnx());
  const [nx, remoteNx] = [local, dk].map((runtime) => runtime.zeros(Object.values(net.inputs)[0]));
  net.forward(nx);
  await remoteNet.forward(await remoteNx);
  block.forward(x);
  await remoteBlock.forward(remoteX);
  for (const [object, remote] of [[local, dk], [block, remoteBlock], [x, remoteX], [net, remoteNet], [local.sgd(block), await dk.sgd(remoteBlock)]]) {
    for (const [name, { value, get }] of membersOf(object)) {
      if (value) assert.equal(typeof remote[name], 'function', name);
      if (!get || name === 'info') continue;
      const [first, second] = [await remote[name], await remote[name]];
      assert.deepEqual(second, first, name);
      if (typeof object[name] !== 'object' || Array.isArray(object[name])) assert.deepEqual(first, object[name], name);
    }
  }
});

const onnx = () => readFileSync(new URL('../fixtures/onnx/cases/test_Conv2d_padding/model.onnx', import.meta.url));

function membersOf(object) {
  const members = new Map();
  for (let prototype = Object.getPrototypeOf(object); prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype)) {
    for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (name !== 'constructor') members.set(name, member);
    }
  }
  return members;
}

test('calls run in the order in which they were made, without waiting', async () => {
  const block = await dk.dynamicKernelAggregation({ ...config, padding: 1 });
  const x = await dk.zeros([1, 3, 4, 4]), y = await dk.zeros([1, 2, 4, 4]);
  const picture = { data: new Uint8ClampedArray(64).fill(200), width: 4, height: 4 };
  const results = await Promise.all([
    dk.fromImage(picture, { out: x }), block.forward(x, { out: y }), y.toArray(), dk.fromImage({ ...picture, data: picture.data.map(() => 9) }, { out: x }),
    x.toArray(),
  ]);
  const here = local.dynamicKernelAggregation({ ...config, padding: 1 }).forward(local.fromImage(picture));
  assert.deepEqual(results[2], here.toArray());
  assert.ok(results[4].every((value) => value === Math.fround(9 / 255)));
});

test('errors are DynakernelErrors with the code and the message of load()', async () => {
  const block = local.dynamicKernelAggregation(config), remote = await dk.dynamicKernelAggregation(config);
  for (const [code, here, there] of [
    ['ERR_SHAPE', () => block.forward(local.zeros([1, 4, 5, 5])), async () => remote.forward(await dk.zeros([1, 4, 5, 5]))],
    ['ERR_CONFIG', () => local.dynamicKernelAggregation({ in_channels: 3 }), () => dk.dynamicKernelAggregation({ in_channels: 3 })],
    ['ERR_STATE', () => block.loadStateDict({}), () => remote.loadStateDict({})],
    ['ERR_SAFETENSORS', () => block.loadStateDict(new Uint8Array(3)), () => remote.loadStateDict(new Uint8Array(3))],
    ['ERR_ONNX', () => local.onnxNetwork(new Uint8Array(3)), () => dk.onnxNetwork(new Uint8Array(3))],
    ['ERR_MODE', () => block.backward(local.zeros([1, 2, 3, 3])), async () => remote.backward(await dk.zeros([1, 2, 3, 3]))],
    ['ERR_IMAGE', () => local.fromImage({ data: new Uint8Array(1), width: 4, height: 4 }),
      () => dk.fromImage({ data: new Uint8Array(1), width: 4, height: 4 })],
  ]) {
    let expected;
    assert.throws(here, (error) => { expected = error; return true; });
    await assert.rejects(there, (error) => {
      assert.ok(error instanceof DynakernelError);
      assert.deepEqual([error.code, error.message], [code, expected.message]);
      return true;
    });
  }
});

test('what cannot cross is refused in words, and nothing is sent', async () => {
  const x = await dk.zeros([2]);
  await assertRejected(() => dk.network({ x: [1] }, (g, { x: value }) => value), 'ERR_CONFIG', 'network', 'function', 'dynakernel/serve');
  await assertRejected(() => dk.mseLoss(x, local.zeros([2])), 'ERR_CONFIG', 'a Tensor', 'x.toArray()');
  await assertRejected(() => dk.mseLoss(x, dk.zeros([2])), 'ERR_CONFIG', 'await');
  await assertRejected(() => dk.tensor(new Map(), [1]), 'ERR_CONFIG', 'a Map', 'typed arrays');
  await assertRejected(() => dk.zeros(Symbol('s')), 'ERR_CONFIG', 'a symbol');
  await assertRejected(() => dk.fromImage({ get width() { throw new Error('no'); } }), 'ERR_CONFIG', 'no');
  await assertRejected(() => dk.tensor(Array(2 ** 32 - 1), [1]), 'ERR_CONFIG', 'typed array');
  const cyclic = [];
  cyclic.push(cyclic);
  await assertRejected(() => dk.tensor(cyclic, [1]), 'ERR_CONFIG', 'nested');
  assert.throws(() => { x.data = 1; }, /ERR_CONFIG|cannot be set/);
  const block = await dk.dynamicKernelAggregation(config);
  assert.throws(() => { block.requiresGrad = true; }, { code: 'ERR_CONFIG', message: /await object\.set\('requiresGrad', value\)/ });
  await assertRejected(() => block.set('requiresGrad', 3), 'ERR_CONFIG', 'got 3');
  await assertRejected(() => x.toArray.call({}), 'ERR_CONFIG', 'another object');
  const other = await loadInWorker({ threads: 1 });
  await assertRejected(async () => other.mseLoss(x, await other.zeros([2])), 'ERR_CONFIG', 'another runtime');
  await other.dispose();
});

test('arrays are copied, unless transfer() marks them; results are copies', async () => {
  const numbers = Float32Array.of(1, 2, 3, 4, 5);
  const x = await dk.tensor(numbers.subarray(1, 4), [3]);
  assert.deepEqual([...numbers], [1, 2, 3, 4, 5]);
  numbers[2] = 9;
  const data = await x.data;
  assert.deepEqual([...data], [2, 3, 4]);
  assert.equal(data.buffer.byteLength, 12, 'not the whole heap');
  data[0] = 7;
  assert.deepEqual([...await x.toArray()], [2, 3, 4]);

  const given = Float64Array.of(5, 6);
  const y = await dk.tensor(transfer(given), [2]);
  assert.equal(given.length, 0);
  assert.deepEqual([...await y.data], [5, 6]);

  // a view on shared memory, and a Buffer of Node's pool
  const shared = new Float32Array(new SharedArrayBuffer(8)).fill(3);
  assert.deepEqual([...await (await dk.tensor(shared, [2])).data], [3, 3]);
  const state = await (await dk.kernelAttention({ channels: 3, seed: 1 })).stateDict();
  const module = await dk.kernelAttention({ channels: 3, seed: 2 });
  await module.loadStateDict(Buffer.from(toSafetensors(state)));
  assert.deepEqual(await module.stateDict(), state);
  await assert.rejects(async () => transfer(5), { code: 'ERR_CONFIG' });
});

test('disposed objects are refused, dispose() is idempotent, and `using` disposes', async () => {
  const x = await dk.zeros([2]);
  await x.dispose();
  await x.dispose();
  assert.equal(await x.disposed, true);
  await assertRejected(() => x.toArray(), 'ERR_DISPOSED', 'the tensor can no longer be used');
  const y = await dk.zeros([2]);
  y[Symbol.dispose ?? Symbol.for('Symbol.dispose')]();
  assert.equal(await y.disposed, true);
});

test('the worker lets go of objects whose handles were collected', async () => {
  // a process of its own, because the collector is asked to run
  const script = `
    import { loadInWorker } from ${JSON.stringify(new URL('../../web/dynakernel/worker/index.js', import.meta.url).href)};
    import { Worker } from 'node:worker_threads';
    const worker = new Worker(new URL(${JSON.stringify(new URL('../own-worker.mjs', import.meta.url).href)}), { execArgv: [] });
    const released = [];
    const post = worker.postMessage;
    worker.postMessage = function (message, moved) {
      if (message.body?.released) released.push(message.body);
      return post.call(this, message, moved);
    };
    const dk = await loadInWorker({ worker, threads: 1 });
    const kept = await dk.zeros([1]);
    for (let i = 0; i < 3; i++) await dk.same(kept);
    await (async () => { const x = await dk.zeros([1]); await dk.same(x); })();
    for (let i = 0; i < 50 && released.length === 0; i++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    console.log(released.length, released[0]?.count, (await kept.data).length);
    await worker.terminate();
  `;
  const output = execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '--eval', script], { encoding: 'utf8' });
  assert.equal(output.trim(), '1 2 1');
});

test('dispose() of the runtime ends the worker; later calls are refused', async () => {
  const other = await loadInWorker({ threads: 1 });
  const x = await other.zeros([2]);
  const pending = x.toArray();
  await other.dispose();
  await other.dispose();
  assert.deepEqual([...await pending], [0, 0]);
  assert.equal(await other.disposed, true);
  assert.equal(await x.disposed, true);
  await x.dispose();
  await assertRejected(() => other.zeros([1]), 'ERR_DISPOSED', 'the runtime can no longer be used: it is disposed');
  await assertRejected(() => x.toArray(), 'ERR_DISPOSED', 'the runtime');
});

test('if the worker ends, pending calls and later ones are refused in words', async () => {
  const worker = ownWorker();
  const other = await loadInWorker({ worker, threads: 1 });
  const x = await other.zeros([2]);
  const pending = other.never();
  await worker.terminate();
  await assertRejected(() => pending, 'ERR_LOAD', 'the worker of this runtime has ended', 'loadInWorker() starts another');
  await assertRejected(() => x.toArray(), 'ERR_DISPOSED', 'the runtime can no longer be used', 'has ended');
  await x.dispose();

  const failing = await loadInWorker({ worker: ownWorker(), threads: 1 });
  await assertRejected(() => failing.crash(), 'ERR_LOAD', 'has ended', 'out of order');
});

test('functions of a worker of one\'s own: the runtime, promises, errors, networks', async () => {
  const worker = ownWorker();
  const other = await loadInWorker({ worker, threads: 1 });
  const net = await other.makeNetwork(4);
  assert.deepEqual(await net.outputs, { output: [1, 4, 6, 6] });
  const y = await net.forward(await other.zeros([1, 3, 8, 8]));
  assert.deepEqual(y.shape, [1, 4, 6, 6]);
  assert.deepEqual(await other.later('x'), { name: 'x', list: [1, 2] });
  await assertRejected(() => other.fails(), 'ERR_CONFIG', 'fails threw: the reason');
  await assertRejected(() => other.unsendable(), 'ERR_CONFIG', 'unsendable: the result contains', 'a function');
  // a worker of one's own is left running, and serves again
  await other.dispose();
  const again = await loadInWorker({ worker, threads: 1 });
  assert.equal((await again.zeros([3])).shape[0], 3);
  await worker.terminate();
});

test('load() fails as without a worker, and the options are checked', async () => {
  await assertRejected(() => loadInWorker({ simd: 'fast' }), 'ERR_CONFIG', "'baseline'", '"fast"');
  await assertRejected(() => loadInWorker({ wasm: '/nowhere.wasm' }), 'ERR_LOAD', '/nowhere.wasm');
  await assertRejected(() => loadInWorker({ worker: 5 }), 'ERR_CONFIG', 'worker must be a Worker; got 5');
  await assertRejected(() => loadInWorker({ thread: 5 }), 'ERR_CONFIG', 'has no option');
  await assertRejected(() => loadInWorker({ worker: new Worker('throw new Error("broken")', { eval: true }) }), 'ERR_LOAD',
    'the given worker could not be loaded', 'broken');
  await assertRejected(() => loadInWorker({ worker: ownWorker('own-worker-clash') }), 'ERR_CONFIG', '"zeros"', 'another name');
  await assertRejected(() => loadInWorker({ signal: AbortSignal.abort('late') }), 'ERR_LOAD', 'aborted');
  const controller = new AbortController();
  const loading = loadInWorker({ signal: controller.signal });
  controller.abort(new Error('changed my mind'));
  await assert.rejects(loading, (error) => error.code === 'ERR_LOAD' && error.cause.message === 'changed my mind');
});

test('a file given by its address, as bytes and as a module', async () => {
  const path = fileURLToPath(new URL(`../../dist/dynakernel-${simd}.wasm`, import.meta.url));
  for (const wasm of [path, new URL(`file://${path}`), readFileSync(path), new WebAssembly.Module(readFileSync(path)),
    new Response(readFileSync(path), { headers: { 'Content-Type': 'application/wasm' } })]) {
    const other = await loadInWorker({ wasm });
    assert.equal((await other.info).simd, simd);
    await other.dispose();
  }
});

test('Dite-HRNet and checkpoints, in the package\'s worker', async () => {
  const pose = await dk.diteHRNet({ depth: 18, joints: 2, height: 32, width: 32, seed: 1 });
  const heatmaps = await pose.forward(await dk.zeros([1, 3, 32, 32]));
  assert.deepEqual(heatmaps.shape, [1, 2, 8, 8]);
  const [joints] = await dk.decodeHeatmaps(heatmaps, { box: { x: 0, y: 0, width: 32, height: 32 } });
  assert.equal(joints.length, 2);
  const bytes = readFileSync(new URL('../fixtures/checkpoints/plain.pth', import.meta.url));
  await assertRejected(() => dk.loadCheckpoint(pose, bytes), 'ERR_STATE', 'missing');
});

test('an idle worker does not keep a process alive, and a pending call does', () => {
  const module = JSON.stringify(new URL('../../web/dynakernel/worker/index.js', import.meta.url).href);
  const run = (code) => execFileSync(process.execPath, ['--input-type=module', '--eval', `import { loadInWorker } from ${module};
    const dk = await loadInWorker({ threads: 1 }); ${code}`], { encoding: 'utf8', timeout: 60_000 }).trim();
  assert.equal(run('dk.zeros([2]).then((x) => x.toArray()).then((numbers) => console.log(numbers.length));'), '2');
});

test('a Proxy of a handle works as the handle', async () => {
  const x = new Proxy(await dk.tensor([1, 2], [2]), {});
  assert.deepEqual([...await x.toArray()], [1, 2]);
  assert.equal((await dk.mseLoss(x, x)).loss, 0);
  await sleep(0);
});

test('hostile values: only DynakernelErrors leave, no call hangs, and the runtime computes as before', async () => {
  const world = await makeWorld();
  const block = await dk.dynamicKernelAggregation(config);
  const x = await dk.tensor(Float32Array.from({ length: 75 }, (_, i) => Math.sin(i)), [1, 3, 5, 5]);
  const y = await block.forward(x), expected = await y.toArray();
  const places = {
    'tensor, data': (value) => dk.tensor(value, [2]), 'tensor, shape': (value) => dk.tensor([1, 2], value),
    'tensor, a number': (value) => dk.tensor([1, value], [2]), zeros: (value) => dk.zeros(value),
    fromImage: (value) => dk.fromImage(value), 'fromImage, options': (value) => dk.fromImage(world.picture(), value),
    'fromImage, out': (value) => dk.fromImage(world.picture(), { out: value }),
    dynamicKernelAggregation: (value) => dk.dynamicKernelAggregation(value),
    forward: (value) => block.forward(value), 'forward, out': (value) => block.forward(x, { out: value }),
    loadStateDict: (value) => block.loadStateDict(value), drawMap: (value) => y.drawMap(value), onnxNetwork: (value) => dk.onnxNetwork(value),
    set: (value) => block.set('training', value), 'loadInWorker, options': (value) => loadInWorker(value).then((runtime) => runtime.dispose()),
    'loadInWorker, worker': (value) => loadInWorker({ worker: value, threads: 1 }).then((runtime) => runtime.dispose()),
  };
  const findings = [];
  let refused = 0;
  for (const [place, call] of Object.entries(places)) {
    for (const { name, make } of hostileValues) {
      const value = make(place === 'loadInWorker, worker' ? undefined : config, world);
      const result = await Promise.race([
        call(value).then(() => null, (error) => {
          refused++;
          return error instanceof DynakernelError ? null : `${error?.stack}`;
        }),
        sleep(10_000, 'it hangs', { ref: false }),
      ]).catch((error) => `threw ${error?.stack}`);
      if (result) findings.push(`${place} = ${name}: ${result}`);
    }
  }
  assert.deepEqual(findings, []);
  assert.ok(refused > Object.keys(places).length * hostileValues.length / 2, `${refused} calls were refused`);
  assert.deepEqual(await (await block.forward(x)).toArray(), expected);
  world.dk.dispose();
  world.foreign.dispose();
});
