// The package as npm publishes it. Each process packs it once, and tests install it in a folder of their choice.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
let tarball;

/** Builds the changed files, packs the package, and returns the tarball's path. */
export function packed() {
  if (tarball) return tarball;
  const folder = temporaryFolder();
  run('./build.sh', ['release']);
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]));
  return tarball = join(folder, filename);
}

/** A new folder with the package in node_modules. */
export function installed() {
  const folder = temporaryFolder();
  const target = join(folder, 'node_modules/dynakernel');
  mkdirSync(target, { recursive: true });
  run('tar', ['-xzf', packed(), '-C', target, '--strip-components=1']);
  return folder;
}

/** A temporary folder. It is removed when the process ends. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'dynakernel-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Returns a program's output. If the program fails, the test fails. */
export function run(command, args, options) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8', ...options });
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${error ?? ''}${stdout}${stderr}`);
  return stdout;
}
