// Failures in the playground. The message is beside the control that caused the failure, and the page keeps working.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { parseSafetensors, toSafetensors } from '../../web/dynakernel/index.js';
import { browserName, choose, downloaded, drop, fill, fixture, rest, select, shownError, start, text } from './support.mjs';

const isHidden = (page, id) => page.$eval(`#${id}`, (element) => element.hidden);

describe(`failures in ${browserName}`, () => {
  let session;
  before(async () => {
    session = await start();
  });
  after(() => session?.close());

  const checkedPhoto = (page) => page.$eval('#photos input:checked', (input) => input.value);

  it('lets a photograph that could not be fetched be chosen again', async () => {
    const page = await session.open();
    await page.evaluate(() => {
      const { fetch } = globalThis;
      globalThis.fetch = () => Promise.reject(new Error('the line was cut'));
      globalThis.mendLine = () => {
        globalThis.fetch = fetch;
      };
    });
    await choose(page, 'photo', 'rocket.jpg');
    const said = await shownError(page, 'source-error');
    assert.equal(said, 'The photograph rocket.jpg could not be fetched: the line was cut.');
    assert.equal(await checkedPhoto(page), 'coffee.jpg');
    await page.evaluate(() => globalThis.mendLine());
    await choose(page, 'photo', 'rocket.jpg');
    assert.match(await text(page, '#input-caption'), /^Rocket/);
    assert.equal(await isHidden(page, 'source-error'), true);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('marks the photograph that runs where the webcam was asked for instead of another, and did not come', async () => {
    const page = await session.open();
    await page.evaluate(() => {
      globalThis.fetch = () => new Promise(() => {});
      navigator.mediaDevices.getUserMedia = () => new Promise(() => {});
    });
    const askForBoth = async () => {
      await page.$eval('input[name="photo"][value="rocket.jpg"]', (input) => input.click());
      await page.click('#webcam');
    };
    await askForBoth();
    assert.equal(await text(page, '#webcam'), 'Starting… Cancel');
    await page.click('#webcam');
    await rest(page);
    assert.equal(await checkedPhoto(page), 'coffee.jpg', 'cancelled');
    await page.evaluate(() => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    });
    await askForBoth();
    assert.match(await shownError(page, 'source-error'), /not allowed to use the webcam/);
    assert.equal(await checkedPhoto(page), 'coffee.jpg', 'refused');
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('shows beside its button why nothing was saved', async () => {
    const page = await session.open();
    await page.evaluate(() => {
      const { toBlob } = HTMLCanvasElement.prototype;
      const { createObjectURL } = URL;
      HTMLCanvasElement.prototype.toBlob = (use) => use(null);
      URL.createObjectURL = () => {
        throw new Error('there is no room');
      };
      globalThis.mend = () => {
        HTMLCanvasElement.prototype.toBlob = toBlob;
        URL.createObjectURL = createObjectURL;
      };
    });
    for (const id of ['save-map', 'save-maps']) {
      await page.$eval('#save-error', (element) => element.replaceChildren());
      await page.click(`#${id}`);
      await page.waitForFunction(() => document.getElementById('save-error').textContent !== '');
      assert.equal(await shownError(page, 'save-error'), 'This browser could not make a PNG of the canvas.');
    }
    await page.click('#save-state');
    assert.equal(await shownError(page, 'block-error'), 'There is no room.');
    await page.evaluate(() => globalThis.mend());
    for (const id of ['save-map', 'save-state']) await downloaded(page, session.downloads, `#${id}`);
    for (const id of ['save-error', 'block-error']) assert.equal(await isHidden(page, id), true, id);

    await fill(page, 'padding', 0);
    await fill(page, 'dilation', 64);
    await select(page, 'size', '128'); // the kernel does not fit
    const reason = await shownError(page, 'block-error');
    await page.click('#save-map');
    const said = await shownError(page, 'save-error');
    assert.equal(said, 'There is no map to save: the latest frame failed, and the page shows an earlier one.');
    await select(page, 'colormap', 'turbo'); // computes no frame, so the reason must stay
    assert.equal(await shownError(page, 'block-error'), reason);
    await downloaded(page, session.downloads, '#save-state');
    assert.equal(await text(page, '#block-error'), reason);
    await fill(page, 'dilation', 1); // it fits again
    for (const id of ['save-error', 'block-error']) assert.equal(await isHidden(page, id), true, id);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  /** A file of a 7×7 and a 3×3 block, in this order, with this dilation and no padding. */
  function twoBlocks(dilation) {
    const merged = {};
    for (const [prefix, name] of [['head.', 'rgb_7x7'], ['stem.', 'rgb_3x3']]) {
      for (const [key, value] of Object.entries(parseSafetensors(readFileSync(fixture(name)))))
        if (/^(attention|aggregation)\./.test(key)) merged[prefix + key] = value;
    }
    return toSafetensors(merged, { config: JSON.stringify({ dilation, padding: 0 }) });
  }

  it('runs the first block of a file that fits the picture, and names the one that runs', async () => {
    const page = await session.open();
    const open = (name, dilation) => drop(page, [{ name, type: '', bytes: twoBlocks(dilation) }]);
    const chosen = () => page.$eval('#prefix', (field) => field.selectedOptions[0].textContent);
    await open('model.safetensors', 64);
    await page.waitForFunction(() => !document.getElementById('prefix-group').hidden);
    await rest(page);
    assert.match(await text(page, '#block-shape'), /kernels of 3×3/);
    assert.equal(await chosen(), 'stem');
    assert.equal(await isHidden(page, 'block-error'), true);

    await page.select('#prefix', await page.$eval('#prefix option', (option) => option.value));
    const refusal = /^The kernel is 385x385 \(size 7, dilation 64\) and must fit into the input; the input with padding 0 is 256x384\.$/;
    assert.match(await shownError(page, 'block-error'), refusal);
    assert.equal(await chosen(), 'stem');
    assert.match(await text(page, '#block-shape'), /kernels of 3×3/);

    await open('larger.safetensors', 200);
    await page.waitForFunction(() => /1201x1201/.test(document.getElementById('block-error').textContent));
    assert.match(await text(page, '#preset-summary'), /^From model\.safetensors, stem\./);
    assert.equal(await chosen(), 'stem');

    await select(page, 'size', '768');
    await page.select('#prefix', await page.$eval('#prefix option', (option) => option.value));
    await page.waitForFunction(() => /kernels of 7×7/.test(document.getElementById('block-shape').textContent));
    assert.equal(await chosen(), 'head');
    assert.deepEqual(page.problems, []);
    await page.close();
  });
});
