// The wrapper with the pictures and canvases that only a browser has.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { launchBrowser } from '../../scripts/browsers.mjs';
import { serve } from '../../scripts/serve.mjs';

const RED_PNG = Buffer.from( // one opaque red pixel
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==', 'base64');

let site, foreign, browser, page;
before(async () => {
  site = await serve();
  foreign = createServer((request, response) => response // allows embedding, but not reading
    .writeHead(200, { 'content-type': 'image/png', 'cross-origin-resource-policy': 'cross-origin' }).end(RED_PNG));
  await new Promise((ready) => foreign.listen(0, '127.0.0.1', ready));
  browser = await launchBrowser();
  page = await browser.newPage();
  await page.goto(`${site.url}web/photos/`).catch(() => {}); // any page of the origin
  await page.evaluate(async () => {
    const { load } = await import('/web/dynakernel/index.js');
    const dk = await load();
    const canvas = (width, height) => Object.assign(document.createElement('canvas'), { width, height });
    // Four columns of known colours, drawn on any 2d context.
    const paint = (context) => {
      ['#ff0000', '#00ff00', '#0000ff', '#336699'].forEach((colour, i) => {
        context.fillStyle = colour;
        context.fillRect(2 * i, 0, 2, 6);
      });
    };
    const painted = () => {
      const made = canvas(8, 6);
      paint(made.getContext('2d'));
      return made;
    };
    // The colours of the columns as fromImage sees them, 0 to 255.
    const columns = (source, options) => {
      const x = dk.fromImage(source, options);
      const [, channels, height, width] = x.shape;
      const data = x.toArray();
      x.dispose();
      return [1, 3, 5, 7].map((left) => Array.from({ length: channels }, (_, c) =>
        Math.round(data[(c * height + 4) * width + left] * 255)));
    };
    const refused = (source) => {
      try {
        dk.fromImage(source);
        return 'accepted';
      } catch ({ code, message }) {
        return `${code} ${message}`;
      }
    };
    Object.assign(window, { dk, load, canvas, paint, painted, columns, refused });
  });
});
after(async () => {
  await browser?.close();
  await site?.close();
  foreign?.close();
});

/** What Firefox ESR lacks, without a screen; any other browser that lacks it fails. */
function lacks(t, what) {
  assert.equal(process.env.BROWSER, 'firefox', `${what} is missing`);
  t.diagnostic(`this Firefox has no ${what}`);
}

const EXPECTED = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [51, 102, 153]];

test('the build that is loaded', async () => {
  const info = await page.evaluate(() => dk.info);
  assert.match(info.simd, /^(baseline|relaxed)$/);
  const failure = await page.evaluate(() => load({ wasm: '/nowhere.wasm' }).catch(({ code, message }) => `${code} ${message}`));
  assert.match(failure, /^ERR_LOAD \/nowhere\.wasm could not be fetched: the server answered 404/);
  const html = await page.evaluate(() => load({ wasm: '/web/' }).catch(({ code, message }) => `${code} ${message}`));
  assert.match(html, /^ERR_LOAD \/web\/ is not a WebAssembly module.*text\/html/);
});

/** Each makes a picture of the four columns inside the page. */
const sources = {
  canvas: () => painted(),
  'ImageData': () => painted().getContext('2d').getImageData(0, 0, 8, 6),
  OffscreenCanvas: () => {
    const made = new OffscreenCanvas(8, 6);
    paint(made.getContext('2d'));
    return made;
  },
  ImageBitmap: () => createImageBitmap(painted()),
  img: async () => {
    const image = new Image();
    image.src = painted().toDataURL();
    await image.decode();
    return image;
  },
  'img that the page shows at another size': async () => {
    const image = new Image(50, 70);
    image.src = painted().toDataURL();
    await image.decode();
    return image;
  },
  'ImageBitmap canvas': async () => {
    const made = canvas(8, 6);
    made.getContext('bitmaprenderer').transferFromImageBitmap(await createImageBitmap(painted()));
    return made;
  },
};

for (const [name, make] of Object.entries(sources)) {
  test(`reads: ${name}`, async () => {
    const columns = await page.evaluate(`Promise.resolve((${make})()).then((source) => columns(source))`);
    assert.deepEqual(columns, EXPECTED);
  });
}

test('a large picture, which is read and drawn in parts', async () => {
  const differing = await page.evaluate(async () => {
    const [width, height] = [700, 450];
    const large = canvas(width, height);
    const context = large.getContext('2d', { willReadFrequently: true });
    const noise = context.createImageData(width, height);
    noise.data.forEach((_, i, all) => { all[i] = i % 4 === 3 ? 255 : (i * 37 + (i >> 9) * 101) & 255; });
    context.putImageData(noise, 0, 0);
    const target = canvas(1, 1);
    const results = [];
    for (const source of [large, await createImageBitmap(large), noise]) {
      const x = dk.fromImage(source);
      x.drawMap(target, { channel: 'rgb', range: [0, 1] });
      const { data } = target.getContext('2d').getImageData(0, 0, width, height);
      results.push(data.findIndex((value, i) => value !== noise.data[i]));
      x.dispose();
    }
    return results;
  });
  assert.deepEqual(differing, [-1, -1, -1]);
});

test('memory of pixels that were read is given back at once, but never that of the caller', async () => {
  const lengths = await page.evaluate(() => {
    const read = [];
    const { prototype } = CanvasRenderingContext2D;
    const { getImageData } = prototype;
    prototype.getImageData = function (...args) {
      const pixels = getImageData.apply(this, args);
      read.push(pixels);
      return pixels;
    };
    try {
      dk.fromImage(painted()).dispose();
    } finally {
      prototype.getImageData = getImageData;
    }
    const own = new ImageData(8, 6);
    dk.fromImage(own).dispose();
    return { read: read.map(({ data }) => data.length), own: own.data.length };
  });
  assert.deepEqual(lengths, { read: [0], own: 8 * 6 * 4 });
});

test('reads: a WebGL canvas', async (t) => {
  const columns = await page.evaluate(() => {
    const made = canvas(8, 6);
    const gl = made.getContext('webgl', { preserveDrawingBuffer: true });
    if (!gl) return undefined;
    gl.clearColor(0.2, 0.4, 0.6, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    return window.columns(made);
  });
  if (columns === undefined) return lacks(t, 'WebGL');
  assert.deepEqual(columns, Array(4).fill([51, 102, 153]));
});

test('reads: a VideoFrame', async (t) => {
  const result = await page.evaluate(() => {
    if (typeof VideoFrame !== 'function') return undefined;
    const frame = new VideoFrame(painted(), { timestamp: 0 });
    const found = columns(frame);
    frame.close();
    return { found, closed: refused(frame) };
  });
  if (!result) return lacks(t, 'VideoFrame');
  result.found.flat().forEach((value, i) => assert.ok(Math.abs(value - EXPECTED.flat()[i]) <= 3, String(result.found)));
  assert.match(result.closed, /^ERR_IMAGE .*VideoFrame.*closed/);
});

test('reads: a video', async () => {
  const found = await page.evaluate(async () => {
    const source = painted();
    const video = document.createElement('video');
    video.muted = true;
    const early = refused(video);
    video.srcObject = source.captureStream();
    await video.play();
    const redraw = setInterval(() => paint(source.getContext('2d')), 20);
    await new Promise((done) => (video.requestVideoFrameCallback ? video.requestVideoFrameCallback(done) : setTimeout(done, 500)));
    clearInterval(redraw);
    return { early, found: columns(video) };
  });
  assert.match(found.early, /^ERR_IMAGE .*HTMLVideoElement.*first frame/);
  // Video is subsampled and compressed in YUV.
  found.found.flat().forEach((value, i) => assert.ok(Math.abs(value - EXPECTED.flat()[i]) <= 90, String(found.found)));
});

test('refuses pictures that are not there, with the reason', async () => {
  const messages = await page.evaluate(async () => {
    const broken = new Image();
    broken.src = 'data:image/png;base64,AAAA';
    await broken.decode().catch(() => {});
    const bitmap = await createImageBitmap(painted());
    bitmap.close();
    return [refused(new Image()), refused(broken), refused(bitmap), refused(new Blob(['x'])), refused('a.png')];
  });
  for (const message of messages) assert.match(message, /^ERR_IMAGE /);
  assert.match(messages[0], /decode\(\)/);
  assert.match(messages[3], /createImageBitmap/);
});

test('refuses pictures of another origin, and reads its own afterwards', async () => {
  const url = `http://127.0.0.1:${foreign.address().port}/red.png`;
  const result = await page.evaluate(async (address) => {
    const image = new Image();
    image.src = address;
    await image.decode();
    const tainted = canvas(1, 1);
    tainted.getContext('2d').drawImage(image, 0, 0);
    const own = await createImageBitmap(painted());
    return { image: refused(image), canvas: refused(tainted), own: columns(own) };
  }, url);
  assert.match(result.image, /^ERR_IMAGE .*another origin.*crossOrigin/);
  assert.match(result.canvas, /^ERR_IMAGE .*another origin.*crossOrigin/);
  assert.deepEqual(result.own, EXPECTED);
});

test('a transferred canvas cannot be drawn on, and says so', async () => {
  const message = await page.evaluate(() => {
    const made = canvas(2, 2);
    made.transferControlToOffscreen();
    try {
      dk.zeros([2, 2]).drawMap(made);
      return 'accepted';
    } catch ({ code, message: words }) {
      return `${code} ${words}`;
    }
  });
  assert.match(message, /^ERR_IMAGE the canvas cannot be drawn on/);
});

test('a display-p3 canvas is read and drawn as sRGB', async (t) => {
  const result = await page.evaluate(() => {
    const wide = canvas(4, 4);
    const context = wide.getContext('2d', { colorSpace: 'display-p3' });
    if (context.getContextAttributes?.().colorSpace !== 'display-p3') return undefined;
    context.fillStyle = '#336699'; // CSS colours are sRGB
    context.fillRect(0, 0, 4, 4);
    const x = dk.fromImage(wide);
    const pixel = [0, 1, 2].map((c) => Math.round(x.data[16 * c] * 255));
    x.drawMap(wide, { channel: 'rgb', range: [0, 1] });
    return { pixel, drawn: [...wide.getContext('2d').getImageData(0, 0, 1, 1, { colorSpace: 'srgb' }).data] };
  });
  if (!result) return lacks(t, 'display-p3 canvas');
  const close = (actual, expected) => actual.forEach((value, i) =>
    assert.ok(Math.abs(value - expected[i]) <= 1, `${actual}, expected ${expected}`));
  close(result.pixel, [51, 102, 153]);
  close(result.drawn, [51, 102, 153, 255]);
});

test('what is drawn is what toImageData has', async () => {
  const same = await page.evaluate(() => {
    const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 6, kernelSize: 3, padding: 1, seed: 1 });
    const y = block.forward(dk.fromImage(painted()));
    const target = canvas(1, 1);
    const pixels = (x, yy) => [...target.getContext('2d').getImageData(x, yy, 8, 6).data].join();
    const results = [];
    for (const colormap of ['gray', 'viridis', 'turbo', 'coolwarm']) {
      y.drawMap(target, { channel: 2, colormap });
      results.push(pixels(0, 0) === [...y.toImageData({ channel: 2, colormap }).data].join());
    }
    y.drawMaps(target, { columns: 3, gap: 2 });
    results.push(target.width === 28 && target.height === 14);
    results.push(pixels(20, 8) === [...y.toImageData({ channel: 5 }).data].join());
    results.push(y.toImageData() instanceof ImageData);
    const offscreen = new OffscreenCanvas(1, 1);
    y.drawMap(offscreen, { channel: 1 });
    results.push(offscreen.width === 8);
    return results;
  });
  assert.ok(same.every(Boolean), String(same));
});
