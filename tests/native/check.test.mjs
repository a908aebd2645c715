// Compares every fast path of the C library with its portable reference, on seeded random configurations.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { seedTitle, seedsOf } from '../seeds.mjs';
import { runProgram, variants } from './programs.mjs';

for (const seed of seedsOf(1))
  test(`several threads compute what one thread computes, without data races, ${seedTitle(seed)}`, () => {
    const { status, stdout, stderr } = runProgram('threads', variants[0], { args: [String(seed)] });
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    assert.match(stdout.toString(), new RegExp(`^0 failures, seed ${seed}, 4 threads$`, 'm'));
  });

test('assertions are in the native programs, and not in those that are compiled as the library is released', () => {
  const condition = 'work->first_row % (ROW_STEP * shape->dilation_h) == 0';
  const has = (/** @type {string} */ file) =>
    readFileSync(new URL(`../../${file}`, import.meta.url)).includes(condition);
  const programs = ['check', 'forward', 'gradients', 'threads'];
  for (const program of programs) assert.ok(has(`build/native/${program}`), program);
  for (const build of ['baseline', 'relaxed']) assert.ok(!has(`build/check/check-${build}.wasm`), build);
  });

for (const seed of seedsOf(20261124)) {
  for (const variant of variants) {
    test(`fast paths agree with the portable reference: ${variant}, ${seedTitle(seed)}`, () => {
      const { status, stdout, stderr } = runProgram('check', variant, { args: [String(seed), '2000'] });
      const output = stdout.toString();
      assert.equal(status, 0, `${output}\n${stderr}`);
      assert.match(output, new RegExp(`^0 failures, seed ${seed}, 2000 configurations$`, 'm'));
    });
  }
}
