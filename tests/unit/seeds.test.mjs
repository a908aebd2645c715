// The choice of the random tests' seeds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedTitle, seedsOf } from '../seeds.mjs';

test('the fixed seed alone, unless CI or a variable asks for a fresh one', () => {
  assert.deepEqual(seedsOf(7, {}), [7]);
  for (const value of ['', '0', 'false']) assert.deepEqual(seedsOf(7, { CI: value, DYNAKERNEL_FRESH_SEED: value }), [7]);
  for (const environment of [{ CI: 'true' }, { DYNAKERNEL_FRESH_SEED: '1' }]) {
    const drawn = Array.from({ length: 8 }, () => seedsOf(7, environment));
    assert.ok(drawn.every(([first, second, ...rest]) => first === 7 && second >= 1 && second < 2 ** 32 && rest.length === 0));
    assert.ok(new Set(drawn.map(([, fresh]) => fresh)).size > 1, 'drawn again each time');
  }
});

test('a seed that is given replaces both, as the title writes it', () => {
  const [name, value] = seedTitle(123).split('=');
  assert.deepEqual(seedsOf(7, { [name]: value, CI: '1' }), [123]);
  assert.deepEqual(seedsOf(7, { [name]: '0' }), [0]);
  for (const wrong of ['-1', '1.5', 'x', String(2 ** 32)]) assert.throws(() => seedsOf(7, { [name]: wrong }), new RegExp(`not '${wrong}'`));
});
