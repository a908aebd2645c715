// A browser with a page in it, and the steps that the tests of the pages share.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch } from 'puppeteer-core';
import sirv from 'sirv';
import { findBrowser } from '../../scripts/browsers.mjs';
import { root } from '../../scripts/project.mjs';
import { serve } from '../../scripts/serve.mjs';

export const browserName = process.env.BROWSER || 'chromium';
export const screenshots = join(root, 'build/screenshots');
export const fixture = (name) => join(root, 'tests/fixtures/golden', `${name}.safetensors`);

/** Browser settings for an allowed fake webcam, a refused webcam, and no webcam. */
const chromiumWebcam = {
  fake: ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
  denied: ['--use-fake-device-for-media-stream', '--deny-permission-prompts'],
  none: ['--use-fake-device-for-media-stream=device-count=0', '--use-fake-ui-for-media-stream'],
};
const firefoxWebcam = {
  fake: { 'media.navigator.streams.fake': true, 'media.navigator.permission.disabled': true },
  denied: { 'media.navigator.streams.fake': true, 'permissions.default.camera': 2 },
  none: { 'media.navigator.permission.disabled': true },
};

/**
 * Starts a browser and a server. Their open() opens a page; it waits until the playground is at rest.
 *
 * @param {{ webcam?: 'fake' | 'denied' | 'none' }} [options]
 */
export async function start({ webcam = 'fake' } = {}) {
  const downloads = mkdtempSync(join(tmpdir(), 'dynakernel-downloads-'));
  const browser = await launchBrowser(webcam, downloads);
  const server = await serve({ folders: ['web', 'dist', 'tests', 'build'] });
  mkdirSync(screenshots, { recursive: true });

  /** @param {{ width?: number, height?: number, path?: string }} [options] */
  async function open({ width = 1440, height = 900, path = 'web/playground.html' } = {}) {
    const page = await browser.newPage();
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(error.message));
    page.on('console', (message) => {
      if (['error', 'warn'].includes(message.type())) page.problems.push(message.text());
    });
    await page.setViewport({ width, height });
    await page.goto(server.url + path);
    if (path.startsWith('web/playground.html')) await rest(page);
    return page;
  }

  async function close() {
    await browser.close();
    await server.close();
    rmSync(downloads, { recursive: true, force: true, maxRetries: 3 });
  }

  return { browser, server, downloads, open, close };
}

function launchBrowser(webcam, downloads) {
  const executablePath = findBrowser(browserName);
  if (!executablePath) throw new Error(`${browserName} is not installed`);
  if (browserName === 'firefox') {
    return launch({
      browser: 'firefox',
      executablePath,
      headless: true,
      extraPrefsFirefox: {
        ...firefoxWebcam[webcam],
        'browser.download.folderList': 2, // the folder named next
        'browser.download.dir': downloads,
        'dom.events.testing.asyncClipboard': true, // the clipboard without a prompt
        'ui.prefersReducedMotion': 1,
      },
    });
  }
  const args = [
    ...chromiumWebcam[webcam],
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--force-prefers-reduced-motion',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
  if (process.getuid?.() === 0) args.push('--no-sandbox'); // Chromium's sandbox refuses root
  return launch({
    browser: 'chrome',
    executablePath,
    headless: true,
    args,
    downloadBehavior: { policy: 'allow', downloadPath: downloads },
  });
}

/**
 * Serves the repository without the headers that isolate a page, and with some files changed.
 *
 * @param {{ [path: string]: (text: string) => string }} [changes] functions that change a file's text, by path
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function servePlainly(changes = {}) {
  const site = sirv(root, { dev: true });
  const server = createServer((request, response) => {
    const change = changes[request.url.slice(1)];
    if (!change) return site(request, response);
    const text = readFileSync(join(root, request.url), 'utf8');
    const changed = change(text);
    assert.notEqual(changed, text, `${request.url} was not changed`);
    response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(changed);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://localhost:${server.address().port}/`,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Waits until the playground has drawn the result of every request, or shows an error. */
export function rest(page) {
  return page.waitForFunction(() => ['ready', 'failed'].includes(document.getElementById('playground').dataset.state), {
    timeout: 30_000,
  });
}

/** Returns the text of an element. */
export const text = (page, selector) => page.$eval(selector, (element) => element.textContent.trim());

/** Reads a canvas: RGBA bytes, and its size. */
export async function readCanvas(page, selector) {
  const { data, ...size } = await page.$eval(selector, (canvas) => {
    const { width, height } = canvas; // Chromium warns on the console of canvases that are read often
    const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    return { width, height, data: [...copy.getImageData(0, 0, width, height).data] };
  });
  return { ...size, data: Uint8Array.from(data) };
}

/** Checks the radio button of a group that has this value. */
export async function choose(page, name, value) {
  await page.$eval(`input[name="${name}"][value="${value}"]`, (input) => input.click());
  await rest(page);
}

/** Selects an option, with its change event. */
export async function select(page, id, value) {
  await page.select(`#${id}`, value);
  await rest(page);
}

/** Types a number into a field and leaves it. */
export async function fill(page, id, value) {
  await page.$eval(
    `#${id}`,
    (input, number) => {
      input.value = number;
      input.dispatchEvent(new Event('input', { bubbles: true }));
      input.dispatchEvent(new Event('change', { bubbles: true }));
    },
    String(value),
  );
  await rest(page);
}

/** Waits until an error is shown beside a control, and returns its text. */
export async function shownError(page, id) {
  await page.waitForSelector(`#${id}:not([hidden])`, { timeout: 10_000 });
  return text(page, `#${id}`);
}

/**
 * Drops files on the page, in the events that the browser would send.
 *
 * @param {{ name: string, type: string, bytes: Uint8Array }[][]} drops  several follow each other without a pause
 */
export async function drop(page, ...drops) {
  const encode = ({ name, type, bytes }) => ({ name, type, base64: Buffer.from(bytes).toString('base64') });
  await page.evaluate((lists) => {
    for (const list of lists) {
      const transfer = new DataTransfer();
      for (const { name, type, base64 } of list) {
        const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
      }
      for (const step of ['dragenter', 'dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(step, { dataTransfer: transfer, bubbles: true, cancelable: true }));
      }
    }
  }, drops.map((files) => files.map(encode)));
}

/** Lets the page use the clipboard without a prompt. Firefox has a preference for it. */
export async function allowClipboard(session) {
  if (browserName !== 'chromium') return;
  await session.browser
    .defaultBrowserContext()
    .overridePermissions(session.server.url.slice(0, -1), [
      'clipboard-read',
      'clipboard-write',
      'clipboard-sanitized-write',
    ]);
}

/**
 * Pastes a picture as PNG by Ctrl+V. The clipboard of headless Firefox holds only text, so there the page receives the
 * paste event from a script.
 */
export async function paste(page, address) {
  await page.bringToFront();
  await page.evaluate(
    async (picture, real) => {
      const bitmap = await createImageBitmap(await (await fetch(picture)).blob());
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      canvas.getContext('2d').drawImage(bitmap, 0, 0);
      const blob = await canvas.convertToBlob({ type: 'image/png' });
      if (real) return navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([blob], 'image.png', { type: 'image/png' }));
      const event = new Event('paste', { bubbles: true, cancelable: true });
      document.body.dispatchEvent(Object.defineProperty(event, 'clipboardData', { value: clipboardData }));
    },
    address,
    browserName === 'chromium',
  );
  if (browserName !== 'chromium') return;
  await page.keyboard.down('Control');
  await page.keyboard.press('v', { commands: ['Paste'] });
  await page.keyboard.up('Control');
}

/** Clicks an element and returns the path of the file that it downloads. */
export async function downloaded(page, downloads, selector) {
  for (const name of readdirSync(downloads)) rmSync(join(downloads, name));
  await page.click(selector);
  for (let attempt = 0; attempt < 100; attempt++) {
    await sleep(100);
    const names = readdirSync(downloads);
    // A browser first writes to a file of another name, or makes an empty file.
    if (
      names.length === 1 &&
      !/\.(part|crdownload|tmp)$/.test(names[0]) &&
      statSync(join(downloads, names[0])).size > 0
    ) {
      return join(downloads, names[0]);
    }
  }
  throw new Error(`a click on ${selector} downloaded nothing`);
}
