// The header of a safetensors file, read in one pass: repeated keys, spelling, depth, size.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSafetensors } from '../../web/dynakernel/index.js';
import { assertRefused } from '../helpers.mjs';

/** A file with this header and this number of bytes. */
function file(json, size = 0) {
  const text = Buffer.from(json);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([prefix, text, Buffer.alloc(size)]);
}

const refused = (json, size, ...words) =>
  assertRefused(() => parseSafetensors(file(json, size)), 'ERR_SAFETENSORS', ...words);

const array = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';

test('repeated keys', () => {
  refused(`{"a":${array},"a":${array}}`, 4, '"a" twice');
  refused(`{"a" :${array},"a"\n: ${array}}`, 4, '"a" twice');
  refused(`{"a":${array},"\\u0061":${array}}`, 4, '"a" twice');
  refused(`{"__proto__":${array},"__proto__":${array}}`, 4, '"__proto__" twice');
  refused('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4, '"dtype" twice');
  refused('{"__metadata__":{"k":"1","k":"2"}}', 0, '"k" twice');
  // the same key in two objects, and text that looks like a key, are accepted
  const strings = { k: 'a":"b', 'x{"y': '{"k":1,"k":2}', '\\': '\\"', ']': '}' };
  const json = JSON.stringify({ __metadata__: strings, k: JSON.parse(array) });
  assert.deepEqual(parseSafetensors(file(json, 4)).__metadata__, strings);
});

test('numbers that JSON.parse would hide: -0, 1.0, 1e0', () => {
  const entry = (shape, offsets) => `{"a":{"dtype":"F32","shape":[${shape}],"data_offsets":[${offsets}]}}`;
  assert.equal(parseSafetensors(file(entry('1', '0,4'), 4)).a.data.length, 1);
  for (const number of ['1.0', '1e0', '1E+0', '10e-1']) refused(entry(number, '0,4'), 4, 'shape', '"a"', `got ${number}`);
  for (const number of ['-0', '0.0', '0e5']) refused(entry('1', `${number},4`), 4, 'data_offsets', '"a"', `got ${number}`);
  refused(entry('-0', '0,0'), 0, 'shape', 'got -0');
  // accepted in unknown fields, except for numbers beyond all doubles
  const withField = (field) => `{"a":{"x":${field},"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`;
  for (const field of ['-0', '1.0', '1e300', '{"shape":[1.0]}', '[[-0]]']) {
    assert.equal(parseSafetensors(file(withField(field), 4)).a.data.length, 1, field);
  }
  refused(withField('1e999'), 4, 'too large', '1e999');
});

test('half a surrogate pair', () => {
  for (const half of ['\\ud800', '\\udc00', 'x\\uD83Dx', '\\ud83d\\ud83d', '\\ud800\\n', '\\ud800\\u0041']) {
    refused(`{"${half}":${array}}`, 4, 'surrogate');
    refused(`{"__metadata__":{"k":"${half}"}}`, 0, 'surrogate');
  }
  const parsed = parseSafetensors(file(`{"__metadata__":{"k":"\\ud83d\\ude00 \\\\ud800"},"\\uD83D\\uDE00":${array}}`, 4));
  assert.deepEqual(Object.keys(parsed), ['\u{1f600}']);
  assert.equal(parsed.__metadata__.k, '\u{1f600} \\ud800');
});

test('depth: 127 levels, like the format\'s library', () => {
  const nested = (depth) => `{"a":{"x":${'['.repeat(depth - 2)}${']'.repeat(depth - 2)},"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`;
  assert.equal(parseSafetensors(file(nested(127), 4)).a.data.length, 1);
  refused(nested(128), 4, '127');
  refused(`{"x":${'['.repeat(1e7)}${']'.repeat(1e7)}}`, 0, '127');
  refused(`{"x":${'{"x":'.repeat(3e6)}`, 0, '127');
});

test('long strings and many arrays', () => {
  const long = 'x'.repeat(9_000_000);
  const parsed = parseSafetensors(file(`{"__metadata__":{"long":"${long}"},"${long}":${array}}`, 4));
  assert.equal(parsed.__metadata__.long.length, long.length);
  assert.equal(Object.keys(parsed)[0].length, long.length);
  refused(`{"${long}":5}`, 0, '"xxx');
  refused(`{"__metadata__":{"${long}":5}}`, 0, 'strings');
  refused(`{"${long}":${array},"${long}":${array}}`, 4, 'twice');
  const many = `{"a":{"x":[${'[],'.repeat(1e6)}[]],"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`;
  assert.equal(parseSafetensors(file(many, 4)).a.data.length, 1);
});

test('text that is not JSON', () => {
  for (const json of ['{', '{"a"', '{"a":', '{"a":"', '{"a":"\\', '{"a":"\\u12', '{]', '{"a":01}', '{"a":-}', '}{', '{}}', '{"\\x":1}', '{"a":1.}']) {
    refused(json, 0, 'JSON');
  }
  for (const json of ['{"a":"\\ud8', '{"a":"\\ud800\\u']) refused(json, 0);
});
