// Imports and includes go one way only: from pages to shared files to the wrapper, and down the layers of the C code.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The folders that each folder of web/ may use besides itself. */
const webLayers = {
  start: ['playground', 'shared', 'dynakernel'], // it shows the playground's first block
  playground: ['shared', 'dynakernel'],
  teach: ['shared', 'dynakernel'],
  bench: ['shared', 'dynakernel'],
  networks: ['shared', 'dynakernel'],
  shared: ['dynakernel'],
  dynakernel: [],
};

/** The pages' addresses, and the folder that each page may use besides shared. */
const pageFolders = {
  'index.html': 'start', '404.html': 'shared', 'playground.html': 'playground', 'teach.html': 'teach', 'bench.html': 'bench', 'networks.html': 'networks',
};

/** The folders that each folder of src/ may use besides itself. '' is its top. */
const sourceLayers = {
  '': ['network', 'convolution', 'backward', 'training', 'pixels', 'inner', 'base'],
  network: ['network/layers', 'convolution', 'inner', 'base'],
  'network/layers': ['convolution', 'inner', 'base'],
  convolution: ['inner', 'base'],
  backward: ['convolution', 'inner', 'base'],
  training: ['inner', 'base'],
  pixels: ['inner', 'base'],
  inner: ['base'],
  base: [],
};

/** The public header holds the types that every layer uses. */
const publicHeader = 'dynakernel.h';

test('each folder of web/ imports from itself and from lower layers', () => {
  const wrong = [];
  for (const file of filesUnder('web', '.js')) {
    for (const name of importsOf(read('web', file))) {
      const target = normalize(join(dirname(file), name));
      if (!mayUse(webLayers, file, target)) wrong.push(`web/${file} imports ${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('each file of the wrapper imports from its layer of README.md and from lower layers', () => {
  const layers = [...read('web/dynakernel', 'README.md').matchAll(/^\| (?!layer|---)([a-z ]+) \| (.*) \|$/gm)]
    .map(([, name, cell]) => ({ name, patterns: [...cell.matchAll(/`([\w*-]+(?:\.c?js|\/))`/g)].map((match) => match[1]) }));
  const fits = (file, pattern) => new RegExp(`^${pattern.replaceAll('.', '\\.').replace('*', '.*')}`).test(file);
  const indexOf = (name) => layers.findIndex((layer) => layer.name === name);
  const rowOf = (file) => {
    const found = layers.findIndex(({ patterns }) => patterns.some((pattern) => fits(file, pattern)));
    return found === indexOf('training') ? indexOf('modules') : found; // these two form one layer
  };
  const files = filesUnder('web/dynakernel', '.js', '.cjs');
  assert.deepEqual(files.filter((file) => rowOf(file) < 0), [], 'README.md names every file');
  const wrong = [];
  for (const file of files) {
    // JSDoc may import a type from any layer.
    const code = read('web/dynakernel', file).replace(/\/\*[^]*?\*\//g, '');
    for (const name of importsOf(code)) {
      const target = normalize(join(dirname(file), name));
      if (rowOf(target) >= 0 && rowOf(target) < rowOf(file)) wrong.push(`${file} imports ${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('each page loads files of its own folder and of shared', () => {
  assert.deepEqual(filesAtTop('web', '.html'), Object.keys(pageFolders).sort());
  assert.deepEqual(filesAtTop('web', '.js', '.css'), [], 'every module and style sheet has a folder');
  const wrong = [];
  for (const [file, folder] of Object.entries(pageFolders)) {
    const addresses = [...read('web', file).matchAll(/<(?:link|script|img)\b[^>]*\s(?:href|src)="([^"]+)"/g)];
    assert.ok(addresses.length > 0, `${file} loads files`);
    for (const [, address] of addresses) {
      if (![folder, 'shared', 'previews'].includes(folderOf(address))) wrong.push(`web/${file} loads ${address}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('the tables name each folder', () => {
  const foldersOf = (folder, recursive) => readdirSync(join(root, folder), { recursive })
    .filter((name) => statSync(join(root, folder, name)).isDirectory()).map((name) => name.replaceAll('\\', '/')).sort();
  assert.deepEqual(foldersOf('src', true), Object.keys(sourceLayers).filter(Boolean).sort());
  assert.deepEqual(foldersOf('web', false).filter((name) => !['photos', 'previews'].includes(name)), Object.keys(webLayers).sort());
});

test('each folder of src/ includes from itself and from lower layers', () => {
  const wrong = [];
  const files = filesUnder('src', '.c', '.h');
  for (const file of files) {
    for (const [, name] of read('src', file).matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)) {
      const beside = normalize(join(dirname(file), name));
      const target = files.includes(beside) ? beside : name;
      if (!files.includes(target)) wrong.push(`src/${file} includes ${name}, which is not in src/`);
      else if (target !== publicHeader && !mayUse(sourceLayers, file, target)) {
        wrong.push(`src/${file} includes ${name}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

test('the test finds imports of every form', () => {
  const code = `import a from './a.js';
    import { b,
      c } from './b.js';
    import './c.js';
    export * from './d.js';
    /** @import { E } from './e.js' */
    /** @typedef {import('./f.js').F} F */
    const g = await import("./g.js");
    new Worker(new URL('./h.js', import.meta.url), { type: 'module' });
    import { i } from 'node:fs';`;
  assert.deepEqual(importsOf(code), ['./a.js', './b.js', './c.js', './d.js', './e.js', './f.js', './g.js', './h.js']);
  for (const [from, to, allowed] of [
    ['teach/a.js', 'teach/b.js', true], ['teach/a.js', 'shared/b.js', true], ['shared/a.js', 'dynakernel/b.js', true],
    ['teach/a.js', 'playground/b.js', false], ['shared/a.js', 'teach/b.js', false],
    ['dynakernel/a.js', 'shared/b.js', false], ['teach/a.js', 'top.js', false], ['teach/a.js', '../bench/b.js', false],
    ['unknown/a.js', 'shared/b.js', false],
  ]) assert.equal(mayUse(webLayers, from, to), allowed, `${from} uses ${to}`);
  for (const [from, to, allowed] of [
    ['network/a.c', 'network/layers/b.h', true], ['network/layers/a.c', 'network/layers/b.h', true],
    ['network/layers/a.c', 'convolution/b.h', true], ['network/layers/a.c', 'network/b.h', false],
    ['network/other/a.c', 'network/layers/b.h', true], ['a.c', 'network/b.h', true], ['a.c', 'network/layers/b.h', false],
  ]) assert.equal(mayUse(sourceLayers, from, to), allowed, `${from} uses ${to}`);
});

/** True if the file's folder is the target's or may use it. */
function mayUse(layers, file, target) {
  const [from, to] = [layerOf(layers, file), layerOf(layers, target)];
  return Object.hasOwn(layers, from) && (from === to || layers[from].includes(to));
}

/** The innermost folder of a relative path that has a layer of its own; the first folder if none has. */
function layerOf(layers, path) {
  for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) {
    if (Object.hasOwn(layers, folder)) return folder;
  }
  return folderOf(path);
}

/** The first folder of a relative path, '' if it has none. */
function folderOf(path) {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
}

/** The relative addresses of the modules that a file imports, its types and its workers too. */
function importsOf(code) {
  const forms = /\b(?:from|import)\s*\(?\s*(['"])(\.[^'"]*)\1|new Worker\(\s*new URL\((['"])(\.[^'"]*)\3/g;
  return [...code.matchAll(forms)].map((match) => match[2] ?? match[4]);
}

function filesUnder(folder, ...extensions) {
  const files = readdirSync(join(root, folder), { recursive: true }).map((file) => file.replaceAll('\\', '/'));
  return files.filter((file) => extensions.some((extension) => file.endsWith(extension)));
}

function filesAtTop(folder, ...extensions) {
  return filesUnder(folder, ...extensions).filter((file) => !file.includes('/')).sort();
}

function read(folder, file) {
  return readFileSync(join(root, folder, file), 'utf8');
}
