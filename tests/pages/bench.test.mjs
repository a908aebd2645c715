// The benchmark page measures and shows its results. No test depends on speed.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { serve } from '../../scripts/serve.mjs';
import { allowClipboard, browserName, screenshots, servePlainly, shownError, start, text } from './support.mjs';

/** Small workloads of different kinds. */
const few = ['dw_40_3x3_32x24', 'pw_16_16_64x48', 'dw_40_5x5_16x12_K2'];

describe(`benchmark page in ${browserName}`, () => {
  let session;
  before(async () => {
    session = await start();
  });
  after(() => session?.close());

  it('shows a row, a bar and a figure for each workload chosen', async () => {
    const page = await open(session);
    await choose(page, few);
    assert.equal(await text(page, '#choice-title'), '3 of 18 workloads');
    const isSkipHidden = () => page.$eval('.skip', (link) => link.hidden);
    assert.equal(await isSkipHidden(), true, 'there is nothing to skip to');
    await page.click('#run');
    await state(page, 'done');
    assert.equal(await isSkipHidden(), false);
    await page.focus('.skip');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'results');

    const table = await readTable(page);
    assert.deepEqual(table.columns, ['workload', 'dynakernel ms', 'GFLOP/s', 'of peak']);
    assert.deepEqual(table.rows.map(([name]) => name), ['dw_40_3x3_32x24', 'dw_40_5x5_16x12_K2', 'pw_16_16_64x48']);
    for (const [name, ms, speed, share] of table.rows) {
      assert.ok(Number(ms) > 0 && Number(speed) > 0, `${name}: ${ms} ms, ${speed} GFLOP/s`);
      assert.match(share, /^\d+ %$/, name);
    }
    const bars = await readBars(page);
    assert.deepEqual(bars.map(({ figure }) => figure), table.rows.map(([, ms]) => `${ms} ms`));
    const speeds = table.rows.map(([, , speed]) => Number(speed));
    assertProportional(bars.map(({ length }) => length), speeds);
    assert.match(await text(page, '#build'), /^\d+\.\d+\.\d+ · (baseline|relaxed) SIMD · 1 thread$/);
    assert.match(await text(page, '#notes'), /(Chrome|Firefox) \d+/);
    assert.equal(await page.$eval('#isolation', (element) => element.hidden), true);

    await page.$eval('input[name="view"][value="time"]', (input) => input.click());
    assert.match(await text(page, '#chart-caption'), /^Milliseconds/);
    const lengths = (await readBars(page)).map(({ length }) => length);
    assert.equal(new Set(lengths).size, 1, 'alone, each bar fills a scale of its own');
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('fits a phone and a desktop, light and dark', async () => {
    for (const [name, width, height, scheme] of [['desktop', 1440, 900, 'light'], ['phone', 390, 844, 'dark']]) {
      const page = await open(session, { width, height });
      await page.evaluate((theme) => document.documentElement.setAttribute('data-theme', theme), scheme);
      await choose(page, few);
      await page.click('#run');
      await state(page, 'done');
      const fits = await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
      assert.ok(fits, `${name}: nothing sticks out`);
      const inside = await page.$eval('#chart svg', (chart) => {
        const edge = chart.getBoundingClientRect().right + 1;
        return [...chart.querySelectorAll('text')].every((label) => label.getBoundingClientRect().right <= edge);
      });
      assert.ok(inside, `${name}: every figure lies inside the chart`);
      if (browserName === 'chromium') { // only Chromium can emulate forced colours
        const devtools = await page.createCDPSession();
        const force = (features) => devtools.send('Emulation.setEmulatedMedia', { features });
        await force([{ name: 'forced-colors', value: 'active' }]);
        const checked = await page.$$eval('.tabs :checked + span, .segmented :checked + span', (spans) =>
          spans.map((span) => getComputedStyle(span).outlineStyle));
        assert.deepEqual([...new Set(checked)], ['solid'], 'what is checked is told by an outline');
        await force([]);
      }
      await page.screenshot({ path: join(screenshots, `bench-${name}-${scheme}-${browserName}.png`), fullPage: true });
      await page.close();
    }
  });

  it('stops at once, keeps what is done, and runs again', async () => {
    const page = await open(session);
    await page.$eval('input[name="set"][value="all"]', (input) => input.click());
    await page.click('#run');
    await page.waitForSelector('#table tbody tr', { timeout: 60_000 });
    await page.click('#stop');
    await state(page, 'stopped');
    assert.equal(await text(page, '#status'), 'Stopped.');
    const { rows } = await readTable(page);
    assert.ok(rows.length >= 1 && rows.length < 18, `${rows.length} rows`);

    // By keyboard alone: the focus moves to an enabled control, also from a field that is disabled.
    await choose(page, few.slice(0, 1));
    const focused = () => page.evaluate(() => document.activeElement.id);
    for (const selector of ['#run', '#peers']) {
      await page.focus(selector);
      await page.keyboard.press('Enter');
      await state(page, 'running');
      assert.equal(await focused(), 'stop');
      await state(page, 'done');
      assert.equal(await focused(), 'run');
      assert.equal((await readTable(page)).rows.length, 1);
    }
    await page.keyboard.press('Enter');
    await state(page, 'running');
    await page.keyboard.press('Enter');
    await state(page, 'stopped');
    assert.equal(await focused(), 'run');
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('says what is missing for the comparison, and measures without', async () => {
    const page = await open(session); // this server has no bench folder
    await choose(page, few.slice(0, 1));
    await page.click('#peers');
    await page.click('#run');
    await page.waitForSelector('#missing:not([hidden])');
    assert.match(await text(page, '#missing'), /npm run bench/);
    await state(page, 'done');
    assert.equal(await page.$eval('#peers', (box) => box.checked), false);
    assert.equal((await readTable(page)).rows.length, 1);
    await page.close();
  });

  it('says why engines that are here cannot be compared with', async () => {
    const loader = "export async function loadPeers() { throw new Error('no backend was found'); }";
    await withPeers(session, loader, async (page) => {
      assert.equal(await shownError(page, 'error'), 'The measurement failed. No backend was found.');
      assert.equal(await page.$eval('#missing', (notice) => notice.hidden), true);
      assert.equal(await page.$eval('#peers', (box) => box.checked), true);
    });
  });

  it('says that engines are missing which their loader does not find', async () => {
    await withPeers(session, "export const loadPeers = () => import('./nowhere.js');", async (page) => {
      await page.waitForSelector('#missing:not([hidden])');
      await state(page, 'done');
    });
  });

  it('copies the table as Markdown and everything as JSON', async () => {
    const page = await open(session);
    await allowClipboard(session);
    await choose(page, few.slice(0, 2));
    await page.click('#run');
    await state(page, 'done');
    await page.bringToFront();
    const markdown = await copied(page, 'copy-markdown');
    const [head, rule, row] = markdown.split('\n');
    assert.equal(head, '| workload | dynakernel ms | GFLOP/s | of peak |');
    assert.equal(rule, '| --- | ---: | ---: | ---: |');
    assert.match(row, /^\| dw_40_3x3_32x24 \| [\d.]+ \| [\d.]+ \| \d+ % \|$/);
    const data = JSON.parse(await copied(page, 'copy-json'));
    assert.equal(await page.evaluate(() => document.activeElement.id), 'copy-json', 'the focus stays');
    await page.click('#copy-json'); // while the first button says that it copied
    await page.waitForFunction(() => document.getElementById('copy-json').textContent === 'Copy as JSON');
    assert.deepEqual(data.rows.map(({ name }) => name), ['dw_40_3x3_32x24', 'pw_16_16_64x48']);
    assert.ok(data.peak > 0 && data.rows.every(({ timings }) => timings.dynakernel.samples > 0));
    const refused = await page.evaluate(() => {
      navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
      document.getElementById('copy-markdown').click();
      return new Promise((resolve) => setTimeout(() => resolve(getSelection().toString()), 100));
    });
    assert.equal(refused.trim(), markdown.trim());
    assert.match(await shownError(page, 'copy-error'), /^The browser refused the clipboard; the text is selected, /);
    await page.close();
  });

  it('says in words that the library cannot start', async () => {
    const withoutBuilds = await serve({ folders: ['web'] });
    const page = await session.browser.newPage();
    try {
      await page.goto(`${withoutBuilds.url}web/bench.html`);
      await state(page, 'ready');
      await page.click('#run');
      assert.match(await shownError(page, 'error'), /^The measurement failed\. .+/);
      assert.equal(await page.$eval('#run', (button) => button.disabled), false);
    } finally {
      await page.close();
      await withoutBuilds.close();
    }
  });
});

async function open(session, options = {}) {
  const page = await session.open({ ...options, path: 'web/bench.html' });
  await state(page, 'ready');
  return page;
}

/** Compares one workload on a site that serves this code as the module that loads the peers. */
async function withPeers(session, loader, look) {
  const site = await servePlainly({ 'bench/peers/browser.js': () => loader });
  const page = await session.browser.newPage();
  try {
    await page.goto(`${site.url}web/bench.html`);
    await state(page, 'ready');
    await choose(page, few.slice(0, 1));
    await page.click('#peers');
    await page.click('#run');
    await look(page);
  } finally {
    await page.close();
    await site.close();
  }
}

function state(page, wanted) {
  const shown = (name) => document.getElementById('bench').dataset.state === name;
  return page.waitForFunction(shown, { timeout: 60_000 }, wanted);
}

/** Checks these workloads and no others. */
function choose(page, names) {
  return page.$$eval('input[name="workload"]', (boxes, wanted) => {
    for (const box of boxes) if (box.checked !== wanted.includes(box.value)) box.click();
  }, names);
}

function readTable(page) {
  return page.$eval('#table', (table) => {
    const [head, ...rows] = [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent));
    return { columns: head, rows };
  });
}

function readBars(page) {
  return page.$$eval('#chart .bar', (bars) => bars.map((bar) =>
    ({ length: Number(bar.getAttribute('width')), figure: bar.nextSibling.textContent })));
}

/** Asserts that bars are as long as their figures say, within the figures' rounding. */
function assertProportional(lengths, values) {
  const scale = Math.max(...lengths) / Math.max(...values);
  for (const [i, length] of lengths.entries()) {
    const expected = values[i] * scale;
    const close = Math.abs(length - expected) < 2 + 0.1 * scale;
    assert.ok(close, `bar ${i} is ${length} long; ${expected} would fit ${values}`);
  }
}

async function copied(page, id) {
  await page.click(`#${id}`);
  await page.waitForFunction((button) => document.getElementById(button).textContent === 'Copied', {}, id);
  return page.evaluate(() => navigator.clipboard.readText());
}
