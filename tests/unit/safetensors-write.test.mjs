// Writing safetensors files: the bytes, 16-bit floats, refused values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSafetensors, toFloat32, toSafetensors } from '../../web/dynakernel/index.js';
import { assertRefused } from '../helpers.mjs';

test('a written file is read again', () => {
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
  // writing it again gives the same file
  assert.deepEqual(toSafetensors(parsed, parsed.__metadata__), bytes);
});

test('the order of names does not change the bytes', () => {
  const one = { shape: [1], data: Float32Array.of(1) };
  const two = { shape: [1], data: Float32Array.of(2) };
  assert.deepEqual(toSafetensors({ one, two }, { x: '1', y: '2' }), toSafetensors({ two, one }, { y: '2', x: '1' }));
});

test('a view writes only itself', () => {
  const whole = Float32Array.of(9, 1, 2, 9);
  const { a } = parseSafetensors(toSafetensors({ a: { shape: [2], data: whole.subarray(1, 3) } }));
  assert.deepEqual([...a.data], [1, 2]);
});

test('values that cannot be written', () => {
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

test('state dicts within a dict are refused in a few lines', () => {
  const stateDict = Object.fromEntries(Array.from({ length: 4000 }, (_, i) =>
    [`layer${i}.weight`, { shape: [1], data: Float32Array.of(i) }]));
  assertRefused(() => toSafetensors({ model: stateDict }), 'ERR_SAFETENSORS', '"model"', 'layer0.weight',
    'and 3,996 more', '"model."');
  for (const dict of [{ model: stateDict }, { ['n'.repeat(1e5)]: null }, { a: { shape: [1], data: { ['k'.repeat(1e5)]: 1 } } }]) {
    assert.throws(() => toSafetensors(dict), (error) => error.message.length < 600);
  }
  assert.throws(() => toSafetensors({}, { ['k'.repeat(1e5)]: 1 }), (error) => error.message.length < 300);
});

test('half a surrogate pair in a name or in metadata cannot be written', () => {
  const a = { shape: [1], data: Float32Array.of(1) };
  for (const half of ['\ud800', 'x\udc00y', '\udc00\ud800']) {
    assertRefused(() => toSafetensors({ [half]: a }), 'ERR_SAFETENSORS', 'surrogate');
    assertRefused(() => toSafetensors({ a }, { [half]: '1' }), 'ERR_SAFETENSORS', 'surrogate');
    assertRefused(() => toSafetensors({ a }, { k: half }), 'ERR_SAFETENSORS', 'surrogate');
  }
  assert.deepEqual(Object.keys(parseSafetensors(toSafetensors({ '\ud83d\ude00': a }))), ['\ud83d\ude00']);
});

test('dtype: floats of every kind become halves, other types stay', () => {
  const values = [0, 1, -2.5, 0.0999755859375, 65504];
  const floats = {
    single: { shape: [5], data: Float32Array.from(values) },
    double: { shape: [5], data: Float64Array.from(values) },
    bfloat: { shape: [1], data: Uint16Array.of(0x3fc0), dtype: 'BF16' },
    eight: { shape: [2], data: Uint8Array.of(0x38, 0xc0), dtype: 'F8_E4M3' },
  };
  const others = {
    count: { shape: [], data: BigInt64Array.of(7n) }, flag: { shape: [1], data: Uint8Array.of(1), dtype: 'BOOL' },
    bits: { shape: [1], data: Uint16Array.of(3) }, complex: { shape: [1], data: new Uint8Array(8), dtype: 'C64' },
  };
  for (const [dtype, size] of [['F16', 2], ['BF16', 2], ['F32', 4]]) {
    const before = structuredClone({ ...floats, ...others });
    const parsed = parseSafetensors(toSafetensors({ ...floats, ...others }, {}, { dtype }));
    assert.deepEqual({ ...floats, ...others }, before, 'what was given is as it was');
    for (const name of Object.keys(floats)) {
      assert.equal(parsed[name].dtype, dtype, name);
      assert.equal(parsed[name].data.BYTES_PER_ELEMENT, size);
      const expected = Array.from(toFloat32(floats[name]));
      const exact = dtype === 'BF16' && expected.length === 5 ? [0, 1, -2.5, 0.10009765625, 65536] : expected;
      assert.deepEqual([...toFloat32(parsed[name])], exact, `${name} as ${dtype}`);
    }
    for (const [name, { data, dtype: given }] of Object.entries(others)) {
      assert.deepEqual(parsed[name].data, data, name);
      if (given) assert.equal(parsed[name].dtype, given);
    }
  }
  for (const dtype of ['F64', 'f16', 16, null]) {
    assertRefused(() => toSafetensors(floats, {}, { dtype }), 'ERR_CONFIG', 'toSafetensors: dtype', "'BF16'");
  }
  assertRefused(() => toSafetensors(floats, {}, { type: 'F16' }), 'ERR_CONFIG', '"type"', 'dtype');
});

test('doubles are rounded once', () => {
  // above the middle of two 16-bit floats, by less than a float32 can represent
  const double = 1 + 2 ** -11 + 2 ** -40;
  const { a, b } = parseSafetensors(toSafetensors({
    a: { shape: [1], data: Float64Array.of(double) }, b: { shape: [1], data: Float32Array.of(double) },
  }, {}, { dtype: 'F16' }));
  assert.equal(toFloat32(a)[0], 1 + 2 ** -10);
  assert.equal(toFloat32(b)[0], 1);
});

test('getters that detach data after it was read are found', () => {
  const data = Float32Array.of(1, 2);
  const dict = {
    a: { shape: [2], data },
    get b() {
      structuredClone(data.buffer, { transfer: [data.buffer] });
      return { shape: [1], data: Float32Array.of(1) };
    },
  };
  assertRefused(() => toSafetensors(dict), 'ERR_SAFETENSORS', '"a" has 0 numbers');
});

test('a dict behind a Proxy is written as it is', () => {
  const behind = (value) => (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) ? value
    : new Proxy(value, { get: (target, name) => behind(Reflect.get(target, name)) }));
  const dict = { a: { shape: [2], data: Float32Array.of(1, 2) }, b: { shape: [], data: BigInt64Array.of(3n) } };
  assert.deepEqual(toSafetensors(behind(dict)), toSafetensors(dict));
});
