// The page Networks by keyboard, by screen reader, on a phone, in the dark.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { diteLike } from '../network/onnx/dite-like.mjs';
import { lowestContrast, nameless, spokenChanges, tabStops } from './accessibility.mjs';
import { check, classifier, give, heatmaps, openNetworks, pick, settled, unsupported } from './networks.mjs';
import { browserName, drop, screenshots, shownError, start, text } from './support.mjs';

const SCREENS = [['desktop', 1280, 900], ['tablet', 820, 1180], ['phone', 390, 844], ['narrow', 320, 640]];

describe(`access to networks in ${browserName}`, () => {
  let session;
  before(async () => {
    session = await start();
  });
  after(() => session?.close());

  it('reaches every control by Tab, with a visible focus', async () => {
    const page = await openNetworks(session);
    await give(page, ['open.onnx', heatmaps(17)]);
    await page.click('#use-sizes');
    await page.waitForFunction(() => document.getElementById('title').textContent === 'open.onnx');
    await settled(page);
    await page.evaluate(() => document.activeElement?.blur?.());
    await page.focus('.skip');
    const stops = await tabStops(page);
    const names = stops.map(({ name }) => name);
    const expected = [
      './', 'teach.html', 'bench.html', 'theme', 'network-file', 'labels-file', 'example', 'use-sizes', 'photo=', 'image-file',
      'webcam', 'fit', 'normalisation', 'view', 'channel', 'joints', 'order=', 'measure', 'layer=', 'copy', 'pre',
    ];
    const order = expected.map((name) => names.indexOf(name));
    assert.ok(!order.includes(-1), `${expected[order.indexOf(-1)]} is not reached: ${names.join(' ')}`);
    assert.deepEqual(order, [...order].sort((a, b) => a - b), names.join(' '));
    assert.deepEqual(stops.filter(({ name, outlined }) => !outlined && name !== 'layer=').map(({ name }) => name), []);
    await page.close();
  });

  it('is worked by keyboard alone', async () => {
    const page = await openNetworks(session);
    await page.focus('input[name="photo"]:checked');
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction(() => document.getElementById('input-caption').textContent.startsWith('Astronaut'));
    await settled(page);
    await page.focus('input[name="output"]:checked');
    await page.keyboard.press('ArrowRight');
    assert.equal(await text(page, '#output-shape'), '1 × 4 × 64 × 96');

    // the list of layers is one stop; arrows choose, and the row shows the focus
    await page.focus('input[name="layer"]:checked');
    await page.keyboard.press('ArrowDown');
    await settled(page);
    const chosen = await page.$eval('input[name="layer"]:checked', (input) => ({
      value: input.value, isFocused: input === document.activeElement,
      outline: getComputedStyle(input.closest('label')).outlineStyle,
    }));
    assert.equal(await text(page, '#inner-title'), chosen.value);
    assert.deepEqual([chosen.isFocused, chosen.outline], [true, 'solid']);
    await page.focus('#measure');
    await page.keyboard.press('Enter');
    await settled(page);
    assert.equal(await page.$eval('input[name="layer"]:checked', (input) => input.value), chosen.value, 'the choice stays');

    await give(page, ['open.onnx', heatmaps()]);
    await page.keyboard.press('Enter'); // the form has the focus
    await page.waitForFunction(() => document.getElementById('title').textContent === 'open.onnx');
    await settled(page);
    assert.equal(await text(page, '#output-shape'), '1 × 5 × 112 × 112');
    await page.focus('#example');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.getElementById('title').textContent.startsWith('Example'));
    await settled(page);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('names every control, picture and region', async () => {
    const page = await openNetworks(session);
    for (const output of ['picture', 'edges', 'mood']) {
      await check(page, 'output', output);
      assert.deepEqual(await page.evaluate(nameless), [], output);
    }
    const regions = await page.$$eval('section, [role="region"]', (list) => list.map((region) =>
      region.getAttribute('aria-label') ?? document.getElementById(region.getAttribute('aria-labelledby')).textContent));
    assert.equal(new Set(regions).size, regions.length, `regions of one name: ${regions}`);
    await give(page, ['bad.onnx', unsupported]);
    assert.deepEqual(await page.evaluate(nameless), [], 'a refusal');
    await give(page, ['open.onnx', heatmaps()]);
    assert.deepEqual(await page.evaluate(nameless), [], 'sizes');
    await page.click('#leave-sizes');
    const label = await page.$eval('#output-canvas', (canvas) => canvas.getAttribute('aria-label'));
    assert.match(label, /^edges: Heat from|^picture: /);
    await page.close();
  });

  it('tells screen readers what was opened, and keeps quiet about frames', async () => {
    const page = await openNetworks(session);
    await check(page, 'photo', 'coffee.jpg');
    assert.equal(await text(page, '#status'), 'Coffee is shown.');
    await give(page, ['classifier.onnx', classifier([1, 2])]);
    assert.match(await text(page, '#status'), /^classifier\.onnx is open: \d layers\.$/);
    await page.click('#webcam');
    await page.waitForFunction(() => document.getElementById('networks').dataset.state === 'live', { timeout: 20_000 });
    await page.waitForFunction(() => document.getElementById('status').textContent === 'Webcam is shown.');
    assert.equal(await page.evaluate(spokenChanges, 1000), 0);
    await page.close();
  });

  for (const theme of ['light', 'dark']) {
    it(`has readable text and fits every screen in the ${theme} theme`, async () => {
      const page = await openNetworks(session);
      while ((await text(page, '#theme')) !== `Theme: ${theme}`) await page.click('#theme');
      await drop(page, [{ name: 'broken.png', type: 'image/png', bytes: Buffer.from('no picture') }]);
      await shownError(page, 'source-error');
      await give(page, ['bad.onnx', unsupported]);
      await assertReadable(page, 'a refusal');
      const fits = async (what) => {
        for (const [name, width, height] of SCREENS) {
          await page.setViewport({ width, height });
          const overflow = await page.evaluate(
            () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
          );
          assert.ok(overflow <= 0, `${what}, ${name}: ${overflow} px too wide`);
          await page.screenshot({
            path: join(screenshots, `networks-${what}-${browserName}-${name}-${theme}.png`), fullPage: true,
          });
        }
        await page.setViewport({ width: 1280, height: 900 });
      };
      await fits('refusal');
      await give(page, ['open.onnx', heatmaps(17)]);
      await assertReadable(page, 'sizes');
      await fits('sizes');
      await page.click('#use-sizes');
      await page.waitForFunction(() => document.getElementById('title').textContent === 'open.onnx');
      await settled(page);
      await page.$eval('#joints', (box) => {
        if (!box.checked) box.click();
      });
      await assertReadable(page, 'joints');
      await fits('joints');
      await give(page, ['dite.onnx', diteLike()]);
      await fits('dynamic');
      await give(page, ['classifier.onnx', classifier(Array.from({ length: 20 }, (_, i) => Math.sin(i)))]);
      await assertReadable(page, 'classes');
      await pick(page, 'view', 'numbers');
      await fits('numbers');
      await page.$eval('#example', (button) => button.click());
      await settled(page);
      await assertReadable(page, 'the example');
      await fits('example');
      await page.evaluate(() => localStorage.clear());
      await page.close();
    });
  }
});

/** Asserts that every text has a contrast of 4.5 or more. */
async function assertReadable(page, what) {
  const { ratio, what: where } = await page.evaluate(lowestContrast);
  assert.ok(ratio >= 4.5, `${what}: contrast ${ratio.toFixed(2)} of ${where}`);
}
