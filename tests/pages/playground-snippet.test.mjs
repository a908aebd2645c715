// The code on the page, run as a person runs it: in its own page, with its files beside it.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { root } from '../../scripts/project.mjs';
import { allowClipboard, browserName, choose, downloaded, drop, fill, rest, select, start, text } from './support.mjs';

describe(`code in ${browserName}`, () => {
  let session;
  before(async () => {
    session = await start();
  });
  after(() => session?.close());

  /** The code that the button copies. */
  async function copied(page) {
    await page.bringToFront();
    await page.click('#copy');
    await page.waitForFunction(() => document.getElementById('copy').textContent === 'Copied');
    const code = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(code, /^import \{ load \} from 'dynakernel';/);
    return code;
  }

  /** Runs it beside the block and these files. Returns the difference between its map and the page's. */
  async function difference(page, channel, files, preset = 'classic') {
    const folder = join(root, 'build/test', `snippet-${browserName}`);
    mkdirSync(folder, { recursive: true });
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    copyFileSync(await downloaded(page, session.downloads, '#save-state'), join(folder, `${preset}.safetensors`));
    writeFileSync(join(folder, 'snippet.mjs'), await copied(page));
    writeFileSync(
      join(folder, 'index.html'),
      '<!doctype html><link rel="icon" href="data:,">' +
        '<script type="importmap">{"imports":{"dynakernel":"/web/dynakernel/index.js"}}</script>' +
        '<script type="module" src="snippet.mjs"></script>',
    );
    const run = await session.open({ path: `build/test/snippet-${browserName}/index.html` });
    await run.waitForSelector('canvas');
    const pixels = (element) => [...element.getContext('2d').getImageData(0, 0, element.width, element.height).data];
    const expected = await page.$eval(`#maps canvas[data-channel="${channel}"]`, pixels);
    const drawn = await run.$eval('canvas', pixels);
    assert.equal(drawn.length, expected.length);
    assert.deepEqual(run.problems, []);
    assert.ok(new Set(expected).size > 4, 'the map shows the picture');
    await run.close();
    return drawn.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
  }

  const photo = (name) => readFileSync(join(root, 'web/photos', name));

  for (const manual of [false, true]) {
    it(`draws what is on screen, weights ${manual ? 'set by hand' : 'by the attention'}`, async () => {
      const page = await session.open();
      await allowClipboard(session);
      await choose(page, 'photo', 'chelsea.jpg');
      await select(page, 'normalisation', '1');
      await select(page, 'range', 'auto');
      await page.$eval('#maps input[value="3"]', (input) => input.click());
      if (manual) {
        await page.focus('#weight-1');
        await page.keyboard.press('End');
      }
      await rest(page);
      // Weights are copied with four digits: colours may move by a step.
      const worst = await difference(page, 3, { 'chelsea.jpg': photo('chelsea.jpg') });
      assert.ok(worst <= (manual ? 4 : 0), `pixels differ by ${worst}`);
      await page.close();
    });
  }

  for (const preset of ['dyconv', 'condconv', 'odconv']) {
    for (const manual of [false, true]) {
      it(`draws ${preset} as on screen, weights ${manual ? 'set by hand' : 'by the attention'}`, async () => {
        const page = await session.open();
        await allowClipboard(session);
        await choose(page, 'preset', preset);
        await select(page, 'range', 'auto');
        await page.$eval('#maps input[value="4"]', (input) => input.click());
        await fill(page, 'stride', 2);
        if (manual) {
          await page.focus('#weight-1');
          await page.keyboard.press('Home');
          await page.keyboard.press('PageUp');
        } else if (preset !== 'condconv') {
          await page.focus('#temperature');
          await page.keyboard.press('PageUp');
          await rest(page);
          assert.notEqual(await text(page, '#temperature-value'), '1');
        }
        await rest(page);
        const worst = await difference(page, 4, { 'coffee.jpg': photo('coffee.jpg') }, preset);
        assert.ok(worst <= (manual ? 4 : 0), `pixels differ by ${worst}`);
        assert.deepEqual(page.problems, []);
        await page.close();
      });
    }
  }

  const svg = (size) => Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" ${size}><rect width="30" height="20" fill="teal"/>` +
      '<circle cx="20" cy="15" r="9" fill="orange"/></svg>',
  );
  for (const [what, name, type, bytes] of [
    ['a file whose name no address can have as it is', "cup 2's 100%.jpg", 'image/jpeg', photo('coffee.jpg')],
    ['an SVG', 'dot.svg', 'image/svg+xml', svg('width="40" height="30"')],
    ['an SVG without a size', 'sizeless.svg', 'image/svg+xml', svg('viewBox="0 0 40 30"')],
  ]) {
    it(`draws ${what} too`, async () => {
      const page = await session.open();
      await allowClipboard(session);
      await select(page, 'range', 'auto');
      await drop(page, [{ name, type, bytes }]);
      await page.waitForFunction((file) => document.getElementById('input-caption').textContent.startsWith(file), {}, name);
      await rest(page);
      const beside = `Draws the chosen map; expects ${name} and classic.safetensors beside your page.`;
      assert.equal(await text(page, '#code-hint'), beside);
      const worst = await difference(page, 0, { [name]: bytes });
      assert.equal(worst, 0);
      assert.deepEqual(page.problems, []);
      await page.close();
    });
  }

  it('asks for a file by its whole name, a # too', async () => {
    const page = await session.open();
    await drop(page, [{ name: 'cup #2?.jpg', type: 'image/jpeg', bytes: photo('coffee.jpg') }]);
    await page.waitForFunction(() => document.getElementById('input-caption').textContent.startsWith('cup #2?.jpg'));
    await rest(page);
    assert.match(await text(page, '#snippet'), /fetch\('cup%20%232%3F\.jpg'\)/);
    await page.close();
  });
});
