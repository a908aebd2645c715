/** Says in words which pupil learns best. */

import { number } from '../shared/format.js';

/** A difference of less than this many of 256 levels is invisible. */
const LEVELS = 1;

/** So is a difference of less than this share of the error. */
const SHARE = 0.1;

/**
 * A pupil's result.
 *
 * @typedef {{ phrase: string, loss: number }} Result
 */

/**
 * Returns how far a pupil's pictures are from the target, in levels of 256.
 *
 * @param {number} loss  the mean squared error
 * @param {number} range  the value of white; black is minus that
 */
const levels = (loss, range) => (Math.sqrt(loss) / range) * 127.5;

/**
 * Returns a sentence about the results, or '' if there are none yet.
 *
 * @param {Result[]} results
 * @param {number} range
 */
export function verdict(results, range) {
  const ranked = results
    .map(({ phrase, loss }) => ({ phrase, away: levels(loss, range) }))
    .sort((first, second) => first.away - second.away);
  if (!ranked.every(({ away }) => Number.isFinite(away))) return '';
  const [best] = ranked;
  if (ranked.length === 1) return `${capital(best.phrase)} is ${off(best.away)}. Choose another to compare it with.`;
  // The best, and all that nobody can tell from it.
  const leaders = ranked.filter(({ away }) => away - best.away < Math.max(LEVELS, SHARE * away));
  const others = ranked.slice(leaders.length);
  if (others.length === 0) {
    const pair = ranked.length === 2 ? `between ${join(ranked)}` : `of all ${ranked.length}`;
    return `A tie ${pair}: nobody sees a difference. The best is ${off(best.away)}.`;
  }
  const next = `; ${others[0].phrase} follows with ${number(others[0].away)}.`;
  if (leaders.length > 1) return `A tie at the top between ${join(leaders)}: ${off(best.away)}${next}`;
  return `${capital(best.phrase)} learns this best: ${off(best.away)}${next}`;
}

/** @param {number} away */
const off = (away) => `${number(away)} of 256 levels off the target`;

/** @param {{ phrase: string }[]} ranked */
const join = (ranked) => ranked.map(({ phrase }) => phrase).join(', ').replace(/, ([^,]*)$/, ' and $1');

/** @param {string} words */
const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);
