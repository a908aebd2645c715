/** What a link to the page Networks says. It has the example only: a network from a file stays on its device. */

/** @import { Fields, LinkState } from '../shared/link.js' */
import { choice } from '../shared/link.js';
import { PHOTOS } from '../shared/photos.js';
import { OUTPUTS, SHOWN } from './example.js';

/** The photograph that the page opens by itself. */
const USUAL_PHOTO = PHOTOS[3];

/** @type {Fields} */
export const FIELDS = {
  example: choice(['darkroom']),
  picture: choice(PHOTOS.map(({ id }) => id), USUAL_PHOTO.id),
  fit: choice(['cut', 'pad', 'stretch']),
  output: choice(OUTPUTS),
  // which layers there are, the page knows once the network is there
  layer: { read: (text) => (/^[\w.-]{1,60}$/.test(text) ? text : undefined), write: String, usual: SHOWN },
};

/** Returns the photograph of a link. @param {LinkState} state */
export const pictureOf = ({ picture }) => PHOTOS.find(({ id }) => id === picture) ?? USUAL_PHOTO;

/**
 * Says what a link to this state has, and what it cannot have.
 *
 * @param {LinkState} state
 */
export function describeLink({ example, picture }) {
  const has = ['which output and layer are shown', example && 'the example', picture && 'the picture'].filter(Boolean);
  const lacks = [!example && 'a network from a file', !picture && 'a picture of your own'].filter(Boolean);
  const rest = lacks.length === 0 ? '' : ` It cannot have ${lacks.join(' or ')}: whoever opens it sees this page’s.`;
  return `The link has ${has.reverse().join(', ')}.${rest}`;
}
