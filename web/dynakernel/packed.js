/** The kernels of a convolution, as state dicts and parameters() show them. */
import { DynakernelError } from './errors.js';
import { toFloats } from './numbers.js';
import { sizeOf } from './shape.js';
import { Tensor } from './tensor.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./state.js').StateEntry} StateEntry */

/** The kernels are read and written in slices of at most this many bytes. */
const SLICE = 2 ** 18;

/**
 * The slices that kernels are read and written in: some output channels of one kernel.
 *
 * @param {readonly number[]} shape [K, O, C/G, Rh, Rw]
 */
export function sliceOf(shape) {
  const [, O, ...taps] = shape;
  const depth = sizeOf(taps); // C/G * Rh * Rw
  const channels = Math.min(O, Math.max(1, Math.floor(SLICE / (4 * depth))));
  return { channels, depth, bytes: 4 * channels * depth };
}

/**
 * The state entry of the kernels. C keeps them packed. They are read and written slice by slice, and the
 * heap never holds them twice.
 *
 * @param {Heap} heap
 * @param {number} aggregation
 * @param {number[]} shape [K, O, C/G, Rh, Rw]
 * @param {WeakRef<Tensor>[]} watched a tensor of the kernels is added to it when a view on it is made
 * @param {readonly number[]} [shown] the shape in state dicts, if it is another one of as many numbers
 * @returns {StateEntry}
 */
export function packedEntry(heap, aggregation, shape, watched, shown = shape) {
  const [K, O] = shape;
  const { channels, depth, bytes } = sliceOf(shape);
  const scratch = () => heap.scratch(bytes);

  /** @param {(k: number, first: number, count: number, offset: number) => void} visit */
  const eachSlice = (visit) => {
    for (let k = 0; k < K; k++) {
      for (let first = 0; first < O; first += channels) {
        visit(k, first, Math.min(channels, O - first), (k * O + first) * depth);
      }
    }
  };

  return {
    name: 'weight',
    shape: shown,
    place: 0,
    convert: (data, dtype) => heap.copyIfOnHeap(toFloats(data, dtype)),
    prepare: scratch,
    read() {
      const values = new Float32Array(K * O * depth);
      const slice = scratch();
      eachSlice((k, first, count, offset) => {
        heap.c.dk_aggregation_read(aggregation, k, first, count, slice);
        heap.read(slice, values.subarray(offset, offset + count * depth));
      });
      return values;
    },
    write(values) {
      const slice = scratch();
      eachSlice((k, first, count, offset) => {
        heap.write(slice, values.subarray(offset, offset + count * depth));
        heap.c.dk_aggregation_write(aggregation, k, first, count, slice);
      });
    },
    tensor(owner) {
      const pointer = heap.c.dk_aggregation_weight(aggregation) >>> 0;
      if (!pointer) heap.refuse(K * O * depth * 4, 'an unpacked copy of the kernels');
      const written = () => {
        heap.c.dk_aggregation_changed(aggregation);
      };
      const handedOut = (/** @type {Tensor} */ tensor) => void watched.push(weakReference(tensor));
      return new Tensor(heap, pointer, shown, { owner, written, handedOut });
    },
  };
}

/** Why kernels in half precision have no gradients and no tensor. */
export const FOR_INFERENCE = "its kernels are in half precision, which is for inference; make the module with precision " +
  "'float32' to train it";

/** The largest number in half precision. */
const LARGEST_HALF = 65504;

/**
 * What differs in the entry of kernels in half precision: it takes only numbers within the range, and has no tensor.
 *
 * @param {StateEntry} entry
 * @returns {Pick<StateEntry, 'convert' | 'tensor'>}
 */
export const halfEntry = ({ convert }) => ({
  convert(data, dtype, name) {
    const values = /** @type {Float32Array} */ (convert(data, dtype, name));
    const found = values.findIndex((value) => !(Math.abs(value) <= LARGEST_HALF));
    if (found < 0) return values;
    throw new DynakernelError('ERR_STATE', `${name}: precision 'float16' takes numbers from -${LARGEST_HALF} to ` +
      `${LARGEST_HALF}; element ${found} is ${values[found]}`);
  },
  tensor() {
    throw new DynakernelError('ERR_MODE', `parameters(): weight has no tensor: ${FOR_INFERENCE}. stateDict() and ` +
      'loadStateDict() read and write it');
  },
});

/**
 * A WeakRef to a tensor. An engine without WeakRef gets a strong reference: each pass then packs the
 * kernels as long as the module exists.
 *
 * @param {Tensor} tensor
 */
const weakReference = (tensor) => (typeof WeakRef === 'function'
  ? new WeakRef(tensor)
  : /** @type {WeakRef<Tensor>} */ (/** @type {unknown} */ ({ deref: () => tensor })));
