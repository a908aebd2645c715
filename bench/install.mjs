// Installs the packages that only the benchmark needs, if they are missing or older than the lock file.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fail, root, run } from '../scripts/project.mjs';

/** @param {readonly string[]} peers */
export function installPeers(peers) {
  // Nothing here installs PyTorch.
  if (peers.some((peer) => !['pytorch', 'onnxruntime-node'].includes(peer))) install('bench', '200 MB');
  if (peers.includes('onnxruntime-node')) install('bench/native', '300 MB');
}

function install(folder, size) {
  const installed = join(root, folder, 'node_modules/.package-lock.json');
  const lock = join(root, folder, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  console.error(`installing what to compare with into ${folder}/node_modules (${size})`);
  const options = { cwd: join(root, folder), stdio: ['ignore', 'ignore', 'inherit'] };
  if (run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], options) !== 0) {
    fail("The packages to compare with cannot be installed: see npm's message above.");
  }
}

/** Makes one module of LiteRT.js, because a worker cannot find the package that it imports by name. */
export async function bundleLiteRt() {
  const { build } = await import('esbuild');
  await build({
    entryPoints: [join(root, 'bench/node_modules/@litertjs/core/dist/index.js')],
    outfile: join(root, 'dist/bench/litert.js'), bundle: true, format: 'esm', logLevel: 'warning',
  });
}
