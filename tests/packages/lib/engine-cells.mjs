// The rows of engines without a page: Node, Bun, Deno, Cloudflare's workerd, and test runners.
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { newerNode } from '../../../scripts/newer-node.mjs';
import { inTools } from './bundler-cells.mjs';
import { appOf } from './cells.mjs';
import { runCommand, startServer } from './commands.mjs';
import { BuildProblem, printedResult } from './judge.mjs';
import { versionOf } from './project.mjs';
import { freePort } from './servers.mjs';
import { bundledForNode } from './unconfigured.mjs';

/**
 * A row of the engines' table.
 *
 * @typedef {object} Engine
 * @property {string} id
 * @property {string} title
 * @property {string} [needs]
 * @property {boolean} [suite] whether `npm test -- packages` runs it
 * @property {() => Promise<any>} run returns the program's result
 */

/** A row that runs one command and reads the result from its output. */
function commandRow({ app, command, ...row }) {
  return {
    ...row,
    async run() {
      const folder = await app();
      const [program, args, env] = await command(folder);
      const output = await runCommand(program, args, { cwd: folder, env });
      if (/\bwarning\b/i.test(output)) throw new BuildProblem('warns', `it printed:\n${output}`);
      return printedResult(output);
    },
  };
}

function nodeRows(place) {
  const rows = [];
  for (const major of [20, 24]) {
    for (const [word, file] of [['import', 'terminal.mjs'], ['require()', 'terminal.cjs']]) {
      const id = `node${major}-${word.replace('()', '')}`;
      rows.push(commandRow({
        id,
        title: `Node ${major}, ${word}`,
        suite: true,
        app: appOf(place, 'packages', id),
        command: () => [nodeOf(major), [`src/${file}`]],
      }));
    }
  }
  return rows;
}

/** The Node that runs this process, or the newer one that the tests install. */
function nodeOf(major) {
  const program = major >= 24 ? newerNode() : process.execPath;
  if (!program) throw new BuildProblem('no', `there is no Node ${major}`);
  return program;
}

function bunRows(place) {
  const bun = (folder) => inTools(folder, '.bin/bun');
  const version = versionOf('matrix', 'bun');
  const inline = { entry: 'dynakernel/inline' };
  return [
    commandRow({
      id: 'bun-run', title: `Bun ${version}, run`, app: appOf(place, 'matrix', 'bun-run'),
      command: (folder) => [bun(folder), ['run', 'src/terminal.mjs']],
    }),
    commandRow({
      id: 'bun-test', title: `Bun ${version}, test`, app: appOf(place, 'matrix', 'bun-test'),
      command: (folder) => [bun(folder), ['test', 'src/runner.test.js']],
    }),
    commandRow({
      id: 'bun-compile', title: `Bun ${version}, build --compile`, needs: '`dynakernel/inline`',
      app: appOf(place, 'matrix', 'bun-compile', inline),
      async command(folder) {
        await runCommand(bun(folder), ['build', '--compile', 'src/terminal.mjs', '--outfile', 'app'], { cwd: folder });
        chmodSync(join(folder, 'app'), 0o755);
        return [join(folder, 'app'), []];
      },
    }),
  ];
}

function denoRows(place) {
  const version = versionOf('matrix', 'deno');
  return [commandRow({
    id: 'deno', title: `Deno ${version}, run --allow-read`, app: appOf(place, 'matrix', 'deno'),
    command: (folder) => [inTools(folder, '.bin/deno'), ['run', '--allow-read', 'src/terminal.mjs']],
  })];
}

function vitestRows(place) {
  return ['node', 'jsdom', 'happy-dom'].map((environment) => commandRow({
    id: `vitest-${environment}`,
    title: `Vitest ${versionOf('matrix', 'vitest')}, ${environment}`,
    app: appOf(place, 'matrix', `vitest-${environment}`),
    command: (folder) => [process.execPath,
      [inTools(folder, 'vitest/vitest.mjs'), 'run', '--globals', '--environment', environment], { CI: '1' }],
  }));
}

function jestRows(place) {
  return ['node', 'jsdom'].map((environment) => commandRow({
    id: `jest-${environment}`,
    title: `Jest ${versionOf('matrix', 'jest')} with modules, ${environment}`,
    app: appOf(place, 'matrix', `jest-${environment}`, {
      files: {
        'jest.config.json': JSON.stringify({
          testEnvironment: environment, transform: {}, testMatch: ['**/*.test.js'],
        }),
      },
    }),
    command: (folder) => [process.execPath,
      ['--no-warnings', '--experimental-vm-modules', inTools(folder, 'jest/bin/jest.js')], { CI: '1' }],
  }));
}

/** The app for Cloudflare. It imports the WebAssembly module, because the engine does not compile bytes. */
const cloudflareApp = (wasm) => ({
  'wrangler.json': JSON.stringify({ name: 'app', main: 'src/edge.js', compatibility_date: '2026-06-01' }),
  'src/edge.js': `import { load } from 'dynakernel';
import { diteHRNet } from 'dynakernel/dite-hrnet';
import wasm from '${wasm}';
import { program } from './program.js';

export default {
  async fetch() {
    return Response.json(await program({ load, diteHRNet, options: { wasm, threads: 1 } }));
  },
};
`,
});

function cloudflareRow(place) {
  const wasm = 'dynakernel/wasm/relaxed.wasm';
  const app = appOf(place, 'matrix', 'cloudflare', { files: cloudflareApp(wasm) });
  return {
    id: 'cloudflare',
    title: `Cloudflare Workers (wrangler ${versionOf('matrix', 'wrangler')})`,
    needs: `\`import wasm from '${wasm}'\`, \`load({ wasm })\``,
    async run() {
      const folder = await app();
      const port = await freePort();
      const args = [inTools(folder, 'wrangler/bin/wrangler.js'), 'dev', '--ip', '127.0.0.1', '--port', String(port),
        '--inspector-port', String(await freePort())];
      const env = { CLOUDFLARE_CF_FETCH_ENABLED: 'false' }; // else it requests the machine's location
      const server = await startServer(nodeOf(24), args, { cwd: folder, port, env });
      try {
        const answer = await fetch(server.url);
        const text = await answer.text();
        if (!answer.ok) throw new Error(`it answers ${answer.status}: ${text.slice(0, 500)}\n${server.output()}`);
        if (/\bwarn(ing)?\b/i.test(server.output())) throw new BuildProblem('warns', server.output());
        return JSON.parse(text);
      } finally {
        await server.close();
      }
    },
  };
}

function esbuildRow(place) {
  const app = appOf(place, 'packages', 'esbuild-external');
  return {
    id: 'esbuild-external',
    title: `esbuild ${versionOf('packages', 'esbuild')}, --platform=node`,
    needs: '`--external:dynakernel`',
    suite: true,
    run: () => bundledForNode(app, ['--external:dynakernel']),
  };
}

/** @returns {Engine[]} */
export const engineRows = (place) => [
  ...nodeRows(place), esbuildRow(place), ...bunRows(place), ...denoRows(place), cloudflareRow(place),
  ...vitestRows(place), ...jestRows(place),
];
