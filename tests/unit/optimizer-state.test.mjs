// An optimizer's state in PyTorch's layout, flat and in files. Tests that training continues bit for bit, and refusals.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseSafetensors, toSafetensors } from '../../web/dynakernel/index.js';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { assertRefused, loadRuntime } from '../helpers.mjs';
import { copies, smallTraining } from '../training.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const KINDS = [
  ['adam', { lr: 0.02 }], ['adam', { lr: 0.1 / 3, betas: [0.7, 0.95], eps: 1e-5, weightDecay: 0.1 }],
  ['sgd', { lr: 0.05, momentum: 0.9 }], ['sgd', { lr: 0.05, momentum: 0.5, weightDecay: 0.03 }], ['sgd', { lr: 0.1, weightDecay: 0.01 }],
];

/** A training with its optimizer. */
function training(kind, options) {
  const parts = smallTraining(dk);
  const optimizer = dk[kind](parts.block, options);
  const steps = (count) => {
    for (let step = 0; step < count; step++) {
      optimizer.zeroGrad();
      parts.accumulate();
      optimizer.step();
    }
  };
  const dispose = () => [optimizer, parts].forEach((thing) => thing.dispose());
  return { ...parts, optimizer, steps, dispose };
}

/** The things that must not change. */
const snapshot = ({ block, optimizer }) => ({ state: block.stateDict(), optimizer: optimizer.stateDict(), lr: optimizer.lr });

for (const [kind, options] of KINDS) {
  const forms = {
    'the object': (optimizer) => optimizer.stateDict(),
    'a file': (optimizer) => toSafetensors(optimizer.stateDict()),
    'the flat object': (optimizer) => optimizer.stateDict({ flat: true }),
    'one file with the module': (optimizer, block) => toSafetensors({ ...block.stateDict(), ...optimizer.stateDict({ flat: true }) }),
  };
  for (const [form, save] of Object.entries(forms)) {
    test(`${kind} ${JSON.stringify(options)}: 10 steps are 5, ${form}, and 5`, () => {
      const whole = training(kind, options);
      whole.steps(10);
      const half = training(kind, options);
      half.steps(5);
      const [module, memory] = [toSafetensors(half.block.stateDict()), save(half.optimizer, half.block)];
      half.dispose();

      const fresh = training(kind, { lr: 0.5 }); // the settings are loaded as well
      fresh.block.loadStateDict(module);
      fresh.optimizer.loadStateDict(memory);
      assert.equal(fresh.optimizer.lr, options.lr);
      fresh.steps(5);
      assert.deepEqual(fresh.block.stateDict(), whole.block.stateDict());
      assert.deepEqual(fresh.optimizer.stateDict(), whole.optimizer.stateDict());
      for (const { dispose } of [whole, fresh]) dispose();
    });
  }
}

test("PyTorch's layout", () => {
  const { block, optimizer, steps, dispose } = training('adam', { lr: 0.01, weightDecay: 0.5 });
  steps(3);
  const { state, param_groups: groups } = optimizer.stateDict();
  assert.deepEqual(groups, [{
    lr: 0.01, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.5, amsgrad: false, maximize: false, params: [0, 1, 2, 3, 4, 5, 6],
  }]);
  const shapes = Object.values(block.parameters()).map(({ shape }) => [...shape]);
  assert.deepEqual(Object.keys(state), ['0', '1', '2', '3', '4', '5', '6']);
  for (const [i, shape] of shapes.entries()) {
    assert.deepEqual(Object.keys(state[i]), ['step', 'exp_avg', 'exp_avg_sq']);
    assert.deepEqual(state[i].step, { shape: [], data: Float32Array.of(3) });
    for (const name of ['exp_avg', 'exp_avg_sq']) {
      assert.deepEqual(state[i][name].shape, shape);
      assert.ok(state[i][name].data.some((value) => value !== 0));
    }
  }
  const flat = optimizer.stateDict({ flat: true });
  assert.deepEqual(flat['state.6.exp_avg'], state[6].exp_avg);
  assert.deepEqual(flat['param_groups.0.lr'], { shape: [], data: Float64Array.of(0.01) });
  assert.deepEqual(flat['param_groups.0.betas'], { shape: [2], data: Float64Array.of(0.9, 0.999) });
  assert.deepEqual(flat['param_groups.0.amsgrad'], { shape: [], data: Uint8Array.of(0), dtype: 'BOOL' });
  assert.deepEqual(flat['param_groups.0.params'], { shape: [7], data: BigInt64Array.from([0n, 1n, 2n, 3n, 4n, 5n, 6n]) });
  const file = parseSafetensors(toSafetensors(optimizer.stateDict()));
  assert.deepEqual(Object.keys(file).sort(), Object.keys(flat).sort());
  dispose();

  const momentum = training('sgd', { lr: 0.1, momentum: 0.9 });
  momentum.steps(1);
  const dict = momentum.optimizer.stateDict();
  assert.deepEqual(Object.keys(dict.state[0]), ['momentum_buffer']);
  assert.deepEqual(dict.param_groups, [{
    lr: 0.1, momentum: 0.9, dampening: 0, weight_decay: 0, nesterov: false, maximize: false, params: [0, 1, 2, 3, 4, 5, 6],
  }]);
  momentum.dispose();
});

test('there is no state before the first step, and none of parameters without a gradient', () => {
  const { block, optimizer, dispose } = training('adam', {});
  assert.deepEqual(optimizer.stateDict().state, {});
  block.gradients()['attention.conv2.bias'].data.fill(1);
  optimizer.step();
  assert.deepEqual(Object.keys(optimizer.stateDict().state), ['4']);
  const dict = optimizer.stateDict();

  // loading replaces the whole state
  const other = training('adam', {});
  other.steps(2);
  other.optimizer.loadStateDict(dict);
  assert.deepEqual(other.optimizer.stateDict(), dict);
  other.optimizer.loadStateDict(training('adam', {}).optimizer.stateDict());
  assert.deepEqual(other.optimizer.stateDict().state, {});
  for (const thing of [{ dispose }, other]) thing.dispose();
});

test('a state dict is a copy, and a file may hold it as float16', () => {
  const { optimizer, steps, dispose } = training('adam', {});
  steps(2);
  const before = optimizer.stateDict();
  const dict = optimizer.stateDict();
  for (const fields of Object.values(dict.state)) for (const { data } of Object.values(fields)) data.fill(9);
  dict.param_groups[0].betas[0] = 0;
  assert.deepEqual(optimizer.stateDict(), before);
  optimizer.loadStateDict(toSafetensors(before, {}, { dtype: 'BF16' }));
  const loaded = optimizer.stateDict();
  assert.deepEqual(loaded.state[0].step, before.state[0].step);
  assert.ok(Math.abs(loaded.state[0].exp_avg.data[0] / before.state[0].exp_avg.data[0] - 1) < 2 ** -8);
  dispose();
});

test('reads the layouts of older and newer versions of PyTorch', () => {
  const { block, optimizer, dispose } = training('sgd', { momentum: 0.9 });
  const shapes = Object.values(block.parameters()).map(({ shape }) => shape);
  const ones = (shape) => ({ shape, data: new Float32Array(shape.reduce((product, length) => product * length, 1)).fill(1) });
  // Numbers of its own, no buffer yet, several groups alike, options that do not matter here.
  optimizer.loadStateDict({
    state: { 12: { momentum_buffer: ones(shapes[2]) }, 10: { momentum_buffer: null } },
    param_groups: [
      { lr: 0.25, momentum: 0.5, weight_decay: 0.1, dampening: 0, nesterov: false, foreach: null, params: [10, 11, 12] },
      { lr: 0.25, momentum: 0.5, weight_decay: 0.1, dampening: 0, nesterov: false, initial_lr: 0.3, params: [13, 14, 15, 16] },
    ],
  });
  assert.deepEqual(optimizer.stateDict(), {
    state: { 2: { momentum_buffer: { ...ones(shapes[2]), shape: [...shapes[2]] } } },
    param_groups: [{ lr: 0.25, momentum: 0.5, dampening: 0, weight_decay: 0.1, nesterov: false, maximize: false, params: [0, 1, 2, 3, 4, 5, 6] }],
  });

  const adam = dk.adam(block, { weightDecay: 0.5 });
  const fields = (step) => Object.fromEntries(shapes.map((shape, i) => [i, { step, exp_avg: ones(shape), exp_avg_sq: ones(shape) }]));
  for (const step of [7, { shape: [], data: Float32Array.of(7) }, { shape: [1], data: BigInt64Array.of(7n) }]) {
    adam.loadStateDict({ state: fields(step), param_groups: [{ lr: 0.25, params: [0, 1, 2, 3, 4, 5, 6] }] });
    assert.equal(adam.stateDict().state[3].step.data[0], 7);
    assert.equal(adam.stateDict().param_groups[0].weight_decay, 0.5, 'what is not said stays');
  }
  for (const thing of [adam, { dispose }]) thing.dispose();
});

test('a source that does not fit is refused and changes nothing', () => {
  const here = training('adam', { lr: 0.02 });
  here.steps(2);
  const before = snapshot(here);
  const dict = here.optimizer.stateDict();
  const group = dict.param_groups[0];
  const change = (changes, state = dict.state) => ({ state, param_groups: [{ ...group, ...changes }] });
  const field = (name, value) => change({}, { ...dict.state, 3: { ...dict.state[3], [name]: value } });
  const momentum = training('sgd', { momentum: 0.9 });
  momentum.steps(1);

  const one = { shape: [1], data: Float32Array.of(1) };
  for (const [source, ...words] of [
    [change({ params: [0, 1, 2] }), '3 parameters', 'has 7', 'conv1.weight'],
    [change({ params: [0, 1, 2, 3, 4, 5, 5] }), '7 parameters'],
    [change({ params: [0, 1, 2, 3, 4, 5, 7] }), 'parameter 6'],
    [change({ params: 'all' }), 'params of group 0'],
    [field('exp_avg', one), 'state.3.exp_avg is [1]', 'conv2.weight'],
    [field('exp_avg', undefined), 'state.3', 'exp_avg and exp_avg_sq'],
    [field('exp_avg', { ...dict.state[3].exp_avg, data: new Float32Array(1) }), '1 numbers'],
    [field('exp_avg', { ...dict.state[3].exp_avg, data: new Uint8Array(8), dtype: 'C64' }), 'state.3.exp_avg', 'C64'],
    [field('step', -1), 'state.3.step', '-1'], [field('step', 1.5), '1.5'], [field('step', 2 ** 31), 'state.3.step'],
    [field('step', { shape: [2], data: [1, 2] }), 'state.3.step', '[1, 2]'],
    [change({ lr: -1 }), 'lr', '-1'], [change({ betas: [0.9] }), 'betas'], [change({ eps: '1' }), 'eps', '"1"'],
    [change({ weight_decay: NaN }), 'weightDecay', 'NaN'],
    [change({ amsgrad: true }), 'amsgrad is true'], [change({ maximize: true }), 'maximize'],
    [change({ decoupled_weight_decay: true }), 'decoupled_weight_decay'],
    [{ state: dict.state, param_groups: [{ ...group, params: [0, 1] }, { ...group, lr: 1, params: [2, 3, 4, 5, 6] }] }, '2 groups'],
    [momentum.optimizer.stateDict(), 'another optimizer', 'momentum'],
    [{ state: 5, param_groups: [group] }, 'state of an optimizer'], [{ state: {}, param_groups: [5] }, 'param_groups of an optimizer'],
    [{ state: {}, param_groups: [] }, '0 parameters'],
    [here.block.stateDict(), 'param_groups.0.lr'], [{ model: {}, optimizer: dict }, 'pass its optimizer'], [{}, 'no properties'],
    [null, 'null'], [[dict], 'an array of 1'], ['file', '"file"'],
  ]) {
    assertRefused(() => here.optimizer.loadStateDict(source), 'ERR_STATE', ...words);
    assert.deepEqual(snapshot(here), before);
  }
  assertRefused(() => here.optimizer.loadStateDict(new Uint8Array(100)), 'ERR_SAFETENSORS');
  assertRefused(() => here.optimizer.loadStateDict(toSafetensors(here.block.stateDict())), 'ERR_STATE', 'param_groups');
  for (const [changes, ...words] of [[{ nesterov: true }, 'nesterov'], [{ dampening: 0.5 }, 'dampening is 0.5'], [{ betas: [0, 0] }, 'another', 'betas']]) {
    const mixed = momentum.optimizer.stateDict();
    Object.assign(mixed.param_groups[0], changes);
    assertRefused(() => momentum.optimizer.loadStateDict(mixed), 'ERR_STATE', ...words);
  }
  assertRefused(() => here.optimizer.stateDict({ flat: 1 }), 'ERR_CONFIG', 'flat');
  assertRefused(() => here.optimizer.stateDict({ flatt: true }), 'ERR_CONFIG', 'it takes flat');
  assert.deepEqual(snapshot(here), before);
  for (const { dispose } of [here, momentum]) dispose();
});

test('getters of the source: disposal, detached buffers', async () => {
  const here = training('adam', {});
  here.steps(2);
  const dict = here.optimizer.stateDict();
  const before = snapshot(here);
  const data = Float32Array.from(dict.state[0].exp_avg.data);
  const detaching = (order) => {
    const spoiled = { ...dict.state[0].exp_avg, data: Float32Array.from(data) };
    const spoiling = { ...dict.state[1], get exp_avg() {
      structuredClone(spoiled.data.buffer, { transfer: [spoiled.data.buffer] });
      return dict.state[1].exp_avg;
    } };
    const first = { ...dict.state[0], exp_avg: spoiled };
    return { param_groups: dict.param_groups, state: { ...dict.state, 1: spoiling, [order]: first } };
  };
  assertRefused(() => here.optimizer.loadStateDict(detaching(0)), 'ERR_STATE', 'state.0.exp_avg', '0 numbers');
  assert.deepEqual(snapshot(here), before);
  const ending = { param_groups: dict.param_groups, get state() { here.block.attention.dispose(); return dict.state; } };
  assertRefused(() => here.optimizer.loadStateDict(ending), 'ERR_DISPOSED', 'KernelAttention');
  here.dispose();
  assertRefused(() => here.optimizer.stateDict(), 'ERR_DISPOSED', 'optimizer');
  assertRefused(() => here.optimizer.loadStateDict(dict), 'ERR_DISPOSED', 'optimizer');
});

test('memory: a full heap changes nothing, and saving needs no memory of it', async () => {
  const live = () => heapOf(dk).live;
  const from = training('adam', {});
  from.steps(1);
  const to = training('adam', {});
  const before = snapshot(to);
  const dict = from.optimizer.stateDict();
  const heap = heapOf(dk);
  const count = live();
  for (let allowed = 0; allowed < 7; allowed++) {
    let left = allowed;
    heap.allocate = (...rest) => (left-- > 0 ? Object.getPrototypeOf(heap).allocate.apply(heap, rest) : heap.refuse(1, 'a test'));
    assertRefused(() => to.optimizer.loadStateDict(dict), 'ERR_MEMORY');
    assert.deepEqual([from.optimizer.stateDict(), snapshot(to)], [dict, before]);
    delete heap.allocate;
    assert.equal(live(), count);
  }
  to.optimizer.loadStateDict(dict);
  assert.equal(live(), count + 7);
  to.optimizer.loadStateDict(dict);
  assert.equal(live(), count + 7, 'the same memory again');
  to.optimizer.loadStateDict(before.optimizer);
  assert.equal(live(), count);
  for (const { dispose } of [from, to]) dispose();
});

test('several modules, and a rate that changes', () => {
  const modules = [1, 2].map((seed) => dk.kernelAttention({ channels: 4, seed }));
  const optimizer = dk.adam(modules);
  for (const module of modules) for (const gradient of Object.values(module.gradients())) gradient.data.fill(1);
  optimizer.step();
  optimizer.lr = 0.125;
  const fresh = dk.adam(modules);
  fresh.loadStateDict(optimizer.stateDict());
  assert.equal(fresh.lr, 0.125);
  assert.deepEqual(fresh.stateDict().param_groups[0].params, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const states = modules.map((module) => copies(module.parameters()));
  fresh.step();
  const moved = modules.map((module) => copies(module.parameters()));
  modules.forEach((module, i) => {
    for (const [name, tensor] of Object.entries(module.parameters())) tensor.data.set(states[i][name]);
  });
  optimizer.step();
  assert.deepEqual(modules.map((module) => copies(module.parameters())), moved);
  for (const thing of [optimizer, fresh, ...modules]) thing.dispose();
});
