// The page "Teach it", and what its tests ask it.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCanvas, text } from './support.mjs';

/** The page with its first lesson ready, or another state. */
export async function openTeach(session, { wanted = ['ready'], ...options } = {}) {
  const page = await session.open({ ...options, path: 'web/teach.html' });
  await state(page, ...wanted);
  return page;
}

/** Waits until the page is in one of these states; where it gets into none, says what it shows instead. */
export async function state(page, ...wanted) {
  const isAny = (names) => names.includes(document.getElementById('teach').dataset.state);
  try {
    await page.waitForFunction(isAny, { timeout: 120_000, polling: 50 }, wanted);
  } catch (cause) {
    const shown = await page.evaluate(() => ({
      state: document.getElementById('teach').dataset.state,
      step: document.getElementById('teach').dataset.step,
      errors: ['fatal-error', 'lesson-error'].map((id) => document.getElementById(id)?.textContent),
      visibility: document.visibilityState,
    }));
    throw new Error(`Teach it is not ${wanted.join(' or ')} but ${JSON.stringify({ ...shown, problems: page.problems })}`,
      { cause });
  }
}

/** Does something that gives a new lesson, and waits for it. */
export async function relearn(page, action) {
  await page.$eval('#teach', (main) => {
    main.dataset.state = 'asked'; // or the lesson before would be taken for it
  });
  await action();
  await state(page, 'ready', 'failed');
}

/** Chooses a lesson by its value. */
export const lesson = (page, value) =>
  relearn(page, () => page.$eval(`input[name="lesson"][value="${value}"]`, (input) => input.click()));

/** Chooses an option of what makes up the lesson. */
export const option = (page, id, value) => relearn(page, () => page.select(`#${id}`, value));

/** Trains for a run of so many steps, to its end. */
export async function train(page, steps) {
  await page.select('#run-steps', String(steps));
  await page.click('#run');
  await state(page, 'done');
}

/** Waits until this step is on screen. */
export const reached = (page, step) =>
  page.waitForFunction((n) => Number(document.getElementById('teach').dataset.step) >= n, { timeout: 120_000 }, step);

/** Waits until the lesson is refused in such words. */
export const refused = (page, words) =>
  page.waitForFunction((pattern) => {
    const error = document.getElementById('lesson-error');
    return !error.hidden && new RegExp(pattern).test(error.textContent);
  }, { timeout: 20_000 }, words.source);

/** Steps and losses of both blocks, as the page writes them. */
export async function figures(page) {
  const [step, dynamic, single] = await Promise.all(
    ['steps', 'loss-dynamic', 'loss-single'].map((id) => text(page, `#${id}`)),
  );
  return { step: Number(step.split(' of ')[0]), dynamic: read(dynamic), single: read(single) };
}

/** A number as the page writes it; NaN where there is none. */
const read = (words) => Number(words.replaceAll('−', '-'));

/** What the samples show: the error of each block on each, and the attention, as numbers. */
export function samples(page) {
  return page.$$eval('.sample', (items) =>
    items.map((item) => ({
      name: item.querySelector('figcaption').textContent,
      dynamic: Number(item.querySelector('.dynamic data').value),
      single: Number(item.querySelector('.single data').value),
      attention: [...item.querySelectorAll('.bars .value')].map((value) => Number(value.textContent)),
    })),
  );
}

/** RGBA bytes of a canvas of a sample: 0 the picture, 1 the target, 2 the dynamic block's, 4 the other's. */
export async function pixels(page, sample, figure) {
  const { data } = await readCanvas(page, `.sample:nth-child(${sample + 1}) figure:nth-of-type(${figure + 1}) canvas`);
  return data;
}

/** The picture of a sample as a PNG file. */
export async function png(page, sample) {
  const address = await page.$eval(`.sample:nth-child(${sample + 1}) canvas`, (canvas) => canvas.toDataURL('image/png'));
  return Buffer.from(address.split(',')[1], 'base64');
}

/** The mean absolute difference of two pictures, in levels of 256. */
export function distance(a, b) {
  assert.equal(a.length, b.length);
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
}

/** Screenshots show what has been drawn only once it has been composed. */
export async function composed(page) {
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await sleep(400);
}
