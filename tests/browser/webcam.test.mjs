// examples/webcam/ in a browser: with a webcam, without one, and without MediaStreamTrackProcessor.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { start } from '../pages/support.mjs';
import { serve } from '../../scripts/serve.mjs';

const FRAMES = 20;

/** Opens the page, runs it until it has drawn some frames, stops it, and returns what it shows. */
async function run(session, site, prepare = () => {}) {
  const page = await session.browser.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) problems.push(message.text());
  });
  await page.evaluateOnNewDocument(prepare);
  await page.goto(`${site.url}examples/webcam/`);
  await page.waitForFunction(() => document.getElementById('status').textContent === 'Ready', { timeout: 20_000 });
  await page.click('#start');
  await page.waitForFunction((count) => Number(document.documentElement.dataset.frames) >= count, { timeout: 30_000 }, FRAMES);
  const status = await page.$eval('#status', (element) => element.textContent);
  await page.click('#stop');
  await page.waitForFunction(() => !document.getElementById('start').disabled, { timeout: 20_000 });
  const drawn = await page.evaluate(() => {
    const copy = Object.assign(document.createElement('canvas'), { width: 16, height: 12 }).getContext('2d');
    copy.drawImage(document.getElementById('maps'), 0, 0, 16, 12);
    return new Set(new Uint32Array(copy.getImageData(0, 0, 16, 12).data.buffer)).size;
  });
  // it starts again
  await page.evaluate(() => { document.documentElement.dataset.frames = '0'; });
  await page.click('#start');
  await page.waitForFunction(() => Number(document.documentElement.dataset.frames) >= 3, { timeout: 20_000 });
  await page.close();
  assert.deepEqual(problems, []);
  // the fake camera of Firefox has one colour, and so has each map then
  assert.ok(drawn >= 3, `the canvas has ${drawn} colours`);
  return status;
}

for (const [name, webcam, prepare, words] of [
  ['a webcam', 'fake', undefined, /^Webcam: \d+ frames per second$/],
  ['a webcam, without MediaStreamTrackProcessor', 'fake', () => { delete globalThis.MediaStreamTrackProcessor; }, /^Webcam: /],
  ['a webcam, without frame callbacks and VideoFrame', 'fake', () => {
    delete globalThis.MediaStreamTrackProcessor;
    delete globalThis.VideoFrame;
    delete HTMLVideoElement.prototype.requestVideoFrameCallback;
  }, /^Webcam: /],
  ['no webcam', 'none', undefined, /^No webcam, a moving picture: /],
]) {
  test(`${name}: frames are drawn`, async () => {
    const session = await start({ webcam });
    const site = await serve({ folders: ['examples', 'dist'] });
    try {
      assert.match(await run(session, site, prepare), words);
    } finally {
      await session.close();
      await site.close();
    }
  });
}
