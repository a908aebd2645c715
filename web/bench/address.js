/** What a link to the benchmark says: its options. */

/** @import { Fields, LinkState } from '../shared/link.js' */
import { choice, some } from '../shared/link.js';

const THREADS = ['1', '2', 'auto'];

/**
 * Returns the fields of a link.
 *
 * @param {string[]} sets  ids of the sets of workloads
 * @param {string[]} workloads  names of the workloads
 * @returns {Fields}
 */
export const fieldsOf = (sets, workloads) => ({
  set: choice(sets),
  workloads: { ...some(workloads, []), usual: null }, // instead of a set
  threads: choice(THREADS),
  repetitions: choice(['quick', 'full']),
  view: choice(['speed', 'time']),
});

/** Says what a link has, and what it cannot have. */
export const describeLink = () => 'The link has the workloads and the options. It cannot have the results: whoever opens it ' +
  'measures their own device.';

/**
 * Chooses the radio buttons of a link.
 *
 * @param {LinkState} state
 */
export function chooseOptions({ threads, repetitions, view }) {
  for (const [name, value] of [['threads', threads], ['pace', repetitions], ['view', view]]) {
    const input = document.querySelector(`input[name="${name}"][value="${value}"]`);
    if (input instanceof HTMLInputElement && !input.checked) input.click(); // the page's own listeners follow
  }
}

/** Reads them. @returns {LinkState} */
export function readOptions() {
  const valueOf = (/** @type {string} */ name) =>
    document.querySelector(`input[name="${name}"]:checked`)?.getAttribute('value') ?? null;
  return { threads: valueOf('threads'), repetitions: valueOf('pace'), view: valueOf('view') };
}
