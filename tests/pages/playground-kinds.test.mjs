// The other kinds of dynamic convolution in the playground: what each has, and its files.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { load, parseSafetensors, toSafetensors } from '../../web/dynakernel/index.js';
import { lowestContrast, nameless } from './accessibility.mjs';
import { compareWithLibrary } from './library.mjs';
import { browserName, choose, downloaded, drop, fill, rest, select, shownError, start, text } from './support.mjs';

const KINDS = { dyconv: 'DyConv', condconv: 'CondConv', odconv: 'ODConv' };
const PHOTOS = ['astronaut', 'chelsea', 'coffee', 'rocket'];

/** The weights of the kernels on the page. */
const weights = (page) => page.$$eval('#kernels data', (list) => list.map((element) => Number(element.value)));
const total = (list) => list.reduce((sum, value) => sum + value, 0);

/** Sets the slider of the temperature as near as it goes. */
async function setTemperature(page, wanted) {
  await page.$eval('#temperature', (slider, value) => {
    slider.value = String(Math.log2(value));
    slider.dispatchEvent(new Event('input', { bubbles: true }));
  }, wanted);
  await rest(page);
}

/** The numbers of ODConv's scales on the page. */
const scales = (page) => page.evaluate(() => {
  const numbers = (selector) => [...document.querySelectorAll(selector)].map(({ textContent }) => textContent);
  return {
    channel: numbers('#scale-channel .value'), filter: numbers('#scale-filter .value'), spatial: numbers('#scale-spatial i'),
  };
});

describe(`kinds in the playground in ${browserName}`, () => {
  let session;
  before(async () => {
    session = await start();
  });
  after(() => session?.close());

  it('draws the softmax of DyConv and ODConv as shares of one whole, and other kinds without', async () => {
    const page = await session.open();
    assert.equal(await page.$eval('#whole', (element) => element.hidden), true, 'classic');
    for (const id of Object.keys(KINDS)) {
      await choose(page, 'preset', id);
      const softmax = id !== 'condconv';
      assert.equal(await page.$eval('#whole', (element) => element.hidden), !softmax, id);
      assert.equal(await page.$eval('#temperature-group', (element) => element.hidden), !softmax, id);
      assert.equal(await page.$eval('#scales', (element) => element.hidden), id !== 'odconv', id);
      if (!softmax) continue;
      const shares = await weights(page);
      assert.ok(Math.abs(total(shares) - 1) < 1e-6, `${id}: ${shares}`);
      assert.equal(await text(page, '#whole-sum'), '1.000');
      const { parts, whole } = await page.evaluate(() => ({
        parts: [...document.querySelectorAll('#whole-parts i')].map((part) => part.getBoundingClientRect().width),
        whole: document.getElementById('whole-parts').getBoundingClientRect().width,
      }));
      assert.ok(Math.abs(total(parts) + 2 * 3 - whole) < 1, `${id}: the parts ${parts} fill the whole ${whole}`);
      parts.forEach((width, k) => assert.ok(Math.abs(width - shares[k] * (whole - 6)) < 1.5, `${id}, kernel ${k}`));
    }
    await choose(page, 'preset', 'classic');
    assert.equal(await page.$eval('#scales', (element) => element.hidden), true, 'classic again');
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('changes the attention of each kind with the picture', async () => {
    const page = await session.open();
    for (const id of Object.keys(KINDS)) {
      await choose(page, 'preset', id);
      const winners = [];
      for (const photo of PHOTOS) {
        await choose(page, 'photo', `${photo}.jpg`);
        const shown = await weights(page);
        winners.push(shown.indexOf(Math.max(...shown)));
      }
      assert.ok(new Set(winners).size >= 3, `${id}: kernels ${winners}`);
    }
    await page.close();
  });

  it('sharpens and levels the softmax by its temperature, in the block and in the code', async () => {
    const page = await session.open();
    await select(page, 'range', 'auto');
    for (const [id, standard] of [['dyconv', 34], ['odconv', 1]]) {
      await choose(page, 'preset', id);
      assert.equal(await text(page, '#temperature-value'), '1');
      const greatest = [];
      for (const wanted of [0.5, 4, 34]) {
        await setTemperature(page, wanted);
        const temperature = Number(await text(page, '#temperature-value'));
        assert.ok(Math.abs(temperature - wanted) < 0.04 * wanted, `${temperature}, wanted ${wanted}`);
        const result = await compareWithLibrary(page, { preset: id, temperature, picture: '/web/photos/coffee.jpg' });
        assert.equal(result.different, 0, `${id} at ${temperature}`);
        assert.deepEqual(result.shown, result.attention);
        greatest.push(Math.max(...result.shown));
        const code = await text(page, '#snippet');
        if (temperature === standard) assert.doesNotMatch(code, /temperature/);
        else assert.match(code, new RegExp(`temperature: ${temperature}\\b`));
      }
      assert.ok(greatest[0] > greatest[1] + 0.1 && greatest[1] > greatest[2] + 0.1, `${id}: ${greatest}`);
    }
    const spoken = await page.$eval('#temperature', (slider) => slider.getAttribute('aria-valuetext'));
    assert.equal(spoken, await text(page, '#temperature-value'));
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('draws the four attentions of ODConv, and the kernel that they scale', async () => {
    const page = await session.open();
    await choose(page, 'preset', 'odconv');
    await select(page, 'range', 'auto');
    const seen = new Set();
    for (const photo of PHOTOS) {
      await choose(page, 'photo', `${photo}.jpg`);
      const result = await compareWithLibrary(page, { preset: 'odconv', picture: `/web/photos/${photo}.jpg` });
      const shown = await scales(page);
      for (const [name, values] of Object.entries(shown))
        assert.deepEqual(values, result.attentions[name].map((value) => value.toFixed(2)), `${photo}, ${name}`);
      assert.equal(shown.spatial.length, 9);
      seen.add(shown.spatial.join());
      const label = await page.$eval('#scale-spatial', (taps) => taps.getAttribute('aria-label'));
      assert.equal(label.match(/\d\.\d\d/g).join(), shown.spatial.join());
    }
    assert.ok(seen.size >= 3, 'the taps follow the picture');
    const colours = await page.$$eval('#scale-spatial i', (taps) =>
      taps.map((tap) => [tap.textContent, getComputedStyle(tap).backgroundColor]));
    assert.equal(new Set(colours.map(([, colour]) => colour)).size, new Set(colours.map(([value]) => value)).size);
    assert.equal(await text(page, '#scale-filter .chosen span'), '0 grey');
    await page.$eval('#maps input[value="4"]', (input) => input.click());
    await rest(page);
    assert.equal(await text(page, '#scale-filter .chosen span'), '4 red – green');

    // the numbers of the mixed kernel, by the formula
    const { numbers, expected } = await page.evaluate(async () => {
      const library = await import('/web/dynakernel/index.js');
      const { PRESETS } = await import('/web/playground/presets.js');
      const { values, config } = PRESETS.find(({ id }) => id === 'odconv');
      const dk = await library.load();
      const { bias: _, ...options } = config;
      const block = dk.odConv2d(options);
      const dict = block.stateDict();
      for (const [name, list] of Object.entries(values)) dict[name].data.set(list);
      block.loadStateDict(dict);
      const bitmap = await createImageBitmap(await (await fetch('/web/photos/rocket.jpg')).blob());
      const { width, height } = document.getElementById('input-canvas');
      block.forward(dk.fromImage(bitmap, { width, height }));
      const { kernel, channel, filter, spatial } = block.lastAttentions;
      const o = 4;
      const mixed = Array.from({ length: 27 }, (__, i) => filter[o] * channel[Math.floor(i / 9)] * spatial[i % 9] *
        kernel.reduce((sum, weight, k) => sum + weight * values.weight[(k * 6 + o) * 27 + i], 0));
      dk.dispose();
      const cells = [...document.querySelectorAll('#numbers-body td')];
      return { numbers: cells.map((cell) => Number(cell.textContent.replace('−', '-'))), expected: mixed };
    });
    numbers.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 0.006, `${i}: ${value}, ${expected[i]}`));
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('lets weights be set by hand: of a softmax, the others share the rest', async () => {
    const page = await session.open();
    await select(page, 'range', 'auto');
    for (const id of Object.keys(KINDS)) {
      await choose(page, 'preset', id);
      const before_ = await weights(page);
      await page.focus('#weight-1');
      await page.keyboard.press('Home');
      for (let i = 0; i < 3; i++) await page.keyboard.press('PageUp');
      await rest(page);
      const manual = await weights(page);
      assert.ok(manual[1] > 0.1 && manual[1] < 0.9, `${manual}`);
      if (id === 'condconv') assert.deepEqual(manual.filter((_, k) => k !== 1), before_.filter((_, k) => k !== 1));
      else assert.ok(Math.abs(total(manual) - 1) < 1e-6, `${id}: ${manual}`);
      const what = { preset: id, picture: '/web/photos/coffee.jpg' };
      assert.equal((await compareWithLibrary(page, { ...what, manual })).different, 0, id);
      assert.ok((await compareWithLibrary(page, what)).different > 0, `${id}: the weight made no difference`);
      // the attention goes on beside it
      await choose(page, 'photo', 'rocket.jpg');
      const marked = await page.$$eval('#kernels .bar', (bars) =>
        bars.map((bar) => Number(bar.style.getPropertyValue('--automatic'))));
      const { attention } = await compareWithLibrary(page, { preset: id, picture: '/web/photos/rocket.jpg', manual });
      assert.deepEqual(marked, attention.map((value) => Number(value.toFixed(3))), id);
      await page.click('#automatic');
      await rest(page);
      assert.equal((await compareWithLibrary(page, { preset: id, picture: '/web/photos/rocket.jpg' })).different, 0, id);
      await choose(page, 'photo', 'coffee.jpg');
    }
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  for (const [id, title] of Object.entries(KINDS)) {
    it(`saves ${title} under its authors’ names, and opens the file as what it is`, async () => {
      const page = await session.open();
      await choose(page, 'preset', id);
      await fill(page, 'stride', 2);
      if (id !== 'condconv') await setTemperature(page, 4);
      const temperature = await text(page, '#temperature-value');
      const drawn = () => page.$eval('#map-detail', (canvas) => canvas.toDataURL());
      const [picture, attention] = [await drawn(), await weights(page)];
      const bytes = readFileSync(await downloaded(page, session.downloads, '#save-state'));
      const { __metadata__: metadata, ...tensors } = parseSafetensors(bytes);
      const expected = {
        dyconv: ['attention.fc1.weight', 'attention.fc2.bias', 'attention.fc2.weight', 'bias', 'weight'],
        condconv: ['conv.weight', 'routing_fn.bias', 'routing_fn.weight'],
        odconv: ['bn.bias', 'bn.num_batches_tracked', 'bn.running_mean', 'bn.running_var', 'bn.weight', 'channel_fc.bias',
          'channel_fc.weight', 'fc.weight', 'filter_fc.bias', 'filter_fc.weight', 'kernel_fc.bias', 'kernel_fc.weight',
          'spatial_fc.bias', 'spatial_fc.weight'].map((name) => `attention.${name}`).concat('weight'),
      }[id];
      assert.deepEqual(Object.keys(tensors).sort(), expected);
      assert.equal(JSON.parse(metadata.config).stride, 2);

      await choose(page, 'preset', 'classic');
      await drop(page, [{ name: 'mine.safetensors', type: '', bytes }]);
      await page.waitForFunction(() => document.getElementById('preset-summary').textContent.startsWith('From mine'));
      await rest(page);
      assert.match(await text(page, '#preset-summary'), new RegExp(`^From mine\\.safetensors\\. A block of ${title}\\. Stride`));
      assert.equal(await page.$eval('#stride', (input) => input.value), '2');
      if (id !== 'condconv') assert.equal(await text(page, '#temperature-value'), temperature);
      assert.deepEqual(await weights(page), attention);
      assert.equal(await drawn(), picture);
      assert.equal(await page.$eval('#scales', (element) => element.hidden), id !== 'odconv');
      assert.deepEqual(page.problems, []);
      await page.close();
    });
  }

  it('shows ODConv without the attentions that its authors leave out', async () => {
    const dk = await load();
    const files = {
      depthwise: dk.odConv2d({ inChannels: 3, outChannels: 3, kernelSize: 7, groups: 3, seed: 1 }),
      pointwise: dk.odConv2d({ inChannels: 3, outChannels: 4, kernelSize: 1, numKernels: 1, seed: 2 }),
    };
    const page = await session.open();
    const shown = {};
    for (const [name, block] of Object.entries(files)) {
      await drop(page, [{ name: `${name}.safetensors`, type: '', bytes: toSafetensors(block.stateDict()) }]);
      await page.waitForFunction((file) => document.getElementById('preset-summary').textContent.includes(file), {}, name);
      await rest(page);
      shown[name] = await page.evaluate(() => Object.fromEntries(['channel', 'filter', 'spatial'].map((part) => {
        const element = document.getElementById(`scale-${part}`);
        return [part, element.parentElement.hidden ? null : element.children.length];
      })));
      assert.deepEqual(await page.evaluate(nameless), [], name);
    }
    dk.dispose();
    assert.deepEqual(shown, {
      depthwise: { channel: 3, filter: null, spatial: 49 }, pointwise: { channel: 3, filter: 4, spatial: null },
    });
    assert.deepEqual(await weights(page), [1], 'the one kernel of a block without attention over kernels');
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('refuses a file of no kind in words', async () => {
    const page = await session.open();
    const bytes = toSafetensors({ 'conv.weight': { shape: [1, 1], data: new Float32Array(1) } });
    await drop(page, [{ name: 'plain.safetensors', type: '', bytes }]);
    assert.match(await shownError(page, 'block-error'), /no state dict of a dynamic convolution: it has no aggregation\.weight/);
    await page.close();
  });

  for (const theme of ['light', 'dark']) {
    it(`is readable, named, large enough and fits every screen with every kind in the ${theme} theme`, async () => {
      const page = await session.open();
      while ((await text(page, '#theme')) !== `Theme: ${theme}`) await page.click('#theme');
      for (const [name, width, height] of [['desktop', 1280, 900], ['tablet', 820, 1180], ['phone', 390, 844], ['narrow', 320, 640]]) {
        await page.setViewport({ width, height });
        for (const id of Object.keys(KINDS)) {
          await choose(page, 'preset', id);
          for (const photo of ['coffee', 'rocket']) {
            await choose(page, 'photo', `${photo}.jpg`);
            const { ratio, what } = await page.evaluate(lowestContrast);
            assert.ok(ratio >= 4.5, `${name}, ${id}, ${photo}: contrast ${ratio.toFixed(2)} of ${what}`);
          }
          const over = await page.evaluate(() =>
            document.documentElement.scrollWidth - document.documentElement.clientWidth);
          assert.ok(over <= 0, `${name}, ${id}: ${over} px too wide`);
          const cut = await page.$$eval('#stage-attention *', (list) => list.filter((element) =>
            element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 &&
            getComputedStyle(element).display !== 'inline' && !element.matches('.visually-hidden, .bar *'))
            .map(({ outerHTML }) => outerHTML.slice(0, 80)));
          assert.deepEqual(cut, [], `${name}, ${id}`);
          assert.deepEqual(await page.evaluate(nameless), [], `${name}, ${id}`);
          const small = await page.$$eval('#presets label, #temperature, #stage-attention button', (list) => list
            .filter((element) => element.getBoundingClientRect().width > 0)
            .filter((element) => element.getBoundingClientRect().height < 24 || element.getBoundingClientRect().width < 24)
            .map(({ outerHTML }) => outerHTML.slice(0, 80)));
          assert.deepEqual(small, [], `${name}, ${id}: targets below 24 pixels`);
        }
      }
      await page.evaluate(() => localStorage.clear());
      assert.deepEqual(page.problems, []);
      await page.close();
    });
  }
});
