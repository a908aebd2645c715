// Compares outputs with PyTorch's for 32 configurations, in evaluation and in training mode.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertClose, golden, goldenNames, loadRuntime } from '../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

test('there are 32 cases', () => assert.equal(goldenNames.length, 32));

for (const name of goldenNames) {
  test(name, () => {
    const { file, config, state } = golden(name);
    const x = dk.tensor(file.input.data, file.input.shape);
    for (const mode of ['eval', 'train']) {
      if (!file[`${mode}.output`]) continue; // a batch of one cannot be trained on
      const context = `${name} ${JSON.stringify(config)} ${mode}`;
      compareBlock({ file, config, state, x, mode, context });
      compareModules({ file, config, state, x, mode, context });
    }
    x.dispose();
  });
}

function compareBlock({ file, config, state, x, mode, context }) {
  const block = dk.dynamicKernelAggregation(config);
  block.loadStateDict(state);
  const y = block[mode]().forward(x);

  assert.deepEqual(y.shape, file[`${mode}.output`].shape, context);
  assertClose(y.data, file[`${mode}.output`].data, `${context} output`);
  assertClose(block.lastAttention, file[`${mode}.attention`].data, `${context} attention`);

  const after = block.stateDict();
  for (const name of ['attention.bn.running_mean', 'attention.bn.running_var']) {
    const expected = mode === 'train' ? file[`train.${name}`] : state[name];
    assertClose(after[name].data, expected.data, `${context} ${name}`);
  }
  const tracked = 'attention.bn.num_batches_tracked';
  assert.equal(after[tracked].data[0], state[tracked].data[0] + (mode === 'train' ? 1n : 0n), context);
  y.dispose();
  block.dispose();
}

function compareModules({ file, config, state, x, mode, context }) {
  const { inChannels, numKernels, ...rest } = config;
  const attention = dk.kernelAttention({ channels: inChannels, numKernels });
  const aggregation = dk.kernelAggregation({ inChannels, numKernels, ...rest });
  attention.loadStateDict(state, { prefix: 'attention.' });
  aggregation.loadStateDict(state, { prefix: 'aggregation.' });

  const a = attention[mode]().forward(x);
  assert.deepEqual(a.shape, file[`${mode}.attention`].shape, context);
  assertClose(a.data, file[`${mode}.attention`].data, `${context} attention.forward`);
  const y = aggregation.forward(x, a);
  assertClose(y.data, file[`${mode}.output`].data, `${context} aggregation.forward`);

  for (const resource of [a, y, attention, aggregation]) resource.dispose();
}
