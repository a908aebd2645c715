// The words that say who learns best.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verdict } from '../../../web/teach/verdict.js';

/** Results that are this many levels of 256 off the target, in a range of ±1. */
const results = (levels, range = 1) =>
  Object.entries(levels).map(([phrase, level]) => ({ phrase, loss: ((level * range) / 127.5) ** 2 }));

test('the best is named, and the next', () => {
  assert.equal(verdict(results({ one: 20, two: 4, three: 9 }), 1),
    'Two learns this best: 4.00 of 256 levels off the target; three follows with 9.00.');
});

test('a difference that nobody sees is a tie', () => {
  assert.equal(verdict(results({ one: 0.9, two: 0.2 }), 1),
    'A tie between two and one: nobody sees a difference. The best is 0.20 of 256 levels off the target.');
  assert.match(verdict(results({ one: 40, two: 43 }), 1), /^A tie between one and two/);
  assert.match(verdict(results({ one: 40, two: 46 }), 1), /^One learns this best/);
  assert.match(verdict(results({ one: 1, two: 1.5, three: 1.2 }), 1), /^A tie of all 3: nobody sees a difference\./);
  assert.equal(verdict(results({ one: 2, two: 2.5, three: 30 }), 1),
    'A tie at the top between one and two: 2.00 of 256 levels off the target; three follows with 30.0.');
});

test('levels count from black to white, in any range', () => {
  assert.equal(verdict(results({ one: 20, two: 4 }, 50), 50), verdict(results({ one: 20, two: 4 }), 1));
});

test('without losses there is nothing to say, and with one block nothing to compare', () => {
  assert.equal(verdict([{ phrase: 'one', loss: NaN }, { phrase: 'two', loss: NaN }], 1), '');
  assert.match(verdict(results({ one: 3 }), 1), /^One is 3\.00 of 256 levels off the target\. Choose another/);
});
