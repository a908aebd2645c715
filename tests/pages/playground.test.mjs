// The playground shows the library's results.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { serve } from '../../scripts/serve.mjs';
import { compareWithLibrary } from './library.mjs';
import { browserName, choose, fill, rest, select, shownError, start, text } from './support.mjs';

describe(`playground in ${browserName}`, () => {
  let session;
  before(async () => {
    session = await start();
  });
  after(() => session?.close());

  it('starts with a photograph, without an error', async () => {
    const page = await session.open();
    assert.match(await text(page, '#input-caption'), /^Coffee, 384 × 256 of 600 × 400$/);
    assert.equal(await page.$$eval('.error:not([hidden])', (list) => list.length), 0);
    assert.match(await text(page, '#build'), /^\d+\.\d+\.\d+ · (baseline|relaxed) SIMD · \d+ threads?$/);
    for (const id of ['ms-pixels', 'ms-attention', 'ms-convolution', 'ms-drawing', 'ms-total']) {
      assert.match(await text(page, `#${id}`), /^(< )?\d+(\.\d+)? ms$/, id);
    }
    assert.match(await text(page, '#fps'), /^\d+$/);
    assert.match(await text(page, '#plan-workspace'), /^[\d.]+ [kM]?B$/);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('shows the attention of the reference formula over the pixels on screen', async () => {
    const page = await session.open();
    await select(page, 'size', '768'); // the photograph's own size, so that the canvas shows the block's input
    for (const photo of ['astronaut', 'chelsea', 'coffee', 'rocket']) {
      await choose(page, 'photo', `${photo}.jpg`);
      const { mean, values, shown } = await page.evaluate(async () => {
        const canvas = document.getElementById('input-canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const sums = [0, 0, 0];
        for (let i = 0; i < data.length; i++) if (i % 4 < 3) sums[i % 4] += data[i] / 255;
        const { PRESETS } = await import('/web/playground/presets.js');
        const { 'aggregation.weight': _, ...attention } = PRESETS[0].values;
        return {
          mean: sums.map((sum) => sum / (data.length / 4)),
          values: attention,
          shown: [...document.querySelectorAll('#kernels data')].map((element) => Number(element.value)),
        };
      });
      const expected = attentionOf(mean, values);
      assert.equal(shown.length, 6);
      shown.forEach((value, k) =>
        assert.ok(Math.abs(value - expected[k]) < 2e-5, `${photo}, kernel ${k}: ${value} is not ${expected[k]}`),
      );
    }
    await page.close();
  });

  it('chooses another kernel for each photograph', async () => {
    const page = await session.open();
    const winners = [];
    for (const photo of ['astronaut', 'chelsea', 'coffee', 'rocket']) {
      await choose(page, 'photo', `${photo}.jpg`);
      const weights = await page.$$eval('#kernels data', (list) => list.map((element) => Number(element.value)));
      winners.push(weights.indexOf(Math.max(...weights)));
      assert.ok(Math.max(...weights) > 0.8, `${photo}: no kernel is clearly chosen: ${weights}`);
    }
    assert.equal(new Set(winners).size, 4, `kernels ${winners}`);
    await page.close();
  });

  for (const [preset, maps] of Object.entries({
    classic: 6,
    reference: 8,
    depthwise: 6,
    strided: 16,
    dilated: 6,
    seven: 8,
    dyconv: 6,
    condconv: 6,
    odconv: 6,
  })) {
    it(`draws the preset '${preset}' as the library does`, async () => {
      const page = await session.open();
      await choose(page, 'preset', preset);
      await select(page, 'range', 'auto');
      const result = await compareWithLibrary(page, { preset, picture: '/web/photos/coffee.jpg' });
      assert.equal(result.maps, maps);
      assert.equal(result.different, 0, 'pixels that differ from toImageData');
      assert.equal(await page.$eval('#plan-algorithm', (element) => element.dataset.algorithm), result.algorithm);
      assert.notEqual(await text(page, '#plan-algorithm'), '–');
      assert.deepEqual(result.shown, result.attention);
      assert.deepEqual(
        result.written,
        result.attention.map((value) => value.toFixed(3)),
      );
      assert.ok(result.colours > 20, `the maps have ${result.colours} colours`);
      assert.equal(await page.$$eval('#kernels li canvas', (list) => list.every(({ width }) => width > 0)), true);
      assert.deepEqual(page.problems, []);
      await page.close();
    });
  }

  it('draws every colour map and range as toImageData does', async () => {
    const page = await session.open();
    for (const colormap of ['gray', 'viridis', 'turbo', 'coolwarm']) {
      await select(page, 'colormap', colormap);
      for (const range of ['auto', 'shared', 'fixed']) {
        await select(page, 'range', range);
        if (range === 'fixed') {
          await fill(page, 'range-low', -0.5);
          await fill(page, 'range-high', 0.75);
        }
        const { different } = await compareWithLibrary(page, { preset: 'classic', picture: '/web/photos/coffee.jpg' });
        assert.equal(different, 0, `${colormap}, ${range}`);
      }
    }
    assert.equal(await text(page, '#bar-low'), '−0.50');
    assert.equal(await text(page, '#bar-high'), '0.75');
    await fill(page, 'range-low', 2);
    assert.match(await text(page, '#maps-error'), /first below the second/);
    await page.close();
  });

  it('feeds other sizes and normalised pixels as fromImage does', async () => {
    const page = await session.open();
    await select(page, 'range', 'auto');
    await select(page, 'size', '128');
    await select(page, 'normalisation', '2');
    const options = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    const result = await compareWithLibrary(page, { preset: 'classic', picture: '/web/photos/coffee.jpg', options });
    assert.equal(result.different, 0);
    assert.deepEqual(result.shape, [1, 6, 85, 128]);
    assert.deepEqual(result.shown, result.attention);
    await page.close();
  });

  it('takes another seed from the field and from the dice', async () => {
    const page = await session.open();
    await choose(page, 'preset', 'reference');
    await select(page, 'range', 'auto');
    await fill(page, 'seed', 42);
    const picture = '/web/photos/coffee.jpg';
    const seeded = await compareWithLibrary(page, { preset: 'reference', seed: 42, picture });
    assert.equal(seeded.different, 0);
    await page.click('#roll');
    await rest(page);
    const seed = await page.$eval('#seed', (input) => input.valueAsNumber);
    const rolled = await compareWithLibrary(page, { preset: 'reference', seed, picture });
    assert.equal(rolled.different, 0);
    assert.notEqual(seed, 42);
    assert.notDeepEqual(rolled.shown, seeded.shown);
    await page.close();
  });

  it('lets a weight be set by hand, and the attention take over again', async () => {
    const page = await session.open();
    await select(page, 'range', 'auto');
    const before = await page.$$eval('#kernels data', (list) => list.map((element) => Number(element.value)));
    await page.focus('#weight-0');
    await page.keyboard.press('End');
    await rest(page);
    assert.equal(await text(page, '#mode'), 'Set by hand');
    const manual = await page.$$eval('#kernels data', (list) => list.map((element) => Number(element.value)));
    assert.deepEqual(manual, [1, ...before.slice(1)]);
    const what = { preset: 'classic', picture: '/web/photos/coffee.jpg' };
    assert.equal((await compareWithLibrary(page, { ...what, manual })).different, 0);
    assert.ok((await compareWithLibrary(page, what)).different > 0, 'the weight made no difference');

    await page.click('#automatic');
    await rest(page);
    const result = await compareWithLibrary(page, what);
    assert.equal(result.different, 0);
    assert.deepEqual(result.shown, before);
    assert.equal(await page.$eval('#automatic', (button) => button.disabled), true);
    await page.close();
  });

  it('follows a bar that is dragged', async () => {
    const page = await session.open();
    const bar = await page.$eval('#weight-2', (input) => {
      input.scrollIntoView({ block: 'center' });
      const { x, y, width, height } = input.getBoundingClientRect();
      return { x, y: y + height / 2, width };
    });
    const at = (share) => [bar.x + 4 + share * (bar.width - 8), bar.y];
    await page.mouse.move(...at(await page.$eval('#weight-2', (input) => input.valueAsNumber)));
    await page.mouse.down();
    await page.mouse.move(...at(0.5), { steps: 4 });
    const during = await page.$eval('#weight-2', (input) => input.valueAsNumber);
    await page.mouse.up();
    await rest(page);
    assert.ok(Math.abs(during - 0.5) < 0.02, `dragged to ${during}`);
    assert.ok(
      Math.abs(Number(await page.$eval('#kernels li:nth-child(3) data', (element) => element.value)) - 0.5) < 0.02,
    );
    assert.equal(await text(page, '#mode'), 'Set by hand');
    await page.close();
  });

  it('applies stride, padding and dilation, and refuses what makes no map', async () => {
    const page = await session.open();
    await fill(page, 'stride', 3);
    await fill(page, 'padding', 0);
    assert.equal(await text(page, '#detail-size'), '128 × 85');
    await fill(page, 'dilation', 64);
    assert.equal(await text(page, '#detail-size'), '86 × 43');
    await select(page, 'size', '128');
    const message = await text(page, '#block-error');
    assert.match(message, /kernel/i);
    assert.match(message, /128|85/);
    await select(page, 'size', '384');
    assert.equal(await page.$eval('#block-error', (element) => element.hidden), true);
    await fill(page, 'stride', 0);
    assert.match(await text(page, '#block-error'), /Stride must be a whole number from 1 to 64; got “0”/);
    await page.close();
  });

  it('shows the kernels and the mixture of the channel that is chosen', async () => {
    const page = await session.open();
    await page.$eval('#maps input[value="4"]', (input) => input.click());
    await rest(page);
    assert.equal(await page.$eval('#channel', (field) => field.value), '4');
    assert.match(await text(page, '#detail-title'), /^Channel 4 · red – green$/);
    const shown = await page.$$eval('#numbers-body td', (list) =>
      list.map((cell) => Number(cell.textContent.replace('−', '-'))),
    );
    const expected = await page.evaluate(async () => {
      const { PRESETS } = await import('/web/playground/presets.js');
      const weight = PRESETS[0].values['aggregation.weight'];
      const a = [...document.querySelectorAll('#kernels data')].map((element) => Number(element.value));
      const [O, channel, size] = [6, 4, 27];
      return Array.from({ length: size }, (_, i) =>
        a.reduce((sum, share, k) => sum + share * weight[(k * O + channel) * size + i], 0),
      );
    });
    assert.equal(shown.length, 27);
    shown.forEach((value, i) =>
      assert.ok(Math.abs(value - expected[i]) < 0.0051, `entry ${i}: ${value} is not ${expected[i]}`),
    );

    await choose(page, 'kernel-view', 'channels');
    assert.equal((await page.$$('#mixed canvas')).length, 3);
    assert.equal((await page.$$('#kernels li:first-child canvas')).length, 3);
    await select(page, 'channel', '1');
    assert.equal(await page.$eval('#maps input[value="1"]', (input) => input.checked), true);
    await page.close();
  });

  it('shows in its controls what it does, after a reload too', async () => {
    const page = await session.open();
    await select(page, 'size', '128');
    await select(page, 'colormap', 'turbo');
    await page.waitForFunction(() => location.search === '?size=128&colours=turbo');
    await page.reload();
    await rest(page);
    assert.match(await text(page, '#input-caption'), /128 × 85/);
    assert.equal(await page.$eval('#size', (field) => field.value), '128');
    assert.equal(await page.$eval('#colormap', (field) => field.value), 'turbo');
    // the browser's own memory of fields does not count
    await page.goto(page.url().split('?')[0]);
    await rest(page);
    assert.match(await text(page, '#input-caption'), /384 × 256/);
    assert.equal(await page.$eval('#size', (field) => field.value), '384');
    assert.equal(await page.$eval('#colormap', (field) => field.value), 'viridis');
    await page.close();
  });

  it('keeps its memory while frames run without pause', async () => {
    const page = await session.open();
    await page.click('#continuous');
    await page.waitForFunction(() => Number(document.getElementById('playground').dataset.frames) > 60);
    const heap = () => page.$eval('#heap', (element) => Number(element.dataset.bytes));
    const early = await heap();
    const frames = await page.$eval('#playground', (element) => Number(element.dataset.frames));
    await page.waitForFunction(
      (target) => Number(document.getElementById('playground').dataset.frames) > target,
      { timeout: 60_000 },
      frames + 300,
    );
    assert.equal(await heap(), early);
    assert.match(await text(page, '#fps'), /^\d+$/);
    await page.click('#continuous');
    await rest(page);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('says in words that the library cannot start', async () => {
    const withoutBuilds = await serve({ folders: ['web'] });
    const page = await session.browser.newPage();
    try {
      await page.goto(`${withoutBuilds.url}web/playground.html`);
      const message = await shownError(page, 'fatal-error');
      assert.match(message, /^The playground could not start\. .+/);
      assert.equal(await page.$eval('#playground', (element) => element.hasAttribute('aria-busy')), false);
    } finally {
      await page.close();
      await withoutBuilds.close();
    }
  });
});

/** Returns the attention weights [K] for a mean colour, in double precision, by the module's formula. */
function attentionOf(mean, values) {
  const M = values['attention.bn.bias'].length;
  const hidden = Array.from({ length: M }, (_, m) => {
    const z = mean.reduce((sum, value, c) => sum + value * values['attention.conv1.weight'][m * 3 + c], 0);
    const normal =
      (z - values['attention.bn.running_mean'][m]) / Math.sqrt(values['attention.bn.running_var'][m] + 1e-5);
    return Math.max(0, normal * values['attention.bn.weight'][m] + values['attention.bn.bias'][m]);
  });
  return values['attention.conv2.bias'].map((bias, k) => {
    const z = hidden.reduce((sum, value, m) => sum + value * values['attention.conv2.weight'][k * M + m], bias);
    return 1 / (1 + Math.exp(-z));
  });
}
