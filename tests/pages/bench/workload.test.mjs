// The workloads of the benchmark: the list, their sizes, refusals.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { blockOptions, makeNumbers, readWorkload, readWorkloads, stateDict } from '../../../web/bench/workload.js';
import { loadRuntime } from '../../helpers.mjs';
import { small } from './small.mjs';

describe('workloads', () => {
  it('are the 18 of the design, with the sizes that the library gives', async () => {
    const path = new URL('../../../web/bench/workloads.json', import.meta.url);
    const workloads = readWorkloads(JSON.parse(readFileSync(path, 'utf8')));
    assert.equal(workloads.length, 18);
    assert.equal(workloads.find(({ name }) => name === 'stem_3_32_s2').flops, 2 * 32 * 128 * 96 * 3 * 9);

    const dk = await loadRuntime();
    for (const workload of [small, ...workloads.filter(({ H }) => H <= 32)]) {
      const { N, C, O, H, W, Ho, Wo } = workload;
      const block = dk.dynamicKernelAggregation(blockOptions(workload));
      block.loadStateDict(stateDict(makeNumbers(workload).state));
      assert.deepEqual(block.forward(dk.zeros([N, C, H, W])).shape, [N, O, Ho, Wo], workload.name);
    }
    dk.dispose();
  });

  it('are refused where they make no sense', () => {
    const fine = { cin: 3, cout: 8, k: 3, h: 9, w: 9 };
    assert.throws(() => readWorkload('a', { ...fine, stride: 2 }), /workload a: there is no 'stride'/);
    assert.throws(() => readWorkload('a', { ...fine, k: 0 }), /k must be a whole number, 1 or more; got 0/);
    assert.throws(() => readWorkload('a', { ...fine, p: -1 }), /p must be a whole number, 0 or more; got -1/);
    assert.throws(() => readWorkload('a', { ...fine, bias: 1 }), /bias must be true or false; got 1/);
    assert.throws(() => readWorkload('a', { ...fine, g: 2 }), /2 groups do not divide 3 and 8/);
    assert.throws(() => readWorkload('a', { ...fine, k: 11 }), /kernel is larger/);
  });
});
