/** @import { Answer, Request } from './types.js' */

/**
 * Starts the worker.
 *
 * @param {(answer: Answer) => void} onAnswer
 * @returns {(request: Request) => void} sends a request to the worker
 */
export function startWorker(onAnswer) {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'teach' });
  worker.addEventListener('message', (/** @type {MessageEvent<Answer>} */ { data }) => onAnswer(data));
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    onAnswer({ type: 'error', about: 'start', message: event.message || 'the worker could not be started' });
  });
  return (request) => worker.postMessage(request);
}
