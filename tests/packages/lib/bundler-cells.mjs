// The rows of bundlers. Each builds the app with its defaults.
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { appOf, builtRow, everyColumn } from './cells.mjs';
import { runCommand } from './commands.mjs';
import { assertQuiet } from './judge.mjs';
import { html, versionOf } from './project.mjs';

const node = process.execPath;

/** A tool's own file in its folder of packages. */
export const inTools = (folder, path) => join(folder, '../../node_modules', path);

/** Runs a build. It must print no warnings. */
export async function build(folder, args, { env } = {}) {
  assertQuiet(await runCommand(node, args, { cwd: folder, env }));
}

/** The folder of a built site, with a page for it. */
export function site(folder, script, attributes) {
  const dist = join(folder, 'dist');
  mkdirSync(dist, { recursive: true });
  writeFileSync(join(dist, 'index.html'), html(script, attributes));
  return dist;
}

/** Copies the same files beside the bundle as README's line for esbuild, Rollup and Bun. */
function copyFiles(folder) {
  const source = join(folder, 'node_modules/dynakernel/dist');
  for (const name of readdirSync(source).filter((file) => file.startsWith('dynakernel-'))) {
    cpSync(join(source, name), join(folder, 'dist', name));
  }
}

/** webpack and Rspack have the same interface. */
export const webpackScript = (tool, mode, more = '') => `import tool from '${tool}';

const compiler = tool({ mode: '${mode}', entry: './src/main.js', output: { path: import.meta.dirname + '/dist' }${more} });
compiler.run((error, stats) => {
  if (error) throw error;
  const quiet = !stats.hasErrors() && !stats.hasWarnings();
  console.log(quiet ? 'built' : stats.toString({ all: false, errors: true, warnings: true }));
  process.exitCode = stats.hasErrors() ? 1 : 0;
});
`;

function webpackRow(place, { tools, tool, name, mode, suite }) {
  const id = `${tool.replace(/\W+/g, '')}-${mode}`;
  return builtRow({
    id,
    title: `${name} ${versionOf(tools, tool)}, ${mode}`,
    suite,
    app: appOf(place, tools, id, { files: { 'build.mjs': webpackScript(tool, mode) } }),
    relocatable: true,
    async build(folder) {
      await build(folder, ['build.mjs']);
      return site(folder, './main.js', 'defer');
    },
    // Development builds use eval(). The policy forbids it.
    ...mode === 'development' && { columns: everyColumn.filter((column) => column !== 'csp') },
  });
}

const rollupScript = (plugins) => `import resolve from '@rollup/plugin-node-resolve';
${plugins.imports ?? ''}
export default {
  input: ['src/main.js', 'src/worker.js'],
  output: { dir: 'dist', format: 'es' },
  plugins: [resolve()${plugins.uses ?? ''}],
};
`;

const importMetaAssets = {
  imports: "import { importMetaAssets } from '@web/rollup-plugin-import-meta-assets';\n",
  uses: ", importMetaAssets({ include: '**/node_modules/dynakernel/**' })",
};

export function rollupRow(place, { id, title, needs, entry, plugins = {}, suite }) {
  return builtRow({
    id,
    title: `Rollup ${versionOf('packages', 'rollup')}, ${title}`,
    needs,
    suite,
    app: appOf(place, 'packages', id, { entry, files: { 'rollup.config.mjs': rollupScript(plugins) } }),
    relocatable: true,
    async build(folder) {
      await build(folder, [inTools(folder, 'rollup/dist/bin/rollup'), '--config']);
      return site(folder, './main.js');
    },
  });
}

export function esbuildRow(place, { id, title, needs, entry, copies = false, suite }) {
  return builtRow({
    id,
    title: `esbuild ${versionOf('packages', 'esbuild')}, ${title}`,
    needs,
    suite,
    app: appOf(place, 'packages', id, { entry }),
    relocatable: true,
    async build(folder) {
      const options = ['--bundle', '--minify', '--format=esm', '--outdir=dist', '--log-level=warning'];
      assertQuiet(await runCommand(inTools(folder, 'esbuild/bin/esbuild'), ['src/main.js', 'src/worker.js', ...options],
        { cwd: folder }));
      if (copies) copyFiles(folder);
      return site(folder, './main.js');
    },
  });
}

function parcelRow(place) {
  return builtRow({
    id: 'parcel',
    title: `Parcel ${versionOf('packages', 'parcel')}`,
    suite: ['plain', 'isolated'],
    app: appOf(place, 'packages', 'parcel'),
    // Parcel writes an import map into the page. The policy forbids it.
    columns: everyColumn.filter((column) => column !== 'csp'),
    async build(folder, base) {
      const dist = join(folder, base === '/' ? 'dist' : 'dist-sub');
      await build(folder, [inTools(folder, 'parcel/lib/bin.js'), 'build', 'index.html', '--no-cache',
        '--dist-dir', dist, '--public-url', base]);
      return dist;
    },
  });
}

export function bunRow(place, { id, title, needs, entry, copies = false }) {
  return builtRow({
    id,
    title: `Bun ${versionOf('matrix', 'bun')}, bun build, ${title}`,
    needs,
    app: appOf(place, 'matrix', id, { entry }),
    relocatable: true,
    async build(folder) {
      assertQuiet(await runCommand(inTools(folder, '.bin/bun'),
        ['build', 'src/main.js', 'src/worker.js', '--minify', '--outdir', 'dist'], { cwd: folder }));
      if (copies) copyFiles(folder);
      return site(folder, './main.js');
    },
  });
}

const inlined = { title: 'dynakernel/inline', needs: 'the other entry', entry: 'dynakernel/inline' };
const copied = { title: 'files copied', needs: '`dist/dynakernel-*` beside the bundle', copies: true };

/** @returns {import('./cells.mjs').Row[]} */
export function bundlerRows(place) {
  const webpack = { tools: 'packages', tool: 'webpack', name: 'webpack' };
  const oldWebpack = { tools: 'matrix', tool: 'webpack590', name: 'webpack' };
  const rspack = { tools: 'matrix', tool: '@rspack/core', name: 'Rspack' };
  return [
    webpackRow(place, { ...webpack, mode: 'production', suite: everyColumn }),
    webpackRow(place, { ...webpack, mode: 'development' }),
    webpackRow(place, { ...oldWebpack, mode: 'production' }),
    webpackRow(place, { ...oldWebpack, mode: 'development' }),
    webpackRow(place, { ...rspack, mode: 'production' }),
    webpackRow(place, { ...rspack, mode: 'development' }),
    esbuildRow(place, { ...inlined, id: 'esbuild', suite: ['plain', 'csp', 'subPath'] }),
    esbuildRow(place, { ...copied, id: 'esbuild-copied', suite: ['csp'] }),
    rollupRow(place, { ...inlined, id: 'rollup', suite: ['isolated'] }),
    rollupRow(place, {
      id: 'rollup-assets', title: 'plugin', needs: '`importMetaAssets()` for dynakernel', plugins: importMetaAssets,
      suite: ['csp'],
    }),
    parcelRow(place),
    bunRow(place, { ...inlined, id: 'bun-build' }),
    bunRow(place, { ...copied, id: 'bun-copied' }),
  ];
}
