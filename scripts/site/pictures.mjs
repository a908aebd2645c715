// The pictures that the pages need of themselves: small photographs, icons, and the pictures of link previews.
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { launchBrowser } from '../browsers.mjs';
import { root } from '../project.mjs';
import { host } from './host.mjs';
import { PREVIEW } from './plugins.mjs';

const web = join(root, 'web');

/** The pages with a preview, and what a page must do before its picture shows something. */
const PREVIEWS = {
  start: { file: '', until: '#start[data-state="ready"]' },
  playground: { file: 'playground.html?colours=coolwarm', until: '#playground[data-state="ready"]' },
  teach: { file: 'teach.html', until: '#teach[data-state="ready"]', press: '#run', then: '#teach[data-state="done"]' },
  networks: { file: 'networks.html', until: '#networks[data-state="ready"]' },
  bench: { file: 'bench.html', until: '#bench[data-state="ready"]', press: '#run', then: '#bench[data-state="done"]' },
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

/** Takes the pictures of the link previews from the built pages. @param {string} folder the site */
export async function takePreviews(folder) {
  const [browser, server] = [await launchBrowser('chromium'), await host(folder)];
  try {
    for (const [name, { file, until, press, then }] of Object.entries(PREVIEWS)) {
      const page = await browser.newPage();
      await page.setViewport(PREVIEW);
      await page.goto(server.url + file);
      await page.waitForSelector(until, { timeout: 60_000 });
      if (press) {
        await page.click(press);
        await page.waitForSelector(then, { timeout: 300_000 });
        await page.evaluate(() => scrollTo(0, 0));
      }
      const path = join(web, 'previews', `${name}.jpg`);
      await page.screenshot({ path, type: 'jpeg', quality: 82 });
      writeFileSync(path.replace('.jpg', '-small.jpg'), (await shrink(path, CARD)).toBuffer('image/jpeg', 80));
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
 * @param {string} path
 * @param {{ width: number, height: number }} size
 */
async function shrink(path, { width, height }) {
  let picture = /** @type {any} */ (await loadImage(path));
  const scale = Math.max(width / picture.width, height / picture.height);
  let side = { width: width / scale, height: height / scale };
  let [left, top] = [(picture.width - side.width) / 2, (picture.height - side.height) / 2];
  while (side.width > width) {
    const next = { width: Math.max(width, side.width / 2), height: Math.max(height, side.height / 2) };
    const canvas = createCanvas(Math.round(next.width), Math.round(next.height));
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(picture, left, top, side.width, side.height, 0, 0, canvas.width, canvas.height);
    [picture, side, left, top] = [canvas, next, 0, 0];
  }
  return /** @type {import('@napi-rs/canvas').Canvas} */ (picture);
}
