// `npm run lint`: checks the sources without running them, and prints its checks and their findings.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, fail, installPackages, requireNode, root } from './project.mjs';

const usage = `usage: npm run lint [-- [--require-all] [CHECK...]]

  format      clang-format 14: the layout of C
  tidy        clang-tidy 14: faults in C (.clang-tidy)
  shell       shellcheck: faults in shell scripts
  javascript  oxlint: faults in JavaScript (.oxlintrc.json)
  types       TypeScript: the wrapper, the pages, and every .mjs (tsconfig.mjs.json)

  --require-all   a check whose tool is missing fails (CI in the environment does the same)`;

/** The result of a check. @typedef {{ files: number, findings: string, missing?: string }} Outcome */

/**
 * Findings of TypeScript that do not count in tests: mismatches of types, of properties and of numbers of arguments.
 * Tests pass wrong values on purpose.
 */
const MISMATCHES = new Set([
  2322, 2339, 2345, 2353, 2356, 2362, 2363, 2365, 2349, 2464, 2488, 2538, 2551, 2554, 2556, 2559, 2561, 2698, 2739,
  2769, 4119, 8024, 18048,
]);

/** @type {Record<string, () => Promise<Outcome>>} */
const checks = { format, tidy, shell, javascript, types };

requireNode();
const { names, requireAll } = readArguments();
if (!installPackages()) fail('The development packages cannot be installed.');
const tracked = filesOfGit();
const failed = [];
for (const name of names) {
  const started = performance.now();
  const { files, findings, missing } = await checks[name]();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (missing) console.log(`${name.padEnd(11)} could not run: ${missing}`);
  else console.log(`${name.padEnd(11)} ${findings ? 'FAILED' : 'clean'}: ${files} files in ${seconds} s`);
  if (findings) console.log(`\n${findings.trim()}\n`);
  if (findings || (missing && requireAll)) failed.push(name);
}
if (failed.length > 0) console.log(`\nfailed: ${failed.join(', ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;

async function format() {
  const tool = clangTool('clang-format');
  if (!tool.command) return { files: 0, findings: '', missing: tool.missing };
  const files = tracked.filter((file) => /\.[ch]$/.test(file));
  const { output, status } = await runTool(tool.command, ['--dry-run', '-Werror', ...files]);
  return { files: files.length, findings: status === 0 ? '' : output };
}

async function tidy() {
  const tool = clangTool('clang-tidy');
  if (!tool.command) return { files: 0, findings: '', missing: tool.missing };
  const simde = spawnSync(join(root, 'scripts/simde.sh'), { encoding: 'utf8' });
  if (simde.status !== 0) return { files: 0, findings: '', missing: 'apt-get install libsimde-dev' };
  const files = tracked.filter((file) => /^(src|tests\/native)\/.*\.c$/.test(file));
  // The flags of the native build without its warnings, because the build itself shows those.
  const flags = ['-std=c11', '-Isrc', '-pthread', '-DDK_ASSERTS', '-isystem', simde.stdout.trim()];
  const outcomes = await inParallel(files, (file) => runTool(tool.command, ['--quiet', file, '--', ...flags]));
  const findings = outcomes.filter(({ status }) => status !== 0)
    .map(({ output }) => output.split('\n').filter((line) => !/^\d+ warnings? /.test(line)).join('\n'));
  return { files: files.length, findings: findings.join('\n') };
}

async function shell() {
  if (!exists('shellcheck')) return { files: 0, findings: '', missing: 'apt-get install shellcheck' };
  const files = tracked.filter((file) => file.endsWith('.sh') || startsShell(file));
  const { output, status } = await runTool('shellcheck', files);
  return { files: files.length, findings: status === 0 ? '' : output };
}

async function javascript() {
  const files = tracked.filter((file) => /\.[cm]?[jt]sx?$/.test(file));
  const { output, status } = await runTool(process.execPath, [bin('oxlint', 'bin/oxlint'), '--format=unix', '.']);
  return { files: files.length, findings: status === 0 ? '' : output };
}

async function types() {
  const strict = ['tsconfig.json', ...tracked.filter((file) => /^web\/\w+\/tsconfig\.json$/.test(file))];
  const projects = [...strict, 'tsconfig.mjs.json', 'tests/browser/tsconfig.json'];
  // The tests import built files. The types of those are in dist/types.
  if (build('bundle', 'types') !== 0) return { files: 0, findings: 'The bundle or the types cannot be built.' };
  const tsc = bin('typescript', 'bin/tsc');
  const outcomes = await inParallel(projects, async (project) => {
    const { output, status } = await runTool(process.execPath, [tsc, '--project', project, '--noEmit', '--pretty', 'false']);
    return strict.includes(project) || status === 0 ? output : output.split(/\n(?=\S)/).filter(isFault).join('\n');
  });
  const findings = outcomes.filter((output) => output.trim() !== '');
  const files = tracked.filter((file) => /\.mjs$|^web\/.*\.js$/.test(file));
  return { files: files.length, findings: findings.join('\n') };
}

/** True if a finding of TypeScript in a .mjs file counts. Findings in the built files that tests import do not. */
function isFault(finding) {
  const code = Number(/error TS(\d+)/.exec(finding)?.[1]);
  return !finding.startsWith('dist/') && !(finding.startsWith('tests/') && MISMATCHES.has(code));
}

/** Returns the command of version 14 of an LLVM tool. Other versions have other formats and findings. */
function clangTool(name) {
  const command = [`${name}-14`, name].find((candidate) => {
    const { stdout } = spawnSync(candidate, ['--version'], { encoding: 'utf8' });
    return /version 14\./.test(stdout ?? '');
  });
  return { command, missing: `apt-get install ${name}-14` };
}

function exists(command) {
  return spawnSync(command, ['--version']).status === 0;
}

/** Returns the program of a development package. */
function bin(name, file) {
  return join(root, 'node_modules', name, file);
}

/** True if a file without an extension is a shell script. */
function startsShell(file) {
  return !/\.\w+$/.test(file) && /^#!.*\b(ba)?sh\b/.test(readFileSync(join(root, file), 'utf8').split('\n', 1)[0]);
}

/** Returns the files that git tracks, and the new files that it does not ignore. */
function filesOfGit() {
  // In a container the checkout may belong to another user. By default git does not trust that user.
  const list = (...kinds) => spawnSync('git', ['-c', 'safe.directory=*', 'ls-files', '--exclude-standard', ...kinds],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
  const { stdout, status } = list('--cached', '--others', '--deduplicate');
  if (status !== 0) fail('npm run lint needs git and a checkout: it checks the files that git keeps.');
  const gone = new Set(list('--deleted').stdout.split('\n'));
  return stdout.split('\n').filter((file) => file !== '' && !gone.has(file));
}

/** Runs a tool in the project's folder and returns all that it printed. */
function runTool(command, args) {
  return new Promise((settle) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { output += text; });
    child.on('error', (error) => settle({ output: `${command}: ${error.message}`, status: 127 }));
    child.on('close', (status) => settle({ output, status }));
  });
}

/** Calls work with each item, on all processors, and returns the results in the order of the items. */
async function inParallel(items, work) {
  const results = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index]);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return results;
}

function readArguments() {
  const options = /** @type {const} */ ({ 'require-all': { type: 'boolean' }, help: { type: 'boolean' } });
  let parsed;
  try {
    parsed = parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return fail(`${error.message}\n${usage}`);
  }
  if (parsed.values.help) {
    console.log(usage);
    process.exit();
  }
  const unknown = parsed.positionals.find((name) => !Object.hasOwn(checks, name));
  if (unknown) fail(`There is no check '${unknown}'.\n${usage}`);
  const isCI = !['', '0', 'false'].includes(process.env.CI ?? '');
  return {
    names: parsed.positionals.length > 0 ? parsed.positionals : Object.keys(checks),
    requireAll: isCI || parsed.values['require-all'] === true,
  };
}
