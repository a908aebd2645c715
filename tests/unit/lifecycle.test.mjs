// Disposal, memory use that stays flat, and memory that runs out.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { load } from '../../web/dynakernel/index.js';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { assertRefused, loadRuntime, randomTensor, simd } from '../helpers.mjs';
import { BLOCKS, CONVOLUTIONS, KINDS, makeKind } from '../kinds.mjs';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
const dispose = Symbol.dispose ?? Symbol.for('Symbol.dispose');
const config = { inChannels: 3, outChannels: 4, kernelSize: 3, padding: 1, seed: 1 };

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const live = () => heapOf(dk).live;

test('dispose twice, and with a `using` declaration', () => {
  const before = live();
  const made = Object.keys(KINDS).map((kind) => makeKind(dk, kind));
  const modules = made.map(({ module }) => module);
  const results = made.map(({ module, inputs }) => module.forward(...inputs));
  for (const resource of [...modules, ...results, ...made.flatMap(({ inputs }) => inputs)]) {
    assert.equal(resource.disposed, false);
    resource.dispose();
    resource.dispose();
    resource[dispose]();
    assert.equal(resource.disposed, true);
  }
  assert.equal(live(), before);

  const z = dk.zeros([1]);
  z[dispose]();
  assertRefused(() => z.data, 'ERR_DISPOSED');
  assert.equal(live(), before);
});

/** Every use of each thing. */
const uses = {
  tensor: (t, { canvas }) => [
    () => t.data, () => t.toArray(), () => t.toImageData(), () => t.drawMap(canvas), () => t.drawMaps(canvas),
  ],
  module: (m) => [
    () => m.train(), () => m.eval(), () => m.stateDict(), () => m.loadStateDict({}), () => m.parameters(),
  ],
  attention: (m, { x }) => [() => m.forward(x)],
  aggregation: (m, { x, a }) => [
    () => m.forward(x, a), () => m.mix(a), () => m.plan, () => m.planFor([1, 3, 8, 8]),
  ],
  block: (m, { x }) => [() => m.forward(x), () => m.lastAttention, () => m.plan],
  runtime: (runtime, { canvas }) => [
    () => runtime.info, () => runtime.tensor([1], [1]), () => runtime.zeros([1]), () => runtime.fromImage(canvas),
    ...Object.entries(KINDS).map(([kind, { options }]) => () => runtime[kind](options)),
  ],
};

function assertUnusable(kind, thing, things, who) {
  for (const use of uses[kind](thing, things)) assertRefused(use, 'ERR_DISPOSED', who, 'disposed');
  assert.equal(touched, 0, 'no canvas was touched');
}

let touched = 0;
const canvas = { width: 1, height: 1, getContext: () => void touched++ };

function make(runtime) {
  const block = runtime.dynamicKernelAggregation(config);
  const x = runtime.zeros([1, 3, 8, 8]);
  const a = runtime.zeros([1, 4]);
  const y = block.forward(x);
  return { block, x, a, y, canvas, parameter: block.parameters()['aggregation.weight'] };
}

test('use after dispose: tensors', () => {
  const { block, x, a, y, ...rest } = make(dk);
  y.dispose();
  assertUnusable('tensor', y, rest, 'tensor');
  assertRefused(() => block.forward(x, { out: y }), 'ERR_DISPOSED', 'out');
  x.dispose();
  assertRefused(() => block.forward(x), 'ERR_DISPOSED', 'x');
  assertRefused(() => block.aggregation.forward(x, a), 'ERR_DISPOSED', 'x');
  a.dispose();
  assertRefused(() => block.aggregation.mix(a), 'ERR_DISPOSED', 'attention');
  assert.deepEqual(y.shape, [1, 4, 8, 8], 'a shape is no memory');
  block.dispose();
});

test('use after dispose: modules, and views on their parameters', () => {
  const things = make(dk);
  const { block, x, a, y, parameter } = things;
  block.dispose();
  assertUnusable('block', block, things, 'DynamicKernelAggregation');
  assertUnusable('attention', block.attention, things, 'KernelAttention');
  assertUnusable('aggregation', block.aggregation, things, 'KernelAggregation');
  for (const module of [block, block.attention, block.aggregation]) assertUnusable('module', module, things, 'Kernel');
  assertUnusable('tensor', parameter, things, 'its module');
  for (const tensor of [x, a, y]) tensor.dispose();
});

test('use after dispose: every kind of module', () => {
  for (const [kind, { Class, rest }] of Object.entries(KINDS)) {
    const { module, inputs, dispose: disposeAll } = makeKind(dk, kind);
    module.requiresGrad = true;
    const y = module.forward(...inputs);
    const parameters = Object.values(module.parameters());
    module.dispose();
    const kinds = [['module', true], ['aggregation', rest(dk, 1).length === 1], ['block', BLOCKS.includes(kind)]];
    for (const [name, applies] of kinds) {
      if (applies) assertUnusable(name, module, { x: inputs[0], a: inputs[1] }, Class);
    }
    for (const use of [
      () => module.forward(...inputs), () => module.backward(y), () => { module.requiresGrad = false; },
      ...CONVOLUTIONS.includes(kind) ? [() => module.plan, () => module.planFor([1, 3, 8, 8])] : [],
      ...['lastAttention', 'lastAttentions', 'attentionGradient', 'weightGradient', 'biasGradient'].filter(
        (name) => name in module).map((name) => () => module[name]),
      ...'temperature' in module ? [() => { module.temperature = 2; }, () => module.mix()] : [],
    ]) assertRefused(use, 'ERR_DISPOSED', Class, 'disposed');
    for (const parameter of parameters) assertUnusable('tensor', parameter, { canvas }, 'its module');
    y.dispose();
    disposeAll();
  }
});

test('a disposed part makes the block unusable, not unsafe', () => {
  const block = dk.dynamicKernelAggregation(config);
  const x = dk.zeros([1, 3, 8, 8]);
  block.aggregation.dispose();
  assertRefused(() => block.forward(x), 'ERR_DISPOSED', 'KernelAggregation');
  assertRefused(() => block.stateDict(), 'ERR_DISPOSED', 'KernelAggregation');
  block.dispose();
  x.dispose();
});

test('a module that its own state dict disposes of is refused, and no memory is written', () => {
  for (const [kind, { options, names: { length } }] of Object.entries(KINDS)) {
    if (length === 0) continue; // nothing to load
    for (const part of ['module', ...(kind === 'dynamicKernelAggregation' ? ['attention', 'aggregation'] : [])]) {
      const module = dk[kind](options);
      const state = module.stateDict();
      const names = Object.keys(state), last = names.at(-1);
      const others = [];
      const { data, shape } = state[last];
      Object.defineProperty(state, last, {
        enumerable: true,
        get() {
          (part === 'module' ? module : module[part]).dispose();
          // these take the freed memory
          for (let i = 0; i < 200; i++) others.push(dk.tensor(new Float32Array(64).fill(5), [64]));
          return { data, shape };
        },
      });
      for (const name of names.slice(0, -1)) state[name].data.fill(name.endsWith('tracked') ? 1n : 1);
      assertRefused(() => module.loadStateDict(state), 'ERR_DISPOSED', 'disposed');
      for (const other of others) {
        assert.ok(other.toArray().every((value) => value === 5), `${kind}, ${part}`);
        other.dispose();
      }
      module.dispose();
    }
  }
});

test("a parameter's tensor can be disposed and fetched again", () => {
  const block = dk.dynamicKernelAggregation(config);
  const before = live();
  const { 'attention.bn.weight': first } = block.parameters();
  first.dispose();
  assertRefused(() => first.data, 'ERR_DISPOSED');
  assert.deepEqual([...block.parameters()['attention.bn.weight'].data], [1, 1, 1, 1]);
  assert.equal(live(), before);
  block.dispose();
});

test('use after dispose: the runtime and everything made with it', async () => {
  const runtime = await loadRuntime();
  const things = make(runtime);
  runtime.dispose();
  runtime.dispose();
  runtime[dispose]();
  assert.equal(runtime.disposed, true);
  assertUnusable('runtime', runtime, things, 'runtime');
  for (const tensor of [things.x, things.y, things.parameter]) assertUnusable('tensor', tensor, things, 'its runtime');
  for (const kind of ['block', 'module']) assertUnusable(kind, things.block, things, 'its runtime');
  assertUnusable('attention', things.block.attention, things, 'its runtime');
  assertUnusable('aggregation', things.block.aggregation, things, 'its runtime');
  for (const thing of [things.x, things.y, things.block, things.parameter]) thing.dispose(); // still allowed
});

test('training mode reaches the parts', () => {
  const block = dk.dynamicKernelAggregation(config);
  const modes = () => [block, block.attention, block.aggregation].map(({ training }) => training);
  assert.deepEqual(modes(), [false, false, false], 'a new module evaluates');
  assert.equal(block.train(), block);
  assert.deepEqual(modes(), [true, true, true]);
  assert.equal(block.eval(), block);
  assert.deepEqual(modes(), [false, false, false]);
  assert.deepEqual([block.train(true).training, block.train(false).training], [true, false]);

  // the mode of the attention counts for batch norm, as in PyTorch
  block.train().attention.eval();
  const x = randomTensor(dk, [1, 3, 4, 4]);
  const state = block.stateDict();
  block.forward(x).dispose();
  assert.deepEqual(block.stateDict(), state);
  block.dispose();
  x.dispose();
});

test('10,000 forwards keep the heap flat', () => {
  const block = dk.dynamicKernelAggregation(config);
  const x = randomTensor(dk, [1, 3, 12, 10]);
  const y = block.forward(x);
  const expected = y.toArray();
  const before = { heapBytes: dk.info.heapBytes, live: live() };
  for (let i = 0; i < 5000; i++) {
    block.forward(x).dispose();
    assert.equal(block.forward(x, { out: y }), y);
  }
  assert.deepEqual(y.toArray(), expected);
  assert.deepEqual({ heapBytes: dk.info.heapBytes, live: live() }, before);
  for (const thing of [block, x, y]) thing.dispose();
});

test('2,000 training passes of each kind keep the heap flat', () => {
  for (const kind of Object.keys(KINDS)) {
    const { module, inputs, dispose: disposeAll } = makeKind(dk, kind);
    module.train().requiresGrad = true;
    const y = module.forward(...inputs);
    const x = module.backward(y);
    const round = () => {
      module.forward(...inputs, { out: y });
      module.backward(y, { out: x });
    };
    round();
    const before = { heapBytes: dk.info.heapBytes, live: live() };
    for (let i = 0; i < 2000; i++) round();
    assert.deepEqual({ heapBytes: dk.info.heapBytes, live: live() }, before, kind);
    for (const thing of [x, y]) thing.dispose();
    disposeAll();
  }
});

test('every other call keeps the heap flat too', () => {
  const block = dk.dynamicKernelAggregation(config);
  const x = randomTensor(dk, [2, 3, 12, 10]);
  const a = randomTensor(dk, [2, 4]);
  const picture = { data: new Uint8Array(30 * 20 * 4), width: 30, height: 20 };
  const round = () => {
    block.train().forward(x).dispose();
    block.loadStateDict(block.stateDict());
    block.parameters()['aggregation.weight'].data[0] = 1;
    const { weight, bias } = block.aggregation.mix(a);
    weight.dispose();
    bias.dispose();
    block.aggregation.planFor([1, 3, 9, 9]);
    x.toImageData({ channel: 'rgb' });
    x.toImageData({ colormap: 'coolwarm', range: 'shared' });
    dk.fromImage(picture, { width: 12, mean: [0.1, 0.2, 0.3] }).dispose();
    dk.dynamicKernelAggregation(config).dispose();
    assertRefused(() => dk.tensor([1], [2]), 'ERR_SHAPE');
  };
  for (let i = 0; i < 5; i++) round();
  const before = { heapBytes: dk.info.heapBytes, live: live() };
  for (let i = 0; i < 1000; i++) round();
  assert.deepEqual({ heapBytes: dk.info.heapBytes, live: live() }, before);
  for (const thing of [block, x, a]) thing.dispose();
});

test('the heap holds the kernels once, packed', async () => {
  const [C, K, size] = [256, 4, 14];
  const runtime = await loadRuntime();
  const block = runtime.dynamicKernelAggregation({ inChannels: C, outChannels: C, kernelSize: 3, padding: 1 });
  block.loadStateDict(block.stateDict());
  const x = runtime.zeros([1, C, size, size]);
  block.forward(x);
  const bytes = 4 * (2 * C * size ** 2 + K * C * C * 9); // input, output, kernels
  assert.ok(runtime.info.heapBytes <= 1.25 * bytes + 2e6, `${runtime.info.heapBytes} bytes for ${bytes}`);
  runtime.dispose();
});

test('scratch memory that grows frees the old memory', async () => {
  const runtime = await loadRuntime();
  for (let width = 100_000; width < 250_000; width += 1000) { // a row of 400 kB to 1 MB
    runtime.fromImage({ data: new Uint8Array(4 * width), width, height: 1 }, { channels: 1 }).dispose();
  }
  assert.ok(runtime.info.heapBytes < 10e6, `${runtime.info.heapBytes} bytes`);
  runtime.dispose();
});

test('batches of changing size have attention of their own', () => {
  const block = dk.dynamicKernelAggregation(config);
  const before = live();
  assert.equal(block.lastAttention, null);
  for (const N of [1, 3, 2, 1]) {
    const x = randomTensor(dk, [N, 3, 5, 5], N);
    block.forward(x).dispose();
    const a = block.attention.forward(x);
    assert.deepEqual(block.lastAttention, a.toArray());
    const copy = block.lastAttention;
    copy.fill(9);
    assert.notDeepEqual(block.lastAttention, copy);
    x.dispose();
    a.dispose();
  }
  block.dispose();
  assert.equal(live(), before - 2);
});

test('out of memory: ERR_MEMORY with the bytes, and the runtime still works', () => {
  const block = dk.dynamicKernelAggregation(config);
  const x = randomTensor(dk, [1, 3, 8, 8]);
  const expected = block.forward(x).toArray();
  const before = live();

  assertRefused(() => dk.zeros([2 ** 29]), 'ERR_MEMORY', `${2 ** 31} bytes`, '2.1 GB', 'cannot grow');
  assertRefused(() => dk.zeros([2 ** 29 + 1]), 'ERR_MEMORY', `${2 ** 31 + 4} bytes`);
  assertRefused(() => dk.zeros([2 ** 26, 2 ** 26]), 'ERR_MEMORY', 'bytes');
  assertRefused(() => dk.zeros([2 ** 52, 2 ** 52]), 'ERR_MEMORY', 'bytes');
  assertRefused(() => dk.kernelAggregation({ inChannels: 2 ** 14, outChannels: 2 ** 13, kernelSize: 1 }), 'ERR_MEMORY');

  // a forward pass whose output has a legal size, but does not fit
  const wide = dk.dynamicKernelAggregation({ inChannels: 1, outChannels: 8, kernelSize: 1, padding: 4090 }).train();
  const [pixels, ballast] = [dk.zeros([2, 1, 1, 1]), dk.zeros([2 ** 24])];
  const state = wide.stateDict();
  assertRefused(() => wide.forward(pixels), 'ERR_MEMORY', '[2, 8, 8181, 8181]');
  wide.eval();
  const pixel = dk.zeros([1, 1, 1, 1]);
  assertRefused(() => wide.forward(pixel), 'ERR_MEMORY', `${8 * 8181 ** 2 * 4} bytes`, '[1, 8, 8181, 8181]');
  assert.deepEqual(wide.stateDict(), state);
  assert.equal(wide.lastAttention, null);

  for (const thing of [wide, pixel, pixels, ballast]) thing.dispose();
  assert.equal(live(), before);
  assert.deepEqual(block.forward(x).toArray(), expected);
});

test('a kind of module is warmed up once, by passes that succeed', async () => {
  const runtime = await loadRuntime();
  const { c } = heapOf(runtime);
  const { dk_block_forward: forward } = c;
  let statuses = [];
  c.dk_block_forward = (...args) => {
    statuses.push(forward(...args));
    return statuses.at(-1);
  };
  for (const options of [
    { inChannels: 3, outChannels: 8, kernelSize: 3 }, { inChannels: 3, outChannels: 3, kernelSize: 7 },
    { inChannels: 1, outChannels: 6, kernelSize: 5 }, { inChannels: 3, outChannels: 32, kernelSize: 3, stride: 2 },
    { inChannels: 64, outChannels: 64, kernelSize: 3 }, { inChannels: 12, outChannels: 9, kernelSize: 3, groups: 3 },
    { inChannels: 5, outChannels: 10, kernelSize: 5, groups: 5 }, { inChannels: 40, outChannels: 1, kernelSize: 1 },
    { inChannels: 1, outChannels: 3, kernelSize: 3, algorithm: 'depthwise' },
  ]) {
    const made = () => {
      statuses = [];
      runtime.kernelAggregation(options).dispose();
      return statuses;
    };
    const first = made();
    assert.ok(first.length > 0 && first.every((status) => status === 0), JSON.stringify({ options, first }));
    assert.deepEqual(made(), [], JSON.stringify(options));
  }
  runtime.dispose();
});

test('a module needs no memory for warming up', async () => {
  const runtime = await loadRuntime(); // nothing is warm yet
  const heap = heapOf(runtime);
  const { c } = heap;
  const { dk_alloc: alloc, dk_aggregation_create: create } = c;
  let modules = 0;
  for (const need of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const before = heap.live;
    let needs = 0;
    c.dk_alloc = (bytes) => (++needs === need ? 0 : alloc(bytes));
    c.dk_aggregation_create = (...args) => (++needs === need ? 4 : create(...args)); // DK_ERROR_MEMORY
    try {
      runtime.kernelAggregation({ ...config, kernelSize: 1 + 2 * (need % 4) }).dispose();
      modules++;
    } catch (error) {
      assert.equal(error.code, 'ERR_MEMORY', error.stack);
    }
    assert.equal(heap.live, before, `need ${need} was refused`);
  }
  assert.ok(modules >= 5, `${modules} modules`); // the module itself has the first three
  runtime.dispose();
});

test('a loop that forgets its tensors or modules does not run out of shared memory', async () => {
  const runtime = await load({ simd, threads: 2 });
  const large = { inChannels: 512, outChannels: 512, kernelSize: 1, numKernels: 4 };
  for (const forget of [() => runtime.zeros([1024, 1024]), () => runtime.kernelAggregation(large)])
    for (let round = 0; round < 300; round++) { // of 4 MB: 1.2 GB in all, of 1 GiB
      forget();
      await new Promise(setImmediate);
    }
  runtime.dispose();
});

test('forgotten objects are freed', async () => {
  const before = live();
  (() => {
    const block = dk.dynamicKernelAggregation(config);
    for (let i = 0; i < 20; i++) block.forward(dk.zeros([1, 3, 8, 8]));
  })();
  assert.ok(live() >= before + 40);
  await collected(() => live() <= before);
});

test('a view keeps its tensor, a parameter its module', async () => {
  const before = live();
  const kept = (() => ({
    view: dk.tensor([1, 2, 3], [3]).data,
    parameter: dk.kernelAttention({ channels: 4, seed: 1 }).parameters()['conv2.weight'],
  }))();
  dk.zeros([5]); // forgotten: shows that the collector has run
  await collected(() => live() === before + 2);
  assert.deepEqual([...kept.view], [1, 2, 3]);
  assert.equal(kept.parameter.disposed, false);
  assert.equal(kept.parameter.data.length, 4);
});

/** Finalizers run some time after the collection. */
async function collected(done) {
  for (let i = 0; i < 50; i++) {
    if (done()) return;
    collectGarbage();
    await new Promise((next) => setTimeout(next, 10));
  }
  assert.fail(`${live()} things are still alive`);
}
