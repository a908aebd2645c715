// `npm test`: builds changed parts, runs each suite with `node --test`, and prints the counts.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findBrowser } from './browsers.mjs';
import { newerNode } from './newer-node.mjs';
import { build, fail, installPackages, readArguments, requireNode, root, run } from './project.mjs';
import { findPyTorch } from './python.mjs';

const tests = (folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.mjs') && !name.includes('node_modules'))
  .sort().map((name) => `${folder}/${name}`);
// A file at the top of tests/pages opens a page in a browser; a file in its folders tests a module in Node.
const opensPage = (file) => file.split('/').length === 3;
const unit = [
  ...tests('tests/unit'), ...tests('tests/network'), ...tests('tests/pages').filter((file) => !opensPage(file)),
];
const browser = (name) => ({
  files: [...tests('tests/browser'), ...tests('tests/pages').filter(opensPage)],
  env: { BROWSER: name },
  oneByOne: true, // each file starts a browser
  prepare: () => findBrowser(name) !== '' || `apt-get install ${name.replace('firefox', 'firefox-esr')}`,
});

// prepare() returns true if the suite can run, false if a build failed, and a text if something must be installed.
const suites = {
  types: { says: 'TypeScript checks the wrapper and the pages', prepare: () => build('types') === 0 &&
    ['shared', 'start', 'playground', 'teach', 'networks', 'bench'].every((page) =>
      run('node_modules/.bin/tsc', ['--project', `web/${page}`]) === 0) },
  unit: { says: 'tests/unit, tests/network and the folders of tests/pages, in this Node', files: unit },
  relaxed: { says: 'the same in a Node that runs relaxed SIMD', files: unit, env: { DYNAKERNEL_SIMD: 'relaxed' },
    newer: true, prepare: () => newerNode() !== '' || 'use Node 22 or newer, or let npm install one' },
  threads: { says: 'the same on two threads', files: unit, env: { DYNAKERNEL_THREADS: '2' } },
  pytorch: { says: 'tests/pytorch: compares the wrapper with PyTorch', files: tests('tests/pytorch'),
    prepare: () => findPyTorch() !== '' || 'apt-get install python3-torch python3-numpy' },
  native: { says: 'tests/native: the C library under sanitizers, and as WASI programs', files: tests('tests/native'),
    newer: true, prepare() {
      const status = build('check', 'native');
      return status === 2 ? 'apt-get install clang libsimde-dev' : status === 0;
    } },
  chromium: { says: 'tests/browser and the top of tests/pages, in Chromium', ...browser('chromium') },
  firefox: { says: 'the same in Firefox', ...browser('firefox') },
  packages: { says: 'tests/packages: the packed package in bundlers and both browsers', files: tests('tests/packages'),
    oneByOne: true, prepare() {
      if (!findBrowser('chromium') || !findBrowser('firefox')) return 'apt-get install chromium firefox-esr';
      return run(process.execPath, ['tests/packages/install.mjs']) === 0 || 'npm must be able to install the bundlers';
    } },
};

const usage = `usage: npm test [-- [--require-all] [--without SUITE]... [SUITE...]]

${Object.entries(suites).map(([name, { says }]) => `  ${name.padEnd(11)}${says}`).join('\n')}

  --require-all     a suite that cannot run fails (CI in the environment does the same)
  --without SUITE   runs all suites but this one`;

requireNode();
const { values, positionals } = readArguments(usage, {
  'require-all': { type: 'boolean' }, without: { type: 'string', multiple: true },
}, true);
const without = values.without ?? [];
const unknown = [...positionals, ...without].find((name) => !Object.hasOwn(suites, name));
if (unknown) fail(`There is no suite '${unknown}'.\n\n${usage}`);
const requireAll = values['require-all'] || !['', '0', 'false'].includes(process.env.CI ?? '');

if (!installPackages()) fail("npm could not install the development packages: see its message above.");
if (build('wasm', 'bundle') !== 0) fail('The build failed: see the message above.');

const sum = { passed: 0, failed: 0, skipped: 0 };
const lines = [];
for (const name of positionals.length > 0 ? positionals : Object.keys(suites)) {
  if (without.includes(name)) continue;
  console.log(`\n== ${name}`);
  const ready = suites[name].prepare?.() ?? true;
  const counts = ready === true ? runFiles(name, suites[name]) : { passed: 0, failed: 1, skipped: 0 };
  if (typeof ready === 'string' && !requireAll) Object.assign(counts, { failed: 0, skipped: 1 });
  const text = Object.entries(counts).map(([key, count]) => `${count} ${key}`).join(', ');
  lines.push(`  ${name.padEnd(10)}${typeof ready === 'string' ? `could not run: ${ready}` : text}`);
  for (const key of Object.keys(sum)) sum[key] += counts[key];
}
console.log(`\n${lines.join('\n')}\n\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed > 0 ? 1 : 0;

/** Runs a suite's files and reads the counts from the last lines of Node's TAP report. */
function runFiles(name, { files, env = {}, newer = false, oneByOne = false }) {
  if (!files) return { passed: 1, failed: 0, skipped: 0 }; // the suite only prepares
  if (files.length === 0) return { passed: 0, failed: 1, skipped: 0 };
  const report = join(root, `build/test/${name}.tap`);
  mkdirSync(join(root, 'build/test'), { recursive: true });
  writeFileSync(report, '');
  const flags = ['--test-reporter=spec', '--test-reporter-destination=stdout',
    '--test-reporter=tap', `--test-reporter-destination=${report}`, ...(oneByOne ? ['--test-concurrency=1'] : [])];
  const node = newer ? newerNode() || process.execPath : process.execPath;
  const options = { env: { ...process.env, ...env }, timeout: 20 * 60_000 };
  const succeeded = run(node, ['--test', ...flags, ...files], options) === 0;
  const counted = readFileSync(report, 'utf8').matchAll(/^# (pass|fail|cancelled|skipped|todo) (\d+)$/gm);
  const { pass = 0, fail: failures = 0, cancelled = 0, skipped = 0, todo = 0 } =
    Object.fromEntries(Array.from(counted, ([, key, count]) => [key, Number(count)]));
  // A run without a test, or one that ends early, has failed too.
  const failed = Math.max(failures + cancelled, succeeded && pass > 0 ? 0 : 1);
  return { passed: pass, failed, skipped: skipped + todo };
}
