// Finds or installs a newer Node, for the tests that need relaxed SIMD and for the benchmark.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './project.mjs';

const version = '24.21.0';
const folder = join(root, 'build/node24');

/** Returns the path of a Node that runs relaxed SIMD without a flag: this one if it is new enough, else Node 24, or ''. */
export const newerNode = () => (Number(process.versions.node.split('.')[0]) >= 22 ? process.execPath : node24());

/**
 * Returns the path of a Node 24: this one if it is one, else one that npm installs into build/, or '' if npm cannot.
 * That Node is no development dependency, because npm would then run its scripts with it.
 */
export function node24() {
  if (process.versions.node.startsWith('24.')) return process.execPath;
  const name = nodePackage();
  const node = join(folder, 'node_modules', name, 'bin/node');
  if (!existsSync(node)) {
    console.error(`installing Node ${version} into build/node24`);
    mkdirSync(folder, { recursive: true });
    const flags = ['--prefix', folder, '--no-save', '--no-package-lock', '--no-audit', '--no-fund'];
    run('npm', ['install', ...flags, `${name}@${version}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  return existsSync(node) ? node : '';
}

/** The package with the program for this machine. npm's package `node` only selects one, in an installation script. */
function nodePackage() {
  const { platform, arch } = process;
  return `${platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'}-${platform}-${arch}`;
}
