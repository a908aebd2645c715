// The state of a page in its address.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choice, numbers, readState, some, whole, writeState } from '../../../web/shared/link.js';

const fields = {
  preset: choice(['classic', 'seven']),
  seed: whole(0, 2 ** 32 - 1, 1),
  weights: numbers(0, 1, 4),
  blocks: some(['dynamic', 'dyconv', 'single'], ['dynamic', 'single']),
};
const usual = { preset: 'classic', seed: 1, weights: null, blocks: ['dynamic', 'single'] };

test('a state that is written is read again', () => {
  for (const state of [
    usual,
    { preset: 'seven', seed: 0, weights: [0, 0.5, 1, 0.1234], blocks: ['dyconv'] },
    { preset: 'classic', seed: 2 ** 32 - 1, weights: [1], blocks: ['dynamic', 'dyconv', 'single'] },
  ]) {
    for (const isWhole of [false, true]) {
      const query = writeState(fields, state, isWhole);
      assert.deepEqual(readState(fields, query), { state, ignored: '' }, query);
    }
  }
});

test('the address leaves out what is usual; a link to copy does not', () => {
  assert.equal(writeState(fields, usual, false), '');
  assert.equal(writeState(fields, usual, true), '?preset=classic&seed=1&blocks=dynamic~single');
  assert.equal(writeState(fields, { ...usual, weights: [0.25, 1 / 3] }, false), '?weights=0.25~0.3333');
});

test('a value that the page could not read is not written', () => {
  assert.equal(writeState(fields, { preset: undefined, seed: NaN, weights: [2], blocks: [] }, true), '');
});

test('hostile and outdated values are ignored, and named', () => {
  for (const [query, ...words] of [
    ['?preset=gone', 'preset=gone'],
    ['?preset=__proto__&seed=-1', 'preset=__proto__', 'seed=-1'],
    ['?seed=4294967296', 'seed=4294967296'], ['?seed=1e3', 'seed=1e3'], ['?seed=', 'seed='],
    ['?weights=0.5~1.5', 'weights=0.5~1.5'], ['?weights=1~1~1~1~1', 'weights='], ['?weights=NaN', 'weights=NaN'],
    ['?weights=Infinity', 'weights=Infinity'], ['?weights=0x1', 'weights=0x1'], ['?weights=~', 'weights=~'],
    ['?blocks=single~gone', 'blocks=single~gone'],
    [`?preset=${'x'.repeat(100_000)}`, `preset=${'x'.repeat(40)}…`],
    ['?preset=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E', 'preset=<img src=x onerror=alert(1)>'],
  ]) {
    const { state, ignored } = readState(fields, query);
    assert.deepEqual(state, usual, query);
    for (const word of words) assert.ok(ignored.includes(word), `${query}: ${ignored}`);
    assert.ok(ignored.length < 400, query);
  }
});

test('names that are no field’s are passed over without a word', () => {
  assert.deepEqual(readState(fields, '?utm_source=mail&fbclid=1&seed=7'), { state: { ...usual, seed: 7 }, ignored: '' });
});
