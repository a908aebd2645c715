// Live views: they keep their memory, and writes into kept views take effect.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { loadRuntime, randomTensor, threads } from '../helpers.mjs';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
const config = { inChannels: 3, outChannels: 4, kernelSize: 3, padding: 1, seed: 1 };

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const live = () => heapOf(dk).live;

/** Collects garbage until the finalizers have run. They run later than the collection. */
async function collected(done) {
  for (let i = 0; i < 50 && !done(); i++) {
    collectGarbage();
    await new Promise((next) => setTimeout(next, 10));
  }
  assert.ok(done(), `${live()} things are alive`);
}

test('a subarray keeps the memory, and so does a subarray of it', async () => {
  dk.zeros([2 ** 20]).dispose(); // now nothing below grows the heap: growth would detach views
  const before = live();
  const parts = (() => {
    const x = dk.tensor(Float32Array.from({ length: 3000 }, (_, i) => i), [1, 3, 10, 100]);
    const plane = x.data.subarray(1000, 2000);
    return [plane.subarray(-10), x.data.subarray(5, 6), dk.zeros([4]).data.subarray()];
  })();
  dk.zeros([5]); // forgotten: shows that the collector has run
  await collected(() => live() === before + 2);
  const others = Array.from({ length: 50 }, () => dk.tensor(new Float32Array(3000).fill(-1), [3000]));
  assert.deepEqual(parts.map((part) => [...part]),
    [[1990, 1991, 1992, 1993, 1994, 1995, 1996, 1997, 1998, 1999], [5], [0, 0, 0, 0]]);
  parts[0][0] = 7; // changes no other tensor
  assert.ok(others.every((other) => other.toArray().every((value) => value === -1)));
  for (const other of others) other.dispose();

  parts.length = 0;
  await collected(() => live() === before);
});

test('a view is a Float32Array like any other', () => {
  const x = dk.tensor([1, 2, 3, 4], [4]);
  const view = x.data;
  for (const array of [view, view.subarray(1), view.subarray(1, 3).subarray(1)]) {
    assert.equal(Object.getPrototypeOf(array), Float32Array.prototype);
    assert.deepEqual(array, Float32Array.from(array).subarray());
    assert.deepEqual(Object.keys(array), [...array.keys()].map(String));
    assert.equal(array.buffer, view.buffer);
  }
  assert.deepEqual([view.subarray().length, view.subarray(1).length, view.subarray(1, -1)[1]], [4, 3, 3]);
  assert.deepEqual(structuredClone(view.slice(1)), Float32Array.of(2, 3, 4));
  x.dispose();
});

/** A new block, a view on its kernels, and the outputs that it computes. */
function viewed() {
  const block = dk.dynamicKernelAggregation(config);
  const x = randomTensor(dk, [2, 3, 9, 8]);
  const a = randomTensor(dk, [2, 4], 5);
  return { block, x, a, weight: block.parameters()['aggregation.weight'].data };
}

/** The outputs of the block by each of its uses, and those of a block that loaded its state. */
function assertInStep({ block, x, a }, what) {
  const fresh = dk.dynamicKernelAggregation(config);
  fresh.loadStateDict(block.stateDict());
  const answers = [block, fresh].map((module) => {
    const { weight, bias } = module.aggregation.mix(a);
    const used = [module.forward(x), module.aggregation.forward(x, a), weight, bias];
    return used.map((tensor) => {
      const copy = tensor.toArray();
      tensor.dispose();
      return copy;
    });
  });
  assert.deepEqual(answers[0], answers[1], what);
  fresh.dispose();
}

const USES = {
  forward: ({ block, x }) => block.forward(x),
  'aggregation.forward': ({ block, x, a }) => block.aggregation.forward(x, a),
  mix: ({ block, a }) => block.aggregation.mix(a).weight,
};

for (const [name, use] of Object.entries(USES))
  test(`writes into a kept view of the kernels count: ${name}`, () => {
    const things = viewed();
    const { block, weight } = things;
    dk.zeros([dk.info.heapBytes / 8]).dispose(); // now nothing below grows the heap
    const kept = weight.length > 0 ? weight : block.parameters()['aggregation.weight'].data;
    for (const value of [1, 2, 3]) {
      const before = use(things).toArray();
      kept.fill(0);
      kept[3] = value;
      assert.notDeepEqual([...use(things).toArray()], [...before], `${value}`);
      assert.equal(block.stateDict()['aggregation.weight'].data[3], value);
    }
    assertInStep(things, name);
  });

test('writes into a part of a kept view count too, after the view itself is garbage', async () => {
  const block = dk.dynamicKernelAggregation(config), x = randomTensor(dk, [1, 3, 6, 5]);
  const a = randomTensor(dk, [1, 4]);
  const part = block.parameters()['aggregation.weight'].data.subarray(0, 30);
  block.forward(x);
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((next) => setTimeout(next, 5));
  }
  part.fill(2);
  assertInStep({ block, x, a }, 'a part');
});

test('writes into a view before the heap grew, or before the view became garbage, count', async () => {
  const block = dk.dynamicKernelAggregation(config), x = randomTensor(dk, [1, 3, 6, 5]);
  const a = randomTensor(dk, [1, 4]);
  const kept = block.parameters()['aggregation.weight'].data;
  block.forward(x);
  kept.fill(0.5);
  dk.zeros([dk.info.heapBytes / 4]).dispose();
  assertInStep({ block, x, a }, 'growth');

  (() => block.parameters()['aggregation.weight'].data)().fill(0.25);
  await collected(() => true);
  assertInStep({ block, x, a }, 'garbage');
});

test('a backward pass uses writes since the forward pass', () => {
  const inputGradient = (write) => {
    const block = dk.dynamicKernelAggregation(config), x = randomTensor(dk, [2, 3, 9, 8]);
    block.requiresGrad = true;
    const y = block.forward(x), grad = randomTensor(dk, y.shape, 3);
    block.backward(grad).dispose(); // allocates all the memory that it needs
    const { data } = block.parameters()['aggregation.weight'];
    block.forward(x, { out: y });
    return [block, block.aggregation].map((module) => {
      if (module !== block) module.forward(x, dk.tensor(block.lastAttention, [2, 4]));
      write(block, data, module === block ? 0.125 : -0.5);
      assert.notEqual(data.length, 0, 'the heap did not grow');
      return module.backward(grad).toArray();
    });
  };
  const expected = inputGradient((block, _, value) => {
    const { 'aggregation.weight': { shape, data } } = block.stateDict();
    block.loadStateDict({ 'aggregation.weight': { shape, data: data.fill(value) } }, { strict: false });
  });
  assert.deepEqual(inputGradient((block, data, value) => data.fill(value)), expected);
});

test('an optimizer steps from the values in a kept view', () => {
  const block = dk.dynamicKernelAggregation(config), x = randomTensor(dk, [2, 3, 9, 8]);
  block.requiresGrad = true;
  const y = block.forward(x);
  block.backward(randomTensor(dk, y.shape, 3));
  const optimizer = dk.sgd(block, { lr: 0 });
  const { data } = block.parameters()['aggregation.weight'];
  block.forward(x, { out: y });
  data.fill(0.125);
  optimizer.step();
  assert.ok(block.stateDict()['aggregation.weight'].data.every((value) => value === 0.125));
  assertInStep({ block, x, a: randomTensor(dk, [2, 4]) }, 'after a step');
});

test('kernels are packed again only while a view is kept', async () => {
  const { c } = heapOf(dk);
  const { dk_aggregation_changed: changed } = c;
  let packed = 0;
  c.dk_aggregation_changed = (aggregation) => {
    packed++;
    return changed(aggregation);
  };
  try {
    const count = (work) => {
      packed = 0;
      for (let i = 0; i < 5; i++) work();
      return packed;
    };
    const block = dk.dynamicKernelAggregation(config), x = randomTensor(dk, [1, 3, 6, 5]);
    const y = block.forward(x);
    const forward = () => block.forward(x, { out: y });
    assert.equal(count(forward), 0, 'nobody looked');
    const { 'aggregation.weight': weight } = block.parameters();
    assert.equal(count(forward), 0, 'a tensor, but no view');
    (() => weight.data)().fill(1);
    assert.equal(count(forward), 5, 'a view');
    if (threads > 1) return; // shared memory is never detached
    dk.zeros([dk.info.heapBytes / 4]).dispose();
    assert.equal(count(forward), 1, 'a view that growth has detached: once more');
  } finally {
    c.dk_aggregation_changed = changed;
  }
});

test('an engine without WeakRef packs as long as the module exists', (t) => {
  const { WeakRef } = globalThis;
  delete globalThis.WeakRef;
  t.after(() => Object.assign(globalThis, { WeakRef }));
  const things = viewed();
  const { data } = things.block.parameters()['aggregation.weight'];
  things.block.forward(things.x).dispose();
  if (data.length > 0) data.fill(0.5);
  assertInStep(things, 'without WeakRef');
});
