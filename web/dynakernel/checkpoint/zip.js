/**
 * The zip archives that torch.save writes: members are stored without compression, so that each is a view
 * on the file. Zip64 is read; compressed, encrypted and split archives are refused.
 */
import { given } from '../errors.js';
import { refusal } from './refusal.js';

/** @typedef {Map<string, Uint8Array>} Members the files of an archive by their names */

const END = 0x06054b50;
const END_64 = 0x06064b50;
const END_64_LOCATOR = 0x07064b50;
const DIRECTORY = 0x02014b50;
const LOCAL = 0x04034b50;

const END_BYTES = 22;
const LONGEST_COMMENT = 0xffff;

/** @param {Uint8Array} file whether it begins as an archive does */
export const isZip = (file) => file[0] === 0x50 && file[1] === 0x4b &&
  ((file[2] === 3 && file[3] === 4) || (file[2] === 5 && file[3] === 6));

/**
 * Reads the directory of an archive.
 *
 * @param {Uint8Array} file
 * @returns {Members}
 * @throws {import('../errors.js').DynakernelError} ERR_CHECKPOINT
 */
export function readZip(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const { count, offset } = findDirectory(view);
  /** @type {Members} */
  const members = new Map();
  let position = offset;
  for (let i = 0; i < count; i++) {
    need(view, position, 46, 'its directory');
    if (view.getUint32(position, true) !== DIRECTORY) throw refusal('the directory of the archive is damaged');
    const entry = readEntry(view, position);
    members.set(entry.name, memberOf(view, file, entry));
    position = entry.end;
  }
  return members;
}

/**
 * Where the directory lies, and how many entries it has. It is found from the end of the file.
 *
 * @param {DataView} view
 */
function findDirectory(view) {
  const last = view.byteLength - END_BYTES;
  for (let end = last; end >= 0 && end >= last - LONGEST_COMMENT; end--) {
    if (view.getUint32(end, true) !== END) continue;
    const count = view.getUint16(end + 10, true), offset = view.getUint32(end + 16, true);
    if (count !== 0xffff && offset !== 0xffffffff) return { count, offset };
    // The locator of the 64-bit directory lies just before.
    need(view, end - 20, 20, 'its 64-bit directory');
    if (view.getUint32(end - 20, true) !== END_64_LOCATOR) return { count, offset };
    const end64 = readLong(view, end - 12);
    need(view, end64, 56, 'its 64-bit directory');
    if (view.getUint32(end64, true) !== END_64) throw refusal('the 64-bit directory of the archive is damaged');
    return { count: readLong(view, end64 + 32), offset: readLong(view, end64 + 48) };
  }
  throw refusal('the archive has no directory at its end: the file is cut off');
}

/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {number} method 0: stored
 * @property {number} flags
 * @property {number} size bytes
 * @property {number} offset of the local header
 * @property {number} end where the next entry begins
 */

/**
 * @param {DataView} view
 * @param {number} position
 * @returns {Entry}
 */
function readEntry(view, position) {
  const nameBytes = view.getUint16(position + 28, true), extraBytes = view.getUint16(position + 30, true);
  const commentBytes = view.getUint16(position + 32, true);
  const nameBegin = position + 46, extraBegin = nameBegin + nameBytes;
  const end = extraBegin + extraBytes + commentBytes;
  need(view, nameBegin, end - nameBegin, 'its directory');
  const entry = {
    name: new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + nameBegin, nameBytes)),
    method: view.getUint16(position + 10, true),
    flags: view.getUint16(position + 8, true),
    size: view.getUint32(position + 24, true),
    offset: view.getUint32(position + 42, true),
    end,
  };
  // The extra field of zip64 has the numbers that did not fit, in this order.
  for (let field = extraBegin; field + 4 <= extraBegin + extraBytes;) {
    const id = view.getUint16(field, true), bytes = view.getUint16(field + 2, true);
    let value = field + 4;
    if (id === 1) {
      const fieldEnd = Math.min(value + bytes, extraBegin + extraBytes);
      const next = () => {
        if (value + 8 > fieldEnd) throw refusal(`the entry ${given(entry.name)} of the archive is damaged`);
        value += 8;
        return readLong(view, value - 8);
      };
      if (entry.size === 0xffffffff) entry.size = next();
      if (view.getUint32(position + 20, true) === 0xffffffff) next(); // the compressed size
      if (entry.offset === 0xffffffff) entry.offset = next();
    }
    field += 4 + bytes;
  }
  return entry;
}

/**
 * The bytes of a member.
 *
 * @param {DataView} view
 * @param {Uint8Array} file
 * @param {Entry} entry
 */
function memberOf(view, file, { name, method, flags, size, offset }) {
  if (flags & 1) throw refusal(`${given(name)} in the archive is encrypted`);
  if (method !== 0) {
    throw refusal(`${given(name)} in the archive is compressed, which torch.save never does: ` +
      'unpack the archive and load the .pth file in it, or save the checkpoint again');
  }
  need(view, offset, 30, given(name));
  if (view.getUint32(offset, true) !== LOCAL) throw refusal(`${given(name)} in the archive is damaged`);
  const begin = offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  need(view, begin, size, given(name));
  return file.subarray(begin, begin + size);
}

/**
 * @param {DataView} view
 * @param {number} position
 */
function readLong(view, position) {
  const value = view.getBigUint64(position, true);
  return value > Number.MAX_SAFE_INTEGER ? Infinity : Number(value);
}

/**
 * Refuses a place outside the file.
 *
 * @param {DataView} view
 * @param {number} position
 * @param {number} bytes
 * @param {string} what
 */
function need(view, position, bytes, what) {
  if (position >= 0 && position + bytes <= view.byteLength) return;
  throw refusal(`the archive says that ${what} lies beyond its end: the file is cut off or damaged`);
}
