// What the scripts share: the project's folder, its Node version, its packages and its build.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

const minimumNode = '20.16';

/** Ends the process with one sentence. */
export function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Runs a program in the project's folder, its output shown, and returns its exit status; 127 where it cannot run. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) console.error(`${command}: ${error.message}`);
  return status ?? 127;
}

export function requireNode() {
  const isOlder = process.versions.node.localeCompare(minimumNode, 'en', { numeric: true }) < 0;
  if (isOlder) {
    fail(`dynakernel needs Node ${minimumNode} or newer; this is ${process.versions.node}.`);
  }
}

/** Installs the development packages where they are missing or older than the lock file; true where they are there. */
export function installPackages() {
  const installed = join(root, 'node_modules/.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return true;
  console.log('installing the development packages (npm ci)');
  return run('npm', ['ci', '--no-audit', '--no-fund']) === 0;
}

/** Runs build.sh, which builds only what has changed, and returns its exit status: 2 for a missing tool. */
export function build(...targets) {
  return run('./build.sh', targets);
}
