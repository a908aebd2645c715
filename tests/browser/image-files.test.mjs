// Photographs and drawings in a page: densities, orientation, sizes, SVG. fromImage always reads the whole picture.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createCanvas } from '@napi-rs/canvas';
import { after, before, test } from 'node:test';
import { launchBrowser } from '../../scripts/browsers.mjs';
import { serve } from '../../scripts/serve.mjs';
import { Random } from '../../web/shared/random.js';

/** The first half of a PNG. The rest never comes. */
function beginning() {
  const canvas = createCanvas(300, 300);
  const context = canvas.getContext('2d');
  const noise = context.createImageData(300, 300);
  const random = new Random(1);
  noise.data.forEach((_, i, data) => { data[i] = i % 4 === 3 ? 255 : random.below(256); });
  context.putImageData(noise, 0, 0);
  const file = canvas.toBuffer('image/png');
  return file.subarray(0, file.length / 2);
}

let site, slow, browser, page;
before(async () => {
  site = await serve();
  const half = beginning();
  slow = createServer((request, response) => response.writeHead(200, {
    'content-type': 'image/png', 'content-length': 2 * half.length, 'cross-origin-resource-policy': 'cross-origin',
  }).write(half));
  await new Promise((ready) => slow.listen(0, '127.0.0.1', ready));
  browser = await launchBrowser();
  page = await browser.newPage();
  await page.goto(`${site.url}web/photos/`).catch(() => {}); // any page of the origin
  await page.evaluate(async () => {
    const { load } = await import('/web/dynakernel/index.js');
    const dk = await load({ threads: 1 });
    const canvas = (width, height) => Object.assign(document.createElement('canvas'), { width, height });

    /** A canvas of four quarters: yellow, green / red, black. */
    const quarters = (width, height) => {
      const made = canvas(width, height);
      const context = made.getContext('2d');
      ['#ffff00', '#00ff00', '#ff0000', '#000000'].forEach((colour, i) => {
        context.fillStyle = colour;
        context.fillRect((i % 2) * width / 2, Math.floor(i / 2) * height / 2, width / 2, height / 2);
      });
      return made;
    };
    const url = (made, type = 'image/png') => made.toDataURL(type);

    /** The size, and the colours at the corners as fromImage sees them. */
    const seen = (source, options) => {
      let x;
      try {
        x = dk.fromImage(source, options);
      } catch ({ code, message }) {
        return `${code} ${message}`;
      }
      const [, , height, width] = x.shape;
      const data = x.toArray();
      x.dispose();
      const names = { '1,1,0': 'yellow', '0,1,0': 'green', '1,0,0': 'red', '0,0,0': 'black' };
      const colour = (left, top) => names[[0, 1, 2].map((c) => Math.round(data[(c * height + top) * width + left])).join()];
      const [right, bottom] = [width - 1, height - 1];
      return `${width}x${height} ${[colour(0, 0), colour(right, 0), colour(0, bottom), colour(right, bottom)].join(' ')}`;
    };

    const shown = async (attributes, style = '') => {
      const image = new Image();
      for (const [name, value] of Object.entries(attributes)) image.setAttribute(name, value);
      image.style.cssText = style;
      document.body.append(image);
      await image.decode();
      void image.offsetWidth; // makes the browser apply the style
      return image;
    };

    /** A JPEG with an orientation in its metadata. */
    const photo = async (width, height, orientation) => {
      const jpeg = new Uint8Array(await (await fetch(url(quarters(width, height), 'image/jpeg'))).arrayBuffer());
      const exif = Uint8Array.of(0xff, 0xe1, 0, 34, ...[...'Exif\0\0MM\0*'].map((letter) => letter.charCodeAt(0)),
        0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0);
      return URL.createObjectURL(new Blob([jpeg.subarray(0, 2), exif, jpeg.subarray(2)], { type: 'image/jpeg' }));
    };

    /** A drawing of the quarters. */
    const drawing = (attributes) => `data:image/svg+xml,${encodeURIComponent(
      `<svg xmlns="http://www.w3.org/2000/svg" ${attributes}><rect width="50%" height="50%" fill="#ff0"/>` +
      '<rect x="50%" width="50%" height="50%" fill="#0f0"/><rect y="50%" width="50%" height="50%" fill="#f00"/>' +
      '<rect x="50%" y="50%" width="50%" height="50%"/></svg>')}`;
    Object.assign(window, { dk, canvas, quarters, url, seen, shown, photo, drawing });
  });
});
after(async () => {
  await browser?.close();
  await site?.close();
  slow?.closeAllConnections();
  slow?.close();
});

const UPRIGHT = 'yellow green red black';

test('an img of any density', async () => {
  const results = await page.evaluate(async () => {
    const file = url(quarters(96, 48));
    const found = {};
    for (const density of ['1x', '1.5x', '2x', '3x', '0.5x']) {
      const image = await shown({ srcset: `${file} ${density}` });
      found[density] = seen(image);
      found[`${density} resized`] = seen(image, { width: 16 });
      found[`${density} enlarged`] = seen(image, { width: 200, height: 100 });
    }
    found.sizes = seen(await shown({ srcset: `${file} 96w`, sizes: '24px' }));
    const picture = document.createElement('picture');
    picture.innerHTML = `<source srcset="${file} 2x"><img src="${file}">`;
    document.body.append(picture);
    await picture.lastChild.decode();
    found.picture = seen(picture.lastChild);
    return found;
  });
  for (const [name, result] of Object.entries(results)) assert.ok(result.endsWith(` ${UPRIGHT}`), `${name}: ${result}`);
  assert.match(results['1x'], /^96x48 /);
  assert.match(results['2x'], /^48x24 /);
  assert.match(results['2x resized'], /^16x8 /);
  assert.match(results.sizes, /^24x12 /);
});

test('an img that the page shows at another size', async () => {
  const results = await page.evaluate(async () => {
    const file = url(quarters(40, 20));
    return [
      seen(await shown({ src: file, width: 7, height: 90 })),
      seen(await shown({ src: file }, 'width: 300px; height: 10px; object-fit: cover; object-position: right')),
      seen(await shown({ src: file }, 'display: none')),
      seen(await shown({ srcset: `${file} 2x`, width: 7 }, 'transform: rotate(90deg); image-rendering: pixelated')),
    ];
  });
  assert.deepEqual(results, [`40x20 ${UPRIGHT}`, `40x20 ${UPRIGHT}`, `40x20 ${UPRIGHT}`, `20x10 ${UPRIGHT}`]);
});

test('photographs of a turned camera', async () => {
  const results = await page.evaluate(async () => {
    const found = {};
    for (const orientation of [1, 3, 6, 8]) {
      const file = await photo(64, 32, orientation);
      found[orientation] = seen(await shown({ src: file }));
      found[`${orientation} 2x`] = seen(await shown({ srcset: `${file} 2x` }));
      const unturned = await shown({ src: file }, 'image-orientation: none');
      found[`${orientation} none`] = seen(unturned);
    }
    return found;
  });
  const turned = {
    1: UPRIGHT, 3: 'black red green yellow', 6: 'red yellow black green', 8: 'green black yellow red',
  };
  for (const [orientation, colours] of Object.entries(turned)) {
    const upright = orientation < 5;
    assert.equal(results[orientation], `${upright ? '64x32' : '32x64'} ${colours}`);
    assert.equal(results[`${orientation} 2x`], `${upright ? '32x16' : '16x32'} ${colours}`);
    // Some browsers apply this style to a canvas, others do not. All must read the whole picture.
    assert.ok([`64x32 ${UPRIGHT}`, results[orientation]].includes(results[`${orientation} none`]), results[`${orientation} none`]);
  }
});

test('large photographs, which are drawn in bands', async () => {
  const results = await page.evaluate(async () => {
    const [width, height] = [3000, 4500];
    const large = quarters(width, height);
    const context = large.getContext('2d');
    for (let y = 0; y < height; y += 3) { // each strip of rows has its own colour
      context.fillStyle = `rgb(${y % 256}, ${y >> 8}, 99)`;
      context.fillRect(1000, y, 1000, 3);
    }
    const file = URL.createObjectURL(await new Promise((done) => large.toBlob(done)));
    const found = [];
    for (const attributes of [{ src: file }, { srcset: `${file} 1.5x` }, { srcset: `${file} 1x` }]) {
      const image = await shown(attributes);
      const [W, H] = [image.naturalWidth, image.naturalHeight];
      const whole = canvas(W, H).getContext('2d', { willReadFrequently: true });
      whole.drawImage(image, 0, 0, W, H);
      const { data } = whole.getImageData(0, 0, W, H);
      const x = dk.fromImage(image);
      const pixels = x.toArray();
      x.dispose();
      let worst = 0;
      for (let i = 0; i < W * H; i += 101) {
        for (let c = 0; c < 3; c++) worst = Math.max(worst, Math.abs(255 * pixels[c * W * H + i] - data[4 * i + c]));
      }
      found.push({ seen: seen(image), worst: Math.round(worst) });
    }
    return found;
  });
  assert.deepEqual(results.map((result) => result.seen),
    [`3000x4500 ${UPRIGHT}`, `2000x3000 ${UPRIGHT}`, `3000x4500 ${UPRIGHT}`]);
  assert.deepEqual([results[0].worst, results[2].worst], [0, 0], 'bit for bit, with a density of 1');
  assert.ok(results[1].worst <= 2, `scaled, the bands are ${results[1].worst} apart from the whole`);
});

test('SVG: the whole drawing, or the reason', async () => {
  const results = await page.evaluate(async () => {
    const see = async (attributes, options) => seen(await shown({ src: drawing(attributes) }), options);
    return {
      sized: await see('width="20" height="10"'),
      bands: await see('width="3000" height="3000"'),
      viewBox: await see('viewBox="0 0 10 10"'),
      'viewBox resized': await see('viewBox="0 0 10 10"', { width: 32, height: 16 }),
      wide: await see('viewBox="0 0 20 10"'),
      bare: await see(''),
      percent: await see('width="100%" height="100%"'),
      stretched: await see('viewBox="0 0 10 10" preserveAspectRatio="none"'),
      'width alone': await see('width="30" viewBox="0 0 10 10"'),
      tiny: await see('width="0.3" height="0.3"'),
    };
  });
  const { tiny, ...whole } = results;
  assert.match(tiny, /^ERR_IMAGE .*an SVG needs a width and height/);
  for (const [name, result] of Object.entries(whole)) assert.ok(result.endsWith(` ${UPRIGHT}`), `${name}: ${result}`);
  assert.match(whole.sized, /^20x10 /);
  assert.match(whole['viewBox resized'], /^32x16 /);
  assert.match(whole.wide, /^(\d+)x/);
});

test('a small file of a huge picture is refused at once', async () => {
  const results = await page.evaluate(async () => {
    const found = [];
    for (const length of [40000, 1000000]) {
      const image = await shown({ src: drawing(`width="${length}" height="${length}"`) }, 'width: 10px');
      found.push(seen(image, { width: 16 }));
    }
    const small = await shown({ src: drawing('width="30" height="20"') });
    found.push(seen(small, { maxPixels: 599 }), seen(small, { maxPixels: 600 }));
    return found;
  });
  assert.match(results[0], /^ERR_IMAGE .*40000x40000 = 1600000000 pixels.*268435456.*maxPixels/);
  assert.match(results[1], /^ERR_IMAGE .*maxPixels/);
  assert.match(results[2], /^ERR_IMAGE .*30x20 = 600 pixels.*599/);
  assert.equal(results[3], `30x20 ${UPRIGHT}`);
});

test('a picture whose end has not arrived', async () => {
  const result = await page.evaluate(async (address) => {
    const image = new Image();
    image.src = address;
    for (let i = 0; i < 50 && image.naturalWidth === 0; i++) await new Promise((done) => setTimeout(done, 100));
    const found = { width: image.naturalWidth, seen: seen(image) };
    image.src = '';
    return found;
  }, `http://127.0.0.1:${slow.address().port}/`);
  assert.equal(result.width, 300, 'its size is known');
  assert.match(result.seen, /^ERR_IMAGE .*HTMLImageElement has no pixels yet.*decode\(\)/);
});

test('a picture that is wider than canvases can be', async () => {
  const results = await page.evaluate(async () => {
    const image = await shown({ src: drawing('width="70000" height="20"') }, 'width: 10px');
    return [image.naturalWidth, seen(image, { width: 16, height: 2 })];
  });
  assert.equal(results[0], 70000);
  assert.ok(results[1] === `16x2 ${UPRIGHT}` || /^ERR_IMAGE .*70000x20/.test(results[1]), results[1]);
});
