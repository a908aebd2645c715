// trim(): the memory that it frees, and the memory that stays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { assertRefused, loadRuntime, randomTensor } from '../helpers.mjs';

const config = { inChannels: 32, outChannels: 32, kernelSize: 3, padding: 1, seed: 1 };

test('the workspace and the scratch are freed once, and other tensors can use them', async () => {
  const dk = await loadRuntime();
  const block = dk.dynamicKernelAggregation(config), x = randomTensor(dk, [1, 32, 64, 64]);
  dk.trim();
  assert.equal(dk.trim(), 0, 'nothing is left');
  const expected = block.forward(x).toArray();
  const { workspaceBytes } = block.plan;
  block.stateDict();
  const heapBytes = dk.info.heapBytes;
  const freed = dk.trim();
  assert.ok(freed >= workspaceBytes + 32 * 32 * 9 * 4, `${freed} bytes of ${workspaceBytes} and the scratch`);
  assert.ok(freed < dk.info.threads * (workspaceBytes + 64) + 2 ** 18 + 1, `${freed} bytes`);
  assert.equal(dk.trim(), 0);

  dk.zeros([workspaceBytes / 4 - 64]).dispose(); // takes the freed memory
  assert.equal(dk.info.heapBytes, heapBytes);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(block.forward(x).toArray(), expected);
    assert.ok(dk.trim() > 0);
  }
  dk.dispose();
  assertRefused(() => dk.trim(), 'ERR_DISPOSED');
});

test('recorded passes, gradients, optimizers and views stay', async () => {
  const answers = [];
  for (const trims of [false, true]) {
    const dk = await loadRuntime();
    const trim = () => trims && dk.trim();
    const block = dk.dynamicKernelAggregation(config).train(), x = randomTensor(dk, [2, 32, 12, 12]);
    block.requiresGrad = true;
    const optimizer = dk.adam(block, { lr: 0.1 });
    dk.fromImage({ data: new Uint8Array(4 * 30 * 20).fill(9), width: 30, height: 20 }, { width: 9 }).dispose();
    const got = [];
    for (let step = 0; step < 3; step++) {
      const y = block.forward(x);
      trim();
      const { gradient } = dk.mseLoss(y, dk.zeros(y.shape));
      got.push(block.backward(gradient).toArray());
      trim();
      optimizer.step();
      got.push(block.gradients()['attention.conv2.weight'].toArray(), block.lastAttention);
      optimizer.zeroGrad();
      trim();
    }
    got.push(...Object.values(block.stateDict()).map(({ data }) => data));
    got.push(dk.fromImage({ data: new Uint8Array(4 * 30 * 20).fill(9), width: 30, height: 20 }, { width: 9 }).toArray());
    answers.push(got);
    dk.dispose();
  }
  assert.deepEqual(answers[1], answers[0]);
});

test('work that is not divided among threads takes the workspace of one', async () => {
  const bytes = [];
  for (const threads of [1, 4]) {
    const dk = await loadRuntime({ threads });
    const block = dk.kernelAggregation({ inChannels: 8, outChannels: 8, kernelSize: 3, seed: 1 });
    dk.trim();
    block.forward(dk.zeros([1, 8, 8, 8]), dk.zeros([1, 4])); // 20,736 multiply-adds: about a microsecond
    const { c, context } = heapOf(dk);
    bytes.push(c.dk_context_trim(context));
    dk.dispose();
  }
  assert.ok(bytes[0] > 0);
  assert.equal(bytes[1], bytes[0]);
});
