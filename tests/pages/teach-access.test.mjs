// "Teach it" by keyboard, by screen reader, on a phone, in the dark.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { lowestContrast, nameless, spokenChanges, tabStops } from './accessibility.mjs';
import { browserName, drop, screenshots, shownError, start, text } from './support.mjs';
import { composed, lesson, openTeach, relearn, state, toggle, train } from './teach.mjs';

const screens = [['desktop', 1440, 900], ['tablet', 820, 1180], ['phone', 390, 844], ['narrow', 320, 640]];

describe(`access to Teach it in ${browserName}`, () => {
  let session;
  before(async () => {
    session = await start();
  });
  after(() => session?.close());

  it('reaches every control by Tab, with a visible focus, and trains by keyboard', async () => {
    const page = await openTeach(session);
    await page.click('#step'); // enables Reset
    await state(page, 'paused');
    await page.evaluate(() => {
      document.activeElement.blur();
      getSelection().removeAllRanges();
    });
    await page.focus('.skip');
    const stops = await tabStops(page, 'open');
    const names = stops.map(({ name }) => name);
    const expected = [
      './', 'bench.html', 'theme', 'lesson=', 'photo', 'Target of Astronaut', 'Target of Rocket', 'image-file',
      'num-kernels', 'kernel-size', 'seed', 'pupil', 'run', 'step', 'reset', 'optimizer=', 'lr', 'schedule', 'run-steps',
      'focus', 'save', 'open',
    ];
    const order = expected.map((name) => names.indexOf(name));
    assert.ok(!order.includes(-1), `${expected[order.indexOf(-1)]} is not reached: ${names.join(' ')}`);
    assert.deepEqual(order, [...order].sort((a, b) => a - b), names.join(' '));
    assert.deepEqual(stops.filter(({ outlined }) => !outlined), []);

    await page.focus('#run');
    await page.keyboard.press('Enter');
    await state(page, 'running');
    await page.keyboard.press('Enter');
    await state(page, 'paused');
    await page.focus('#step');
    const step = await page.$eval('#teach', (main) => Number(main.dataset.step));
    await page.keyboard.press(' ');
    await page.waitForFunction((n) => Number(document.getElementById('teach').dataset.step) === n, {}, step + 1);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'step', 'the focus stays');
    await page.focus('#reset');
    await relearn(page, () => page.keyboard.press('Enter'));
    assert.equal(await page.evaluate(() => document.activeElement.id), 'run', 'the focus goes on');
    await page.focus('#lr');
    const before = await text(page, '#lr-value');
    await page.keyboard.press('ArrowRight');
    assert.notEqual(await text(page, '#lr-value'), before);
    const spoken = await page.$eval('#lr', (slider) => slider.getAttribute('aria-valuetext'));
    assert.equal(spoken, await text(page, '#lr-value'));
    await page.close();
  });

  it('names every control, picture and region, and keeps quiet about steps', async () => {
    const page = await openTeach(session);
    for (const value of ['brightness', 'model', 'picture']) {
      await lesson(page, value);
      assert.deepEqual(await page.evaluate(nameless), [], value);
    }
    const picture = await page.$eval('.sample .dynamic canvas', (canvas) => canvas.getAttribute('aria-label'));
    assert.match(picture, /^Astronaut, by Dite-HRNet’s block, mean squared error [\d.]+$/);
    await page.select('#run-steps', '20000');
    await page.click('#run');
    await state(page, 'running');
    assert.equal(await text(page, '#status'), 'Training on Each photograph its own.');
    assert.equal(await page.evaluate(spokenChanges, 1500), 0);
    await page.click('#run');
    await state(page, 'paused');
    assert.match(await text(page, '#status'), /^Paused at step \d+\. .+ of 256 levels off the target.*\.$/);
    await page.close();
  });

  for (const theme of ['light', 'dark']) {
    it(`has readable text and fits every screen in the ${theme} theme`, async () => {
      const page = await openTeach(session);
      while ((await text(page, '#theme')) !== `Theme: ${theme}`) await page.click('#theme');
      await drop(page, [{ name: 'notes.txt', type: 'text/plain', bytes: Buffer.from('no picture') }]);
      await shownError(page, 'lesson-error');
      const { ratio, what } = await page.evaluate(lowestContrast);
      assert.ok(ratio >= 4.5, `contrast ${ratio.toFixed(2)} of ${what}`);
      for (const value of ['brightness', 'model', 'picture']) {
        await lesson(page, value);
        await fits(page, value);
      }
      await train(page, 2000);
      await fits(page, 'taught');
      for (const id of ['dyconv', 'condconv', 'odconv']) await toggle(page, id);
      await train(page, 500);
      await page.click('#code-title');
      await fits(page, 'every kind');
      assert.deepEqual(await page.evaluate(nameless), [], 'every kind');
      const readable = await page.evaluate(lowestContrast);
      assert.ok(readable.ratio >= 4.5, `contrast ${readable.ratio.toFixed(2)} of ${readable.what}`);
      await targetsAreLarge(page);
      for (const [name, width, height] of screens) {
        await page.setViewport({ width, height });
        await composed(page);
        const path = join(screenshots, `teach-${browserName}-${name}-${theme}.png`);
        await page.screenshot({ path, fullPage: true });
      }
      await page.evaluate(() => localStorage.clear());
      assert.deepEqual(page.problems, []);
      await page.close();
    });
  }

  /** Asserts that the controls of the kinds are at least 24 pixels high and wide. */
  async function targetsAreLarge(page) {
    const small = await page.$$eval('.pupils label, #focus, summary, #copy', (list) =>
      list.map((element) => [element.textContent.slice(0, 20), element.getBoundingClientRect()])
        .filter(([, { width, height }]) => width < 24 || height < 24).map(([words]) => words));
    assert.deepEqual(small, [], 'targets below 24 pixels');
  }

  /** Asserts that the page fits every screen, and the figures fit the chart. */
  async function fits(page, what) {
    for (const [name, width, height] of screens) {
      await page.setViewport({ width, height });
      await composed(page);
      const [over, inChart] = await page.evaluate(() => {
        const edge = document.querySelector('#chart').getBoundingClientRect().right + 1;
        const words = [...document.querySelectorAll('#chart text')];
        return [
          document.documentElement.scrollWidth - document.documentElement.clientWidth,
          words.every((one) => one.getBoundingClientRect().right <= edge),
        ];
      });
      assert.ok(over <= 0, `${what}, ${name}: ${over} px too wide`);
      assert.ok(inChart, `${what}, ${name}: every figure lies inside the chart`);
    }
  }
});
