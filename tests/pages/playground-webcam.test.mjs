// The webcam: running, unplugged, refused and missing.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { browserName, choose, readCanvas, rest, select, shownError, start, text } from './support.mjs';

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
      // No page can unplug a device, and Firefox delivers no scripted event to a track: call the listener.
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

/** Asserts that the webcam's last picture stays on screen, also after a change of size and back. */
async function assertKeepsPicture(page) {
  const picture = () => readCanvas(page, '#input-canvas');
  const before = await picture();
  const colours = new Set(new Uint32Array(before.data.buffer)).size;
  assert.ok(colours > 4, `a picture of ${colours} colours`);
  await select(page, 'size', '128');
  assert.deepEqual([(await picture()).width, before.width], [128, 384]);
  await select(page, 'size', '384');
  assert.ok(Buffer.from((await picture()).data).equals(before.data), 'the picture changed');
}
