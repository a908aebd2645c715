// The parts of a row of the browsers' table: an app that is built once, and hosts that serve it.
import { makeApp } from './project.mjs';
import { columns, freePort, proxy, serveFolder } from './servers.mjs';
import { startServer } from './commands.mjs';

/**
 * A row of the table.
 *
 * @typedef {object} Row
 * @property {string} id names it on the command line
 * @property {string} title
 * @property {string} [needs] the steps that the app needs besides `import ... from 'dynakernel'`
 * @property {string[]} [suite] the columns that `npm test -- packages` opens; without it, only the matrix has the row
 * @property {string[]} [columns] the columns that make sense for it
 * @property {RegExp[]} [chatter] the tool's own messages on the console
 * @property {(column: string) => Promise<{ url: string, close: () => Promise<void> }>} open
 * @property {() => Promise<void>} [close] ends its servers
 */

/** @typedef {{ installed: string, toolsFolder: (tools: string) => Promise<string> }} Place */

export const everyColumn = Object.keys(columns);

/** Caches the result of work for each key. Failures are cached too. */
export function remembering(work) {
  const results = new Map();
  return (key = '') => {
    if (!results.has(key)) results.set(key, work(key));
    return results.get(key);
  };
}

/** The folder of an app. The first request makes it. */
export const appOf = (place, tools, id, options) => remembering(async () =>
  makeApp(await place.toolsFolder(tools), id, place.installed, options));

/**
 * A row of a built app, served as files.
 *
 * @param {object} row its fields, and
 *   app: a cached function that returns the folder; build(folder, base) returns the folder to serve;
 *   relocatable: one build is for all bases
 * @returns {Row}
 */
export function builtRow({ app, build, relocatable = false, ...row }) {
  const builds = remembering(async (base) => build(await app(), base));
  return {
    ...row,
    async open(name) {
      const column = columns[name];
      return serveFolder(await builds(relocatable ? '/' : column.base), column);
    },
  };
}

/**
 * A row of an app that a tool's own server shows.
 *
 * @param {object} row its fields, and app; command(folder, base, port) returns [program, arguments, environment];
 *   prepare(folder, base) runs before it
 * @returns {Row}
 */
export function servedRow({ app, command, prepare, ...row }) {
  let running; // one at a time: some tools refuse a second server of a project
  async function start(base) {
    if (running?.base === base) return running.server;
    await close();
    const folder = await app();
    await prepare?.(folder, base);
    const port = await freePort();
    const [program, args, env] = command(folder, base, port);
    running = { base, server: await startServer(program, args, { cwd: folder, env, port, path: base }) };
    return running.server;
  }
  async function close() {
    const { server } = running ?? {};
    running = undefined;
    await server?.close();
  }
  return {
    ...row,
    close,
    async open(name) {
      const column = columns[name];
      return proxy((await start(column.base)).url, column);
    },
  };
}
