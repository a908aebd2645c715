// `npm run bench`: builds and installs missing parts, measures, and prints a table. options.mjs has the usage.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build, fail, installPackages, requireNode, root } from '../scripts/project.mjs';
import { useNode } from './engines.mjs';
import { bundleLiteRt, installPeers } from './install.mjs';
import { readOptions } from './options.mjs';
import { publish } from './reports.mjs';

/** Each measurement imports its module itself, because the module may import packages that are not installed. */
const measurements = {
  compare: async (options) => options.browser
    ? (await import('./compare-browser.mjs')).compareInBrowser(options)
    : (await import('./compare-node.mjs')).compareInNode(options),
  networks: async (options) => (await import('./networks/compare.mjs')).compareNetworks(options),
  layers: async (options) => (await import('./networks/layers.mjs')).measureLayers(options),
  start: async (options) => (await import('./start.mjs')).measureStart(options),
  frame: async (options) => (await import('./frame.mjs')).measureFrame(options),
  train: async (options) => (await import('./train.mjs')).measureTraining(options),
  kinds: async (options) => (await import('./kinds.mjs')).measureKinds(options),
  pairs: async (options) => (await import('./pairs.mjs')).measurePairs(options),
  growth: async (options) => (await import('./growth.mjs')).measureGrowth(options),
  planner: async (options) => {
    const { fitPlanner, measurePlanner } = await import('./planner.mjs');
    return options.fit || options.refit ? fitPlanner(options) : measurePlanner(options);
  },
};

requireNode();
const options = readOptions();
if (!options.browser) useNode(options);
await prepare();
const reports = await measure();
for (const report of reports) publish(report, options);
// onnxruntime-web's threads would keep the process alive.
process.exit(reports.some(({ failures }) => failures.length > 0) ? 1 : 0);

async function prepare() {
  // Browsers need their driver and the server; tfjs-cpu needs the bundler.
  if ((options.browser || options.peers.includes('tfjs-cpu')) && !installPackages()) {
    fail("npm could not install the development packages: see its message above.");
  }
  if (options.build && build('wasm', 'bundle') !== 0) {
    fail('The WebAssembly or the bundle cannot be built: see the message above.');
  }
  if (!existsSync(join(root, 'dist/dynakernel-baseline.wasm'))) {
    fail('There is nothing in dist/ to measure: leave out --no-build.');
  }
  installPeers(options.peers);
  if (options.browser && options.peers.some((peer) => peer.startsWith('litert'))) await bundleLiteRt();
}

async function measure() {
  try {
    return await measurements[options.mode](options);
  } catch (error) {
    if (['Error', 'DynakernelError'].includes(error.constructor.name)) fail(`The measurement failed: ${error.message}`);
    throw error; // a bug of the benchmark: Node prints its stack
  }
}
