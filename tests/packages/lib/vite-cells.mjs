// The rows of Vite: built, previewed, and in development.
import { join } from 'node:path';
import { build, inTools } from './bundler-cells.mjs';
import { appOf, builtRow, everyColumn, remembering, servedRow } from './cells.mjs';
import { versionOf } from './project.mjs';

/** The messages of Vite's client. */
const chatter = [/^\w+: \[vite\]/];

const outDir = (base) => (base === '/' ? 'dist' : 'dist-sub');

function viteRows(place, { tools, tool, suite = {} }) {
  const version = versionOf(tools, tool);
  const major = version.split('.')[0];
  const program = (folder) => inTools(folder, `${tool}/bin/vite.js`);
  const at = (port) => ['--host', '127.0.0.1', '--port', String(port), '--strictPort'];

  const app = appOf(place, tools, `vite${major}-build`);
  const viteBuild = remembering(async (base) => {
    const folder = await app();
    await build(folder, [program(folder), 'build', '--base', base, '--outDir', outDir(base)]);
  });
  const built = {
    id: `vite${major}-build`,
    title: `Vite ${version}, build`,
    suite: suite.build,
    app,
    async build(folder, base) {
      await viteBuild(base);
      return join(folder, outDir(base));
    },
  };
  const preview = {
    id: `vite${major}-preview`,
    title: `Vite ${version}, preview`,
    suite: suite.preview,
    app,
    prepare: (folder, base) => viteBuild(base),
    command: (folder, base, port) => [process.execPath,
      [program(folder), 'preview', '--base', base, '--outDir', outDir(base), ...at(port)]],
  };
  const development = {
    id: `vite${major}-dev`,
    title: `Vite ${version}, dev`,
    suite: suite.dev,
    chatter,
    app: appOf(place, tools, `vite${major}-dev`),
    command: (folder, base, port) => [process.execPath, [program(folder), 'dev', '--base', base, ...at(port)]],
  };
  return [builtRow(built), servedRow(preview), servedRow(development)];
}

/** @returns {import('./cells.mjs').Row[]} */
export function viteRows5to8(place) {
  return [
    ...viteRows(place, {
      tools: 'packages', tool: 'vite', suite: { build: everyColumn, preview: ['isolated'], dev: ['plain', 'csp'] },
    }),
    ...viteRows(place, {
      tools: 'packages', tool: 'vite7',
      suite: { build: ['csp', 'subPath'], preview: ['plain'], dev: ['isolated'] },
    }),
    ...viteRows(place, { tools: 'matrix', tool: 'vite6' }),
    ...viteRows(place, { tools: 'matrix', tool: 'vite5' }),
  ];
}
