// The webcam: one that runs, one that is unplugged, one that is refused, none.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { browserName, choose, rest, select, shownError, start, text } from './support.mjs';

describe(`webcam in ${browserName}`, () => {
  it('follows the webcam until it is stopped, and keeps the last picture', async () => {
    const session = await start({ webcam: 'fake' });
    try {
      const page = await session.open();
      await page.click('#webcam');
      await page.waitForFunction(() => document.getElementById('playground').dataset.state === 'live', {
        timeout: 20_000,
      });
      assert.equal(await text(page, '#webcam'), 'Stop webcam');
      const frames = await page.$eval('#playground', (element) => Number(element.dataset.frames));
      await page.waitForFunction(
        (target) => Number(document.getElementById('playground').dataset.frames) > target,
        { timeout: 20_000 },
        frames + 30,
      );
      assert.match(await text(page, '#input-caption'), /^Webcam, \d+ × \d+ of \d+ × \d+$/);
      await page.waitForFunction(() => /^\d+$/.test(document.getElementById('fps').textContent));
      assert.equal(await text(page, '#fps-label'), 'Frames per second');
      await page.click('#webcam');
      await rest(page);
      assert.match(await text(page, '#input-caption'), /^Webcam still/);
      assert.equal(await text(page, '#webcam'), 'Start webcam');
      await assertKeepsPicture(page);
      await page.click('#webcam');
      await page.waitForFunction(() => document.getElementById('playground').dataset.state === 'live', {
        timeout: 20_000,
      });
      await choose(page, 'photo', 'rocket.jpg');
      assert.equal(await text(page, '#webcam'), 'Start webcam');
      assert.match(await text(page, '#input-caption'), /^Rocket/);
      assert.deepEqual(page.problems, []);
    } finally {
      await session.close();
    }
  });

  it('says that the webcam was unplugged, and keeps the last picture', async () => {
    const session = await start({ webcam: 'fake' });
    try {
      const page = await session.open();
      // No page can unplug a device, and Firefox delivers no event that a script makes to a track.
      await page.evaluate(() => {
        MediaStreamTrack.prototype.addEventListener = (type, listener) => {
          if (type === 'ended') globalThis.unplug = listener;
        };
      });
      await page.click('#webcam');
      await page.waitForFunction(() => document.getElementById('playground').dataset.state === 'live', {
        timeout: 20_000,
      });
      await page.evaluate(() => globalThis.unplug(new Event('ended')));
      assert.match(await shownError(page, 'source-error'), /unplugged/);
      await rest(page);
      assert.match(await text(page, '#input-caption'), /^Webcam still/);
      assert.equal(await text(page, '#webcam'), 'Start webcam');
      await assertKeepsPicture(page);
      await choose(page, 'photo', 'rocket.jpg');
      assert.match(await text(page, '#input-caption'), /^Rocket/);
      assert.deepEqual(page.problems, []);
    } finally {
      await session.close();
    }
  });

  for (const [webcam, message] of [
    ['denied', /not allowed to use the webcam/],
    ['none', /No webcam was found/],
  ]) {
    it(`says that the webcam is ${webcam === 'none' ? 'missing' : 'refused'}`, async () => {
      const session = await start({ webcam });
      try {
        const page = await session.open();
        await page.click('#webcam');
        assert.match(await shownError(page, 'source-error'), message);
        assert.equal(await text(page, '#webcam'), 'Start webcam');
        await choose(page, 'photo', 'rocket.jpg');
        assert.equal(await page.$eval('#source-error', (element) => element.hidden), true);
        assert.deepEqual(page.problems, []);
      } finally {
        await session.close();
      }
    });
  }
});

/** The webcam's picture is on screen and stays there: it is fed again as it was, in another size too. */
async function assertKeepsPicture(page) {
  const before = await picture(page);
  assert.ok(before.colours > 4, `a picture of ${before.colours} colours`);
  await select(page, 'size', '128');
  assert.deepEqual([await picture(page).then(({ width }) => width), before.width], [128, 384]);
  await select(page, 'size', '384');
  assert.deepEqual(await picture(page), before);
}

/** What is on the canvas of stage 1. */
function picture(page) {
  return page.$eval('#input-canvas', (canvas) => {
    const { width, height } = canvas; // Chromium warns on the console of canvases that are read often
    const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, width, height);
    const pixels = new Uint32Array(data.buffer);
    const sum = pixels.reduce((total, pixel) => (Math.imul(total, 31) + pixel) | 0, 0);
    return { width, height, colours: new Set(pixels).size, sum };
  });
}
