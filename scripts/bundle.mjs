// Bundles the wrapper into dist/wrapper.js with two entries: dist/index.js finds the WebAssembly and the worker beside
// itself; dist/inline.js contains the WebAssembly.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './project.mjs';

const sources = join(root, 'web/dynakernel');
const dist = join(root, 'dist');

/** @type {import('esbuild').BuildOptions} */
const options = {
  outdir: dist,
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  logLevel: 'warning',
};

/** In dist/ all files lie beside the code. The worker gets a name that no file of an application has. */
/** @type {import('esbuild').Plugin} */
const besideTheCode = {
  name: 'beside-the-code',
  setup({ onLoad }) {
    onLoad({ filter: /dynakernel\/files\.js$/ }, ({ path }) => {
      let text = readFileSync(path, 'utf8');
      for (const [before, after] of [["'../../dist/", "'./"], ['worker.js\'', 'dynakernel-worker.js\'']]) {
        if (!text.includes(before)) throw new Error(`${path} does not contain ${before}`);
        text = text.replaceAll(before, after);
      }
      return { contents: text, loader: 'js' };
    });
  },
};

/** The two builds without threads, packed for inline/files.js. Python has LZMA, and Emscripten needs Python anyway. */
function packedFiles() {
  const [baseline, relaxed] = ['baseline', 'relaxed'].map((name) => readFileSync(join(dist, `dynakernel-${name}.wasm`)));
  const packed = execFileSync('python3', [join(root, 'scripts/pack_lzma.py')],
    { input: Buffer.concat([baseline, relaxed]), encoding: 'utf8' });
  return {
    'globalThis.DYNAKERNEL_PACKED': JSON.stringify(packed),
    'globalThis.DYNAKERNEL_BASELINE_BYTES': String(baseline.length),
    'globalThis.DYNAKERNEL_RELAXED_BYTES': String(relaxed.length),
  };
}

// The code that both entries need becomes a separate file, so the package contains nothing twice.
const entryPoints = { index: join(sources, 'index.js'), inline: join(sources, 'inline/index.js') };
await build({
  ...options,
  entryPoints,
  splitting: true,
  chunkNames: 'wrapper',
  plugins: [besideTheCode],
  define: packedFiles(),
});
await build({ ...options, entryPoints: { 'dynakernel-worker': join(sources, 'worker.js') } });

// The value that require() returns for either entry.
for (const entry of ['index', 'inline']) {
  const text = readFileSync(join(sources, 'index.cjs'), 'utf8');
  writeFileSync(join(dist, `${entry}.cjs`), text.replace("require('./index.js')", `require('./${entry}.js')`));
}

// The bundle's path in 0.1.0 still works.
mkdirSync(join(dist, 'bundle'), { recursive: true });
writeFileSync(join(dist, 'bundle/index.js'), "export * from '../index.js';\n");
