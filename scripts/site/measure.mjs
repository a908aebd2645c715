// Measures the built pages under the network and processor with which Lighthouse imitates a phone.
import { performance } from 'node:perf_hooks';
import { launchBrowser } from '../browsers.mjs';
import { host } from './host.mjs';

/** Lighthouse's "Slow 4G": 150 ms for a round trip, 1.6 Mbit/s down, 750 kbit/s up; and a CPU four times slower. */
export const SLOW = { latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 750e3 / 8, slowdown: 4 };

/** Lighthouse's phone. */
export const PHONE = { width: 412, height: 823, deviceScaleFactor: 1.75, isMobile: true, hasTouch: true };
const DESKTOP = { width: 1350, height: 940 };

/** The pages, and the selector of their first meaningful result. */
const PAGES = {
  start: { file: '', result: '#start[data-state="ready"]' },
  playground: { file: 'playground.html', result: '#playground[data-frames]' },
  teach: { file: 'teach.html', result: '#teach[data-state="ready"]' },
  networks: { file: 'networks.html', result: '#networks[data-runs]' },
  bench: { file: 'bench.html', result: '#bench[data-state="ready"]' },
};

/** Runs of a page; the table has the median of their times. */
const RUNS = 5;

/**
 * What loading a page costs.
 *
 * @typedef {object} Cost
 * @property {number} result milliseconds until the page shows its first result
 * @property {number} paint milliseconds until the first contentful paint
 * @property {number} shift the cumulative layout shift
 * @property {number} bytes those that came over the network until the page was quiet, with the headers
 * @property {number} resultBytes those until the first result
 * @property {number} requests
 */

/**
 * Measures all pages and prints a table.
 *
 * @param {string} folder the site
 */
export async function measureSite(folder) {
  const [browser, server] = [await launchBrowser('chromium'), await host(folder)];
  console.log(`Lighthouse's slow 4G (${SLOW.latency} ms, 1.6 Mbit/s), CPU ${SLOW.slowdown}× slower, median of ${RUNS} runs\n`);
  console.log('page        screen    first paint  first result  layout shift  kB to result  kB in all  requests');
  try {
    for (const [name, page] of Object.entries(PAGES)) {
      for (const [screen, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
        const costs = [];
        for (let run = 0; run < RUNS; run++) costs.push(await measurePage(browser, server.url, page, viewport, SLOW));
        const median = (key) => costs.map((cost) => cost[key]).sort((a, b) => a - b)[RUNS >> 1];
        console.log([
          name.padEnd(11), screen.padEnd(9), seconds(median('paint')).padStart(11), seconds(median('result')).padStart(13),
          median('shift').toFixed(3).padStart(13), kilobytes(median('resultBytes')).padStart(13),
          kilobytes(median('bytes')).padStart(10), String(median('requests')).padStart(9),
        ].join(' '));
      }
    }
  } finally {
    await browser.close();
    await server.close();
  }
}

const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;
const kilobytes = (bytes) => (bytes / 1000).toFixed(1);

/**
 * Opens a page with an empty cache and measures it.
 *
 * @param {import('puppeteer-core').Browser} browser
 * @param {string} url the site's address
 * @param {{ file: string, result: string }} page
 * @param {import('puppeteer-core').Viewport} viewport
 * @param {typeof SLOW | null} slow null for this machine's own speed
 * @returns {Promise<Cost>}
 */
export async function measurePage(browser, url, { file, result }, viewport, slow) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  try {
    await page.setViewport(viewport);
    const session = await page.createCDPSession();
    await session.send('Network.enable');
    if (slow) {
      const { slowdown, ...network } = slow;
      await session.send('Network.emulateNetworkConditions', { offline: false, ...network });
      await session.send('Emulation.setCPUThrottlingRate', { rate: slowdown });
    }
    const traffic = { bytes: 0, requests: 0 };
    session.on('Network.requestWillBeSent', ({ request }) => {
      if (request.url.startsWith('http')) traffic.requests++;
    });
    session.on('Network.loadingFinished', ({ encodedDataLength }) => {
      traffic.bytes += encodedDataLength;
    });
    await page.evaluateOnNewDocument(watch, result);
    const begin = performance.now();
    await page.goto(url + file, { timeout: 60_000 });
    await page.waitForFunction(() => globalThis.measured.result > 0, { timeout: 60_000, polling: 50 });
    const resultBytes = traffic.bytes;
    await page.waitForNetworkIdle({ idleTime: 800, timeout: 60_000 });
    const measured = await page.evaluate(() => globalThis.measured);
    if (!(measured.result < performance.now() - begin)) throw new Error(`${file}: the first result has no time`);
    return { ...measured, ...traffic, resultBytes };
  } finally {
    await context.close();
  }
}

/** Runs in the page, before its own scripts. @param {string} selector that of the first result */
function watch(selector) {
  const measured = { result: 0, paint: 0, shift: 0 };
  Object.assign(globalThis, { measured });
  new PerformanceObserver((list) => {
    for (const entry of /** @type {any[]} */ (list.getEntries())) if (!entry.hadRecentInput) measured.shift += entry.value;
  }).observe({ type: 'layout-shift', buffered: true });
  new PerformanceObserver((list) => {
    for (const { name, startTime } of list.getEntries()) if (name === 'first-contentful-paint') measured.paint = startTime;
  }).observe({ type: 'paint', buffered: true });
  new MutationObserver(() => {
    if (measured.result > 0 || !document.querySelector(selector)) return;
    // the result is on screen after the next frame
    measured.result = -1;
    requestAnimationFrame(() => setTimeout(() => { measured.result = performance.now(); }));
  }).observe(document, { subtree: true, childList: true, attributes: true });
}
