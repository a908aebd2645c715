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
    // Draws four columns of known colours on any 2d context.
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

/** Features that Firefox ESR lacks without a screen. Any other browser that lacks them fails. */
function lacks(t, what) {
  assert.equal(process.env.BROWSER, 'firefox', `${what} is missing`);
  t.diagnostic(`this Firefox has no ${what}`);
}

const EXPECTED = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [51, 102, 153]];

test('the build that is loaded', async () => {
  const info = await page.evaluate(() => dk.info);
  assert.match(info.simd, /^(baseline|relaxed)$/);
  const failure = await page.evaluate(() => load({ wasm: '/nowhere.wasm' }).catch(({ code, message }) => `${code} ${message}`));
  assert.match(failure, /^ERR_LOAD \/nowhere\.wasm could not be fetched: the server returned 404/);
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

test('a crop of every source is that of its pixels', async () => {
  const differing = await page.evaluate(`(async () => {
    const pixels = painted().getContext('2d').getImageData(0, 0, 8, 6);
    const found = [];
    for (const crop of [{ x: 1, y: 2, width: 4, height: 3 }, { x: -2, y: 3, width: 12, height: 9 }, { x: 1.5, y: -0.75, width: 5, height: 4.5 }]) {
      const options = { crop, width: 7, height: 5 };
      const expected = dk.fromImage(pixels, options).toArray();
      for (const make of [${Object.values(sources).join(', ')}]) {
        const actual = dk.fromImage(await make(), options).toArray();
        found.push(expected.findIndex((value, i) => value !== actual[i]));
      }
    }
    return found;
  })()`);
  assert.deepEqual(differing, Array(3 * Object.keys(sources).length).fill(-1));
});

test('a large picture, which is read and drawn in parts', async () => {
  const differing = await page.evaluate(async () => {
    const [width, height] = [700, 450];
    const large = canvas(width, height);
    const context = large.getContext('2d', { willReadFrequently: true });
    const noise = context.createImageData(width, height);
    noise.data.forEach((_, i, data) => { data[i] = i % 4 === 3 ? 255 : (i * 37 + (i >> 9) * 101) & 255; });
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

test('pixels that the browser made are freed at once, other pixels never', async () => {
  const result = await page.evaluate(async () => {
    const given = [];
    const { prototype } = MessagePort;
    const { postMessage } = prototype;
    prototype.postMessage = function (message, transfer) {
      given.push(...transfer.map(({ byteLength }) => byteLength));
      return postMessage.call(this, message, transfer);
    };
    const made = new ImageData(8, 6);
    const fixture = new ImageData(8, 6);
    try {
      dk.fromImage(painted()).dispose();
      dk.fromImage(await createImageBitmap(painted())).dispose();
      dk.fromImage(made).dispose();
      // a mocked canvas, and a canvas with a replaced method
      dk.fromImage({ width: 8, height: 6, getContext: () => ({ getImageData: () => fixture }) }).dispose();
      const patched = painted();
      patched.getContext('2d').getImageData = () => fixture;
      dk.fromImage(patched).dispose();
    } finally {
      prototype.postMessage = postMessage;
    }
    return { given, made: made.data.length, fixture: fixture.data.length };
  });
  const bytes = 8 * 6 * 4;
  assert.deepEqual(result, { given: [bytes, bytes], made: bytes, fixture: bytes });
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
    const left = columns(frame, { crop: { x: -4, y: 0, width: 8, height: 6 } });
    const sent = frame.clone();
    structuredClone(sent, { transfer: [sent] }).close();
    frame.close();
    return { found, left, closed: refused(frame), sent: refused(sent) };
  });
  if (!result) return lacks(t, 'VideoFrame');
  result.found.flat().forEach((value, i) => assert.ok(Math.abs(value - EXPECTED.flat()[i]) <= 3, String(result.found)));
  [[0, 0, 0], [0, 0, 0], ...EXPECTED.slice(0, 2)].flat().forEach((value, i) =>
    assert.ok(Math.abs(value - result.left.flat()[i]) <= 3, String(result.left)));
  assert.match(result.closed, /^ERR_IMAGE .*VideoFrame.*closed/);
  assert.match(result.sent, /^ERR_IMAGE .*VideoFrame.*closed/);
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
    return { early, found: columns(video), right: columns(video, { crop: { x: 4, y: 0, width: 8, height: 6 } }) };
  });
  assert.match(found.early, /^ERR_IMAGE .*HTMLVideoElement.*first frame/);
  // Video is subsampled and compressed in YUV.
  found.found.flat().forEach((value, i) => assert.ok(Math.abs(value - EXPECTED.flat()[i]) <= 90, String(found.found)));
  [...EXPECTED.slice(2), [0, 0, 0], [0, 0, 0]].flat().forEach((value, i) =>
    assert.ok(Math.abs(value - found.right.flat()[i]) <= 90, String(found.right)));
});

test('refuses pictures without pixels, with the reason', async () => {
  const messages = await page.evaluate(async () => {
    const broken = new Image();
    broken.src = 'data:image/png;base64,AAAA';
    await broken.decode().catch(() => {});
    const bitmap = await createImageBitmap(painted());
    bitmap.close();
    const sent = await createImageBitmap(painted());
    structuredClone(sent, { transfer: [sent] });
    return [
      refused(new Image()), refused(broken), refused(bitmap), refused(new Blob(['x'])), refused('a.png'), refused(sent),
    ];
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
    const local = await createImageBitmap(painted());
    return { image: refused(image), canvas: refused(tainted), local: columns(local) };
  }, url);
  assert.match(result.image, /^ERR_IMAGE .*another origin.*crossOrigin/);
  assert.match(result.canvas, /^ERR_IMAGE .*another origin.*crossOrigin/);
  assert.deepEqual(result.local, EXPECTED);
});

test('a canvas that cannot be drawn on is refused, and stays as it is', async () => {
  const results = await page.evaluate(async () => {
    const found = {};
    for (const kind of ['webgl', 'webgl2', 'webgpu', 'bitmaprenderer', 'transferred']) {
      const made = canvas(30, 20);
      const context = kind === 'transferred' ? made.transferControlToOffscreen()
        : made.getContext(kind, { preserveDrawingBuffer: true });
      if (!context) continue; // this browser has none
      if (kind === 'bitmaprenderer') context.transferFromImageBitmap(await createImageBitmap(painted()));
      if (kind.startsWith('webgl')) {
        context.clearColor(1, 0, 0, 1);
        context.clear(context.COLOR_BUFFER_BIT);
      }
      const size = () => `${made.width}x${made.height}`;
      const before = size();
      for (const draw of ['drawMap', 'drawMaps']) {
        try {
          dk.zeros([1, 1, 2, 2])[draw](made);
          found[`${kind} ${draw}`] = 'accepted';
        } catch ({ code, message }) {
          found[`${kind} ${draw}`] = `${code} ${message}`;
        }
      }
      const pixel = new Uint8Array(4);
      if (kind.startsWith('webgl')) context.readPixels(0, 0, 1, 1, context.RGBA, context.UNSIGNED_BYTE, pixel);
      const kept = !kind.startsWith('webgl') || pixel[0] === 255;
      if (size() !== before || !kept) found[kind] = `changed: ${size()}, ${pixel}`;
    }
    return found;
  });
  assert.ok('bitmaprenderer drawMap' in results && 'transferred drawMaps' in results, Object.keys(results).join());
  for (const message of Object.values(results)) assert.match(message, /^ERR_IMAGE the canvas cannot be drawn on/);
});

test('a sheet larger than canvases can be is drawn, or refused and the canvas stays as it is', async () => {
  const result = await page.evaluate(() => {
    const maps = dk.tensor(new Float32Array(4 * 8 * 8).fill(1), [1, 4, 8, 8]);
    const target = painted();
    const corner = () => [...target.getContext('2d').getImageData(0, 0, 1, 1).data].join();
    let code = 'drawn';
    try {
      maps.drawMaps(target, { columns: 2, gap: 17000, range: [0, 1] });
    } catch (error) {
      ({ code } = error);
    }
    const found = { code, size: `${target.width}x${target.height}`, corner: corner() };
    target.width = 0;
    return found;
  });
  assert.deepEqual(result, result.code === 'drawn'
    ? { code: 'drawn', size: '17016x17016', corner: '255,255,255,255' }
    : { code: 'ERR_IMAGE', size: '8x6', corner: '255,0,0,255' });
});

test('a canvas that the browser does not draw is refused', async () => {
  const message = await page.evaluate(() => {
    const huge = canvas(70000, 50000);
    huge.getContext('2d').fillRect(0, 0, 70000, 50000);
    const first = refused(huge);
    try {
      dk.fromImage(huge, { width: 4, maxPixels: 2 ** 40 });
      return 'accepted';
    } catch ({ code, message: words }) {
      return `${first} / ${code} ${words}`;
    }
  });
  assert.match(message, /^ERR_IMAGE the canvas has 70000x50000 = 3500000000 pixels.*maxPixels.* \/ ERR_IMAGE .*canvas/);
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

test('pixels in display-p3 and of 16 bits become sRGB as the browser converts them', async () => {
  const results = await page.evaluate(() => {
    const colours = [[128, 64, 32], [51, 102, 153], [40, 200, 90], [255, 0, 0]];
    const bytes = (x) => [...x.toArray()].map((value) => Math.round(255 * value)).join();
    const found = [];
    for (const colour of colours) {
      const p3 = { data: Uint8ClampedArray.of(...colour, 255), width: 1, height: 1, colorSpace: 'display-p3' };
      let wide = null; // Firefox's ImageData has no colour space
      try {
        wide = new ImageData(p3.data, 1, 1, { colorSpace: 'display-p3' });
      } catch {
        // stays null
      }
      const made = canvas(1, 1).getContext('2d');
      if (wide?.colorSpace === 'display-p3') made.putImageData(wide, 0, 0);
      const halves = Float16Array.from([...colour, 255], (value) => value / 255);
      found.push({
        object: bytes(dk.fromImage(p3)),
        halves: bytes(dk.fromImage({ ...p3, data: halves, pixelFormat: 'rgba-float16' })),
        plainHalves: bytes(dk.fromImage({ data: halves, width: 1, height: 1, pixelFormat: 'rgba-float16' })),
        colour: colour.join(),
        imageData: wide?.colorSpace === 'display-p3' ? bytes(dk.fromImage(wide)) : null,
        browser: wide?.colorSpace === 'display-p3' ? made.getImageData(0, 0, 1, 1).data.slice(0, 3).join() : null,
      });
    }
    return found;
  });
  const reference = ['138,59,21', null, '0,204,73', '255,0,0'];
  const near = (actual, expected) => actual.split(',').forEach((value, i) =>
    assert.ok(Math.abs(value - expected.split(',')[i]) <= 1, `${actual}, expected ${expected}`));
  results.forEach(({ object, halves, plainHalves, colour, imageData, browser: drawn }, i) => {
    if (reference[i]) near(object, reference[i]);
    near(halves, object);
    assert.equal(plainHalves, colour);
    if (imageData === null) return;
    assert.equal(imageData, object);
    near(drawn, object);
  });
});

test('drawMap and toImageData have the same pixels', async () => {
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
