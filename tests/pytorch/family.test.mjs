// Every kind of dynamic convolution beside PyTorch: random configurations with their gradients, and training runs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Random } from '../../web/shared/random.js';
import { assertPass, familyCase, familyNames, makeModel } from '../family.mjs';
import { algorithmsOf, assertClose, loadRuntime, randomTensor } from '../helpers.mjs';
import { seedTitle, seedsOf } from '../seeds.mjs';
import { assertGradient, assertWithin } from '../training.mjs';
import { snakeNames, startPyTorch } from './ask.mjs';

let dk, ask, stop;
before(async () => {
  ({ ask, stop } = startPyTorch());
  dk = await loadRuntime();
});
after(() => {
  dk?.dispose();
  stop?.();
});

const under = (tensors, prefix) => Object.fromEntries(Object.entries(tensors)
  .filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value]));
const prefixed = (prefix, tensors) => Object.fromEntries(Object.entries(tensors).map(([name, value]) => [prefix + name, value]));
const flat = (parts) => Object.assign({}, ...parts);

/** Asks PyTorch to compute passes [{ kind, config, mode, state, input, gradOutput }]. Returns its numbers. */
function askPasses(passes) {
  const cases = passes.map(({ kind, config, mode }) => ({ kind, options: snakeNames(config), mode }));
  const answer = ask({ task: 'passes', cases }, flat(passes.map(({ state, input, gradOutput }, index) =>
    prefixed(`${index}.`, { input, grad_output: gradOutput, ...prefixed('state.', state) }))));
  return passes.map((pass, index) => {
    const own = under(answer, `${index}.`);
    return {
      output: own.output, gradOutput: pass.gradOutput, attentions: under(own, 'attention.'), mixed: under(own, 'mixed.'),
      gradients: under(own, 'grad.'), after: under(own, 'after.'),
    };
  });
}

test("family.py's modules give the numbers of the authors' modules", () => {
  const passes = familyNames.flatMap((name) => {
    const { file, kind, config, state } = familyCase(name);
    return ['eval', 'train'].filter((mode) => file[`${mode}.output`]).map((mode) => ({
      name: `${name} ${mode}`, kind, config, mode, state, input: file.input, gradOutput: file[`${mode}.grad_output`],
      expected: under(file, `${mode}.`),
    }));
  });
  for (const [index, { output, gradients, attentions }] of askPasses(passes).entries()) {
    const { name, expected } = passes[index];
    assertClose(output.data, expected.output.data, `${name} output`);
    for (const [key, { data }] of Object.entries(attentions)) {
      assertClose(data, expected[`${key}_attention`].data, `${name} ${key} attention`);
    }
    for (const [key, { data }] of Object.entries(gradients)) {
      assertGradient(data, expected[`grad.${key}`].data, `${name} gradient of ${key}`);
    }
  }
});

/** Random numbers by the names that configurations use. */
class Draws {
  #random;

  constructor(seed) {
    this.#random = new Random(seed);
  }

  below = (count) => this.#random.below(count);
  pick = (...values) => values[this.#random.below(values.length)];
  numbers = (shape, draw = (random) => random.normal()) => ({
    shape, data: Float32Array.from({ length: shape.reduce((size, length) => size * length, 1) }, () => draw(this.#random)),
  });

  /** Images whose channels have means apart from 0, so that attentions differ. */
  images(N, C, H, W) {
    const x = this.numbers([N, C, H, W]);
    const means = this.numbers([N, C]);
    return { shape: x.shape, data: x.data.map((value, i) => value + 0.5 * means.data[Math.floor(i / (H * W))]) };
  }

  /** The configuration of a convolution. `count` makes sure that each feature comes up in a few configurations. */
  convolution(count) {
    const extent = (draw) => (count % 2 ? [draw(), draw()] : draw());
    const depthwise = count % 4 === 3;
    const groups = depthwise ? this.pick(4, 9, 16) : this.pick(1, 1, 2, 3);
    const channels = depthwise ? groups : groups * (1 + this.below(8));
    return {
      inChannels: count % 6 === 1 ? 3 * groups : channels,
      outChannels: depthwise ? groups * this.pick(1, 1, 2) : groups * (1 + this.below(10)),
      kernelSize: count % 6 === 5 ? 1 : extent(() => this.pick(1, 2, 3, 3, 4, 5, 7)),
      stride: extent(() => this.pick(1, 1, 2, 3)), dilation: extent(() => this.pick(1, 1, 2)), groups,
      padding: count % 3 === 1 ? 'same' : extent(() => this.below(4)),
    };
  }

  /** An image's size that the kernel fits. */
  size({ kernelSize, dilation }) {
    const [[Rh, Rw], [dh, dw]] = [kernelSize, dilation].map((value) => (Array.isArray(value) ? value : [value, value]));
    return [dh * (Rh - 1) + 1 + this.below(12), dw * (Rw - 1) + 1 + this.below(12)];
  }

  /** A state of these shapes, with values that a trained model may have. bias: draws a bias of an attention. */
  state(initial, bias) {
    const draws = [
      [/num_batches_tracked$/, null], [/running_mean$/, (random) => 0.2 * random.normal()],
      [/running_var$/, (random) => random.between(0.3, 2)], [/bn\.weight$/, (random) => 1 + 0.3 * random.normal()],
      [/fc2?\.bias$|routing_fn\.bias$/, bias], [/bias$/, (random) => 0.3 * random.normal()],
    ];
    return Object.fromEntries(Object.entries(initial).map(([name, value]) => {
      const draw = draws.find(([pattern]) => pattern.test(name))?.[1];
      return [name, draw ? this.numbers(value.shape, draw) : value];
    }));
  }
}

const smallBias = (random) => 0.3 * random.normal();
/** Beyond what exp() of a 32-bit float can hold, after the division by the temperature. */
const largeBias = (temperature) => (random) => temperature * [0, 100, -100][random.below(3)] + 0.3 * random.normal();

/** The options that only one kind has. */
const KINDS = {
  dyconv: (draws, count) => ({
    ...draws.convolution(count), numKernels: count % 5 === 2 ? 1 : 1 + draws.below(6), bias: draws.below(2) === 0,
    ratio: draws.pick(0.0625, 0.25, 0.6), temperature: draws.pick(0.5, 1, 34),
  }),
  condconv: (draws, count) => ({
    ...draws.convolution(count), numExperts: count % 5 === 2 ? 1 : 1 + draws.below(8), bias: draws.below(2) === 0,
  }),
  odconv: (draws, count) => ({
    ...draws.convolution(count), numKernels: count % 5 === 2 ? 1 : 1 + draws.below(6),
    reduction: draws.pick(0.0625, 0.5, 2), temperature: draws.pick(0.5, 1, 34),
  }),
  shared(draws, count) {
    const first = { ...draws.convolution(count), numExperts: 1 + draws.below(5), bias: draws.below(2) === 0 };
    const second = {
      inChannels: first.outChannels, outChannels: 1 + draws.below(8), kernelSize: 3, padding: 'same', stride: 1, dilation: 1,
      groups: 1, numExperts: first.numExperts, bias: draws.below(2) === 0,
    };
    return { first, second };
  },
  given(draws, count) {
    const { inChannels, outChannels, kernelSize, ...geometry } = draws.convolution(count);
    const N = 1 + draws.below(3), size = Array.isArray(kernelSize) ? kernelSize : [kernelSize, kernelSize];
    return {
      weight: [N, outChannels, inChannels / geometry.groups, ...size], ...geometry,
      ...(draws.below(2) ? { bias: [N, outChannels] } : {}),
    };
  },
};

/** The convolution of the first layer, in the options of dk.kernelAggregation. */
const firstLayer = (kind, config) => ({
  shared: () => config.first,
  given: () => ({
    ...config, inChannels: config.weight[2] * config.groups, outChannels: config.weight[1], kernelSize: config.weight.slice(3),
  }),
}[kind] ?? (() => config))();

/** A model with a random one of the algorithms that can run its convolution. */
function drawModel(draws, kind, config, shape) {
  const algorithm = draws.pick(...algorithmsOf(dk).filter((name) => covers(name, firstLayer(kind, config), shape)));
  return {
    algorithm,
    model: makeModel(dk, kind, kind === 'shared'
      ? { ...config, first: { ...config.first, algorithm } } : { ...config, algorithm }, draws.below(2 ** 32)),
  };
}

function covers(algorithm, { inChannels, outChannels, kernelSize, stride, padding, dilation, groups }, shape) {
  let aggregation;
  try {
    aggregation = dk.kernelAggregation({
      inChannels, outChannels, kernelSize, stride, padding, dilation, groups, algorithm,
    });
    aggregation.planFor(shape);
    return true;
  } catch (error) {
    if (error.code === 'ERR_CONFIG') return false;
    throw error;
  } finally {
    aggregation?.dispose();
  }
}

const CASES = 12;

for (const kind of Object.keys(KINDS)) for (const seed of seedsOf(51)) {
  test(`${kind}, random configurations with gradients, ${seedTitle(seed)}`, () => {
    const draws = new Draws(seed);
    const passes = Array.from({ length: CASES }, (_, count) => {
      const config = KINDS[kind](draws, count);
      const layer = firstLayer(kind, config);
      const mode = count % 4 < 2 ? 'eval' : 'train';
      const least = kind === 'odconv' && mode === 'train' ? 2 : 1; // batch norm
      const N = kind === 'given' ? config.weight[0] : least + draws.below(4 - least);
      const input = draws.images(N, layer.inChannels, ...draws.size(layer));
      const { model, algorithm } = drawModel(draws, kind, config, input.shape);
      const large = count % 4 === 2;
      const state = draws.state(model.state(), large ? largeBias(config.temperature ?? 1) : smallBias);
      if (kind === 'given') for (const [name, { shape }] of Object.entries(state)) state[name] = draws.numbers(shape);
      model.load(state);
      // half of the temperatures are set later
      if (config.temperature && count % 2) model.modules[0].temperature = config.temperature;
      model.start(mode);
      const x = dk.tensor(input.data, input.shape);
      const y = model.forward(x);
      const gradOutput = draws.numbers([...y.shape]);
      y.dispose();
      // the running statistics are those of before the pass
      model.load(state);
      const context = `${kind} ${count}: ${JSON.stringify({ config, algorithm, mode, large, shape: input.shape })}`;
      return { kind, config, mode, state, input, gradOutput, model, x, context };
    });
    for (const [index, expected] of askPasses(passes).entries()) {
      const { model, x, context } = passes[index];
      assertPass(dk, model, x, expected, context);
      for (const [name, { data }] of Object.entries(model.state())) {
        assertClose(Array.from(data, Number), Array.from(expected.after[name].data, Number), `${name} after ${context}`);
      }
      for (const thing of [model, x]) thing.dispose();
    }
  });
}

const shared = {
  first: { inChannels: 6, outChannels: 8, kernelSize: 3, padding: 'same', stride: 2, bias: true, numExperts: 3 },
  second: { inChannels: 8, outChannels: 5, kernelSize: 1, numExperts: 3 },
};
/** temperatures: one for each step. null: the kind has none. */
const runs = [
  {
    kind: 'dyconv', config: { inChannels: 8, outChannels: 6, kernelSize: 3, padding: 1 }, image: [2, 8, 9, 10],
    optimizer: 'adam', options: { lr: 0.01 }, temperatures: [34, 34, 23, 12, 4, 1, 1, 1],
  },
  {
    kind: 'dyconv', config: { inChannels: 3, outChannels: 4, kernelSize: 5, padding: 2, stride: 2, numKernels: 2 }, image: [1, 3, 13, 12],
    optimizer: 'sgd', options: { lr: 0.1, momentum: 0.9, weightDecay: 0.01 }, temperatures: [30, 20, 10, 1, 0.5, 0.5],
  },
  {
    kind: 'odconv', config: { inChannels: 12, outChannels: 12, kernelSize: [3, 5], padding: [1, 2], groups: 4 }, image: [3, 12, 9, 8],
    optimizer: 'adam', options: { lr: 0.005, betas: [0.7, 0.9], eps: 1e-5, weightDecay: 0.02 }, temperatures: [4, 3, 2, 1, 1, 1],
  },
  {
    kind: 'odconv', config: { inChannels: 10, outChannels: 10, kernelSize: 3, padding: 'same', groups: 10 }, image: [2, 10, 11, 9],
    optimizer: 'sgd', options: { lr: 0.05, momentum: 0.8 }, temperatures: [1, 1, 1, 1, 0.5, 0.5],
  },
  {
    kind: 'condconv', config: { inChannels: 6, outChannels: 9, kernelSize: 3, padding: 1, groups: 3, numExperts: 3 }, image: [2, 6, 10, 10],
    optimizer: 'adam', options: { lr: 0.01 }, temperatures: Array(6).fill(null),
  },
  {
    kind: 'shared', config: shared, image: [2, 6, 9, 9], optimizer: 'sgd', options: { lr: 0.05, momentum: 0.9 },
    temperatures: Array(6).fill(null),
  },
];

for (const [index, run] of runs.entries()) {
  const { kind, config, image, optimizer: name, options, temperatures } = run;
  test(`a training run: ${JSON.stringify(run)}`, () => {
    const model = makeModel(dk, kind, config, 100 + index);
    const draws = new Draws(200 + index);
    const before = draws.state(model.state(), smallBias);
    model.load(before);
    model.start('train');
    const input = draws.images(...image);
    const x = dk.tensor(input.data, input.shape);
    const y = model.forward(x);
    const target = randomTensor(dk, y.shape, 300 + index);
    y.dispose();
    model.load(before);

    const optimizer = dk[name](model.modules, options);
    const losses = temperatures.map((temperature) => {
      if (temperature !== null) model.modules[0].temperature = temperature;
      const output = model.forward(x);
      const { loss, gradient } = dk.mseLoss(output, target);
      optimizer.zeroGrad();
      model.backward(gradient);
      optimizer.step();
      for (const tensor of [output, gradient]) tensor.dispose();
      return loss;
    });
    const answer = ask({
      task: 'family_training', kind, options: snakeNames(config), mode: 'train', optimizer: name,
      settings: snakeNames(options), temperatures,
    }, { input, target, ...prefixed('state.', before) });
    assertWithin(losses, answer.loss.data, (i) => 1e-3 * answer.loss.data[i], 'loss');
    for (const [key, { data }] of Object.entries(model.state())) {
      const [expected, began] = [answer[`after.${key}`].data, before[key].data].map((values) => Array.from(values, Number));
      assertWithin(Array.from(data, Number), expected, () => 2e-3, `${key} after`);
      assert.notDeepEqual(expected, began, `${key} changes`);
    }
    for (const thing of [model, optimizer, x, target]) thing.dispose();
  });
}
