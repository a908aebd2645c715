// `npm test`: builds what has changed, runs each suite in a Node process of its own, and prints a table of the results.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findBrowser } from './browsers.mjs';
import { newerNode } from './newer-node.mjs';
import { build, fail, installPackages, requireNode, root, run } from './project.mjs';
import { findPyTorch } from './python.mjs';

const usage = `usage: npm test [-- [--require-all] [SUITE...]]

  types      TypeScript's check of the wrapper and the pages
  unit       tests/unit and the folders of tests/pages (modules of the pages) under this Node
  relaxed    the same under a Node that runs relaxed SIMD
  threads    the same on two threads
  pytorch    tests/pytorch: PyTorch itself beside the wrapper
  native     tests/native: the C code under AddressSanitizer and UBSan, and as WASI programs
  chromium   tests/browser and the top of tests/pages (whole pages) in Chromium
  firefox    the same in Firefox
  packages   tests/packages: the packed package in bundlers, opened in both browsers

  --require-all   a suite that cannot run counts as failed; so does CI in the environment`;

/** @typedef {{ passed: number, failed: number, skipped: string[], note?: string, missing?: boolean }} Result */

// Each suite returns a Result; `missing` means that something it needs is not on this machine, and `note` says what.
const suites = {
  types, unit, relaxed, threads, pytorch, native,
  chromium: () => browser('chromium'), firefox: () => browser('firefox'),
  packages,
};

requireNode();
const { names, requireAll } = readArguments();
/** @type {Map<string, Result>} */
const results = new Map();
const started = prepare();
if (started) results.set('build', started);
for (const name of started ? [] : names) {
  console.log(`\n== ${name}`);
  results.set(name, suites[name]());
}
process.exitCode = report() ? 0 : 1;

/** What every suite needs; a Result only where it fails. */
function prepare() {
  console.log('== build');
  if (!installPackages()) return failure('the development packages cannot be installed');
  if (build('wasm', 'bundle') !== 0) return failure('the WebAssembly or the bundle cannot be built');
  return undefined;
}

function types() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const pages = ['web/shared', 'web/playground', 'web/teach', 'web/bench'];
  const ok = build('types') === 0 && pages.every((page) => run(process.execPath, [tsc, '--project', page]) === 0);
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: [], note: ok ? '' : 'TypeScript found errors' };
}

function unit() {
  return nodeTest('unit', unitFiles(), {});
}

function relaxed() {
  const node = newerNode();
  if (!node) return missing('no Node with relaxed SIMD: run npm test under Node 22 or newer, or let npm install one');
  return nodeTest('relaxed', unitFiles(), { node, env: { DYNAKERNEL_SIMD: 'relaxed' } });
}

function threads() {
  return nodeTest('threads', unitFiles(), { env: { DYNAKERNEL_THREADS: '2' } });
}

function pytorch() {
  if (!findPyTorch()) return missing('apt-get install python3-torch python3-numpy');
  return nodeTest('pytorch', testFiles('tests/pytorch'), {});
}

function native() {
  const status = build('check', 'native');
  if (status === 2) return missing('apt-get install clang libsimde-dev');
  if (status !== 0) return failure('the programs cannot be built');
  // The WASI programs need relaxed SIMD too.
  return nodeTest('native', testFiles('tests/native'), { node: newerNode() || process.execPath });
}

function browser(name) {
  if (!findBrowser(name)) return missing(`apt-get install ${name === 'firefox' ? 'firefox-esr' : name}`);
  // One file at a time: each starts a browser.
  return nodeTest(name, browserFiles(), { env: { BROWSER: name }, flags: ['--test-concurrency=1'] });
}

function packages() {
  const lacking = ['chromium', 'firefox'].filter((name) => !findBrowser(name));
  if (lacking.length > 0) return missing(`apt-get install ${lacking.join(' ').replace('firefox', 'firefox-esr')}`);
  if (run(process.execPath, ['tests/packages/install.mjs']) !== 0) return missing('npm cannot install the bundlers');
  return nodeTest('packages', testFiles('tests/packages'), { flags: ['--test-concurrency=1'] });
}

/** Runs test files under `node --test`. */
function nodeTest(name, files, { node = process.execPath, env = {}, flags = [] }) {
  if (files.length === 0) return failure('there are no tests');
  mkdirSync(join(root, 'build/test'), { recursive: true });
  const counts = join(root, `build/test/${name}.json`);
  rmSync(counts, { force: true });
  const reporters = [
    '--test-reporter=spec', '--test-reporter-destination=stdout',
    '--test-reporter=./scripts/count-reporter.mjs', `--test-reporter-destination=${counts}`,
  ];
  const options = { env: { ...process.env, ...env }, timeout: 20 * 60_000 };
  const ok = run(node, ['--test', ...flags, ...reporters, ...files], options) === 0;
  if (!existsSync(counts)) return failure('the test run ended early');
  const result = readCounts(counts);
  if (!result) return failure('the test run ended early');
  if (!ok && result.failed === 0) return { ...result, failed: 1, note: 'the test run itself failed' };
  if (result.passed + result.failed === 0) return { ...result, failed: 1, note: 'no test was executed' };
  return result;
}

// At the top of tests/pages a file opens a page in a browser; in its folders a file tests a module in Node.
const opensPage = (file) => /^tests\/pages\/[^/]+$/.test(file);
const unitFiles = () => [...testFiles('tests/unit'), ...testFiles('tests/pages').filter((file) => !opensPage(file))];
const browserFiles = () => [...testFiles('tests/browser'), ...testFiles('tests/pages').filter(opensPage)];

function testFiles(folder) {
  if (!existsSync(join(root, folder))) return [];
  const names = readdirSync(join(root, folder), { recursive: true });
  return names.filter((name) => name.endsWith('.test.mjs')).sort().map((name) => join(folder, name));
}

function readCounts(path) {
  const text = readFileSync(path, 'utf8');
  return text ? JSON.parse(text) : undefined;
}

/** @returns {Result} */
function failure(note) {
  return { passed: 0, failed: 1, skipped: [], note };
}

/** @returns {Result} */
function missing(note) {
  return { passed: 0, failed: requireAll ? 1 : 0, skipped: [], note, missing: true };
}

/** Prints the table and the closing line; true where nothing failed. */
function report() {
  console.log(`\n${row('suite', 'passed', 'failed', 'skipped', '')}`);
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const [name, { passed, failed, skipped, note = '', missing = false }] of results) {
    if (missing) console.log(row(name, '-', '-', '-', `could not run: ${note}`));
    else console.log(row(name, passed, failed, skipped.length, note));
    for (const test of skipped) console.log(`    skipped: ${test}`);
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skipped.length + (missing && !failed ? 1 : 0);
  }
  console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  return sum.failed === 0;
}

function row(name, passed, failed, skipped, note) {
  const numbers = [passed, failed, skipped].map((value) => String(value).padStart(8)).join('');
  return `  ${name.padEnd(10)}${numbers}   ${note}`.trimEnd();
}

function readArguments() {
  let parsed;
  try {
    const options = { 'require-all': { type: 'boolean' }, help: { type: 'boolean' } };
    parsed = parseArgs({ options, allowPositionals: true });
  } catch (error) {
    fail(`${error.message}\n${usage}`);
  }
  if (parsed.values.help) {
    console.log(usage);
    process.exit();
  }
  const unknown = parsed.positionals.find((name) => !Object.hasOwn(suites, name));
  if (unknown) fail(`There is no suite '${unknown}'.\n${usage}`);
  const ci = !['', '0', 'false'].includes(process.env.CI ?? '');
  return {
    names: parsed.positionals.length ? parsed.positionals : Object.keys(suites),
    requireAll: ci || parsed.values['require-all'] === true,
  };
}
