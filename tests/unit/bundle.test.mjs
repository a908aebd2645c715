// The exports of the package: the wrapper, the inline entry, Dite-HRNet, and the two sides of a worker. The wrapper finds its
// WebAssembly and its workers.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import * as bundle from 'dynakernel';
import * as pose from 'dynakernel/dite-hrnet';
import * as inline from 'dynakernel/inline';
import * as poseSources from '../../web/dynakernel/dite-hrnet/index.js';
import * as sources from '../../web/dynakernel/index.js';
import { assertClose, golden } from '../helpers.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

let folder;
before(() => { folder = mkdtempSync(join(tmpdir(), 'dynakernel-')); });
after(() => rmSync(folder, { recursive: true, maxRetries: 3 }));

test('the package resolves to the bundle', () => {
  assert.match(import.meta.resolve('dynakernel'), /\/dist\/index\.js$/);
  assert.match(import.meta.resolve('dynakernel/inline'), /\/dist\/inline\.js$/);
  assert.match(import.meta.resolve('dynakernel/dite-hrnet'), /\/dist\/dite-hrnet\.js$/);
});

test('what the manifest names is there', () => {
  const files = [manifest.main, manifest.module, ...manifest.sideEffects,
    ...Object.values(manifest.exports).map((target) => target.default ?? target)];
  assert.deepEqual(files.filter((file) => !existsSync(join(root, file))), []);
  for (const entry of ['inline', 'dite-hrnet', 'worker', 'serve']) {
    const { main } = JSON.parse(readFileSync(join(root, entry, 'package.json'), 'utf8'));
    assert.equal(join(root, entry, main), fileURLToPath(import.meta.resolve(`dynakernel/${entry}`)));
  }
});

test('each build has a name, with and without its extension', () => {
  for (const name of ['baseline', 'relaxed', 'baseline-threads', 'relaxed-threads']) {
    for (const extension of ['', '.wasm']) {
      const url = import.meta.resolve(`dynakernel/wasm/${name}${extension}`);
      assert.match(url, new RegExp(`/dist/dynakernel-${name}\\.wasm$`));
    }
  }
});

for (const [entry, module] of Object.entries({ dynakernel: bundle, 'dynakernel/inline': inline })) {
  test(`${entry} exports what the sources export`, () =>
    assert.deepEqual(Object.keys(module).sort(), Object.keys(sources).sort()));

  for (const [simd, threads] of [['auto', 1], ['baseline', 1], ['auto', 2]]) {
    if (module === inline && threads > 1) continue;
    test(`${entry} gives PyTorch's answer with SIMD ${simd} on ${threads} thread(s)`, async () => {
      const { file, config, state } = golden('rgb_3x3');
      const dk = await module.load({ simd, threads });
      assert.equal(dk.info.threads, threads);
      const block = dk.dynamicKernelAggregation(config);
      block.loadStateDict(state);
      const y = block.forward(dk.tensor(file.input.data, file.input.shape));
      assertClose(y.data, file['eval.output'].data, JSON.stringify(config));
      dk.dispose();
    });
  }
}

test('the entries share their errors', () => assert.equal(inline.DynakernelError, bundle.DynakernelError));

test('dynakernel/dite-hrnet works with both entries', async () => {
  assert.deepEqual(Object.keys(pose).sort(), Object.keys(poseSources).sort());
  for (const { load, DynakernelError } of [bundle, inline]) {
    const dk = await load({ threads: 1 });
    const heatmaps = dk.tensor([0, 0, 1, 0], [1, 1, 2, 2]);
    assert.deepEqual(pose.decodeHeatmaps(heatmaps), [[{ x: 0, y: 1, score: 1 }]]);
    const net = pose.diteHRNet(dk, { depth: 18, joints: 2, height: 32, width: 32 });
    assert.deepEqual(net.outputs, { heatmaps: [1, 2, 8, 8] });
    assert.throws(() => pose.diteHRNet(dk, { depth: 19 }), (error) => error instanceof DynakernelError && error.code === 'ERR_CONFIG');
    dk.dispose();
  }
});

test('dynakernel/inline has one thread, and says why', async (t) => {
  const warn = t.mock.method(console, 'warn', () => {});
  for (const threads of [undefined, 2]) {
    const dk = await inline.load({ threads });
    assert.equal(dk.info.threads, 1);
    assert.match(dk.info.threadsReason, /inline has one thread/);
    dk.dispose();
  }
  assert.equal(warn.mock.callCount(), 1);
});

/** Runs an app in its own process, and returns its output. */
const runNode = (...args) => execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 120_000 }).trim();

const PRINT = `(dk) => {
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: 3, seed: 1 });
  console.log(dk.info.threads, block.forward(dk.zeros([1, 3, 130, 130])).shape.join());
  dk.dispose();
}`;

test('require() takes the package, where Node requires modules', () => {
  const app = join(folder, 'required.cjs');
  writeFileSync(app, `const { load } = require('${join(root, manifest.main)}'); load({ threads: 2 }).then(${PRINT});`);
  assert.equal(runNode('--experimental-require-module', '--no-warnings', app), '2 1,2,128,128');
});

test('a copy of dist/ works under any name, and without bundle/', () => {
  const copy = join(folder, 'kernels');
  cpSync(join(root, 'dist'), copy, { recursive: true });
  for (const file of ['index.js', 'bundle/index.js']) {
    const app = join(folder, 'copied.mjs');
    writeFileSync(app, `import { load } from './kernels/${file}'; load({ threads: 2 }).then(${PRINT});`);
    assert.equal(runNode(app), '2 1,2,128,128');
  }
});

test('without its threaded build or its worker a copy runs on one thread, and says why', () => {
  for (const [file, reason] of [['dynakernel-*-threads.wasm', /-threads\.wasm could not be read: ENOENT/],
    ['dynakernel-worker.js', /workers do not start .*worker\.js/]]) {
    const copy = mkdtempSync(join(folder, 'partial-'));
    const missing = new RegExp(`/${file.replace('*', '\\w+')}$`);
    cpSync(join(root, 'dist'), copy, { recursive: true, filter: (path) => !missing.test(path) });
    writeFileSync(join(copy, 'app.mjs'), `import { load } from './index.js';
      load().then((dk) => { console.log(dk.info.threads, dk.info.threadsReason); dk.dispose(); });`);
    const [threads, words] = runNode(join(copy, 'app.mjs')).split(/(?<=^\d) /);
    assert.equal(threads, '1');
    assert.match(words, reason);
    assert.ok(!words.includes('\n'), words);
  }
});

/** Bundles an app that imports an entry, as esbuild does by default, and returns the file and the warnings. */
async function bundled(name, entry, format, options = 'undefined') {
  const outfile = join(folder, `${name}.${format === 'esm' ? 'mjs' : 'cjs'}`);
  const app = `import { load } from '${entry}';
    load(${options}).then(${PRINT}, ({ name, code, message }) => console.log(name, code, message));`;
  const { warnings } = await build({
    stdin: { contents: app, resolveDir: root }, outfile, bundle: true, format, logLevel: 'silent',
    external: ['node:*'],
  });
  return { outfile, warnings };
}

for (const format of ['esm', 'cjs', 'iife']) {
  test(`dynakernel/inline in a bundle of the format ${format}`, async () => {
    const { outfile, warnings } = await bundled('inline', 'dynakernel/inline', format);
    assert.deepEqual(warnings, []);
    assert.equal(runNode(outfile), '1 1,2,128,128');
  });
}

test('a bundle on a server without the files says how to mend that', async () => {
  const { outfile, warnings } = await bundled('server', 'dynakernel', 'esm');
  assert.deepEqual(warnings, []);
  assert.match(runNode(outfile),
    /^DynakernelError ERR_LOAD .*\.wasm could not be read: ENOENT[^]*\n.*dynakernel\/inline.*serverExternalPackages/);
});

test('a bundle that gives its modules no address says how to mend that', async () => {
  const { outfile } = await bundled('addressless', 'dynakernel', 'cjs');
  assert.match(runNode(outfile),
    /^DynakernelError ERR_LOAD .*import\.meta\.url[^]*dynakernel\/inline.*load\(\{ wasm \}\).*relaxed\.wasm/);
});

test('what bundlers make of a worker has no top-level await', async () => {
  const { warnings } = await build({
    entryPoints: [join(root, 'dist/dynakernel-worker.js')], write: false, bundle: true, format: 'iife', logLevel: 'silent',
  });
  assert.deepEqual(warnings, []);
});

test('bundlers see the worker and the WebAssembly, and no import of an expression', () => {
  const text = readFileSync(join(root, 'dist/index.js'), 'utf8');
  assert.match(text, /new Worker\(new URL\("\.\/dynakernel-worker\.js",import\.meta\.url\),\{type:"module"\}\)/);
  assert.equal(text.match(/new URL\("\.\/dynakernel-[\w-]+\.wasm",import\.meta\.url\)/g).length, 4);
  assert.match(readFileSync(join(root, 'dist/worker.js'), 'utf8'),
    /new Worker\(new URL\("\.\/dynakernel-runtime\.js",import\.meta\.url\),\{type:"module"\}\)/);
  for (const file of readdirSync(join(root, 'dist')).filter((name) => name.endsWith('.js'))) {
    const imports = readFileSync(join(root, 'dist', file), 'utf8').match(/\bimport\s*\(/);
    assert.equal(imports, null, file);
  }
});
