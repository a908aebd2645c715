// Hosts that lack something: an old Node, pages of Electron, Cloudflare's runtime, engines without a finalization registry.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { simd } from '../helpers.mjs';

const wrapper = new URL('../../web/dynakernel/', import.meta.url).href;
const file = new URL(`../../dist/dynakernel-${simd}.wasm`, import.meta.url).href;

/** Runs load() in a new process with changed globals, and returns the result of attempt(). */
function attempt(change, options) {
  const app = `
    const { readFileSync } = await import('node:fs');
    const bytes = readFileSync(new URL('${file}'));
    const warnings = [];
    console.warn = (text) => warnings.push(text);
    ${change}
    const { load } = await import('${wrapper}index.js');
    const result = await load(${options}).then((dk) => {
      const conv = dk.kernelAggregation({ inChannels: 1, outChannels: 1, kernelSize: 1, numKernels: 1, bias: false, seed: 1 });
      const [x, a] = [dk.zeros([1, 1, 2, 2]), dk.tensor([1], [1, 1])];
      const y = conv.forward(x, a);
      const { threads, threadsReason: reason, simd } = dk.info;
      for (const owner of [y, a, x, conv]) owner.dispose();
      dk.dispose();
      return { threads, reason, simd };
    }, ({ name, code, message }) => ({ name, code, message }));
    console.log(JSON.stringify({ ...result, warnings }));
    process.exit();`;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', app], { encoding: 'utf8', timeout: 120_000 });
  return JSON.parse(output);
}

const withoutBuiltins = 'delete process.getBuiltinModule; process.getBuiltinModule = undefined;';

test('a Node without process.getBuiltinModule is refused with a reason', () => {
  const { name, code, message } = attempt(withoutBuiltins, '');
  assert.deepEqual([name, code], ['DynakernelError', 'ERR_LOAD']);
  assert.match(message, /\.wasm could not be read: dynakernel needs Node 20\.16 or newer .* this is \d/);
  const { threads, reason } = attempt(withoutBuiltins, '{ wasm: bytes }');
  assert.equal(threads, 1);
  assert.match(reason, /threads need Node 20\.16/);
});

for (const [name, refuse] of [['without process.getBuiltinModule', withoutBuiltins],
  ['whose process.getBuiltinModule throws', "process.getBuiltinModule = () => { throw new Error('refused'); };"],
  ['whose process.getBuiltinModule gives nothing', 'process.getBuiltinModule = () => undefined;']]) {
  test(`a page with Node's version ${name} fetches, and runs one thread`, () => {
    const page = `${refuse}
      globalThis.document = { baseURI: 'http://page.example/' };
      globalThis.fetch = async (url) => new Response(bytes, { headers: { 'content-type': String(url).slice(0, 5) } });`;
    const { threads, reason, warnings, simd: started } = attempt(page, `{ simd: '${simd}' }`);
    assert.deepEqual([threads, started, warnings], [1, simd, []]);
    assert.match(reason, /not cross-origin isolated/);
    const asked = attempt(page, `{ simd: '${simd}', threads: 2 }`);
    assert.equal(asked.threads, 1);
    assert.equal(asked.warnings.length, 1);
  });
}

const cloudflare = `Object.defineProperty(globalThis, 'navigator', { value: { userAgent: 'Cloudflare-Workers' } });
  globalThis.fetch = async () => { throw new TypeError('Network connection lost.'); };`;

test('on Cloudflare a given module runs, on one thread', () => {
  const { threads, reason, simd: started, warnings } = attempt(cloudflare, '{ wasm: new WebAssembly.Module(bytes) }');
  assert.deepEqual([threads, started, warnings], [1, simd, []]);
  assert.match(reason, /Cloudflare/);
});

test('on Cloudflare errors name the import that works', () => {
  const way = /import wasm from 'dynakernel\/wasm\/relaxed\.wasm'; load\(\{ wasm \}\)/;
  const forbidden = `${cloudflare} WebAssembly.compile = async () => {
    throw new WebAssembly.CompileError('WebAssembly.compile(): Wasm code generation disallowed by embedder'); };`;
  for (const [change, options] of [[forbidden, ''], [forbidden, '{ wasm: bytes }'],
    [cloudflare, "{ wasm: 'https://files.example/x.wasm' }"]]) {
    const { code, message } = attempt(change, options);
    assert.equal(code, 'ERR_LOAD');
    assert.match(message, way);
  }
});

test('everything works without a finalization registry', () => {
  const { threads, warnings } = attempt('delete globalThis.FinalizationRegistry;', `{ simd: '${simd}', threads: 1 }`);
  assert.deepEqual([threads, warnings], [1, []]);
});

test('an address that a bundler made for the browser does not mislead a server', () => {
  // webpack's relative URLs in Next.js are paths without a protocol
  const relative = `const { URL: Native } = globalThis;
    const seen = new Set();
    globalThis.URL = class extends Native {
      constructor(url, base) {
        super(url, base);
        if (!/^[.].*[.]wasm$/.test(url) || seen.has(url)) return;
        seen.add(url);
        const values = { href: '/_next/static/x.wasm', protocol: '', origin: '', toString: () => '/_next/static/x.wasm' };
        for (const [name, value] of Object.entries(values)) Object.defineProperty(this, name, { value });
      }
    };`;
  const { threads, simd: started, message } = attempt(relative, `{ simd: '${simd}', threads: 2 }`);
  assert.deepEqual({ threads, started, message }, { threads: 2, started: simd, message: undefined });
});
