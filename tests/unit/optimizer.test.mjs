// Compares steps with PyTorch's update rules, written out here. Tests the choice of parameters that a step changes, the
// arguments and the memory.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { assertRefused, loadRuntime, randomTensor } from '../helpers.mjs';
import { assertWithin, copies, smallTraining } from '../training.mjs';

let dk, other;
before(async () => {
  dk = await loadRuntime();
  other = await loadRuntime();
});
after(() => [dk, other].forEach((runtime) => runtime?.dispose()));

/** One value under torch.optim.SGD. */
function sgdRule({ lr, momentum = 0, weightDecay = 0 }) {
  let velocity;
  return (parameter, gradient) => {
    const g = gradient + weightDecay * parameter;
    velocity = velocity === undefined ? g : momentum * velocity + g;
    return parameter - lr * velocity;
  };
}

/** One value under torch.optim.Adam. */
function adamRule({ lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 }) {
  let [m, v, step] = [0, 0, 0];
  return (parameter, gradient) => {
    const g = gradient + weightDecay * parameter;
    step++;
    m = betas[0] * m + (1 - betas[0]) * g;
    v = betas[1] * v + (1 - betas[1]) * g * g;
    return parameter - lr * (m / (1 - betas[0] ** step)) / (Math.sqrt(v / (1 - betas[1] ** step)) + eps);
  };
}

const RULES = [
  ['sgd', sgdRule, { lr: 0.1 }],
  ['sgd', sgdRule, { lr: 0.1, weightDecay: 0.05 }],
  ['sgd', sgdRule, { lr: 0.05, momentum: 0.9 }],
  ['sgd', sgdRule, { lr: 0.05, momentum: 0.5, weightDecay: 0.01 }],
  ['adam', adamRule, {}],
  ['adam', adamRule, { lr: 0.02, betas: [0.7, 0.95], eps: 1e-3, weightDecay: 0.02 }],
  ['adam', adamRule, { lr: 0.02, betas: [0, 0], eps: 0.1 }],
];

for (const [kind, makeRule, options] of RULES) {
  test(`${kind} ${JSON.stringify(options)}: each parameter of each module as the rule says`, () => {
    // 5 channels make lengths that are no multiple of a vector's
    const block = dk.dynamicKernelAggregation({ inChannels: 5, outChannels: 3, kernelSize: 3, seed: 1 });
    const optimizer = dk[kind](block, options);
    const gradients = block.gradients();
    const expected = copies(block.parameters());
    const rules = Object.fromEntries(Object.entries(expected)
      .map(([name, values]) => [name, Array.from(values, () => makeRule(options))]));
    for (let step = 0; step < 8; step++) {
      for (const [name, tensor] of Object.entries(gradients)) {
        const values = randomTensor(dk, tensor.shape, 17 * step + name.length);
        tensor.data.set(values.data);
        expected[name] = expected[name].map((value, i) => rules[name][i](value, values.data[i]));
        values.dispose();
      }
      optimizer.step();
    }
    for (const [name, tensor] of Object.entries(block.parameters())) {
      assertWithin(tensor.data, expected[name], () => 2e-5, name);
      assert.deepEqual(block.stateDict()[name].data, tensor.toArray(), name);
    }
    for (const thing of [optimizer, block]) thing.dispose();
  });
}

test('the defaults are PyTorch\'s', () => {
  const module = dk.kernelAttention({ channels: 3 });
  assert.equal(dk.sgd(module).lr, 1e-3);
  assert.equal(dk.adam(module).lr, 1e-3);
  assert.equal(dk.adam(module, { lr: undefined }).lr, 1e-3);
});

test('stepped kernels change forward, mix and stateDict', () => {
  const module = dk.kernelAggregation({ inChannels: 1, outChannels: 1, kernelSize: 1, numKernels: 1, bias: false });
  module.loadStateDict({ weight: { shape: [1, 1, 1, 1, 1], data: [2] } });
  const [one, x, gradOutput] = [dk.tensor([1], [1, 1]), dk.tensor([3], [1, 1, 1, 1]), dk.tensor([1], [1, 1, 1, 1])];
  module.requiresGrad = true;
  const optimizer = dk.sgd(module, { lr: 0.5 });
  for (const expected of [6, 1.5, -3]) { // y = 3 w, and each step takes 0.5 * 3 from w
    assert.deepEqual([...module.forward(x, one).data], [expected]);
    assert.deepEqual([...module.mix(one).weight.data], [expected / 3]);
    assert.deepEqual([...module.stateDict().weight.data], [expected / 3]);
    optimizer.zeroGrad();
    module.backward(gradOutput);
    optimizer.step();
  }
});

test('lr is writable: the next step uses it', () => {
  const { block, accumulate, dispose } = smallTraining(dk);
  const optimizer = dk.sgd(block, { lr: 0 });
  const before = copies(block.parameters());
  accumulate();
  optimizer.step();
  assert.deepEqual(copies(block.parameters()), before);
  optimizer.lr = 0.25;
  assert.equal(optimizer.lr, 0.25);
  const gradients = copies(block.gradients());
  optimizer.step();
  for (const [name, values] of Object.entries(copies(block.parameters()))) {
    assertWithin(values, before[name].map((value, i) => value - 0.25 * gradients[name][i]), () => 1e-6, name);
  }
  for (const lr of [-1, NaN, Infinity, '0.1', null, undefined]) {
    const word = lr === '0.1' ? 'got "0.1"' : `got ${lr}`;
    assertRefused(() => { optimizer.lr = lr; }, 'ERR_CONFIG', 'sgd: lr', '0 or more', word);
  }
  assert.equal(optimizer.lr, 0.25);
  optimizer.dispose();
  dispose();
});

test('a parameter without a gradient does not change, neither by decay nor by momentum', () => {
  const { block, accumulate, dispose } = smallTraining(dk);
  const idle = dk.kernelAttention({ channels: 4 });
  const optimizer = dk.adam([block, idle], { lr: 0.1, weightDecay: 0.5 });
  const before = { ...copies(block.parameters()), ...copies(idle.parameters()) };
  const now = () => ({ ...copies(block.parameters()), ...copies(idle.parameters()) });
  optimizer.step();
  idle.gradients(); // this computes none
  optimizer.step();
  assert.deepEqual(now(), before);

  accumulate();
  optimizer.step();
  const moved = now();
  for (const [name, values] of Object.entries(moved)) {
    const changed = name.startsWith('attention.') || name.startsWith('aggregation.');
    assert.equal(values.some((value, i) => value !== before[name][i]), changed, name);
  }
  optimizer.zeroGrad();
  optimizer.step();
  assert.deepEqual(now(), moved);

  // a gradient counts as computed if it is written; the others still do not
  idle.gradients()['conv2.bias'].data.fill(1);
  optimizer.step();
  for (const [name, values] of Object.entries(now())) {
    if (name === 'conv2.bias') assert.ok(values.every((value) => value < 0), name);
    else assert.deepEqual(values, moved[name], name);
  }
  for (const thing of [optimizer, idle]) thing.dispose();
  dispose();
});

test('a gradient that is not computed: toArray() keeps it so, reading data counts as writing', () => {
  const { block, dispose } = smallTraining(dk);
  const before = copies(block.parameters());
  const optimizer = dk.sgd(block, { lr: 0.5, weightDecay: 0.1 });
  for (const gradient of Object.values(block.gradients())) gradient.toArray();
  optimizer.step();
  assert.deepEqual(copies(block.parameters()), before);
  void block.gradients()['attention.bn.weight'].data;
  optimizer.step();
  const after = copies(block.parameters());
  for (const name of Object.keys(before)) {
    const decayed = name === 'attention.bn.weight' ? before[name].map((value) => value * (1 - 0.05)) : before[name];
    assertWithin(after[name], decayed, () => 1e-7, name);
  }
  for (const thing of [optimizer, { dispose }]) thing.dispose();
});

test('the state of a parameter begins with its own first gradient', () => {
  const [early, late] = [1, 2].map(() => dk.kernelAttention({ channels: 3, seed: 1 }));
  const together = dk.adam([early, late], { lr: 0.1 });
  const set = (module, value) => module.gradients()['conv2.bias'].data.fill(value);
  set(early, 1);
  together.step();
  together.zeroGrad();
  set(late, 1);
  together.step();
  assert.deepEqual(late.parameters()['conv2.bias'].toArray(), early.parameters()['conv2.bias'].toArray());
  for (const thing of [together, early, late]) thing.dispose();
});

test('a module that is named twice, or also as a part, counts once', () => {
  const results = [(block) => block, (block) => [block, block], (block) => [block.attention, block, block.aggregation]]
    .map((modules) => {
      const { block, accumulate, dispose } = smallTraining(dk);
      const optimizer = dk.sgd(modules(block), { lr: 0.1, momentum: 0.9 });
      for (let step = 0; step < 3; step++) {
        accumulate();
        optimizer.step();
      }
      const result = copies(block.parameters());
      optimizer.dispose();
      dispose();
      return result;
    });
  assert.deepEqual(results[1], results[0]);
  assert.deepEqual(results[2], results[0]);
});

test('an optimizer of one part leaves the other as it is', () => {
  const { block, accumulate, dispose } = smallTraining(dk);
  const optimizer = dk.sgd(block.attention, { lr: 0.1 });
  const before = copies(block.parameters());
  accumulate();
  optimizer.step();
  for (const [name, values] of Object.entries(copies(block.parameters()))) {
    assert.equal(values.some((value, i) => value !== before[name][i]), name.startsWith('attention.'), name);
  }
  optimizer.zeroGrad();
  assert.ok(block.gradients()['attention.bn.bias'].data.every((value) => value === 0));
  assert.ok(block.gradients()['aggregation.bias'].data.some((value) => value !== 0), 'not its module');
  optimizer.dispose();
  dispose();
});

test('refused options', () => {
  const module = dk.kernelAttention({ channels: 3 });
  for (const kind of ['sgd', 'adam']) {
    for (const name of ['lr', 'weightDecay', kind === 'sgd' ? 'momentum' : 'eps']) {
      for (const value of [-0.1, NaN, Infinity, '1', null, true, 1n]) {
        assertRefused(() => dk[kind](module, { [name]: value }), 'ERR_CONFIG', `${kind}: ${name}`, '0 or more');
      }
    }
    assertRefused(() => dk[kind](module, { weight_decay: 0 }), 'ERR_CONFIG', 'did you mean weightDecay?');
    assertRefused(() => dk[kind](module, 0.1), 'ERR_CONFIG', kind, 'options');
  }
  for (const betas of [0.9, [0.9], [0.9, 0.99, 0.999], null, '0.9', new Float64Array(2)]) {
    assertRefused(() => dk.adam(module, { betas }), 'ERR_CONFIG', 'betas', 'two numbers');
  }
  assertRefused(() => dk.adam(module, { betas: Array(2) }), 'ERR_CONFIG', 'betas[0]', 'undefined');
  for (const beta of [-0.1, 1, NaN, '0.9']) {
    assertRefused(() => dk.adam(module, { betas: [beta, 0.999] }), 'ERR_CONFIG', 'betas[0]', 'below 1');
    assertRefused(() => dk.adam(module, { betas: [0.9, beta] }), 'ERR_CONFIG', 'betas[1]', 'below 1');
  }
});

test('refused modules', () => {
  const module = dk.kernelAttention({ channels: 3 });
  const disposed = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 1, kernelSize: 1 });
  disposed.dispose();
  const torn = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 1, kernelSize: 1 });
  torn.aggregation.dispose();
  for (const kind of ['sgd', 'adam']) {
    assertRefused(() => dk[kind]([]), 'ERR_CONFIG', kind, 'at least one module');
    for (const value of [undefined, null, 5, {}, dk.zeros([1]), module.parameters(), () => module]) {
      assertRefused(() => dk[kind](value), 'ERR_CONFIG', kind, 'array of modules');
      assertRefused(() => dk[kind]([module, value]), 'ERR_CONFIG', kind, 'array of modules');
    }
    assertRefused(() => other[kind](module), 'ERR_CONFIG', kind, 'another runtime');
    assertRefused(() => dk[kind]([module, disposed]), 'ERR_DISPOSED', 'DynamicKernelAggregation');
    assertRefused(() => dk[kind](torn), 'ERR_DISPOSED', 'KernelAggregation');
  }
});

test('use after dispose of the optimizer, of one of its modules, and of the runtime', async () => {
  const runtime = await loadRuntime();
  const [first, second] = [smallTraining(runtime), smallTraining(runtime)];
  const optimizer = runtime.adam([first.block, second.block], { lr: 0.1 });
  for (const { accumulate } of [first, second]) accumulate();
  optimizer.step();
  const before = copies(first.block.parameters());
  const gradients = copies(first.block.gradients());
  second.block.dispose();
  assertRefused(() => optimizer.step(), 'ERR_DISPOSED', 'Kernel');
  assertRefused(() => optimizer.zeroGrad(), 'ERR_DISPOSED', 'Kernel');
  assert.deepEqual(copies(first.block.parameters()), before, 'no parameter of the others has changed');
  assert.deepEqual(copies(first.block.gradients()), gradients);

  const unusable = () => {
    assert.equal(optimizer.disposed, true);
    for (const use of [() => optimizer.step(), () => optimizer.zeroGrad(), () => { optimizer.lr = 1; }]) {
      assertRefused(use, 'ERR_DISPOSED', 'optimizer');
    }
  };
  assert.equal(optimizer.disposed, false);
  optimizer.dispose();
  optimizer.dispose();
  optimizer[Symbol.dispose ?? Symbol.for('Symbol.dispose')]();
  unusable();
  for (const { dispose } of [first, second]) dispose();
  assert.equal(heapOf(runtime).live, 0);

  const last = runtime.sgd(runtime.kernelAttention({ channels: 3 }));
  runtime.dispose();
  assertRefused(() => last.step(), 'ERR_DISPOSED', 'its runtime');
  last.dispose();
});

test('memory: SGD keeps no state without momentum, Adam two arrays a parameter', async () => {
  const runtime = await loadRuntime();
  const live = () => heapOf(runtime).live;
  const { block, accumulate, dispose } = smallTraining(runtime);
  accumulate();
  const before = live();
  const parameters = Object.keys(block.parameters()).length;
  for (const [optimizer, pieces] of [
    [runtime.sgd(block), 0], [runtime.sgd(block, { momentum: 0.9 }), parameters], [runtime.adam(block), parameters],
  ]) {
    assert.equal(live(), before);
    optimizer.step();
    assert.equal(live(), before + pieces);
    optimizer.dispose();
  }
  dispose();
  assert.equal(live(), 0);
  runtime.dispose();
});
