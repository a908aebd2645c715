/** Networks: a graph of layers that the C library runs in one call. */
import { DynakernelError } from '../errors.js';

/** @typedef {import('../heap.js').Heap} Heap */
/** @typedef {import('./graph.js').Graph} Graph */

/**
 * Makes the graph of a network for some shapes of its inputs. The first call gets null, and makes the graph for the
 * network's first shapes, with the numbers of every constant. Later calls get the shape of every input by name. They
 * make the same layers and constants; the numbers of parameters are not read then.
 *
 * @typedef {(shapes: { [input: string]: number[] } | null) => Graph} MakeGraph
 */

/**
 * Makes a network. Every door calls it.
 *
 * @param {Heap} heap of the runtime
 * @param {MakeGraph} makeGraph
 * @param {{ label: string }} options label: the call, for messages
 */
export function createNetwork(heap, makeGraph, { label }) {
  heap.checkOpen();
  makeGraph(null);
  throw new DynakernelError('ERR_CONFIG', `${label}: this build has no networks`);
}
