/** Networks: a graph of layers that the C library runs in one call. */
import { checkStatus } from '../abi.js';
import { DISPOSE, guardClass, rememberSelf } from '../boundary.js';
import { integer, readOptions } from '../check.js';
import { DynakernelError, disposedError, given, isDynakernelError, listText, nameText } from '../errors.js';
import { sameShape, sizeOf } from '../shape.js';
import { checkedEntry, loadStateDict, stateDict } from '../state.js';
import { Tensor, pointerOf, produce, shapeOf } from '../tensor.js';
import { inputsText, namedShapes, produceOutputs, readInput, readTensors, shapesOf } from './arguments.js';
import {
  checkConstants, checkNumbers, constantEntries, readConstant, withoutNumbers, writeConstant,
} from './constants.js';
import { createFrom, createSchedule, layersOf, planGraph, REASONS } from './schedule.js';

/** @typedef {import('../heap.js').CObject} CObject */
/** @typedef {import('../heap.js').Heap} Heap */
/** @typedef {import('../state.js').LoadResult} LoadResult */
/** @typedef {import('../state.js').LoadStateOptions} LoadStateOptions */
/** @typedef {import('../state.js').StateDict} StateDict */
/** @typedef {import('../state.js').StateEntry} StateEntry */
/** @typedef {import('../state.js').StateSource} StateSource */
/** @typedef {import('./graph.js').Graph} Graph */
/** @typedef {import('./arguments.js').NamedShape} NamedShape */
/** @typedef {import('./arguments.js').Shapes} Shapes */
/** @typedef {import('./arguments.js').Tensors} Tensors */
/** @typedef {import('./schedule.js').NetworkLayer} NetworkLayer */
/** @typedef {import('./schedule.js').Plan} Plan */
/** @typedef {import('./schedule.js').Readable} Readable */
/** @typedef {import('./schedule.js').Schedule} Schedule */

/**
 * Makes the graph of a network for some shapes of its inputs. The first call gets null, and makes the graph for the
 * network's first shapes, with the numbers of every constant. Later calls get the shape of every input by name. They
 * make the same constants in the same order. The numbers of parameters, which have a stateName, are not read then.
 *
 * @typedef {(shapes: Shapes | null) => Graph} MakeGraph
 */

/** The most schedules that a network keeps. */
const MOST_SCHEDULES = 4;

/** A layer, and the milliseconds that it takes.
 * @typedef {NetworkLayer & { ms: number }} ProfiledLayer */

/**
 * The attentions of a dynamic layer, row by row for N samples. Those that the layer lacks are null.
 *
 * @typedef {object} NetworkAttention
 * @property {Float32Array | null} kernel [N * K]
 * @property {Float32Array | null} filter [N * O]
 * @property {Float32Array | null} channel [N * C]
 * @property {Float32Array | null} spatial [N * Rh * Rw]
 */

/**
 * A whole network, which runs in one call. dk.onnxNetwork and dk.network make one.
 *
 * It is planned for the sizes of its inputs: the algorithm of each convolution, the place of each inner value, and what
 * is computed together. forward() plans anew, once, if an input has another size than before. The last four plans are
 * kept.
 */
export class Network {
  #heap;
  #label;
  #makeGraph;
  #pointer;
  #constants;
  /** Made when a state dict is first asked for. @type {StateEntry[] | null} */
  #stateEntries = null;
  #first;
  /** The latest is the last. @type {Schedule[]} */
  #schedules;
  /** Schedules as parts of the C object, which are freed before it. @type {CObject[]} */
  #parts;
  /** The schedule of the latest run. @type {Schedule | null} */
  #latest = null;
  /** Copies of inputs of the latest run that stay readable. @type {Map<number, Float32Array>} */
  #inputCopies = new Map();
  #disposed = false;

  static {
    guardClass(this, 'Network');
  }

  /**
   * @hideconstructor
   * @param {Heap} heap
   * @param {number} pointer
   * @param {Schedule} schedule
   * @param {Plan} plan
   * @param {MakeGraph} makeGraph
   * @param {string} label
   */
  constructor(heap, pointer, schedule, plan, makeGraph, label) {
    rememberSelf(this, heap);
    this.#heap = heap;
    this.#label = label;
    this.#makeGraph = makeGraph;
    this.#pointer = pointer;
    this.#constants = plan.constants.map(withoutNumbers);
    this.#first = shapesOf(plan.inputs);
    this.#schedules = [schedule];
    this.#parts = [schedule.object];
    heap.guard(this, pointer, 'dk_network_destroy', heap.c.dk_network_bytes(pointer) >>> 0, this.#parts);
  }

  /**
   * The shapes of the inputs by name: those of the latest forward pass, or those that the network was made for.
   *
   * @returns {Shapes}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * const [[name, shape]] = Object.entries(net.inputs); // 'image', [1, 3, 256, 192]
   */
  get inputs() {
    return shapesOf(this.#schedule().inputs);
  }

  /**
   * The shapes of the outputs by name, for these inputs.
   *
   * @returns {Shapes}
   * @throws {DynakernelError} ERR_DISPOSED
   * @example
   * console.log(net.outputs); // { heatmaps: [1, 17, 64, 48] }
   */
  get outputs() {
    return shapesOf(this.#schedule().outputs);
  }

  /**
   * What runs, in order.
   *
   * @returns {NetworkLayer[]}
   * @throws {DynakernelError} ERR_MEMORY, ERR_DISPOSED
   * @example
   * for (const { name, op, output, algorithm } of net.layers) console.log(name, op, output, algorithm);
   */
  get layers() {
    return layersOf(this.#heap, this.#schedule());
  }

  /**
   * The weights of the kernels in the latest forward pass, [N * K] for each dynamic layer, by the layer's name. They are
   * 1 if a layer has one kernel without a weight. Empty before the first pass. `attentions` has ODConv's others too.
   *
   * @returns {{ [layer: string]: Float32Array }}
   * @throws {DynakernelError} ERR_MEMORY, ERR_DISPOSED
   * @example
   * net.forward(x);
   * console.log(net.attention['backbone.stem.branch1.0.conv']); // Float32Array(4) [0.31, 0.87, 0.52, 0.44]
   */
  get attention() {
    this.#check();
    const layers = [...this.#latest?.attention ?? []];
    return Object.fromEntries(layers.map(([name, { samples, factors: { kernel } }]) =>
      [name, kernel ? this.#read(kernel) : new Float32Array(samples).fill(1)]));
  }

  /**
   * All attentions of the latest forward pass, by the layer's name: of the kernels [N * K], the output channels
   * ("filter", [N * O]), the input channels ("channel", [N * C]) and the taps ("spatial", [N * Rh * Rw]). Those that a
   * layer lacks are null; only ODConv has more than the first. Empty before the first pass.
   *
   * @returns {{ [layer: string]: NetworkAttention }}
   * @throws {DynakernelError} ERR_MEMORY, ERR_DISPOSED
   * @example
   * net.forward(x);
   * const { kernel, filter, channel, spatial } = net.attentions['layer1.0.conv1'];
   */
  get attentions() {
    this.#check();
    const read = (/** @type {Readable | null} */ readable) => readable && this.#read(readable);
    return Object.fromEntries([...this.#latest?.attention ?? []].map(([layer, { factors }]) => [layer, {
      kernel: read(factors.kernel), filter: read(factors.filter), channel: read(factors.channel),
      spatial: read(factors.spatial),
    }]));
  }

  /**
   * Computes the outputs.
   *
   * @template {Tensor | Tensors} [Outputs=Tensor] in TypeScript, what is returned: Tensors of a network with several
   *   outputs
   * @param {Tensor | Tensors} x the input; if there are several, an object with each by its name
   * @param {{ out?: Tensor | Tensors }} [options] out: tensors to write the outputs into, in the same form
   * @returns {Outputs} a Tensor; if there are several outputs, an object with a Tensor for each name
   * @throws {DynakernelError} ERR_SHAPE if the network cannot run with an input's shape, or `out` has another shape
   *   than the output; ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * const heatmaps = pose.forward(dk.fromImage(canvas, { width: 192, height: 256 }));
   * const { boxes, scores } = detector.forward({ image }); // a network with two outputs
   */
  forward(x, options) {
    this.#check();
    const { out } = readOptions(options, 'forward', ['out']);
    return /** @type {Outputs} */ (this.#pass(x, out, (schedule, inputs, outputs) => {
      this.#run(schedule, inputs, outputs, 0, this.#heap.c.dk_schedule_layers(schedule.object.pointer));
    }));
  }

  /**
   * Runs the network a few times, and measures each layer. One run before warms up.
   *
   * @param {Tensor | Tensors} x as forward takes it
   * @param {{ runs?: number }} [options] runs: how many are measured (10)
   * @returns {ProfiledLayer[]} the layers, with the mean of their times in milliseconds
   * @throws {DynakernelError} as forward
   * @example
   * const slowest = net.profile(x, { runs: 20 }).sort((a, b) => b.ms - a.ms)[0];
   */
  profile(x, options) {
    this.#check();
    const { runs: asked } = readOptions(options, 'profile', ['runs']);
    const runs = asked === undefined ? 10 : integer(asked, 'profile: runs', 1, 100_000);
    /** @type {ProfiledLayer[]} */
    let layers = [];
    const result = this.#pass(x, undefined, (schedule, inputs, outputs) => {
      layers = layersOf(this.#heap, schedule).map((layer) => ({ ...layer, ms: 0 }));
      this.#run(schedule, inputs, outputs, 0, layers.length);
      for (let run = 0; run < runs; run++) {
        layers.forEach((layer, i) => {
          const begin = performance.now();
          this.#run(schedule, inputs, outputs, i, i + 1);
          layer.ms += (performance.now() - begin) / runs;
        });
      }
    });
    for (const tensor of result instanceof Tensor ? [result] : Object.values(result)) tensor.dispose();
    return layers;
  }

  /**
   * A copy of an inner value of the latest forward pass.
   *
   * @param {string} name one of the names that the option `keep` listed
   * @returns {Tensor}
   * @throws {DynakernelError} ERR_CONFIG if the name was not listed; ERR_MODE before the first forward pass;
   *   ERR_MEMORY, ERR_DISPOSED
   * @example
   * const net = dk.onnxNetwork(bytes, { keep: ['/stem/conv1/Conv'] });
   * net.forward(x);
   * net.activation('/stem/conv1/Conv').drawMaps(canvas);
   */
  activation(name) {
    const { kept } = this.#schedule();
    if (!kept.has(name)) {
      const list = kept.size > 0 ? listText([...kept.keys()], 8) : 'none: pass { keep: [names] } when you make it';
      throw new DynakernelError('ERR_CONFIG', `the network keeps no value ${given(name)}; it keeps ${list}`);
    }
    const readable = this.#latest?.kept.get(name);
    if (!readable) {
      throw new DynakernelError('ERR_MODE', `the value ${given(name)} is not computed yet: call forward() first`);
    }
    const numbers = this.#read(readable);
    return produce(this.#heap, readable.shape, nameText(name), (pointer) => {
      this.#heap.floats(pointer, numbers.length).set(numbers);
    });
  }

  /**
   * Copies all parameters and running statistics, under the names that the file or PyTorch gives them.
   *
   * @returns {StateDict}
   * @throws {DynakernelError} ERR_MEMORY, ERR_DISPOSED
   * @example
   * const file = new Blob([toSafetensors(net.stateDict())]);
   */
  stateDict() {
    this.#check();
    return stateDict(this.#entries());
  }

  /**
   * Loads parameters and running statistics from the bytes of a .safetensors file, from what parseCheckpoint returns, or
   * from an object like the one that stateDict() returns. All rules are those of a module's loadStateDict.
   *
   * @param {StateSource} source
   * @param {LoadStateOptions} [options]
   * @returns {LoadResult} the missing and the unexpected names; none if strict
   * @throws {DynakernelError} ERR_STATE if names are missing, unexpected or of another shape, or a value
   *   has a type that cannot be converted; ERR_SAFETENSORS if the bytes are not such a file;
   *   ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
   * @example
   * net.loadStateDict(parseCheckpoint(pth), { prefix: 'backbone.' });
   */
  loadStateDict(source, options) {
    this.#check();
    return loadStateDict(this.#entries(), source, options, () => this.#check());
  }

  /** Whether the network or its runtime is disposed. */
  get disposed() {
    return this.#disposed || this.#heap.closed;
  }

  /** Frees the memory. Further calls do nothing. Any other use of the network then throws ERR_DISPOSED. */
  dispose() {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#heap.release(this, this.#pointer, 'dk_network_destroy', this.#parts);
    this.#schedules = [];
    this.#latest = null;
    this.#inputCopies.clear();
  }

  [DISPOSE]() {
    this.dispose();
  }

  #check() {
    if (this.disposed) throw disposedError('the Network', this.#heap.closed);
  }

  /** The entries of the state dict. */
  #entries() {
    return this.#stateEntries ??= constantEntries(this.#heap, this.#pointer, this.#constants)
      .map((entry) => checkedEntry(entry, () => this.#check()));
  }

  /** The schedule of the latest sizes. */
  #schedule() {
    this.#check();
    return this.#schedules[this.#schedules.length - 1];
  }

  /**
   * Checks the arguments of a pass, makes the outputs, and lets work fill them.
   *
   * @param {unknown} x
   * @param {unknown} out
   * @param {(schedule: Schedule, inputs: number, outputs: number) => void} work gets arrays of pointers
   */
  #pass(x, out, work) {
    // read: a caller's getters and build function run here only
    const names = this.#schedule().inputs.map(({ name }) => name);
    const tensors = readTensors(x, names, 'input', true);
    const outNames = this.#schedule().outputs.map(({ name }) => name);
    const outs = out === undefined ? [] : readTensors(out, outNames, 'output', false);
    names.forEach((name, i) => pointerOf(this.#heap, tensors[i], `the input ${nameText(name)}`));
    const schedule = this.#scheduleFor(/** @type {Tensor[]} */ (tensors));

    // check again: the build function may have disposed of something
    this.#check();
    const pointers = names.map((name, i) => pointerOf(this.#heap, tensors[i], `the input ${nameText(name)}`));

    return produceOutputs(this.#heap, schedule.outputs, outs, /** @type {Tensor[]} */ (tensors),
      (outputs) => this.#compute(schedule, pointers, outputs, work));
  }

  /**
   * Runs with arrays of pointers in the heap, and remembers what can be read afterwards.
   *
   * @param {Schedule} schedule
   * @param {number[]} inputs
   * @param {number[]} outputs
   * @param {(schedule: Schedule, inputs: number, outputs: number) => void} work
   */
  #compute(schedule, inputs, outputs, work) {
    const heap = this.#heap;
    const pointers = heap.scratch(4 * (inputs.length + outputs.length));
    heap.words(pointers, inputs.length + outputs.length).set([...inputs, ...outputs]);
    this.#latest = null;
    work(schedule, pointers, pointers + 4 * inputs.length);
    this.#latest = schedule;
    const factors = [...schedule.attention.values()].flatMap((attention) => Object.values(attention.factors));
    for (const readable of [...schedule.kept.values(), ...factors]) {
      if (!readable || !('input' in readable.source)) continue;
      const { input } = readable.source;
      this.#inputCopies.set(input, heap.floats(inputs[input], sizeOf(schedule.inputs[input].shape)).slice());
    }
  }

  /**
   * @param {Schedule} schedule
   * @param {number} inputs
   * @param {number} outputs
   * @param {number} first
   * @param {number} end
   */
  #run({ object: { pointer }, inputs: shapes }, inputs, outputs, first, end) {
    const { c, context } = this.#heap;
    checkStatus(c.dk_schedule_run(context, pointer, inputs, outputs, first, end),
      () => `${this.#label}: the network with ${inputsText(shapes)}`, REASONS);
  }

  /**
   * The numbers of a value of the latest run.
   *
   * @param {Readable} readable
   */
  #read({ shape, source }) {
    const heap = this.#heap;
    if ('constant' in source) return readConstant(heap, this.#pointer, source.constant, sizeOf(shape));
    if ('input' in source) return /** @type {Float32Array} */ (this.#inputCopies.get(source.input)).slice();
    const { pointer } = /** @type {Schedule} */ (this.#latest).object;
    return heap.scope((take) => {
      const numbers = take(4 * sizeOf(shape));
      checkStatus(heap.c.dk_schedule_read(pointer, source.kept, numbers), () => 'an inner value', REASONS);
      return heap.floats(numbers, sizeOf(shape)).slice();
    });
  }

  /**
   * The schedule for inputs of these shapes, which becomes the latest.
   *
   * @param {readonly Tensor[]} tensors
   * @returns {Schedule}
   */
  #scheduleFor(tensors) {
    const fits = (/** @type {Schedule} */ { inputs }) =>
      inputs.every(({ shape }, i) => sameShape(shape, shapeOf(tensors[i])));
    const latest = this.#schedule();
    if (fits(latest)) return latest;
    const place = this.#schedules.findIndex(fits);
    const schedule = place >= 0 ? this.#schedules.splice(place, 1)[0]
      : this.#plan(latest.inputs.map(({ name, shape }, i) => readInput(name, shapeOf(tensors[i]), shape)));
    this.#schedules.push(schedule);
    if (this.#schedules.length > MOST_SCHEDULES) this.#forget(/** @type {Schedule} */ (this.#schedules.shift()));
    return schedule;
  }

  /** @param {Schedule} schedule */
  #forget(schedule) {
    if (schedule === this.#latest) this.#latest = null;
    this.#parts.splice(this.#parts.indexOf(schedule.object), 1);
    this.#heap.discard(schedule.object);
  }

  /**
   * Plans for other sizes of the inputs.
   *
   * @param {NamedShape[]} inputs
   * @returns {Schedule}
   */
  #plan(inputs) {
    const text = () => `${this.#label}: the network cannot run with ${inputsText(inputs)}`;
    try {
      const plan = planGraph(this.#makeGraph(shapesOf(inputs)));
      checkConstants(this.#constants, plan.constants);
      if (this.#constants.some(({ stateName }) => stateName === undefined)) {
        checkNumbers(planGraph(this.#makeGraph(this.#first)).constants, plan.constants);
      }
      this.#check();
      const schedule = createSchedule(this.#heap, this.#pointer, plan, 'its plan');
      this.#parts.push(schedule.object);
      return schedule;
    } catch (error) {
      if (!isDynakernelError(error) || error.code === 'ERR_DISPOSED') throw error;
      throw new DynakernelError(error.code, `${text()}; it was made for ${
        inputsText(namedShapes(this.#first))}: ${error.message}`, { cause: error });
    }
  }
}

/**
 * Makes a network. Every door calls it.
 *
 * @param {Heap} heap of the runtime
 * @param {MakeGraph} makeGraph
 * @param {{ label: string }} options label: the call, for messages
 * @returns {Network}
 */
export function createNetwork(heap, makeGraph, { label }) {
  heap.checkOpen();
  const plan = planGraph(makeGraph(null));
  const pointer = createFrom(heap, plan.words, label,
    (description, length, result) => heap.c.dk_network_create(description, length, result));
  /** @type {CObject} */
  const object = { pointer, destroy: 'dk_network_destroy' };
  try {
    plan.constants.forEach(({ constant }, i) =>
      writeConstant(heap, pointer, i, /** @type {Float32Array} */ (constant)));
    const schedule = createSchedule(heap, pointer, plan, label);
    object.parts = [schedule.object];
    return new Network(heap, pointer, schedule, plan, makeGraph, label);
  } catch (error) {
    heap.discard(object);
    throw error;
  }
}
