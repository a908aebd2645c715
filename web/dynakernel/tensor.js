/** Tensors: float32 numbers in the WebAssembly heap, with a shape. */
import { guardClass, rememberSelf } from './boundary.js';
import { isArray } from './check.js';
import { drawMap, drawMaps, toImageData } from './draw.js';
import { DynakernelError, given } from './errors.js';
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

/** The symbol of `using`, also where the engine has none yet.
 * @type {typeof Symbol.dispose} */
export const DISPOSE = /** @type {any} */ (Symbol.dispose ?? Symbol.for('Symbol.dispose'));

/**
 * Memory that a tensor shows but does not own.
 *
 * @typedef {object} Loan
 * @property {{ readonly disposed: boolean }} owner kept alive by the tensor
 * @property {string} [name] what messages call the owner ('its module')
 * @property {() => void} [written] called when somebody may write
 * @property {(tensor: Tensor) => void} [handedOut] called when a view is made, into which anybody may write
 *   at any time
 */

/** Tensors by the views that were handed out, so that a view alone keeps its memory.
 * @type {WeakMap<Float32Array, Tensor>} */
const keepers = new WeakMap();

/**
 * Makes a view keep its tensor, and all parts of it that subarray() makes. It gives the view a method of its
 * own. A subclass would no longer equal a Float32Array, and it would slow slice() and map() of all typed
 * arrays of the page: V8 gives up a shortcut once a subclass says how to make parts.
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
 * The tensor's place in the heap, once it is known to be usable there.
 *
 * @type {(heap: Heap, tensor: Tensor, what: string) => number}
 */
let locate;

/**
 * A tensor's shape, without the boundary that `shape` passes through.
 *
 * @type {(tensor: Tensor) => readonly number[]}
 */
export let shapeOf;

/** @type {(tensor: Tensor) => boolean} */
let isOnLoan;

/**
 * Whether a view of the tensor was handed out that still reaches its memory.
 *
 * @type {(tensor: Tensor) => boolean}
 */
export let hasView;

/**
 * Tells the owner of a tensor's memory that it is about to change, by other means than `data`.
 *
 * @type {(tensor: Tensor) => void}
 */
export let noteWritten;

/**
 * Float32 numbers in the WebAssembly heap, contiguous, the last dimension innermost: images are
 * [N, C, H, W]. Made by dk.tensor, dk.zeros, dk.fromImage and by forward passes.
 *
 * A tensor's memory is given back by dispose(), at the end of a `using` declaration, or some time
 * after the tensor, its `data` and all subarrays of that became garbage. The last is a safety net:
 * the garbage collector does not see how large tensors are, so a loop should dispose, or reuse one as `out`.
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
  /** The view of `data`: making one takes half a microsecond, which small layers would show.
   * @type {Floats | null} */
  #handedOut = null;

  static {
    guardClass(this, 'Tensor');
    locate = (heap, tensor, what) => {
      tensor.#check(what);
      if (tensor.#heap !== heap) {
        throw new DynakernelError('ERR_CONFIG', `${what} belongs to another runtime; ` +
          'tensors can only be used with the runtime that made them');
      }
      return tensor.#pointer;
    };
    shapeOf = (tensor) => tensor.#shape;
    isOnLoan = (tensor) => tensor.#loan !== null;
    hasView = (tensor) => tensor.#handedOut !== null && tensor.#handedOut.length > 0;
    noteWritten = (tensor) => tensor.#loan?.written?.();
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
   * The numbers, live and flat: what is written here is what the next call computes with. Any call
   * that needs memory may move the heap and leave this view empty, so fetch it again after every
   * other call; keep toArray() instead if a copy will do. On a module's gradient fetching counts as
   * writing, since a view cannot tell: to look, take toArray(). While a view on an aggregation's
   * `weight` is kept, each pass packs the kernels again, because they may have changed. With threads the
   * memory is shared, and much of the platform takes no views on shared memory.
   *
   * The view, and each view that its subarray() makes, keeps the tensor's memory until dispose() is
   * called. A view that is made of its `buffer` does not: the buffer is the whole heap. Keep the tensor
   * then.
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
    if (view === null || view.length === 0) { // the first, or memory has grown and detached the last
      view = this.#view();
      keep(view, this);
      this.#handedOut = view;
      this.#loan?.handedOut?.(this);
    }
    return view;
  }

  /**
   * A copy of the numbers, flat, which no other call changes.
   *
   * @returns {Floats}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * const largest = y.toArray().reduce((most, value) => Math.max(most, value));
   */
  toArray() {
    return this.#view().slice();
  }

  /**
   * One map as a picture: RGBA, 8 bits a channel, as large as the map. An ImageData where the
   * platform has that class, else an object with the same fields.
   *
   * @param {MapOptions} [options]
   * @returns {Picture}
   * @throws {DynakernelError} ERR_SHAPE where the tensor is not [N, C, H, W], or has no such batch
   *   or channel; ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * context.putImageData(y.toImageData({ channel: 2, colormap: 'coolwarm' }), 0, 0);
   */
  toImageData(options) {
    this.#check('the tensor');
    return toImageData(this.#heap, () => this.#usable(), this.#shape, options);
  }

  /**
   * Draws one map on a canvas, which is resized to the map where it has another size; CSS may then
   * scale it. Returns the range that was drawn, [low, high], for a legend.
   *
   * @param {DrawableCanvas} canvas
   * @param {MapOptions} [options]
   * @returns {[number, number]}
   * @throws {DynakernelError} as toImageData; ERR_IMAGE where the canvas cannot be drawn on
   * @example
   * const [low, high] = y.drawMap(canvas, { channel: 2, colormap: 'coolwarm' });
   */
  drawMap(canvas, options) {
    this.#check('the tensor');
    return drawMap(this.#heap, () => this.#usable(), this.#shape, canvas, options);
  }

  /**
   * Draws all maps of one image as a grid, row by row, on a canvas that is resized to hold it; gaps
   * and unused cells are transparent. Returns the range of each map.
   *
   * @param {DrawableCanvas} canvas
   * @param {GridOptions} [options]
   * @returns {[number, number][]}
   * @throws {DynakernelError} as drawMap
   * @example
   * y.drawMaps(canvas, { columns: 4, gap: 2, range: 'shared' });
   */
  drawMaps(canvas, options) {
    this.#check('the tensor');
    return drawMaps(this.#heap, () => this.#usable(), this.#shape, canvas, options);
  }

  get disposed() {
    return this.#disposed || this.#heap.closed || this.#loan?.owner.disposed === true;
  }

  /** Gives the memory back. Further calls do nothing; any other use is then an error. */
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
    const owner = this.#heap.closed ? 'its runtime' : this.#disposed ? 'it'
      : this.#loan?.name ?? 'its module';
    throw new DynakernelError('ERR_DISPOSED', `${what} can no longer be used: ${owner} is disposed`);
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

/**
 * The tensor's place in the heap. Refuses what is no tensor, is disposed or lives elsewhere.
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
 * The same of a tensor that a result is to be written into: not one that shows a module's memory.
 *
 * @param {Heap} heap
 * @param {unknown} out
 */
export function outPointerOf(heap, out) {
  const pointer = pointerOf(heap, out, 'out');
  if (isOnLoan(/** @type {Tensor} */ (out))) {
    throw new DynakernelError('ERR_CONFIG',
      "out must be a tensor of its own, not a view on a module's parameters or gradients");
  }
  return pointer;
}

/**
 * A tensor that nothing is written in yet.
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
 * A new tensor for a result, filled by work; given back where work throws.
 *
 * @param {Heap} heap
 * @param {readonly number[]} shape
 * @param {string} what
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
 * The result of a pass: in out, if the caller gave one, else in a new tensor.
 *
 * @param {Heap} heap
 * @param {readonly number[]} shape
 * @param {Tensor | undefined} out
 * @param {readonly Tensor[]} inputs tensors that out may not be
 * @param {(pointer: number) => void} work
 * @param {string} [what] whose shape it is
 */
export function produceInto(heap, shape, out, inputs, work, what = 'the output') {
  if (out === undefined) return produce(heap, shape, what, work);
  const pointer = outPointerOf(heap, out);
  if (!sameShape(shapeOf(out), shape)) {
    throw new DynakernelError('ERR_SHAPE',
      `out must have the shape of ${what}, ${shapeText(shape)}; got ${shapeText(out.shape)}`);
  }
  if (inputs.includes(out)) {
    throw new DynakernelError('ERR_CONFIG', 'out must be another tensor than the input of this call');
  }
  work(pointer);
  return out;
}

/**
 * @param {Heap} heap
 * @param {unknown} data
 * @param {unknown} shape
 */
export function tensorFrom(heap, data, shape) {
  const dims = readShape(shape, 'the shape');
  checkSize(dims, 'a tensor');
  const view = plainView(data);
  if (view === null && !isArray(data)) {
    throw new DynakernelError('ERR_CONFIG',
      `the data of a tensor must be a typed array or an array of numbers; got ${given(data)}`);
  }
  const values = view ?? flatten(/** @type {unknown[]} */ (data), dims);
  if (values.length !== sizeOf(dims)) {
    throw new DynakernelError('ERR_SHAPE',
      `the shape ${shapeText(dims)} needs ${sizeOf(dims)} numbers; got ${values.length}`);
  }
  const floats = heap.copyIfOnHeap(toFloats(values));
  return produce(heap, dims, 'a tensor', (pointer) => {
    heap.floats(pointer, floats.length).set(floats);
  });
}

/**
 * @param {Heap} heap
 * @param {unknown} shape
 */
export function zeros(heap, shape) {
  const dims = readShape(shape, 'the shape');
  return produce(heap, dims, 'a tensor', (pointer) => {
    heap.floats(pointer, sizeOf(dims)).fill(0);
  });
}
