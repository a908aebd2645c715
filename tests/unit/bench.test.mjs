// The bench's own arithmetic, and that it notices a wrong answer. How fast anything is, is not tested.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ownEngines } from '../../web/bench/engine.js';
import { comparisonMarkdown, comparisonTable, textTable } from '../../web/bench/report.js';
import { runSession, wrongEngines } from '../../web/bench/session.js';
import { timeInTurn } from '../../web/bench/timing.js';
import { blockOptions, makeNumbers, readWorkload, readWorkloads, stateDict } from '../../web/bench/workload.js';
import { assertClose, loadRuntime, simd } from '../helpers.mjs';

const pace = { warmUp: 1, budget: 1, rounds: 3 };
const small = readWorkload('small', { cin: 6, cout: 4, k: 3, s: 2, p: 1, d: 2, g: 2, K: 3, n: 2, h: 12, w: 9 });

describe('workloads', () => {
  it('are the 18 of the design, with the sizes that the library gives', async () => {
    const path = new URL('../../web/bench/workloads.json', import.meta.url);
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

describe('timing', () => {
  it('runs the contestants in turn, every other round backwards', async () => {
    let order = '';
    let counting = false;
    const contestant = (letter) => ({
      run() {
        if (counting) order += letter;
        const end = performance.now() + 1.5; // longer than a sample must be, so that each is one run
        while (performance.now() < end);
      },
    });
    const rounds = [];
    const between = () => {
      rounds.push(order);
      order = '';
      counting = true; // from the second round on: warming up is over
    };
    const timings = await timeInTurn([contestant('a'), contestant('b')], { warmUp: 0, budget: 0, rounds: 5 }, between);
    assert.deepEqual(rounds.slice(1), ['ba', 'ab', 'ba', 'ab']);
    assert.deepEqual(timings.map(({ samples, burst }) => [samples, burst]), [[5, 1], [5, 1]]);
    for (const { low, ms, high } of timings) assert.ok(low >= 1.5 && low <= ms && ms <= high);
  });
});

describe('a session', () => {
  /** Answers what the first engine answers, changed. */
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

describe('the report', () => {
  const timing = (ms) => ({ ms, low: ms, high: ms, samples: 1, burst: 1 });
  const comparison = {
    date: '2020-02-20T00:00:00.000Z', environment: { engine: 'Engine 1', load: [0] }, peak: 50,
    engines: [
      { id: 'dynakernel', version: '1', threads: 1, simd: 'baseline' },
      { id: 'other', version: '2', threads: 2 },
    ],
    rows: [
      { name: 'one', flops: 25e6, timings: { dynakernel: timing(1), other: timing(2) }, differences: { other: 1e-6 } },
      { name: 'two', flops: 1e6, timings: { dynakernel: timing(0.05), other: timing(0.4) }, differences: { other: 0 } },
      { name: 'three', flops: 1e6, timings: { dynakernel: timing(200), other: null }, differences: {} },
    ],
  };

  it('has times, speed, share of the peak, ratios and their geometric mean', () => {
    assert.deepEqual(comparisonTable(comparison), {
      columns: ['workload', 'dynakernel ms', 'GFLOP/s', 'of peak', 'other ms', 'ratio'],
      rows: [
        ['one', '1.00', '25.0', '50 %', '2.00', '2.00'],
        ['two', '0.0500', '20.0', '40 %', '0.400', '8.00'],
        ['three', '200', '0.0', '0 %', '-', '-'],
        ['geometric mean', '', '', '', '', '4.00'],
      ],
    });
  });

  it('is Markdown, and lines up in a terminal', () => {
    const markdown = comparisonMarkdown(comparison);
    const [head, rule, first] = markdown.split('\n');
    assert.equal(head, '| workload | dynakernel ms | GFLOP/s | of peak | other ms | ratio |');
    assert.equal(rule, '| --- | ---: | ---: | ---: | ---: | ---: |');
    assert.equal(first, '| one | 1.00 | 25.0 | 50 % | 2.00 | 2.00 |');
    assert.match(markdown, /dynakernel 1 \(baseline SIMD, 1 thread\), other 2 \(2 threads\)\. Engine 1, 2020-02-20\./);
    assert.match(markdown, /50\.0 GFLOP\/s/);
    const lines = textTable({ columns: ['a', 'bb'], rows: [['long name', '1'], ['x', '22']] }).split('\n');
    assert.deepEqual(lines, ['a          bb', 'long name   1', 'x          22']);
  });
});
