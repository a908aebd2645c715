/**
 * Warming up. Engines compile WebAssembly twice: at once and plainly, and again, three to four times
 * faster, when a function has been called often (in V8 some 130 times). So that the first real image
 * runs the second code, a new kind of convolution is run on a few pixels, and the attention with it, as
 * soon as a module needs it; the engine compiles in the background meanwhile.
 */
import { DynakernelError } from './errors.js';

/** @typedef {import('./config.js').AggregationConfig} AggregationConfig */
/** @typedef {import('./heap.js').Heap} Heap */

const CALLS = 250;
/** At most: enough for engines to notice what runs. More delays the first image by what it saves. */
const MILLISECONDS = 1.5;
const CHANNELS = 8; // of a group, or groups, that are run at most: more take the same functions
const LARGEST_REACH = 32; // kernels beyond take so long that a call is no longer quick

/** The kinds that a heap's module has run. @type {WeakMap<Heap, Set<string>>} */
const warmed = new WeakMap();

/**
 * Runs what a module's forward pass would, on large images and, of many channels, on small ones, unless
 * that has been done, or there is no memory for it: the module can do without.
 *
 * @param {Heap} heap
 * @param {AggregationConfig} config
 * @param {number} aggregation
 * @param {(heap: Heap, config: AggregationConfig) => number} create makes an aggregation
 */
export function warmUp(heap, config, aggregation, create) {
  const reach = config.dilation * (config.kernelSize - 1) + 1;
  if (reach > LARGEST_REACH || config.stride > LARGEST_REACH) return;
  try {
    const large = reach + 64, small = reach + 6;
    const ofPictures = config.inChannels < CHANNELS; // which are large
    for (const image of ofPictures ? [large] : [large, small]) {
      const algorithm = plannedAlgorithm(heap, aggregation, image);
      if (algorithm !== 'reference') warmUpKind(heap, { ...config, algorithm }, reach, create);
    }
  } catch (error) {
    if (!(error instanceof DynakernelError && error.code === 'ERR_MEMORY')) throw error;
  }
}

/**
 * @param {Heap} heap
 * @param {AggregationConfig} config
 * @param {number} reach pixels that a kernel spans
 * @param {(heap: Heap, config: AggregationConfig) => number} create
 */
function warmUpKind(heap, config, reach, create) {
  const { algorithm, kernelSize, stride } = config;
  const depthwise = config.groups === config.inChannels && config.groups > 1;
  const groups = depthwise ? CHANNELS : 1;
  const inChannels = depthwise ? CHANNELS : Math.min(config.inChannels / config.groups, CHANNELS);
  const outChannels = depthwise ? CHANNELS : Math.min(config.outChannels / config.groups, CHANNELS);
  const specialised = heap.c.dk_algorithm_specialised(heap.algorithms.indexOf(algorithm)) === 1;
  const loops = specialised ? [kernelSize, stride] : []; // which inner loops run, of several
  const kind = [algorithm, groups, inChannels, outChannels, ...loops].join(' ');
  const kinds = warmed.get(heap) ?? new Set();
  warmed.set(heap, kinds);
  if (kinds.has(kind)) return;
  kinds.add(kind);
  const small = create(heap, {
    ...config, inChannels, outChannels, groups, numKernels: 2, padding: 0, bias: false,
  });
  try {
    // Nine output columns or more, which every algorithm covers.
    runOften(heap, small, inChannels, outChannels, reach + 4 + 8 * Math.min(stride, 2));
  } finally {
    heap.c.dk_aggregation_destroy(small);
  }
}

/**
 * Runs an aggregation of two kernels, steered by some attention, on a square image.
 *
 * @param {Heap} heap
 * @param {number} aggregation
 * @param {number} inChannels
 * @param {number} outChannels
 * @param {number} size
 */
function runOften(heap, aggregation, inChannels, outChannels, size) {
  heap.scope((take) => {
    const inputs = inChannels * size * size;
    const x = take(inputs * 4), y = take(outChannels * size * size * 4), a = take(8);
    heap.floats(x, inputs).fill(0.5);
    const attention = heap.c.dk_attention_create(inChannels, 1, 2);
    if (!attention) return;
    const end = performance.now() + MILLISECONDS;
    for (let call = 0, status = 0; call < CALLS && status === 0 && performance.now() < end; call++) {
      status = heap.c.dk_block_forward_taped(
        heap.context, attention, aggregation, 0, x, 1, size, size, a, y, 0);
    }
    heap.c.dk_attention_destroy(attention);
  });
}

/**
 * @param {Heap} heap
 * @param {number} aggregation
 * @param {number} size of a square image
 */
const plannedAlgorithm = (heap, aggregation, size) => heap.scope((take) => {
  const plan = take(20); // struct dk_plan
  const status = heap.c.dk_aggregation_plan(aggregation, 1, size, size, plan);
  return status === 0 ? heap.algorithms[heap.words(plan, 1)[0]] : 'reference';
});
