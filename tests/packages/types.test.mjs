// The published declarations under old and new versions of TypeScript, and the package under package checkers.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { installed, packed, run } from './pack.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const sources = fileURLToPath(new URL('types', import.meta.url));
const tools = createRequire(join(sources, 'package.json'));

const VERSIONS = Object.keys(JSON.parse(readFileSync(join(sources, 'package.json'), 'utf8')).dependencies)
  .filter((name) => name.startsWith('typescript-')).map((name) => name.slice('typescript-'.length));
const NEWEST = VERSIONS[VERSIONS.length - 1];

const STRICT = {
  noEmit: true, strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false,
  target: 'es2022', lib: ['es2022'], types: [], esModuleInterop: true,
};
const DOM = { lib: ['es2022', 'dom'] };
const BUNDLER = { module: 'esnext', moduleResolution: 'bundler' };

// A name without an extension means the file as an ES module and as CommonJS. A number is the oldest version.
const PROJECTS = [
  ['for the browser, node16', { ...DOM, module: 'node16' }, ['right', 'wrong', 'dom', 'wrong-dom']],
  ['for the browser, a bundler', { ...DOM, ...BUNDLER }, ['right.ts', 'wrong.ts', 'dom.ts', 'wrong-dom.ts',
    'remote.ts', ['frames.ts', 5.1], ['generic.ts', 5.7], ['shared.ts', 5.9]]],
  ['for Node, nodenext', { types: ['node'], module: 'nodenext' }, ['right', 'wrong', 'node']],
  ['without any platform', BUNDLER, ['right.ts', 'wrong.ts']],
  ['for web workers, with the latest libraries', { ...BUNDLER, lib: ['esnext', 'webworker'] },
    ['right.ts', 'wrong.ts', 'worker.ts', ['using.ts', 5.2], ['half.ts', 5.8]]],
  ['with node10', { ...DOM, module: 'commonjs', moduleResolution: 'node10' }, ['right.ts', 'wrong.ts', 'dom.ts'], 5.9],
  ['for old engines', { ...BUNDLER, target: 'es2015', lib: ['es2015'] }, ['leak.ts']],
];

before(() => {
  const lock = join(sources, 'node_modules/.package-lock.json');
  if (existsSync(lock) && statSync(lock).mtimeMs >= statSync(join(sources, 'package-lock.json')).mtimeMs) return;
  run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: sources });
});

/** The output of a version's compiler for the named files, in a project with these options. */
async function compile(version, options, names) {
  const folder = installed();
  symlinkSync(join(sources, 'node_modules/@types'), join(folder, 'node_modules/@types'));
  const files = names.map((name) => [name, 0].flat()).filter(([, first]) => first <= Number(version))
    .flatMap(([name]) => name.endsWith('.ts') ? [name] : [`${name}.mts`, `${name}.cts`]);
  for (const name of files) copyFileSync(join(sources, name.replace(/\.[mc]ts$/, '.ts')), join(folder, name));
  writeFileSync(join(folder, 'package.json'), '{}');
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...STRICT, ...options }, files }));
  const tsc = join(sources, 'node_modules', `typescript-${version}`, 'bin/tsc');
  return promisify(execFile)(process.execPath, [tsc, '--project', folder], { cwd: folder })
    .then(({ stdout }) => stdout, ({ stdout, stderr }) => stdout + stderr);
}

for (const [what, options, names, last = Infinity] of PROJECTS) {
  describe(`a project ${what} compiles`, { concurrency: 2 }, () => {
    for (const version of VERSIONS.filter((other) => Number(other) <= last)) {
      test(`with TypeScript ${version}`, async () => assert.equal(await compile(version, options, names), ''));
    }
  });
}

test('a project with a fault does not compile', async () =>
  assert.match(await compile(NEWEST, BUNDLER, ['dom.ts']), /error TS/));

describe('the declarations', () => {
  const read = (name) => readFileSync(join(installed(), 'node_modules/dynakernel', name), 'utf8');
  const declarations = () => read('dist/types/index.d.cts');

  test('have no any', () => {
    const ts = tools('typescript-5.9');
    const file = ts.createSourceFile('index.d.cts', declarations(), ts.ScriptTarget.Latest, true);
    const found = [];
    const visit = (node) => {
      if (node.kind === ts.SyntaxKind.AnyKeyword) found.push(node.parent.getText());
      ts.forEachChild(node, visit);
    };
    visit(file);
    assert.deepEqual(found, []);
  });

  test('say nothing about the inside, and reference no library', () => {
    const code = declarations().replace(/\/\*\*[^]*?\*\//g, '');
    assert.doesNotMatch(code, /\b(Heap|Exports|Parts|Loan|Rule|StateEntry|PixelReader)\b|import\(|\/\/\/ *<reference/);
    assert.doesNotMatch(code, /\bstatic\b/); // the classes' internal methods
    assert.match(code, /class Tensor \{\s+private constructor\(\);/);
  });

  for (const entry of ['index', 'dite-hrnet', 'worker', 'serve']) {
    test(`of ${entry}.js name every export`, async () => {
      const lists = [...read(`dist/types/${entry}.d.cts`).matchAll(/^export \{([^}]*)\}/gm)].map(([, list]) => list);
      const { default: _, ...exported } = await import(`../../dist/${entry}.js`);
      assert.deepEqual(lists.join().match(/\w+/g).sort(), Object.keys(exported).sort());
    });
  }

  test('show their text in editors', () => {
    const ts = tools('typescript-5.9');
    const folder = installed();
    const file = join(folder, 'a.mts');
    writeFileSync(file, `import { load } from 'dynakernel';
      import { loadInWorker } from 'dynakernel/worker';
      const remote = await loadInWorker();
      await remote.kernelAttention({ channels: 3 });
      const dk = await load();
      const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 3 });
      const y = block.forward(dk.zeros([1, 3, 8, 8]));`);
    const options = { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022 };
    const service = ts.createLanguageService({
      getCompilationSettings: () => options, getScriptFileNames: () => [file], getScriptVersion: () => '1',
      getScriptSnapshot: (name) => existsSync(name) ? ts.ScriptSnapshot.fromString(readFileSync(name, 'utf8'))
        : undefined,
      getCurrentDirectory: () => folder, getDefaultLibFileName: ts.getDefaultLibFilePath,
      fileExists: ts.sys.fileExists, readFile: ts.sys.readFile,
    });
    const hover = (word) => service.getQuickInfoAtPosition(file, readFileSync(file, 'utf8').lastIndexOf(word));
    for (const word of ['load', 'forward', 'zeros', 'dynamicKernelAggregation', 'loadInWorker', 'kernelAttention']) {
      const { documentation, tags } = hover(word);
      assert.ok(documentation.length > 0, `${word} has no text`);
      const names = tags.map(({ name }) => name);
      assert.ok(names.includes('example') && names.includes('throws'), `${word} has only ${names}`);
    }
    assert.equal(hover('kernelSize').documentation[0].text,
      'R for R x R kernels, or [Rh, Rw] for kernels of Rh rows and Rw columns');
  });
});

describe('the package', () => {
  const listed = () => run('tar', ['-tvzf', packed()]).trim().split('\n').map((line) => {
    const [mode, , , , , path] = line.split(/\s+/);
    return { mode, path: path.replace('package/', '') };
  });

  test('has what people need and nothing else', () => {
    const paths = listed().map(({ path }) => path);
    for (const path of ['LICENSE', 'NOTICE', 'README.md', 'CHANGELOG.md', 'package.json']) {
      assert.ok(paths.includes(path), `${path} is not packed`);
    }
    const known = /^(LICENSE|NOTICE|README\.md|CHANGELOG\.md|((inline|dite-hrnet|worker|serve)\/)?package\.json|dist\/.+)$/;
    assert.deepEqual(paths.filter((path) => !known.test(path)), []);
    assert.deepEqual(paths.filter((path) => /\.d\.[mc]?ts$/.test(path)).sort(),
      ['dite-hrnet', 'index', 'serve', 'wasm', 'worker'].flatMap((name) => [`${name}.d.cts`, `${name}.d.ts`]).map((name) => `dist/types/${name}`));
  });

  test('has no executable file', () =>
    assert.deepEqual(listed().filter(({ mode }) => mode.includes('x')), []));

  // Compressed, the four builds are 367 kB of it, the inline entry 88 kB, the wrapper, which reads ONNX files too, 94 kB, and
  // the entries of workers with their types 12 kB.
  test('is at most 620 kB', () => {
    const { size } = statSync(packed());
    assert.ok(size <= 620_000, `the tarball has ${size} bytes`);
  });

  test('names every licence of what is linked in', () => {
    const notice = readFileSync(join(installed(), 'node_modules/dynakernel/NOTICE'), 'utf8');
    for (const words of ['Rich Felker', 'Emscripten authors']) assert.ok(notice.includes(words));
  });

  test('says where it is developed, so that links of README lead somewhere', () => {
    const { repository, homepage, bugs } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    assert.match(repository.url, /^git\+https:\/\/.+\.git$/);
    const address = repository.url.slice('git+'.length, -'.git'.length);
    assert.ok(homepage.startsWith(address) && bugs.url.startsWith(address));
    const links = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/\]\(([^)#]+)/g)].map(([, link]) => link);
    for (const link of links.filter((other) => !other.includes('://'))) assert.ok(existsSync(join(root, link)), link);
  });

  test('publint finds nothing', () => {
    const folder = join(installed(), 'node_modules/dynakernel');
    const cli = join(sources, 'node_modules/publint/src/cli.js');
    assert.match(run(process.execPath, [cli, folder, '--strict', '--pack', 'false']), /All good!/);
  });

  test('attw finds nothing, in any mode', () => {
    const cli = join(sources, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    const { analysis, problems } = JSON.parse(run(process.execPath, [cli, packed(), '--format', 'json']));
    assert.deepEqual(problems ?? {}, {});
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    assert.deepEqual(Object.keys(analysis.entrypoints).sort(), Object.keys(exports).sort());
  });

  test('every entry has types, and files that are there', () => {
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const leaves = (entry) => typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(leaves);
    const packedPaths = new Set(listed().map(({ path }) => `./${path}`));
    for (const [name, entry] of Object.entries(exports)) {
      if (name !== './package.json') assert.equal(Object.keys(entry)[0], 'types', name);
      for (const path of leaves(entry)) assert.ok(packedPaths.has(path), `${name}: ${path}`);
    }
  });
});

describe('require()', () => {
  const canRequire = process.features.require_module;
  const refused = /^DynakernelError ERR_LOAD .*await import\('dynakernel'\)/;
  const tried = (entry, ...flags) => {
    const code = `
      let required;
      try {
        required = require('${entry}');
      } catch ({ name, code, message }) {
        console.log(name, code, message);
      }
      if (required) import('${entry}').then((imported) => console.log(
        Object.keys(imported).every((name) => ['default', 'module.exports'].includes(name) || imported[name] === required[name])));`;
    const options = [...flags, '--no-warnings', '--input-type=commonjs', '--eval', code];
    return run(process.execPath, options, { cwd: installed() });
  };

  for (const entry of ['dynakernel', 'dynakernel/inline', 'dynakernel/dite-hrnet', 'dynakernel/worker', 'dynakernel/serve']) {
    test(`of ${entry} gives what import gives, or says that this Node cannot`, () => {
      assert.match(tried(entry), canRequire ? /^true$/m : refused);
      if (canRequire) assert.match(tried(entry, '--no-experimental-require-module'), refused);
    });
  }
});
