// "Teach it": blocks learn in the page. No test depends on speed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { root } from '../../scripts/project.mjs';
import { serve } from '../../scripts/serve.mjs';
import { parseSafetensors, toSafetensors } from '../../web/dynakernel/index.js';
import { browserName, drop, fixture, servePlainly, shownError, start, text } from './support.mjs';
import {
  distance, figures, lesson, openTeach, option, pixels, reached, refused, relearn, samples, state, train,
} from './teach.mjs';

describe(`Teach it in ${browserName}`, () => {
  let session;
  before(async () => {
    session = await start();
  });
  after(() => session?.close());

  it('starts with four photographs, untaught, without an error', async () => {
    const page = await openTeach(session);
    assert.deepEqual((await samples(page)).map(({ name }) => name), ['Astronaut', 'Cat', 'Coffee', 'Rocket']);
    assert.equal(await text(page, '#steps'), '0 of 2000');
    assert.match(await text(page, '#build'), /^\d+\.\d+\.\d+ · (baseline|relaxed) SIMD · \d+ threads?$/);
    // In a worker of Firefox the library starts no workers, because starting them may block it.
    const processors = await page.evaluate(() => navigator.hardwareConcurrency);
    const threads = browserName === 'firefox' ? 1 : Math.min(processors, 4);
    assert.match(await text(page, '#build'), new RegExp(` ${threads} threads?$`));
    assert.equal(await page.$$eval('.error:not([hidden])', (list) => list.length), 0);
    assert.equal(await page.$eval('#reset', (button) => button.disabled), true);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('learns a target for each photograph, which one kernel cannot, while the page stays alive', async () => {
    const page = await openTeach(session);
    await page.click('#step');
    await state(page, 'paused');
    const first = await figures(page);
    await page.evaluate(() => {
      window.frames = 0;
      const count = () => {
        window.frames++;
        requestAnimationFrame(count);
      };
      requestAnimationFrame(count);
    });
    const began = Date.now();
    await train(page, 2000);
    const seconds = (Date.now() - began) / 1000;
    const frames = await page.evaluate(() => window.frames);
    assert.ok(frames > 8 * seconds, `${frames} frames in ${seconds} s`);

    const last = await figures(page);
    assert.equal(last.step, 2000);
    assert.ok(last.dynamic < first.dynamic / 200, `the loss fell from ${first.dynamic} to ${last.dynamic}`);
    assert.ok(last.single > 50 * last.dynamic, `one kernel ${last.single}, dynamic ${last.dynamic}`);
    for (const [n, { name, dynamic, single }] of (await samples(page)).entries()) {
      assert.ok(single > 10 * dynamic, `${name}: one kernel ${single}, dynamic ${dynamic}`);
      const target = await pixels(page, n, 1);
      const away = distance(await pixels(page, n, 2), target);
      assert.ok(away < 4, `${name}: ${away} levels from the target`);
      assert.ok(distance(await pixels(page, n, 4), target) > 3 * away, `${name}: one kernel`);
    }
    const summary = await page.$eval('#chart svg', (chart) => chart.getAttribute('aria-label'));
    assert.match(summary, /^Loss over 2000 steps.*Dite-HRNet: from .+ to .+\. One kernel: from .+ to .+\.$/);
    const verdict = /Dite-HRNet’s block learns this best: [\d.]+ of 256 levels off the target; one kernel follows with [\d.]+\.$/;
    assert.match(await text(page, '#verdict'), verdict);
    assert.match(await text(page, '#status'), new RegExp(`^Done at step 2000\\. ${verdict.source}`));
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('treats dark and bright pictures differently, by its attention', async () => {
    const page = await openTeach(session);
    await lesson(page, 'brightness');
    await train(page, 500);
    const { dynamic, single } = await figures(page);
    assert.ok(single > 10 * dynamic, `one kernel ${single}, dynamic ${dynamic}`);
    const shown = await samples(page);
    assert.equal(shown.length, 8);
    for (let n = 0; n < 8; n += 2) {
      const [dark, bright] = shown.slice(n, n + 2);
      const moved = dark.attention.map((weight, k) => Math.abs(weight - bright.attention[k]));
      assert.ok(Math.max(...moved) > 0.3, `${dark.name} ${dark.attention}, ${bright.name} ${bright.attention}`);
    }
    await page.close();
  });

  it('shows the filter of each effect as its target, and learns it with one kernel too', async () => {
    const page = await openTeach(session);
    for (const [effect, filter] of Object.entries(FILTERS)) {
      await lesson(page, effect);
      const expected = filtered(await pixels(page, 2, 0), 128, filter);
      const away = distance(await pixels(page, 2, 1), expected);
      assert.ok(away < 1.5, `${effect}: ${away} levels from the filter`);
      await train(page, 500);
      const { dynamic, single } = await figures(page);
      assert.ok(dynamic < 5e-3 && single < 5e-3, `${effect}: ${dynamic}, one kernel ${single}`);
    }
    await page.close();
  });

  it('pauses, goes on, steps one at a time, and begins again as it began', async () => {
    const page = await openTeach(session);
    await page.click('#step');
    await state(page, 'paused');
    const first = await figures(page);
    assert.equal(first.step, 1);
    await page.click('#run');
    await reached(page, 20);
    assert.equal(await text(page, '#run'), 'Pause');
    await page.click('#run');
    await state(page, 'paused');
    const paused = await figures(page);
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.deepEqual(await figures(page), paused, 'nothing moves while it is paused');
    await page.click('#step');
    await reached(page, paused.step + 1);

    await relearn(page, () => page.click('#reset'));
    assert.equal((await figures(page)).step, 0);
    await page.click('#step');
    await state(page, 'paused');
    assert.deepEqual(await figures(page), first);
    await page.close();
  });

  it('says how many steps a run has, as soon as it is chosen', async () => {
    const page = await openTeach(session);
    const steps = (wanted) =>
      page.waitForFunction((words) => document.getElementById('steps').textContent === words, { timeout: 10_000 }, wanted);
    await page.select('#run-steps', '500');
    await steps('0 of 500');
    assert.equal(await page.$eval('#progress', (progress) => progress.max), 500);
    await page.click('#step');
    await steps('1 of 500');
    await page.select('#run-steps', '20000');
    await steps('1 of 20000');
    await page.click('#run');
    await reached(page, 600);
    await page.click('#run');
    await state(page, 'paused');
    await page.select('#run-steps', '500');
    await state(page, 'done');
    const { step } = await figures(page);
    await steps(`${step} of ${step}`);
    await page.close();
  });

  it('takes another rate and optimizer while it trains, and says when a rate was too high', async () => {
    const page = await openTeach(session);
    await page.select('#run-steps', '20000');
    await page.click('#run');
    await state(page, 'running');
    await page.click('input[name="optimizer"][value="sgd"]');
    assert.equal(await text(page, '#lr-value'), '0.10');
    await page.$eval('#lr', (slider) => {
      slider.value = slider.max;
      slider.dispatchEvent(new Event('input', { bubbles: true }));
    });
    // The message depends on the step at which the rate changed.
    const said = await shownError(page, 'training-error');
    assert.match(said, /^The (attention of .+ has closed|loss is no longer a number).*too high[:.] [Ll]ower it and press Reset\.$/);
    await page.click('input[name="optimizer"][value="adam"]');
    assert.equal(await text(page, '#lr-value'), '0.020');
    await page.select('#run-steps', '500');
    await relearn(page, () => page.click('#reset'));
    await page.click('#run');
    await state(page, 'done');
    assert.equal(await page.$eval('#training-error', (error) => error.hidden), true);
    assert.ok((await figures(page)).dynamic < 0.05);
    await page.close();
  });

  it('imitates a state dict that is dropped on it', async () => {
    const page = await openTeach(session);
    const give = (name) => drop(page, [{ name: `${name}.safetensors`, type: '', bytes: readFileSync(fixture(name)) }]);
    await relearn(page, () => give('rgb_stem_stride2'));
    assert.match(await text(page, '#lesson-summary'), /^What rgb_stem_stride2\.safetensors does/);
    const channels = await page.$$eval('#channel option', (list) => list.length);
    assert.ok(channels > 3, `${channels} output channels`);
    const before = Buffer.from(await pixels(page, 0, 1));
    await page.select('#channel', '1');
    const end = Date.now() + 20_000;
    while (before.equals(Buffer.from(await pixels(page, 0, 1)))) assert.ok(Date.now() < end, 'another target is drawn');
    const shownChannel = () => page.$eval('#channel', (field) => field.selectedIndex);
    assert.equal(await shownChannel(), 1);
    await option(page, 'num-kernels', '2');
    assert.deepEqual(Buffer.from(await pixels(page, 0, 1)), before, 'a new lesson shows its first channel');
    assert.equal(await shownChannel(), 0);
    await page.click('#step');
    await state(page, 'paused');
    const first = await figures(page);
    await train(page, 500);
    assert.ok((await figures(page)).dynamic < first.dynamic / 50);

    await give('grouped_2');
    assert.match(await shownError(page, 'lesson-error'), /grouped_2\.safetensors” is a block for 8 input channels/);
    await drop(page, [{ name: 'net.pt', type: '', bytes: Buffer.from('x') }]);
    await refused(page, /pickle/);
    await drop(page, [{ name: 'broken.safetensors', type: '', bytes: Buffer.from('nonsense') }]);
    await refused(page, /^“broken\.safetensors” cannot be read\. ./);
    const tensors = parseSafetensors(readFileSync(fixture('rgb_3x3')));
    const isState = ([name]) => /^(attention|aggregation)\./.test(name);
    const broken = Object.fromEntries(Object.entries(tensors).filter(isState));
    broken['aggregation.weight'].data.fill(NaN);
    await drop(page, [{ name: 'nan.safetensors', type: '', bytes: toSafetensors(broken) }]);
    await refused(page, /outputs that are not finite/);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('takes photographs of one’s own, and says what is wrong with them', async () => {
    const page = await openTeach(session);
    const photo = readFileSync(join(root, 'web/photos/coffee.jpg'));
    const own = (count) =>
      Array.from({ length: count }, (_, i) => ({ name: `cup ${i}.jpg`, type: 'image/jpeg', bytes: photo }));
    await relearn(page, () => drop(page, own(1)));
    assert.deepEqual((await samples(page)).map(({ name }) => name), ['Astronaut', 'Cat', 'Coffee', 'Rocket', 'cup 0']);
    await drop(page, own(4));
    assert.match(await shownError(page, 'lesson-error'), /^There is room for 8 photographs; 5 are here, and 4 more/);
    await drop(page, [{ name: 'notes.txt', type: 'text/plain', bytes: Buffer.from('no picture') }]);
    await refused(page, /notes\.txt.*not an image/);

    const toggle = (name) => page.$eval(`input[name="photo"][value="${name}"]`, (box) => box.click());
    await relearn(page, async () => {
      for (const name of ['Astronaut', 'Cat', 'Coffee']) await toggle(name);
    });
    await toggle('Rocket');
    assert.match(await shownError(page, 'lesson-error'), /^One photograph alone has nothing to be told apart from/);
    await toggle('cup 0');
    assert.match(await text(page, '#lesson-error'), /^No photograph is chosen/);
    await relearn(page, async () => {
      await toggle('Cat');
      await toggle('Coffee');
    });
    assert.equal(await page.$eval('#lesson-error', (error) => error.hidden), true);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('has room for eight photographs, also where more are dropped before the first are read', async () => {
    const page = await openTeach(session);
    const photo = readFileSync(join(root, 'web/photos/coffee.jpg'));
    const three = [1, 2, 3].map((i) => ({ name: `cup ${i}.jpg`, type: 'image/jpeg', bytes: photo }));
    await drop(page, three, three);
    await refused(page, /^There is room for 8 photographs; 7 are here, and 3 more were given\.$/);
    assert.equal(await page.$$eval('#photos .photo', (list) => list.length), 7);
    await page.close();
  });

  it('minds the other block’s seed only where there is another block with a seed', async () => {
    const page = await openTeach(session);
    await lesson(page, 'model');
    const setSeed = (id, value) => page.$eval(`#${id}`, (input, number) => {
      input.value = number;
      input.dispatchEvent(new Event('change', { bubbles: true }));
    }, value);
    await setSeed('model-seed', '-1');
    const problem = 'The other block’s seed must be a whole number from 0 to 4294967295; got “-1”.';
    assert.equal(await shownError(page, 'lesson-error'), problem);
    await lesson(page, 'blur');
    assert.equal(await page.$eval('#lesson-error', (error) => error.hidden), true);
    await page.$eval('input[name="lesson"][value="model"]', (input) => input.click());
    assert.equal(await shownError(page, 'lesson-error'), problem);
    const bytes = readFileSync(fixture('rgb_3x3'));
    await relearn(page, () => drop(page, [{ name: 'rgb.safetensors', type: '', bytes }]));
    assert.equal(await page.$eval('#lesson-error', (error) => error.hidden), true);
    await setSeed('seed', '1.5');
    assert.match(await shownError(page, 'lesson-error'), /^Seed must be a whole number from 0 to .*; got “1\.5”\.$/);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('needs no more memory after 5000 steps than at the beginning', async () => {
    const page = await openTeach(session);
    await option(page, 'kernel-size', '3');
    const heap = () => page.$eval('#heap', (element) => Number(element.dataset.bytes));
    await train(page, 500);
    const early = await heap();
    await page.select('#run-steps', '5000');
    await page.click('#run');
    await reached(page, 5500);
    assert.equal(await heap(), early);
    for (const effect of ['blur', 'sobel', 'blur', 'sobel']) await lesson(page, effect);
    assert.ok((await heap()) <= early * 1.25, 'lessons give back what they took');
    await page.close();
  });

  it('trains on one thread where the page is not isolated', async () => {
    const site = await servePlainly();
    const page = await session.browser.newPage();
    try {
      await page.goto(`${site.url}web/teach.html`);
      await state(page, 'ready');
      assert.equal(await page.evaluate(() => globalThis.crossOriginIsolated), false);
      assert.match(await text(page, '#build'), / · 1 thread$/);
      await train(page, 500);
      const { dynamic, single } = await figures(page);
      assert.ok(single > 10 * dynamic, `one kernel ${single}, dynamic ${dynamic}`);
    } finally {
      await page.close();
      await site.close();
    }
  });

  it('says in words that the library cannot start', async () => {
    const site = await serve({ folders: ['web'] });
    const page = await session.browser.newPage();
    try {
      await page.goto(`${site.url}web/teach.html`);
      await state(page, 'failed');
      assert.match(await shownError(page, 'fatal-error'), /^The library could not start\. ./);
      assert.equal(await page.$eval('#run', (button) => button.disabled), true);
    } finally {
      await page.close();
      await site.close();
    }
  });
});

/** The definitions of the 5×5 filters: (input plane, row, column, output plane) -> weight. */
const gauss = [0, 1, 2, 3, 4].map((i) => Math.exp(-((i - 2) ** 2) / (2 * 1.25 ** 2)));
const gaussSum = gauss.reduce((sum, value) => sum + value, 0);
const blur = (r, s) => (gauss[r] * gauss[s]) / gaussSum ** 2;
const luma = [0.299, 0.587, 0.114];
const inner = (kernel, r, s) => (r >= 1 && r <= 3 && s >= 1 && s <= 3 ? kernel[(r - 1) * 3 + s - 1] : 0);
const sobel = [[-1, 0, 1, -2, 0, 2, -1, 0, 1], [-1, -2, -1, 0, 0, 0, 1, 2, 1], [-2, -1, 0, -1, 0, 1, 0, 1, 2]];
const relief = [-2, -1, 0, -1, 1, 1, 0, 1, 2];
const sepia = [[0.37, 0.73, 0.18], [0.31, 0.62, 0.15], [0.24, 0.48, 0.12]];
const middle = (r, s) => (r === 2 && s === 2 ? 1 : 0);

const FILTERS = {
  blur: { weight: (c, r, s, o) => (c === o ? blur(r, s) : 0) },
  sharpen: { weight: (c, r, s, o) => (c === o ? 3 * middle(r, s) - 2 * blur(r, s) : 0) },
  sobel: { weight: (c, r, s, o) => 0.5 * luma[c] * inner(sobel[o], r, s) },
  emboss: { weight: (c, r, s) => 0.6 * luma[c] * inner(relief, r, s) },
  // The matrix is for levels from 0; the block's pixels are around 0.
  sepia: {
    weight: (c, r, s, o) => sepia[o][c] * middle(r, s),
    bias: (o) => sepia[o].reduce((sum, value) => sum + value, 0) - 1,
  },
};

/** Filters an RGBA picture. Levels 0..255 are −1..1, and pixels outside are 0. */
function filtered(rgba, side, { weight, bias = () => 0 }) {
  const level = (y, x, c) => (y < 0 || x < 0 || y >= side || x >= side ? 0 : rgba[(y * side + x) * 4 + c] / 127.5 - 1);
  const result = new Uint8ClampedArray(rgba.length).fill(255);
  for (let o = 0; o < 3; o++) {
    const taps = [];
    for (let c = 0; c < 3; c++)
      for (let r = 0; r < 5; r++) for (let s = 0; s < 5; s++) taps.push([c, r, s, weight(c, r, s, o)]);
    const used = taps.filter((tap) => tap[3] !== 0);
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        let sum = bias(o);
        for (const [c, r, s, value] of used) sum += value * level(y + r - 2, x + s - 2, c);
        result[(y * side + x) * 4 + o] = (sum + 1) * 127.5;
      }
    }
  }
  return result;
}
