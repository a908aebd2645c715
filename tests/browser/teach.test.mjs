// "Teach it": the block learns in the page, better than one kernel can, and what it learnt opens in the playground.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { serve } from '../../scripts/serve.mjs';
import { launchBrowser } from '../../scripts/browsers.mjs';

const press = (page, name) => page.evaluate((wanted) => {
  const button = [...document.querySelectorAll('button')].find((each) => each.textContent.trim() === wanted);
  if (!button) throw new Error(`there is no button '${wanted}'`);
  button.click();
}, name);

describe(`Teach it in ${process.env.BROWSER ?? 'chromium'}`, () => {
  let site, browser, page;
  const problems = [];
  before(async () => {
    site = await serve();
    browser = await launchBrowser();
    page = await browser.newPage();
    page.on('pageerror', (error) => problems.push(error.message));
    await page.setViewport({ width: 1280, height: 900 });
    await page.goto(new URL('web/teach.html', site.url).href);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  it('trains without freezing, and the dynamic block beats one kernel', async () => {
    await page.waitForFunction(() => [...document.querySelectorAll('button')].some((each) =>
      each.textContent.trim() === 'Train' && !each.disabled), { timeout: 60_000 });
    await page.evaluate(() => {
      window.frames_ = 0;
      const count = () => { window.frames_++; requestAnimationFrame(count); };
      requestAnimationFrame(count);
    });
    await press(page, 'Train');
    await page.waitForFunction(() => {
      const better = /better by\s*([\d.,]+)/.exec(document.body.innerText);
      return better && Number(better[1].replace(',', '')) > 5;
    }, { timeout: 240_000 });
    assert.ok(await page.evaluate(() => window.frames_) > 5, 'the page goes on drawing');
    await press(page, 'Pause');
    assert.deepEqual(problems, []);
  });

  it('does not overflow a phone', async () => {
    await page.setViewport({ width: 390, height: 844 });
    const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(content <= width, `${content} > ${width}`);
  });
});
