// Repeats four training runs of PyTorch: the same loss at each step, the same parameters after the last.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadRuntime } from '../helpers.mjs';
import { assertWithin, trainingRun, trainingRuns } from '../training.mjs';

test('there are four runs', () => assert.equal(trainingRuns.length, 4));

for (const name of trainingRuns) {
  test(name, async () => {
    const { config, optimizer: kind, mode, steps, options, before, after, input, target, losses } = trainingRun(name);
    const dk = await loadRuntime();
    const block = dk.dynamicKernelAggregation(config);
    block.loadStateDict(before);
    block[mode]().requiresGrad = true;
    const optimizer = dk[kind](block, options);
    const [x, goal] = [dk.tensor(input.data, input.shape), dk.tensor(target.data, target.shape)];
    const measured = [];
    for (let step = 0; step < steps; step++) {
      optimizer.zeroGrad();
      const y = block.forward(x);
      const { loss, gradient } = dk.mseLoss(y, goal);
      block.backward(gradient);
      optimizer.step();
      measured.push(loss);
    }
    assert.equal(losses.length, steps);
    assertWithin(measured, losses, (i) => 1e-3 * losses[i], `loss of ${name}`);
    const state = block.stateDict();
    assert.deepEqual(Object.keys(state).sort(), Object.keys(after).sort());
    for (const [key, { data }] of Object.entries(state)) {
      assertWithin(Array.from(data, Number), Array.from(after[key].data, Number), () => 2e-3, `${key} after ${name}`);
    }
    dk.dispose();
  });
}
