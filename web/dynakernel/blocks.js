/** The entry of demo pages that run only blocks: a load() without networks and training, which halves their code. */
import { shippedFile, startWebWorker, whyOneThread, workerAddress } from './files.js';
import { loadWith } from './start.js';

const files = { shippedFile, startWebWorker, whyOneThread, workerAddress };

/** @type {typeof import('./load.js').load} */
export const load = (options) => loadWith(files, null, options);
