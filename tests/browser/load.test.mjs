// load() in a page: under a strict policy, from a partial or foreign deployment, and without console messages.
import assert from 'node:assert/strict';
import { readFileSync, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { build } from 'esbuild';
import { launchBrowser } from '../../scripts/browsers.mjs';
import { root } from '../../scripts/project.mjs';

const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};
const TYPES = { js: 'text/javascript', wasm: 'application/wasm', html: 'text/html' };

const APP = (module) => `import { load } from '${module}';
  const options = JSON.parse(decodeURIComponent(location.hash.slice(1)) || '{}');
  load(options).then((dk) => {
    const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 3, seed: 1 });
    const { shape } = block.forward(dk.zeros([1, 3, 200, 200]));
    const { simd, threads, threadsReason: reason } = dk.info;
    return { simd, threads, reason, shape: [...shape] };
  }, ({ name, code, message }) => ({ name, code, message })).then((result) => { window.result = result; });`;

/** The same in a worker. */
const IN_WORKER = `import { loadInWorker } from './lib/worker.js';
  const options = JSON.parse(decodeURIComponent(location.hash.slice(1)) || '{}');
  loadInWorker(options).then(async (dk) => {
    const block = await dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 3, seed: 1 });
    const { shape } = await block.forward(await dk.zeros([1, 3, 200, 200]));
    const { simd, threads, threadsReason: reason } = await dk.info;
    return { simd, threads, reason, shape };
  }).catch(({ name, code, message }) => ({ name, code, message })).then((result) => { window.result = result; });`;

let browser;
before(async () => { browser = await launchBrowser(); });
after(() => browser?.close());

const servers = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/**
 * Serves dist/ as /app/lib/, and a page beside it that loads it.
 *
 * @param {{ headers?: object, module?: string, app?: string, respond?: (path: string) => object | undefined }} [options]
 *   app: the page's script
 *   respond: another response for a path, { status, headers, body }
 */
async function deploy({ headers = {}, module = './lib/index.js', app = APP(module), respond = () => undefined } = {}) {
  const files = { '/app/': ['html', '<!doctype html><script type="module" src="app.js"></script>'], '/app/app.js': ['js', app] };
  const server = createServer((request, response) => {
    const path = request.url.split('?')[0];
    if (path === '/favicon.ico') return response.writeHead(204).end();
    const other = respond(path);
    if (other) return response.writeHead(other.status ?? 200, { ...headers, ...other.headers }).end(other.body);
    const file = join(root, 'dist', path.replace('/app/lib/', ''));
    const [type, body] = files[path] ??
      (path.startsWith('/app/lib/') && existsSync(file) ? [path.split('.').at(-1), readFileSync(file)] : []);
    if (!type) return response.writeHead(404, headers).end();
    response.writeHead(200, { 'Content-Type': TYPES[type], ...headers }).end(body);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  servers.push(server);
  return `http://localhost:${server.address().port}/app/`;
}

/** The result of load() in a page, and the lines on its console. */
async function visit(url, options = {}) {
  const page = await browser.newPage();
  const lines = [];
  page.on('console', (message) => lines.push(message.text()));
  page.on('pageerror', (error) => lines.push(String(error)));
  await page.goto(`${url}#${encodeURIComponent(JSON.stringify(options))}`);
  await page.waitForFunction(() => window.result, { timeout: 60_000 });
  const result = await page.evaluate(() => window.result);
  await page.close();
  return { ...result, lines };
}

test('an ordinary page: one thread, the reason in info, nothing on the console', async () => {
  const { threads, reason, shape, lines } = await visit(await deploy());
  assert.deepEqual({ threads, shape, lines }, { threads: 1, shape: [1, 8, 198, 198], lines: [] });
  assert.match(reason, /not cross-origin isolated/);
});

test('a number of threads that is not met: one warning', async () => {
  const { threads, lines } = await visit(await deploy(), { threads: 2 });
  assert.equal(threads, 1);
  assert.equal(lines.length, 1);
  assert.match(lines[0], /^dynakernel runs on one thread: the page is not cross-origin isolated/);
});

test('an isolated page under a strict policy: threads, nothing on the console', async () => {
  const url = await deploy({ headers: { ...ISOLATED, 'Content-Security-Policy': POLICY } });
  const { threads, reason, lines } = await visit(url, { threads: 2 });
  assert.deepEqual({ threads, reason, lines }, { threads: 2, reason: null, lines: [] });
});

test('dynakernel/inline under a strict policy: one thread, nothing on the console', async () => {
  const url = await deploy({ module: './lib/inline.js', headers: { ...ISOLATED, 'Content-Security-Policy': POLICY } });
  const { threads, reason, lines } = await visit(url);
  assert.deepEqual({ threads, lines }, { threads: 1, lines: [] });
  assert.match(reason, /inline has one thread/);
});

test('the message names a policy that forbids WebAssembly, and the missing source', async () => {
  for (const module of ['./lib/index.js', './lib/inline.js']) {
    const url = await deploy({ module, headers: { ...ISOLATED, 'Content-Security-Policy': "default-src 'self'" } });
    const { code, message } = await visit(url);
    assert.equal(code, 'ERR_LOAD');
    assert.match(message, /Content-Security-Policy forbids WebAssembly: add 'wasm-unsafe-eval' to its script-src/);
  }
});

const isWasm = (path) => path.endsWith('.wasm');
const page = { headers: { 'Content-Type': 'text/html' }, body: '<!doctype html><title>app</title>' };

for (const [name, other, words] of [
  ['is not there', { status: 404 }, /\.wasm could not be fetched: the server returned 404/],
  ['comes as the page of the app', page, /\.wasm is not a WebAssembly module \(it came as text\/html\): it is an HTML page/],
]) {
  test(`a file that ${name}: what to do`, async () => {
    for (const headers of [{}, ISOLATED]) {
      const { code, message } = await visit(await deploy({ headers, respond: (path) => (isWasm(path) ? other : undefined) }));
      assert.equal(code, 'ERR_LOAD');
      assert.match(message, words);
      assert.match(message, /\n.*'dynakernel\/inline'.*optimizeDeps: \{ exclude: \['dynakernel'\] \}.*esbuild.*Bundlers/);
    }
  });
}

test('without the threaded build alone: one thread, and the reason names the file', async () => {
  const missing = (path) => (path.endsWith('-threads.wasm') ? { status: 404 } : undefined);
  const { threads, reason } = await visit(await deploy({ headers: ISOLATED, respond: missing }));
  assert.equal(threads, 1);
  assert.match(reason, /-threads\.wasm could not be fetched: the server returned 404/);
  assert.doesNotMatch(reason, /\n/);
});

for (const [name, other] of [
  ['without the page\'s embedder policy', (body) => ({ headers: { 'Content-Type': 'text/javascript', 'Cross-Origin-Embedder-Policy': 'unsafe-none' }, body })],
  ['as HTML', () => page],
  ['not at all', () => ({ status: 404 })],
]) {
  test(`the worker served ${name}: one thread, and the reason says what it needs`, async () => {
    const worker = readFileSync(join(root, 'dist/dynakernel-worker.js'));
    const respond = (path) => (path.endsWith('/dynakernel-worker.js') ? other(worker) : undefined);
    const { threads, reason } = await visit(await deploy({ headers: ISOLATED, respond }), { threads: 2 });
    assert.equal(threads, 1);
    assert.match(reason, /dynakernel-worker\.js could not be loaded: .*serve it with Cross-Origin-Embedder-Policy/);
  });
}

test('from another origin: threads as well', async () => {
  const headers = { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' };
  const foreign = (await deploy({ headers })).replace('localhost', '127.0.0.1');
  for (const [headersOfPage, threads] of [[{}, 1], [ISOLATED, 2]]) {
    const result = await visit(await deploy({ headers: headersOfPage, module: `${foreign}lib/index.js` }), { threads });
    assert.deepEqual({ threads: result.threads, reason: result.reason, lines: result.lines }, { threads, reason: null, lines: [] });
  }
});

test('moved without its files, as Vite moves it in development: it finds them', async () => {
  const { outputFiles: [bundle] } = await build({
    entryPoints: [join(root, 'dist/index.js')], bundle: true, format: 'esm', write: false,
  });
  const moved = '/app/node_modules/.vite/deps/dynakernel.js';
  const respond = (path) => {
    if (path === moved) return { headers: { 'Content-Type': 'text/javascript' }, body: bundle.text };
    const [, name] = /^\/app\/node_modules\/dynakernel\/dist\/([\w.-]+)$/.exec(path) ?? [];
    if (!name) return undefined;
    return { headers: { 'Content-Type': TYPES[name.split('.').at(-1)] }, body: readFileSync(join(root, 'dist', name)) };
  };
  const { threads, reason, lines } = await visit(await deploy({ headers: ISOLATED, module: moved, respond }), { threads: 2 });
  assert.deepEqual({ threads, reason, lines }, { threads: 2, reason: null, lines: [] });
});

test('dynakernel/worker under a strict policy: threads, nothing on the console', async () => {
  for (const [headers, threads] of [[{}, 1], [ISOLATED, 2]]) {
    const url = await deploy({ app: IN_WORKER, headers: { ...headers, 'Content-Security-Policy': POLICY } });
    const result = await visit(url, { threads });
    assert.deepEqual([result.threads, result.shape, result.lines], [threads, [1, 8, 198, 198], []], result.message);
  }
});

test('dynakernel/worker from another origin', async () => {
  const headers = { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' };
  const foreign = (await deploy({ headers })).replace('localhost', '127.0.0.1');
  const url = await deploy({ app: IN_WORKER.replace('./lib/', `${foreign}lib/`) });
  const { threads, shape, lines, message } = await visit(url, { threads: 1 });
  assert.deepEqual({ threads, shape, lines }, { threads: 1, shape: [1, 8, 198, 198], lines: [] }, message);
});

test('dynakernel/worker without its worker: what to do', async () => {
  const respond = (path) => (path.endsWith('/dynakernel-runtime.js') ? { status: 404 } : undefined);
  const { code, message } = await visit(await deploy({ app: IN_WORKER, respond }));
  assert.equal(code, 'ERR_LOAD');
  assert.match(message, /dynakernel-runtime\.js could not be loaded\..*dynakernel\/serve/);
});
