// The wrapper in one file, twice: dist/index.js beside the WebAssembly and the worker, and dist/inline.js with the
// WebAssembly inside.
import { build } from 'esbuild';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { makePatch } from './patch.mjs';
import { root } from './project.mjs';

const sources = join(root, 'web/dynakernel');
const dist = join(root, 'dist');

const options = {
  outdir: dist,
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  logLevel: 'warning',
};

/** In dist/ all lies beside the code. The worker has a name that no file of the reader's own has. */
const besideTheCode = {
  name: 'beside-the-code',
  setup({ onLoad }) {
    onLoad({ filter: /dynakernel\/files\.js$/ }, ({ path }) => {
      let text = readFileSync(path, 'utf8');
      for (const [before, after] of [["'../../dist/", "'./"], ['worker.js\'', 'dynakernel-worker.js\'']]) {
        if (!text.includes(before)) throw new Error(`${path} has no ${before}`);
        text = text.replaceAll(before, after);
      }
      return { contents: text, loader: 'js' };
    });
  },
};

/** The inline entry has its files in itself. */
const insideTheCode = {
  name: 'inside-the-code',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/files\.js$/ }, () => ({ path: join(sources, 'inline/files.js') }));
  },
};

/** The two builds without threads: the second as what changes in the first. */
function packedFiles() {
  const [baseline, relaxed] = ['baseline', 'relaxed'].map((name) => readFileSync(join(dist, `dynakernel-${name}.wasm`)));
  const packed = (bytes) => deflateRawSync(bytes, { level: 9 }).toString('base64');
  return { baseline: packed(baseline), relaxed: packed(makePatch(baseline, relaxed)) };
}

await build({
  ...options,
  entryPoints: { index: join(sources, 'index.js'), 'dynakernel-worker': join(sources, 'worker.js') },
  plugins: [besideTheCode],
});
await build({
  ...options,
  entryPoints: { inline: join(sources, 'index.js') },
  plugins: [insideTheCode],
  define: { 'globalThis.DYNAKERNEL_PACKED': JSON.stringify(packedFiles()) },
});

// What require() gets of either.
for (const entry of ['index', 'inline']) {
  const text = readFileSync(join(sources, 'index.cjs'), 'utf8');
  writeFileSync(join(dist, `${entry}.cjs`), text.replace("require('./index.js')", `require('./${entry}.js')`));
}

// Where the bundle was in 0.1.0.
mkdirSync(join(dist, 'bundle'), { recursive: true });
writeFileSync(join(dist, 'bundle/index.js'), "export * from '../index.js';\n");
