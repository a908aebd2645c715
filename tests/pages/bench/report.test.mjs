// The report's arithmetic and its layout.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { comparisonMarkdown, comparisonNotes, comparisonTable, markdownTable, textTable } from '../../../web/bench/report.js';

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

  it('says which multiply-add the peak is of, and which engines do less', () => {
    const [first, other] = comparison.engines;
    const engines = [{ ...first, simd: 'relaxed' }, { ...other, scope: 'only half' }];
    const notes = comparisonNotes({ ...comparison, engines }).join('\n');
    assert.match(notes, /50\.0 GFLOP\/s of fused multiply-add/);
    assert.match(notes, /^other computes only half: less than the others do\.$/m);
    assert.doesNotMatch(comparisonNotes(comparison).join('\n'), /computes/);
  });

  it('of texts lines up at the left', () => {
    const table = { columns: ['a', 'b'], rows: [['x', 'longer'], ['y', 'z']], isText: true };
    assert.deepEqual(textTable(table).split('\n'), ['a  b', 'x  longer', 'y  z']);
    assert.equal(markdownTable(table).split('\n')[1], '| --- | --- |');
  });

  it('is Markdown, and lines up in a terminal', () => {
    const markdown = comparisonMarkdown(comparison);
    const [head, rule, first] = markdown.split('\n');
    assert.equal(head, '| workload | dynakernel ms | GFLOP/s | of peak | other ms | ratio |');
    assert.equal(rule, '| --- | ---: | ---: | ---: | ---: | ---: |');
    assert.equal(first, '| one | 1.00 | 25.0 | 50 % | 2.00 | 2.00 |');
    assert.match(markdown, /dynakernel 1 \(baseline SIMD, 1 thread\), other 2 \(2 threads\)\. Engine 1, 2020-02-20\./);
    assert.match(markdown, /50\.0 GFLOP\/s of separate multiply-add/);
    const lines = textTable({ columns: ['a', 'bb'], rows: [['long name', '1'], ['x', '22']] }).split('\n');
    assert.deepEqual(lines, ['a          bb', 'long name   1', 'x          22']);
  });
});
