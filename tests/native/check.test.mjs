// Every fast path of the C library against its portable reference, on seeded random configurations.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runProgram, variants } from './programs.mjs';

test('several threads compute what one thread computes, without data races', () => {
  const { status, stdout, stderr } = runProgram('threads', variants[0]);
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout.toString(), /^0 failures, seed 1, 4 threads$/m);
});

test('assertions are in the native programs, and not in those that are compiled as the library is released', () => {
  const condition = 'work->first_row % (ROW_STEP * shape->dilation) == 0';
  const has = (/** @type {string} */ file) =>
    readFileSync(new URL(`../../${file}`, import.meta.url)).includes(condition);
  const programs = ['check', 'forward', 'gradients', 'threads'];
  for (const program of programs) assert.ok(has(`build/native/${program}`), program);
  for (const build of ['baseline', 'relaxed']) assert.ok(!has(`build/check/check-${build}.wasm`), build);
});

for (const variant of variants)
  test(`fast paths agree with the portable reference: ${variant}`, () => {
    const { status, stdout, stderr } = runProgram('check', variant, { args: ['20261124', '2000'] });
    const output = stdout.toString();
    assert.equal(status, 0, `${output}\n${stderr}`);
    assert.match(output, /^0 failures, seed 20261124, 2000 configurations$/m);
  });
