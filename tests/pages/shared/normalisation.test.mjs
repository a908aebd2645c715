// The normalisation of pixels in a file's metadata.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  NORMALISATIONS, SYMMETRIC, UNCHANGED, changesPixels, imageOptions, normalisationMetadata, normalisationSentence,
  readNormalisation,
} from '../../../web/shared/normalisation.js';

test('a file that was written is read as the normalisation that it was written with', () => {
  for (const channels of [1, 3]) {
    for (const normalisation of NORMALISATIONS) {
      const metadata = normalisationMetadata(normalisation, channels);
      assert.equal(readNormalisation(metadata, channels), normalisation, `${normalisation.title}, ${channels}`);
    }
  }
  assert.deepEqual(normalisationMetadata(SYMMETRIC, 3), { mean: '0.5', std: '0.5' });
});

test('metadata may hold a number, a number per channel, or only one of the two', () => {
  const own = readNormalisation({ mean: '[0.1,0.2,0.3]', std: '2' }, 3);
  assert.deepEqual(own, { title: 'as the file says', mean: [0.1, 0.2, 0.3], std: [2, 2, 2] });
  assert.equal(normalisationSentence(own),
    'Its pixels are normalised by mean [0.1, 0.2, 0.3] and standard deviation 2.');
  assert.equal(readNormalisation({ mean: '0' }, 3), UNCHANGED);
  assert.equal(readNormalisation({}, 3), undefined);
});

test('invalid metadata are no normalisation', () => {
  for (const metadata of [
    { mean: 'half' }, { mean: '[0.5, 0.5]' }, { mean: '"0.5"' }, { mean: 'null' }, { std: '0' }, { std: '[1, 1, -1]' },
  ]) assert.equal(readNormalisation(metadata, 3), undefined, JSON.stringify(metadata));
});

test('options of fromImage have as many numbers as the picture has channels', () => {
  assert.deepEqual(imageOptions(SYMMETRIC, 1), { mean: [0.5], std: [0.5] });
  assert.deepEqual([changesPixels(UNCHANGED), changesPixels(SYMMETRIC)], [false, true]);
});
