// Checkpoints of torch.save: tests/pytorch/make_checkpoints.py wrote the fixtures.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseCheckpoint } from '../../web/dynakernel/checkpoint/checkpoint.js';
import { DynakernelError } from '../../web/dynakernel/index.js';
import { Random } from '../../web/shared/random.js';
import { assertRefused, loadRuntime } from '../helpers.mjs';
import { KINDS } from '../kinds.mjs';

const fixture = (name) => readFileSync(new URL(`../fixtures/checkpoints/${name}`, import.meta.url));
const expected = JSON.parse(fixture('expected.json').toString());

function assertNumbers(dict, numbers) {
  assert.deepEqual(Object.keys(dict).sort(), Object.keys(numbers).sort());
  for (const [name, [shape, values]] of Object.entries(numbers)) {
    assert.deepEqual(dict[name].shape, shape, name);
    assert.deepEqual(Array.from(dict[name].data, Number), values, name);
  }
}

/** A zip archive of stored members. */
function zip(members) {
  const parts = [], directory = [];
  let offset = 0;
  for (const [name, bytes] of Object.entries(members)) {
    const local = Buffer.alloc(30), entry = Buffer.alloc(46);
    local.writeUInt32LE(0x04034b50, 0);
    entry.writeUInt32LE(0x02014b50, 0);
    for (const [header, at] of [[local, 18], [entry, 20]]) {
      header.writeUInt32LE(bytes.length, at);
      header.writeUInt32LE(bytes.length, at + 4);
      header.writeUInt16LE(name.length, at + 8);
    }
    entry.writeUInt32LE(offset, 42);
    parts.push(local, Buffer.from(name), bytes);
    directory.push(entry, Buffer.from(name));
    offset += 30 + name.length + bytes.length;
  }
  const end = Buffer.alloc(22), size = directory.reduce((sum, { length }) => sum + length, 0);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(directory.length / 2, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}
const pickled = (text, more = {}) => zip({ 'a/data.pkl': Buffer.from(text, 'latin1'), ...more });

test('both formats, any storage type, views and parameters', () => {
  for (const name of ['plain.pth', 'legacy.pth']) assertNumbers(parseCheckpoint(fixture(name)), expected.state);
});

test('the state dict is found beside other objects, and prefixes of wrappers go', () => {
  assertNumbers(parseCheckpoint(fixture('training.pth')), expected.state);
  assertNumbers(parseCheckpoint(fixture('compiled.pth')), expected.state);
  assertNumbers(parseCheckpoint(fixture('whole-model.pth')), expected.model);
});

test('numbers keep their type, small floats become float32', () => {
  const dict = parseCheckpoint(fixture('plain.pth'));
  const types = Object.fromEntries(Object.entries(dict).map(([name, { data }]) => [name, data.constructor.name]));
  assert.equal(types.half, 'Float32Array');
  assert.equal(types.bfloat16, 'Float32Array');
  assert.equal(types.double, 'Float64Array');
  assert.equal(types.count, 'BigInt64Array');
  assert.equal(types.bytes, 'Int8Array');
  assert.deepEqual([types.flags, dict.flags.dtype], ['Uint8Array', 'BOOL']);
});

test('tensors of one storage are views of the file, not copies', () => {
  const bytes = new Uint8Array(fixture('plain.pth'));
  const { shared, part } = parseCheckpoint(bytes);
  assert.equal(shared.data.buffer, bytes.buffer);
  assert.equal(part.data.buffer, bytes.buffer);
  assert.equal(part.data.byteOffset, shared.data.byteOffset + 20);
});

test('a buffer, a view at an odd place and shared memory are read', () => {
  const file = fixture('plain.pth');
  const odd = new Uint8Array(file.length + 3), shared = new Uint8Array(new SharedArrayBuffer(file.length));
  odd.set(file, 3);
  shared.set(file);
  for (const bytes of [odd.subarray(3), shared, shared.buffer, new DataView(odd.buffer, 3)]) {
    assertNumbers(parseCheckpoint(bytes), expected.state);
  }
});

test('code in a file never runs, and its name is told', () => {
  const marker = 'DYNAKERNEL_RAN';
  const call = `cos\nsystem\n(S'export ${marker}=1'\ntR.`;
  assertRefused(() => parseCheckpoint(pickled(call)), 'ERR_CHECKPOINT', 'no weights', 'os.system');
  for (const text of [`c__builtin__\neval\n(S'globalThis.${marker} = 1'\ntR.`, `cbuiltins\nexec\n(S'x'\ntR.`,
    `(cposix\nsystem\nS'x'\no.`, `(S'x'\niposix\nsystem\n.`]) {
    assertRefused(() => parseCheckpoint(pickled(text)), 'ERR_CHECKPOINT', 'no weights');
  }
  assert.equal(globalThis[marker], undefined);
});

test('what is no checkpoint is told by what it is', () => {
  const cases = [
    [Buffer.from('<!doctype html>'), 'HTML'], [Buffer.alloc(0), 'empty'],
    [Buffer.from('version https://git-lfs.github.com/spec/v1\n'), 'Git LFS'],
    [Buffer.from([0x80, 2, 0x4b, 1, 0x2e]), 'not one of torch.save'],
    [zip({ 'a/model.json': Buffer.from('{}') }), 'no data.pkl'],
    [fixture('no-weights.pth'), 'no weights', 'epoch', 'lr'],
    [fixture('complex.pth'), 'spectrum', 'complex64'],
    [pickled('\x80\x02\x7f.'), '0x7f'],
  ];
  for (const [bytes, ...words] of cases) assertRefused(() => parseCheckpoint(bytes), 'ERR_CHECKPOINT', ...words);
  for (const value of [undefined, null, 'model.pth', 3, {}, []]) {
    assertRefused(() => parseCheckpoint(value), 'ERR_CHECKPOINT', 'expected the bytes');
  }
});

test('a compressed member is refused with the way out', () => {
  const file = pickled('}.');
  file.writeUInt16LE(8, file.indexOf(Buffer.from([0x50, 0x4b, 1, 2])) + 10);
  assertRefused(() => parseCheckpoint(file), 'ERR_CHECKPOINT', 'compressed', 'unpack');
});

test('a tensor beyond its storage, or of absurd size, is refused', () => {
  const tensor = (size, stride, offset = 0) => "}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n" +
    "((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ" +
    `I${offset}\n(${size.map((n) => `I${n}\n`).join('')}t(${stride.map((n) => `I${n}\n`).join('')}t` +
    '\x89}tRs.';
  const storage = { 'a/data/0': Buffer.from(Float32Array.of(1, 2).buffer) };
  assert.deepEqual(parseCheckpoint(pickled(tensor([2], [1]), storage)).w.data, Float32Array.of(1, 2));
  for (const [size, stride, offset] of [[[3], [1]], [[2], [2]], [[2], [1], 1], [[1], [1], 2]]) {
    assertRefused(() => parseCheckpoint(pickled(tensor(size, stride, offset), storage)), 'ERR_CHECKPOINT', 'beyond');
  }
  for (const size of [[1 << 30], [1 << 20, 1 << 20], [-1], [1.5]]) {
    assertRefused(() => parseCheckpoint(pickled(tensor(size, size.map(() => 0)), storage)), 'ERR_CHECKPOINT');
  }
  assertRefused(() => parseCheckpoint(pickled(tensor([2], [1]))), 'ERR_CHECKPOINT', 'not in the file');
});

/** A checkpoint of a state dict, as torch.save lays it out. */
function checkpointOf(state) {
  const text = (value) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;
  const tuple = (numbers) => `(${numbers.map((number) => `I${number}\n`).join('')}t`;
  const entries = Object.entries(state).map(([name, { shape, data }], i) => {
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1));
    const storage = data instanceof BigInt64Array ? 'LongStorage' : 'FloatStorage';
    return `${text(name)}ctorch._utils\n_rebuild_tensor_v2\n((${text('storage')}ctorch\n${storage}\n${text(String(i))}` +
      `${text('cpu')}I${data.length}\ntQI0\n${tuple(shape)}${tuple(strides)}\x89}tRs`;
  });
  const members = Object.values(state).map(({ data }, i) => [`a/data/${i}`, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
  return pickled(`}${entries.join('')}.`, Object.fromEntries(members));
}

test('every kind of module loads its checkpoint', async () => {
  const dk = await loadRuntime();
  for (const [kind, { options, names }] of Object.entries(KINDS)) {
    if (names.length === 0) continue;
    const [from, to] = [1, 2].map((seed) => dk[kind]({ ...options, seed }));
    const state = from.stateDict();
    const network = Object.fromEntries(Object.entries(state).map(([name, value]) => [`layer1.0.conv.${name}`, value]));
    to.loadStateDict(parseCheckpoint(checkpointOf(network)), { prefix: 'layer1.0.conv.' });
    assert.deepEqual(to.stateDict(), state, kind);
  }
  dk.dispose();
});

test('a dictionary that contains itself ends', () => {
  assertRefused(() => parseCheckpoint(pickled('}q\x00X\x05\x00\x00\x00modelh\x00s.')), 'ERR_CHECKPOINT', 'no weights');
});

test('files that are cut off or damaged are refused, and nothing else happens', () => {
  const random = new Random(7);
  for (const name of ['plain.pth', 'legacy.pth', 'training.pth', 'whole-model.pth']) {
    const file = fixture(name);
    const attempt = (bytes, what) => {
      try {
        parseCheckpoint(bytes);
      } catch (error) {
        assert.ok(error instanceof DynakernelError && error.code === 'ERR_CHECKPOINT', `${name}, ${what}: ${error.stack}`);
      }
    };
    for (let length = 0; length < file.length; length += 1 + Math.floor(length / 200)) {
      attempt(file.subarray(0, length), `${length} bytes`);
    }
    for (let turn = 0; turn < 400; turn++) {
      const damaged = Buffer.from(file);
      const place = Math.floor(random.between(0, file.length));
      damaged[place] = Math.floor(random.between(0, 256));
      attempt(damaged, `byte ${place} is ${damaged[place]}`);
    }
  }
});
