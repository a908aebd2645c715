// Bundles the wrapper into dist/wrapper.js with two entries: dist/index.js finds the WebAssembly and the worker beside
// itself; dist/inline.js contains the WebAssembly. dist/dite-hrnet.js, dist/worker.js and dist/serve.js are entries that
// fit both. What entries share is in files of its own.
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
    onLoad({ filter: /dynakernel\/(worker\/)?files\.js$/ }, ({ path }) => {
      let text = readFileSync(path, 'utf8');
      const changes = path.endsWith('worker/files.js') ? [["main.js'", "dynakernel-runtime.js'"]]
        : [["'../../dist/", "'./"], ["worker.js'", "dynakernel-worker.js'"]];
      for (const [before, after] of changes) {
        if (!text.includes(before)) throw new Error(`${path} does not contain ${before}`);
        text = text.replaceAll(before, after);
      }
      return { contents: text, loader: 'js' };
    });
  },
};

/** The worker of dynakernel/worker imports the other entries as they are published. */
/** @type {import('esbuild').Plugin} */
const otherEntries = {
  name: 'other-entries',
  setup({ onResolve }) {
    for (const [from, to] of Object.entries({
      '../index.js': './index.js', '../dite-hrnet/index.js': './dite-hrnet.js', './serve.js': './serve.js',
    })) onResolve({ filter: new RegExp(`^${from.replaceAll('.', '\\.')}$`) }, () => ({ path: to, external: true }));
  },
};

/**
 * What several entries share: a file's name, and a source that it contains. Entries import some only so that a page fetches
 * all files at once; `sideEffects` of package.json names those, or bundlers would warn.
 */
const CHUNKS = {
  'wrapper.js': 'dynakernel/runtime.js', 'shared.js': 'dynakernel/errors.js', 'tensors.js': 'dynakernel/tensor.js',
  'host.js': 'dynakernel/host.js', 'protocol.js': 'worker/protocol.js',
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
  worker: join(sources, 'worker/index.js'), serve: join(sources, 'worker/serve.js'),
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
await build({ ...options, entryPoints: { 'dynakernel-runtime': join(sources, 'worker/main.js') }, plugins: [otherEntries] });

// The value that require() returns for each entry.
for (const entry of Object.keys(entryPoints)) {
  const text = readFileSync(join(sources, 'index.cjs'), 'utf8');
  writeFileSync(join(dist, `${entry}.cjs`), text.replace("require('./index.js')", `require('./${entry}.js')`));
}

/**
 * Writes files. Each chunk gets the name of a file that it contains.
 *
 * @param {import('esbuild').OutputFile[]} files
 * @param {import('esbuild').Metafile} metafile
 */
function writeFiles(files, { outputs }) {
  const chunks = Object.keys(outputs).filter((path) => !outputs[path].entryPoint);
  const names = new Map(chunks.map((path) => {
    const contents = Object.keys(outputs[path].inputs);
    const [name] = Object.entries(CHUNKS).find(([, file]) => contents.some((input) => input.endsWith(file))) ?? [];
    if (!name) throw new Error(`a chunk has no name: it contains ${contents.join(', ')}`);
    return [basename(path), name];
  }));
  mkdirSync(dist, { recursive: true });
  for (const { path, text } of files) {
    const renamed = [...names].reduce((code, [before, after]) => code.replaceAll(`"./${before}"`, `"./${after}"`), text);
    writeFileSync(join(dist, names.get(basename(path)) ?? basename(path)), renamed);
  }
}

// The bundle's path in 0.1.0 still works.
mkdirSync(join(dist, 'bundle'), { recursive: true });
writeFileSync(join(dist, 'bundle/index.js'), "export * from '../index.js';\n");
