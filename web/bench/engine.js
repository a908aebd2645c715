/** The interface of an engine in the benchmark, and dynakernel as an engine. */
import { load } from '../dynakernel/index.js';
import { prepareNetwork } from './network.js';
import { blockOptions, stateDict } from './workload.js';

/** @typedef {import('./network.js').NetworkNumbers} NetworkNumbers */
/** @typedef {import('./network.js').NetworkWorkload} NetworkWorkload */
/** @typedef {import('./workload.js').Numbers} Numbers */
/** @typedef {import('./workload.js').State} State */
/** @typedef {import('./workload.js').Workload} Workload */

/**
 * A block on one engine. Each run copies the input from a JavaScript array and the output to one.
 *
 * @typedef {object} Prepared
 * @property {() => void | Promise<void>} run
 * @property {() => Float32Array | Float32Array[]} output returns the output of the latest run, NCHW; all of a network
 * @property {() => void | Promise<void>} dispose
 * @property {string} [plan] the algorithm, if the engine reports it
 * @property {number} [flops] the operations of a network, if the engine reports them
 */

/**
 * @typedef {object} Engine
 * @property {string} id
 * @property {string} version
 * @property {number} threads the number of threads that it uses
 * @property {string} [simd] the build, if the engine has several
 * @property {string} [scope] what it computes, if that is less than the block
 * @property {(workload: Workload, numbers: Numbers) => Promise<Prepared | null>} prepare resolves to null if the engine
 *   does not support the workload
 * @property {(workload: NetworkWorkload, numbers: NetworkNumbers) => Promise<Prepared | null>} [prepareNetwork] the
 *   same for a whole network
 * @property {() => void | Promise<void>} close
 */

/** The id of dynakernel on one thread if dynakernel on several threads runs too. */
export const ONE_THREAD = 'one thread';

/**
 * Returns dynakernel on this number of threads and, if there are several, also on one.
 *
 * @param {{ simd: 'auto' | 'baseline' | 'relaxed', threads: number | 'auto' }} options
 */
export async function ownEngines({ simd, threads }) {
  const engine = await dynakernel({ simd, threads });
  return engine.threads === 1 ? [engine] : [engine, { ...await dynakernel({ simd, threads: 1 }), id: ONE_THREAD }];
}

/**
 * Loads the library and returns its runtime with the columns' description of it.
 *
 * @param {{ simd: 'auto' | 'baseline' | 'relaxed', threads: number | 'auto', wasm?: string }} options
 */
export async function openRuntime(options) {
  const dk = await load(options);
  const { version, simd, threads } = dk.info;
  return { dk, engine: { id: 'dynakernel', version, simd, threads, close: () => dk.dispose() } };
}

/**
 * Returns dynakernel as an engine.
 *
 * @param {{ simd: 'auto' | 'baseline' | 'relaxed', threads: number | 'auto' }} options
 * @returns {Promise<Engine>}
 */
async function dynakernel(options) {
  const { dk, engine } = await openRuntime(options);
  return {
    ...engine,
    prepareNetwork: (workload, numbers) => prepareNetwork(dk, workload, numbers),
    async prepare(workload, { input, state }) {
      const { N, C, O, H, W, Ho, Wo } = workload;
      const block = dk.dynamicKernelAggregation(blockOptions(workload));
      /** @type {{ dispose: () => void }[]} */
      const owned = [block];
      const dispose = () => owned.forEach((thing) => thing.dispose());
      try {
        block.loadStateDict(stateDict(state));
        const x = dk.zeros([N, C, H, W]);
        owned.push(x);
        const y = dk.zeros([N, O, Ho, Wo]);
        owned.push(y);
        const output = new Float32Array(N * O * Ho * Wo);
        return {
          plan: block.aggregation.planFor(x.shape).algorithm,
          run() {
            x.set(input);
            block.forward(x, { out: y });
            y.toArray(output);
          },
          output: () => output,
          dispose,
        };
      } catch (error) {
        dispose();
        throw error;
      }
    },
  };
}
