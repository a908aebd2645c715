// The rows of Next.js: a client component, built and in development, with both bundlers; and a route handler.
import { build, inTools } from './bundler-cells.mjs';
import { appOf, everyColumn, remembering, servedRow } from './cells.mjs';
import { startServer } from './commands.mjs';
import { nextFiles, versionOf } from './project.mjs';
import { freePort } from './servers.mjs';

/** The messages that Next.js and React print in development. */
const chatter = [/\[HMR\]/, /\[Fast Refresh\]/, /React DevTools/];

/** Next.js starts its pages by inline scripts. The policy forbids them. */
const nextColumns = everyColumn.filter((column) => column !== 'csp');

const program = (folder) => inTools(folder, 'next/dist/bin/next');

/** The environment for an app at a sub-path. Next.js accepts no slash at the end. */
const settings = (base, out) => ({ APP_BASE: base === '/' ? '' : base.slice(0, -1), APP_OUT: out });

const outOf = (base) => (base === '/' ? '.next' : '.next-sub');

function nextApps(place, { bundler, suite = {} }) {
  const version = versionOf('packages', 'next');
  const flag = bundler === 'webpack' ? ['--webpack'] : [];
  const name = bundler === 'webpack' ? 'webpack' : 'Turbopack';
  const app = appOf(place, 'packages', `next-${bundler}`, { files: nextFiles() });
  const devApp = appOf(place, 'packages', `next-${bundler}-dev`, { files: nextFiles() });
  const nextBuild = remembering(async (base) => {
    const folder = await app();
    await build(folder, [program(folder), 'build', ...flag], { env: settings(base, outOf(base)) });
  });
  const start = (folder, base, port) => [process.execPath,
    [program(folder), 'start', '-H', '127.0.0.1', '-p', String(port)], settings(base, outOf(base))];
  const develop = (folder, base, port) => [process.execPath,
    [program(folder), 'dev', ...flag, '-H', '127.0.0.1', '-p', String(port)], settings(base, `${outOf(base)}-dev`)];

  const started = servedRow({
    id: `next-${bundler}`,
    title: `Next.js ${version} (${name}), client component, start`,
    suite: suite.start,
    columns: nextColumns,
    app,
    prepare: (folder, base) => nextBuild(base),
    command: start,
  });
  const development = servedRow({
    id: `next-${bundler}-dev`,
    title: `Next.js ${version} (${name}), client component, dev`,
    suite: suite.dev,
    columns: nextColumns,
    chatter,
    app: devApp,
    command: develop,
  });
  const route = (which, { prepare, command, suite: inSuite, folderOf }) => ({
    id: `next-${bundler}-route${which === 'start' ? '' : '-dev'}`,
    title: `Next.js ${version} (${name}), route handler, ${which}`,
    suite: inSuite,
    async run() {
      const folder = await folderOf();
      await prepare('/');
      const port = await freePort();
      const [tool, args, env] = command(folder, '/', port);
      const server = await startServer(tool, args, { cwd: folder, env, port });
      try {
        const answer = await fetch(`${server.url}/api`);
        const text = await answer.text();
        if (!answer.ok) throw new Error(`the route answers ${answer.status}:\n${server.output()}`);
        return JSON.parse(text);
      } finally {
        await server.close();
      }
    },
  });
  return {
    rows: [started, development],
    engines: [
      route('start', { prepare: nextBuild, command: start, suite: suite.route, folderOf: app }),
      route('dev', { prepare: async () => {}, command: develop, folderOf: devApp }),
    ],
  };
}

export function nextRows(place) {
  const turbopack = nextApps(place, { bundler: 'turbopack', suite: { start: ['plain', 'isolated'], route: true } });
  const webpack = nextApps(place, { bundler: 'webpack', suite: { start: ['isolated'], route: true } });
  return {
    rows: [...turbopack.rows, ...webpack.rows],
    engines: [...turbopack.engines, ...webpack.engines],
  };
}
