// Steps that the tests of the page "Teach it" share.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCanvas, text } from './support.mjs';

/** Opens the page and waits until its first lesson is ready, or for another state. */
export async function openTeach(session, { wanted = ['ready'], ...options } = {}) {
  const page = await session.open({ ...options, path: 'web/teach.html' });
  await state(page, ...wanted);
  return page;
}

/** Waits until the page is in one of these states. If it is not, the error says what the page shows. */
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

/** Runs an action that begins another lesson, and waits until that is ready. */
export async function relearn(page, action) {
  await page.$eval('#teach', (main) => {
    main.dataset.state = 'asked'; // so that the old lesson's state does not count
  });
  await action();
  await state(page, 'ready', 'failed');
}

/** Chooses a lesson by its value. */
export const lesson = (page, value) =>
  relearn(page, () => page.$eval(`input[name="lesson"][value="${value}"]`, (input) => input.click()));

/** Chooses an option of the lesson. */
export const option = (page, id, value) => relearn(page, () => page.select(`#${id}`, value));

/** Lets another kind learn, or no longer. */
export const toggle = (page, id) =>
  relearn(page, () => page.$eval(`input[name="pupil"][value="${id}"]`, (box) => box.click()));

/** Trains for a run of this many steps, to its end. */
export async function train(page, steps) {
  await page.select('#run-steps', String(steps));
  await page.click('#run');
  await state(page, 'done');
}

/** Waits until the page shows this step or a later one. */
export const reached = (page, step) =>
  page.waitForFunction((n) => Number(document.getElementById('teach').dataset.step) >= n, { timeout: 120_000 }, step);

/** Waits until the page refuses the lesson with words that match. */
export const refused = (page, words) =>
  page.waitForFunction((pattern) => {
    const error = document.getElementById('lesson-error');
    return !error.hidden && new RegExp(pattern).test(error.textContent);
  }, { timeout: 20_000 }, words.source);

/** Returns the step and both blocks' losses, as the page writes them. */
export async function figures(page) {
  const [step, dynamic, single] = await Promise.all(
    ['steps', 'loss-dynamic', 'loss-single'].map((id) => text(page, `#${id}`)),
  );
  return { step: Number(step.split(' of ')[0]), dynamic: read(dynamic), single: read(single) };
}

/** Reads a number as the page writes it; NaN if there is none. */
const read = (words) => Number(words.replaceAll('−', '-'));

/** Returns the numbers of each sample: the error of each block, and the attention. */
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

/** Reads a canvas of a sample, RGBA: 0 is the picture, 1 the target, 2 the dynamic block's output, 4 the other's. */
export async function pixels(page, sample, figure) {
  const { data } = await readCanvas(page, `.sample:nth-child(${sample + 1}) figure:nth-of-type(${figure + 1}) canvas`);
  return data;
}

/** Returns the picture of a sample as a PNG file. */
export async function png(page, sample) {
  const address = await page.$eval(`.sample:nth-child(${sample + 1}) canvas`, (canvas) => canvas.toDataURL('image/png'));
  return Buffer.from(address.split(',')[1], 'base64');
}

/** Returns the mean absolute difference of two pictures, in levels of 256. */
export function distance(actual, expected) {
  assert.equal(actual.length, expected.length);
  return actual.reduce((sum, value, i) => sum + Math.abs(value - expected[i]), 0) / actual.length;
}

/** Waits until the browser has composed the drawing. Screenshots need it. */
export async function composed(page) {
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await sleep(400);
}
