/** The photographs that come with the pages. */

/** @import { Source } from './types.js' */

/** @typedef {{ id: string, file: string, name: string, alt: string }} Photo */

/** @type {Photo[]} */
export const PHOTOS = [
  {
    id: 'astronaut', file: 'astronaut.jpg', name: 'Astronaut',
    alt: 'An astronaut in an orange suit before a flag and a model shuttle',
  },
  { id: 'chelsea', file: 'chelsea.jpg', name: 'Cat', alt: 'A tabby cat’s face' },
  { id: 'coffee', file: 'coffee.jpg', name: 'Coffee', alt: 'A red cup of espresso on a wooden table' },
  { id: 'rocket', file: 'rocket.jpg', name: 'Rocket', alt: 'A rocket on its pad under a blue evening sky' },
];

/** Returns the address of a photograph. @param {Photo} photo */
export const photoAddress = ({ id }) => new URL(`../photos/${id}.jpg`, import.meta.url).href;

/** Returns the address of a small copy of it, for a button. @param {Photo} photo */
export const smallAddress = ({ id }) => new URL(`../photos/small/${id}.webp`, import.meta.url).href;

/**
 * Returns the photograph that a source is, or undefined if it is another picture.
 *
 * @param {Source} source
 */
export const photoOf = (source) => PHOTOS.find(({ file, name }) => file === source.file && name === source.name);
