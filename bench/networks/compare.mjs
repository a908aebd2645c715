// Milliseconds of whole networks: in Node, or in a browser's worker.
import { ownEngines } from '../../web/bench/engine.js';
import { NETWORKS } from '../../web/bench/network.js';
import { runSession } from '../../web/bench/session.js';
import { machine } from '../machine.mjs';
import { loadPeers } from '../peers/node.mjs';
import { comparisonReport, reportName, showProgress } from '../reports.mjs';
import { readModels, serveModels } from './models.mjs';

const WITHOUT_LITERT = 'LiteRT.js is left out: it runs .tflite files, and these networks are ONNX files.';

/** @param {import('../options.mjs').Options} options */
export async function compareNetworks(options) {
  const { models, failures } = readModels(options.files);
  const reports = options.browser ? await inBrowser(options, models) : [await inNode(options, models)];
  reports[0].failures.unshift(...failures);
  for (const report of reports) report.notes.push(WITHOUT_LITERT);
  return reports;
}

/**
 * @param {import('../options.mjs').Options} options
 * @param {import('./models.mjs').Model[]} models
 */
async function inNode({ peers, threads: [threads], simd, revectorize, pace }, models) {
  const engines = [...await ownEngines({ simd, threads }), ...await loadPeers(peers, { threads })];
  const comparison = await runSession({
    task: NETWORKS, workloads: models, engines, pace, environment: machine(), onProgress: showProgress,
  });
  for (const engine of engines) await engine.close();
  return comparisonReport(reportName('networks-node', { threads, simd, revectorize }), comparison);
}

/**
 * @param {import('../options.mjs').Options} options
 * @param {import('./models.mjs').Model[]} models
 */
async function inBrowser(options, models) {
  const { browser: name, peers, threads, simd, revectorize, pace } = options;
  // imported only now, because it needs development packages
  const { callInPage, engineName, withBrowser } = await import('../browser.mjs');
  const networks = serveModels(models);
  return withBrowser(options, async (browser, url) => {
    const reports = [];
    for (const count of threads) {
      const page = await browser.newPage();
      await page.goto(`${url}web/bench.html`);
      const environment = machine(await engineName(browser, options));
      const request = { networks, peers, threads: count, simd, pace, environment };
      const comparison = await callInPage(page, '/web/bench/client.js', 'compare', request, showProgress);
      const report = reportName(`networks-${name}`, { threads: count, simd, revectorize });
      reports.push(comparisonReport(report, comparison));
      await page.close();
    }
    return reports;
  });
}
