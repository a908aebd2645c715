/**
 * What the bench asks of an engine, and dynakernel as one.
 */
import { load } from '../dynakernel/index.js';
import { blockOptions, stateDict } from './workload.js';

/** @typedef {import('./workload.js').Numbers} Numbers */
/** @typedef {import('./workload.js').State} State */
/** @typedef {import('./workload.js').Workload} Workload */

/**
 * A block with its numbers. Each run copies the input in from a JavaScript array and the output out to one.
 *
 * @typedef {object} Prepared
 * @property {() => void | Promise<void>} run
 * @property {() => Float32Array} output of the latest run, NCHW
 * @property {() => void | Promise<void>} dispose
 * @property {string} [plan] the algorithm, where the engine tells
 */

/**
 * @typedef {object} Engine
 * @property {string} id
 * @property {string} version
 * @property {number} threads that it really runs on
 * @property {string} [simd] the build, where there are several
 * @property {(workload: Workload, numbers: Numbers) => Promise<Prepared | null>} prepare null: the engine cannot do it
 * @property {() => void | Promise<void>} close
 */

/** What dynakernel on one thread is called beside itself on several. */
export const ONE_THREAD = 'one thread';

/**
 * dynakernel on so many threads, and where those are several, on one too.
 *
 * @param {{ simd: 'auto' | 'baseline' | 'relaxed', threads: number | 'auto' }} options
 */
export async function ownEngines({ simd, threads }) {
  const engine = await dynakernel({ simd, threads });
  return engine.threads === 1 ? [engine] : [engine, { ...await dynakernel({ simd, threads: 1 }), id: ONE_THREAD }];
}

/**
 * A runtime, and what tables say of it.
 *
 * @param {{ simd: 'auto' | 'baseline' | 'relaxed', threads: number | 'auto' }} options
 */
export async function openRuntime(options) {
  const dk = await load(options);
  const { version, simd, threads } = dk.info;
  return { dk, engine: { id: 'dynakernel', version, simd, threads, close: () => dk.dispose() } };
}

/**
 * @param {{ simd: 'auto' | 'baseline' | 'relaxed', threads: number | 'auto' }} options
 * @returns {Promise<Engine>}
 */
async function dynakernel(options) {
  const { dk, engine } = await openRuntime(options);
  return {
    ...engine,
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
            x.data.set(input);
            block.forward(x, { out: y });
            output.set(y.data);
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
