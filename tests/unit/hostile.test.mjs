// Every public member, called with hostile values in every place: only DynakernelErrors leave, a refused call changes
// nothing, and no call hangs. A member or an option that tests/hostile/api.mjs does not list fails the first tests.
// One area alone: node --test --test-name-pattern='Tensor' tests/unit/hostile.test.mjs
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DynakernelError } from '../../web/dynakernel/index.js';
import { assertRefused, loadRuntime } from '../helpers.mjs';
import { config, functionOf, makeWorld, membersOf, table } from '../hostile/api.mjs';
import { seedTitle, seedsOf } from '../seeds.mjs';

const MOST_SECONDS = 4; // for one call, on a busy machine
const MOST_ENDS = 3; // after so many calls that hang, or end their thread, the test of an area stops

const folder = mkdtempSync(join(tmpdir(), 'dynakernel-hostile-'));
let world;
before(async () => {
  world = await makeWorld();
});
after(() => {
  [world?.dk, world?.foreign].forEach((runtime) => runtime?.dispose());
  rmSync(folder, { recursive: true });
});

test('the table lists every public member', () => {
  assert.deepEqual(Object.keys(table).sort(), membersOf(world).sort());
});

test('the table lists every option', async () => {
  for (const [member, entry] of Object.entries(table)) {
    const { on, args, options, run, ends } = entry;
    if (ends || /dispose/.test(member)) continue;
    const at = options?.at ?? args(world).length;
    const given = Object.assign([...args(world)], { [at]: { unheardOf: 1 } });
    let message = '';
    try {
      await (run ? run(given, world) : functionOf(world, member).apply(on(world), given));
    } catch (error) {
      message = error.message;
    }
    const [, names] = /it takes (.*)$/.exec(message) ?? [];
    if (!options) assert.equal(names, undefined, `${member} has options that the table does not list`);
    else assert.deepEqual(Object.keys(options.values).sort(), names.split(', ').sort(), member);
  }
});

const areas = groupBy(Object.keys(table), areaOf);
for (const seed of seedsOf(20)) {
  for (const [area, members] of areas) {
    test(`hostile values: ${area}, ${seedTitle(seed)}`, async () => {
      const { findings, calls, accepted } = await attack(members, seed);
      assert.ok(calls > members.length * 20, `${calls} calls of ${members.length} members`);
      assert.ok(accepted < calls / 2, `${accepted} of ${calls} calls were accepted`);
      if (findings.length > 0) assert.fail(report(findings));
    });
  }
}

/** The class of a member. All functions are one area. */
function areaOf(member) {
  return /^(\w+)[.[]/.exec(member)?.[1] ?? 'functions';
}

function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) groups.set(keyOf(item), [...groups.get(keyOf(item)) ?? [], item]);
  return groups;
}

/** Makes the calls of some members in processes, one process after another. A call that hangs ends its process. */
async function attack(members, seed) {
  const findings = [];
  for (let first = 0, ends = 0; ; ends++) {
    const { stopped, done } = await attackFrom(first, members, seed, findings);
    if (done) return { findings, ...done };
    findings.push(`${stopped.name}: ${stopped.why}`);
    first = stopped.index + 1;
    if (ends === MOST_ENDS) return { findings: [...findings, 'the other calls were not made'], calls: Infinity, accepted: 0 };
  }
}

const caller = fileURLToPath(new URL('../hostile/caller.mjs', import.meta.url));

async function attackFrom(first, members, seed, findings) {
  const progress = join(folder, 'progress');
  writeFileSync(progress, '');
  const child = spawn(process.execPath, ['--max-old-space-size=512', caller, progress, first, seed, ...members],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  let names = [];
  let done;
  let why = 'has ended the process';
  let [latest, since] = ['', Date.now()];
  const watch = setInterval(() => {
    const now = readFileSync(progress, 'utf8');
    if (now !== latest) {
      [latest, since] = [now, Date.now()];
    } else if (Date.now() - since > MOST_SECONDS * 1000) {
      why = `has not come back after ${MOST_SECONDS} s`;
      child.kill('SIGKILL');
    }
  }, 100);
  try {
    for await (const line of createInterface(child.stdout)) {
      if (child.killed && !line.endsWith('}')) break; // the process ended in the middle of a line
      const said = JSON.parse(line);
      if (said.names) names = said.names;
      if (said.finding) findings.push(said.finding);
      if (said.done) done = said.done;
    }
  } finally {
    clearInterval(watch);
  }
  const index = Number(readFileSync(progress, 'utf8'));
  assert.ok(done || index in names, `the calls of ${members} do not begin`);
  return done ? { done } : { stopped: { index, name: names[index], why } };
}

/** A few lines for people: the number of findings, and the first of each kind. */
function report(findings) {
  const kinds = new Map();
  for (const finding of findings) {
    const kind = finding.replace(/ = .*?: /, ': ').slice(0, 100);
    kinds.set(kind, [...kinds.get(kind) ?? [], finding]);
  }
  const lines = [...kinds.values()].map(([first, ...rest]) => `- ${first}${rest.length > 0 ? ` (and ${rest.length} like it)` : ''}`);
  return `${findings.length} findings:\n${lines.join('\n')}`;
}

// Arguments that change between a check and its use, or dispose an object that a call works on. Each test has a runtime
// of its own.

async function withRuntime(work) {
  const dk = await loadRuntime();
  try {
    await work(dk);
  } finally {
    dk.dispose();
  }
}

/** Runs a call that may throw a DynakernelError. */
function attempt(work) {
  try {
    return work();
  } catch (error) {
    assert.ok(error instanceof DynakernelError, error?.stack);
    return undefined;
  }
}

test('a shape that changes while it is read zeroes no other tensor', () => withRuntime((dk) => {
  for (let steady = 1; steady < 6; steady++) { // reads before the change
    const others = Array.from({ length: 20 }, () => dk.tensor([1, 2, 3, 4], [4]));
    others.shift().dispose(); // frees memory before the others
    let reads = 0;
    const shape = Object.defineProperty([0], 0, { enumerable: true, get: () => (reads++ < steady ? 4 : 4000) });
    const zeros = attempt(() => dk.zeros(shape));
    if (zeros) assert.equal(zeros.data.length, zeros.shape[0]);
    for (const other of others) assert.deepEqual([...other.data], [1, 2, 3, 4]);
  }
}));

test('a typed array whose length changes writes no more than its numbers', () => withRuntime((dk) => {
  class Growing extends Float32Array {
    reads = 0;

    get length() {
      return this.reads++ ? 4000 : 4;
    }
  }
  const block = dk.dynamicKernelAggregation(config);
  const x = dk.tensor(new Float32Array(75).fill(1), [1, 3, 5, 5]);
  const expected = block.forward(x).toArray();
  const others = Array.from({ length: 20 }, () => dk.tensor([1, 2, 3, 4], [4]));
  attempt(() => dk.tensor(new Growing(4000).fill(7), [4]));
  for (const other of others) assert.deepEqual([...other.data], [1, 2, 3, 4]);
  assert.deepEqual(block.forward(x).toArray(), expected);
}));

test('a state dict whose getter disposes the module is not written into freed memory', () => withRuntime((dk) => {
  const block = dk.dynamicKernelAggregation(config);
  const dict = block.stateDict();
  /** @type {any[]} */
  const taken = [];
  const disposing = Object.defineProperty({ ...dict['aggregation.bias'] }, 'dtype', { get() {
    block.dispose();
    for (let i = 0; i < 20; i++) taken.push(dk.tensor(Array(16).fill(i), [16]));
    return undefined;
  } });
  assertRefused(() => block.loadStateDict({ ...dict, 'aggregation.bias': disposing }), 'ERR_DISPOSED');
  taken.forEach((tensor, i) => assert.ok(tensor.toArray().every((value) => value === i)));
}));

test('a canvas that disposes out is not written into freed memory', () => withRuntime((dk) => {
  const out = dk.zeros([1, 3, 4, 4]);
  /** @type {any[]} */
  const taken = [];
  const getImageData = (left, top, width, height) => {
    out.dispose();
    for (let i = 0; i < 20; i++) taken.push(dk.tensor(Array(48).fill(i), [48]));
    return { data: new Uint8ClampedArray(width * height * 4).fill(200), width, height, colorSpace: 'srgb' };
  };
  const canvas = { width: 4, height: 4, getContext: () => ({ getImageData, drawImage() {} }) };
  attempt(() => dk.fromImage(canvas, { out }));
  assert.equal(taken.length > 0, true);
  taken.forEach((tensor, i) => assert.ok(tensor.toArray().every((value) => value === i)));
}));

for (const [name, spoil] of Object.entries({
  'detaches the memory': (buffer) => structuredClone(buffer, { transfer: [buffer] }),
  'shrinks the memory': (buffer) => buffer.resize(4),
})) {
  test(`a state dict whose getter ${name} of an earlier value: all or nothing`, () => withRuntime((dk) => {
    const block = dk.dynamicKernelAggregation(config);
    const before = block.stateDict();
    const dict = block.stateDict();
    for (const value of Object.values(dict)) {
      if (value.data instanceof Float32Array) value.data = value.data.map((number) => number + 1);
    }
    const buffer = new ArrayBuffer(16, { maxByteLength: 32 });
    dict['attention.bn.bias'] = { shape: [4], data: new Float32Array(buffer) };
    const { shape, data } = dict['aggregation.bias'];
    dict['aggregation.bias'] = { shape, data, get dtype() {
      spoil(buffer);
      return undefined;
    } };
    const expected = { ...dict, 'attention.bn.bias': { shape: [4], data: new Float32Array(4) }, 'aggregation.bias': { shape, data } };
    const accepted = attempt(() => block.loadStateDict(dict));
    assert.deepEqual(block.stateDict(), accepted ? expected : before);
  }));
}

test('canvases whose sizes are no whole numbers, or that give no pixels, are refused', () => withRuntime((dk) => {
  const good = { data: new Uint8ClampedArray(64), width: 4, height: 4 };
  for (const [width, height, pixels] of [
    [4.5, 4, good], [4, '4', good], ['4', 4, good], [4, [4], good], [4n, 4, good], [4, 4, undefined], [4, 4, {}],
    [4, 4, { ...good, data: null }], [4, 4, { ...good, data: new Uint8ClampedArray(16) }], [4, 4, { ...good, data: 'x' }],
  ]) {
    const canvas = { width, height, getContext: () => ({ getImageData: () => pixels }) };
    assertRefused(() => dk.fromImage(canvas), 'ERR_IMAGE');
  }
}));
