// Runs graphs twice: by the interpreter, which defines each op, and by the C library in WebAssembly.
import { createNetwork } from '../../web/dynakernel/network/network.js';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { assertClose, loadRuntime } from '../helpers.mjs';
import { interpret } from './interpret.mjs';

const dk = await loadRuntime();

/** A network of the C library with this graph. The caller disposes of it. */
export const networkOf = (graph) => createNetwork(heapOf(dk), () => graph, { label: 'the test' });

/** The outputs and kept values of a graph, as interpret() returns them, from the C library. */
export function computeInC(graph, inputs) {
  const net = networkOf(graph);
  const tensors = Object.fromEntries(graph.inputs.map(({ name, shape }) => [name, dk.tensor(inputs[name], shape)]));
  try {
    const made = net.forward(tensors);
    const outputs = graph.outputs.length === 1 ? { [graph.outputs[0].name]: made } : made;
    const kept = Object.fromEntries(graph.keep.map(({ name }) => [name, net.activation(name)]));
    return { outputs: readAll(outputs), kept: readAll(kept) };
  } finally {
    net.dispose();
    for (const tensor of Object.values(tensors)) tensor.dispose();
  }
}

/** Copies tensors and disposes of them. */
const readAll = (tensors) => Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => {
  const copy = { shape: [...tensor.shape], data: tensor.toArray() };
  tensor.dispose();
  return [name, copy];
}));

/** Runs a graph as interpret() does, and asserts that the C library computes the same. */
export function evaluate(graph, inputs) {
  const expected = interpret(graph, inputs);
  const actual = computeInC(graph, inputs);
  for (const part of ['outputs', 'kept']) {
    for (const [name, { data }] of Object.entries(expected[part])) {
      assertClose(actual[part][name].data, data, `${name} from the C library`);
    }
  }
  return expected;
}
