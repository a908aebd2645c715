// dynakernel/worker in a page: pictures and canvases that cross, frames, and the end of a worker.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser } from '../../scripts/browsers.mjs';
import { serve } from '../../scripts/serve.mjs';

let site, browser, page;
before(async () => {
  site = await serve({ folders: ['web', 'dist', 'tests'] });
  browser = await launchBrowser();
  page = await browser.newPage();
  await page.goto(`${site.url}web/photos/`).catch(() => {}); // any page of the origin
  await page.evaluate(async () => {
    const [{ load }, { frames, loadInWorker }] = await Promise.all(
      ['/web/dynakernel/index.js', '/web/dynakernel/worker/index.js'].map((path) => import(path)));
    const [local, dk] = await Promise.all([load({ threads: 1 }), loadInWorker({ threads: 1 })]);
    const painted = () => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 8, height: 6 });
      const context = canvas.getContext('2d');
      ['#ff0000', '#00ff00', '#0000ff', '#336699'].forEach((colour, i) => {
        context.fillStyle = colour;
        context.fillRect(2 * i, 0, 2, 6);
      });
      return canvas;
    };
    const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);
    Object.assign(window, { frames, loadInWorker, local, dk, painted, same });
  });
});
after(async () => {
  await browser?.close();
  await site?.close();
});

test('pictures of all kinds cross, and give the numbers of load()', async () => {
  const results = await page.evaluate(async () => {
    const canvas = painted();
    const expected = local.fromImage(canvas).toArray();
    const img = new Image();
    img.src = canvas.toDataURL();
    await img.decode();
    const offscreen = new OffscreenCanvas(8, 6);
    offscreen.getContext('2d').drawImage(canvas, 0, 0);
    const bitmap = await createImageBitmap(canvas), frame = new VideoFrame(canvas, { timestamp: 0 });
    const equal = {};
    for (const [name, picture] of Object.entries({
      canvas, img, offscreen, bitmap, data: canvas.getContext('2d').getImageData(0, 0, 8, 6),
    })) equal[name] = same(await (await dk.fromImage(picture)).data, expected);
    const data = await (await dk.fromImage(frame)).data; // a VideoFrame may have other primaries
    equal.frame = data.every((value, i) => Math.abs(value - expected[i]) < 0.02);
    return { ...equal, moved: [bitmap.width, frame.format] };
  });
  assert.deepEqual(results, {
    canvas: true, img: true, offscreen: true, bitmap: true, data: true, frame: true, moved: [0, null],
  });
});

test('calls stay in order behind an element that takes time to read', async () => {
  const [first, second] = await page.evaluate(async () => {
    const x = await dk.zeros([1, 3, 6, 8]);
    const grey = { data: new Uint8ClampedArray(8 * 6 * 4).fill(51), width: 8, height: 6 };
    const [, before, , later] = await Promise.all([
      dk.fromImage(painted(), { out: x }), x.toArray(), dk.fromImage(grey, { out: x }), x.toArray()]);
    return [before[0], later[0]];
  });
  assert.deepEqual([first, second], [1, Math.fround(0.2)]);
});

test('a canvas crosses once, and is drawn on again and again; an OffscreenCanvas too', async () => {
  const results = await page.evaluate(async () => {
    const canvas = document.createElement('canvas');
    document.body.append(canvas);
    const x = await dk.tensor([0, 1, 2, 3], [1, 1, 2, 2]);
    const ranges = [];
    for (let turn = 0; turn < 3; turn++) ranges.push(await x.drawMap(canvas));
    const shown = async () => {
      await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
      const copy = Object.assign(document.createElement('canvas'), { width: 2, height: 2 }).getContext('2d');
      copy.drawImage(canvas, 0, 0);
      return [...copy.getImageData(0, 0, 2, 2).data].filter((_, i) => i % 4 === 0);
    };
    const before = await shown();
    await (await dk.tensor([3, 2, 1, 0], [1, 1, 2, 2])).drawMap(canvas);
    const after_ = await shown();
    const offscreen = new OffscreenCanvas(1, 1);
    await x.drawMap(offscreen);
    const [grid] = await x.drawMaps(offscreen);
    const read = [...await (await dk.fromImage(offscreen, { channels: 1 })).data].map((value) => Math.round(value * 3));
    return { ranges, before, after: after_, grid, read };
  });
  assert.deepEqual(results, {
    ranges: [[0, 3], [0, 3], [0, 3]], before: [0, 85, 170, 255], after: [255, 170, 85, 0], grid: [0, 3], read: [0, 1, 2, 3],
  });
});

test('canvases that a worker cannot draw on are refused in words', async () => {
  const messages = await page.evaluate(async () => {
    const x = await dk.zeros([1, 1, 2, 2]);
    const transferred = document.createElement('canvas');
    transferred.transferControlToOffscreen();
    const used = new OffscreenCanvas(1, 1);
    used.getContext('2d');
    return Promise.all([painted(), transferred, used, document.body].map((canvas) =>
      x.drawMap(canvas).catch(({ name, code, message }) => `${name} ${code} ${message}`)));
  });
  assert.match(messages[0], /^DynakernelError ERR_IMAGE a worker can only draw on a canvas that has no context yet/);
  assert.match(messages[1], /^DynakernelError ERR_IMAGE a worker can only draw on a canvas/);
  assert.match(messages[2], /^DynakernelError ERR_(CONFIG|IMAGE) /);
  assert.match(messages[3], /^DynakernelError ERR_CONFIG drawMap: .* cannot be sent to a worker/);
});

test('frames: none is queued, each is closed, and the loop ends with its signal, its source and `break`', async () => {
  const results = await page.evaluate(async () => {
    const canvas = painted();
    document.body.append(canvas);
    let count = 0, painting = true;
    (function paint() {
      canvas.getContext('2d').fillRect(count++ % 8, 0, 1, 1);
      if (painting) requestAnimationFrame(paint);
    })();
    const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

    // the body takes longer than three frames: most are dropped
    const begin = count, kept = [];
    for await (const frame of frames(canvas)) {
      kept.push(frame);
      await pause(60);
      if (kept.length === 4) break;
    }
    const dropped = count - begin - kept.length;
    const open = kept.filter((frame) => frame.width > 0).length;

    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    for await (const frame of frames(canvas, { signal: controller.signal })) void frame;
    for await (const frame of frames(canvas, { signal: AbortSignal.abort() })) throw new Error(`a frame: ${frame}`);

    const [track] = canvas.captureStream().getVideoTracks();
    let seen = 0;
    for await (const frame of frames(track)) {
      await dk.fromImage(frame);
      if (++seen === 2) setTimeout(() => { track.stop(); painting = false; }); // stop() fires no event
      if (seen > 2 && track.readyState === 'ended') break;
      if (seen === 3) break;
    }
    return { dropped, open, seen };
  });
  assert.ok(results.dropped >= 4, `${results.dropped} frames were dropped`);
  assert.equal(results.open, 0);
  assert.ok(results.seen >= 2);
});

test('frames refuses other sources', async () => {
  const messages = await page.evaluate(() => [5, document.body, new MediaStream()].map((source) => {
    try {
      return frames(source);
    } catch ({ code, message }) {
      return `${code} ${message}`;
    }
  }));
  assert.match(messages[0], /^ERR_CONFIG frames takes a video element, a MediaStreamTrack or a canvas; got 5/);
  assert.match(messages[1], /^ERR_CONFIG .*HTMLBodyElement/);
  assert.match(messages[2], /^ERR_CONFIG .*pass one of its getVideoTracks\(\)/);
});

test('two threads in the worker of an isolated page', async () => {
  const { threads, equal } = await page.evaluate(async () => {
    const threaded = await loadInWorker({ threads: 2 });
    const options = { inChannels: 3, outChannels: 8, kernelSize: 3, seed: 1 };
    const numbers = Float32Array.from({ length: 3 * 200 * 200 }, (_, i) => Math.sin(i));
    const outputs = await Promise.all([dk, threaded].map(async (runtime) => {
      const block = await runtime.dynamicKernelAggregation(options);
      return (await block.forward(await runtime.tensor(numbers, [1, 3, 200, 200]))).data;
    }));
    const info = await threaded.info;
    await threaded.dispose();
    return { threads: info.threads, equal: same(...outputs) };
  });
  assert.deepEqual({ threads, equal }, { threads: 2, equal: true });
});

test('a worker that ends: pending and later calls are refused in words', async () => {
  const { pending, later, closed } = await page.evaluate(async () => {
    const words = ({ name, code, message }) => `${name} ${code} ${message}`;
    const own = () => new Worker('/tests/own-worker.mjs', { type: 'module' });
    const worker = own();
    const runtime = await loadInWorker({ worker, threads: 1 });
    const waiting = runtime.never().catch(words);
    worker.terminate();
    const results = { pending: await waiting, later: await runtime.zeros([1]).catch(words) };
    // one that closes itself
    const closing = await loadInWorker({ worker: own(), threads: 1 });
    return { ...results, closed: await closing.close().catch(words) };
  });
  assert.match(pending, /^DynakernelError ERR_LOAD the worker of this runtime has ended\. loadInWorker\(\) starts another/);
  assert.match(later, /^DynakernelError ERR_DISPOSED the runtime can no longer be used: .* has ended/);
  assert.match(closed, /^DynakernelError ERR_LOAD the worker of this runtime has ended/);
});
