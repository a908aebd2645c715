/** The worker's end of connections: it makes the calls that pages ask for, and keeps the objects that they hold. */
import { isOfLibrary, selfOf } from '../boundary.js';
import { DynakernelError, disposedError, given, isDynakernelError, messageOf } from '../errors.js';
import { nodeModule } from '../host.js';
import { className, isBuffer } from '../numbers.js';
import { CONSTANTS, PROTOCOL, SERVER, copied, received, referring, sent } from './protocol.js';

/** @typedef {import('../load.js').LoadOptions} LoadOptions */
/** @typedef {import('../runtime.js').Runtime} Runtime */
/** @typedef {import('./protocol.js').MemberKind} MemberKind */
/** @typedef {import('./protocol.js').Message} Message */
/** @typedef {import('./protocol.js').Request} Request */
/** @typedef {import('./protocol.js').SentError} SentError */
/** @typedef {import('./serve.js').ServeOptions} ServeOptions */
/** @typedef {import('./serve.js').WorkerFunctions} WorkerFunctions */

/** The worker's end of its messages: in Node the parent's port.
 * @typedef {{ postMessage: (message: Message, transfer?: Transferable[]) => void }} Port */

/**
 * Answers the messages of pages.
 *
 * @param {ServeOptions['load']} load
 * @param {WorkerFunctions} functions
 */
export function listen(load, functions) {
  const { parentPort } = nodeModule('node:worker_threads') ?? {};
  /** @type {Port} */
  const port = parentPort ?? globalThis;
  /** @type {Map<number, Session>} */
  const sessions = new Map();
  const answer = (/** @type {any} */ message) => {
    const number = message?.dynakernel;
    if (typeof number !== 'number') return; // a message of the caller's own
    if (message.body === 'hello') {
      sessions.set(number, new Session(port, number, load, functions));
      greet(port, parentPort);
    } else {
      sessions.get(number)?.receive(message.body);
    }
  };
  if (parentPort) parentPort.on('message', answer);
  else globalThis.addEventListener('message', ({ data }) => answer(data));
}

/**
 * Says that the worker serves. In a browser the page is told a lock that this worker holds until it ends.
 *
 * @param {Port} port
 * @param {unknown} parentPort
 */
function greet(port, parentPort) {
  const say = (/** @type {string | null} */ lock) =>
    port.postMessage({ dynakernel: 0, body: { protocol: PROTOCOL, lock } });
  const locks = parentPort ? undefined : globalThis.navigator?.locks;
  if (!locks) return say(null);
  const name = `dynakernel-${Math.random()}`;
  const held = () => new Promise(() => say(name));
  return locks.request(name, held).catch(() => say(null)); // pages without an origin have no locks
}

/** The objects that one page holds. */
class Session {
  #port;
  #number;
  #functions;
  #server;
  /** @type {Map<number, { object: object, count: number }>} */
  #objects = new Map();
  /** @type {WeakMap<object, number>} */
  #numbers = new WeakMap();
  #lastNumber = SERVER;
  /** The classes that the page knows.
   * @type {Set<string>} */
  #described = new Set();
  /** @type {Map<number, OffscreenCanvas>} */
  #canvases = new Map();
  /** @type {Runtime | null} */
  #runtime = null;

  /**
   * @param {Port} port
   * @param {number} number of the connection
   * @param {ServeOptions['load']} load
   * @param {WorkerFunctions} functions
   */
  constructor(port, number, load, functions) {
    this.#port = port;
    this.#number = number;
    this.#functions = functions;
    this.#server = { load: (/** @type {LoadOptions} */ options) => this.#load(load, options) };
  }

  /**
   * @param {ServeOptions['load']} load
   * @param {LoadOptions} options
   */
  async #load(load, options) {
    const runtime = await load(options);
    const taken = Object.keys(this.#functions).find((name) => name in runtime);
    if (taken !== undefined) {
      runtime.dispose();
      throw new DynakernelError('ERR_CONFIG', `serve: a runtime has ${given(taken)} itself; give the function another name`);
    }
    this.#runtime = runtime;
    return runtime;
  }

  /** @param {any} message a request or a release */
  async receive(message) {
    if ('released' in message) return this.#release(message.released, message.count);
    if ('releasedCanvas' in message) return void this.#canvases.delete(message.releasedCanvas);
    const { id, name } = /** @type {Request} */ (message);
    /** @type {Set<Transferable>} */
    const moved = new Set();
    /** @type {any} */
    let answer;
    try {
      let result = this.#run(message);
      if (result instanceof Promise) result = await result;
      answer = { id, value: sent(result, (value) => this.#leaf(value, name, moved)) };
    } catch (error) {
      answer = { id, error: sentError(error, name) };
    }
    try {
      this.#port.postMessage({ dynakernel: this.#number, body: answer }, [...moved]);
    } catch (error) {
      const refusal = new DynakernelError('ERR_CONFIG', `${name}: the result cannot be sent: ${messageOf(error)}`);
      this.#port.postMessage({ dynakernel: this.#number, body: { id, error: sentError(refusal, name) } });
    }
    return undefined;
  }

  /**
   * @param {Request} request
   * @returns {unknown}
   */
  #run({ target, kind, name, args }) {
    const object = target === SERVER ? this.#server : this.#find({ object: target });
    /** @type {(ImageBitmap | VideoFrame)[]} */
    const pictures = [];
    const values = received(args, (reference) => this.#find(reference, pictures));
    const close = () => pictures.forEach((picture) => picture.close());
    let result;
    try {
      if (kind === 'get') result = object[name];
      else if (kind === 'set') [object[name]] = values;
      else if (object === this.#runtime && Object.hasOwn(this.#functions, name)) result = this.#call(name, values);
      else result = object[name](...values);
    } finally {
      if (!(result instanceof Promise)) close();
    }
    return result instanceof Promise ? result.finally(close) : result;
  }

  /**
   * Calls a function of the worker.
   *
   * @param {string} name
   * @param {unknown[]} args
   */
  #call(name, args) {
    return this.#functions[name](/** @type {Runtime} */ (this.#runtime), .../** @type {never[]} */ (args));
  }

  /**
   * @param {any} reference
   * @param {(ImageBitmap | VideoFrame)[]} [pictures] collects the pictures of this call
   * @returns {any}
   */
  #find({ object, canvas, surface, picture }, pictures) {
    if (picture) {
      pictures?.push(picture);
      return picture;
    }
    if (canvas !== undefined) {
      if (surface) this.#canvases.set(canvas, surface);
      return this.#canvases.get(canvas);
    }
    const held = this.#objects.get(object);
    if (!held) throw disposedError('the object', false);
    return held.object;
  }

  /**
   * What stands for an object in an answer.
   *
   * @param {any} value
   * @param {string} call
   * @param {Set<Transferable>} moved
   * @returns {unknown}
   */
  #leaf(value, call, moved) {
    if (typeof value === 'object' && isOfLibrary(value)) return this.#reference(selfOf(value));
    if (ArrayBuffer.isView(value)) {
      // a part of a buffer, such as a view on the heap, must not take the rest with it
      const whole = value.byteLength === value.buffer.byteLength && className(value.buffer) === 'ArrayBuffer';
      const bytes = whole ? value : copied(value);
      moved.add(/** @type {ArrayBuffer} */ (bytes.buffer));
      return bytes;
    }
    if (className(value) === 'ArrayBuffer' && isBuffer(value)) {
      moved.add(/** @type {ArrayBuffer} */ (value));
      return value;
    }
    if (className(value) === 'ImageData') return value;
    if (className(value) === 'ImageBitmap') {
      moved.add(value);
      return value;
    }
    throw new DynakernelError('ERR_CONFIG', `${call}: the result contains ${given(value)}, which cannot be sent`);
  }

  /** @param {any} object */
  #reference(object) {
    let number = this.#numbers.get(object);
    if (number === undefined) this.#numbers.set(object, number = ++this.#lastNumber);
    const held = this.#objects.get(number) ?? { object, count: 0 };
    held.count++;
    this.#objects.set(number, held);
    const kind = className(object);
    const description = this.#described.has(kind) ? undefined : this.#describe(object, kind);
    this.#described.add(kind);
    const constants = Object.fromEntries(CONSTANTS.filter((name) => name in object).map((name) => [name, object[name]]));
    return referring({ object: number, kind, description, constants });
  }

  /**
   * @param {object} object
   * @param {string} name of its class
   * @returns {import('./protocol.js').Description}
   */
  #describe(object, name) {
    /** @type {{ [member: string]: MemberKind }} */
    const members = {};
    for (let prototype = Object.getPrototypeOf(object); prototype !== Object.prototype;
      prototype = Object.getPrototypeOf(prototype)) {
      for (const [member, { value, set }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
        if (member !== 'constructor') members[member] ??= value ? 'call' : set ? 'set' : 'get';
      }
    }
    for (const constant of CONSTANTS) delete members[constant];
    if (object === this.#runtime) for (const call of Object.keys(this.#functions)) members[call] = 'call';
    return { name, members };
  }

  /**
   * @param {number} number
   * @param {number} count how often the page had received the object
   */
  #release(number, count) {
    const held = this.#objects.get(number);
    if (held && (held.count -= count) <= 0) this.#objects.delete(number);
  }
}

/**
 * @param {unknown} error
 * @param {string} call
 * @returns {SentError}
 */
function sentError(error, call) {
  if (!isDynakernelError(error)) return { code: 'ERR_CONFIG', message: `${call} threw: ${messageOf(error)}` };
  const { code, message, cause } = error;
  return { code, message, ...cause === undefined ? {} : { cause: messageOf(cause) } };
}
