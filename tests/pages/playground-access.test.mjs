// The playground by keyboard, by screen reader, on a phone, in the dark.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { load, toSafetensors } from '../../web/dynakernel/index.js';
import { lowestContrast, nameless, spokenChanges, tabStops } from './accessibility.mjs';
import { browserName, choose, drop, rest, screenshots, select, shownError, start, text } from './support.mjs';

describe(`access in ${browserName}`, () => {
  let session;
  before(async () => {
    session = await start();
  });
  after(() => session?.close());

  it('reaches every control by Tab, with a visible focus', async () => {
    const page = await session.open();
    await choose(page, 'preset', 'reference');
    await page.evaluate(() => document.activeElement?.blur?.());
    const stops = await tabStops(page);
    const names = stops.map(({ name }) => name);
    const expected = [
      'theme',
      'preset=',
      'seed',
      'roll',
      'stride',
      'padding',
      'dilation',
      'state-file',
      'save-state',
      'photo=',
      'image-file',
      'webcam',
      'size',
      'normalisation',
      'weight-0',
      'weight-3',
      'channel',
      'kernel-view=',
      'summary',
      'colormap',
      'range',
      'map=',
      'save-map',
      'save-maps',
      'continuous',
      'copy',
      'pre',
    ];
    assert.deepEqual(
      expected.filter((name) => !names.includes(name)),
      [],
      `reached: ${names.join(' ')}`,
    );
    assert.deepEqual(
      expected.filter((name) => names.includes(name)),
      names.filter((name) => expected.includes(name)),
      'out of order',
    );
    assert.deepEqual(
      stops.filter(({ outlined }) => !outlined).map(({ name }) => name),
      [],
    );
    await page.close();
  });

  it('is worked by keyboard alone', async () => {
    const page = await session.open();
    const press = async (selector, ...keys) => {
      await page.focus(selector);
      for (const key of keys) await page.keyboard.press(key);
      await rest(page);
    };
    await press('input[name="preset"]:checked', 'ArrowRight');
    assert.match(await text(page, '#preset-summary'), /initialisation/);
    await press('input[name="photo"]:checked', 'ArrowRight');
    await page.waitForFunction(() => document.getElementById('input-caption').textContent.startsWith('Rocket'));
    await press('input[name="map"]:checked', 'ArrowRight', 'ArrowRight');
    assert.match(await text(page, '#detail-title'), /^Channel 2/);
    const focused = await page.evaluate(() => document.activeElement.name);
    assert.equal(focused, 'map', 'the grid lost the focus');
    await press('input[name="kernel-view"]:checked', 'ArrowRight');
    assert.equal((await page.$$('#mixed canvas')).length, 3);

    await press('#weight-1', 'Home', 'ArrowRight');
    assert.equal(
      await page.$eval('#kernels li:nth-child(2) data', (element) => element.value),
      String(Math.fround(0.001)),
    );
    await press('#automatic', 'Enter');
    assert.equal(await text(page, '#mode'), 'The attention decides');
    // The button is now disabled, so the focus must move on from it.
    assert.equal(await page.evaluate(() => document.activeElement.id), 'weight-0');
    await press('#roll', 'Enter');
    await press('#stride', 'ArrowUp', 'Tab');
    assert.equal(await text(page, '#detail-size'), '192 × 128');
    const open = await page.$eval('#numbers', (details) => details.open);
    await press('#numbers summary', 'Enter');
    assert.equal(await page.$eval('#numbers', (details) => details.open), !open);
    await page.focus('#webcam');
    await page.keyboard.press(' ');
    await page.waitForFunction(() => document.getElementById('playground').dataset.state === 'live', {
      timeout: 20_000,
    });
    await press('#webcam', ' ');
    assert.match(await text(page, '#input-caption'), /^Webcam still/);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('turns the pages of many maps by keyboard, to the ends', async () => {
    const dk = await load();
    const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 50, kernelSize: 3, seed: 1 });
    const bytes = toSafetensors(block.stateDict());
    dk.dispose();
    const page = await session.open();
    await drop(page, [{ name: 'fifty.safetensors', type: '', bytes }]);
    const isPage = (words) => document.getElementById('page').textContent === words;
    await page.waitForFunction(isPage, {}, 'Maps 0 to 23 of 50');
    await page.focus('#next');
    for (const [words, focused] of [
      ['Maps 24 to 47 of 50', 'next'], ['Maps 48 to 49 of 50', 'previous'], ['Maps 24 to 47 of 50', 'previous'],
      ['Maps 0 to 23 of 50', 'next'],
    ]) {
      await page.keyboard.press('Enter');
      await page.waitForFunction(isPage, {}, words);
      assert.equal(await page.evaluate(() => document.activeElement.id), focused, words);
    }
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('names every control, image and region', async () => {
    const page = await session.open();
    for (const preset of ['classic', 'reference', 'seven']) {
      await choose(page, 'preset', preset);
      assert.deepEqual(await page.evaluate(nameless), [], preset);
    }
    const weight = await page.$eval('#weight-0', (slider) => slider.labels[0].textContent);
    assert.match(weight, /^Fine/);
    await page.close();
  });

  it('tells screen readers what was done, and keeps quiet about frames', async () => {
    const page = await session.open();
    await choose(page, 'photo', 'rocket.jpg');
    assert.equal(await text(page, '#status'), 'Rocket is shown.');
    await choose(page, 'preset', 'strided');
    assert.equal(await text(page, '#status'), 'Strided: 4 kernels, 16 output channels.');
    await page.focus('#weight-0');
    await page.keyboard.press('End');
    assert.equal(await text(page, '#status'), 'Weights are set by hand.');
    await page.click('#continuous');
    assert.equal(await page.evaluate(spokenChanges, 1000), 0);
    await page.click('#continuous');
    await page.close();
  });

  for (const theme of ['light', 'dark']) {
    it(`has readable text and fits every screen in the ${theme} theme`, async () => {
      const page = await session.open();
      await page.waitForSelector('#theme');
      while ((await text(page, '#theme')) !== `Theme: ${theme}`) await page.click('#theme');
      await drop(page, [{ name: 'notes.txt', type: 'text/plain', bytes: Buffer.from('no picture') }]);
      await shownError(page, 'source-error');
      const { ratio, what } = await page.evaluate(lowestContrast);
      assert.ok(ratio >= 4.5, `contrast ${ratio.toFixed(2)} of ${what}`);
      await page.reload();
      assert.equal(await page.$eval('html', (html) => html.dataset.theme), theme);
      await rest(page);

      for (const [name, width, height] of [
        ['desktop', 1440, 900],
        ['tablet', 820, 1180],
        ['phone', 390, 844],
        ['narrow', 320, 640],
      ]) {
        await page.setViewport({ width, height });
        for (const preset of ['classic', 'reference', 'strided', 'seven']) {
          await choose(page, 'preset', preset);
          await select(page, 'range', preset === 'seven' ? 'fixed' : 'robust');
          if (preset === 'seven') await choose(page, 'kernel-view', 'channels');
          const overflow = await page.evaluate(
            () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
          );
          assert.ok(overflow <= 0, `${name}, ${preset}: ${overflow} px too wide`);
        }
        await choose(page, 'kernel-view', 'colour');
        await choose(page, 'preset', 'classic');
        await select(page, 'range', 'robust');
        await page.screenshot({
          path: join(screenshots, `playground-${browserName}-${name}-${theme}.png`),
          fullPage: true,
        });
      }
      await page.evaluate(() => localStorage.clear());
      await page.close();
    });
  }
});
