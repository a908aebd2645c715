// Numbers as the pages write them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes } from '../../../web/shared/format.js';

test('bytes in units of 1000, as the library and the README count them', () => {
  for (const [count, text] of [
    [0, '0 B'], [999, '999 B'], [1000, '1.0 kB'], [1024, '1.0 kB'], [9949, '9.9 kB'], [9951, '10 kB'],
    [65_536, '66 kB'], [999_499, '999 kB'], [999_500, '1.0 MB'], [1_048_576, '1.0 MB'], [16_777_216, '16.8 MB'],
  ]) assert.equal(bytes(count), text);
});
