/**
 * Warms up new modules: the first real image then runs fast code. Engines compile WebAssembly twice, at
 * first quickly, and with optimisation once a function has been called often (about 130 times in V8). The
 * optimised code is three to four times as fast. The engine compiles it in the background.
 */
import { DynakernelError } from './errors.js';
import { pairOf, reachOf, sizeOf } from './shape.js';

/** @typedef {import('./config.js').AggregationConfig} AggregationConfig */
/** @typedef {import('./heap.js').Heap} Heap */

const MAX_CALLS = 250;
/** Engines notice within this time which functions run. More would delay the first image by as much as it saves. */
const MAX_MILLISECONDS = 1.5;
/** Channels of a group, or groups. More run the same functions. */
const MAX_CHANNELS = 8;
/** Calls with larger kernels or strides take too long. */
const MAX_REACH = 32;

/** The kinds of convolution that each heap's module has run.
 * @type {WeakMap<Heap, Set<string>>} */
const warmed = new WeakMap();

/**
 * Warms up the functions that a module's forward pass calls: for large images and, if it has many
 * channels, for small ones. Does nothing if they are warm or memory is short.
 *
 * @param {Heap} heap
 * @param {AggregationConfig} config
 * @param {number} aggregation
 * @param {(heap: Heap, config: AggregationConfig) => number} create makes an aggregation
 * @param {boolean} scaled whether the mixed kernels are scaled
 */
export function warmUp(heap, config, aggregation, create, scaled) {
  const reach = reachOf(config);
  if (Math.max(...reach, ...pairOf(config.stride)) > MAX_REACH) return;
  try {
    const large = 64, small = 6; // pixels beyond the kernel's
    // inputs of few channels are pictures, which are large
    const sizes = config.inChannels < MAX_CHANNELS ? [large] : [large, small];
    for (const size of sizes) {
      const algorithm = plannedAlgorithm(heap, aggregation, reach.map((pixels) => pixels + size));
      if (algorithm !== 'reference') warmUpKind(heap, { ...config, algorithm }, reach, create, scaled);
    }
  } catch (error) {
    // a module works without warm-up
    if (!(error instanceof DynakernelError && error.code === 'ERR_MEMORY')) throw error;
  }
}

/**
 * Runs a small convolution of the same kind, once for each heap.
 *
 * @param {Heap} heap
 * @param {AggregationConfig} config
 * @param {readonly number[]} reach pixels that a kernel spans, [rows, columns]
 * @param {(heap: Heap, config: AggregationConfig) => number} create
 * @param {boolean} scaled
 */
function warmUpKind(heap, config, reach, create, scaled) {
  const { algorithm, kernelSize, stride } = config;
  // choose a few channels
  const depthwise = config.groups === config.inChannels && config.groups > 1;
  const groups = depthwise ? MAX_CHANNELS : 1;
  const inChannels = depthwise ? MAX_CHANNELS : Math.min(config.inChannels / config.groups, MAX_CHANNELS);
  const outChannels = depthwise ? MAX_CHANNELS : Math.min(config.outChannels / config.groups, MAX_CHANNELS);

  // some algorithms have separate inner loops for each kernel size and stride
  const specialised = heap.c.dk_algorithm_specialised(heap.algorithms.indexOf(algorithm)) === 1;
  const loops = specialised ? [kernelSize, stride] : [];
  const kind = [algorithm, groups, inChannels, outChannels, scaled, ...loops].join(' ');
  const kinds = warmed.get(heap) ?? new Set();
  warmed.set(heap, kinds);
  if (kinds.has(kind)) return;
  kinds.add(kind);

  const small = create(heap, {
    ...config, inChannels, outChannels, groups, numKernels: 2, padding: 0, bias: false,
  });
  try {
    // every algorithm supports nine output columns or more
    const steps = pairOf(stride);
    const size = reach.map((pixels, axis) => pixels + 4 + 8 * Math.min(steps[axis], 2));
    const heads = scaled ? [2, outChannels, inChannels, sizeOf(pairOf(kernelSize))] : [2, 0, 0, 0];
    runOften(heap, small, heads, inChannels, outChannels, size);
  } finally {
    heap.c.dk_aggregation_destroy(small);
  }
}

/**
 * Runs the forward pass of a block with two kernels on one image, again and again.
 *
 * @param {Heap} heap
 * @param {number} aggregation
 * @param {readonly number[]} heads of the attention
 * @param {number} inChannels
 * @param {number} outChannels
 * @param {readonly number[]} size [H, W]
 */
function runOften(heap, aggregation, heads, inChannels, outChannels, [H, W]) {
  heap.scope((take) => {
    const inputs = inChannels * H * W;
    const x = take(inputs * 4), y = take(outChannels * H * W * 4);
    const outputs = take(4 * heads.reduce((sum, length) => sum + length, 0));
    heap.floats(x, inputs).fill(0.5);
    const struct = take(32), result = take(4);
    heap.words(struct, 8).set([inChannels, 1, 1, 0, ...heads]); // struct dk_attention_config
    if (heap.c.dk_attention_create(struct, result) !== 0) return;
    const [attention] = heap.words(result, 1);
    const end = performance.now() + MAX_MILLISECONDS;
    for (let call = 0, status = 0; call < MAX_CALLS && status === 0 && performance.now() < end; call++) {
      status = heap.c.dk_block_forward(heap.context, attention, aggregation, 0, x, 1, H, W, outputs, y);
    }
    heap.c.dk_attention_destroy(attention);
  });
}

/**
 * The planner's choice for one image, or 'reference' if there is no plan.
 *
 * @param {Heap} heap
 * @param {number} aggregation
 * @param {readonly number[]} size [H, W]
 */
const plannedAlgorithm = (heap, aggregation, [H, W]) => heap.scope((take) => {
  const plan = take(20); // struct dk_plan
  const status = heap.c.dk_aggregation_plan(aggregation, 1, H, W, plan);
  return status === 0 ? heap.algorithms[heap.words(plan, 1)[0]] : 'reference';
});
