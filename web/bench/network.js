/** Whole networks, as ONNX files, as what a session measures; and dynakernel's way to run one. */
import { Random } from '../shared/random.js';

/** @typedef {import('../dynakernel/index.js').Runtime} Runtime */
/** @typedef {import('./engine.js').Prepared} Prepared */

/**
 * A network and the sizes of its inputs. The file's bytes are here, or where they can be fetched from.
 *
 * @typedef {object} NetworkWorkload
 * @property {string} name
 * @property {{ [name: string]: number[] }} inputs
 * @property {Uint8Array} [bytes]
 * @property {string} [url]
 */

/** @typedef {{ [input: string]: Float32Array }} NetworkNumbers */

/** @type {import('./session.js').Task<NetworkWorkload, NetworkNumbers>} */
export const NETWORKS = {
  describe: ({ name, inputs }) => ({ name, kind: 'Network', description: sizes(inputs), flops: 0 }),
  makeNumbers,
  prepare: async (engine, workload, numbers) => engine.prepareNetwork?.(workload, numbers) ?? null,
};

/** @param {{ [name: string]: number[] }} inputs */
const sizes = (inputs) => Object.values(inputs).map((shape) => shape.join('×')).join(', ');

/**
 * Random numbers for every input. They are small: Dite-HRNet with random weights magnifies the rounding errors of large
 * ones beyond what a comparison can allow.
 *
 * @param {Pick<NetworkWorkload, 'inputs'>} workload
 * @returns {NetworkNumbers}
 */
export function makeNumbers({ inputs }) {
  const random = new Random(1);
  return Object.fromEntries(Object.entries(inputs).map(([name, shape]) => {
    const length = shape.reduce((product, side) => product * side, 1);
    return [name, Float32Array.from({ length }, () => random.between(-0.5, 0.5))];
  }));
}

/**
 * Fetches the files of networks.
 *
 * @param {readonly NetworkWorkload[]} networks
 * @returns {Promise<NetworkWorkload[]>}
 */
export const fetchNetworks = (networks) => Promise.all(networks.map(async (network) => {
  if (network.bytes) return network;
  const response = await fetch(/** @type {string} */ (network.url));
  if (!response.ok) throw new Error(`${network.name} could not be fetched: the server returned ${response.status}`);
  return { ...network, bytes: new Uint8Array(await response.arrayBuffer()) };
}));

/**
 * A network on dynakernel. Inputs are copied from JavaScript arrays and outputs to them, as other engines do.
 *
 * @param {Runtime} dk
 * @param {NetworkWorkload} workload
 * @param {NetworkNumbers} numbers
 * @returns {Promise<Prepared>}
 */
export async function prepareNetwork(dk, { bytes, inputs }, numbers) {
  const net = dk.onnxNetwork(/** @type {Uint8Array} */ (bytes), { shapes: inputs });
  /** @type {{ dispose: () => void }[]} */
  const owned = [net];
  const zeros = (/** @type {{ [name: string]: readonly number[] }} */ shapes) =>
    Object.fromEntries(Object.entries(shapes).map(([name, shape]) => {
      const tensor = dk.zeros([...shape]);
      owned.push(tensor);
      return [name, tensor];
    }));
  const x = zeros(inputs);
  const out = zeros(net.outputs);
  const outputs = Object.values(out).map(({ data }) => new Float32Array(data.length));
  return {
    flops: 2 * net.layers.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0),
    run() {
      for (const name in x) x[name].set(numbers[name]);
      net.forward(x, { out });
      Object.values(out).forEach((tensor, i) => tensor.toArray(outputs[i]));
    },
    output: () => outputs,
    dispose: () => owned.forEach((thing) => thing.dispose()),
  };
}
