// The library's objects behind Proxies, as Vue, Alpine, valtio and others make them. Every member works the same
// through a Proxy. So do arguments and options that are Proxies. If a Proxy hides its object, the error says how to
// pass the object itself.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DynakernelError, toSafetensors } from '../../web/dynakernel/index.js';
import { functionOf, makeWorld, table } from '../hostile/api.mjs';
import { assertRefused } from '../helpers.mjs';

let world;
before(async () => {
  world = await makeWorld();
});
after(() => [world?.dk, world?.foreign].forEach((runtime) => runtime?.dispose()));

/** Like Vue's reactive(): deep, for plain objects and arrays. An object with its own tag stays as it is. */
function reactive(target) {
  if (typeof target !== 'object' || target === null) return target;
  const kind = Object.prototype.toString.call(target).slice(8, -1);
  if (!Object.isExtensible(target) || !['Object', 'Array'].includes(kind)) return target;
  return new Proxy(target, {
    get: (object, key, receiver) => reactive(Reflect.get(object, key, receiver)),
    set: (object, key, value, receiver) => Reflect.set(object, key, value, receiver),
    has: (object, key) => Reflect.has(object, key),
  });
}

/** Like valtio's proxy(): a Proxy of a copy of the object's own properties, with its prototype. */
function copying(target) {
  const copy = Object.create(Object.getPrototypeOf(target));
  const proxy = new Proxy(copy, {
    set: (object, key, value, receiver) => Reflect.set(object, key, value, receiver),
  });
  for (const key of Reflect.ownKeys(target)) Object.defineProperty(copy, key, Object.getOwnPropertyDescriptor(target, key));
  return proxy;
}

/** Like naive wrappers: all objects that are read through the Proxy become Proxies too. */
function wrapping(target) {
  return new Proxy(target, {
    get(object, key, receiver) {
      const value = Reflect.get(object, key, receiver);
      const isFrozen = Object.getOwnPropertyDescriptor(object, key)?.configurable === false;
      return typeof value === 'object' && value !== null && !isFrozen ? wrapping(value) : value;
    },
  });
}

const proxies = {
  'no traps': (target) => new Proxy(target, {}),
  'traps that forward': (target) => new Proxy(target, {
    get: (...args) => Reflect.get(...args), set: (...args) => Reflect.set(...args), has: (...args) => Reflect.has(...args),
    ownKeys: (...args) => Reflect.ownKeys(...args), getPrototypeOf: (...args) => Reflect.getPrototypeOf(...args),
  }),
  'get without a receiver': (target) => new Proxy(target, { get: (object, key) => object[key] }),
  'a Proxy of a Proxy': (target) => new Proxy(new Proxy(target, {}), {}),
  reactive, 'reactive, nested': (target) => reactive({ list: [{ target }] }).list[0].target,
  'as valtio': copying,
  'all that is read, wrapped': wrapping,
  'an object that inherits': (target) => Object.create(target),
  frozen: (target) => new Proxy(Object.freeze(target), {}),
};

/** The result of a call, for comparing: numbers instead of tensors. */
function plain(value) {
  if (value?.constructor === world.x.constructor) return { shape: value.shape, numbers: value.toArray() };
  if (typeof value?.dispose === 'function') return { class: value.constructor.name };
  const isPlain = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  if (Array.isArray(value) || isPlain) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
  return value;
}

const isOfTheLibrary = (value) => typeof value?.dispose === 'function';

/** A copy of an argument. Each of the library's objects in it is behind a Proxy. */
function behind(wrap, value) {
  if (isOfTheLibrary(value)) return wrap(value);
  if (Array.isArray(value)) return value.map((item) => behind(wrap, item));
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, isOfTheLibrary(item) ? wrap(item) : item]));
}

for (const [name, wrap] of Object.entries(proxies)) {
  test(`Proxies: ${name}`, () => {
    for (const [member, entry] of Object.entries(table)) {
      if (!entry.on || entry.ends) continue;
      const call = (through) => {
        const args = entry.args(world);
        const { at, values } = entry.options ?? {};
        if (values?.out && !args[at]) args[at] = { out: values.out(world) };
        const on = through(entry.on(world));
        const work = functionOf(world, member);
        return plain(work.apply(on, args.map((value) => behind(through, value))));
      };
      const expected = call((value) => value);
      if (!/step|backward|gradients|profile/.test(member)) { // gradients add up, and times differ
        assert.deepEqual(call(wrap), expected, member);
      } else {
        assert.deepEqual(Object.keys(Object(call(wrap))), Object.keys(Object(expected)), member);
      }
    }
  });

  test(`Proxies: ${name}: a training step on them`, () => {
    const { dk, x, target } = world;
    const [first, second] = [wrap, (value) => value].map((through) => {
      const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: 3, seed: 5 });
      const shown = through(block);
      const optimizer = through(through(dk).adam([shown], { lr: 1e-2 }));
      shown.requiresGrad = true;
      assert.equal(block.requiresGrad, true);
      optimizer.lr = 1e-3;
      const y = shown.forward(through(x));
      const { loss, gradient } = through(dk).mseLoss(through(y), through(target));
      shown.backward(through(gradient), { input: false });
      optimizer.step();
      const file = toSafetensors(shown.stateDict());
      optimizer.dispose();
      shown.dispose();
      assert.equal(block.disposed, true);
      return { loss, file, lr: 1e-3 };
    });
    assert.deepEqual(first, second);
  });
}

test('out and the input are the same tensor behind different Proxies', () => {
  const { dk } = world;
  const square = dk.kernelAggregation({ inChannels: 2, outChannels: 2, kernelSize: 3, padding: 1, numKernels: 1 });
  const x = dk.zeros([1, 2, 4, 4]);
  const a = dk.tensor([1], [1, 1]);
  const proxy = () => new Proxy(x, {});
  for (const [input, out] of [[x, proxy()], [proxy(), x], [proxy(), proxy()]]) {
    assertRefused(() => square.forward(input, a, { out }), 'ERR_CONFIG', 'must not be an input');
  }
});

test('a Proxy cannot lie about a tensor', () => {
  const { block, x } = world;
  const liar = new Proxy(x, { get: (object, key) => (key === 'shape' ? [1, 3, 1000, 1000] : Reflect.get(object, key)) });
  assert.deepEqual(block.forward(liar).shape, [1, 2, 6, 6]);
  const overridden = Object.defineProperty(world.dk.zeros([1, 3, 8, 8]), 'shape', { value: [1, 3, 1000, 1000] });
  assert.deepEqual(block.forward(overridden).shape, [1, 2, 6, 6]);
});

test('the error for a Proxy that hides its object says what to do', () => {
  const hide = (target) => new Proxy(target,
    { get: (object, key, receiver) => (typeof key === 'symbol' ? undefined : Reflect.get(object, key, receiver)) });
  const { block, x, dk } = world;
  for (const work of [
    () => hide(x).shape, () => hide(x).data, () => hide(block).forward(x), () => block.forward(hide(x)),
    () => block.forward(x, { out: hide(world.out) }), () => hide(dk).zeros([1]), () => dk.sgd(hide(block)),
    () => dk.mseLoss(hide(x), x), () => hide(block).training, () => { hide(block).requiresGrad = true; },
  ]) {
    assertRefused(work, 'ERR_CONFIG', 'behind a Proxy', 'toRaw', 'markRaw', 'shallowRef');
  }
});

test('methods that are called without their object', () => {
  const { zeros } = world.dk;
  const { forward } = world.block;
  for (const work of [() => zeros([1]), () => forward(world.x), () => forward.call(world.x, world.x)]) {
    assert.throws(work, (error) => error instanceof DynakernelError && error.code === 'ERR_CONFIG');
  }
});

test('the classes have their names, and objects list no properties', () => {
  const {
    dk, x, block, attention, aggregation, dyConv, odConv, condConv, routing, dynamic, optimizer, net,
  } = world;
  const classes = {
    Runtime: dk, Tensor: x, DynamicKernelAggregation: block, KernelAttention: attention, KernelAggregation: aggregation,
    DyConv2d: dyConv, OdConv2d: odConv, CondConv2d: condConv, Routing: routing, DynamicConvolution: dynamic,
    Optimizer: optimizer, Network: net,
  };
  Object.entries(classes).forEach(([name, object]) => {
    assert.equal(object.constructor.name, name);
    assert.equal(String(object), `[object ${name}]`);
    assert.deepEqual(Object.keys(object), []);
    assert.equal(JSON.stringify(object), '{}');
  });
  assert.equal(block.forward.name, 'forward');
  assert.equal(block.forward.length, 2);
});
