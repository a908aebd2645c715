// Every fast path of the C library against its portable reference, on seeded random configurations.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedTitle, seedsOf } from '../seeds.mjs';
import { runProgram, variants } from './programs.mjs';

for (const seed of seedsOf(1))
  test(`threads answer what one does, and race for nothing, ${seedTitle(seed)}`, () => {
    const { status, stdout, stderr } = runProgram('threads', variants[0], { args: [String(seed)] });
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    assert.match(stdout.toString(), new RegExp(`^0 failures, seed ${seed}, 4 threads$`, 'm'));
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
