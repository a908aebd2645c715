// State dicts: reading, loading, refusing.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { load, parseSafetensors, toSafetensors } from '../../web/dynakernel/index.js';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { assertRefused, golden, loadRuntime, randomTensor, simd } from '../helpers.mjs';

const config = { inChannels: 8, outChannels: 12, kernelSize: 3, padding: 1, groups: 2 };
const NAMES = [
  'attention.conv1.weight', 'attention.bn.weight', 'attention.bn.bias', 'attention.bn.running_mean',
  'attention.bn.running_var', 'attention.bn.num_batches_tracked', 'attention.conv2.weight',
  'attention.conv2.bias', 'aggregation.weight', 'aggregation.bias',
];
const TRACKED = 'attention.bn.num_batches_tracked';
/** The names that a source must have. */
const NEEDED = NAMES.filter((name) => name !== TRACKED);

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const makeBlock = (seed, more) => dk.dynamicKernelAggregation({ ...config, seed, ...more });

const withPrefix = (state, prefix) =>
  Object.fromEntries(Object.entries(state).map(([name, value]) => [prefix + name, value]));

test("PyTorch's names, order, shapes and types", () => {
  const state = makeBlock(1).stateDict();
  assert.deepEqual(Object.keys(state), NAMES);
  const shapes = Object.values(state).map(({ shape }) => shape);
  assert.deepEqual(shapes, [[2, 8, 1, 1], [2], [2], [2], [2], [], [4, 2, 1, 1], [4], [4, 12, 4, 3, 3], [4, 12]]);
  for (const [name, { shape, data }] of Object.entries(state)) {
    assert.equal(data.length, shape.reduce((product, length) => product * length, 1), name);
    assert.equal(data.constructor, name.endsWith('tracked') ? BigInt64Array : Float32Array, name);
  }
  assert.ok(!('aggregation.bias' in makeBlock(1, { bias: false }).stateDict()));
  assert.deepEqual(Object.keys(makeBlock(1).aggregation.stateDict()), ['weight', 'bias']);
  assert.deepEqual(Object.keys(makeBlock(1).attention.stateDict()), NAMES.slice(0, 8).map((name) => name.slice(10)));
});

test('round trip, as an object, as a file, and as tensors', () => {
  const block = makeBlock(1);
  block.train().forward(randomTensor(dk, [2, 8, 5, 5])); // moves the statistics
  const state = block.stateDict();
  assert.equal(state['attention.bn.num_batches_tracked'].data[0], 1n);

  const tensors = { ...state };
  for (const [name, tensor] of Object.entries(block.parameters())) tensors[name] = tensor;
  const bytes = toSafetensors(state, { format: 'pt' });
  for (const source of [state, bytes, bytes.buffer, new DataView(bytes.buffer), parseSafetensors(bytes), tensors]) {
    const other = makeBlock(2);
    assert.deepEqual(other.loadStateDict(source), { missing: [], unexpected: [] });
    assert.deepEqual(other.stateDict(), state);
    const x = randomTensor(dk, [1, 8, 6, 7], 3);
    assert.deepEqual(other.forward(x).toArray(), block.eval().forward(x).toArray());
  }
});

test('a state dict is a copy', () => {
  const block = makeBlock(1);
  const state = block.stateDict();
  const before = block.stateDict();
  for (const { data } of Object.values(state)) data.fill(data instanceof BigInt64Array ? 9n : 9);
  assert.deepEqual(block.stateDict(), before);

  block.loadStateDict(state);
  const loaded = block.stateDict();
  for (const { data } of Object.values(state)) data.fill(data instanceof BigInt64Array ? 5n : 5);
  assert.deepEqual(block.stateDict(), loaded);
});

test('large kernels pass through in slices', () => {
  const large = dk.kernelAggregation({ inChannels: 96, outChannels: 100, kernelSize: 7, numKernels: 2, seed: 1 });
  const state = large.stateDict();
  assert.ok(new Set(state.weight.data.subarray(-5000)).size > 4900, 'initialised to the end');
  const other = dk.kernelAggregation({ inChannels: 96, outChannels: 100, kernelSize: 7, numKernels: 2, seed: 2 });
  other.loadStateDict(state);
  assert.deepEqual(other.stateDict().weight.data, state.weight.data);

  // mixing with one kernel alone shows its loaded numbers
  const { weight } = other.mix(dk.tensor([0, 1], [1, 2]));
  assert.deepEqual(weight.data, state.weight.data.subarray(state.weight.data.length / 2));
  for (const thing of [large, other, weight]) thing.dispose();
});

test('hidden channels: K if C is 3, otherwise C / reduction, at least 1', () => {
  const hidden = (options) => dk.kernelAttention(options).stateDict()['conv1.weight'].shape[0];
  assert.equal(hidden({ channels: 3, numKernels: 6 }), 6);
  assert.equal(hidden({ channels: 3, numKernels: 2, reduction: 1 }), 2);
  assert.equal(hidden({ channels: 64 }), 16);
  assert.equal(hidden({ channels: 13 }), 3);
  assert.equal(hidden({ channels: 13, reduction: 2 }), 6);
  assert.equal(hidden({ channels: 1 }), 1);
  assert.equal(hidden({ channels: 2 }), 1);
  assert.equal(hidden({ channels: 5, reduction: 8 }), 1);
  assert.equal(hidden({ channels: 3, midChannels: 7 }), 7);
  const block = makeBlock(1, { reduction: 2, numKernels: 3 });
  assert.deepEqual(block.stateDict()['attention.conv2.weight'].shape, [3, 4, 1, 1]);
  assert.equal(block.config.midChannels, 4);
  assert.deepEqual(makeBlock(1, { midChannels: 5 }).stateDict()['attention.conv1.weight'].shape, [5, 8, 1, 1]);
});

test('numbers of other types are converted', () => {
  const block = dk.kernelAggregation({ inChannels: 1, outChannels: 8, kernelSize: 1, numKernels: 1 });
  const values = [0, -0, 1, -2.5, 0.0999755859375, 65504, Infinity, 2 ** -24];
  const bits = Uint16Array.of(0, 0x8000, 0x3c00, 0xc100, 0x2e66, 0x7bff, 0x7c00, 1);
  const weight = (data, dtype) => ({ weight: { shape: [1, 8, 1, 1, 1], data, dtype } });
  const loaded = (source) => {
    block.loadStateDict(source, { strict: false });
    return [...block.stateDict().weight.data];
  };
  assert.deepEqual(loaded(weight(Float64Array.from(values))), values);
  assert.deepEqual(loaded(weight(values)), values);
  assert.deepEqual(loaded(weight(bits, 'F16')), values);
  assert.deepEqual(loaded(toSafetensors(weight(bits, 'F16'))), values);
  assert.ok(Number.isNaN(loaded(weight(bits.map(() => 0x7e00), 'F16'))[0]));

  const bfloats = Float32Array.of(0, -0, 1, -2.5, 3.140625, 1e38, -Infinity, 0.0078125);
  const upper = new Uint16Array(bfloats.buffer).filter((_, i) => i % 2 === 1);
  const truncated = bfloats.map((_, i) => new Float32Array(Uint32Array.of(upper[i] << 16).buffer)[0]);
  assert.deepEqual(loaded(toSafetensors(weight(upper, 'BF16'))), [...truncated]);

  assert.deepEqual(loaded(weight(BigInt64Array.from([0n, 1n, 2n, 3n, 4n, 5n, 6n, -7n]))), [0, 1, 2, 3, 4, 5, 6, -7]);
  const eight = Uint8Array.of(0, 0x38, 0xc0, 0x7e, 1, 0xb8, 8, 0x40);
  assert.deepEqual(loaded(weight(eight, 'F8_E4M3')), [0, 1, -2, 448, 2 ** -9, -1, 2 ** -6, 2]);
  assert.deepEqual(loaded(toSafetensors(weight(eight, 'F8_E5M2'))), [0, 0.5, -2, 98304, 2 ** -16, -0.5, 2 ** -13, 2].map(
    (value, i) => (i === 3 ? NaN : value)), '0x7e is a NaN of this type');
  const kept = loaded(weight(Float32Array.from(values)));
  for (const dtype of ['C64', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'F6_E2M3', 'F4', 'I4']) {
    assertRefused(() => loaded(weight(new Uint8Array(8), dtype)), 'ERR_STATE', 'weight', dtype, 'BF16');
  }
  assert.deepEqual([...block.stateDict().weight.data], kept);
});

test('a type that cannot be converted is refused only if the module needs it', () => {
  const state = withPrefix(makeBlock(2).stateDict(), 'stage.');
  for (const [dtype, bytes] of [['C64', 16], ['F8_E8M0', 2], ['F4', 1], ['I4', 1]]) {
    const raw = { shape: [2], data: new Uint8Array(bytes), dtype };
    const block = makeBlock(1);
    block.loadStateDict(toSafetensors({ ...state, 'head.scale': raw }), { prefix: 'stage.' });
    assert.deepEqual(block.stateDict(), makeBlock(2).stateDict());
    const file = toSafetensors({ ...state, 'stage.attention.bn.bias': raw });
    assertRefused(() => makeBlock(1).loadStateDict(file, { prefix: 'stage.' }), 'ERR_STATE', 'stage.attention.bn.bias', dtype);
  }
});

test('arrays with holes are refused', () => {
  const conv = dk.kernelAggregation({ inChannels: 1, outChannels: 1, kernelSize: 1, numKernels: 2, bias: false });
  for (const value of [{ shape: [2, 1, 1, 1, 1], data: Array(2) }, { shape: Array(5), data: new Float32Array(2) }]) {
    assertRefused(() => conv.loadStateDict({ weight: value }), 'ERR_STATE', 'weight', 'typed array');
  }
  conv.dispose();
});

test('num_batches_tracked may be [1], of any number type, and is a whole number', () => {
  const block = makeBlock(1);
  const loaded = (shape, data, dtype) => {
    for (const source of [{ ...block.stateDict(), [TRACKED]: { shape, data, dtype } },
      ArrayBuffer.isView(data) ? toSafetensors({ ...block.stateDict(), [TRACKED]: { shape, data, dtype } }) : {}]) {
      block.loadStateDict(source, { strict: false });
    }
    return block.stateDict()[TRACKED];
  };
  assert.deepEqual(loaded([1], BigInt64Array.of(7n)), { shape: [], data: BigInt64Array.of(7n) });
  assert.deepEqual(loaded([], [12345678901]), { shape: [], data: BigInt64Array.of(12345678901n) }, 'beyond 32 bits');
  for (const shape of [[], [1]]) {
    for (const [data, dtype] of [
      [Uint16Array.of(0x63d0), 'F16'], [Uint16Array.of(0x447a), 'BF16'], [Float32Array.of(1000)], [Float64Array.of(1000)],
      [Int32Array.of(1000)], [BigUint64Array.of(1000n)], [Int16Array.of(1000)], [Uint16Array.of(1000)],
    ]) {
      loaded([], [1]);
      assert.equal(loaded(shape, data, dtype).data[0], 1000n, dtype ?? data.constructor.name);
    }
    assert.equal(loaded(shape, Uint8Array.of(0x40), 'F8_E4M3').data[0], 2n);
    assert.equal(loaded(shape, Float64Array.of(2 ** 53)).data[0], 2n ** 53n);
    assert.equal(loaded(shape, Float64Array.of(2 ** 60)).data[0], 2n ** 60n);
  }
  assertRefused(() => loaded([], [1.5]), 'ERR_STATE', TRACKED, '1.5');
  assertRefused(() => loaded([], Uint16Array.of(0x7c00), 'F16'), 'ERR_STATE', TRACKED, 'Infinity', 'left out');
  assertRefused(() => loaded([], BigUint64Array.of(2n ** 63n)), 'ERR_STATE', TRACKED, '64 bits', `${2n ** 63n}n`);
  assertRefused(() => loaded([1, 1], [1]), 'ERR_STATE', '[1, 1]');
});

test('num_batches_tracked may be missing: it stays, and is not listed', () => {
  const { [TRACKED]: count, ...old } = makeBlock(2).stateDict();
  for (const source of [old, toSafetensors(old)]) {
    for (const options of [{}, { strict: false }]) {
      const block = makeBlock(1);
      block.train().forward(randomTensor(dk, [2, 8, 5, 5]));
      assert.deepEqual(block.loadStateDict(source, options), { missing: [], unexpected: [] });
      const { [TRACKED]: kept, ...rest } = block.stateDict();
      assert.deepEqual(kept.data, BigInt64Array.of(1n));
      assert.deepEqual(rest, old);
    }
  }
  assert.deepEqual(count.data, BigInt64Array.of(0n));
});

test('arrays of one may be scalars', () => {
  const block = dk.dynamicKernelAggregation({ inChannels: 1, outChannels: 2, kernelSize: 1, midChannels: 1, seed: 1 });
  const state = block.stateDict();
  assert.deepEqual(state['attention.bn.bias'].shape, [1]);
  block.loadStateDict({ ...state, 'attention.bn.bias': { shape: [], data: Float32Array.of(5) } });
  assert.deepEqual(block.stateDict()['attention.bn.bias'], { shape: [1], data: Float32Array.of(5) });
  assertRefused(() => block.loadStateDict({ ...state, 'attention.bn.bias': { shape: [1, 1], data: [5] } }), 'ERR_STATE', '[1, 1]');
});

test('strict: one message names all misfits, and nothing changes', () => {
  const block = makeBlock(1);
  const before = block.stateDict();
  const other = makeBlock(2).stateDict();
  delete other['attention.bn.weight'];
  delete other['aggregation.bias'];
  other['attention.conv2.bias'] = { shape: [5], data: new Float32Array(5) };
  other['aggregation.weight'] = { shape: [4, 12, 4, 9], data: new Float32Array(4 * 12 * 4 * 9) };
  other.extra = { shape: [1], data: new Float32Array(1) };
  assertRefused(() => block.loadStateDict(other), 'ERR_STATE',
    'missing: attention.bn.weight, aggregation.bias', 'unexpected: extra',
    'attention.conv2.bias is [5], expected [4]', 'aggregation.weight is [4, 12, 4, 9], expected [4, 12, 4, 3, 3]');
  assert.deepEqual(block.stateDict(), before);
});

test('each missing or misshapen array is refused by name', () => {
  const block = makeBlock(1);
  const before = block.stateDict();
  for (const name of NAMES) {
    const { [name]: value, ...rest } = makeBlock(2).stateDict();
    if (name !== TRACKED) assertRefused(() => block.loadStateDict(rest), 'ERR_STATE', `missing: ${name}`);
    const longer = { shape: [3, ...value.shape], data: new Float32Array(3 * value.data.length) };
    assertRefused(() => block.loadStateDict({ ...rest, [name]: longer }), 'ERR_STATE', `${name} is [3`);
    assertRefused(() => block.loadStateDict({ ...rest, [name]: longer }, { strict: false }), 'ERR_STATE', name);
  }
  assert.deepEqual(block.stateDict(), before);
});

test('not strict: missing and unexpected names are returned', () => {
  const block = makeBlock(1);
  const before = block.stateDict();
  const weight = { shape: [2], data: Float32Array.of(3, 4) };
  const result = block.loadStateDict({ 'attention.bn.weight': weight, other: weight }, { strict: false });
  assert.deepEqual(result.unexpected, ['other']);
  assert.deepEqual(result.missing, NEEDED.filter((name) => name !== 'attention.bn.weight'));
  assert.deepEqual(block.stateDict(), { ...before, 'attention.bn.weight': weight });
});

test('prefix takes one part of a larger model', () => {
  const state = makeBlock(2).stateDict();
  const model = { ...withPrefix(state, 'stage2.0.'), ...withPrefix(makeBlock(3).stateDict(), 'stage2.1.') };
  const block = makeBlock(1);
  block.loadStateDict(model, { prefix: 'stage2.0.' });
  assert.deepEqual(block.stateDict(), state);
  block.attention.loadStateDict(model, { prefix: 'stage2.1.attention.' });
  assert.deepEqual(block.stateDict()['aggregation.weight'], state['aggregation.weight']);

  assertRefused(() => block.loadStateDict(model), 'ERR_STATE', "did you mean { prefix: 'stage2.0.' }?");
  assertRefused(() => block.loadStateDict(model, { prefix: 'stage3.' }), 'ERR_STATE', 'missing: stage3.');
  const extra = { ...model, 'stage2.0.more': { shape: [1], data: [1] } };
  assertRefused(() => block.loadStateDict(extra, { prefix: 'stage2.0.' }), 'ERR_STATE', 'unexpected: stage2.0.more');
});

test('values that are not state dicts', () => {
  const block = makeBlock(1);
  const before = block.stateDict();
  for (const source of [undefined, null, 5, 'model.safetensors', [], [1], dk.zeros([1])]) {
    assertRefused(() => block.loadStateDict(source), 'ERR_STATE', 'safetensors');
  }
  assertRefused(() => block.loadStateDict({}), 'ERR_STATE', ...NEEDED);
  assertRefused(() => block.loadStateDict(new Uint8Array(100)), 'ERR_SAFETENSORS');
  for (const value of [null, 5, {}, { shape: [2] }, { shape: 2, data: new Float32Array(2) }, { shape: [2], data: 'ab' },
    { shape: [2], data: ['a', 'b'] }]) {
    const source = { ...before, 'attention.bn.bias': value };
    assertRefused(() => block.loadStateDict(source), 'ERR_STATE', 'attention.bn.bias');
  }
  const short = { shape: [2], data: new Float32Array(3) };
  assertRefused(() => block.loadStateDict({ ...before, 'attention.bn.bias': short }), 'ERR_STATE', '3 numbers', '[2]');

  assertRefused(() => block.loadStateDict(before, { stict: true }), 'ERR_CONFIG', '"stict"', 'strict');
  assertRefused(() => block.loadStateDict(before, { strict: 1 }), 'ERR_CONFIG', 'strict', '1');
  assertRefused(() => block.loadStateDict(before, { prefix: 1 }), 'ERR_CONFIG', 'prefix', '1');
  assert.deepEqual(block.stateDict(), before);
});

test('messages stay short, however many names there are and however long they are', () => {
  const block = makeBlock(1);
  const values = (count, name) => Object.fromEntries(Array.from({ length: count }, (_, i) =>
    [name(i), { shape: [2], data: Float32Array.of(1, 2) }]));
  const many = { ...block.stateDict(), ...values(3000, (i) => `layer.${i}`) };
  assertRefused(() => block.loadStateDict(many), 'ERR_STATE', 'unexpected: layer.0, layer.1', ', ... and 2,990 more');
  const long = { ...block.stateDict(), ...values(30, (i) => `${i}\n${'x'.repeat(1e5)}.end${i}`) };
  for (const source of [many, long, { ['y'.repeat(1e6)]: 1 }, toSafetensors(many)]) {
    for (const options of [{}, { prefix: 'p'.repeat(1e5) }]) {
      assert.throws(() => block.loadStateDict(source, options), (error) =>
        error.code === 'ERR_STATE' && error.message.length <= 1500 && !error.message.includes('\n'));
    }
  }
});

test('a refused source changes nothing, whatever its getters do', () => {
  const state = makeBlock(2).stateDict();
  const names = Object.keys(state);
  const first = { ...state[names[0]], data: Float32Array.from(state[names[0]].data) };
  const buffer = new ArrayBuffer(first.data.byteLength, { maxByteLength: 4096 });
  const shrinking = { ...first, data: new Float32Array(buffer) };
  shrinking.data.set(first.data);
  const detach = ({ data }) => structuredClone(data.buffer, { transfer: [data.buffer] });

  // data that is detached or shrunk after it was read is complete
  for (const [value, spoil] of [[first, () => detach(first)], [shrinking, () => buffer.resize(4)]]) {
    const block = makeBlock(1);
    block.loadStateDict({ ...state, [names[0]]: value, [names[9]]: { ...state[names[9]], get dtype() { return spoil(); } } });
    assert.deepEqual(block.stateDict(), state);
  }
  // data that is detached before it is read is refused
  const block = makeBlock(1);
  const before = block.stateDict();
  const last = { ...state[names[9]], data: Float32Array.from(state[names[9]].data) };
  const source = { ...state, [names[0]]: { ...state[names[0]], get dtype() { return detach(last); } }, [names[9]]: last };
  assertRefused(() => block.loadStateDict(source), 'ERR_STATE', names[9], '0 numbers');
  assert.deepEqual(block.stateDict(), before);
  // the error of a getter reaches the caller
  assert.throws(() => block.loadStateDict({ ...state, get [names[9]]() { throw new Error('mine'); } }), /mine/);
  assert.deepEqual(block.stateDict(), before);
});

test('a getter that disposes the module, a part of it, or the runtime', async () => {
  const state = makeBlock(2).stateDict();
  const runtime = await loadRuntime();
  for (const end of [(block) => block, (block) => block.attention, (block) => block.aggregation, () => runtime]) {
    const block = runtime.dynamicKernelAggregation({ ...config, seed: 1 });
    const witness = runtime.zeros([1000]);
    const source = { ...state, get [NAMES[9]]() { end(block).dispose(); return state[NAMES[9]]; } };
    assertRefused(() => block.loadStateDict(source), 'ERR_DISPOSED', 'disposed');
    if (!witness.disposed) assert.ok(witness.toArray().every((value) => value === 0));
  }
});

test('a list that is too long is refused before it is read', () => {
  const block = makeBlock(1);
  const state = block.stateDict();
  const name = 'attention.bn.bias';
  const endless = new Proxy([], { get: (_, key) => (key === 'length' ? 2 ** 32 - 1 : 1) });
  for (const list of [Array(2 ** 32 - 1), endless]) {
    for (const value of [{ shape: list, data: Float32Array.of(1, 2) }, { shape: [2], data: list }, { shape: [2 ** 32 - 1], data: list }]) {
      assertRefused(() => block.loadStateDict({ ...state, [name]: value }), 'ERR_STATE', name);
    }
  }
  assert.deepEqual(block.stateDict(), state);
});

test('a state dict behind a Proxy, as reactive frameworks make', () => {
  const behind = (value) => (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) ? value
    : new Proxy(value, { get: (target, key) => behind(Reflect.get(target, key)) }));
  const state = makeBlock(2).stateDict();
  const block = makeBlock(1);
  assert.deepEqual(block.loadStateDict(behind(state)), { missing: [], unexpected: [] });
  assert.deepEqual(block.stateDict(), state);
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  for (const value of [proxy, { shape: proxy, data: proxy }, { shape: [2], data: proxy }]) {
    assertRefused(() => block.loadStateDict({ ...state, [NAMES[1]]: value }), 'ERR_STATE', NAMES[1]);
    assertRefused(() => toSafetensors({ ...state, [NAMES[1]]: value }), 'ERR_SAFETENSORS', NAMES[1]);
  }
  assertRefused(() => block.loadStateDict(proxy), 'ERR_STATE', 'cannot be read');
  assertRefused(() => block.loadStateDict(state, proxy), 'ERR_CONFIG', 'cannot be read');
  assertRefused(() => toSafetensors(proxy), 'ERR_SAFETENSORS', 'cannot be read');
  assertRefused(() => toSafetensors(state, proxy), 'ERR_SAFETENSORS', 'cannot be read');
  assertRefused(() => parseSafetensors(proxy), 'ERR_SAFETENSORS', 'cannot be read');
  assertRefused(() => dk.adam(block).loadStateDict(proxy), 'ERR_STATE', 'cannot be read');
});

test('parameters swap through views that were kept over a growth of the heap', async () => {
  for (const threads of [1, 2]) {
    const runtime = await load({ simd, threads });
    const block = runtime.dynamicKernelAggregation({ ...config, seed: 1 });
    const { 'attention.bn.weight': scale, 'attention.bn.bias': shift } = block.parameters();
    scale.data.set([1, 2]);
    shift.data.set([3, 4]);
    const views = [scale, shift].map(({ data }) => ({ shape: [2], data }));
    const before = runtime.info.heapBytes;
    const grown = runtime.zeros([2 ** 22]);
    assert.ok(runtime.info.heapBytes > before);
    if (threads > 1) assert.notEqual(heapOf(runtime).copyIfOnHeap(views[0].data), views[0].data, 'known as a view on the heap');
    // Without threads the old views are detached, and refused.
    const swap = () => block.loadStateDict({ 'attention.bn.weight': views[1], 'attention.bn.bias': views[0] }, { strict: false });
    if (threads === 1) assertRefused(swap, 'ERR_STATE', '0 numbers');
    else swap();
    const expected = threads === 1 ? [[1, 2], [3, 4]] : [[3, 4], [1, 2]];
    assert.deepEqual([scale, shift].map((tensor) => [...tensor.toArray()]), expected);
    // new views swap both
    block.loadStateDict({ 'attention.bn.weight': shift, 'attention.bn.bias': scale }, { strict: false });
    assert.deepEqual([scale, shift].map((tensor) => [...tensor.toArray()]), [expected[1], expected[0]]);
    grown.dispose();
    runtime.dispose();
  }
});

test('a block can be saved when the heap is full', async () => {
  const runtime = await loadRuntime();
  const block = runtime.dynamicKernelAggregation({ inChannels: 64, outChannels: 64, kernelSize: 3, seed: 1 });
  const heap = heapOf(runtime);
  heap.allocate = () => assert.fail('saving needs memory of the heap');
  const saved = block.stateDict();
  delete heap.allocate;
  const other = runtime.dynamicKernelAggregation({ inChannels: 64, outChannels: 64, kernelSize: 3, seed: 1 });
  assert.deepEqual(saved, other.stateDict());
  runtime.dispose();
});

test('a tensor of a disposed module is refused as a value', () => {
  const other = makeBlock(2);
  const parameters = other.parameters();
  other.dispose();
  assertRefused(() => makeBlock(1).loadStateDict(parameters, { strict: false }), 'ERR_DISPOSED');
});

test('a file of PyTorch with other arrays in it', () => {
  const bytes = readFileSync(new URL('../fixtures/golden/dense_3x3.safetensors', import.meta.url));
  const { config: goldenConfig, state } = golden('dense_3x3');
  const block = dk.dynamicKernelAggregation(goldenConfig);
  const { missing, unexpected } = block.loadStateDict(bytes, { strict: false });
  assert.deepEqual(missing, []);
  assert.ok(unexpected.includes('input'));
  for (const [name, { data }] of Object.entries(block.stateDict())) assert.deepEqual(data, state[name].data, name);
  assertRefused(() => block.loadStateDict(bytes), 'ERR_STATE', 'unexpected', 'input');
});
