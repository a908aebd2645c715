/** The worker that runs a comparison. The page stays responsive and can end it. */
import { messageOf } from '../shared/errors.js';
import { ownEngines } from './engine.js';
import { NETWORKS, fetchNetworks } from './network.js';
import { runSession } from './session.js';
import { LAYERS } from './workload.js';

/** @typedef {import('./network.js').NetworkWorkload} NetworkWorkload */
/** @typedef {import('./session.js').Comparison} Comparison */
/** @typedef {import('./session.js').Progress} Progress */
/** @typedef {import('./timing.js').Pace} Pace */
/** @typedef {import('./workload.js').Workload} Workload */

/**
 * A request for a comparison.
 *
 * @typedef {object} Request
 * @property {Workload[]} [workloads]
 * @property {NetworkWorkload[]} [networks] instead of workloads
 * @property {string[]} peers
 * @property {'auto' | 'baseline' | 'relaxed'} simd
 * @property {number | 'auto'} threads
 * @property {Pace} pace
 * @property {{ [name: string]: unknown }} environment
 */

/** @typedef {{ progress: Progress } | { result: Comparison } | { error: string, missing?: boolean }} Answer */

/** The other engines are part of the repository, not of the page. */
const PEERS = new URL(/* @vite-ignore */ '../../bench/peers/browser.js', import.meta.url).href;

/** Sends an answer to the page. @param {Answer} message */
const answer = (message) => self.postMessage(message);

self.addEventListener('message', async (/** @type {MessageEvent<Request>} */ { data }) => {
  try {
    answer({ result: await compare(data) });
  } catch (error) {
    answer({ error: messageOf(error), missing: error instanceof MissingPeers });
  }
});

class MissingPeers extends Error {}

/** Browsers' messages about an import() of a missing file: Chromium's and Firefox's, and Safari's. */
const IMPORT_FAILED = /dynamically imported module|Importing a module script failed/;

/** Runs a comparison. @param {Request} request */
async function compare({ workloads = [], networks, peers, simd, threads, pace, environment }) {
  const engines = await ownEngines({ simd, threads });
  if (peers.length > 0) engines.push(...await loadPeers(peers, threads === 'auto' ? engines[0].threads : threads));
  const common = { engines, pace, environment, onProgress: (/** @type {Progress} */ progress) => answer({ progress }) };
  if (networks) return runSession({ task: NETWORKS, workloads: await fetchNetworks(networks), ...common });
  return runSession({ task: LAYERS, workloads, ...common });
}

/**
 * Loads the other engines. Rejects with MissingPeers if their modules are not installed.
 *
 * @param {string[]} peers
 * @param {number} threads
 */
async function loadPeers(peers, threads) {
  try {
    const module = await import(/* @vite-ignore */ PEERS);
    return await module.loadPeers(peers, { threads }); // imports the engines themselves
  } catch (error) {
    const message = messageOf(error);
    throw error instanceof TypeError && IMPORT_FAILED.test(message) ? new MissingPeers(message) : error;
  }
}
