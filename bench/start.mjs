// Cold start: from import to the first output map, each time in a fresh process, or in a page of a fresh profile.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { milliseconds, times } from '../web/bench/report.js';
import { threadsText } from '../web/shared/format.js';
import { NETWORKS } from '../web/bench/network.js';
import { median } from '../web/bench/timing.js';
import { describe } from '../web/bench/workload.js';
import { root } from '../scripts/project.mjs';
import { loadNotes, machine } from './machine.mjs';
import { readModels, serveModels } from './networks/models.mjs';
import { reportName } from './reports.mjs';

/** Modules to import, by engine. @type {{ [engine: string]: () => string }} */
const inNode = {
  dynakernel: () => new URL('../dist/index.js', import.meta.url).href,
  'onnxruntime-web': () => 'onnxruntime-web',
  'onnxruntime-node': () => pathToFileURL(createRequire(new URL('native/package.json', import.meta.url))
    .resolve('onnxruntime-node')).href,
};
/** @type {{ [engine: string]: () => string }} */
const inBrowser = {
  dynakernel: () => '/dist/index.js',
  'onnxruntime-web': () => '/bench/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs',
};

/** What starts: a name, a description, and the part of the request that says it. */
/** @typedef {{ name: string, description: string, request: object }} Case */

/** @param {import('./options.mjs').Options} options */
export async function measureStart(options) {
  const { cases, failures } = options.networks ? networkCases(options) : { cases: layerCases(options), failures: [] };
  if (!options.browser) return [await measure(options, cases, failures, inNode, startInProcess, machine())];
  // Imported only now, because it needs development packages.
  const { callInPage, engineName, withBrowser } = await import('./browser.mjs');
  return withBrowser(options, async (browser, url) => {
    const start = (request) => inFreshPage(browser, url, (page) =>
      callInPage(page, '/bench/cold-start.js', 'coldStart', request));
    return [await measure(options, cases, failures, inBrowser, start, machine(await engineName(browser, options)))];
  });
}

/**
 * @param {import('./options.mjs').Options} options
 * @returns {Case[]}
 */
const layerCases = ({ workloads }) =>
  workloads.map((workload) => ({ name: workload.name, description: describe(workload), request: { workload } }));

/** @param {import('./options.mjs').Options} options */
function networkCases({ files }) {
  const { models, failures } = readModels(files);
  const cases = serveModels(models).map((network) => ({
    name: network.name, description: NETWORKS.describe(network).description,
    request: { network: { ...network, path: join(root, network.url) } },
  }));
  return { cases, failures };
}

/**
 * @param {import('./options.mjs').Options} options
 * @param {Case[]} cases
 * @param {string[]} failures
 * @param {{ [engine: string]: () => string }} modules
 * @param {(request: import('./cold-start.js').StartRequest) => number | Promise<number>} start
 */
async function measure(options, cases, failures, modules, start, environment) {
  const { browser, networks, peers, simd, revectorize, threads: [threads], quick } = options;
  const engines = ['dynakernel', ...peers];
  const repetitions = quick ? 3 : 9;
  const data = { date: new Date().toISOString(), environment, threads, repetitions, rows: [] };
  for (const { name, description, request } of cases) {
    console.error(name);
    const samples = Object.fromEntries(engines.map((engine) => [engine, []]));
    for (let i = 0; i < repetitions; i++) {
      for (const engine of engines) {
        samples[engine].push(await start({ engine, simd, threads, module: modules[engine](), ...request }));
      }
    }
    const medians = Object.fromEntries(engines.map((engine) => [engine, median(samples[engine])]));
    data.rows.push({ name, description, medians, samples });
  }

  const table = {
    columns: ['workload', ...engines.flatMap((engine, i) => (i === 0 ? [`${engine} ms`] : [`${engine} ms`, 'ratio']))],
    rows: data.rows.map(({ name, medians }) => [name, ...engines.flatMap((engine, i) => (i === 0
      ? [milliseconds(medians[engine])]
      : [milliseconds(medians[engine]), times(medians[engine] / medians.dynakernel)]))]),
  };
  const notes = [
    `From import to the first ${networks ? 'outputs' : 'output map'} that JavaScript reads, ${threadsText(threads)}: medians of ${repetitions} ` +
      `fresh ${browser ? 'pages of fresh profiles, served by this machine' : 'processes'}, in turn.`,
    `${environment.engine}, ${environment.machine}, ${environment.system}, ${data.date.slice(0, 10)}.`,
    ...loadNotes(environment),
  ];
  const name = reportName(`${networks ? 'networks-' : ''}start-${browser || 'node'}`, { threads, simd, revectorize });
  return { name, table, notes, failures, data };
}

function startInProcess(request) {
  const child = fileURLToPath(new URL('start-child.mjs', import.meta.url));
  /** @type {import('node:child_process').SpawnSyncOptionsWithStringEncoding} */
  const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] };
  const { status, stdout } = spawnSync(process.execPath, [...process.execArgv, child, JSON.stringify(request)], options);
  if (status !== 0) throw new Error(`the process that starts ${request.engine} failed`);
  return Number(stdout);
}

/**
 * @param {import('puppeteer-core').Browser} browser
 * @param {string} url
 * @param {(page: import('puppeteer-core').Page) => Promise<number>} work
 */
async function inFreshPage(browser, url, work) {
  const profile = await browser.createBrowserContext();
  try {
    const page = await profile.newPage();
    await page.goto(`${url}bench/blank.html`);
    return await work(page);
  } finally {
    await profile.close();
  }
}
