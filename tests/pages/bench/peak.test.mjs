// The loop that measures the benchmark's peak does the counted work. Speed is not tested.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { measureBandwidth, measurePeak } from '../../../web/bench/peak.js';

for (const build of ['baseline', 'relaxed']) {
  test(`each round of the ${build} loop is one multiply-add of every chain`, async (t) => {
    const bytes = readFileSync(new URL(`../../../dist/bench/peak-${build}.wasm`, import.meta.url));
    if (!WebAssembly.validate(bytes)) return t.diagnostic('this Node has no relaxed SIMD: the module was not run');
    const { instance: { exports: c } } = await WebAssembly.instantiate(bytes);
    for (const [count, run] of [[c.chains(), c.multiply_adds], [c.paired_chains(), c.paired_multiply_adds]]) {
      const sum = (count * (count + 1)) / 2;
      assert.equal(run(0, 2, 0), sum, `${count} chains start with 1, 2, ...`);
      assert.equal(run(3, 2, 0), sum * 8, 'three rounds double each chain three times');
      assert.equal(run(1, 0, 5), count * 5, 'the term is added to each chain');
      assert.ok(Math.abs(run(200_000, 0.9999, 0.0001) - count) < 0.1, 'every chain tends to 1');
    }
    assert.deepEqual([c.chains(), c.paired_chains()], [12, 24]);
  });

  test(`the ${build} loops of memory read and copy each vector`, async (t) => {
    const bytes = readFileSync(new URL(`../../../dist/bench/peak-${build}.wasm`, import.meta.url));
    if (!WebAssembly.validate(bytes)) return t.diagnostic('this Node has no relaxed SIMD: the module was not run');
    const { instance: { exports: c } } = await WebAssembly.instantiate(bytes);
    const start = c.memory.grow(1) * 65536;
    const numbers = new Float32Array(c.memory.buffer, start, 64);
    numbers.set(Array.from({ length: 32 }, (_, i) => i)); // 8 vectors
    assert.equal(c.read_vectors(start, 8), 0 + 4 + 8 + 12 + 16 + 20 + 24 + 28);
    c.copy_vectors(start + 128, start, 8);
    assert.deepEqual(numbers.slice(32), numbers.slice(0, 32));
  });
}

test('the peak and the speeds of memory are plausible', async () => {
  const peak = await measurePeak('baseline', 20);
  assert.ok(peak > 0.01 && peak < 10_000, `${peak} GFLOP/s`);
  for (const [name, speed] of Object.entries(await measureBandwidth('baseline', 5))) {
    assert.ok(speed > 0.001 && speed < 10_000, `${name}: ${speed} GB/s`);
  }
});
