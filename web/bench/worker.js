/** The worker that a comparison runs in, so that the page stays alive and can end it. */
import { messageOf } from '../shared/errors.js';
import { ownEngines } from './engine.js';
import { runSession } from './session.js';

/** @typedef {import('./session.js').Comparison} Comparison */
/** @typedef {import('./session.js').Progress} Progress */
/** @typedef {import('./timing.js').Pace} Pace */
/** @typedef {import('./workload.js').Workload} Workload */

/**
 * What a comparison is asked to do.
 *
 * @typedef {object} Request
 * @property {Workload[]} workloads
 * @property {string[]} peers
 * @property {'auto' | 'baseline' | 'relaxed'} simd
 * @property {number | 'auto'} threads
 * @property {Pace} pace
 * @property {{ [name: string]: unknown }} environment
 */

/** @typedef {{ progress: Progress } | { result: Comparison } | { error: string, missing?: boolean }} Answer */

/** The other engines come with the repository, not with the page. */
const PEERS = new URL('../../bench/peers/browser.js', import.meta.url).href;

/** @param {Answer} answer */
const answer = (answer) => self.postMessage(answer);

self.addEventListener('message', async (/** @type {MessageEvent<Request>} */ { data }) => {
  try {
    answer({ result: await compare(data) });
  } catch (error) {
    answer({ error: messageOf(error), missing: error instanceof MissingPeers });
  }
});

class MissingPeers extends Error {}

/** What Chromium and Firefox, and Safari, say of an import() whose file is not there. */
const IMPORT_FAILED = /dynamically imported module|Importing a module script failed/;

/** @param {Request} request */
async function compare({ workloads, peers, simd, threads, pace, environment }) {
  const engines = await ownEngines({ simd, threads });
  if (peers.length > 0) engines.push(...await loadPeers(peers, threads === 'auto' ? engines[0].threads : threads));
  return runSession({ workloads, engines, pace, environment, onProgress: (progress) => answer({ progress }) });
}

/**
 * @param {string[]} peers
 * @param {number} threads
 */
async function loadPeers(peers, threads) {
  try {
    const module = await import(PEERS);
    return await module.loadPeers(peers, { threads }); // imports the engines themselves
  } catch (error) {
    const message = messageOf(error);
    throw error instanceof TypeError && IMPORT_FAILED.test(message) ? new MissingPeers(message) : error;
  }
}
