// What a link to the playground says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FIELDS, definitionOf, describeLink, normalisationOf, stateOf, viewOf, weightsOf,
} from '../../../web/playground/address.js';
import { PRESETS } from '../../../web/playground/presets.js';
import { pictureOf } from '../../../web/playground/usual.js';
import { readState, writeState } from '../../../web/shared/link.js';
import { SYMMETRIC, UNCHANGED } from '../../../web/shared/normalisation.js';
import { PHOTOS } from '../../../web/shared/photos.js';

const view = { channel: 0, kernels: 'colour', colormap: 'viridis', range: 'robust' };

/** What the pipeline holds for a definition and a photograph. */
const pipelineOf = (definition, photo, change = {}) => ({
  model: { definition }, source: { file: photo.file, name: photo.name }, manual: null, size: 384,
  normalisation: UNCHANGED, ...change,
});

test('each preset with each photograph comes back from its link', () => {
  for (const preset of PRESETS) {
    for (const photo of PHOTOS) {
      const query = writeState(FIELDS, stateOf(pipelineOf(preset, photo), view), true);
      const { state, ignored } = readState(FIELDS, query);
      assert.equal(ignored, '', query);
      assert.deepEqual(definitionOf(state), preset, query);
      assert.equal(pictureOf(state.picture), photo, query);
    }
  }
});

test('what a person changed comes back too', () => {
  const [, random] = PRESETS;
  const definition = { ...random, config: { ...random.config, seed: 77, stride: 2, padding: 0, dilation: 3 } };
  const changed = pipelineOf(definition, PHOTOS[0], {
    manual: Float32Array.of(0, 1, 0.25, 0.3333), size: 512, normalisation: SYMMETRIC,
  });
  const seen = { channel: 5, kernels: 'channels', colormap: 'coolwarm', range: [-0.5, 2] };
  const { state } = readState(FIELDS, writeState(FIELDS, stateOf(changed, seen), false));
  assert.deepEqual(definitionOf(state), definition);
  assert.deepEqual(weightsOf(state, 4), Float32Array.of(0, 1, 0.25, 0.3333));
  assert.equal(weightsOf(state, 6), null, 'weights of another number of kernels');
  assert.equal(state.size, '512');
  assert.equal(normalisationOf(state), SYMMETRIC);
  assert.deepEqual(viewOf(state), seen);
});

test('a temperature comes back, and no other preset takes it', () => {
  const dyconv = PRESETS.find(({ id }) => id === 'dyconv');
  const warm = { ...dyconv, config: { ...dyconv.config, temperature: 4.5 } };
  const { state } = readState(FIELDS, writeState(FIELDS, stateOf(pipelineOf(warm, PHOTOS[1]), view), true));
  assert.deepEqual(definitionOf(state), warm);
  const [classic] = PRESETS;
  assert.deepEqual(definitionOf({ ...state, preset: 'classic', seed: 9 }), classic, 'it has neither temperature nor seed');
});

test('a link says what it lacks', () => {
  const own = { file: 'me.png', name: 'me.png' };
  const mine = stateOf(pipelineOf(PRESETS[0], own), view);
  assert.equal(mine.picture, undefined);
  assert.match(describeLink(mine), /cannot have a picture of your own/);
  const opened = stateOf(pipelineOf({ ...PRESETS[0], state: {} }, PHOTOS[0]), view);
  assert.equal(opened.preset, undefined);
  assert.match(describeLink(opened), /cannot have a block from a file/);
  const plain = stateOf(pipelineOf(PRESETS[0], PHOTOS[0]), view);
  assert.equal(describeLink(plain), 'The link has the preset, the picture and the view.');
});
