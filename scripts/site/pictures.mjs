// The pictures that the pages need of themselves: small photographs, icons, and the pictures of link previews.
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { launchBrowser } from '../browsers.mjs';
import { root } from '../project.mjs';
import { host } from './host.mjs';
import { PREVIEW } from './plugins.mjs';

const web = join(root, 'web');

/**
 * The pages with a preview: the width at which a page shows most, and what it must do before. The start page comes last,
 * because it shows the previews of the others.
 */
const PREVIEWS = {
  playground: { file: 'playground.html?colours=coolwarm', width: 1440, until: '#playground[data-state="ready"]' },
  teach: {
    file: 'teach.html', width: 1440, until: '#teach[data-state="ready"]', press: '#run', done: '#teach[data-state="done"]',
  },
  networks: { file: 'networks.html', width: 1440, until: '#networks[data-state="ready"]' },
  bench: {
    file: 'bench.html', width: 1200, until: '#bench[data-state="ready"]', press: '#run', done: '#bench[data-state="done"]',
  },
  start: { file: '', width: 1200, until: '#start[data-state="ready"]' },
};

/** Twice the size of the buttons that show photographs, for screens with two pixels per pixel. */
const BUTTON = { width: 160, height: 120 };

/** The cards of the start page show a preview at two fifths of its size. */
const CARD = { width: PREVIEW.width * 0.4, height: PREVIEW.height * 0.4 };

/** Writes a small copy of each photograph: the middle of it, in the buttons' aspect. */
export async function shrinkPhotos() {
  mkdirSync(join(web, 'photos/small'), { recursive: true });
  for (const name of readdirSync(join(web, 'photos')).filter((file) => file.endsWith('.jpg'))) {
    const small = await shrink(join(web, 'photos', name), BUTTON);
    writeFileSync(join(web, 'photos/small', `${basename(name, '.jpg')}.webp`), small.toBuffer('image/webp', 72));
  }
}

/** Draws the icon as PNG: small for browsers without SVG icons, and on paper for a phone's home screen. */
export async function drawIcons() {
  const svg = readFileSync(join(web, 'shared/icon.svg'), 'utf8');
  for (const { size, margin, paper } of [{ size: 32, margin: 0, paper: '' }, { size: 180, margin: 26, paper: '#f6f5f1' }]) {
    const side = size - 2 * margin;
    const icon = await loadImage(Buffer.from(svg.replace('<svg ', `<svg width="${side}" height="${side}" `)));
    const canvas = createCanvas(size, size);
    const context = canvas.getContext('2d');
    if (paper) {
      context.fillStyle = paper;
      context.fillRect(0, 0, size, size);
    }
    context.drawImage(icon, margin, margin, side, side);
    writeFileSync(join(web, 'shared', `icon-${size}.png`), canvas.toBuffer('image/png'));
  }
}

/**
 * Takes the pictures of the link previews from the built pages.
 *
 * @param {string} folder the site
 * @param {() => Promise<void>} rebuild builds it again, with the pictures so far
 */
export async function takePreviews(folder, rebuild) {
  const [browser, server] = [await launchBrowser('chromium'), await host(folder)];
  try {
    for (const [name, { file, width, until, press, done }] of Object.entries(PREVIEWS)) {
      if (name === 'start') await rebuild();
      const page = await browser.newPage();
      await page.setViewport({ width, height: Math.round((width * PREVIEW.height) / PREVIEW.width) });
      await page.goto(server.url + file);
      await page.waitForSelector(until, { timeout: 60_000 });
      if (press) {
        await page.click(press);
        await page.waitForSelector(done, { timeout: 300_000 });
        await page.evaluate(() => scrollTo(0, 0));
      }
      await page.waitForNetworkIdle();
      const shot = Buffer.from(await page.screenshot());
      for (const [size, suffix] of /** @type {const} */ ([[PREVIEW, ''], [CARD, '-small']])) {
        writeFileSync(join(web, 'previews', `${name}${suffix}.jpg`), (await shrink(shot, size)).toBuffer('image/jpeg', 82));
      }
      await page.close();
    }
  } finally {
    await browser.close();
    await server.close();
  }
}

/**
 * Draws the middle of a picture at another size, in steps of at most a half, which keeps lines whole.
 *
 * @param {string | Buffer} picture a path, or the bytes of a file
 * @param {{ width: number, height: number }} size
 * @returns {Promise<import('@napi-rs/canvas').Canvas>}
 */
async function shrink(picture, { width, height }) {
  /** @type {any} an image, then canvases */
  let drawn = await loadImage(picture);
  const scale = Math.max(width / drawn.width, height / drawn.height);
  let side = { width: width / scale, height: height / scale };
  let [left, top] = [(drawn.width - side.width) / 2, (drawn.height - side.height) / 2];
  do {
    const next = { width: Math.max(width, side.width / 2), height: Math.max(height, side.height / 2) };
    const canvas = createCanvas(Math.round(next.width), Math.round(next.height));
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(drawn, left, top, side.width, side.height, 0, 0, canvas.width, canvas.height);
    [drawn, side, left, top] = [canvas, next, 0, 0];
  } while (side.width > width);
  return drawn;
}
