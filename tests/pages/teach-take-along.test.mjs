// "Teach it" saves the trained block as a file and opens it in the playground.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { load, parseSafetensors } from '../../web/dynakernel/index.js';
import { browserName, downloaded, drop, rest, servePlainly, shownError, start, text } from './support.mjs';
import { distance, lesson, openTeach, pixels, png, samples, state, train } from './teach.mjs';

describe(`taking along from Teach it in ${browserName}`, () => {
  let session;
  before(async () => {
    session = await start();
  });
  after(() => session?.close());

  it('saves a block that the library runs with the same results', async () => {
    const page = await openTeach(session);
    await train(page, 500);
    const bytes = readFileSync(await downloaded(page, session.downloads, '#save'));
    const { __metadata__: metadata } = parseSafetensors(bytes);
    const given = JSON.parse(metadata.config);
    assert.deepEqual([metadata.mean, metadata.std], ['0.5', '0.5']);

    const dk = await load();
    const block = dk.dynamicKernelAggregation({
      inChannels: given.in_channels, outChannels: given.out_channels, kernelSize: given.kernel_size,
      stride: given.stride, padding: given.padding, dilation: given.dilation, groups: given.groups, bias: given.bias,
      numKernels: given.num_kernels, midChannels: given.mid_channels,
    });
    block.loadStateDict(bytes);
    for (const [n, { name, attention }] of (await samples(page)).entries()) {
      const x = dk.fromImage({ data: await pixels(page, n, 0), width: 128, height: 128 }, { mean: 0.5, std: 0.5 });
      const y = block.forward(x);
      block.lastAttention.forEach((weight, k) =>
        assert.ok(Math.abs(weight - attention[k]) < 0.03, `${name}, kernel ${k}: ${weight}, shown ${attention[k]}`));
      const drawn = y.toImageData({ channel: 'rgb', range: [-1, 1] }).data;
      assert.ok(distance(drawn, await pixels(page, n, 2)) < 2, name);
    }
    dk.dispose();
    await page.close();
  });

  it('opens the block in the playground, where it does what was taught', async () => {
    const page = await openTeach(session);
    await train(page, 500);
    const taught = await samples(page);
    const pictures = await Promise.all(taught.map((_, n) => png(page, n)));
    const opened = new Promise((resolve) => page.once('popup', resolve));
    await page.click('#open');
    const playground = await opened;
    await playground.waitForSelector('#playground');
    await rest(playground);
    const hasState = () => /-step-500\.safetensors/.test(document.getElementById('preset-summary').textContent);
    await playground.waitForFunction(hasState, { timeout: 20_000 });
    assert.equal(await text(playground, '#block-shape'), '3 → 3 channels, 4 kernels of 5×5.');
    assert.match(await text(playground, '#snippet'), /mean: \[0\.5, 0\.5, 0\.5\], std: \[0\.5, 0\.5, 0\.5\]/);
    for (const [n, { name, attention }] of taught.entries()) {
      await drop(playground, [{ name: `${name}.png`, type: 'image/png', bytes: pictures[n] }]);
      const isShown = (file) => document.getElementById('input-caption').textContent === `${file}.png, 128 × 128`;
      await playground.waitForFunction(isShown, {}, name);
      await rest(playground);
      const shown = await playground.$$eval('#kernels data', (list) => list.map((element) => Number(element.value)));
      shown.forEach((weight, k) =>
        assert.ok(Math.abs(weight - attention[k]) < 0.01, `${name}, kernel ${k}: ${weight}, taught ${attention[k]}`));
    }
    await playground.close();
    await page.close();
  });

  it('saves a block and opens it, each asked for before the other has come', async () => {
    const page = await openTeach(session);
    const opened = new Promise((resolve) => page.once('popup', resolve));
    await page.click('#step');
    await state(page, 'paused');
    await page.evaluate(() => {
      document.querySelector('#open').addEventListener('click', () => document.querySelector('#save').click());
    });
    const path = await downloaded(page, session.downloads, '#open');
    assert.match(path, /each-photograph-its-own-step-1\.safetensors$/);
    const playground = await opened;
    const hasState = () => /-step-1\.safetensors/.test(document.getElementById('preset-summary')?.textContent);
    await playground.waitForFunction(hasState, { timeout: 20_000 });
    await playground.close();
    await page.close();
  });

  it('says why a block cannot be handed over, and leaves no empty tab', async () => {
    const page = await openTeach(session);
    const refusal = async () => {
      const tabs = (await session.browser.pages()).length;
      await page.bringToFront();
      await page.click('#open');
      const said = await shownError(page, 'save-error');
      const end = Date.now() + 10_000;
      while ((await session.browser.pages()).length !== tabs) assert.ok(Date.now() < end, 'the empty tab is closed');
      return said;
    };
    const refuseStorage = (name) => page.evaluate((kind) => {
      Storage.prototype.setItem = () => {
        throw new DOMException('no', kind);
      };
    }, name);
    await refuseStorage('QuotaExceededError');
    assert.match(await refusal(), /^The block of [\d.]+ kB is more than the browser keeps for this site, .* playground\.$/);
    await refuseStorage('SecurityError');
    assert.match(await refusal(), /^The browser keeps nothing for this site, .* Save it, .* playground\.$/);
    await page.evaluate(() => {
      document.querySelector('#open').addEventListener('click', () =>
        document.querySelector('input[name="lesson"][value="blur"]').click());
    });
    assert.equal(await refusal(), 'Another lesson was begun before the block could be taken along.');
    await state(page, 'ready');
    await page.reload();
    await state(page, 'ready');
    await page.evaluate(() => {
      globalThis.open = () => null;
    });
    assert.match(await refusal(), /^The browser did not open another tab\. Save the block, .* playground\.$/);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('says that a block could not be written, or not begin again', async () => {
    const site = await servePlainly({
      'web/shared/statedict.js': (code) =>
        code.replace('  const { config, kind } = block;', "  throw new Error('there was no memory for it');"),
      'web/teach/trainer.js': (code) => code.replace('  reset(seed) {', "  reset(seed) {\n    throw new Error('it broke');"),
    });
    const page = await session.browser.newPage();
    try {
      await page.goto(`${site.url}web/teach.html`);
      await state(page, 'ready');
      await page.click('#save');
      assert.equal(await shownError(page, 'save-error'), 'There was no memory for it.');
      await page.click('#step');
      await state(page, 'paused');
      await page.click('#reset');
      await state(page, 'failed');
      assert.equal(await text(page, '#lesson-error'), 'This lesson cannot be given. It broke.');
      await lesson(page, 'blur');
      assert.equal(await page.$eval('#lesson-error', (error) => error.hidden), true);
      await page.click('#step');
      await state(page, 'paused');
    } finally {
      await page.close();
      await site.close();
    }
  });
});
