// dynakernel/worker of the packed package in bundlers and both browsers, on an isolated page with a strict policy.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { build, inTools, site, webpackScript } from './lib/bundler-cells.mjs';
import { assertQuiet } from './lib/judge.mjs';
import { runCommand, startServer } from './lib/commands.mjs';
import { installPackage, installTools, makeApp } from './lib/project.mjs';
import { columns, freePort, proxy, serveFolder } from './lib/servers.mjs';
import { openBrowsers } from './lib/visits.mjs';

/** The app: a block in a worker. The sum is that of its output. */
const MAIN = (options) => `import { loadInWorker } from 'dynakernel/worker';

async function start() {
  const dk = await loadInWorker(${options});
  const block = await dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 3, seed: 1 });
  const x = await dk.tensor(Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i)), [1, 3, 64, 64]);
  const canvas = document.createElement('canvas');
  document.body.append(canvas);
  const y = await block.forward(x);
  await y.drawMaps(canvas);
  const { threads } = await dk.info;
  return { sum: (await y.data).reduce((sum, value) => sum + value, 0), threads };
}
start().catch(({ name, code, message }) => ({ error: [name, code, message].join(' ') })).then((page) => {
  document.documentElement.dataset.result = JSON.stringify({ page, worker: {} });
});
`;
const OWN = "import { load } from 'dynakernel/inline';\nimport { serve } from 'dynakernel/serve';\n\nserve({ load });\n";
const OWN_OPTIONS = "{ worker: new Worker(new URL('./own.js', import.meta.url), { type: 'module' }) }";

let installed, tools, browsers, expected;
before(async () => {
  [installed, tools] = [await installPackage(), await installTools('packages')];
  browsers = await openBrowsers(['chromium', 'firefox']);
  const { loadInWorker } = await import(join(installed, 'dist/worker.js'));
  const dk = await loadInWorker();
  const block = await dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 3, seed: 1 });
  const x = await dk.tensor(Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i)), [1, 3, 64, 64]);
  expected = (await (await block.forward(x)).data).reduce((sum, value) => sum + value, 0);
  await dk.dispose();
});
after(() => browsers?.close());

const app = (id, options = '', files = {}) =>
  makeApp(tools, `worker-${id}`, installed, { files: { 'src/main.js': MAIN(options), ...files } });

/** Opens the app in both browsers. Each must show the sum, and the console nothing but the tool's own messages. */
async function assertRuns(host, threads = { chromium: 2, firefox: 1 }, chatter = /^$/) {
  for (const { browser, page, messages, problem } of await browsers.visit(host.url).finally(() => host.close())) {
    assert.equal(problem ?? page.error, undefined, `${browser}: ${messages.join('\n')}`);
    assert.ok(Math.abs(page.sum - expected) < 1e-2, `${browser}: ${page.sum}, expected ${expected}`);
    // 'auto' is one thread in a worker of Firefox
    assert.equal(page.threads, threads[browser], browser);
    assert.deepEqual(messages.filter((message) => !chatter.test(message)), [], browser);
  }
}

for (const tool of ['vite', 'vite7']) {
  test(`${tool}: built`, async () => {
    const folder = app(tool);
    await build(folder, [inTools(folder, `${tool}/bin/vite.js`), 'build']);
    await assertRuns(await serveFolder(join(folder, 'dist'), columns.csp));
  });

  test(`${tool}: in development`, async () => {
    const folder = app(`${tool}-dev`);
    const port = await freePort();
    const server = await startServer(process.execPath, [inTools(folder, `${tool}/bin/vite.js`), 'dev', '--host', '127.0.0.1',
      '--port', String(port), '--strictPort'], { cwd: folder, port, path: '/' });
    try {
      await assertRuns(await proxy(server.url, columns.isolated), undefined, /^\w+: \[vite\]/);
    } finally {
      await server.close();
    }
  });
}

test('webpack, production', async () => {
  // the worker's file has 253 KiB uncompressed; from 244 KiB on webpack gives a hint
  const script = webpackScript('webpack', 'production', ', performance: { hints: false }');
  const folder = app('webpack', '', { 'build.mjs': script });
  await build(folder, ['build.mjs']);
  await assertRuns(await serveFolder(site(folder, './main.js', 'defer'), columns.csp));
});

async function esbuild(folder, ...entries) {
  assertQuiet(await runCommand(inTools(folder, 'esbuild/bin/esbuild'),
    [...entries, '--bundle', '--format=esm', '--outdir=dist', '--log-level=warning'], { cwd: folder }));
  return site(folder, './main.js');
}

test('esbuild, with a worker of one\'s own and dynakernel/inline', async () => {
  const folder = app('esbuild', OWN_OPTIONS, { 'src/own.js': OWN });
  const dist = await esbuild(folder, 'src/main.js', 'src/own.js');
  await assertRuns(await serveFolder(dist, columns.csp), { chromium: 1, firefox: 1 });
});

test('esbuild, without one: the message says what to do', async () => {
  const host = await serveFolder(await esbuild(app('esbuild-without'), 'src/main.js'), columns.plain);
  for (const { browser, page } of await browsers.visit(host.url).finally(() => host.close())) {
    assert.match(page.error, /^DynakernelError ERR_LOAD .*esbuild, Rollup and Bun.*loadInWorker\(\{ worker \}\)/, browser);
  }
});
