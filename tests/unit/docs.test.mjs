// Runs the code of docs/threads.md.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compileFunction } from 'node:vm';
import { assertClose, loadRuntime } from '../helpers.mjs';

test('the snippets of docs/threads.md run one after the other', async () => {
  const page = readFileSync(new URL('../../docs/threads.md', import.meta.url), 'utf8');
  const snippets = [...page.matchAll(/^ *```js\n(.*?)^ *```$/gms)].map(([, code]) => code);
  assert.equal(snippets.length, 2);
  const dk = await loadRuntime();
  const code = `'use strict';\n${snippets[0]}\nconst map = Array.from(frame(2));\n${snippets[1]}\nreturn { block, map, output };`;
  const { block, map, output } = compileFunction(code, ['dk'], { filename: 'docs/threads.md' })(dk);

  // both ways of filling the input give what a new tensor gives
  const outputOf = (numbers) => block.forward(dk.tensor(numbers, [1, 3, 64, 64])).toArray();
  const waves = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(0.1 * i + 2));
  assert.equal(map.length, 64 * 64);
  assertClose(Float32Array.from(map), outputOf(waves).subarray(0, 64 * 64), 'the first map');
  assert.deepEqual(output, outputOf(new Float32Array(3 * 64 * 64).fill(0.5)));
  dk.dispose();
});
