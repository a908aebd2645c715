// Reading the safetensors format, and refusing other bytes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseSafetensors, toSafetensors } from '../../web/dynakernel/index.js';
import { assertRefused } from '../helpers.mjs';

/** A file with this header, an object or text, and this number of bytes. */
function file(header, size = 0, { length } = {}) {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(length ?? json.length));
  return Buffer.concat([prefix, json, Buffer.alloc(size)]);
}

const entry = (dtype, shape, begin, end) => ({ dtype, shape, data_offsets: [begin, end] });

/** Asserts that a file is refused. */
const refused = (bytes, ...words) => assertRefused(() => parseSafetensors(bytes), 'ERR_SAFETENSORS', ...words);

test('a file that PyTorch wrote', () => {
  const url = new URL('../fixtures/golden/rgb_3x3.safetensors', import.meta.url);
  const parsed = parseSafetensors(readFileSync(url));
  assert.deepEqual(parsed.input.shape, [2, 3, 19, 23]);
  assert.equal(parsed.input.dtype, 'F32');
  assert.ok(parsed.input.data instanceof Float32Array);
  assert.ok(parsed['attention.bn.num_batches_tracked'].data instanceof BigInt64Array);
  assert.equal(JSON.parse(parsed.__metadata__.config).kernel_size, 3);
  assert.ok(!Object.keys(parsed).includes('__metadata__'));
});

test('every type', () => {
  const sizes = {
    F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2,
    F8_E4M3: 1, F8_E5M2: 1, I8: 1, U8: 1, BOOL: 1,
  };
  for (const [dtype, size] of Object.entries(sizes)) {
    const { a } = parseSafetensors(file({ a: entry(dtype, [3], 0, 3 * size) }, 3 * size));
    assert.equal(a.dtype, dtype);
    assert.equal(a.data.BYTES_PER_ELEMENT, size, dtype);
    assert.equal(a.data.length, 3, dtype);
  }
  for (const dtype of ['F12', 'toString', 'NOT_A_TYPE', 'f32', '', 'F32 ', 32, null, undefined]) {
    refused(file({ a: entry(dtype, [3], 0, 12) }, 12), '"a"', 'F32', typeof dtype === 'string' ? JSON.stringify(dtype) : `${dtype}`);
  }
});

test('types without numbers in JavaScript are listed with their bytes, and written again', () => {
  for (const [dtype, shape, bytes] of [
    ['C64', [2], 16], ['F8_E8M0', [8], 8], ['F8_E4M3FNUZ', [3], 3], ['F8_E5M2FNUZ', [3], 3], ['F6_E2M3', [4], 3],
    ['F6_E3M2', [2, 2], 3], ['F4', [2, 3], 3], ['I4', [5], 3], ['F128', [2], 32], ['F8_E3M4', [4], 4],
  ]) {
    const header = { a: entry('F32', [1], 0, 4), b: entry(dtype, shape, 4, 4 + bytes) };
    const content = file(header, 4 + bytes);
    content.fill(7, content.length - bytes);
    const parsed = parseSafetensors(content);
    assert.deepEqual(parsed.b, { dtype, shape, data: new Uint8Array(bytes).fill(7) }, dtype);
    assert.deepEqual({ ...parseSafetensors(toSafetensors(parsed)).b }, { ...parsed.b }, dtype);
  }
  // a known type must fill whole bytes
  refused(file({ a: entry('C64', [2], 0, 8) }, 8), '16 bytes', 'span 8');
  refused(file({ a: entry('F4', [3], 0, 2) }, 2), '12 bits', 'not whole bytes');
  assertRefused(() => toSafetensors({ a: { shape: [3], data: new Uint8Array(8), dtype: 'C64' } }), 'ERR_SAFETENSORS', '8 bytes', '24');
});

test('scalars, empty arrays, an empty file, spaces after the header', () => {
  const parsed = parseSafetensors(file({ s: entry('F32', [], 0, 4), e: entry('F32', [0, 5], 4, 4) }, 4));
  assert.equal(parsed.s.data.length, 1);
  assert.equal(parsed.e.data.length, 0);
  assert.deepEqual(Object.keys(parseSafetensors(file('{}    '))), []);
});

/** A file with one float, 2.5. Spaces before it change its alignment. */
function padded(pad) {
  const bytes = file(JSON.stringify({ a: entry('F32', [1], 0, 4) }) + ' '.repeat(pad), 4);
  bytes.writeFloatLE(2.5, bytes.length - 4);
  return Uint8Array.from(bytes); // at offset 0 of its buffer
}
const unaligned = [0, 1, 2, 3].map(padded).find((bytes) => bytes.length % 4 !== 0);

test('aligned arrays are views, others are copies', () => {
  for (const pad of [0, 1, 2, 3, 4, 5, 6, 7]) {
    const whole = padded(pad);
    const { a } = parseSafetensors(whole);
    assert.deepEqual({ ...a }, { dtype: 'F32', shape: [1], data: Float32Array.of(2.5) });
    assert.equal(a.data, a.data, 'the same array each time');
    assert.equal(a.data.buffer === whole.buffer, (whole.length - 4) % 4 === 0, `pad ${pad}`);
  }
});

test('the first use of data copies it', () => {
  const whole = Uint8Array.from(unaligned);
  const { a } = parseSafetensors(whole);
  new DataView(whole.buffer).setFloat32(whole.length - 4, 7, true);
  assert.equal(a.data[0], 7);
  new DataView(whole.buffer).setFloat32(whole.length - 4, 9, true);
  assert.equal(a.data[0], 7);
  a.data = Float32Array.of(1);
  assert.equal(a.data[0], 1, 'an entry can be changed as any object');

  const gone = Uint8Array.from(unaligned);
  const late = parseSafetensors(gone);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  assertRefused(() => late.a.data, 'ERR_SAFETENSORS', '"a"', 'transferred');
});

test('buffers that were transferred, or that are resizable', () => {
  const { buffer } = Uint8Array.from(unaligned);
  const view = new Uint8Array(buffer);
  structuredClone(buffer, { transfer: [buffer] });
  for (const bytes of [buffer, view]) refused(bytes, 'detached');

  const resizable = new ArrayBuffer(unaligned.length, { maxByteLength: 2 * unaligned.length });
  new Uint8Array(resizable).set(unaligned);
  const { a } = parseSafetensors(resizable);
  resizable.resize(10);
  assertRefused(() => a.data, 'ERR_SAFETENSORS', 'shorter');
});

test('bytes in every kind of view', () => {
  const bytes = toSafetensors({ a: { shape: [2], data: Float32Array.of(1, 2) } });
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  const shared = new SharedArrayBuffer(bytes.length);
  new Uint8Array(shared).set(bytes);
  for (const source of [
    bytes, bytes.buffer, new DataView(bytes.buffer), Buffer.from(bytes), shifted.subarray(3), shared,
  ]) {
    assert.deepEqual([...parseSafetensors(source).a.data], [1, 2]);
  }
  for (const source of [undefined, null, 'path.safetensors', [1, 2], {}]) refused(source, 'ArrayBuffer');
});

test('an impossible header length', () => {
  refused(new Uint8Array(0), '0 bytes');
  refused(new Uint8Array(7), '7 bytes');
  refused(file('{}', 0, { length: 3 }), '3 bytes');
  refused(file('{}', 0, { length: 2n ** 63n }), String(2n ** 63n));
  refused(file('{}', 0, { length: 100_000_001 }), '100000000');
  for (let size = 0; size < 60; size++) { // every truncation of a whole file
    const bytes = toSafetensors({ a: { shape: [1], data: Float32Array.of(1) } });
    assert.ok(bytes.length > 60);
    refused(bytes.subarray(0, size));
  }
});

test('a header that is not a JSON object', () => {
  refused(file(''), 'JSON');
  refused(file('{"a":'), 'JSON');
  refused(file('[]'), 'object');
  refused(file(' {}'), 'begin with {');
  refused(file('\ufeff{}'), 'JSON');
  refused(Buffer.concat([file('', 0, { length: 3 }), Buffer.from([0x7b, 0xff, 0x7d])]), 'UTF-8');
});

test('shapes and offsets that contradict each other', () => {
  refused(file({ a: entry('F32', [2], 0, 4) }, 4), '"a"', '[2]', '8 bytes', 'span 4');
  refused(file({ a: entry('F32', [-1], 0, 4) }, 4), 'shape', '[-1]');
  refused(file({ a: entry('F32', [1.5], 0, 6) }, 6), 'shape');
  refused(file({ a: entry('F32', '1', 0, 4) }, 4), 'shape');
  refused(file({ a: entry('F32', [2 ** 40, 2 ** 10], 0, 4) }, 4), 'span 4');
  // 2^64 elements or bits are too many, even before a factor of 0, as in the format's library
  for (const shape of [[2 ** 40, 2 ** 40], [2 ** 32, 2 ** 32, 0], [2 ** 27, 2 ** 32]]) {
    refused(file({ a: entry('F32', shape, 0, 0) }), '"a"', 'too large');
  }
  assert.equal(parseSafetensors(file({ a: entry('F32', [0, 2 ** 40, 2 ** 40], 0, 0) })).a.data.length, 0);
  refused(file({ a: entry('F32', [1], 4, 0) }, 4), '[begin, end]');
  refused(file({ a: { dtype: 'F32', shape: [1], data_offsets: [0] } }, 4), '[begin, end]');
  refused(file({ a: { dtype: 'F32', shape: [1] } }, 4), '[begin, end]', 'undefined');
  refused(file({ a: null }, 4), '"a"');
  refused(file({ a: 5 }, 4), '"a"');
});

test('holes, overlaps and bytes left over', () => {
  const [first, second] = [entry('F32', [1], 0, 4), entry('F32', [1], 4, 8)];
  assert.equal(Object.keys(parseSafetensors(file({ b: second, a: first }, 8))).length, 2);
  refused(file({ a: first, b: entry('F32', [1], 8, 12) }, 12), 'a hole', '"b"');
  refused(file({ a: entry('F32', [1], 4, 8) }, 8), 'a hole');
  refused(file({ a: first, b: entry('F32', [1], 2, 6) }, 6), 'an overlap', '"b"');
  refused(file({ a: first, b: first }, 4), 'an overlap');
  refused(file({ a: first }, 5), 'need 4', 'has 5');
  refused(file({ a: first, b: second }, 7), 'need 8', 'has 7');
});

test('metadata holds strings', () => {
  for (const metadata of [{ a: 1 }, { a: null }, ['a'], 'a', 1, false]) {
    refused(file({ __metadata__: metadata }), 'strings');
  }
  for (const header of [{}, { __metadata__: null }, { __metadata__: {} }]) {
    assert.deepEqual(parseSafetensors(file(header)).__metadata__, {});
  }
});

test('names of members of every object', () => {
  const header = `{"__proto__":${JSON.stringify(entry('F32', [1], 0, 4))},` +
    `"constructor":${JSON.stringify(entry('F32', [1], 4, 8))}}`;
  const parsed = parseSafetensors(file(header, 8));
  assert.deepEqual(Object.keys(parsed), ['__proto__', 'constructor']);
  assert.equal(Object.getPrototypeOf(parsed), Object.prototype);
});
