// The browsers. Each is started once, and opens a new page for every cell.
import { setTimeout as sleep } from 'node:timers/promises';
import { launchBrowser } from '../../../scripts/browsers.mjs';

/**
 * @param {string[]} names 'chromium', 'firefox'
 * @returns {Promise<{ versions: string[], visit: (url: string) => Promise<Visit[]>, close: () => Promise<void> }>}
 */
export async function openBrowsers(names) {
  const browsers = [];
  for (const name of names) browsers.push({ name, browser: await launchBrowser(name) });
  return {
    versions: await Promise.all(browsers.map(describe)),
    visit: (url) => Promise.all(browsers.map(({ name, browser }) => visit(name, browser, url))),
    async close() {
      for (const { browser } of browsers) await browser.close();
    },
  };
}

/** A browser's name and version: 'Chromium 156.0.8078.108'. */
async function describe({ name, browser }) {
  const [version] = /[\d.]+/.exec(await browser.version());
  return `${name[0].toUpperCase()}${name.slice(1)} ${version}`;
}

/**
 * The results of one browser at an address.
 *
 * @typedef {{ browser: string, page: any, worker: any, messages: string[], problem?: string }} Visit
 */

/** The kinds of console messages that a person sees by default. React's time stamps are not among them. */
const PRINTED = ['log', 'info', 'warn', 'error', 'assert', 'trace'];

/** @returns {Promise<Visit>} */
async function visit(name, browser, url, seconds = 45) {
  const messages = [];
  const page = await browser.newPage();
  page.on('pageerror', (error) => messages.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    if (PRINTED.includes(message.type())) messages.push(`${message.type()}: ${message.text()}`);
  });
  try {
    await page.goto(url, { timeout: seconds * 1000 });
    const result = await resultOf(page, seconds);
    if (!result) return { browser: name, page: {}, worker: {}, messages, problem: `no result within ${seconds} s` };
    await sleep(100); // for messages that come late
    messages.push(...(result.worker.printed ?? []).map((text) => `in the worker: ${text}`));
    return { browser: name, ...result, messages };
  } catch (error) {
    return { browser: name, page: {}, worker: {}, messages, problem: error.message };
  } finally {
    await page.close().catch(() => {});
  }
}

/** Polls by evaluate(), because no policy forbids it. A development server may reload the page meanwhile. */
async function resultOf(page, seconds) {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(50)) {
    const text = await page.evaluate(() => document.documentElement.dataset.result).catch(() => undefined);
    if (text) return JSON.parse(text);
  }
  return undefined;
}
