/** The parts of src/dynakernel.h that JavaScript needs: functions, status codes and names of algorithms. */
import { DynakernelError } from './errors.js';

/** The DK_ABI_VERSION that this wrapper works with. */
export const ABI_VERSION = 3;

/** The functions that the wrapper calls. load() refuses a module that lacks one. */
export const FUNCTIONS = /** @type {const} */ ([
  'dk_abi', 'dk_alloc', 'dk_free', 'dk_context_create', 'dk_context_trim',
  'dk_algorithm_name', 'dk_algorithm_specialised',
  'dk_attention_create', 'dk_attention_destroy', 'dk_attention_initialise',
  'dk_attention_forward', 'dk_attention_forward_taped', 'dk_attention_tape_bytes', 'dk_attention_backward',
  'dk_aggregation_create', 'dk_aggregation_destroy', 'dk_aggregation_initialise',
  'dk_aggregation_write', 'dk_aggregation_read', 'dk_aggregation_bias', 'dk_aggregation_weight',
  'dk_aggregation_changed', 'dk_aggregation_plan', 'dk_aggregation_forward', 'dk_aggregation_mix',
  'dk_aggregation_backward', 'dk_convolution_forward', 'dk_convolution_backward', 'dk_block_forward',
  'dk_block_forward_taped', 'dk_block_backward',
  'dk_loss_mse', 'dk_loss_l1', 'dk_loss_huber', 'dk_sgd_step', 'dk_adam_step',
  'dk_network_create', 'dk_network_destroy', 'dk_network_write', 'dk_network_read', 'dk_network_bytes',
  'dk_schedule_create', 'dk_schedule_destroy', 'dk_schedule_layers', 'dk_schedule_layer', 'dk_schedule_run',
  'dk_schedule_read',
  'dk_rgba_to_planes', 'dk_resize_rows', 'dk_range', 'dk_map_to_rgba_rows',
  'dk_planes_to_rgba',
]);

/**
 * Pointers and sizes are numbers. Functions of type void return undefined, which nobody reads.
 *
 * @typedef {Record<typeof FUNCTIONS[number], (...args: number[]) => number>
 *   & { memory: WebAssembly.Memory }} Exports
 */

/** The functions that the wrapper calls in a build with threads only. */
export const THREAD_FUNCTIONS = /** @type {const} */ ([
  'dk_context_set_threads', 'dk_context_threads', 'dk_context_stop', 'dk_context_lost', 'dk_context_ended',
]);

/**
 * The exports of a build with threads.
 *
 * @typedef {Exports & Record<typeof THREAD_FUNCTIONS[number] | '__wasm_call_ctors',
 *   (...args: number[]) => number>} ThreadedExports
 */

/** DK_DESCRIPTION, the first word of a network's description. */
export const DESCRIPTION = 0x314e4b44;

/** The ops of a network, by the number of their dk_op. */
export const OPERATIONS = /** @type {const} */ ([
  'copy', 'conv2d', 'dynamicConv2d', 'attention', 'convTranspose2d', 'batchNorm', 'linear', 'matmul',
  'add', 'subtract', 'multiply', 'divide', 'minimum', 'maximum', 'power', 'prelu',
  'relu', 'clip', 'leakyRelu', 'elu', 'hardSigmoid', 'hardSwish', 'sigmoid', 'tanh', 'silu', 'gelu', 'geluTanh',
  'exp', 'log', 'sqrt', 'negate', 'reciprocal', 'abs', 'erf',
  'softmax', 'reduceMean', 'reduceSum', 'reduceMax', 'averagePool', 'maxPool',
  'concat', 'split', 'slice', 'reshape', 'transpose', 'channelShuffle', 'expand', 'pad', 'resize',
  'depthToSpace', 'spaceToDepth', 'lrn',
]);

/** dk_initialisation: the distributions of initial parameters. */
export const INITIALISATION = /** @type {const} */ ({ fanIn: 0, fanOut: 1, linear: 2 });

/** dk_head: what a head of the attention weighs. */
export const HEADS = /** @type {const} */ ({ kernels: 0, outputs: 1, inputs: 2, taps: 3 });

/** dk_precision by number: how a module stores its kernels. */
export const PRECISIONS = /** @type {const} */ (['float32', 'float16']);

/** DK_SAME_PADDING, four times in place of the numbers of zeros. */
export const SAME_PADDING = -1;

/** A tensor has at most 2^29 elements. */
export const MAX_ELEMENTS = 2 ** 29;

/** The largest kernel size, stride, padding and dilation. */
export const MAX_EXTENT = 2 ** 15;

/**
 * A way to convolve; 'auto' leaves the choice to the planner. Forced, 'toomcook' stands for 'karatsuba' and
 * 'toomcook_depthwise' as well, whichever covers the shape. The names come from the C library (readAlgorithms); a test
 * compares this list, which editors show, with them.
 *
 * @typedef {'auto' | 'reference' | 'direct' | 'pointwise' | 'depthwise' | 'karatsuba' | 'winograd' | 'toomcook' |
 *   'polyphase' | 'im2col' | 'toomcook_depthwise'} Algorithm
 */

/**
 * The names of the C library's algorithms, in the order of dk_algorithm.
 *
 * @param {Exports} c
 * @returns {readonly Algorithm[]}
 */
export function readAlgorithms(c) {
  const names = [];
  for (let id = 0, address; (address = c.dk_algorithm_name(id)) !== 0; id++) {
    const bytes = new Uint8Array(c.memory.buffer, address >>> 0);
    names.push(String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0))));
  }
  return /** @type {readonly Algorithm[]} */ (Object.freeze(names));
}

/** dk_status by number; 0 is success. */
const STATUS_CODES = /** @type {const} */ (
  [null, 'ERR_CONFIG', 'ERR_SHAPE', 'ERR_MODE', 'ERR_MEMORY', 'ERR_LOAD']);

/**
 * Refuses a module of another version or of another library. Its structs and functions may differ.
 *
 * @param {WebAssembly.Exports} exports
 * @param {readonly string[]} functions names that the module must export
 * @param {string} name the file, for messages
 */
export function checkModule(exports, functions, name) {
  const missing = functions.filter((symbol) => typeof exports[symbol] !== 'function');
  const abi = typeof exports.dk_abi === 'function' ? exports.dk_abi() : undefined;
  if (missing.length === 0 && abi === ABI_VERSION) return;
  // Name a few missing functions: another version lacks some, another library lacks all.
  const lacks = missing.length > 0 ? `, and it has no ${missing.slice(0, 4).join(', ')}${
    missing.length > 4 ? ` and ${missing.length - 4} others` : ''}` : '';
  throw new DynakernelError('ERR_LOAD', `${name} is not this version's dynakernel module: its ABI number is ` +
    `${abi ?? 'missing'}, this wrapper needs ${ABI_VERSION}${lacks}. Copy the .wasm file that comes with ` +
    'this version of the package');
}

/**
 * Throws an error if a dk_status is not DK_OK.
 *
 * @param {number} status
 * @param {() => string} what describes the call: "a convolution of [1, 3, 8, 8]"
 * @param {{ [code: string]: string }} [reasons] other texts than those of a module's pass
 */
export function checkStatus(status, what, reasons) {
  const code = STATUS_CODES[status];
  if (code === null) return;
  const reason = {
    ERR_CONFIG: 'the requested algorithm does not support this configuration',
    ERR_SHAPE: 'the batch or the image is empty, the kernel is larger than the padded input, or a ' +
      'tensor would have more than 2^29 elements',
    ERR_MODE: 'training mode needs a batch of at least 2',
    ERR_MEMORY: 'the heap cannot grow enough',
    ERR_LOAD: 'a worker thread stopped in an earlier call and may still write into the memory that ' +
      'this call needs; stateDict() and toArray() still work, and load() starts another runtime',
    ...reasons,
  };
  throw new DynakernelError(code, `${what()}: ${reason[code]}`);
}
