// How long the page's thread is busy with a frame of examples/webcam, in Chromium: node bench/page-thread.mjs
//
// The times are processor times of that thread's tasks, from a trace, so that other programs do not count.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from 'puppeteer-core';
import { findBrowser } from '../scripts/browsers.mjs';
import { serve } from '../scripts/serve.mjs';

const SECONDS = 8;

const folder = mkdtempSync(join(tmpdir(), 'dynakernel-trace-'));
const site = await serve({ folders: ['examples', 'dist'] });
const args = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--disable-dev-shm-usage'];
if (process.getuid?.() === 0) args.push('--no-sandbox'); // Chromium's sandbox does not run as root
const browser = await launch({ browser: 'chrome', executablePath: findBrowser('chromium'), headless: true, args });
const page = await browser.newPage();
const sleep = (seconds) => new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });
const framesSoFar = () => page.evaluate(() => Number(document.documentElement.dataset.frames));

// start, and warm up
await page.goto(`${site.url}examples/webcam/`);
await page.waitForFunction(() => document.getElementById('status').textContent === 'Ready');
await page.click('#start');
await sleep(3);

// trace
const path = join(folder, 'trace.json');
const first = await framesSoFar();
await page.tracing.start({ path, categories: ['toplevel', 'blink.user_timing'] });
await sleep(SECONDS);
await page.tracing.stop();
const frames = await framesSoFar() - first;
const calls = (await page.evaluate(() => performance.getEntriesByName('frame on the page').map(({ duration }) => duration)))
  .sort((a, b) => a - b);

// the tasks of the thread that made the page's marks
const { traceEvents } = JSON.parse(readFileSync(path, 'utf8'));
const mark = traceEvents.find(({ name, cat }) => name === 'frame' && cat.includes('user_timing'));
const tasks = traceEvents.filter(({ name, pid, tid, tdur }) =>
  name.endsWith('RunTask') && pid === mark.pid && tid === mark.tid && tdur !== undefined).map(({ tdur }) => tdur / 1000);
const total = tasks.reduce((sum, time) => sum + time, 0);
console.log(`${frames} frames in ${SECONDS} s; a frame: ${(total / frames).toFixed(2)} ms of processor time; the longest task: ` +
  `${Math.max(...tasks).toFixed(2)} ms; the script's three calls: ${calls[calls.length >> 1].toFixed(2)} ms (median)`);

await browser.close();
await site.close();
rmSync(folder, { recursive: true });
