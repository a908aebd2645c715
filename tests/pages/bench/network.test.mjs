// Networks as what a session measures. Speed is not tested.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NETWORKS, fetchNetworks, makeNumbers } from '../../../web/bench/network.js';
import { runSession, wrongEngines } from '../../../web/bench/session.js';

const pace = { warmUp: 1, budget: 1, rounds: 3 };
const network = { name: 'two outputs', inputs: { a: [1, 2, 3], b: [4] }, bytes: new Uint8Array(1) };

describe('a session with networks', () => {
  const engine = (id, outputs) => ({
    id, version: '1', threads: 1, close() {}, prepare: async () => null,
    prepareNetwork: async () => ({ flops: 12, run() {}, output: () => outputs, dispose() {} }),
  });
  const large = [1000, 2000];

  it('compares every output by its own size', async () => {
    const engines = [
      engine('dynakernel', [large, [1]].map((values) => Float32Array.from(values))),
      engine('same', [large, [1.00001]].map((values) => Float32Array.from(values))),
      engine('second off', [large, [1.01]].map((values) => Float32Array.from(values))),
      engine('one missing', [Float32Array.from(large)]),
      { ...engine('unable'), prepareNetwork: undefined },
    ];
    const { rows: [row] } = await runSession({ task: NETWORKS, workloads: [network], engines, pace, environment: {} });
    assert.deepEqual(wrongEngines(row), ['second off', 'one missing']);
    assert.equal(row.timings.unable, null);
    assert.deepEqual([row.name, row.description, row.flops], ['two outputs', '1×2×3, 4', 12]);
  });

  it('gives all engines the same inputs', () => {
    const numbers = makeNumbers(network);
    assert.deepEqual(Object.values(numbers).map(({ length }) => length), [6, 4]);
    assert.deepEqual(makeNumbers(network), numbers);
    assert.ok(Object.values(numbers).every((data) => data.every((value) => value >= -1 && value < 1 && value !== 0)));
  });

  it('fetches files that are not there yet', async () => {
    const url = 'data:application/octet-stream;base64,AQID';
    const [one, other] = await fetchNetworks([network, { name: 'fetched', inputs: {}, url }]);
    assert.equal(one, network);
    assert.deepEqual(other.bytes, Uint8Array.of(1, 2, 3));
  });
});
