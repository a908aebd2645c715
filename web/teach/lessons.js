/** @import { Lesson } from './types.js' */
import { EFFECTS } from './effects.js';

/**
 * A lesson that the page offers.
 *
 * @typedef {object} Offer
 * @property {string} id
 * @property {Lesson['kind']} kind
 * @property {string} title
 * @property {string} summary
 */

/** Lessons with different targets for different pictures. They need more than one kernel. @type {Offer[]} */
export const DYNAMIC_OFFERS = [
  {
    id: 'picture',
    kind: 'picture',
    title: 'Each photograph its own',
    summary: 'Every photograph has a target of its own. The block is not told which one it sees; it has to find out.',
  },
  {
    id: 'brightness',
    kind: 'brightness',
    title: 'Dark or bright',
    summary: 'Every photograph is shown dark and bright. What should become of it depends on that alone.',
  },
];

/** Lessons with one target for all pictures. @type {Offer[]} */
export const OFFERS = [
  ...EFFECTS.map(({ id, title, summary }) =>
    /** @type {Offer} */ ({ id, kind: 'effect', title, summary: `${summary} One kernel is enough for it.` })),
  {
    id: 'model',
    kind: 'model',
    title: 'Another block',
    summary: 'What a second block does, with random kernels from its own seed or with those of a state dict.',
  },
];
