// How the inline entry packs its WebAssembly.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { constants, deflateRawSync } from 'node:zlib';
import { makePatch } from '../../scripts/patch.mjs';
import { inflate } from '../../web/dynakernel/inline/inflate.js';
import { patch } from '../../web/dynakernel/inline/patch.js';
import { Random } from '../../web/random.js';

const builds = ['baseline', 'relaxed'].map((name) =>
  readFileSync(new URL(`../../dist/dynakernel-${name}.wasm`, import.meta.url)));

/** Bytes of the first so many values: the fewer, the more they repeat. */
function someBytes(length, values, seed) {
  const random = new Random(seed);
  return Buffer.from(Array.from({ length }, () => Math.floor(random.between(0, values))));
}

test('inflate() gives back what zlib deflates, in blocks of every kind', () => {
  const inputs = [...builds, Buffer.alloc(0), Buffer.from('a'), Buffer.alloc(100_000, 7), someBytes(70_000, 256, 1),
    someBytes(3000, 3, 2), Buffer.concat([someBytes(40_000, 9, 3), someBytes(40_000, 9, 3)])];
  for (const input of inputs) {
    for (const options of [{ level: 0 }, { level: 1 }, { level: 9 }, { strategy: constants.Z_FIXED },
      { strategy: constants.Z_HUFFMAN_ONLY }, { strategy: constants.Z_RLE }]) {
      assert.ok(input.equals(inflate(deflateRawSync(input, options))), `${input.length} ${JSON.stringify(options)}`);
    }
  }
});

test('patch() gives back the file of which makePatch() makes a patch', () => {
  const random = someBytes(5000, 256, 4);
  const swapped = Buffer.concat([random.subarray(3000), random.subarray(0, 3000), random.subarray(100, 200)]);
  const cases = [builds, [...builds].reverse(), [random, swapped], [random, Buffer.alloc(0)], [Buffer.alloc(0), random],
    [random, random], [random, someBytes(500, 256, 5)]];
  for (const [base, target] of cases) assert.ok(target.equals(patch(base, makePatch(base, target))));
});

test('the patch is small', () => assert.ok(makePatch(...builds).length < builds[1].length / 4));
