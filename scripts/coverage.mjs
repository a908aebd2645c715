// `npm run coverage`: how much of the C library and of the wrapper the tests run, as a table per folder and as HTML.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { build, fail, installPackages, requireNode, root, run } from './project.mjs';

/** Lines of a file: how many can run, and how many ran. @typedef {{ file: string, lines: number, covered: number }} Lines */

const folder = join(root, 'build/coverage');

if (process.argv.length > 2) {
  console.log(`usage: npm run coverage

  Runs tests/native with clang's counters and tests/unit and tests/network with Node's, prints the share of lines that ran per folder of
  src/ and of web/dynakernel/, and writes build/coverage/c/index.html and build/coverage/javascript/index.html.`);
  process.exit(process.argv.includes('--help') ? 0 : 1);
}

requireNode();
if (!installPackages()) fail('The development packages cannot be installed.');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const results = { C: coverC(), JavaScript: coverJavaScript() };
for (const [language, files] of Object.entries(results)) printTable(language, files);

/** Runs the native tests with clang's counters. @returns {Lines[]} */
function coverC() {
  const [profdata, cov] = ['llvm-profdata', 'llvm-cov'].map(findTool);
  const status = build('measured');
  if (status !== 0) fail(status === 2 ? 'apt-get install clang libsimde-dev' : 'The programs cannot be built.');
  const raw = join(folder, 'raw');
  const programs = readdirSync(join(root, 'build/measured'), { withFileTypes: true })
    .filter((entry) => entry.isFile()).map(({ name }) => join(root, 'build/measured', name));
  const env = {
    ...process.env, DYNAKERNEL_NATIVE: 'build/measured', LLVM_PROFILE_FILE: join(raw, '%p.profraw'),
  };
  if (run(process.execPath, ['--test', ...testFiles('tests/native')], { env }) !== 0) fail('The native tests fail.');
  const data = join(folder, 'c.profdata');
  const profiles = readdirSync(raw).map((name) => join(raw, name));
  if (run(profdata, ['merge', '-sparse', ...profiles, '-o', data]) !== 0) fail('llvm-profdata failed.');
  const objects = programs.slice(1).flatMap((program) => ['-object', program]);
  const common = [programs[0], ...objects, `-instr-profile=${data}`, `-path-equivalence=.,${root.replace(/\/$/, '')}`];
  const sources = sourceFiles('src', /\.[ch]$/);
  const shown = spawnSync(cov, ['export', '-format=lcov', ...common, ...sources], { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (shown.status !== 0) fail(`llvm-cov failed: ${shown.stderr}`);
  const html = join(folder, 'c');
  if (run(cov, ['show', '-format=html', `-output-dir=${html}`, ...common, ...sources]) !== 0) fail('llvm-cov failed.');
  return readLcov(shown.stdout).map(({ file, lines, covered }) => ({ file, lines, covered }));
}

/** Runs the unit tests of the wrapper with Node's counters. @returns {Lines[]} */
function coverJavaScript() {
  if (build('wasm', 'bundle') !== 0) fail('The WebAssembly or the bundle cannot be built.');
  const lcov = join(folder, 'javascript.lcov');
  const flags = [
    '--test', '--experimental-test-coverage', '--test-reporter=spec', '--test-reporter-destination=stdout',
    '--test-reporter=lcov', `--test-reporter-destination=${lcov}`,
  ];
  // Node's own report of the files is long. The table below replaces it.
  const { status, stdout } = spawnSync(process.execPath, [...flags, ...testFiles('tests/unit'), ...testFiles('tests/network')],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] });
  if (status !== 0) fail(`${stdout}\nThe unit tests fail.`);
  const files = readLcov(readFileSync(lcov, 'utf8')).filter(({ file }) => file.startsWith('web/dynakernel/'));
  writeHtml(join(folder, 'javascript'), files);
  return files;
}

/** Returns the files of an lcov report with paths from the project's folder, and the lines that did not run. */
function readLcov(text) {
  return text.split('end_of_record').filter((record) => record.includes('SF:')).map((record) => {
    const file = /^SF:(.*)$/m.exec(record)[1].replace(root, '').replace(/^\.\//, '');
    const counts = [...record.matchAll(/^DA:(\d+),(\d+)/gm)].map(([, line, count]) => [Number(line), Number(count)]);
    const missed = new Set(counts.filter(([, count]) => count === 0).map(([line]) => line));
    return { file, lines: counts.length, covered: counts.length - missed.size, missed };
  });
}

/** Writes a page per file with the missed lines marked, and a page that lists them. */
function writeHtml(target, files) {
  const escape = (value) => value.replace(/[&<>]/g, (mark) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[mark]);
  const write = (path, title, body) => {
    mkdirSync(dirname(path), { recursive: true });
    const style = 'body{font:14px/1.5 monospace}mark{background:#fbb}td{padding:0 1em}';
    writeFileSync(path, `<!doctype html><meta charset="utf-8"><title>${title}</title><style>${style}</style>${body}`);
  };
  for (const { file, missed } of files) {
    const text = readFileSync(join(root, file), 'utf8').split('\n').map((line, index) => {
      const numbered = `${String(index + 1).padStart(5)} ${escape(line)}`;
      return missed.has(index + 1) ? `<mark>${numbered}</mark>` : numbered;
    });
    write(join(target, `${file}.html`), file, `<h1>${file}</h1><pre>${text.join('\n')}</pre>`);
  }
  const rows = files.map((entry) => `<tr><td><a href="${entry.file}.html">${entry.file}</a><td>${share(entry)}<td>${entry.lines} lines`);
  write(join(target, 'index.html'), 'Coverage of the wrapper', `<table>${rows.join('\n')}</table>`);
}

/** Prints the share of lines that ran per folder. @param {string} language @param {Lines[]} files */
function printTable(language, files) {
  const folders = new Map();
  for (const { file, lines, covered } of files) {
    for (const name of [dirname(file), 'in all']) {
      const sum = folders.get(name) ?? { files: 0, lines: 0, covered: 0 };
      folders.set(name, { files: sum.files + 1, lines: sum.lines + lines, covered: sum.covered + covered });
    }
  }
  const all = folders.get('in all');
  folders.delete('in all');
  console.log(`\n${language.padEnd(34)}${'files'.padStart(6)}${'lines'.padStart(8)}   ran`);
  for (const [name, sum] of [...[...folders].sort(), ['in all', all]]) {
    console.log(`  ${name.padEnd(32)}${String(sum.files).padStart(6)}${String(sum.lines).padStart(8)}${share(sum).padStart(8)}`);
  }
}

/** @param {{ lines: number, covered: number }} sum */
function share({ lines, covered }) {
  return `${(100 * covered / Math.max(1, lines)).toFixed(1)} %`;
}

/** Returns the command of an LLVM tool, with clang's version in its name if there is one. */
function findTool(name) {
  const version = /version (\d+)/.exec(spawnSync(process.env.CC ?? 'clang', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1];
  // llvm-profdata fails with --version, so only an error to start it counts.
  const found = [`${name}-${version}`, name].find((command) => !spawnSync(command, ['--version']).error);
  return found ?? fail(`${name} is missing: apt-get install clang llvm`);
}

function sourceFiles(start, pattern) {
  return readdirSync(join(root, start), { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name)).sort().map((name) => `${start}/${name}`);
}

function testFiles(start) {
  return sourceFiles(start, /\.test\.mjs$/);
}
