// Foreign errors at the boundary. Each becomes the cause of a DynakernelError with a code.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import {
  DynakernelError, cosineSchedule, load, parseSafetensors, toSafetensors, warmupSchedule,
} from '../../web/dynakernel/index.js';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { assertRefused, assertRejected, loadRuntime } from '../helpers.mjs';

let dk;
beforeEach(async () => {
  dk = await loadRuntime();
});
afterEach(() => dk?.dispose());

const thrown = (error) => ({
  get out() { throw error; },
});

/** The error of a call. */
function errorOf(work) {
  try {
    work();
  } catch (error) {
    return error;
  }
  return assert.fail('nothing was thrown');
}

test('the error of a getter is the cause, and its message is part of the new one', () => {
  const x = dk.zeros([1, 3, 4, 4]);
  const attention = dk.kernelAttention({ channels: 3 });
  const cause = new SyntaxError('the getter is not ready');
  const error = errorOf(() => attention.forward(x, thrown(cause)));
  assert.ok(error instanceof DynakernelError);
  assert.equal(error.code, 'ERR_CONFIG');
  assert.equal(error.message, 'forward: reading an argument failed: the getter is not ready');
  assert.equal(error.cause, cause);
});

test('thrown values of every kind', () => {
  const x = dk.zeros([1, 3, 4, 4]);
  const attention = dk.kernelAttention({ channels: 3 });
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const long = new Error('m'.repeat(1e6));
  for (const value of [
    undefined, null, 3, 'text', Symbol('s'), 10n, {}, Object.create(null), proxy, long,
    { get message() { throw 1; } }, // oxlint-disable-line no-throw-literal -- callers may throw anything
    { message: Symbol('m') }, new DOMException('no', 'SecurityError'), Object.create(DynakernelError.prototype),
  ]) {
    const error = errorOf(() => attention.forward(x, thrown(value)));
    assert.equal(Object.getPrototypeOf(error), DynakernelError.prototype);
    assert.equal(error.code, 'ERR_CONFIG');
    assert.ok(error.message.startsWith('forward: ') && error.message.length < 400, error.message);
    assert.equal(error.cause, value);
  }
  const own = new DynakernelError('ERR_STATE', 'mine');
  assert.equal(errorOf(() => attention.forward(x, thrown(own))), own);
});

test('functions, promises and schedules', async () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  assertRefused(() => parseSafetensors(proxy), 'ERR_SAFETENSORS');
  assertRefused(() => toSafetensors(proxy), 'ERR_SAFETENSORS');
  assertRefused(() => cosineSchedule(proxy), 'ERR_CONFIG');
  await assertRejected(load(proxy), 'ERR_CONFIG');
  await assertRejected(load({ get threads() { throw new Error('late'); } }), 'ERR_LOAD', 'late');
  const schedule = warmupSchedule({ lr: () => { throw new Error('no rate today'); }, warmup: 3 });
  assertRefused(() => schedule(1), 'ERR_CONFIG', 'schedule', 'no rate today');
  for (const rate of [NaN, -1, '1', undefined, 5n, Symbol('s')]) {
    assertRefused(() => warmupSchedule({ lr: () => rate, warmup: 3 })(1), 'ERR_CONFIG', 'the rate that a schedule returns');
  }
});

test('the call stack is full', () => {
  let data = 1;
  for (let depth = 0; depth < 50_000; depth++) data = [data];
  assertRefused(() => dk.tensor(data, Array(50_000).fill(1)), 'ERR_SHAPE', 'whole numbers');
  const full = () => full();
  assertRefused(() => dk.kernelAttention({ get channels() { return full(); } }), 'ERR_MEMORY', 'the call stack is full');
});

test('JavaScript has too little memory', () => {
  const x = dk.zeros([4]);
  const { slice } = Float32Array.prototype;
  Float32Array.prototype.slice = () => { throw new RangeError('Array buffer allocation failed'); }; // oxlint-disable-line no-extend-native -- put back below
  try {
    assertRefused(() => x.toArray(), 'ERR_MEMORY', 'toArray', 'too little memory', 'Array buffer allocation failed');
  } finally {
    Float32Array.prototype.slice = slice; // oxlint-disable-line no-extend-native -- as it was
  }
});

test('a trap in WebAssembly ends the runtime, and no other', async () => {
  const other = await loadRuntime();
  const y = dk.zeros([4]);
  const trap = new WebAssembly.RuntimeError('unreachable');
  heapOf(dk).c.dk_loss_mse = () => { throw trap; };
  const error = errorOf(() => dk.mseLoss(y, dk.zeros([4])));
  assert.equal(error.code, 'ERR_DISPOSED');
  assert.match(error.message, /^mseLoss: the WebAssembly module failed: unreachable\..*load\(\) starts another$/);
  assert.equal(error.cause, trap);
  assert.equal(dk.disposed, true);
  assert.equal(y.disposed, true);
  assertRefused(() => y.data, 'ERR_DISPOSED');
  assert.deepEqual([...other.zeros([2]).data], [0, 0]);
  other.dispose();
});

test('a refusal through a Proxy equals the refusal of the object', () => {
  const x = dk.zeros([1, 2, 4, 4]);
  const attention = dk.kernelAttention({ channels: 3 });
  assertRefused(() => new Proxy(attention, {}).forward(new Proxy(x, {})), 'ERR_SHAPE', '3 channels', 'got 2');
});

test('options are read once', () => {
  const x = dk.zeros([1, 3, 4, 4]);
  const attention = dk.kernelAttention({ channels: 3, seed: 1 });
  let reads = 0;
  attention.forward(x, { get out() { reads++; return undefined; } });
  dk.kernelAttention({ get channels() { reads++; return 3; } });
  assert.equal(reads, 2);
});

test('an error has a message and a cause for every argument', () => {
  const broken = { get cause() { throw new Error('no'); } };
  for (const [message, options] of [[Symbol('s'), undefined], [Object.create(null), null], ['x', broken], [undefined, 5]]) {
    const error = new DynakernelError('ERR_CONFIG', message, options);
    assert.equal(typeof error.message, 'string');
    assert.equal(error.cause, undefined);
  }
});
