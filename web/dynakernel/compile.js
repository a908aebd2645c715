/** Compiles a module from the package's own file or from the caller's source. */
import { DynakernelError, given, messageOf } from './errors.js';
import { compilerHint, noAddress, notDeployed, notReached, whyNotWasm } from './hints.js';
import { isPage, nodeModule, nodeVersion } from './host.js';
import { className, isBuffer } from './numbers.js';

/** @typedef {import('./files.js').Build} Build */

/**
 * What messages need to know of a source.
 *
 * @typedef {object} Source
 * @property {string} name in error messages
 * @property {boolean} shipped whether the file comes with the package
 * @property {AbortSignal | undefined} signal
 */

/**
 * @param {import('./start.js').Files} files
 * @param {Build} build
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<{ module: WebAssembly.Module, name: string }>}
 * @throws {DynakernelError} ERR_LOAD
 */
export async function compileShipped(files, build, signal) {
  let file;
  try {
    file = files.shippedFile(build);
  } catch (error) {
    throw notLoaded(`the address of dynakernel-${build}.wasm is unknown: the bundle has no usable ` +
      'import.meta.url', noAddress(), error);
  }
  const name = file instanceof Uint8Array ? `dynakernel-${build}.wasm` : file.href;
  return { name, module: await compile(file, { name, shipped: true, signal }) };
}

/**
 * @param {unknown} wasm
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<{ module: WebAssembly.Module, name: string }>}
 * @throws {DynakernelError} ERR_LOAD; ERR_CONFIG if wasm is not a source
 */
export async function compileGiven(wasm, signal) {
  const name = sourceName(wasm);
  return { name, module: await compile(wasm, { name, shipped: false, signal }) };
}

/** @param {unknown} source */
function sourceName(source) {
  if (typeof source === 'string') return source;
  if (className(source) === 'URL') return /** @type {URL} */ (source).href;
  if (className(source) === 'Response') return /** @type {Response} */ (source).url || 'the response';
  return `the given ${className(source)}`;
}

/**
 * @param {unknown} value
 * @param {Source} source
 * @returns {Promise<WebAssembly.Module>}
 */
async function compile(value, source) {
  if (className(value) === 'WebAssembly.Module') return /** @type {WebAssembly.Module} */ (value);
  if (isBuffer(value) || ArrayBuffer.isView(value)) return compileBytes(bytesOf(value), source);
  if (className(value) === 'Response') {
    return compileResponse(/** @type {Response} */ (value), source);
  }
  if (typeof value !== 'string' && className(value) !== 'URL') {
    throw new DynakernelError('ERR_CONFIG', 'load: wasm must be a URL, a Response, an ArrayBuffer or ' +
      `a WebAssembly.Module; got ${given(value)}`);
  }
  const url = resolve(/** @type {string | URL} */ (value));
  if (isFile(url)) return compileBytes(readFile(url, source), source);
  const response = await fetch(url, { signal: source.signal })
    .catch((error) => {
      throw notLoaded(`${source.name} could not be fetched: ${messageOf(error)}`, notReached(url), error);
    });
  return compileResponse(response, source);
}

/**
 * The bytes of a buffer or of any view, not shared: some engines do not compile a DataView, and none
 * compiles shared memory.
 *
 * @param {ArrayBufferLike | ArrayBufferView} value
 * @returns {Uint8Array<ArrayBuffer>}
 */
function bytesOf(value) {
  try {
    const bytes = ArrayBuffer.isView(value)
      ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
      : new Uint8Array(value);
    return /** @type {any} */ (className(bytes.buffer) === 'ArrayBuffer' ? bytes : bytes.slice());
  } catch {
    throw new DynakernelError('ERR_CONFIG',
      `load: wasm must have bytes; the buffer of the given ${className(value)} was transferred ` +
      '(to a worker, for example)');
  }
}

/**
 * Compiles while the bytes arrive if they have the type application/wasm, as browsers demand. Otherwise
 * compiles all bytes at the end.
 *
 * @param {Response} response
 * @param {Source} source
 */
async function compileResponse(response, source) {
  const { name, shipped } = source;
  if (!response.ok) {
    throw notLoaded(`${name} could not be fetched: the server returned ${response.status} ` +
      response.statusText, shipped && notDeployed());
  }
  const type = response.headers.get('content-type') ?? 'no type';
  let bytes;
  try {
    // browsers compile a stream only if it has this type
    if (type === 'application/wasm' && typeof WebAssembly.compileStreaming === 'function') {
      const copy = response.clone(); // for the error message
      try {
        const module = await WebAssembly.compileStreaming(response);
        copy.body?.cancel();
        return module;
      } catch {
        response = copy;
      }
    }
    // otherwise compile all bytes, which also tells what else they are
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw notLoaded(`${name} could not be read: ${messageOf(error)}`, null, error);
  }
  return compileBytes(bytes, source, ` (it came as ${type})`);
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {Source} source
 * @param {string} [detail] how the bytes came
 */
async function compileBytes(bytes, { name, shipped }, detail = '') {
  const fault = whyNotWasm(bytes);
  if (fault) {
    throw notLoaded(`${name} is not a WebAssembly module${detail}: ${fault}`, shipped && notDeployed());
  }
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    const message = messageOf(error);
    throw notLoaded(`${name} could not be compiled${detail}: ${message}`, compilerHint(message), error);
  }
}

/**
 * A URL, relative to the page if there is one. In Node, a string that is not a URL is a path. A string
 * that begins with a Windows drive is a path too, although it looks like a URL.
 *
 * @param {string | URL} source
 * @returns {string | URL}
 */
function resolve(source) {
  if (typeof source === 'string' && /^[a-z]:[\\/]/i.test(source)) return source;
  try {
    return new URL(source, globalThis.document?.baseURI ?? globalThis.location?.href);
  } catch {
    return source;
  }
}

/**
 * Whether Node reads the source as a file. An Electron page without Node's modules fetches it.
 *
 * @param {string | URL} url
 */
const isFile = (url) => nodeVersion() !== undefined &&
  (typeof url === 'string' || url.protocol === 'file:') &&
  !(isPage() && nodeModule('node:fs') === undefined);

/**
 * Reads a file in Node, whose fetch reads no files. It blocks: a thread is not worth 100 kB.
 *
 * @param {string | URL} path
 * @param {Source} source
 * @returns {Uint8Array<ArrayBuffer>}
 */
function readFile(path, { name, shipped }) {
  /** @type {typeof import('node:fs') | undefined} */
  const fs = nodeModule('node:fs');
  if (!fs) {
    throw notLoaded(`${name} could not be read: dynakernel needs Node 20.16 or newer ` +
      `(process.getBuiltinModule); this is ${nodeVersion()}`);
  }
  try {
    return fs.readFileSync(path);
  } catch (error) {
    const isMissing = /** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT';
    throw notLoaded(`${name} could not be read: ${messageOf(error)}`,
      shipped && isMissing && notDeployed(), error);
  }
}

/**
 * The message's first line states the fault, the second says what to do.
 *
 * @param {string} what
 * @param {string | false | null} [hint]
 * @param {unknown} [cause]
 */
const notLoaded = (what, hint, cause) => new DynakernelError('ERR_LOAD',
  hint ? `${what.trim()}.\n${hint}` : what.trim(), cause === undefined ? undefined : { cause });
