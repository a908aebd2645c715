/** @import { KindId } from '../shared/types.js' */
/** @import { PupilId } from './types.js' */

/**
 * A block that can be trained beside the others.
 *
 * @typedef {object} Pupil
 * @property {PupilId} id
 * @property {string} title  in lists and on buttons
 * @property {string} phrase  within a sentence
 * @property {KindId} kind
 * @property {number} [numKernels]  by default the lesson's
 * @property {readonly [first: number, last: number]} [cooling]  the temperature at first and after training
 */

/** All that the page offers. The last one shows what a single kernel can do. @type {readonly Pupil[]} */
export const PUPILS = [
  { id: 'dynamic', title: 'Dite-HRNet', phrase: 'Dite-HRNet’s block', kind: 'dynamic' },
  { id: 'dyconv', title: 'DyConv', phrase: 'DyConv', kind: 'dyconv', cooling: [34, 1] },
  { id: 'condconv', title: 'CondConv', phrase: 'CondConv', kind: 'condconv' },
  { id: 'odconv', title: 'ODConv', phrase: 'ODConv', kind: 'odconv' },
  { id: 'single', title: 'One kernel', phrase: 'one kernel', kind: 'dynamic', numKernels: 1 },
];

/** Those that the page trains at first. @type {readonly PupilId[]} */
export const FIRST_PUPILS = ['dynamic', 'single'];

/** Returns the pupil with this id. Throws if there is none. @param {PupilId} id */
export function pupil(id) {
  const found = PUPILS.find((candidate) => candidate.id === id);
  if (!found) throw new Error(`there is no pupil ${id}; expected one of ${PUPILS.map((one) => one.id).join(', ')}`);
  return found;
}
