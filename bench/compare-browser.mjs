// Milliseconds of each workload in a real browser, in the worker of the demo's benchmark page.
import { callInPage, engineName, withBrowser } from './browser.mjs';
import { machine } from './machine.mjs';
import { comparisonReport, reportName, showProgress } from './reports.mjs';

/** @param {import('./options.mjs').Options} options */
export function compareInBrowser(options) {
  const { browser: name, workloads, peers, threads, simd, revectorize, pace } = options;
  return withBrowser(options, async (browser, url) => {
    const reports = [];
    for (const count of threads) {
      const page = await browser.newPage();
      await page.goto(`${url}web/bench.html`);
      const environment = machine(await engineName(browser, options));
      const request = { workloads, peers, threads: count, simd, pace, environment };
      console.error(`${environment.engine}, ${count === 1 ? '1 thread' : `${count} threads`}`);
      const comparison = await callInPage(page, '/web/bench/client.js', 'compare', request, showProgress);
      reports.push(comparisonReport(reportName(name, { threads: count, simd, revectorize }), comparison));
      await page.close();
    }
    return reports;
  });
}
