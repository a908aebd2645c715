// A session notices wrong outputs. Speed is not tested.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ownEngines } from '../../../web/bench/engine.js';
import { runSession, wrongEngines } from '../../../web/bench/session.js';
import { blockOptions, makeNumbers, stateDict } from '../../../web/bench/workload.js';
import { assertClose, loadRuntime, simd } from '../../helpers.mjs';
import { small } from './small.mjs';

const pace = { warmUp: 1, budget: 1, rounds: 3 };

describe('a session', () => {
  /** An engine that returns the first engine's outputs with a change. */
  const copy = (id, change) => ({
    id, version: '1', threads: 1, close() {},
    async prepare(workload, numbers) {
      const [engine] = await ownEngines({ simd, threads: 1 });
      const prepared = await engine.prepare(workload, numbers);
      return { ...prepared, output: () => prepared.output().map(change) };
    },
  });

  it('compares outputs, and tells what is wrong', async () => {
    const engines = [
      ...await ownEngines({ simd, threads: 1 }),
      copy('same', (value) => value * (1 + 1e-6)),
      copy('off', (value, i) => (i === 7 ? value + 1 : value)),
      copy('nan', (value, i) => (i === 7 ? NaN : value)),
      { ...copy('unable'), prepare: async () => null },
    ];
    const seen = [];
    const comparison = await runSession({
      workloads: [small], engines, pace, environment: { engine: 'a test' },
      onProgress: (progress) => seen.push(...Object.keys(progress)),
    });
    const [row] = comparison.rows;
    assert.deepEqual(wrongEngines(row), ['off', 'nan']);
    assert.equal(row.timings.unable, null);
    assert.ok(row.timings.dynakernel.ms > 0 && comparison.peak > 0);
    assert.deepEqual(seen, ['begin', 'workload', 'index', 'count', 'row']);
  });

  it('gives every engine numbers that matter', async () => {
    const { input, state } = makeNumbers(small);
    const dk = await loadRuntime();
    const block = dk.dynamicKernelAggregation(blockOptions(small));
    block.loadStateDict(stateDict(state));
    const x = dk.tensor(input, [2, 6, 12, 9]);
    const y = block.forward(x).toArray();
    const attention = [...block.lastAttention];
    assert.equal(new Set(attention).size, attention.length, 'no two weights are equal');
    assert.ok(attention.every((weight) => weight > 0.05 && weight < 0.95), `${attention}`);
    const [engine] = await ownEngines({ simd, threads: 1 });
    const prepared = await engine.prepare(small, { input, state });
    prepared.run();
    assertClose(prepared.output(), y, 'the output of a run');
    await engine.close();
    dk.dispose();
  });
});
