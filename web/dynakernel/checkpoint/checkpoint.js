/**
 * Checkpoints as torch.save writes them: a zip archive with a pickle and one member for each storage, or,
 * before PyTorch 1.6, five pickles and then the storages.
 */
import { guarded } from '../boundary.js';
import { describeFile } from '../recognise.js';
import { given, messageOf } from '../errors.js';
import { isBuffer } from '../numbers.js';
import { checkpointWorld } from './objects.js';
import { PyObject, readPickle } from './pickle.js';
import { refusal } from './refusal.js';
import { findStateDict } from './state.js';
import { readTensor } from './tensors.js';
import { isZip, readZip } from './zip.js';

/** @typedef {import('../state.js').StateDict} StateDict */
/** @typedef {import('./objects.js').Storage} Storage */

/** The first pickle of the older format holds this number. */
const MAGIC = 0x1950a86a20f9469cfc6cn;

/**
 * Reads the weights out of a PyTorch checkpoint (.pth, .pt, .ckpt, .bin): the state dict, wherever the
 * training script keeps it (`state_dict`, `model`, `params_ema`, ...), without the prefixes `module.` and
 * `_orig_mod.`. Optimizers, settings and other objects beside it are skipped. No code in the file ever runs:
 * only PyTorch's tensor types and Python's dictionaries are known, all other names stay names.
 *
 * Numbers keep their type, but float16, bfloat16 and float8 become float32. Numbers that lie contiguous and
 * aligned in the file are views on the given bytes, not copies.
 *
 * @param {ArrayBuffer | ArrayBufferView} bytes the whole file
 * @returns {StateDict} what loadStateDict takes
 * @throws {import('../errors.js').DynakernelError} ERR_CHECKPOINT if the bytes are no checkpoint, are cut
 *   off or hold no state dict, or if a weight is of a type that cannot be converted
 * @example
 * const checkpoint = parseCheckpoint(await (await fetch('model.pth')).arrayBuffer());
 * block.loadStateDict(checkpoint, { prefix: 'backbone.stem.branch1.0.conv.' });
 */
export function parseCheckpoint(bytes) {
  return guarded('parseCheckpoint', () => readCheckpoint(bytes));
}

/** @param {unknown} bytes */
function readCheckpoint(bytes) {
  const file = asBytes(bytes);
  const { root, swapped } = isZip(file) ? readArchive(file) : readLegacy(file);
  const tensors = findStateDict(root);
  if (!tensors) throw refusal(`it holds no weights; it is ${describe(root)}`);
  return Object.fromEntries([...tensors].map(([name, tensor]) => [name, readTensor(name, tensor, swapped)]));
}

/** @param {unknown} bytes */
function asBytes(bytes) {
  if (!isBuffer(bytes) && !ArrayBuffer.isView(bytes)) {
    throw refusal(`expected the bytes of a file, as an ArrayBuffer or a view on one; got ${given(bytes)}`);
  }
  try {
    if (isBuffer(bytes)) return new Uint8Array(bytes, 0, bytes.byteLength);
    const { buffer, byteOffset, byteLength } = bytes;
    void new Uint8Array(buffer); // refuses a detached buffer, whose views say that they are empty
    return new Uint8Array(buffer, byteOffset, byteLength);
  } catch (error) {
    throw refusal(`the bytes cannot be read; a buffer that was transferred is detached: ${messageOf(error)}`);
  }
}

/** @param {Uint8Array} file */
function readArchive(file) {
  const members = readZip(file);
  // All members lie in one folder, whose name is anybody's choice.
  const pickle = [...members.keys()].find((name) => /(^|\/)data\.pkl$/.test(name));
  if (pickle === undefined) {
    throw refusal(`the archive has no data.pkl, so that it is none of torch.save; it has ${list([...members.keys()])}`);
  }
  const folder = pickle.slice(0, -'data.pkl'.length);
  const world = checkpointWorld((storage) => {
    storage.bytes = members.get(`${folder}data/${storage.key}`) ?? null;
  });
  const order = members.get(`${folder}byteorder`);
  const swapped = order !== undefined && new TextDecoder().decode(order.slice()).trim() === 'big';
  const { value } = readPickle(/** @type {Uint8Array} */ (members.get(pickle)), 0, world);
  return { root: value, swapped };
}

/** @param {Uint8Array} file */
function readLegacy(file) {
  if (file[0] !== 0x80) {
    const what = describeFile(file) || `the file begins with ${beginning(file)}`;
    throw refusal(`expected a file of torch.save; ${what}`);
  }
  /** @type {Map<string, Storage>} */
  const storages = new Map();
  const world = checkpointWorld((storage) => storages.set(storage.key, storage));
  const magic = readPickle(file, 0, world);
  if (magic.value !== MAGIC) {
    throw refusal('the file is a Python pickle, but not one of torch.save: ' +
      'save it in Python with torch.save(model.state_dict(), path)');
  }
  const protocol = readPickle(file, magic.end, world);
  const system = readPickle(file, protocol.end, world);
  const root = readPickle(file, system.end, world);
  const keys = readPickle(file, root.end, world);
  const info = system.value instanceof Map ? system.value : new Map();
  const swapped = info.get('little_endian') === false;
  readStorages(file, keys.end, keys.value, storages, swapped);
  return { root: root.value, swapped };
}

/**
 * The storages of the older format: each a count of elements, in 8 bytes, and the elements.
 *
 * @param {Uint8Array} file
 * @param {number} begin
 * @param {unknown} keys in their order
 * @param {Map<string, Storage>} storages
 * @param {boolean} swapped
 */
function readStorages(file, begin, keys, storages, swapped) {
  if (!Array.isArray(keys)) throw refusal('its list of storages is damaged');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let position = begin;
  for (const key of keys) {
    if (position + 8 > file.length) throw refusal('it is cut off before its numbers end');
    const count = Number(view.getBigUint64(position, !swapped));
    const storage = storages.get(String(key));
    const size = count * (storage?.type?.bytes ?? 1);
    position += 8;
    if (!(position + size <= file.length)) throw refusal('it is cut off before its numbers end');
    if (storage) storage.bytes = file.subarray(position, position + size);
    position += size;
  }
}

/** @param {unknown} root what a checkpoint without weights holds */
function describe(root) {
  if (root instanceof Map) return `a dictionary with ${list([...root.keys()].map(String))}`;
  if (root instanceof PyObject) return `an object of ${String(root.type)}`;
  if (Array.isArray(root)) return `a list of ${root.length}`;
  return given(root);
}

const MOST_NAMES = 8;

/** @param {string[]} names */
function list(names) {
  if (names.length === 0) return 'nothing';
  const shown = names.slice(0, MOST_NAMES).map((name) => given(name)).join(', ');
  return names.length > MOST_NAMES ? `${shown} and ${names.length - MOST_NAMES} more` : shown;
}

/** @param {Uint8Array} file */
const beginning = (file) =>
  Array.from(file.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
