/** What a link to the page "Teach it" says. The panels read and set the values. */

/** @import { Fields, LinkState } from '../shared/link.js' */
import { choice, numbers, some, whole } from '../shared/link.js';
import { PHOTOS } from '../shared/photos.js';
import { EFFECTS } from './effects.js';
import { DYNAMIC_OFFERS, OFFERS } from './lessons.js';
import { FIRST_TARGETS } from './photos.js';
import { FIRST_PUPILS, PUPILS } from './pupils.js';

const EFFECT_IDS = EFFECTS.map(({ id }) => id);

/** A photograph and its target as one word. */
const TARGETS = PHOTOS.flatMap(({ id }) => EFFECT_IDS.map((effect) => `${id}.${effect}`));

/** @type {Fields} */
export const FIELDS = {
  lesson: choice([...DYNAMIC_OFFERS, ...OFFERS].map(({ id }) => id)),
  seed: whole(0, 2 ** 32 - 1, 3),
  blocks: some(PUPILS.map(({ id }) => id), FIRST_PUPILS),
  kernels: choice(['2', '3', '4', '6', '8'], '4'),
  size: choice(['3', '5', '7'], '5'),
  dark: choice(EFFECT_IDS, 'blur'),
  bright: choice(EFFECT_IDS, 'sharpen'),
  model: whole(0, 2 ** 32 - 1, 7),
  pictures: some(TARGETS, PHOTOS.map(({ id }, i) => `${id}.${FIRST_TARGETS[i]}`)),
  optimizer: choice(['adam', 'sgd']),
  rate: numbers(1e-4, 1, 1),
  schedule: choice(['cosine', 'constant']),
  steps: choice(['500', '2000', '5000', '20000'], '2000'),
};

/**
 * Says what a link to this state has, and what it cannot have.
 *
 * @param {LinkState} state
 * @param {boolean} hasOwnPhotos
 */
export function describeLink({ lesson }, hasOwnPhotos) {
  const lacks = ['what has been learnt', hasOwnPhotos && 'photographs of your own', !lesson && 'a block from a file'];
  return 'The link has the lesson, its seed and the settings of the training. It cannot have ' +
    `${lacks.filter(Boolean).join(' or ')}: whoever opens it starts from the same random kernels.`;
}
