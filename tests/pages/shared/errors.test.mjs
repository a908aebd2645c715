// Errors as sentences.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageOf, sentence } from '../../../web/shared/errors.js';

test('any error is a sentence', () => {
  for (const [error, text] of [
    [new Error('it broke'), 'It broke.'], [new Error('It broke!'), 'It broke!'], ['why?', 'Why?'],
    [new Error(''), 'Something failed without a message.'], [undefined, 'Undefined.'],
  ]) assert.equal(sentence(error), text);
  assert.equal(messageOf(new Error('it broke')), 'it broke');
});
