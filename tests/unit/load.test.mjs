// load(): builds, sources, and the errors on the way.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, mock, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { ABI_VERSION } from '../../web/dynakernel/abi.js';
import { load } from '../../web/dynakernel/index.js';
import { assertRejected, simd, threads } from '../helpers.mjs';

const wasmUrl = new URL(`../../dist/dynakernel-${simd}.wasm`, import.meta.url);
const bytes = readFileSync(wasmUrl);
/** "\0asm" and version 1: a valid module without exports. */
const emptyModule = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

let server, origin;
before(async () => {
  const responses = {
    '/right.wasm': [200, 'application/wasm', bytes],
    '/dynakernel-baseline.wasm': [200, 'application/wasm', bytes],
    '/untyped.wasm': [200, 'application/octet-stream', bytes],
    '/page.wasm': [200, 'text/html', '<!doctype html>'],
    '/mislabelled.wasm': [200, 'application/wasm', '\n<html></html>'],
    '/pointer.wasm': [200, 'application/wasm', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n'],
    '/zipped.wasm': [200, 'application/wasm', gzipSync(bytes)],
    '/broken.wasm': [200, 'application/wasm', bytes.subarray(0, 1000)],
    '/other.wasm': [200, 'application/wasm', emptyModule],
  };
  server = createServer(({ url }, response) => {
    if (url === '/never.wasm') return; // sends no response, so the client gives up
    const [status, type, body] = responses[url] ?? [404, 'text/plain', 'nothing here'];
    response.writeHead(status, { 'content-type': type }).end(body);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  origin = `http://127.0.0.1:${server.address().port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

/** The runtime computes: 2 * 3 + 1 = 7. */
function assertWorks(dk) {
  const conv = dk.kernelAggregation({ inChannels: 1, outChannels: 1, kernelSize: 1, numKernels: 1 });
  conv.loadStateDict({
    weight: { shape: [1, 1, 1, 1, 1], data: Float32Array.of(2) }, bias: { shape: [1, 1], data: Float32Array.of(1) },
  });
  assert.equal(conv.forward(dk.tensor([3], [1, 1, 1, 1]), dk.tensor([1], [1, 1])).data[0], 7);
  dk.dispose();
}

test('info names the build and the threads', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const dk = await load({ simd, threads });
  assert.deepEqual(dk.info, { version, simd, threads, threadsReason: null, heapBytes: dk.info.heapBytes });
  assert.ok(dk.info.heapBytes >= 65536 && dk.info.heapBytes % 65536 === 0);
  assertWorks(dk);
});

test('auto is the fastest that the engine can run', async () => {
  const relaxed = WebAssembly.validate(readFileSync(new URL('../../dist/dynakernel-relaxed.wasm', import.meta.url)));
  for (const options of [undefined, {}, { simd: 'auto' }, { simd: undefined, threads: 'auto' }]) {
    const dk = await load(options);
    assert.equal(dk.info.simd, relaxed ? 'relaxed' : 'baseline');
    assertWorks(dk);
  }
  if (relaxed) assertWorks(await load({ simd: 'relaxed' }));
  else await assertRejected(load({ simd: 'relaxed' }), 'ERR_LOAD', 'relaxed', "'baseline'");
  const baseline = await load({ simd: 'baseline' });
  assert.equal(baseline.info.simd, 'baseline');
  assertWorks(baseline);
});

test('a module from every kind of source', async () => {
  const whole = new Uint8Array(bytes);
  const shared = new SharedArrayBuffer(whole.length);
  new Uint8Array(shared).set(whole);
  const sources = [
    wasmUrl, wasmUrl.href, fileURLToPath(wasmUrl),
    new URL(`${origin}/right.wasm`), `${origin}/right.wasm`, `${origin}/untyped.wasm`,
    `data:application/wasm;base64,${bytes.toString('base64')}`,
    await fetch(`${origin}/right.wasm`), await fetch(`${origin}/untyped.wasm`), new Response(whole),
    bytes, whole, whole.buffer, new DataView(whole.buffer), new WebAssembly.Module(bytes), shared, new Uint8Array(shared),
  ];
  for (const wasm of sources) assertWorks(await load({ wasm }));
});

test('info.simd of a given module', async () => {
  // The module says it, whatever its address says.
  const cases = [[wasmUrl, simd], [`${origin}/dynakernel-baseline.wasm`, simd], [bytes, simd], [new WebAssembly.Module(bytes), simd],
    [bytes.subarray(0, -20 - (simd === 'baseline')), 'unknown']];
  for (const [wasm, expected] of cases) {
    const dk = await load({ wasm });
    assert.equal(dk.info.simd, expected);
    dk.dispose();
  }
});

test('errors of fetching and compiling name the file', async () => {
  const missing = `${origin}/missing.wasm`;
  await assertRejected(load({ wasm: missing }), 'ERR_LOAD', missing, '404');
  await assertRejected(load({ wasm: await fetch(missing) }), 'ERR_LOAD', missing, '404');
  await assertRejected(load({ wasm: `${origin}/page.wasm` }), 'ERR_LOAD', `${origin}/page.wasm`, 'text/html', 'HTML page');
  await assertRejected(load({ wasm: `${origin}/mislabelled.wasm` }), 'ERR_LOAD', 'mislabelled.wasm', 'HTML page');
  await assertRejected(load({ wasm: `${origin}/pointer.wasm` }), 'ERR_LOAD', 'pointer.wasm', 'git lfs pull');
  await assertRejected(load({ wasm: `${origin}/zipped.wasm` }), 'ERR_LOAD', 'zipped.wasm', 'gzip');
  await assertRejected(load({ wasm: await fetch(`${origin}/pointer.wasm`) }), 'ERR_LOAD', 'git lfs pull');
  await assertRejected(load({ wasm: `${origin}/broken.wasm` }), 'ERR_LOAD', `${origin}/broken.wasm`, 'WebAssembly');
  await assertRejected(load({ wasm: `${origin}/other.wasm` }), 'ERR_LOAD', `${origin}/other.wasm`, 'dk_alloc');
  await assertRejected(load({ wasm: 'http://127.0.0.1:1/x.wasm' }), 'ERR_LOAD', 'http://127.0.0.1:1/x.wasm', 'fetched');
  await assertRejected(load({ wasm: new URL('missing.wasm', import.meta.url) }), 'ERR_LOAD', 'missing.wasm', 'ENOENT');
  await assertRejected(load({ wasm: 'missing.wasm' }), 'ERR_LOAD', 'missing.wasm');
  await assertRejected(load({ wasm: emptyModule }), 'ERR_LOAD', 'Uint8Array', 'dk_alloc');
  await assertRejected(load({ wasm: new Uint8Array(0) }), 'ERR_LOAD', 'WebAssembly', 'empty');
  await assertRejected(load({ wasm: Buffer.from('PK\x03\x04') }), 'ERR_LOAD', '50 4b 03 04');
  await assertRejected(load({ wasm: Buffer.from('\ufeff <!DOCTYPE html>') }), 'ERR_LOAD', 'HTML page');
  await assertRejected(load({ wasm: new WebAssembly.Module(emptyModule) }), 'ERR_LOAD', 'dk_alloc');
  const used = await fetch(`${origin}/right.wasm`);
  await used.arrayBuffer();
  await assertRejected(load({ wasm: used }), 'ERR_LOAD', `${origin}/right.wasm`);
});

/** The offset of a section's first entry, and the number of entries. */
function sectionOf(module, wanted) {
  for (let offset = 8; offset < module.length;) {
    const id = module[offset];
    const [size, begin] = leb(module, offset + 1);
    if (id === wanted) return leb(module, begin).reverse();
    offset = begin + size;
  }
  throw new Error(`no section ${wanted}`);
}

/** An unsigned LEB128 number, and the offset after it. */
function leb(module, offset) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = module[offset++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, offset];
  }
}

/** The offset of an exported name, and the index of its function. */
function exportOf(module, wanted) {
  let [offset, count] = sectionOf(module, 7);
  for (; count > 0; count--) {
    const [length, name] = leb(module, offset);
    const [index, next] = leb(module, name + length + 1);
    if (Buffer.from(module.subarray(name, name + length)).toString() === wanted) return { name, index };
    offset = next;
  }
  throw new Error(`no export ${wanted}`);
}

/** The module under test with another result of dk_abi(), from 0 to 63. It imports no functions. */
function withAbi(number) {
  const module = Uint8Array.from(bytes);
  let [offset] = sectionOf(module, 10);
  for (let skip = exportOf(module, 'dk_abi').index; skip > 0; skip--) {
    const [size, body] = leb(module, offset);
    offset = body + size;
  }
  const [size, body] = leb(module, offset);
  assert.deepEqual([...module.subarray(body, body + size)], [0, 0x41, ABI_VERSION, 0x0b]); // i32.const, end
  module[body + 2] = number;
  return module;
}

test('a module of another version: both numbers, and what to do', async () => {
  await assertRejected(load({ wasm: withAbi(ABI_VERSION + 1) }), 'ERR_LOAD', `its ABI number is ${ABI_VERSION + 1}`,
    `this wrapper needs ${ABI_VERSION}`, 'Copy the .wasm file', 'this version');
  await assertRejected(load({ wasm: withAbi(0) }), 'ERR_LOAD', 'its ABI number is 0', `needs ${ABI_VERSION}`);
  assertWorks(await load({ wasm: withAbi(ABI_VERSION) }));

  const unnumbered = Uint8Array.from(bytes), { name } = exportOf(bytes, 'dk_abi');
  unnumbered[name + 5] = 'x'.charCodeAt(0);
  await assertRejected(load({ wasm: unnumbered }), 'ERR_LOAD', 'its ABI number is missing', `needs ${ABI_VERSION}`,
    'it has no dk_abi.', 'Copy the .wasm file');
  await assertRejected(load({ wasm: emptyModule }), 'ERR_LOAD', 'dk_abi, dk_alloc', 'others. Copy');
});

test('options', async () => {
  await assertRejected(load(5), 'ERR_CONFIG', 'load', '5');
  await assertRejected(load({ thread: 1 }), 'ERR_CONFIG', '"thread"', 'threads');
  for (const value of ['fast', 1, null]) await assertRejected(load({ simd: value }), 'ERR_CONFIG', 'simd', "'relaxed'");
  for (const wasm of [5, null, {}, [], true]) {
    await assertRejected(load({ wasm }), 'ERR_CONFIG', 'wasm', 'WebAssembly.Module');
  }
  for (const signal of [5, null, {}, 'x', { aborted: false }]) await assertRejected(load({ signal }), 'ERR_CONFIG', 'AbortSignal');
});

test('bytes that were transferred', async () => {
  for (const view of [(buffer) => buffer, (buffer) => new Uint8Array(buffer), (buffer) => new DataView(buffer)]) {
    const buffer = new Uint8Array(bytes).buffer;
    const wasm = view(buffer);
    structuredClone(buffer, { transfer: [buffer] });
    await assertRejected(load({ wasm }), 'ERR_CONFIG', 'wasm', 'transferred');
  }
});

test('a Windows path is a path', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'dynakernel-'));
  const before = process.cwd();
  t.after(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true });
  });
  process.chdir(folder); // here these names are paths
  const paths = ['C:\\Users\\me\\dynakernel.wasm', 'd:\\x.wasm'];
  for (const path of paths) {
    writeFileSync(path, bytes);
    assertWorks(await load({ wasm: path }));
  }
  for (const path of ['E:\\absent.wasm', 'e:/absent.wasm', '\\\\server\\absent.wasm']) {
    await assertRejected(load({ wasm: path }), 'ERR_LOAD', path, 'ENOENT');
  }
});

test('a signal ends loading', async () => {
  const reason = new Error('enough');
  const isAborted = (error) => {
    assert.equal(error.code, 'ERR_LOAD');
    assert.equal(error.cause, reason);
    assert.match(error.message, /aborted/);
    return true;
  };
  await assert.rejects(load({ signal: AbortSignal.abort(reason) }), isAborted);

  const controller = new AbortController();
  const loading = load({ wasm: `${origin}/never.wasm`, signal: controller.signal });
  setTimeout(() => controller.abort(reason), 20);
  await assert.rejects(loading, isAborted);

  const unused = new AbortController();
  const dk = await load({ simd, signal: unused.signal });
  assert.deepEqual(getEventListeners(unused.signal, 'abort'), []);
  assertWorks(dk);
});

test('no memory to start with is ERR_MEMORY', async (t) => {
  t.mock.method(WebAssembly, 'instantiate', async () => {
    throw new RangeError('WebAssembly.instantiate(): Out of memory: Cannot allocate Wasm memory for new instance');
  });
  await assertRejected(load({ simd }), 'ERR_MEMORY', 'Out of memory');
  mock.restoreAll();
});

test('an engine without SIMD is refused', async (t) => {
  t.mock.method(WebAssembly, 'validate', () => false);
  await assertRejected(load(), 'ERR_LOAD', 'no WebAssembly SIMD');
});

test('two runtimes share nothing', async () => {
  const [one, two] = await Promise.all([load({ simd }), load({ simd })]);
  const t = one.tensor([1], [1]);
  two.dispose();
  assert.equal(t.data[0], 1);
  one.dispose();
});
