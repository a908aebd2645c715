// The rows without a bundler. The page imports the package's own files from various places.
import { cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { makeApp } from './project.mjs';
import { everyColumn, remembering } from './cells.mjs';
import { columns, serveCdn, serveFolder } from './servers.mjs';

/** The path of an entry's file, from the package's package.json: 'dist/...'. */
export function fileOf(installed, entry = '.') {
  const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  const target = exports[entry];
  const file = typeof target === 'string' ? target : target.browser ?? target.import ?? target.default;
  return (typeof file === 'string' ? file : file.default).replace(/^\.\//, '');
}

function replaceIn(path, found, put) {
  writeFileSync(path, readFileSync(path, 'utf8').replace(found, put));
}

/** A row of an app that needs no build. `make(installed)` returns its folder, and the server of another origin. */
function plainRow(place, { make, ...row }) {
  const made = remembering(async () => make(await place.packagesFolder()));
  let cdn;
  return {
    ...row,
    async open(name) {
      const { folder, server } = await made();
      cdn = server;
      return serveFolder(folder, columns[name], server?.origin);
    },
    close: async () => cdn?.close(),
  };
}

/** A page with an import map. The map is an inline script. */
const importMap = (main, pose) => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>app</title>
<script type="importmap">{ "imports": {
  "dynakernel": "./node_modules/dynakernel/${main}",
  "dynakernel/dite-hrnet": "./node_modules/dynakernel/${pose}"
} }</script>
</head>
<body><script type="module" src="./src/main.js"></script></body>
</html>
`;

/** @returns {import('./cells.mjs').Row[]} */
export function hostRows(place) {
  const { installed } = place;
  const main = fileOf(installed);
  const inline = fileOf(installed, './inline');
  const pose = fileOf(installed, './dite-hrnet');
  const copied = (id, entry, copy) => (tools) => {
    const folder = makeApp(tools, id, installed, { entry, withoutPackage: true });
    copy(join(folder, 'lib/dynakernel'));
    return { folder };
  };
  return [
    plainRow(place, {
      id: 'script',
      title: '`<script type="module">`, from node_modules',
      suite: everyColumn,
      make: (tools) => {
        const entry = `../node_modules/dynakernel/${main}`;
        return { folder: makeApp(tools, 'script', installed, { entry }) };
      },
    }),
    plainRow(place, {
      id: 'script-inline',
      title: 'the scripts of `dynakernel/inline` copied, without the WebAssembly',
      suite: ['csp'],
      make: copied('script-inline', `../lib/dynakernel/${basename(inline)}`, (target) => {
        const folder = join(installed, dirname(inline));
        const scripts = readdirSync(folder).filter((name) => /^(inline|dite-hrnet|host|shared|tensors|wrapper)\.js$/.test(name));
        for (const name of scripts) cpSync(join(folder, name), join(target, name));
      }),
    }),
    plainRow(place, {
      id: 'copied-dist',
      title: 'the folder dist/ copied, as lib/dynakernel/',
      suite: ['isolated', 'subPath'],
      make: copied('copied-dist', `../lib/dynakernel/${main.replace(/^dist\//, '')}`,
        (target) => cpSync(join(installed, 'dist'), target, { recursive: true })),
    }),
    plainRow(place, {
      id: 'import-map',
      title: 'an import map',
      // The policy forbids inline scripts. An import map is one.
      columns: everyColumn.filter((column) => column !== 'csp'),
      make: (tools) => {
        const folder = makeApp(tools, 'import-map', installed, {
          files: { 'index.html': importMap(main, pose) },
        });
        // Workers have no import map, so they import addresses.
        for (const [entry, file] of [['dynakernel', main], ['dynakernel/dite-hrnet', pose]]) {
          replaceIn(join(folder, 'src/worker.js'), `'${entry}'`, `'../node_modules/dynakernel/${file}'`);
        }
        return { folder };
      },
    }),
    plainRow(place, {
      id: 'cdn',
      title: 'from another origin (a CDN with CORS)',
      needs: 'in a policy: `worker-src \'self\' blob:` and the origin',
      make: async (tools) => {
        const server = await serveCdn(installed);
        return { server, folder: makeApp(tools, 'cdn', installed, { entry: server.url + main, withoutPackage: true }) };
      },
    }),
  ];
}
