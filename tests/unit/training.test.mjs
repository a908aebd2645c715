// Compares gradients with PyTorch's for 32 configurations, in both modes. Tests how gradients add up, and when there are
// none.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { assertRefused, goldenNames, loadRuntime, randomTensor } from '../helpers.mjs';
import { assertGradient, copies, goldenGradients, smallTraining } from '../training.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const isZero = (values) => values.every((value) => value === 0);
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

test('there are 32 cases, some of them in training mode', () => {
  assert.equal(goldenNames.length, 32);
  const counted = goldenNames.map((name) => Object.keys(goldenGradients(name).gradients('train')).length);
  assert.ok(counted.filter((count) => count > 0).length >= 10);
});

for (const name of goldenNames) {
  test(`PyTorch's gradients: ${name}`, () => {
    const { file, config, state, gradients } = goldenGradients(name);
    const x = dk.tensor(file.input.data, file.input.shape);
    for (const mode of ['eval', 'train']) {
      if (!file[`${mode}.output`]) continue; // a batch of one cannot be trained on
      const context = `${name} ${JSON.stringify(config)} ${mode}`;
      const gradOutput = dk.tensor(file[`${mode}.grad_output`].data, file[`${mode}.grad_output`].shape);
      const problem = { config, state, x, mode, context, gradOutput, expected: gradients(mode) };
      compareBlock(problem);
      compareModules(problem);
      gradOutput.dispose();
    }
    x.dispose();
  });
}

function compareBlock({ config, state, x, mode, context, gradOutput, expected }) {
  const block = dk.dynamicKernelAggregation(config);
  block.loadStateDict(state);
  block[mode]().requiresGrad = true;
  block.forward(x).dispose();
  block.train(mode === 'eval'); // the mode of the forward pass counts
  const gradInput = block.backward(gradOutput);

  assert.deepEqual(gradInput.shape, x.shape, context);
  assertGradient(gradInput.data, expected.input, `${context} input`);
  assert.deepEqual(['input', ...Object.keys(block.gradients())].sort(), Object.keys(expected).sort(), context);
  for (const [name, gradient] of Object.entries(block.gradients())) {
    assert.deepEqual(gradient.shape, block.parameters()[name].shape, `${context} ${name}`);
    assertGradient(gradient.data, expected[name], `${context} ${name}`);
  }
  block.dispose();
  gradInput.dispose();
}

/** Runs the backward passes of the two modules alone, one after the other. Together they give the block's gradients. */
function compareModules({ config, state, x, mode, context, gradOutput, expected }) {
  const { inChannels, numKernels, ...rest } = config;
  const attention = dk.kernelAttention({ channels: inChannels, numKernels });
  const aggregation = dk.kernelAggregation({ inChannels, numKernels, ...rest });
  attention.loadStateDict(state, { prefix: 'attention.' });
  aggregation.loadStateDict(state, { prefix: 'aggregation.' });
  for (const module of [attention, aggregation]) module[mode]().requiresGrad = true;

  const a = attention.forward(x);
  const y = aggregation.forward(x, a);
  const throughPixels = aggregation.backward(gradOutput);
  const { attentionGradient } = aggregation;
  assert.deepEqual(attentionGradient.shape, a.shape, context);
  const throughAttention = attention.backward(attentionGradient);
  assert.deepEqual(throughAttention.shape, x.shape, context);

  const sum = throughPixels.toArray().map((value, i) => value + throughAttention.data[i]);
  assertGradient(sum, expected.input, `${context} input through the modules`);
  for (const [prefix, module] of Object.entries({ attention, aggregation })) {
    for (const [name, gradient] of Object.entries(module.gradients())) {
      assertGradient(gradient.data, expected[`${prefix}.${name}`], `${context} ${prefix}.${name}, module alone`);
    }
  }
  for (const resource of [attention, aggregation, a, y, throughPixels, throughAttention]) resource.dispose();
}

test('the gradient of the attention says how the output depends on it', () => {
  const aggregation = dk.kernelAggregation({ inChannels: 2, outChannels: 3, kernelSize: 3, numKernels: 3, seed: 1 });
  aggregation.requiresGrad = true;
  assert.equal(aggregation.attentionGradient, null);
  const [x, a] = [randomTensor(dk, [2, 2, 6, 5], 1), randomTensor(dk, [2, 3], 2)];
  const gradOutput = randomTensor(dk, [2, 3, 4, 3], 3);
  const answer = () => dot(aggregation.forward(x, a).toArray(), gradOutput.toArray());
  const value = answer();
  const expected = Array.from({ length: 6 }, (_, i) => { // linear in each weight of the mixture
    a.data[i] += 1;
    const difference = answer() - value;
    a.data[i] -= 1;
    return difference;
  });
  answer();
  aggregation.backward(gradOutput, { input: false });
  assertGradient(aggregation.attentionGradient.toArray(), expected, 'attentionGradient');
  aggregation.dispose();
});

test('dilations of thousands: only the middle tap reads the image', () => {
  for (const dilation of [300, 3000, 16384, 16500]) {
    const conv = dk.kernelAggregation({
      inChannels: 1, outChannels: 1, kernelSize: 3, padding: dilation, dilation, numKernels: 1, bias: false,
    });
    conv.loadStateDict({ weight: { shape: [1, 1, 1, 3, 3], data: [1, 2, 3, 4, 5, 6, 7, 8, 9] } });
    conv.requiresGrad = true;
    const [x, gradOutput, one] = [randomTensor(dk, [1, 1, 100, 90], 1), randomTensor(dk, [1, 1, 100, 90], 2),
      dk.tensor([1], [1, 1])];
    const y = conv.forward(x, one);
    const gradInput = conv.backward(gradOutput);
    const times5 = (tensor) => tensor.toArray().map((value) => 5 * value);
    assertGradient(y.data, times5(x), `y, dilation ${dilation}`);
    assertGradient(gradInput.data, times5(gradOutput), `input, dilation ${dilation}`);
    const middle = dot(x.toArray(), gradOutput.toArray());
    assertGradient(conv.gradients().weight.data, [0, 0, 0, 0, middle, 0, 0, 0, 0], `weight, dilation ${dilation}`);
    for (const thing of [conv, x, gradOutput, one, y, gradInput]) thing.dispose();
  }
});

test('gradients add up until zeroGrad, and are live', () => {
  const { block, accumulate, dispose } = smallTraining(dk);
  const parts = [block, block.attention, block.aggregation];
  const gradients = block.gradients();
  assert.deepEqual(Object.keys(gradients), Object.keys(block.parameters()));
  for (const [name, tensor] of Object.entries(gradients)) assert.ok(isZero(tensor.data), `${name} before backward`);

  for (const part of parts) part.zeroGrad();
  accumulate();
  const once = copies(gradients);
  for (const [name, values] of Object.entries(once)) assert.ok(!isZero(values), name);
  assert.deepEqual(copies(block.gradients()), once, 'asked for again, they are the same');
  assert.deepEqual(copies(block.attention.gradients())['conv1.weight'], once['attention.conv1.weight']);

  accumulate();
  accumulate();
  for (const [name, values] of Object.entries(copies(gradients))) {
    assertGradient(values, once[name].map((value) => 3 * value), `${name}, three times`, 1e-6);
  }
  block.attention.zeroGrad();
  assert.ok(isZero(gradients['attention.bn.bias'].data));
  assert.ok(!isZero(gradients['aggregation.bias'].data));
  block.zeroGrad();
  for (const [name, tensor] of Object.entries(gradients)) assert.ok(isZero(tensor.data), `${name} after zeroGrad`);
  accumulate();
  assert.deepEqual(copies(gradients), once);
  dispose();
});

test('a second backward for the same pass adds the same again, even if the tensors have changed', () => {
  const { block, x, y, gradient, accumulate, dispose } = smallTraining(dk);
  accumulate();
  const once = copies(block.gradients());
  const kept = dk.tensor(gradient.toArray(), gradient.shape);
  x.data.fill(NaN); // the record is a copy
  y.data.fill(NaN);
  const first = block.backward(kept);
  for (const [name, values] of Object.entries(copies(block.gradients()))) {
    assertGradient(values, once[name].map((value) => 2 * value), name, 1e-6);
  }
  const second = block.backward(kept, { out: x });
  assert.equal(second, x);
  assert.deepEqual(x.toArray(), first.toArray());
  for (const tensor of [kept, first]) tensor.dispose();
  dispose();
});

test('input: false gives the same gradients of the parameters', () => {
  const { block, x, gradient, accumulate, dispose } = smallTraining(dk);
  const bare = dk.kernelAggregation({ inChannels: 3, outChannels: 4, kernelSize: 3, padding: 1, seed: 4 });
  const branch = dk.kernelAttention({ channels: 3, seed: 5 }).train();
  const [a, gradA] = [randomTensor(dk, [2, 4], 6), randomTensor(dk, [2, 4], 7)];
  accumulate();
  bare.requiresGrad = branch.requiresGrad = true;
  bare.forward(x, a).dispose();
  branch.forward(x).dispose();
  for (const [module, gradOutput] of [[block, gradient], [bare, gradient], [branch, gradA]]) {
    module.zeroGrad();
    assert.equal(module.backward(gradOutput, { input: false }), null);
    const without = copies(module.gradients());
    module.zeroGrad();
    module.backward(gradOutput, { input: true }).dispose();
    assert.deepEqual(copies(module.gradients()), without);
    assertRefused(() => module.backward(gradOutput, { input: false, out: x }), 'ERR_CONFIG', 'out', 'input');
  }
  for (const thing of [bare, branch, a, gradA]) thing.dispose();
  dispose();
});

test('if one part is frozen, the other learns as before', () => {
  const { block, accumulate, dispose } = smallTraining(dk);
  accumulate();
  const all = copies(block.gradients());
  block.zeroGrad();
  block.attention.requiresGrad = false;
  accumulate();
  for (const [name, values] of Object.entries(copies(block.gradients()))) {
    if (name.startsWith('attention.')) assert.ok(isZero(values), name);
    else assert.deepEqual(values, all[name], name);
  }
  block.aggregation.requiresGrad = false;
  block.attention.requiresGrad = true;
  block.zeroGrad();
  accumulate();
  for (const [name, values] of Object.entries(copies(block.gradients()))) {
    if (name.startsWith('aggregation.')) assert.ok(isZero(values), name);
    else assert.deepEqual(values, all[name], name);
  }
  dispose();
});

test('requiresGrad is false at first, reaches the parts, and changes no output', () => {
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 4, kernelSize: 3, seed: 1 });
  const flags = () => [block, block.attention, block.aggregation].map(({ requiresGrad }) => requiresGrad);
  assert.deepEqual(flags(), [false, false, false]);
  const x = randomTensor(dk, [2, 3, 8, 8]);
  const a = block.attention.forward(x);
  const answers = () => [block.forward(x), block.attention.forward(x), block.aggregation.forward(x, a)]
    .map((tensor) => tensor.toArray());
  const expected = answers();
  block.requiresGrad = true;
  assert.deepEqual(flags(), [true, true, true]);
  assert.deepEqual(answers(), expected);
  block.requiresGrad = false;
  assert.deepEqual(flags(), [false, false, false]);
  block.dispose();
});

test('a pass without requiresGrad records nothing, and dispose frees everything', async () => {
  const runtime = await loadRuntime();
  const live = () => heapOf(runtime).live;
  const block = runtime.dynamicKernelAggregation({ inChannels: 8, outChannels: 4, kernelSize: 3, seed: 1 }).train();
  const [x, gradOutput] = [randomTensor(runtime, [2, 8, 9, 9]), randomTensor(runtime, [2, 4, 7, 7])];
  block.forward(x).dispose();
  const before = live();
  block.forward(x).dispose();
  block.parameters();
  assert.equal(live(), before);

  block.requiresGrad = true;
  assert.equal(live(), before);
  block.forward(x).dispose();
  assert.equal(live(), before + 1, 'the record');
  block.forward(x).dispose();
  block.backward(gradOutput).dispose();
  assert.equal(live(), before + 3, 'the gradients of two parts');
  block.requiresGrad = false;
  assert.equal(live(), before + 2, 'the gradients stay');
  for (const thing of [block, x, gradOutput]) thing.dispose();
  assert.equal(live(), 0);
  runtime.dispose();
});

test('dispose frees everything of the modules alone too', async () => {
  const runtime = await loadRuntime();
  const attention = runtime.kernelAttention({ channels: 3 });
  const aggregation = runtime.kernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: 3 });
  attention.requiresGrad = aggregation.requiresGrad = true;
  for (const N of [3, 1, 5, 2]) { // records grow, attention's gradients change
    const x = randomTensor(runtime, [N, 3, 5, 5]);
    const a = attention.forward(x);
    const y = aggregation.forward(x, a);
    const former = aggregation.attentionGradient;
    aggregation.backward(y).dispose();
    if (former) assertRefused(() => former.data, 'ERR_DISPOSED', 'its backward pass');
    attention.backward(aggregation.attentionGradient).dispose();
    for (const tensor of [x, a, y]) tensor.dispose();
  }
  const { attentionGradient } = aggregation;
  const gradients = [...Object.values(attention.gradients()), ...Object.values(aggregation.gradients())];
  for (const module of [attention, aggregation]) module.dispose();
  assert.equal(heapOf(runtime).live, 0);
  assertRefused(() => attentionGradient.data, 'ERR_DISPOSED', 'its backward pass');
  for (const tensor of gradients) assertRefused(() => tensor.data, 'ERR_DISPOSED', 'its module');
  runtime.dispose();
});

test('5,000 steps keep the heap flat', () => {
  const { block, accumulate, dispose } = smallTraining(dk, { inChannels: 3, numKernels: 2 });
  const optimizer = dk.adam(block, { lr: 1e-2 });
  const step = () => {
    optimizer.zeroGrad();
    const loss = accumulate();
    optimizer.step();
    return loss;
  };
  const first = step();
  const before = { heapBytes: dk.info.heapBytes, live: heapOf(dk).live };
  let last;
  for (let i = 0; i < 5000; i++) last = step();
  assert.deepEqual({ heapBytes: dk.info.heapBytes, live: heapOf(dk).live }, before);
  assert.ok(last < first / 2, `the loss fell from ${first} to ${last}`);
  optimizer.dispose();
  dispose();
});

test('batches of changing size keep the heap flat too, with new results each time', () => {
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 4, kernelSize: 3, seed: 1 });
  block.requiresGrad = true;
  const optimizer = dk.sgd(block, { lr: 1e-3, momentum: 0.9 });
  const inputs = [[1, 3, 9, 9], [4, 3, 5, 5], [2, 3, 16, 7]].map((shape) => randomTensor(dk, shape));
  const round = () => {
    for (const x of inputs) {
      const y = block.forward(x);
      const target = dk.zeros(y.shape);
      const { gradient } = dk.huberLoss(y, target);
      block.backward(gradient).dispose();
      for (const tensor of [y, target, gradient]) tensor.dispose();
    }
    optimizer.step();
    optimizer.zeroGrad();
    block.requiresGrad = false;
    block.requiresGrad = true;
  };
  for (let i = 0; i < 5; i++) round();
  const before = { heapBytes: dk.info.heapBytes, live: heapOf(dk).live };
  for (let i = 0; i < 500; i++) round();
  assert.deepEqual({ heapBytes: dk.info.heapBytes, live: heapOf(dk).live }, before);
  for (const thing of [optimizer, block, ...inputs]) thing.dispose();
});
