// The errors of training. A call that throws changes nothing: the next backward adds the same gradients.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { assertRefused, loadRuntime, randomTensor } from '../helpers.mjs';
import { BLOCKS, CONVOLUTIONS, KINDS, makeKind } from '../kinds.mjs';
import { copies } from '../training.mjs';

const config = { inChannels: 3, outChannels: 4, kernelSize: 3, seed: 1 };

let dk, other, block, x, gradOutput, expected;
before(async () => {
  dk = await loadRuntime();
  other = await loadRuntime();
  block = dk.dynamicKernelAggregation(config);
  block.requiresGrad = true;
  x = randomTensor(dk, [2, 3, 8, 9]);
  gradOutput = randomTensor(dk, [2, 4, 6, 7]);
  block.forward(x).dispose();
  block.backward(gradOutput).dispose();
  expected = snapshot();
});
after(() => [dk, other].forEach((runtime) => runtime?.dispose()));

afterEach(() => assert.deepEqual(snapshot(), expected));

/** The things that must not change: the recorded pass, gradients, state, memory. */
function snapshot() {
  const before = copies(block.gradients());
  block.zeroGrad();
  const input = block.backward(gradOutput);
  const result = {
    before, input: input.toArray(), gradients: copies(block.gradients()), state: block.stateDict(),
    attention: block.lastAttention, heapBytes: dk.info.heapBytes,
  };
  input.dispose();
  return { ...result, live: heapOf(dk).live };
}

/** A module of each kind, with the arguments of its forward pass and the shape of its output. */
const modules = () => Object.entries(KINDS).map(([kind, { output, call, Class }]) => {
  const { module, inputs, dispose } = makeKind(dk, kind);
  return { module, inputs, shape: output, name: `${call}.backward`, Class, dispose };
});

test('backward without a recorded forward pass', () => {
  for (const { module, inputs, shape, name, dispose } of modules()) {
    const goal = dk.zeros(shape);
    const refuse = (...words) => assertRefused(() => module.backward(goal), 'ERR_MODE', name, ...words);
    refuse('requiresGrad is false');
    module.forward(...inputs).dispose();
    refuse('requiresGrad is false');
    module.requiresGrad = true;
    refuse('forward pass', 'none since');
    module.forward(...inputs).dispose();
    module.backward(goal).dispose();
    module.requiresGrad = false;
    refuse('requiresGrad is false');
    module.requiresGrad = true;
    refuse('none since');
    goal.dispose();
    dispose();
  }
});

test('a block with a disposed part changes nothing', () => {
  for (const part of ['attention', 'aggregation']) {
    const broken = dk.dynamicKernelAggregation(config).train();
    broken.requiresGrad = true;
    broken.forward(x).dispose();
    broken.backward(gradOutput).dispose();
    broken[part].dispose();
    const rest = part === 'attention' ? broken.aggregation : broken.attention;
    const gradients = copies(rest.gradients());
    assertRefused(() => broken.eval(), 'ERR_DISPOSED', 'disposed');
    assertRefused(() => (broken.requiresGrad = false), 'ERR_DISPOSED', 'disposed');
    assertRefused(() => broken.zeroGrad(), 'ERR_DISPOSED', 'disposed');
    assert.deepEqual([broken, rest].map((m) => [m.training, m.requiresGrad]), [[true, true], [true, true]]);
    assert.deepEqual(copies(rest.gradients()), gradients);
    broken.dispose();
  }
});

test("a block's pass is not recorded in its parts", () => {
  const attentionGoal = dk.zeros([2, 4]);
  assertRefused(() => block.attention.backward(attentionGoal), 'ERR_MODE', 'attention.backward');
  assertRefused(() => block.aggregation.backward(gradOutput), 'ERR_MODE', 'aggregation.backward');
  assert.equal(block.aggregation.attentionGradient, null);
  attentionGoal.dispose();
});

test('requiresGrad takes only true and false', () => {
  for (const value of [1, 0, 'true', null, undefined]) {
    assertRefused(() => { block.requiresGrad = value; }, 'ERR_CONFIG', 'requiresGrad', 'true or false');
  }
  assert.equal(block.requiresGrad, true);
});

test('gradOutput: a tensor of this runtime, of the output\'s shape', () => {
  for (const { module, inputs, shape, dispose } of modules()) {
    module.requiresGrad = true;
    module.forward(...inputs).dispose();
    for (const value of [undefined, null, 5, new Float32Array(336), { shape }]) {
      assertRefused(() => module.backward(value), 'ERR_CONFIG', 'gradOutput must be a Tensor');
    }
    assertRefused(() => module.backward(other.zeros(shape)), 'ERR_CONFIG', 'gradOutput', 'another runtime');
    const [, ...rest] = shape;
    for (const wrong of [[], rest, [1, ...rest], [...shape, 1], [0, ...rest], [...shape].reverse()]) {
      const tensor = dk.zeros(wrong);
      assertRefused(() => module.backward(tensor), 'ERR_SHAPE', `[${shape.join(', ')}]`, `[${wrong.join(', ')}]`);
      tensor.dispose();
    }
    const disposed = dk.zeros(shape);
    disposed.dispose();
    assertRefused(() => module.backward(disposed), 'ERR_DISPOSED', 'gradOutput');
    dispose();
  }
});

test('backward: out and options', () => {
  for (const shape of [[2, 3, 9, 8], [3, 8, 9], [2, 4, 6, 7]]) {
    const out = dk.zeros(shape);
    assertRefused(() => block.backward(gradOutput, { out }), 'ERR_SHAPE',
      'out', '[2, 3, 8, 9]', `[${shape.join(', ')}]`);
    out.dispose();
  }
  for (const out of [null, 5, {}]) {
    assertRefused(() => block.backward(gradOutput, { out }), 'ERR_CONFIG', 'out must be a Tensor');
  }
  assertRefused(() => block.backward(gradOutput, { out: other.zeros([2, 3, 8, 9]) }), 'ERR_CONFIG', 'another runtime');
  assertRefused(() => block.backward(gradOutput, { input: 0 }), 'ERR_CONFIG', 'input', 'true or false');
  assertRefused(() => block.backward(gradOutput, { gradient: 0 }), 'ERR_CONFIG', 'block.backward', '"gradient"');
  assertRefused(() => block.backward(gradOutput, x), 'ERR_CONFIG', 'block.backward', 'options');

  const same = dk.dynamicKernelAggregation({ ...config, outChannels: 3, padding: 1 });
  const goal = randomTensor(dk, [2, 3, 8, 9]);
  same.requiresGrad = true;
  same.forward(x).dispose();
  assertRefused(() => same.backward(goal, { out: goal }), 'ERR_CONFIG', 'out', 'must not be an input');
  for (const thing of [same, goal]) thing.dispose();

  // conv1.weight [M, C, 1, 1] has the shape of an input, but the module owns it and its gradient.
  const small = dk.dynamicKernelAggregation({ inChannels: 4, outChannels: 4, kernelSize: 1, midChannels: 1 });
  small.requiresGrad = true;
  const pixel = dk.zeros([1, 4, 1, 1]);
  const answer = small.forward(pixel);
  for (const tensors of [small.parameters(), small.gradients()]) {
    const out = tensors['attention.conv1.weight'];
    assertRefused(() => small.backward(answer, { out }), 'ERR_CONFIG', 'out', 'parameters or gradients');
  }
  for (const thing of [small, pixel, answer]) thing.dispose();
});

test('a forward pass that throws keeps the recorded pass', () => {
  const [wrong, tiny] = [dk.zeros([2, 4, 8, 9]), dk.zeros([2, 3, 2, 2])];
  for (const input of [wrong, tiny]) assertRefused(() => block.forward(input), 'ERR_SHAPE');
  assertRefused(() => block.forward(x, { out: wrong }), 'ERR_SHAPE');
  for (const tensor of [wrong, tiny]) tensor.dispose();
});

test('a training pass that throws keeps the recorded pass', () => {
  const one = randomTensor(dk, [1, 3, 8, 9]);
  block.train();
  assertRefused(() => block.forward(one), 'ERR_MODE', 'at least 2');
  block.eval();
  one.dispose();
});

test('after dispose', () => {
  for (const { module, inputs, shape, Class, dispose } of modules()) {
    const goal = dk.zeros(shape);
    module.requiresGrad = true;
    module.forward(...inputs).dispose();
    module.backward(goal).dispose();
    const gradients = Object.values(module.gradients());
    module.dispose();
    const uses = [
      () => module.backward(goal), () => module.gradients(), () => module.zeroGrad(),
      () => { module.requiresGrad = false; },
    ];
    for (const use of uses) assertRefused(use, 'ERR_DISPOSED', Class, 'disposed');
    for (const gradient of gradients) assertRefused(() => gradient.data, 'ERR_DISPOSED', 'its module');
    goal.dispose();
    dispose();
  }
  const torn = dk.dynamicKernelAggregation(config);
  torn.requiresGrad = true;
  torn.forward(x).dispose();
  torn.aggregation.dispose();
  assertRefused(() => torn.backward(gradOutput), 'ERR_DISPOSED', 'KernelAggregation');
  assertRefused(() => torn.gradients(), 'ERR_DISPOSED', 'KernelAggregation');
  torn.dispose();
});

test('a disposed runtime', async () => {
  const runtime = await loadRuntime();
  const module = runtime.dynamicKernelAggregation(config);
  module.requiresGrad = true;
  const y = module.forward(randomTensor(runtime, [1, 3, 8, 9]));
  runtime.dispose();
  const uses = [
    () => module.backward(y), () => module.gradients(), () => module.zeroGrad(), () => { module.requiresGrad = false; },
  ];
  for (const use of uses) assertRefused(use, 'ERR_DISPOSED', 'its runtime');
  assertRefused(() => runtime.sgd(module), 'ERR_DISPOSED', 'runtime');
  assertRefused(() => runtime.adam(module), 'ERR_DISPOSED', 'runtime');
});

// Each call that allocates memory, on modules of their own, with each of its allocations refused once. `least` is the
// least number of allocations. The result of look() must not change.
const scenarios = {
  'the first forward': {
    least: { block: 4, aggregation: 3 }, // output, record, workspace; the block's attention
    make: () => {},
    work: ({ forward, large }) => forward(large),
    look: ({ module }) => ({ state: module.stateDict(), live: heapOf(dk).live }),
  },
  'a larger forward': {
    least: { block: 4, aggregation: 3 },
    make: ({ forward, small }) => forward(small),
    work: ({ forward, large }) => forward(large),
    look: ({ module, smallGoal }) => {
      const input = module.backward(smallGoal); // of the recorded pass
      const gradients = copies(module.gradients());
      const seen = { input: input.toArray(), gradients, state: module.stateDict(), attention: module.lastAttention };
      module.zeroGrad();
      input.dispose();
      return { ...seen, live: heapOf(dk).live };
    },
  },
  'the first backward': {
    least: { block: 4, aggregation: 4 }, // output, gradients, workspace; two gradients, or the attention's gradient
    make: ({ forward, small }) => forward(small),
    work: ({ module, smallGoal }) => module.backward(smallGoal),
    look: ({ module }) => ({ state: module.stateDict(), attention: module.lastAttention }),
    afterwards: ({ module }) => {
      for (const [name, values] of Object.entries(copies(module.gradients()))) {
        assert.ok(values.every((value) => value === 0), name);
      }
    },
  },
  'the first step': {
    least: { block: 6, aggregation: 3 }, // the state of each parameter, the unpacked kernels
    make: ({ module, forward, small, smallGoal }) => {
      forward(small);
      module.backward(smallGoal).dispose();
      return dk.adam(module, { lr: 0.1 });
    },
    work: ({ made: optimizer }) => optimizer.step(),
    look: ({ module }) => ({ state: module.stateDict(), gradients: copies(module.gradients()) }),
  },
  'a loss': {
    least: { block: 1, aggregation: 1 },
    make: () => {},
    work: ({ smallGoal }) => dk.mseLoss(smallGoal, smallGoal).gradient,
    look: () => heapOf(dk).live,
  },
};

for (const [name, scenario] of Object.entries(scenarios)) {
  for (const kind of CONVOLUTIONS) {
    // a module without parameters has nothing to step
    if (kind === 'dynamicConvolution' && name === 'the first step') continue;
    test(`${kind}: out of memory in ${name} changes nothing`, () => {
      let refused = 0;
      while (isRefused(scenario, kind, refused)) refused++;
      assert.ok(refused >= scenario.least[BLOCKS.includes(kind) ? 'block' : 'aggregation'], `${refused} needs`);
    });
  }
}

/** Whether the call fails if its allocation of this number is refused; false if it has fewer allocations. */
function isRefused({ make, work, look, afterwards }, kind, number) {
  const things = {
    module: dk[kind](KINDS[kind].options).train(),
    small: randomTensor(dk, [2, 3, 5, 5], 1), large: randomTensor(dk, [3, 3, 9, 8], 2),
    smallGoal: randomTensor(dk, [2, 4, 3, 3], 3),
  };
  const { module } = things;
  const rests = new Map([things.small, things.large].map((image) => [image, KINDS[kind].rest(dk, image.shape[0])]));
  const made = [...Object.values(things), ...[...rests.values()].flat()];
  const keep = (thing) => {
    if (thing) made.push(thing);
    return thing;
  };
  things.forward = (image) => keep(module.forward(image, ...rests.get(image)));
  module.requiresGrad = true;
  things.made = keep(make(things));
  const before = look(things);
  try {
    withRefusal(number, () => keep(work(things)));
    return false;
  } catch (error) {
    assert.equal(error.code, 'ERR_MEMORY', error.stack);
    assert.deepEqual(look(things), before, `need ${number} was refused`);
    afterwards?.(things);
    return true;
  } finally {
    for (const thing of made) thing.dispose();
  }
}

/** Runs work with one of its allocations refused. */
function withRefusal(number, work) {
  const { c } = heapOf(dk);
  const pointers = ['dk_alloc', 'dk_aggregation_weight']; // NULL if memory is short
  const statuses = [
    'dk_aggregation_forward', 'dk_block_forward_taped', 'dk_convolution_forward', 'dk_aggregation_backward',
    'dk_block_backward', 'dk_convolution_backward',
  ];
  const originals = Object.fromEntries([...pointers, ...statuses].map((name) => [name, c[name]]));
  let needs = 0;
  for (const [name, original] of Object.entries(originals)) {
    const refusal = pointers.includes(name) ? 0 : 4; // DK_ERROR_MEMORY
    c[name] = (...args) => (needs++ === number ? refusal : original(...args));
  }
  try {
    work();
  } finally {
    Object.assign(c, originals);
  }
}
