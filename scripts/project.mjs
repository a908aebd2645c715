// Shared by the scripts: the project's folder, its Node version, command lines, packages and the build.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export const root = fileURLToPath(new URL('..', import.meta.url));

const minimumNode = '20.16';

/** Prints a message and ends the process with status 1. @param {string} message @returns {never} */
export function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Runs a program in the project's folder, shows its output, and returns its exit status: 127 if it cannot start. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) console.error(`${command}: ${error.message}`);
  return status ?? 127;
}

/**
 * Returns the options and other arguments of the command line. --help prints the usage; wrong options end the process.
 *
 * @param {string} usage
 * @param {{ [name: string]: any }} options as those of parseArgs
 * @param {boolean} [allowPositionals]
 * @param {string[]} [args] the command line's by default
 * @returns {{ values: { [name: string]: any }, positionals: string[] }}
 */
export function readArguments(usage, options, allowPositionals = false, args = process.argv.slice(2)) {
  try {
    const parsed = parseArgs({ args, options: { ...options, help: { type: 'boolean' } }, allowPositionals });
    if (!parsed.values.help) return parsed;
  } catch (error) {
    fail(`${error.message}\n\n${usage}`);
  }
  console.log(usage);
  return process.exit();
}

/** Ends the process if this Node is too old. @param {string} [minimum] */
export function requireNode(minimum = minimumNode) {
  const isOlder = process.versions.node.localeCompare(minimum, 'en', { numeric: true }) < 0;
  if (isOlder) {
    fail(`This needs Node ${minimum} or newer; this is ${process.versions.node}.`);
  }
}

/** Installs the development packages if they are missing or older than the lock file. Returns false if npm fails. */
export function installPackages() {
  const installed = join(root, 'node_modules/.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return true;
  console.log('installing the development packages (npm ci)');
  return run('npm', ['ci', '--no-audit', '--no-fund']) === 0;
}

/** Runs build.sh for the outputs that have changed. Returns its exit status: 2 if a tool is missing. */
export function build(...targets) {
  return run('./build.sh', targets);
}
