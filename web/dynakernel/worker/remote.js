/** The page's side of the objects in a worker: classes with the same members, which return promises. */
import { DISPOSE, rememberSelf, selfOf } from '../boundary.js';
import { DynakernelError } from '../errors.js';

/** @typedef {import('./protocol.js').Description} Description */
/** @typedef {import('./protocol.js').MemberKind} MemberKind */
/** @typedef {(kind: MemberKind, name: string, args: unknown[]) => Promise<any>} Ask */
/** @typedef {new (ask: Ask, constants: { [name: string]: unknown }) => RemoteObject} RemoteClass */

/** An object in a worker. Its class, which makeRemoteClass makes, has the members of the object's own class. */
export class RemoteObject {
  #ask;

  /**
   * Makes a request to an object, which may be behind a Proxy.
   *
   * @param {RemoteObject} remote
   * @param {MemberKind} kind
   * @param {string} name
   * @param {unknown[]} args
   */
  static async ask(remote, kind, name, args) {
    const self = selfOf(remote);
    if (!(self instanceof RemoteObject)) {
      throw new DynakernelError('ERR_CONFIG', `${name}: the method was called on another object`);
    }
    return self.#ask(kind, name, args);
  }

  /**
   * @param {Ask} ask
   * @param {{ [name: string]: unknown }} constants
   */
  constructor(ask, constants) {
    rememberSelf(this, { close() {} }); // it has no heap
    this.#ask = ask;
    Object.assign(this, constants);
  }

  /**
   * Sets a property of the object in the worker, such as requiresGrad.
   *
   * @param {string} name
   * @param {unknown} value
   * @returns {Promise<void>}
   */
  set(name, value) {
    return RemoteObject.ask(this, 'set', name, [value]);
  }

  [DISPOSE]() {
    /** @type {any} */ (this).dispose().catch(() => {}); // `using` does not wait
  }
}

const { ask } = RemoteObject;

/**
 * @param {Description} description
 * @returns {RemoteClass}
 */
export function makeRemoteClass({ name, members }) {
  class Remote extends RemoteObject {}
  for (const [member, kind] of Object.entries(members)) {
    Object.defineProperty(Remote.prototype, member, kind === 'call' ? methodOf(member) : propertyOf(member, kind));
  }
  Object.defineProperty(Remote, 'name', { value: name });
  // Vue makes no Proxies of objects that have their own tag
  Object.defineProperty(Remote.prototype, Symbol.toStringTag, { value: name });
  return Remote;
}

/**
 * @param {string} name
 * @returns {PropertyDescriptor & ThisType<RemoteObject>}
 */
const methodOf = (name) => ({
  configurable: true,
  writable: true,
  value(/** @type {unknown[]} */ ...args) {
    return ask(this, 'call', name, args);
  },
});

/**
 * @param {string} name
 * @param {MemberKind} kind
 * @returns {PropertyDescriptor & ThisType<RemoteObject>}
 */
const propertyOf = (name, kind) => ({
  configurable: true,
  get() {
    return ask(this, 'get', name, []);
  },
  set() {
    throw new DynakernelError('ERR_CONFIG', kind === 'set'
      ? `${name} is set in a worker: await object.set('${name}', value)` : `${name} cannot be set`);
  },
});
