/**
 * The worker's side of dynakernel/worker, for a worker of your own: another entry's load(), or functions that run
 * beside the runtime.
 *
 * @example
 * // pose-worker.js
 * import { load } from 'dynakernel';
 * import { serve } from 'dynakernel/serve';
 *
 * serve({
 *   load,
 *   functions: { // the runtime in the worker, and what the page passes
 *     makeNetwork: (dk, channels) => dk.network({ image: [1, 3, 64, 64] }, (g, { image }) =>
 *       g.relu(g.conv2d(image, { name: 'stem', outChannels: channels, kernelSize: 3 }))),
 *   },
 * });
 *
 * // the page
 * const worker = new Worker(new URL('./pose-worker.js', import.meta.url), { type: 'module' });
 * const dk = await loadInWorker({ worker });
 * const net = await dk.makeNetwork(32);
 */
import { guarded } from '../boundary.js';
import { isObject, readOptions } from '../check.js';
import { DynakernelError, given } from '../errors.js';
import { listen } from './session.js';

/** @typedef {import('../load.js').LoadOptions} LoadOptions */
/** @typedef {import('../runtime.js').Runtime} Runtime */

/**
 * Functions of a worker by name. Each gets the runtime and what the page passed. What it returns, or the promise of
 * that, goes to the page: an object of the library, plain data, or typed arrays, which are moved. Return copies of arrays
 * that you keep.
 *
 * @typedef {{ [name: string]: (dk: Runtime, ...args: never[]) => unknown }} WorkerFunctions
 */

/**
 * @typedef {object} ServeOptions
 * @property {(options?: LoadOptions) => Promise<Runtime>} load of 'dynakernel' or 'dynakernel/inline'
 * @property {WorkerFunctions} [functions] become methods of the page's runtime ({})
 */

/**
 * Serves pages, in a worker that a page passes to loadInWorker({ worker }). The worker may have messages of its own.
 *
 * @param {ServeOptions} options
 * @throws {DynakernelError} ERR_CONFIG
 * @example
 * import { load } from 'dynakernel/inline';
 * import { serve } from 'dynakernel/serve';
 *
 * serve({ load });
 */
export function serve(options) {
  guarded('serve', () => {
    const { load, functions = {} } = readOptions(options, 'serve', ['load', 'functions']);
    if (typeof load !== 'function') {
      throw new DynakernelError('ERR_CONFIG', `serve needs the function load of 'dynakernel'; got ${given(load)}`);
    }
    if (!isObject(functions) || Object.values(functions).some((work) => typeof work !== 'function')) {
      throw new DynakernelError('ERR_CONFIG', `serve: functions must be functions by name; got ${given(functions)}`);
    }
    listen(load, { ...functions });
  });
}
