// Makes the hostile calls of one area in its own process. The test ends the process if a call hangs, even inside the
// engine. Usage: node caller.mjs PROGRESS FIRST SEED MEMBER... Before each call it writes the call's number to the file
// PROGRESS. It writes lines of JSON to its output without delay: the names of all calls, and the findings.
import { openSync, writeSync } from 'node:fs';
import { DynakernelError } from '../../web/dynakernel/index.js';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { Random } from '../../web/shared/random.js';
import { functionOf, makeWorld, table } from './api.mjs';
import { hostileValues } from './values.mjs';

const CODES = [
  'ERR_LOAD', 'ERR_CONFIG', 'ERR_SHAPE', 'ERR_STATE', 'ERR_SAFETENSORS', 'ERR_CHECKPOINT', 'ERR_ONNX', 'ERR_IMAGE',
  'ERR_MEMORY', 'ERR_DISPOSED', 'ERR_MODE',
];
const LONGEST_MESSAGE = 1500;
const RANDOM_CALLS = 25; // for each member, with hostile values in all places

const progress = openSync(process.argv[2], 'w');
const [first, seed] = process.argv.slice(3, 5).map(Number);
const members = process.argv.slice(5);
/** Writes a whole line, in several attempts if the pipe is full. */
function say(line) {
  let rest = Buffer.from(`${JSON.stringify(line)}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}
console.warn = () => {}; // load() warns of threads

let world = await makeWorld();
let before = snapshot();
let answer = answerOf(world);
const calls = members.flatMap(callsOf);
say({ names: calls.map(({ name }) => name) });
let accepted = 0;
for (let i = first; i < calls.length; i++) {
  writeSync(progress, String(i).padStart(8), 0);
  const findings = await findingsOf(calls[i]);
  for (const finding of findings) say({ finding: `${calls[i].name}: ${finding}` });
  if (findings.some((finding) => finding.startsWith('harm'))) await renew();
}
say({ done: { calls: calls.length, accepted } });
process.exit(0);

/** All calls of one member: each place with each value, then some with hostile values everywhere. */
function callsOf(member) {
  const entry = table[member];
  const places = placesOf(entry);
  const single = places.flatMap((place) => hostileValues.map((value) =>
    ({ name: `${member}, ${place.name} = ${value.name}`, member, fill: () => fill(entry, place, value) })));
  const random = new Random(seed);
  const all = places.filter(({ isWhole }) => isWhole);
  const mixed = Array.from({ length: all.length > 1 ? RANDOM_CALLS : 0 }, () => {
    const values = all.map(() => hostileValues[random.below(hostileValues.length)]);
    return {
      name: `${member}, ${all.map(({ name }, i) => `${name} = ${values[i].name}`).join(', ')}`, member,
      fill: () => all.reduce((given, place, i) => place.put(given, values[i].make(place.valid(), world)), validCall(entry)),
    };
  });
  return [...single, ...mixed];
}

function fill(entry, place, value) {
  return place.put(validCall(entry), value.make(place.valid(), world));
}

function validCall(entry) {
  return { on: entry.on?.(world), args: entry.args(world) };
}

/** The places in a call that take a value. */
function placesOf(entry) {
  const { options, slots = {} } = entry;
  const count = Math.max(entry.args(world).length, options ? options.at + 1 : 0);
  const places = [];
  if (entry.on) {
    places.push({ name: 'this', valid: () => entry.on(world), put: (given, value) => ({ ...given, on: value }) });
  }
  for (let i = 0; i < count; i++) {
    places.push({
      name: `argument ${i + 1}`, isWhole: true,
      valid: () => entry.args(world)[i],
      put: ({ on, args }, value) => ({ on, args: Object.assign([...args], { [i]: value }) }),
    });
  }
  for (const [name, valid] of Object.entries(options?.values ?? {})) {
    places.push({
      name: `option ${name}`,
      valid: () => (typeof valid === 'function' ? valid(world) : valid),
      put({ on, args }, value) {
        const all = { ...options.base, ...args[options.at], [name]: value };
        return { on, args: Object.assign([...args], { [options.at]: all }) };
      },
    });
  }
  for (const [name, build] of Object.entries(slots)) {
    places.push({
      name, valid: () => undefined,
      put: ({ on }, value) => ({ on, args: build(world, value), slot: true }),
    });
  }
  return places;
}

/** Makes one call and returns the findings: everything that is wrong after it. */
async function findingsOf({ member, fill: make }) {
  const entry = table[member];
  const given = make();
  const heap = heapOf(world.dk);
  const { live, size } = heap;
  let result;
  try {
    const run = given.slot && entry.runSlot ? entry.runSlot : entry.run;
    result = run ? run(given.args, world) : functionOf(world, member).apply(given.on, given.args);
    if (result instanceof Promise) result = await result;
  } catch (error) {
    const findings = findingsOfError(error);
    if (heap.closed) return [...findings, 'harm: the runtime is closed'];
    // Fewer live objects are fine: the engine may collect earlier objects now.
    if (heap.live > live) findings.push(`harm: a refused call keeps ${heap.live - live} objects`);
    if (heap.size !== size) findings.push('harm: the heap has grown in a refused call');
    // This comes last: a snapshot may grow the heap.
    if (!isUnchanged()) findings.push('harm: a refused call has changed something');
    return findings;
  }
  accepted++;
  const findings = findingsOfResult(result);
  giveBack(result);
  if (await needsNewWorld(entry)) await renew();
  else before = snapshot();
  return findings;
}

function findingsOfError(error) {
  if (!isOwn(error)) return [`not a DynakernelError: ${textOf(error)}`];
  const findings = [];
  if (!CODES.includes(error.code)) findings.push(`the code is ${String(error.code)}`);
  if (typeof error.message !== 'string' || error.message === '') findings.push('there is no message');
  if (error.message.length > LONGEST_MESSAGE) findings.push(`the message has ${error.message.length} characters`);
  if (error.message.split('\n').length > 6) findings.push(`the message has ${error.message.split('\n').length} lines`);
  return findings;
}

/** If a call returned a tensor, its data must have as many numbers as its shape. */
function findingsOfResult(result) {
  if (result?.constructor !== world.x.constructor) return [];
  const { shape, data } = result;
  if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0)) return [`accepted with a shape [${shape}]`];
  const size = shape.reduce((product, length) => product * length, 1);
  return data.length === size ? [] : [`accepted, but [${shape}] has ${data.length} numbers`];
}

function isUnchanged() {
  try {
    return before.equals(snapshot());
  } catch {
    return false; // something is disposed
  }
}

/** Disposes the objects that a call made. */
function giveBack(result) {
  const parts = [result, ...(Array.isArray(result) ? result : []), ...(isPlain(result) ? Object.values(result) : [])];
  const blocks = [world.block, world.untouched, world.foreignBlock];
  const kept = new Set([...Object.values(world), ...blocks.flatMap(({ attention, aggregation }) => [attention, aggregation])]);
  for (const part of parts) {
    if (typeof part?.dispose !== 'function' || kept.has(part)) continue;
    part.dispose();
  }
}

function isPlain(value) {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

async function needsNewWorld(entry) {
  const objects = ['dk', 'foreign', 'block', 'untouched', 'attention', 'aggregation', 'dyConv', 'odConv', 'condConv',
    'routing', 'dynamic', 'kernels', 'biases', 'channel', 'filter', 'spatial', 'x', 'a', 'out', 'target', 'attentionOut',
    'pixels', 'inputGradient', 'optimizer', 'net', 'foreignTensor', 'foreignBlock'].map((name) => world[name]);
  return entry.ends || objects.some((object) => object.disposed);
}

/** Makes a new world, after harm and after calls that dispose objects of the world. */
async function renew() {
  world.dk.dispose();
  world.foreign.dispose();
  world = await makeWorld();
  before = snapshot();
  const again = answerOf(world);
  if (!again.equals(answer)) say({ finding: 'a new runtime computes something else' });
  answer = again;
}

/** The state that a refused call must not change, bit for bit. */
function snapshot() {
  const modules = [
    world.block, world.untouched, world.attention, world.aggregation, world.dyConv, world.odConv, world.condConv,
    world.routing, world.dynamic,
  ];
  const arrays = [...modules, world.net].flatMap((module) => Object.values(module.stateDict()).map(({ data }) => data));
  const tensors = [world.x, world.a, world.target, world.inputGradient, world.attentionOut];
  const modes = modules.flatMap((module) => [module.training, module.requiresGrad, module.disposed]);
  const { optimizer } = world;
  const state = Object.values(optimizer.stateDict({ flat: true })).map(({ data }) => data);
  const plans = [world.block, world.aggregation, world.odConv, world.dynamic].map(({ plan }) => plan);
  const words = JSON.stringify([modes, optimizer.lr, plans, world.dyConv.temperature]);
  return Buffer.concat([
    Buffer.from(words),
    ...[...arrays, ...state, ...tensors.map((tensor) => tensor.toArray())].map(bytesOf),
  ]);
}

function bytesOf({ buffer, byteOffset, byteLength }) {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** The outputs of a fresh block. If they are right, the C code's own memory is intact. */
function answerOf({ dk, x }) {
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 4, kernelSize: 3, seed: 9 });
  const y = block.forward(x);
  const numbers = y.toArray();
  for (const object of [y, block]) object.dispose();
  return bytesOf(numbers);
}

function isOwn(error) {
  try {
    return error instanceof DynakernelError;
  } catch {
    return false;
  }
}

function textOf(error) {
  try {
    return `${error?.name}: ${String(error?.message ?? error).slice(0, 120)} ${String(error?.stack).split('\n')[1]?.trim() ?? ''}`;
  } catch {
    return 'an error that cannot be read';
  }
}
