// dynakernel as one of the engines that the benchmark compares.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ownEngines } from '../../../web/bench/engine.js';
import { blockOptions, makeNumbers } from '../../../web/bench/workload.js';
import { loadRuntime, simd } from '../../helpers.mjs';
import { small } from './small.mjs';

describe('dynakernel as an engine', () => {
  it('gives back what it made for a workload that it then refuses', async () => {
    const dk = await loadRuntime();
    const block = dk.dynamicKernelAggregation(blockOptions(small));
    const { prototype } = block.constructor;
    dk.dispose();
    const { dispose } = prototype;
    let disposed = 0;
    prototype.dispose = function () {
      disposed++;
      dispose.call(this);
    };
    const [engine] = await ownEngines({ simd, threads: 1 });
    try {
      await assert.rejects(engine.prepare(small, { ...makeNumbers(small), state: {} }), { code: 'ERR_STATE' });
      assert.equal(disposed, 1);
    } finally {
      prototype.dispose = dispose;
      await engine.close();
    }
  });
});
