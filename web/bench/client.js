/** Runs comparisons in a worker. */

/** @typedef {import('./session.js').Comparison} Comparison */
/** @typedef {import('./session.js').Progress} Progress */
/** @typedef {import('./worker.js').Answer} Answer */
/** @typedef {import('./worker.js').Request} Request */

/** The other engines are not installed. */
export class MissingPeers extends Error {}

/**
 * Runs a comparison. Rejects with MissingPeers if the other engines are not installed.
 *
 * @param {Request} request
 * @param {(progress: Progress) => void} [onProgress]
 * @param {AbortSignal} [signal] ends the comparison at once
 * @returns {Promise<Comparison>}
 */
export function compare(request, onProgress = () => {}, signal) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'bench' });
    /** Ends the worker and settles the promise. @param {() => void} settle */
    const end = (settle) => {
      worker.terminate();
      signal?.removeEventListener('abort', abort);
      settle();
    };
    const abort = () => end(() => reject(signal?.reason));
    signal?.addEventListener('abort', abort, { once: true });
    worker.addEventListener('message', (/** @type {MessageEvent<Answer>} */ { data }) => {
      if ('progress' in data) onProgress(data.progress);
      else if ('result' in data) end(() => resolve(data.result));
      else end(() => reject(new (data.missing ? MissingPeers : Error)(data.error)));
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      end(() => reject(new Error(event.message || 'the worker could not be started')));
    });
    worker.postMessage(request);
  });
}
