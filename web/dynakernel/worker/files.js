/**
 * The address of the worker that loadInWorker() starts. The build (scripts/bundle.mjs) changes it, as those of
 * ../files.js.
 */
import { folderLeftBehind, startWebWorkerAt } from '../host.js';

const folder = () => folderLeftBehind(import.meta.url);

/** In a form that no bundler recognises. */
export const workerAddress = () => new URL('main.js', folder() ?? String(import.meta.url));

/** @returns {Worker} */
export const startWebWorker = () => startWebWorkerAt(workerAddress(), folder() !== null,
  // Bundlers recognise exactly this expression.
  () => new Worker(new URL('./main.js', import.meta.url), { type: 'module' }));
