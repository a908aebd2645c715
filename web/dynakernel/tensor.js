/** Tensors: float32 numbers in the WebAssembly heap, with a shape. */
import { DISPOSE, guardClass, rememberSelf } from './boundary.js';
import { isArray } from './check.js';
import { drawMap, drawMaps, toImageData } from './draw.js';
import { DynakernelError, disposedError, given } from './errors.js';
import { flatten, plainView, toFloats } from './numbers.js';
import { checkSize, readShape, sameShape, shapeText, sizeOf } from './shape.js';

/** @typedef {import('./heap.js').Heap} Heap */
/** @typedef {import('./heap.js').Floats} Floats */
/** @typedef {import('./draw.js').MapOptions} MapOptions */
/** @typedef {import('./draw.js').GridOptions} GridOptions */
/** @typedef {import('./canvas.js').Picture} Picture */
/** @typedef {import('./canvas.js').DrawableCanvas} DrawableCanvas */
/** @typedef {import('./numbers.js').TypedArray} TypedArray */
/** @typedef {import('./numbers.js').NestedNumbers} NestedNumbers */

/**
 * Memory that a tensor shows but does not own.
 *
 * @typedef {object} Loan
 * @property {{ readonly disposed: boolean }} owner the tensor keeps it alive
 * @property {string} [name] the owner, for messages ('its module')
 * @property {() => void} [written] called if the caller may now write
 * @property {(tensor: Tensor) => void} [handedOut] called when a view is made. The caller may write into it
 *   at any time
 */

/** The tensor of each view that was handed out. A view alone thereby keeps its memory.
 * @type {WeakMap<Float32Array, Tensor>} */
const keepers = new WeakMap();

/**
 * Makes a view, and all its subarrays, keep their tensor. The view gets a subarray() method of its own. A
 * subclass would not equal a Float32Array. It would also slow slice() and map() of all typed arrays of the
 * page, since V8 then gives up a shortcut.
 *
 * @param {Floats} view
 * @param {Tensor} tensor
 */
function keep(view, tensor) {
  keepers.set(view, tensor);
  Object.defineProperty(view, 'subarray', SUBARRAY);
}

/** @type {PropertyDescriptor & ThisType<Floats>} */
const SUBARRAY = {
  configurable: true,
  writable: true,
  value(/** @type {number | undefined} */ begin, /** @type {number | undefined} */ end) {
    const part = Float32Array.prototype.subarray.call(this, begin, end);
    const tensor = keepers.get(this);
    if (tensor) keep(/** @type {Floats} */ (part), tensor);
    return part;
  },
};

/**
 * Float32 numbers in the WebAssembly heap. They are contiguous, with the last dimension innermost. Images
 * are [N, C, H, W]. dk.tensor, dk.zeros, dk.fromImage and forward passes make tensors.
 *
 * dispose() frees a tensor's memory, and so does the end of a `using` declaration. Forgotten tensors are
 * freed some time after the tensor, its `data` and all subarrays of it became garbage. This is a safety
 * net only: the garbage collector does not see how large tensors are. Dispose tensors in a loop, or reuse
 * one as `out`.
 */
export class Tensor {
  /** @type {Heap} */
  #heap;
  #pointer;
  /** @type {readonly number[]} */
  #shape;
  /** @type {Loan | null} */
  #loan;
  #disposed = false;
  /** The latest view of `data`. It is kept because making one takes half a microsecond.
   * @type {Floats | null} */
  #handedOut = null;

  static {
    guardClass(this, 'Tensor');
  }

  /**
   * The pointer to the numbers. Refuses a disposed tensor and a tensor of another runtime.
   *
   * @internal
   * @param {Heap} heap
   * @param {Tensor} tensor
   * @param {string} what the tensor, for messages
   */
  static locate(heap, tensor, what) {
    tensor.#check(what);
    if (tensor.#heap !== heap) {
      throw new DynakernelError('ERR_CONFIG', `${what} belongs to another runtime; ` +
        'tensors can only be used with the runtime that made them');
    }
    return tensor.#pointer;
  }

  /**
   * `shape` without the boundary.
   *
   * @internal
   * @param {Tensor} tensor
   */
  static shapeOf(tensor) {
    return tensor.#shape;
  }

  /**
   * Whether the tensor shows memory that it does not own.
   *
   * @internal
   * @param {Tensor} tensor
   */
  static isOnLoan(tensor) {
    return tensor.#loan !== null;
  }

  /**
   * Whether a view was handed out that still reaches the memory.
   *
   * @internal
   * @param {Tensor} tensor
   */
  static hasView(tensor) {
    return tensor.#handedOut !== null && tensor.#handedOut.length > 0;
  }

  /**
   * Tells the owner of the memory that the numbers are about to change without `data`.
   *
   * @internal
   * @param {Tensor} tensor
   */
  static noteWritten(tensor) {
    tensor.#loan?.written?.();
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {number} pointer
   * @param {readonly number[]} shape
   * @param {Loan | null} [loan] null: the tensor owns the memory
   */
  constructor(heap, pointer, shape, loan = null) {
    this.#heap = heap;
    this.#pointer = pointer;
    this.#shape = Object.freeze([...shape]);
    this.#loan = loan;
    rememberSelf(this, heap);
    if (!loan) heap.guard(this, pointer, 'dk_free', sizeOf(shape) * 4);
  }

  /** The length of each dimension, such as [1, 3, 224, 224]. */
  get shape() {
    return this.#shape;
  }

  /**
   * The numbers as a flat, live view: the next call computes with the numbers that you write here. A call
   * that needs memory may move the heap and leave this view empty. Read `data` again after every other
   * call, or keep a copy from toArray().
   *
   * Reading `data` of a module's gradient counts as writing, since a view cannot report writes. Use
   * toArray() to look at the numbers only. While you keep a view on the `weight` of an aggregation, each
   * pass packs the kernels again, because they may have changed. With threads the memory is shared, and
   * many platform functions refuse views on shared memory.
   *
   * The view and its subarrays keep the tensor's memory until you call dispose(). A view on its `buffer`,
   * which is the whole heap, does not. Keep the tensor in that case.
   *
   * @returns {Float32Array}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * const x = dk.zeros([1, 1, 8, 8]);
   * x.data[8 * 3 + 4] = 1; // row 3, column 4
   */
  get data() {
    this.#check('the tensor');
    this.#loan?.written?.();
    let view = this.#handedOut;
    // make a view at the first call, and again if the memory has grown and detached the last view
    if (view === null || view.length === 0) {
      view = this.#view();
      keep(view, this);
      this.#handedOut = view;
      this.#loan?.handedOut?.(this);
    }
    return view;
  }

  /**
   * Overwrites all numbers. With threads this is faster than `data.set()`, because engines are slow to copy into
   * shared memory. Numbers that are computed one by one are best written into `data`.
   *
   * @param {TypedArray | NestedNumbers} data flat, or nested as the shape says
   * @returns {void}
   * @throws {DynakernelError} ERR_SHAPE if data has another shape or length; ERR_CONFIG if it holds anything but
   *   numbers; ERR_DISPOSED
   * @example
   * const x = dk.zeros([1, 2, 2, 2]);
   * x.set(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
   */
  set(data) {
    this.#check('the tensor');
    const floats = floatsOf(this.#heap, data, this.#shape);
    const pointer = this.#usable();
    this.#loan?.written?.();
    this.#heap.write(pointer, floats);
  }

  /**
   * A flat copy of the numbers. No other call changes it.
   *
   * @param {Floats} [out] as long as the tensor: gets the numbers and is returned. It saves a new array for each frame.
   *   With threads, copying is faster than by `out.set(data)`
   * @returns {Floats}
   * @throws {DynakernelError} ERR_DISPOSED; ERR_CONFIG if out is not a Float32Array; ERR_SHAPE if it has another
   *   length
   * @example
   * const largest = y.toArray().reduce((most, value) => Math.max(most, value));
   */
  toArray(out) {
    this.#check('the tensor');
    if (out === undefined) return this.#view().slice();
    const target = plainView(out);
    if (!(target instanceof Float32Array)) {
      throw new DynakernelError('ERR_CONFIG', `toArray: out must be a Float32Array; got ${given(out)}`);
    }
    const size = sizeOf(this.#shape);
    if (target.length !== size) {
      throw new DynakernelError('ERR_SHAPE', `toArray: out must have the tensor's ${size} numbers, ` +
        `${shapeText(this.#shape)}; got ${target.length}`);
    }
    this.#heap.read(this.#pointer, target);
    return out;
  }

  /**
   * Converts one map to a picture of the map's size, RGBA with 8 bits a channel. Returns an ImageData if
   * the platform has that class, or else an object with the same fields.
   *
   * @param {MapOptions} [options]
   * @returns {Picture}
   * @throws {DynakernelError} ERR_SHAPE if the tensor is not [N, C, H, W], or has no such batch or
   *   channel; ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * context.putImageData(y.toImageData({ channel: 2, colormap: 'coolwarm' }), 0, 0);
   */
  toImageData(options) {
    this.#check('the tensor');
    return toImageData(this.#heap, () => this.#usable(), this.#shape, options);
  }

  /**
   * Draws one map on a canvas. The canvas gets the map's size. CSS may scale it on the page.
   *
   * @param {DrawableCanvas} canvas
   * @param {MapOptions} [options]
   * @returns {[number, number]} the range [low, high] that the colours span, for a legend
   * @throws {DynakernelError} as toImageData; ERR_IMAGE if the canvas cannot be drawn on
   * @example
   * const [low, high] = y.drawMap(canvas, { channel: 2, colormap: 'coolwarm' });
   */
  drawMap(canvas, options) {
    this.#check('the tensor');
    return drawMap(this.#heap, () => this.#usable(), this.#shape, canvas, options);
  }

  /**
   * Draws all maps of one image as a grid, row by row. The canvas gets the grid's size. Gaps and unused
   * cells are transparent.
   *
   * @param {DrawableCanvas} canvas
   * @param {GridOptions} [options]
   * @returns {[number, number][]} the range [low, high] of each map
   * @throws {DynakernelError} as drawMap
   * @example
   * y.drawMaps(canvas, { columns: 4, gap: 2, range: 'shared' });
   */
  drawMaps(canvas, options) {
    this.#check('the tensor');
    return drawMaps(this.#heap, () => this.#usable(), this.#shape, canvas, options);
  }

  /** Whether the tensor, its module or its runtime is disposed. */
  get disposed() {
    return this.#disposed || this.#heap.closed || this.#loan?.owner.disposed === true;
  }

  /** Frees the memory. Further calls do nothing. Any other use of the tensor then throws ERR_DISPOSED. */
  dispose() {
    if (this.#disposed) return;
    this.#disposed = true;
    if (!this.#loan) this.#heap.release(this, this.#pointer, 'dk_free');
  }

  [DISPOSE]() {
    this.dispose();
  }

  /** @param {string} what */
  #check(what) {
    if (!this.#disposed && !this.#heap.closed && !this.#loan?.owner.disposed) return;
    throw disposedError(what, this.#heap.closed, this.#disposed ? 'it' : this.#loan?.name ?? 'its module');
  }

  /** The pointer after a check: a canvas or an option may have run code that disposes of the tensor. */
  #usable() {
    this.#check('the tensor');
    return this.#pointer;
  }

  #view() {
    this.#check('the tensor');
    return this.#heap.floats(this.#pointer, sizeOf(this.#shape));
  }
}

/** The internal methods, as functions. */
const { isOnLoan, locate } = Tensor;
export const { hasView, noteWritten, shapeOf } = Tensor;

/**
 * The pointer to a tensor's numbers. Refuses other values, a disposed tensor and a tensor of another runtime.
 *
 * @param {Heap} heap
 * @param {unknown} value
 * @param {string} what
 * @returns {number}
 */
export function pointerOf(heap, value, what) {
  if (!(value instanceof Tensor)) {
    throw new DynakernelError('ERR_CONFIG', `${what} must be a Tensor; got ${given(value)}`);
  }
  return locate(heap, value, what);
}

/**
 * The pointer of a tensor that a result is written into. Refuses a tensor that shows a module's memory.
 *
 * @param {Heap} heap
 * @param {unknown} out
 */
export function outPointerOf(heap, out) {
  const pointer = pointerOf(heap, out, 'out');
  if (isOnLoan(/** @type {Tensor} */ (out))) {
    throw new DynakernelError('ERR_CONFIG',
      "out must own its memory; got a view on a module's parameters or gradients");
  }
  return pointer;
}

/**
 * A tensor with uninitialised numbers.
 *
 * @param {Heap} heap
 * @param {readonly number[]} shape
 * @param {string} what
 */
export function emptyTensor(heap, shape, what) {
  checkSize(shape, what);
  const pointer = heap.allocate(sizeOf(shape) * 4, `${what} ${shapeText(shape)}`);
  return new Tensor(heap, pointer, shape);
}

/**
 * A new tensor that work fills. If work throws, the tensor is disposed.
 *
 * @param {Heap} heap
 * @param {readonly number[]} shape
 * @param {string} what the tensor, for messages
 * @param {(pointer: number) => void} work
 */
export function produce(heap, shape, what, work) {
  const tensor = emptyTensor(heap, shape, what);
  try {
    work(locate(heap, tensor, what));
  } catch (error) {
    tensor.dispose();
    throw error;
  }
  return tensor;
}

/**
 * The result of a pass. It is written into out if the caller gave one, or else into a new tensor.
 *
 * @param {Heap} heap
 * @param {readonly number[]} shape
 * @param {Tensor | undefined} out
 * @param {readonly Tensor[]} inputs out must be none of these
 * @param {(pointer: number) => void} work writes the result
 * @param {string} [what] the result, for messages
 */
export function produceInto(heap, shape, out, inputs, work, what = 'the output') {
  if (out === undefined) return produce(heap, shape, what, work);
  const pointer = outPointerOf(heap, out);
  if (!sameShape(shapeOf(out), shape)) {
    throw new DynakernelError('ERR_SHAPE',
      `out must have the shape of ${what}, ${shapeText(shape)}; got ${shapeText(out.shape)}`);
  }
  if (inputs.includes(out)) {
    throw new DynakernelError('ERR_CONFIG', 'out must not be an input of this call');
  }
  work(pointer);
  return out;
}

/**
 * A caller's numbers as floats that no allocation detaches.
 *
 * @param {Heap} heap
 * @param {unknown} data
 * @param {readonly number[]} shape
 */
function floatsOf(heap, data, shape) {
  const view = plainView(data);
  if (view === null && !isArray(data)) {
    throw new DynakernelError('ERR_CONFIG',
      `the data of a tensor must be a typed array or an array of numbers; got ${given(data)}`);
  }
  const values = view ?? flatten(/** @type {unknown[]} */ (data), shape);
  if (values.length !== sizeOf(shape)) {
    throw new DynakernelError('ERR_SHAPE',
      `the shape ${shapeText(shape)} needs ${sizeOf(shape)} numbers; got ${values.length}`);
  }
  return heap.copyIfOnHeap(toFloats(values));
}

/**
 * dk.tensor: a tensor with a copy of these numbers.
 *
 * @param {Heap} heap
 * @param {unknown} data
 * @param {unknown} shape
 */
export function tensorFrom(heap, data, shape) {
  const dims = readShape(shape, 'the shape');
  checkSize(dims, 'a tensor');
  const floats = floatsOf(heap, data, dims);
  return produce(heap, dims, 'a tensor', (pointer) => heap.write(pointer, floats));
}

/**
 * dk.zeros: a tensor of zeros.
 *
 * @param {Heap} heap
 * @param {unknown} shape
 */
export function zeros(heap, shape) {
  const dims = readShape(shape, 'the shape');
  return produce(heap, dims, 'a tensor', (pointer) => {
    heap.floats(pointer, sizeOf(dims)).fill(0);
  });
}
