// A Node for the tests that need a newer one.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './project.mjs';

const version = '24.21.0';
const folder = join(root, 'build/node24');

/**
 * A Node that runs relaxed SIMD without a flag: this one if it is new enough, else one that npm installs into build/.
 * Not a development dependency, because it would then run the project's npm scripts. '' where it cannot be had.
 */
export function newerNode() {
  if (Number(process.versions.node.split('.')[0]) >= 22) return process.execPath;
  const name = nodePackage();
  const node = join(folder, 'node_modules', name, 'bin/node');
  if (!existsSync(node)) {
    console.log(`installing Node ${version} into build/node24`);
    mkdirSync(folder, { recursive: true });
    const flags = ['--prefix', folder, '--no-save', '--no-package-lock', '--no-audit', '--no-fund'];
    run('npm', ['install', ...flags, `${name}@${version}`]);
  }
  return existsSync(node) ? node : '';
}

/** The package that holds the program itself; npm's `node` only chooses one, in an installation script. */
function nodePackage() {
  const { platform, arch } = process;
  return `${platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'}-${platform}-${arch}`;
}
