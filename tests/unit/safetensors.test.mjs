// The safetensors format: what is read, what is refused, what is written.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseSafetensors, toSafetensors } from '../../web/dynakernel/index.js';
import { assertRefused } from '../helpers.mjs';

/** A file of this header, which may also be given as text, and this many bytes. */
function file(header, size = 0, { length } = {}) {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(length ?? json.length));
  return Buffer.concat([prefix, json, Buffer.alloc(size)]);
}

const entry = (dtype, shape, begin, end) => ({ dtype, shape, data_offsets: [begin, end] });

/** Parses what should be refused. */
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
  refused(file({ a: entry('F12', [3], 0, 12) }, 12), '"a"', 'F32', '"F12"');
  refused(file({ a: entry('toString', [3], 0, 12) }, 12), '"toString"');
});

test('scalars, empty arrays, an empty file, spaces after the header', () => {
  const parsed = parseSafetensors(file({ s: entry('F32', [], 0, 4), e: entry('F32', [0, 5], 4, 4) }, 4));
  assert.equal(parsed.s.data.length, 1);
  assert.equal(parsed.e.data.length, 0);
  assert.deepEqual(Object.keys(parseSafetensors(file('{}    '))), []);
});

test('aligned arrays are views, others are copies', () => {
  const header = { a: entry('F32', [1], 0, 4) };
  for (const pad of [0, 1, 2, 3, 4, 5, 6, 7]) {
    const bytes = file(JSON.stringify(header) + ' '.repeat(pad), 4);
    bytes.writeFloatLE(2.5, bytes.length - 4);
    const whole = Uint8Array.from(bytes); // at offset 0 of its buffer
    const { a } = parseSafetensors(whole);
    assert.equal(a.data[0], 2.5);
    assert.equal(a.data.buffer === whole.buffer, (bytes.length - 4) % 4 === 0, `pad ${pad}`);
  }
});

test('bytes in every wrapping', () => {
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

test('a header length that cannot be', () => {
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

test('a header that is no JSON object', () => {
  refused(file(''), 'JSON');
  refused(file('{"a":'), 'JSON');
  refused(file('[]'), 'object');
  refused(file(' {}'), 'begin with {');
  refused(file('\ufeff{}'), 'JSON');
  refused(Buffer.concat([file('', 0, { length: 3 }), Buffer.from([0x7b, 0xff, 0x7d])]), 'UTF-8');
});

test('keys that stand twice', () => {
  const array = JSON.stringify(entry('F32', [1], 0, 4));
  refused(file(`{"a":${array},"a":${array}}`, 4), '"a" twice');
  refused(file(`{"a":${array},"\\u0061":${array}}`, 4), '"a" twice');
  refused(file('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4), '"dtype" twice');
  refused(file('{"__metadata__":{"k":"1","k":"2"}}'), '"k" twice');
  // The same key in two objects, and text that looks like keys, are none.
  const strings = { k: 'a":"b', 'x{"y': '{"k":1,"k":2}', '\\': '\\"' };
  const parsed = parseSafetensors(file({ __metadata__: strings, k: entry('F32', [1], 0, 4) }, 4));
  assert.deepEqual(parsed.__metadata__, strings);
});

test('shapes and offsets that do not add up', () => {
  refused(file({ a: entry('F32', [2], 0, 4) }, 4), '"a"', '[2]', '8 bytes', 'span 4');
  refused(file({ a: entry('F32', [-1], 0, 4) }, 4), 'shape', '[-1]');
  refused(file({ a: entry('F32', [1.5], 0, 6) }, 6), 'shape');
  refused(file({ a: entry('F32', '1', 0, 4) }, 4), 'shape');
  refused(file({ a: entry('F32', [2 ** 40, 2 ** 40], 0, 4) }, 4), 'span 4');
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
  for (const metadata of [{ a: 1 }, { a: null }, ['a'], 'a', null, 1]) {
    refused(file({ __metadata__: metadata }), 'strings');
  }
  assert.deepEqual(parseSafetensors(file({})).__metadata__, {});
});

test('names that objects have already', () => {
  const header = `{"__proto__":${JSON.stringify(entry('F32', [1], 0, 4))},` +
    `"constructor":${JSON.stringify(entry('F32', [1], 4, 8))}}`;
  const parsed = parseSafetensors(file(header, 8));
  assert.deepEqual(Object.keys(parsed), ['__proto__', 'constructor']);
  assert.equal(Object.getPrototypeOf(parsed), Object.prototype);
});

test('what is written is read again', () => {
  const dict = {
    'b.weight': { shape: [2, 2], data: Float32Array.of(1, -2, Infinity, NaN) },
    count: { shape: [], data: BigInt64Array.of(-5n) },
    flag: { shape: [3], data: Uint8Array.of(0, 1, 1), dtype: 'BOOL' },
    half: { shape: [1], data: Uint16Array.of(0x3c00), dtype: 'F16' },
    empty: { shape: [0], data: new Float64Array(0) },
    'ünïcode "name"': { shape: [1], data: Int8Array.of(-1) },
  };
  const bytes = toSafetensors(dict, { format: 'pt', note: 'é' });
  const parsed = parseSafetensors(bytes);
  assert.deepEqual(parsed.__metadata__, { format: 'pt', note: 'é' });
  assert.deepEqual(Object.keys(parsed).sort(), Object.keys(dict).sort());
  for (const [name, { shape, data, dtype }] of Object.entries(dict)) {
    assert.deepEqual(parsed[name].shape, shape, name);
    assert.deepEqual(parsed[name].data, data, name);
    assert.equal(parsed[name].data.buffer, bytes.buffer, `${name} is aligned`);
    if (dtype) assert.equal(parsed[name].dtype, dtype, name);
  }
  // And written again it is the same file.
  assert.deepEqual(toSafetensors(parsed, parsed.__metadata__), bytes);
});

test('the order of names does not change the bytes', () => {
  const a = { shape: [1], data: Float32Array.of(1) };
  const b = { shape: [1], data: Float32Array.of(2) };
  assert.deepEqual(toSafetensors({ a, b }, { x: '1', y: '2' }), toSafetensors({ b, a }, { y: '2', x: '1' }));
});

test('a view writes only itself', () => {
  const all = Float32Array.of(9, 1, 2, 9);
  const { a } = parseSafetensors(toSafetensors({ a: { shape: [2], data: all.subarray(1, 3) } }));
  assert.deepEqual([...a.data], [1, 2]);
});

test('what cannot be written', () => {
  const data = Float32Array.of(1);
  const write = (dict, metadata, ...words) =>
    assertRefused(() => toSafetensors(dict, metadata), 'ERR_SAFETENSORS', ...words);
  write(null, undefined, 'null');
  write({ a: { shape: [2], data } }, undefined, '"a"', '1 numbers', '2');
  for (const shape of [[-1, -1], [2, 0.5], ['1'], [NaN], Array(1)]) write({ a: { shape, data } }, undefined, '"a"', 'whole');
  write({ a: { shape: [1], data: [1] } }, undefined, '"a"', 'typed array');
  write({ a: { shape: [1], data, dtype: 'F16' } }, undefined, '"F16"', 'Float32Array');
  write({ a: { shape: [1], data: new Uint8ClampedArray(1) } }, undefined, 'Uint8ClampedArray');
  write({ a: { data } }, undefined, '"a"');
  write({ a: null }, undefined, '"a"');
  write({ __metadata__: { shape: [1], data } }, undefined, '__metadata__');
  write({}, { a: 1 }, 'strings');
  write({}, null, 'strings');
});
