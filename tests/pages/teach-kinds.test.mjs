// "Teach it" trains the kinds of dynamic convolution side by side.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { load, parseSafetensors, toSafetensors } from '../../web/dynakernel/index.js';
import { browserName, downloaded, drop, rest, shownError, start, text } from './support.mjs';
import { distance, lesson, openTeach, pixels, png, relearn, state, toggle, train } from './teach.mjs';

const KINDS = ['dyconv', 'condconv', 'odconv'];

/** Opens the page with every kind in training. */
async function openWithAll(session) {
  const page = await openTeach(session);
  for (const id of KINDS) await toggle(page, id);
  return page;
}

/** The losses that the page shows, by pupil. */
const losses = async (page) => Object.fromEntries(await page.$$eval('#totals .pupil dd', (list) =>
  list.map(({ id, textContent }) => [id.slice(5), Number(textContent.replaceAll('−', '-'))])));

/** Looks closely at a pupil. */
async function focus(page, id, title) {
  await page.select('#focus', id);
  await page.waitForFunction((words) => document.getElementById('block-shape').textContent.startsWith(words), {}, title);
}

describe(`the kinds in Teach it in ${browserName}`, () => {
  let session;
  before(async () => {
    session = await start();
  });
  after(() => session?.close());

  it('trains all kinds side by side, with a curve, a figure and a colour each, and names the best', async () => {
    const page = await openWithAll(session);
    assert.equal(await text(page, '#verdict'), 'Nothing has been learnt yet.');
    await page.click('#step');
    await state(page, 'paused');
    const first = await losses(page);
    assert.deepEqual(Object.keys(first), ['dynamic', ...KINDS, 'single']);
    await train(page, 500);
    const last = await losses(page);
    for (const id of ['dynamic', ...KINDS])
      assert.ok(last[id] < first[id] / 3 && last[id] < last.single, `${id}: from ${first[id]} to ${last[id]}`);
    const drawn = await page.$$eval('#chart .line', (lines) =>
      lines.map((line) => [line.classList[1], getComputedStyle(line).stroke]));
    assert.deepEqual(drawn.map(([id]) => id).sort(), Object.keys(first).sort());
    assert.equal(new Set(drawn.map(([, colour]) => colour)).size, 5, 'each line has its colour');
    const swatches = await page.$$eval('#pupils i', (list) => list.map((one) => getComputedStyle(one).borderTopColor));
    assert.deepEqual([...swatches].sort(), drawn.map(([, colour]) => colour).sort(), 'the legend has the same');
    assert.equal(await page.$$eval('#chart text.end', (list) => list.length), 5);
    const least = Object.entries(last).sort(([, one], [, other]) => one - other)[0][0];
    const names = { dynamic: 'Dite-HRNet’s block', dyconv: 'DyConv', condconv: 'CondConv', odconv: 'ODConv' };
    assert.match(await text(page, '#verdict'), new RegExp(`^${names[least]} learns this best|^A tie .*${names[least]}`));
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('gives each the same seed, pictures and steps, whoever learns beside it', async () => {
    const page = await openWithAll(session);
    await train(page, 500);
    const together = await losses(page);
    for (const id of ['dynamic', 'condconv', 'single']) await toggle(page, id);
    assert.equal(await text(page, '#steps'), '0 of 500', 'another choice begins again');
    await train(page, 500);
    const { dyconv, odconv } = await losses(page);
    assert.deepEqual({ dyconv, odconv }, { dyconv: together.dyconv, odconv: together.odconv });
    await page.close();
  });

  it('lowers the temperature of DyConv, and says so', async () => {
    const page = await openTeach(session);
    assert.equal(await page.$eval('#pupil-notes', (note) => note.hidden), true);
    await toggle(page, 'dyconv');
    assert.match(await text(page, '#pupil-notes'), /^DyConv’s temperature falls from 34 to 1 in the first tenth of a run/);
    const title = () => text(page, '#totals .dyconv dt');
    assert.equal(await title(), 'DyConv, temperature 34');
    await train(page, 500);
    assert.equal(await title(), 'DyConv, temperature 1');
    await focus(page, 'dyconv', 'DyConv');
    const bars = await page.$$eval('.sample .bars', (list) =>
      list.map((bar) => [...bar.querySelectorAll('.value')].reduce((sum, { textContent }) => sum + Number(textContent), 0)));
    for (const sum of bars) assert.ok(Math.abs(sum - 1) < 0.025, `the weights of DyConv add up to ${sum}`);
    await page.close();
  });

  it('calls it a tie where nobody sees a difference', async () => {
    const page = await openTeach(session);
    await toggle(page, 'condconv');
    await lesson(page, 'blur');
    await train(page, 2000);
    assert.match(await text(page, '#verdict'), /^A tie of all 3: nobody sees a difference\. The best is 0\.\d+ of 256 levels/);
    await page.close();
  });

  it('wants one block at least, and then has nothing to compare', async () => {
    const page = await openTeach(session);
    await toggle(page, 'dynamic');
    assert.equal(await page.$eval('#focus', (select) => select.value), 'single');
    await page.click('#step');
    await state(page, 'paused');
    assert.match(await text(page, '#verdict'), /^One kernel is [\d.]+ of 256 levels off the target\. Choose another to compare/);
    await page.$eval('input[name="pupil"][value="single"]', (box) => box.click());
    assert.equal(await shownError(page, 'lesson-error'), 'No block is chosen: choose one to train.');
    await toggle(page, 'odconv');
    assert.equal(await page.$eval('#lesson-error', (error) => error.hidden), true);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('shows the attention, the kernels and the difference of the block that is looked at', async () => {
    const page = await openWithAll(session);
    await page.click('#step');
    await state(page, 'paused');
    for (const [id, title] of [['odconv', 'ODConv'], ['single', 'One kernel'], ['dyconv', 'DyConv']]) {
      await focus(page, id, title);
      assert.equal(await text(page, '#kernels-focus-title'), title);
      const shown = await page.$eval('.sample', (sample) => ({
        figures: [...sample.querySelectorAll('figure')].map(({ className }) => className),
        bars: sample.querySelectorAll('.bars li').length,
      }));
      const all = ['', '', 'dynamic', ...KINDS, 'single'];
      assert.deepEqual(shown.figures, all.flatMap((name) => (name === id ? [name, 'difference'] : [name])));
      assert.equal(shown.bars, id === 'single' ? 1 : 4);
      assert.equal(await page.$$eval('#kernels-focus li', (list) => list.length), id === 'single' ? 1 : 4);
      assert.equal(await page.$eval('#kernels-single', (list) => list.hidden), id === 'single');
      assert.equal(Number(await page.$eval('#teach', (main) => main.dataset.step)), 1, 'nothing begins again');
    }
    await page.close();
  });

  for (const [id, title] of [['dyconv', 'DyConv'], ['condconv', 'CondConv'], ['odconv', 'ODConv']]) {
    it(`takes ${title} along: its file, its code, and the playground do what was taught`, async () => {
      const page = await openTeach(session);
      await toggle(page, id);
      await focus(page, id, title);
      await train(page, 500);
      const picture = await pixels(page, 2, 0);
      const taught = await page.evaluate((name) => {
        const sample = document.querySelectorAll('.sample')[2];
        const canvas = sample.querySelector(`.${name} canvas`);
        return {
          data: [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data],
          attention: [...sample.querySelectorAll('.bars .value')].map(({ textContent }) => Number(textContent)),
        };
      }, id);
      const path = await downloaded(page, session.downloads, '#save');
      assert.match(path, new RegExp(`each-photograph-its-own-${id}-step-500\\.safetensors$`));
      const bytes = readFileSync(path);
      assert.equal(JSON.parse(parseSafetensors(bytes).__metadata__.config).kind, id);

      // the code on the page, with the file and the picture at hand
      const code = (await page.$eval('#snippet', (element) => element.textContent))
        .replace(/^import .*$/m, '').replace('await load()', 'runtime').replace(/await fetch\('(.*)'\)/, "open('$1')");
      const dk = await load();
      const open = (file) => {
        assert.ok(path.endsWith(file), `the code loads ${file}`);
        return { arrayBuffer: () => bytes };
      };
      const image = { data: picture, width: 128, height: 128 };
      const AsyncFunction = /** @type {FunctionConstructor} */ ((async () => {}).constructor);
      const quiet = { log: () => {} };
      const y = await new AsyncFunction('runtime', 'open', 'image', 'console', `${code}\nreturn y;`)(dk, open, image, quiet);
      const drawn = y.toImageData({ channel: 'rgb', range: [-1, 1] }).data;
      assert.ok(distance(drawn, taught.data) < 2, `${distance(drawn, taught.data)} levels away`);
      dk.dispose();

      // the playground
      const cup = await png(page, 2);
      const opened = new Promise((resolve) => page.once('popup', resolve));
      await page.click('#open');
      const playground = await opened;
      await playground.waitForSelector('#playground');
      await playground.waitForFunction((words) =>
        document.getElementById('preset-summary').textContent.includes(words), { timeout: 20_000 }, `A block of ${title}.`);
      await drop(playground, [{ name: 'cup.png', type: 'image/png', bytes: cup }]);
      await playground.waitForFunction(() => document.getElementById('input-caption').textContent.startsWith('cup.png'));
      await rest(playground);
      const shown = await playground.$$eval('#kernels data', (list) => list.map((element) => Number(element.value)));
      shown.forEach((weight, k) =>
        assert.ok(Math.abs(weight - taught.attention[k]) < 0.01, `kernel ${k}: ${weight}, taught ${taught.attention[k]}`));
      await playground.close();
      await page.close();
    });
  }

  it('imitates a block of another kind that is dropped on it', async () => {
    const dk = await load();
    const block = dk.odConv2d({ inChannels: 3, outChannels: 3, kernelSize: 3, padding: 1, seed: 5 });
    const bytes = toSafetensors(block.stateDict());
    dk.dispose();
    const page = await openTeach(session);
    await toggle(page, 'odconv');
    await relearn(page, () => drop(page, [{ name: 'other.safetensors', type: '', bytes }]));
    assert.equal(await text(page, '#lesson-summary'), 'What other.safetensors does.');
    await train(page, 500);
    const { odconv, single } = await losses(page);
    assert.ok(odconv < 0.1, `ODConv ${odconv}, one kernel ${single}`);
    assert.deepEqual(page.problems, []);
    await page.close();
  });
});
