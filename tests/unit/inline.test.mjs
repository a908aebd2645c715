// The packed WebAssembly of the inline entry.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { unpackLzma } from '../../web/dynakernel/inline/lzma.js';
import { Random } from '../../web/shared/random.js';

const builds = ['baseline', 'relaxed'].map((name) =>
  readFileSync(new URL(`../../dist/dynakernel-${name}.wasm`, import.meta.url)));

const script = fileURLToPath(new URL('../../scripts/pack_lzma.py', import.meta.url));
const pack = (bytes) => new Uint8Array(Buffer.from(execFileSync('python3', [script], { input: bytes, encoding: 'utf8' }), 'base64'));

/** Random bytes below a number of values: fewer values repeat more. */
function someBytes(length, values, seed) {
  const random = new Random(seed);
  return Buffer.from(Array.from({ length }, () => Math.floor(random.between(0, values))));
}

test('unpackLzma() returns the packed bytes: literals, matches near and far, repeated distances', () => {
  const noise = someBytes(5000, 256, 1);
  const inputs = [
    Buffer.concat(builds), Buffer.alloc(0), Buffer.from('a'), Buffer.alloc(100_000, 7), someBytes(70_000, 256, 2),
    someBytes(3000, 3, 3), Buffer.concat([someBytes(40_000, 9, 4), someBytes(40_000, 9, 4)]),
    // two alternating distances, and a distance of more than 64 kB
    Buffer.concat(Array.from({ length: 60 }, (_, i) => noise.subarray(i % 2 * 700, i % 2 * 700 + 40 + i))),
    Buffer.concat([noise, someBytes(70_000, 256, 5), noise]),
  ];
  for (const input of inputs) {
    assert.ok(input.equals(unpackLzma(pack(input), input.length)), `${input.length} bytes`);
  }
});

test('the first bytes of a stream can be unpacked alone', () => {
  const packed = pack(Buffer.concat(builds));
  assert.ok(builds[0].equals(unpackLzma(packed, builds[0].length)));
});

test('the second build adds little to the first', () => {
  assert.ok(pack(Buffer.concat(builds)).length < 1.2 * pack(builds[0]).length);
});
