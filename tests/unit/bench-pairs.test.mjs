// The reader of V8's trace of revectorization, on a trace that Node 24 printed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { readTrace } from '../../bench/pairs/trace.mjs';

const recorded = readFileSync(new URL('../fixtures/revectorize-trace.txt', import.meta.url), 'utf8');

describe('a trace of revectorization', () => {
  it('gives each function its seeds, its pairs, and what broke', () => {
    const functions = readTrace(recorded);
    assert.deepEqual(functions.map(({ name, seeds }) => [name, seeds]),
      [['kernels_mix', 5], ['tiles_convolve_block', 1], ['sum_floats', 0]]);
    const [mix, tiles, sum] = functions;
    assert.deepEqual(mix.broken, { 'Break side effect': 2 });
    assert.deepEqual(mix.pairs, {
      Store: 3, Load: 4, Phi: 7, F32x4Mul: 3, F32x4Qfma: 3, Simd128LoadTransform: 3, Simd128Splat: 1, Simd128Constant: 4,
    });
    assert.deepEqual([tiles.pairs, tiles.broken], [{ Store: 1, Simd128Constant: 1 }, {}]);
    assert.deepEqual([sum.pairs, sum.broken], [{}, {}]);
  });

  it('lists only nodes that V8 decided to join', () => {
    const undecided = recorded.split('\n').filter((line) => !line.includes('Decide to vectorize')).join('\n');
    assert.deepEqual(readTrace(undecided).map(({ pairs }) => pairs), [{}, {}, {}]);
  });

  it('keeps the reasons that V8 gives, and says if it gives none', () => {
    const failures = [
      'Begin revec function f', 'Revec: CanBePacked 836: ([F32x4Sub], [F32x4Add]) have different op',
      'Revec: Run 1430: Build tree failed!', 'Revec: NewPackNode 293: PackNode Store(#495, #490)',
      'Revec: Run 1627: Build tree failed!', 'Finished revec function f',
    ];
    assert.deepEqual(readTrace(failures.join('\n'))[0].broken,
      { '(F32x4Sub, F32x4Add) have different op': 1, 'no reason given': 1 });
  });

  it('has the latest compilation of a function, and nothing of other output', () => {
    const twice = `hello\n{\n${recorded}\nBegin revec function kernels_mix\nRevec: Run 1397: Empty seed\nFinished revec function kernels_mix\n`;
    const functions = readTrace(twice);
    assert.equal(functions.length, 3);
    assert.deepEqual(functions[0], { name: 'kernels_mix', seeds: 0, pairs: {}, broken: {} });
    assert.deepEqual(readTrace('hello\n{\n}\n'), []);
  });
});
