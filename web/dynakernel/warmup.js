/**
 * Warming up. Engines compile WebAssembly twice: at once and plainly, and again, three to four times
 * faster, when a function has been called often (in V8 some 130 times). So that the first real image
 * runs the second code, a new kind of convolution is run on a few pixels as soon as a module needs
 * it; the engine compiles in the background meanwhile.
 */
import { ALGORITHMS } from './abi.js';

/** @typedef {import('./config.js').AggregationConfig} AggregationConfig */
/** @typedef {import('./heap.js').Heap} Heap */

const CALLS = 250;
const MILLISECONDS = 15; // at most, for each kind
const LARGEST_REACH = 32; // kernels beyond take so long that a call is no longer quick

/** The kinds that a heap's module has run. @type {WeakMap<Heap, Set<string>>} */
const warmed = new WeakMap();

/**
 * Runs what a module's forward pass would, unless that has been done.
 *
 * @param {Heap} heap
 * @param {AggregationConfig} config
 * @param {number} aggregation
 * @param {(heap: Heap, config: AggregationConfig) => number} create makes an aggregation
 */
export function warmUp(heap, config, aggregation, create) {
  const reach = config.dilation * (config.kernelSize - 1) + 1;
  if (reach > LARGEST_REACH || config.stride > LARGEST_REACH) return;
  const algorithm = plannedAlgorithm(heap, aggregation, reach + 64);
  const depthwise = algorithm === 'depthwise';
  const kinds = warmed.get(heap) ?? new Set();
  warmed.set(heap, kinds);
  const kind = depthwise ? `depthwise ${config.kernelSize} ${config.stride}` : algorithm;
  if (algorithm === 'reference' || kinds.has(kind)) return;
  kinds.add(kind);

  const C = depthwise ? 8 : 4, O = 8, size = reach + 12;
  const small = create(heap, {
    ...config, inChannels: C, outChannels: O, groups: depthwise ? C : 1, numKernels: 2,
    padding: 0, bias: false, algorithm,
  });
  try {
    heap.scope((take) => {
      const x = take(C * size * size * 4), y = take(O * size * size * 4), a = take(8);
      heap.floats(x, C * size * size).fill(0.5);
      heap.floats(a, 2).fill(0.5);
      const end = performance.now() + MILLISECONDS;
      for (let call = 0; call < CALLS && performance.now() < end; call++) {
        heap.c.dk_aggregation_forward(heap.context, small, x, a, 1, size, size, y);
      }
    });
  } finally {
    heap.c.dk_aggregation_destroy(small);
  }
}

/**
 * @param {Heap} heap
 * @param {number} aggregation
 * @param {number} size of a square image
 */
const plannedAlgorithm = (heap, aggregation, size) => heap.scope((take) => {
  const plan = take(20); // struct dk_plan
  const status = heap.c.dk_aggregation_plan(aggregation, 1, size, size, plan);
  return ALGORITHMS[status === 0 ? heap.words(plan, 1)[0] : ALGORITHMS.indexOf('reference')];
});
