/** The page's end of a connection to a worker: requests out, answers in. */
import { guarded, selfOf } from '../boundary.js';
import { DynakernelError, disposedError, messageOf } from '../errors.js';
import { PROTOCOL, SERVER, received } from './protocol.js';
import { makeRemoteClass } from './remote.js';
import { Canvases, pack } from './transfer.js';

/** @typedef {import('./protocol.js').Answer} Answer */
/** @typedef {import('./protocol.js').MemberKind} MemberKind */
/** @typedef {import('./protocol.js').Message} Message */
/** @typedef {import('./protocol.js').ObjectReference} ObjectReference */
/** @typedef {import('./protocol.js').SentError} SentError */
/** @typedef {import('./remote.js').RemoteClass} RemoteClass */
/** @typedef {import('./remote.js').RemoteObject} RemoteObject */
/** @typedef {import('./transfer.js').Parcel} Parcel */

/**
 * A Web Worker or a Worker of Node.
 *
 * @typedef {object} AnyWorker
 * @property {(message: unknown, transfer: any[]) => void} postMessage
 * @property {() => unknown} terminate
 * @property {() => void} [ref]
 * @property {() => void} [unref]
 * @property {(event: string, listener: (value: any) => void) => void} [on]
 * @property {(event: string, listener: (value: any) => void) => void} [off]
 * @property {(event: string, listener: (value: any) => void) => void} [addEventListener]
 * @property {(event: string, listener: (value: any) => void) => void} [removeEventListener]
 */

/** @typedef {{ resolve: (value: any) => void, reject: (error: unknown) => void }} Settlers */

/** An object of the worker: its connection, and its number there.
 * @type {WeakMap<object, { connection: Connection, object: number }>} */
const places = new WeakMap();

let connections = 0;

export class Connection {
  #number = ++connections;
  #worker;
  /** @type {Map<number, Settlers>} */
  #pending = new Map();
  #lastRequest = 0;
  /** The latest preparation of arguments that takes time. Later requests wait for it, because they are sent in order.
   * @type {Promise<void> | null} */
  #preparing = null;
  /** Why no more calls are possible.
   * @type {DynakernelError | null} */
  #ended = null;
  /** @type {Map<string, RemoteClass>} */
  #classes = new Map();
  /** The page's handles, by the number of the object in the worker.
   * @type {Map<number, WeakRef<RemoteObject>>} */
  #handles = new Map();
  /** How often the worker has sent each object.
   * @type {Map<number, { count: number }>} */
  #counts = new Map();
  #forgotten = new FinalizationRegistry((/** @type {{ object: number, tally: { count: number } }} */ held) =>
    this.#release(held));
  #canvases = new Canvases((canvas) => this.#post({ releasedCanvas: canvas }));
  /** @type {(() => void)[]} */
  #listeners = [];

  /** @param {AnyWorker} worker */
  constructor(worker) {
    this.#worker = worker;
  }

  /**
   * Waits until the worker serves.
   *
   * @param {string} failure what cannot be loaded if the worker does not start
   * @returns {Promise<void>}
   */
  open(failure) {
    return new Promise((resolve, reject) => {
      this.#pending.set(0, { resolve, reject });
      const notLoaded = (/** @type {unknown} */ why) =>
        this.end(new DynakernelError('ERR_LOAD', `${failure}${why ? `: ${messageOf(why)}` : ''}`, { cause: why }));
      const isStarting = () => this.#pending.has(0);
      const ended = (/** @type {string} */ how) => this.end(new DynakernelError('ERR_LOAD',
        `the worker of this runtime ${how}. loadInWorker() starts another`));

      this.#listen('message', (message) => this.#receive(message, ended));
      this.#listen('messageerror', () => ended('sent a message that cannot be read'));
      let last = '';
      if (this.#worker.on) {
        // Node reports first an error, then the end
        this.#listen('error', (error) => { last = messageOf(error); });
        this.#listen('exit', () => (isStarting() ? notLoaded(last) : ended(`has ended${last && `: ${last}`}`)));
      } else {
        // an error of a running worker does not end it; the browser's console shows it
        this.#listen('error', ({ message }) => { if (isStarting()) notLoaded(message); });
      }
      this.#post('hello');
    });
  }

  /**
   * Makes a request.
   *
   * @param {object | null} target null for the worker itself
   * @param {MemberKind} kind
   * @param {string} name
   * @param {unknown[]} args
   * @returns {Promise<any>}
   */
  request(target, kind, name, args) {
    return new Promise((resolve, reject) => {
      const object = target ? this.#numberOf(target, name) ?? SERVER : SERVER;
      // after the end, objects are disposed of
      if (this.#ended && name === 'dispose') return resolve(undefined);
      if (this.#ended && kind === 'get' && name === 'disposed') return resolve(true);
      if (this.#ended) throw this.#ended;
      const parcel = guarded(name, () =>
        pack(args, name, (value) => this.#numberOf(value, name), this.#canvases));
      const send = () => this.#send({ object, kind, name }, parcel, { resolve, reject });
      if (!this.#preparing && parcel.waits.length === 0) return send();

      // Elements take a while to read. What follows waits too.
      const ready = Promise.all([this.#preparing, ...parcel.waits]).then(send).catch(reject);
      const preparing = ready.finally(() => { if (this.#preparing === preparing) this.#preparing = null; });
      this.#preparing = preparing;
      return undefined;
    });
  }

  /**
   * Refuses all pending calls and later ones.
   *
   * @param {DynakernelError} error
   */
  end(error) {
    if (this.#ended) return;
    this.#ended = new DynakernelError('ERR_DISPOSED', `the runtime can no longer be used: ${error.message}`, { cause: error });
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    for (const stop of this.#listeners.splice(0)) stop();
    this.#worker.unref?.();
  }

  /** Ends the connection because its runtime was disposed. */
  close() {
    const error = disposedError('the runtime', false);
    this.end(error);
    this.#ended = error;
  }

  /**
   * The number of an object in this worker; undefined for other values.
   *
   * @param {object} value
   * @param {string} call
   */
  #numberOf(value, call) {
    const place = places.get(/** @type {object} */ (selfOf(value)));
    if (place && place.connection !== this) {
      throw new DynakernelError('ERR_CONFIG', `${call}: an argument belongs to another runtime; ` +
        'tensors and modules can only be used with the runtime that made them');
    }
    return place?.object;
  }

  /**
   * @param {{ object: number, kind: MemberKind, name: string }} request
   * @param {Parcel} parcel
   * @param {Settlers} settlers
   */
  #send({ object, kind, name }, { args, moved, firsts }, settlers) {
    if (this.#ended) throw this.#ended;
    const id = ++this.#lastRequest;
    try {
      this.#post({ id, target: object, kind, name, args }, [...moved]);
    } catch (error) {
      throw new DynakernelError('ERR_CONFIG', `${name}: an argument cannot be sent to a worker: ${messageOf(error)}`,
        { cause: error });
    }
    for (const reference of firsts) delete reference.surface;
    if (this.#pending.size === 0) this.#worker.ref?.(); // a pending call keeps a Node process alive
    this.#pending.set(id, settlers);
  }

  /**
   * @param {Message['body']} body
   * @param {Transferable[]} [moved]
   */
  #post(body, moved = []) {
    if (!this.#ended) this.#worker.postMessage({ dynakernel: this.#number, body }, moved);
  }

  /**
   * @param {any} message
   * @param {(how: string) => void} ended
   */
  #receive(message, ended) {
    const number = message?.dynakernel;
    if (number !== this.#number && number !== 0) return; // of another connection, or of the caller's own
    const { body } = message;
    if ('protocol' in body) return this.#ready(body, ended);
    const settlers = this.#pending.get(body.id);
    this.#pending.delete(body.id);
    if (this.#pending.size === 0) this.#worker.unref?.();
    if ('error' in body) settlers?.reject(errorFrom(body.error));
    else settlers?.resolve(received(body.value, (reference) => this.#handleOf(reference)));
  }

  /**
   * @param {{ protocol: number, lock: string | null }} greeting
   * @param {(how: string) => void} ended
   */
  #ready({ protocol, lock }, ended) {
    const opening = this.#pending.get(0);
    if (!opening) return;
    this.#pending.delete(0);
    if (protocol !== PROTOCOL) {
      opening.reject(new DynakernelError('ERR_LOAD', 'the worker has another version of dynakernel than the page'));
      return;
    }
    // No event tells that a worker has ended, but the lock that it holds becomes free.
    if (lock !== null) navigator.locks.request(lock, () => ended('has ended')).catch(() => {});
    opening.resolve(undefined);
  }

  /**
   * The handle of an object. An object that was sent before has the same handle.
   *
   * @param {ObjectReference} reference
   * @returns {RemoteObject}
   */
  #handleOf({ object, kind, description, constants }) {
    if (description) this.#classes.set(kind, makeRemoteClass(description));
    const known = this.#handles.get(object)?.deref();
    if (known) {
      /** @type {{ count: number }} */ (this.#counts.get(object)).count++;
      return known;
    }
    const Class = /** @type {RemoteClass} */ (this.#classes.get(kind));
    /** @type {RemoteObject} */
    const handle = new Class((memberKind, name, args) => this.request(handle, memberKind, name, args), constants);
    const tally = { count: 1 };
    places.set(handle, { connection: this, object });
    this.#handles.set(object, new WeakRef(handle));
    this.#counts.set(object, tally);
    this.#forgotten.register(handle, { object, tally });
    return handle;
  }

  /** @param {{ object: number, tally: { count: number } }} held */
  #release({ object, tally }) {
    // a newer handle of the object has a tally of its own
    if (this.#counts.get(object) === tally) {
      this.#counts.delete(object);
      this.#handles.delete(object);
    }
    this.#post({ released: object, count: tally.count });
  }

  /**
   * @param {string} event
   * @param {(value: any) => void} listener
   */
  #listen(event, listener) {
    const worker = this.#worker;
    if (worker.on) {
      worker.on(event, listener);
      this.#listeners.push(() => worker.off?.(event, listener));
    } else {
      const unwrap = (/** @type {any} */ value) => listener(event === 'message' ? value.data : value);
      worker.addEventListener?.(event, unwrap);
      this.#listeners.push(() => worker.removeEventListener?.(event, unwrap));
    }
  }
}

/** @param {SentError} error */
const errorFrom = ({ code, message, cause }) =>
  new DynakernelError(code, message, cause === undefined ? undefined : { cause: new Error(cause) });
