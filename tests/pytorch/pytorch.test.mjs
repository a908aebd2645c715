// PyTorch runs beside the wrapper: it loads what the wrapper saves, and both train from the same numbers.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseCheckpoint } from '../../web/dynakernel/checkpoint/checkpoint.js';
import {
  cosineSchedule, parseSafetensors, stepSchedule, toFloat32, toSafetensors, warmupSchedule,
} from '../../web/dynakernel/index.js';
import { Random } from '../../web/shared/random.js';
import { assertClose, loadRuntime, randomTensor } from '../helpers.mjs';
import { seedTitle, seedsOf } from '../seeds.mjs';
import { assertGradient, assertWithin, copies } from '../training.mjs';
import { snakeNames, startPyTorch } from './ask.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

let dk, python, folder, ask, stop;
before(async () => {
  ({ python, folder, ask, stop } = startPyTorch());
  dk = await loadRuntime();
});
after(() => {
  dk?.dispose();
  stop?.();
});

test('PyTorch loads what examples/train.mjs saves, and computes the same outputs', () => {
  const file = join(folder, 'trained.safetensors');
  execFileSync(process.execPath, [path('../../examples/train.mjs'), path('../../web/photos/chelsea.jpg'), file, '60']);
  const { __metadata__, ...state } = parseSafetensors(readFileSync(file));
  const geometry = JSON.parse(__metadata__.config);
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: 3, ...geometry });
  block.loadStateDict(state);
  const x = randomTensor(dk, [3, 3, 20, 17]);
  const y = block.forward(x);
  const answer = ask({ task: 'output', geometry }, { ...state, input: x });
  assert.deepEqual(y.shape, answer.output.shape);
  assertClose(y.data, answer.output.data, 'output');
  assertClose(block.lastAttention, answer.attention.data, 'attention');
  for (const thing of [block, x, y]) thing.dispose();
});

for (const seed of seedsOf(40)) {
  test(`random configurations: PyTorch answers the same, ${seedTitle(seed)}`, () => {
    const random = new Random(seed);
    const pick = (...values) => values[random.below(values.length)];
    for (let count = 0; count < 5; count++) {
      const groups = pick(1, 1, 2, 3);
      // numbers, then pairs [vertical, horizontal]
      const extent = (draw) => (count % 2 ? [draw(0), draw(1)] : draw(0));
      const kernelSize = extent(() => pick(1, 3, 5));
      const geometry = {
        stride: extent(() => pick(1, 2)), padding: extent((axis) => random.below([kernelSize].flat()[axis])),
        dilation: extent(() => pick(1, 2)), groups,
      };
      const inChannels = groups * (1 + random.below(8)), outChannels = groups * (1 + random.below(8));
      const config = { inChannels, outChannels, kernelSize, numKernels: 1 + random.below(6), bias: random.below(2) === 0, ...geometry };
      const shape = [1 + random.below(3), inChannels, 9 + random.below(12), 9 + random.below(12)];
      const block = dk.dynamicKernelAggregation({ ...config, seed: count });
      const x = randomTensor(dk, shape, seed + count);
      const y = block.forward(x);
      const answer = ask({ task: 'output', geometry }, { ...block.stateDict(), input: x });
      const what = `${count}: ${JSON.stringify({ ...config, shape })}`;
      assert.deepEqual(y.shape, answer.output.shape, what);
      assertClose(y.data, answer.output.data, `output of ${what}`);
      assertClose(block.lastAttention, answer.attention.data, `attention of ${what}`);
      for (const thing of [block, x, y]) thing.dispose();
    }
  });
}

const runs = [
  {
    image: [3, 3, 11, 9], config: { inChannels: 3, outChannels: 5, kernelSize: 5, padding: 2, numKernels: 6 },
    mode: 'train', loss: 'mse', optimizer: 'adam', options: { lr: 0.01 },
  },
  {
    image: [2, 12, 9, 10], config: { inChannels: 12, outChannels: 8, kernelSize: 3, padding: 1, groups: 4, stride: 2 },
    mode: 'train', loss: 'huber', optimizer: 'sgd', options: { lr: 0.1, momentum: 0.8, weightDecay: 0.01 },
  },
  {
    image: [1, 24, 12, 13],
    config: { inChannels: 24, outChannels: 24, kernelSize: 3, padding: 2, dilation: 2, groups: 24 },
    mode: 'eval', loss: 'mse', optimizer: 'adam',
    options: { lr: 0.005, betas: [0.7, 0.9], eps: 1e-5, weightDecay: 0.02 },
  },
  {
    image: [4, 16, 13, 12], config: { inChannels: 16, outChannels: 20, kernelSize: 3, padding: 1, bias: false },
    mode: 'train', loss: 'mse', optimizer: 'sgd', options: { lr: 0.05 },
  },
  {
    image: [2, 9, 8, 8], config: { inChannels: 9, outChannels: 11, kernelSize: 1, numKernels: 2 },
    mode: 'eval', loss: 'l1', optimizer: 'sgd', options: { lr: 0.05, momentum: 0.9 },
  },
  {
    image: [2, 6, 11, 14], mode: 'train', loss: 'mse', optimizer: 'adam', options: { lr: 0.01 },
    config: { inChannels: 6, outChannels: 8, kernelSize: [1, 5], stride: [2, 1], padding: [0, 2], groups: 2 },
  },
  {
    image: [2, 8, 14, 11], mode: 'eval', loss: 'huber', optimizer: 'sgd', options: { lr: 0.05, momentum: 0.9 },
    config: { inChannels: 8, outChannels: 8, kernelSize: [5, 3], padding: [2, 3], dilation: [1, 2], groups: 8 },
  },
  { // one input channel: one hidden channel here, none in Dite-HRNet's module
    image: [2, 1, 12, 12], config: { inChannels: 1, outChannels: 3, kernelSize: 7, padding: 3 },
    mode: 'train', loss: 'mse', optimizer: 'adam', options: { lr: 0.01 },
  },
];
const STEPS = 12;

for (const [index, run] of runs.entries()) {
  const { image, config, mode, loss: kind, optimizer: name, options } = run;
  test(`a training run: ${JSON.stringify(run)}`, () => {
    const block = dk.dynamicKernelAggregation({ ...config, seed: index })[mode]();
    block.requiresGrad = true;
    const x = randomTensor(dk, image, 10 + index);
    const before = block.stateDict();
    // The target is the output of a block of the same configuration with other parameters.
    const teacher = dk.dynamicKernelAggregation({ ...config, seed: 100 + index });
    const target = teacher.forward(x);
    const optimizer = dk[name](block, options);
    const losses = [];
    const first = {};
    for (let step = 0; step < STEPS; step++) {
      const y = block.forward(x);
      const { loss, gradient } = dk[`${kind}Loss`](y, target);
      optimizer.zeroGrad();
      const input = block.backward(gradient);
      if (step === 0) Object.assign(first, { input: input.toArray(), ...copies(block.gradients()) });
      optimizer.step();
      losses.push(loss);
      for (const tensor of [y, gradient, input]) tensor.dispose();
    }

    const { stride, padding, dilation, groups } = block.config;
    const answer = ask({
      task: 'training', geometry: { stride, padding, dilation, groups }, mode, loss: kind, optimizer: name,
      steps: STEPS, options: snakeNames(options),
    }, { ...before, input: x, target });
    const names = Object.keys(answer).filter((key) => key.startsWith('grad.')).map((key) => key.slice('grad.'.length));
    assert.deepEqual(names.sort(), Object.keys(first).sort(), 'named_parameters() are parameters()');
    for (const key of names) assertGradient(first[key], answer[`grad.${key}`].data, `gradient of ${key}`);
    assertWithin(losses, answer.loss.data, (i) => 1e-3 * answer.loss.data[i], 'loss');
    for (const [key, { data }] of Object.entries(block.stateDict())) {
      const expected = Array.from(answer[`after.${key}`].data, Number);
      assertWithin(Array.from(data, Number), expected, () => 2e-3, `${key} after`);
    }
    for (const thing of [block, teacher, optimizer, x, target]) thing.dispose();
  });
}

const resumed = [
  { optimizer: 'adam', options: { lr: 0.01 } },
  { optimizer: 'adam', options: { lr: 0.005, betas: [0.7, 0.9], eps: 1e-5, weightDecay: 0.02 } },
  { optimizer: 'sgd', options: { lr: 0.1, momentum: 0.8, weightDecay: 0.01 } },
  { optimizer: 'sgd', options: { lr: 0.05 } },
];
const [BEFORE, AFTER] = [5, 8];
const pick = (dict, prefix, kinds) => Object.fromEntries(Object.entries(dict)
  .filter(([name]) => name.startsWith(prefix) && kinds.includes(name.slice(prefix.length).split('.')[0]))
  .map(([name, value]) => [name.slice(prefix.length), value]));

for (const { optimizer: name, options } of resumed) {
  /** A block, an image, a target and an optimizer whose options the loaded state replaces. */
  const start = (given) => {
    const block = dk.dynamicKernelAggregation({ inChannels: 6, outChannels: 5, kernelSize: 3, padding: 1, seed: 1 }).train();
    block.requiresGrad = true;
    const [input, target] = [randomTensor(dk, [3, 6, 9, 8], 1), randomTensor(dk, [3, 5, 9, 8], 2)];
    const optimizer = dk[name](block, given);
    const train = (steps) => {
      for (let step = 0; step < steps; step++) {
        const y = block.forward(input);
        const { gradient } = dk.mseLoss(y, target);
        optimizer.zeroGrad();
        block.backward(gradient, { input: false });
        optimizer.step();
        for (const tensor of [y, gradient]) tensor.dispose();
      }
    };
    return { block, input, target, optimizer, train };
  };
  const request = (steps, more) => ({
    task: 'resuming', geometry: { padding: 1 }, mode: 'train', optimizer: name, steps, more,
    options: snakeNames(options),
  });
  /** Asserts that parameters, statistics and the optimizer's state match PyTorch's. */
  const compare = ({ block, optimizer }, expected) => {
    for (const [key, { shape, data }] of Object.entries({ ...block.stateDict(), ...optimizer.stateDict({ flat: true }) })) {
      if (key.endsWith('maximize') && !expected[key]) continue;
      assert.deepEqual(expected[key].shape, shape, key);
      const numbers = Array.from(expected[key].data, Number);
      const scale = Math.max(...numbers.map(Math.abs));
      assertWithin(Array.from(data, Number), numbers, () => (key.startsWith('param_groups.') ? 1e-12 : 2e-3 * Math.min(1, scale + 1e-3)), key);
    }
  };

  test(`${name} ${JSON.stringify(options)}: continues a training that PyTorch began`, () => {
    const here = start({ lr: 1 });
    const { block, input, target } = here;
    const answer = ask(request(BEFORE, AFTER), { ...block.stateDict(), input, target });
    block.loadStateDict(pick(answer, 'after.', ['attention', 'aggregation']));
    here.optimizer.loadStateDict(toSafetensors(pick(answer, 'after.', ['state', 'param_groups'])));
    assert.equal(here.optimizer.lr, options.lr);
    here.train(AFTER);
    compare(here, pick(answer, 'final.', ['attention', 'aggregation', 'state', 'param_groups']));
    for (const thing of [block, here.optimizer, input, target]) thing.dispose();
  });

  test(`${name} ${JSON.stringify(options)}: PyTorch continues a training that began here`, () => {
    const here = start(options);
    const { block, input, target } = here;
    here.train(BEFORE);
    const answer = ask({ ...request(0, AFTER), options: { lr: 1 } },
      { ...block.stateDict(), ...here.optimizer.stateDict({ flat: true }), input, target });
    here.train(AFTER);
    compare(here, pick(answer, 'final.', ['attention', 'aggregation', 'state', 'param_groups']));
    for (const thing of [block, here.optimizer, input, target]) thing.dispose();
  });
}

test('16-bit floats have the same bits', () => {
  // Numbers of every magnitude, and the middle between each 16-bit float and the next.
  const numbers = randomTensor(dk, [40000], 5);
  const sizes = numbers.toArray().map((value, i) => value * 2 ** ((i % 60) - 40));
  const halves = toFloat32({ shape: [31743], data: Uint16Array.from({ length: 31743 }, (_, i) => i), dtype: 'F16' });
  const middles = halves.map((value, i) => (value + (halves[i + 1] ?? 65536)) / 2);
  const x = { shape: [40000 + 31743], data: Float32Array.of(...sizes, ...middles) };
  const answer = ask({ task: 'halves' }, { x });
  for (const dtype of ['F16', 'BF16']) {
    const { data } = parseSafetensors(toSafetensors({ x }, {}, { dtype })).x;
    assert.deepEqual(data, new Uint16Array(answer[dtype].data.buffer, answer[dtype].data.byteOffset, data.length));
  }
  numbers.dispose();
});

test('losses', () => {
  const [y, target] = [randomTensor(dk, [2, 3, 7, 9], 1), randomTensor(dk, [2, 3, 7, 9], 2)];
  const delta = 0.4;
  const answer = ask({ task: 'losses', delta }, { y, target });
  for (const [name, { loss, gradient }] of Object.entries({
    mse: dk.mseLoss(y, target), l1: dk.l1Loss(y, target), huber: dk.huberLoss(y, target, { delta }),
  })) {
    assertWithin([loss], answer[name].data, () => 1e-6, name);
    assertWithin(gradient.data, answer[`grad.${name}`].data, () => 1e-8, `gradient of ${name}`);
    gradient.dispose();
  }
});

test('schedules', () => {
  const [lr, steps, least, every, factor] = [0.3, 40, 0.01, 7, 0.6];
  const answer = ask({ task: 'schedules', lr, steps, least, every, factor });
  for (const [name, schedule] of Object.entries({
    cosine: cosineSchedule({ lr, steps, least }), step: stepSchedule({ lr, every, factor }),
    warmup: warmupSchedule({ lr, warmup: every }),
  })) {
    const rates = Array.from({ length: steps + 1 }, (_, step) => schedule(step));
    assertWithin(rates, answer[name].data, () => 1e-9, name);
  }
});

test('what torch.save writes here, parseCheckpoint reads', () => {
  execFileSync(python, [path('make_checkpoints.py'), folder]);
  const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
  for (const [name, numbers] of [['plain', expected.state], ['legacy', expected.state], ['training', expected.state],
    ['compiled', expected.state], ['whole-model', expected.model]]) {
    const dict = parseCheckpoint(readFileSync(join(folder, `${name}.pth`)));
    for (const [key, [shape, values]] of Object.entries(numbers)) {
      assert.deepEqual(dict[key].shape, shape, `${name}: ${key}`);
      assert.deepEqual(Array.from(dict[key].data, Number), values, `${name}: ${key}`);
    }
  }
});
