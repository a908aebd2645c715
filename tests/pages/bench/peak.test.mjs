// The loop that measures the benchmark's peak does the counted work. Speed is not tested.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { measurePeak } from '../../../web/bench/peak.js';

for (const build of ['baseline', 'relaxed']) {
  test(`each round of the ${build} loop is one multiply-add of every chain`, async (t) => {
    const bytes = readFileSync(new URL(`../../../dist/bench/peak-${build}.wasm`, import.meta.url));
    if (!WebAssembly.validate(bytes)) return t.diagnostic('this Node has no relaxed SIMD: the module was not run');
    const { instance: { exports: { chains, multiply_adds: multiplyAdds } } } = await WebAssembly.instantiate(bytes);
    assert.equal(chains(), 12);
    assert.equal(multiplyAdds(0, 2, 0), 78, 'the chains start with 1 to 12');
    assert.equal(multiplyAdds(3, 2, 0), 78 * 8, 'three rounds double each chain three times');
    assert.equal(multiplyAdds(1, 0, 5), 60, 'the term is added to each chain');
    assert.ok(Math.abs(multiplyAdds(200_000, 0.9999, 0.0001) - 12) < 0.1, 'every chain tends to 1');
  });
}

test('the peak is a plausible number of GFLOP/s', async () => {
  const peak = await measurePeak(20);
  assert.ok(peak > 0.01 && peak < 10_000, `${peak} GFLOP/s`);
});
