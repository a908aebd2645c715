// Bundles the wrapper into dist/wrapper.js with two entries: dist/index.js finds the WebAssembly and the worker beside
// itself; dist/inline.js contains the WebAssembly. dist/dite-hrnet.js is an entry that fits both: what it shares with
// them is in dist/shared.js.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
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

// The code that several entries need becomes files of its own, so the package contains nothing twice.
const entryPoints = {
  index: join(sources, 'index.js'), inline: join(sources, 'inline/index.js'), 'dite-hrnet': join(sources, 'dite-hrnet/index.js'),
};
const { outputFiles, metafile } = await build({
  ...options,
  entryPoints,
  splitting: true,
  chunkNames: 'chunk-[hash]',
  plugins: [besideTheCode],
  define: packedFiles(),
  write: false,
  metafile: true,
});
writeFiles(outputFiles, metafile);
await build({ ...options, entryPoints: { 'dynakernel-worker': join(sources, 'worker.js') } });

// The value that require() returns for each entry.
for (const entry of Object.keys(entryPoints)) {
  const text = readFileSync(join(sources, 'index.cjs'), 'utf8');
  writeFileSync(join(dist, `${entry}.cjs`), text.replace("require('./index.js')", `require('./${entry}.js')`));
}

/**
 * Writes files, and gives the two chunks names that say what they are: all three entries import shared.js, and
 * wrapper.js imports it too.
 *
 * @param {import('esbuild').OutputFile[]} files
 * @param {import('esbuild').Metafile} metafile
 */
function writeFiles(files, { outputs }) {
  const chunks = Object.keys(outputs).filter((path) => !outputs[path].entryPoint);
  const lowest = chunks.find((path) => outputs[path].imports.length === 0);
  if (chunks.length !== 2 || !lowest) throw new Error(`expected two chunks, got ${chunks.join(', ')}`);
  const names = new Map(chunks.map((path) => [basename(path), path === lowest ? 'shared.js' : 'wrapper.js']));
  mkdirSync(dist, { recursive: true });
  for (const { path, text } of files) {
    const renamed = [...names].reduce((code, [before, after]) => code.replaceAll(`"./${before}"`, `"./${after}"`), text);
    writeFileSync(join(dist, names.get(basename(path)) ?? basename(path)), renamed);
  }
}

// The bundle's path in 0.1.0 still works.
mkdirSync(join(dist, 'bundle'), { recursive: true });
writeFileSync(join(dist, 'bundle/index.js'), "export * from '../index.js';\n");
