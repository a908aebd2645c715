// Hostile values: of wrong types, behind Proxies, changing while they are read, or throwing when touched.
// Each call gets a new one, made from a valid value.

/** @typedef {{ name: string, make: (valid: any, world: any) => any }} HostileValue */

const plain = {
  undefined, null: null, true: true, false: false, zero: 0, 'minus zero': -0, one: 1, 'minus one': -1, 'one and a half': 1.5,
  NaN, Infinity, '-Infinity': -Infinity, '2^31': 2 ** 31, '2^32': 2 ** 32, '2^53': 2 ** 53, '1e308': 1e308,
  'an empty string': '', 'a string': 'x', 'a digit': '3', '__proto__': '__proto__', 'a long string': 'a'.repeat(100_000),
  'a lone surrogate': '\ud800', 'a symbol': Symbol('s'), 'Symbol.iterator': Symbol.iterator,
  'a bigint': 5n, 'a negative bigint': -1n, 'a huge bigint': 10n ** 4000n,
};

const objects = {
  'a function': () => () => 1,
  'a class': () => class Odd {},
  'an async function': () => async () => 1,
  'a generator': () => (function* endless() { for (;;) yield 1; })(),
  '{}': () => ({}),
  '[]': () => [],
  '[[]]': () => [[]],
  '[1, 2, 3]': () => [1, 2, 3],
  '[undefined]': () => [undefined],
  holes: () => Array(3),
  'holes up to 2^32 - 1': () => Array(2 ** 32 - 1),
  'holes after a one, up to 2^32 - 1': () => Object.assign([1], { length: 2 ** 32 - 1 }),
  'a cyclic array': () => { const list = []; list.push(list); return list; },
  'arrays nested 20,000 deep': () => { let list = [1]; for (let i = 0; i < 20_000; i++) list = [list]; return list; },
  'many strings': () => Array(5000).fill('a name that is rather long'),
  'many names': () => Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`a name that is rather long ${i}`, i])),
  'no prototype': () => Object.create(null),
  'no prototype, but properties': () => Object.assign(Object.create(null), { shape: [2], data: [1, 2] }),
  'an array-like': () => ({ length: 2, 0: 1, 1: 2 }),
  'an array-like without end': () => ({ length: Infinity, 0: 1 }),
  'an array-like of 2^53 - 1': () => ({ length: 2 ** 53 - 1, 0: 1 }),
  'an array that iterates without end': () => Object.assign([1, 2], { *[Symbol.iterator]() { for (;;) yield 1; } }),
  'an object that iterates without end': () => ({ *[Symbol.iterator]() { for (;;) yield 1; } }),
  'an array whose methods throw': () => Object.assign([1, 2],
    Object.fromEntries(['every', 'map', 'some', 'flatMap', 'slice', 'join', 'includes'].map((key) => [key, boom]))),
  'a Date': () => new Date(0),
  'an invalid Date': () => new Date(NaN),
  'a RegExp': () => /x/g,
  'a Map': () => new Map([['shape', [2]]]),
  'a Set': () => new Set([1]),
  'a WeakMap': () => new WeakMap(),
  'a Promise': () => Promise.resolve(1),
  'a thenable that throws': () => ({ then: boom }), // oxlint-disable-line no-thenable -- hostile
  'an Error': () => new Error('x'),
  'a boxed number': () => Object(3),
  'a boxed string': () => Object('x'),
  'arguments': () => (function list() { return arguments; })(1, 2),
  globalThis: () => globalThis,
  'an object whose conversions throw': () => ({ toString: boom, valueOf: boom, [Symbol.toPrimitive]: boom, toJSON: boom }),
  'a number in disguise': () => ({ valueOf: () => 3, toString: () => '3' }),
  'an object that converts to an object': () => ({ [Symbol.toPrimitive]: () => ({}) }),
  'a constructor named by a symbol': () => ({ constructor: { name: Symbol('name') } }),
  'a constructor whose name throws': () => ({ constructor: { get name() { return boom(); } } }),
  'a constructor with a long name': () => ({ constructor: { name: 'n'.repeat(1e5) } }),
  'a tag that throws': () => ({ get [Symbol.toStringTag]() { return boom(); } }),
  'an error that throws': () => ({ get x() { throw new Proxy({}, throwingTraps()); } }),
  ...Object.fromEntries(['ArrayBuffer', 'SharedArrayBuffer', 'Float32Array', 'Uint8Array', 'Uint8ClampedArray', 'URL', 'Response',
    'WebAssembly.Module', 'Tensor'].map((tag) => [`an object with the tag ${tag}`, () => ({ [Symbol.toStringTag]: tag })])),
  'an endless array-like with the tag ArrayBuffer': () => ({ [Symbol.toStringTag]: 'ArrayBuffer', length: 2 ** 31, 0: 1 }),

  'a detached ArrayBuffer': () => detached(new ArrayBuffer(64)),
  'a detached Float32Array': () => { const view = new Float32Array(16); detached(view.buffer); return view; },
  'a detached Uint8Array': () => { const view = new Uint8Array(64); detached(view.buffer); return view; },
  'a detached DataView': () => { const view = new DataView(new ArrayBuffer(64)); detached(view.buffer); return view; },
  'a SharedArrayBuffer': () => new SharedArrayBuffer(64),
  'a Float32Array on shared memory': () => new Float32Array(new SharedArrayBuffer(16)),
  'an ArrayBuffer': () => new ArrayBuffer(64),
  'an empty ArrayBuffer': () => new ArrayBuffer(0),
  'a DataView': () => new DataView(new ArrayBuffer(16)),
  'a growable buffer': () => new ArrayBuffer(16, { maxByteLength: 64 }),
  'a view of fixed length on a buffer that shrank': () => shrunk((buffer) => new Float32Array(buffer, 0, 4)),
  'a view that follows a buffer that shrank': () => shrunk((buffer) => new Float32Array(buffer)),
  'a view that follows a buffer that grew': () => {
    const buffer = new ArrayBuffer(16, { maxByteLength: 64 });
    const view = new Float32Array(buffer);
    buffer.resize(64);
    return view;
  },
  ...Object.fromEntries([Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
    Float32Array, Float64Array, BigInt64Array, BigUint64Array].map((Type) => [`a ${Type.name}`, () => new Type(4)])),
  ...Object.fromEntries([0, 2, 4000, 2 ** 40, -1, NaN, '4', 4n].map((length) => [
    `a Float32Array that says its length is ${typeof length} ${length}`,
    () => Object.defineProperty(new Float32Array(4), 'length', { get: () => length }),
  ])),
  'a Float32Array whose length changes': () => {
    let reads = 0;
    return Object.defineProperty(new Float32Array(4).fill(7), 'length', { get: () => (reads++ ? 4000 : 4) });
  },
  'a Float32Array that iterates without end': () =>
    Object.assign(new Float32Array(4), { *[Symbol.iterator]() { for (;;) yield 1; } }),
  'a Float32Array with another buffer': () => Object.defineProperties(new Float32Array(4), {
    buffer: { value: new ArrayBuffer(4) }, byteOffset: { value: 64 }, byteLength: { value: 2 ** 31 },
  }),
  'a Float32Array whose methods throw': () => Object.defineProperties(new Float32Array(4),
    Object.fromEntries(['slice', 'subarray', 'set', 'fill', 'map', 'every'].map((key) => [key, { value: boom }]))),
  'a Float32Array whose species throws': () => Object.defineProperty(new Float32Array(4), 'constructor',
    { value: { get [Symbol.species]() { return boom(); } } }),
  'a Uint8Array whose subarray lies': () => Object.defineProperties(new Uint8Array(64),
    { subarray: { value: () => new Uint8Array(1e5) }, slice: { value: () => [] } }),
};

const ofTheLibrary = {
  'a disposed tensor': (w) => w.gone,
  'a tensor of another runtime': (w) => w.foreignTensor,
  'a disposed module': (w) => w.goneBlock,
  'a module of another runtime': (w) => w.foreignBlock,
  'another runtime': (w) => w.foreign,
  'a tensor': (w) => w.x,
  'a module': (w) => w.untouched,
  'an optimizer': (w) => w.optimizer,
  'a parameter': (w) => w.untouched.parameters()['attention.bn.weight'],
  'an object made from the prototype': (w) => Object.create(Object.getPrototypeOf(w.x)),
  'a tensor whose shape lies': (w) => Object.defineProperty(w.dk.zeros([1]), 'shape', { value: [1, 3, 1000, 1000] }),
  'a Proxy that lies about a shape': (w) => new Proxy(w.x,
    { get: (target, key) => (key === 'shape' ? [1, 3, 1000, 1000] : Reflect.get(target, key)) }),
  'a Proxy of a disposed tensor': (w) => new Proxy(w.gone, {}),
  'a Proxy of a disposed module': (w) => new Proxy(w.goneBlock, {}),
  'a Proxy that hides symbols': (w) => new Proxy(w.x,
    { get: (target, key) => (typeof key === 'symbol' ? undefined : Reflect.get(target, key)) }),
};

const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';

/** Hostile values that are made from the valid value of their place. */
const derived = {
  'a revoked Proxy': (valid) => revoked(isObject(valid) ? valid : {}),
  'a revoked Proxy of an array': () => revoked([]),
  'a revoked Proxy of a function': () => revoked(() => {}),
  'a Proxy whose traps throw': (valid) => new Proxy(isObject(valid) ? valid : {}, throwingTraps()),
  'a Proxy of an array whose traps throw': () => new Proxy([], throwingTraps()),
  'a Proxy that forwards': (valid) => new Proxy(isObject(valid) ? valid : {}, {}),
  'a Proxy that says yes': (valid) => new Proxy(isObject(valid) ? valid : {},
    { has: () => true, get: (target, key) => (key in target ? Reflect.get(target, key) : 1) }),
  'a Proxy of an array that is long': () => new Proxy([1, 2],
    { get: (target, key) => (key === 'length' ? 2 ** 32 - 1 : Reflect.get(target, key) ?? 1) }),
  'a Proxy whose length is no number': () => new Proxy([1, 2],
    { get: (target, key) => (key === 'length' ? Symbol('length') : Reflect.get(target, key)) }),
  'a Proxy that is another at each read': (valid) => {
    let reads = 0;
    return new Proxy(isObject(valid) ? valid : {}, {
      get: (target, key) => {
        const value = Reflect.get(target, key);
        if (typeof value === 'function') return value.bind(target);
        return reads++ % 2 ? [1, 'x', null, 2 ** 31, value][reads % 5] : value;
      },
    });
  },
  'a Proxy that grows at each read': (valid) => {
    let reads = 1;
    return new Proxy(isObject(valid) ? valid : {}, {
      get: (target, key) => {
        const value = Reflect.get(target, key);
        if (typeof value === 'function') return value.bind(target);
        return typeof value === 'number' ? value * reads++ : value;
      },
    });
  },
  'a copy whose getters throw': (valid) => Object.defineProperties(Array.isArray(valid) ? [] : {},
    Object.fromEntries(Object.keys(Object(valid)).slice(0, 50).map((key) => [key, { enumerable: true, configurable: true, get: boom }]))),
  'a copy whose getters work once': (valid) => Object.defineProperties(Array.isArray(valid) ? [] : {},
    Object.fromEntries(Object.entries(Object(valid)).slice(0, 50).map(([key, value]) => {
      let reads = 0;
      return [key, { enumerable: true, configurable: true, get: () => (reads++ ? boom() : value) }];
    }))),
  'a child of the valid value': (valid) => (isObject(valid) ? Object.create(valid) : Object(valid)),
  'the valid value in an array': (valid) => [valid],
};

/** @type {HostileValue[]} */
export const hostileValues = [
  ...Object.entries(plain).map(([name, value]) => ({ name, make: () => value })),
  ...Object.entries(objects).map(([name, make]) => ({ name, make })),
  ...Object.entries(ofTheLibrary).map(([name, make]) => ({ name, make: (valid, world) => make(world) })),
  ...Object.entries(derived).map(([name, make]) => ({ name, make })),
];

function boom() {
  throw new RangeError('the trap of a hostile value');
}

function throwingTraps() {
  return new Proxy({}, { get: () => boom });
}

function revoked(target) {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

export function detached(buffer) {
  structuredClone(buffer, { transfer: [buffer] });
  return buffer;
}

function shrunk(view) {
  const buffer = new ArrayBuffer(64, { maxByteLength: 64 });
  const made = view(buffer);
  buffer.resize(8);
  return made;
}
