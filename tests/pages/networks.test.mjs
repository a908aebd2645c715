// The page Networks shows what the library computes, and says what it cannot open.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { root } from '../../scripts/project.mjs';
import { diteLike } from '../network/onnx/dite-like.mjs';
import {
  attention, check, classes, classifier, enlarger, give, heatmaps, layers, openNetworks, pick, settled, title, unsupported,
  vectors,
} from './networks.mjs';
import { browserName, drop, readCanvas, servePlainly, shownError, start, text } from './support.mjs';

const PHOTOS = ['astronaut', 'chelsea', 'coffee', 'rocket'];
const DYNAMIC = ['detail', 'exposure', 'balance', 'edges'];

const isHidden = (page, id) => page.$eval(`#${id}`, (element) => !element.checkVisibility());

describe(`networks in ${browserName}`, () => {
  let session;
  before(async () => {
    session = await start();
  });
  after(() => session?.close());

  it('starts with the example: attention, layers with times, three outputs', async () => {
    const page = await openNetworks(session);
    assert.equal(await title(page), 'Example: a darkroom');
    assert.match(await text(page, '#summary'), /written by hand and not trained/);
    assert.deepEqual(Object.keys(await attention(page)).sort(), [...DYNAMIC].sort());
    assert.equal(await text(page, '#dynamic-count'), '4');

    const list = await layers(page);
    assert.equal(await text(page, '#layer-count'), String(list.length));
    for (const name of DYNAMIC) assert.ok(list.some((layer) => layer.name === name && /dynamicConv2d/.test(layer.op)), name);
    for (const { name, ms, bar } of list) assert.ok(ms >= 0 && bar >= 1, `${name}: ${ms} ms, a bar of ${bar} px`);
    const [slowest] = [...list].sort((a, b) => b.ms - a.ms);
    assert.ok(slowest.ms > 0);
    assert.ok(list.every(({ bar }) => bar <= slowest.bar + 0.01), 'the slowest layer has the longest bar');
    assert.equal(await page.$$eval('#strip i', (parts) => parts.length), list.length);
    assert.match(await text(page, '#kinds'), /dynamic convolutions \d+ %/);
    assert.match(await text(page, '#run-time'), /^(< )?[\d.]+ ms$/);
    assert.match(await text(page, '#build'), /^\d+\.\d+\.\d+ · (baseline|relaxed) SIMD · \d+ threads?$/);

    await check(page, 'order', 'time');
    const sorted = (await layers(page)).map(({ ms }) => ms);
    assert.deepEqual(sorted, [...sorted].sort((a, b) => b - a));

    await check(page, 'output', 'mood');
    assert.deepEqual((await classes(page)).slice(0, 2).map(([name]) => name).sort(), ['cool', 'dark'], 'an evening sky');
    const total = (await classes(page)).reduce((sum, [, share]) => sum + parseFloat(share), 0);
    assert.ok(Math.abs(total - 100) < 1, `the probabilities add up to ${total} %`);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('shows the pictures, the attention and the inner values that the library computes', async () => {
    const page = await openNetworks(session);
    const seen = {};
    for (const photo of PHOTOS) {
      await check(page, 'photo', `${photo}.jpg`);
      await check(page, 'output', 'picture');
      const result = await page.evaluate(compareExample, photo);
      assert.equal(result.different, 0, `${photo}: pixels that differ from the library's`);
      assert.equal(result.differentInside, 0, `${photo}: pixels of the inner value`);
      seen[photo] = await attention(page);
      for (const [layer, weights] of Object.entries(result.attention)) {
        weights.forEach((weight, k) => assert.equal(seen[photo][layer][k], Number(weight.toFixed(3)), `${photo}, ${layer}`));
      }
    }
    // what the captions promise
    const chosen = (photo, layer) => seen[photo][layer].indexOf(Math.max(...seen[photo][layer]));
    assert.deepEqual(PHOTOS.map((photo) => chosen(photo, 'detail')), [1, 1, 1, 0], 'sharpen, or smooth in the dark');
    assert.deepEqual(PHOTOS.map((photo) => chosen(photo, 'exposure')), [1, 1, 1, 0], 'brighten the evening');
    assert.deepEqual(PHOTOS.map((photo) => chosen(photo, 'balance')), [1, 0, 0, 2], 'cool down, or warm up');
    assert.deepEqual(PHOTOS.map((photo) => chosen(photo, 'edges')), [0, 2, 2, 1]);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('draws heat maps over the picture', async () => {
    const page = await openNetworks(session);
    await check(page, 'output', 'edges');
    assert.equal(await text(page, '#output-shape'), '1 × 4 × 64 × 96');
    const all = await readCanvas(page, '#output-canvas');
    assert.deepEqual([all.width, all.height], [384, 256], 'of the size of the picture');
    await pick(page, 'channel', '2');
    const one = await readCanvas(page, '#output-canvas');
    assert.ok(!Buffer.from(all.data).equals(Buffer.from(one.data)), 'one map looks different');
    assert.match(await text(page, '#output-caption'), /^Heat from .* to .*\.$/);
    await pick(page, 'view', 'maps');
    await pick(page, 'channel', 'all');
    const maps = await readCanvas(page, '#output-canvas');
    assert.deepEqual([maps.width, maps.height], [2 * 96 + 1, 2 * 64 + 1], 'a grid of four');
    await pick(page, 'view', 'numbers');
    assert.match(await text(page, '#numbers'), /^\[1, 4, 64, 96\]/);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('opens an ONNX file: layers, dynamic layers by their PyTorch names, an inner value', async () => {
    const page = await openNetworks(session);
    await give(page, ['dite.onnx', diteLike()]);
    assert.equal(await title(page), 'dite.onnx');
    assert.deepEqual(Object.keys(await attention(page)).sort(), ['stem.branch1.0.conv', 'stem.branch2.2.conv']);
    assert.equal(await text(page, '#output-shape'), '1 × 16 × 16 × 12');
    assert.match(await text(page, '#input-hint'), /does not say how pixels are normalised/);
    assert.match(await text(page, '#snippet'), /dk\.onnxNetwork\(file\);/);

    const before = await attention(page);
    await check(page, 'photo', 'coffee.jpg');
    assert.notDeepEqual(await attention(page), before, 'another picture, another attention');

    const [value] = await page.$$eval('input[name="layer"]', (inputs) =>
      inputs.filter((input) => !input.disabled).map((input) => input.value));
    await check(page, 'layer', value);
    assert.equal(await text(page, '#inner-title'), value);
    assert.match(await text(page, '#inner-caption'), /^16 maps of 6 × 8, each in its own range/);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('shows classes by probability, with labels from a file', async () => {
    const page = await openNetworks(session);
    await give(page, ['classifier.onnx', classifier([0, Math.log(2), Math.log(5), -1e6])]);
    assert.equal(await text(page, '#output-shape'), '1 × 4');
    assert.deepEqual(await classes(page), [
      ['class 2', '62.5 %'], ['class 1', '25.0 %'], ['class 0', '12.5 %'], ['class 3', '0.00 %'],
    ]);
    assert.match(await text(page, '#output-caption'), /softmax of the network’s scores.*Open labels/);
    await give(page, ['labels.txt', Buffer.from('cat\ndog\ncup\nrocket\n')]);
    assert.deepEqual((await classes(page)).map(([name]) => name), ['cup', 'dog', 'cat', 'rocket']);
    assert.equal(await title(page), 'classifier.onnx', 'labels do not replace the network');
    assert.match(await text(page, '#attention-hint'), /no dynamic layers/);
    await page.$eval('#example', (button) => button.click());
    await settled(page);
    await check(page, 'output', 'mood');
    assert.equal((await classes(page)).length, 5, 'the example has labels of its own');
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('shows an output of the size of the picture, or a multiple, as a picture', async () => {
    const page = await openNetworks(session);
    await give(page, ['enlarger.onnx', enlarger]);
    assert.equal(await page.$eval('#view', (select) => select.value), 'image');
    const { width, height } = await readCanvas(page, '#output-canvas');
    assert.deepEqual([width, height], [32, 48]);
    assert.match(await text(page, '#input-hint'), /Random numbers stand in for gain \[1, 3, 1, 1\]/);
    assert.equal(await page.$eval('#normalisation', (select) => select.selectedOptions[0].textContent), 'not at all');
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('runs a network that takes no picture on random numbers', async () => {
    const page = await openNetworks(session);
    await give(page, ['vectors.onnx', vectors]);
    assert.equal(await text(page, '#input-hint'), 'This network takes no picture. Random numbers stand in for features [1, 6].');
    assert.equal(await isHidden(page, 'input-picture'), true);
    assert.equal((await classes(page)).length, 3);
    assert.match(await text(page, '#snippet'), /const x0 = dk\.zeros\(\[1, 6\]\); \/\/ features\nconst output = net\.forward\(x0\);/);
    await page.$eval('#example', (button) => button.click());
    await settled(page);
    assert.equal(await isHidden(page, 'input-picture'), false);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('asks for sizes that a file leaves open, and says why some do not do', async () => {
    const page = await openNetworks(session);
    assert.equal(await give(page, ['open.onnx', heatmaps()]), 'asking');
    assert.match(await text(page, '#sizes-hint'), /“open\.onnx” leaves sizes/);
    const fields = () => page.$$eval('#size-fields input', (inputs) => inputs.map(({ value }) => value));
    assert.deepEqual(await fields(), ['1', '224', '224']);
    assert.equal(await page.evaluate(() => document.activeElement.closest('form')?.id), 'sizes', 'the form has the focus');
    const fill = (...values) => page.$$eval('#size-fields input', (inputs, list) => inputs.forEach((input, i) => {
      input.value = list[i];
    }), values);

    await fill('1', '', '40');
    await page.click('#use-sizes');
    assert.match(await shownError(page, 'sizes-error'), /height must be a whole number/);
    await fill('1', '41', '40');
    await page.click('#use-sizes');
    await page.waitForFunction(() => document.getElementById('networks').dataset.state === 'asking');
    assert.match(await shownError(page, 'sizes-error'), /Concat/);
    await fill('1', '60', '40');
    await page.click('#use-sizes');
    await page.waitForFunction(() => document.getElementById('title').textContent === 'open.onnx');
    await settled(page);
    assert.equal(await text(page, '#output-shape'), '1 × 5 × 30 × 20');
    assert.match(await text(page, '#snippet'), /shapes: \{ image: \[1, 3, 60, 40\] \}/);

    // other sizes later
    await fill('1', '80', '64');
    await page.click('#use-sizes');
    await page.waitForFunction(() => document.getElementById('output-shape').textContent === '1 × 5 × 40 × 32');
    await settled(page);
    await fill('1', '81', '64');
    await page.click('#use-sizes');
    await page.waitForFunction(() => !document.getElementById('sizes-error').hidden);
    assert.equal(await settled(page), 'ready');
    await check(page, 'photo', 'coffee.jpg');
    assert.equal(await text(page, '#output-shape'), '1 × 5 × 40 × 32', 'the network before goes on');
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('lists operators that cannot run, with what to do, and keeps the network before', async () => {
    const page = await openNetworks(session);
    await give(page, ['bad.onnx', unsupported]);
    assert.match(await text(page, '#refusal-title'), /“bad\.onnx” has 2 operators/);
    const items = await page.$$eval('#refusal-operators li', (list) => list.map((item) => item.textContent));
    assert.match(items[0], /^NonMaxSuppression in \/head\/nms.*extract_model/);
    assert.match(items[1], /^GridSample in \/warp\/GridSample.*No exporter option/);
    assert.equal(await title(page), 'Example: a darkroom');
    await check(page, 'photo', 'coffee.jpg');
    assert.ok((await attention(page)).exposure[1] > 0.9, 'the example still runs');
    await page.click('#dismiss');
    assert.equal(await isHidden(page, 'refusal'), true);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'network-file', 'the focus goes on');
    await give(page, ['bad.onnx', unsupported]);
    await give(page, ['classifier.onnx', classifier([1, 2])]);
    assert.equal(await isHidden(page, 'refusal'), true);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('says what is in a state dict, and in files of other kinds', async () => {
    const page = await openNetworks(session);
    const fixture = (path) => readFileSync(join(root, 'tests/fixtures', path));
    await give(page, ['plain.pth', fixture('checkpoints/plain.pth')]);
    assert.match(await text(page, '#refusal-title'), /“plain\.pth” has weights, but not the network/);
    assert.match(await text(page, '#refusal-message'), /It holds \d+ tensors: \S+ \[[\d, ]*\]/);
    assert.match(await text(page, '#refusal-code'), /torch\.onnx\.export/);
    await give(page, ['block.safetensors', fixture('golden/single_kernel.safetensors')]);
    assert.match(await text(page, '#refusal-title'), /“block\.safetensors” has weights/);
    for (const [name, bytes, words] of [
      ['empty.onnx', '', /empty/], ['cut.onnx', fixture('onnx/light/light_squeezenet.onnx').subarray(0, 5000), /ONNX/],
      ['page.onnx', '<!doctype html><title>404</title>', /HTML page/], ['none.pth', fixture('checkpoints/no-weights.pth'), /no weights/],
      ['model.h5', Buffer.from('\x89HDF\r\n\x1a\n', 'latin1'), /HDF5/],
    ]) {
      await give(page, [name, Buffer.from(bytes)]);
      assert.match(await text(page, '#refusal-title'), new RegExp(`^“${name}” cannot be opened$`));
      assert.match(await text(page, '#refusal-message'), words, name);
    }
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('runs a Dite-HRNet from its state dict, with key points', async () => {
    const page = await openNetworks(session);
    await page.evaluate(async () => {
      const { load, toSafetensors } = await import('/web/dynakernel/index.js');
      const { diteHRNet } = await import('/web/dynakernel/dite-hrnet/index.js');
      const dk = await load({ threads: 1 });
      const bytes = toSafetensors(diteHRNet(dk, { depth: 18, joints: 16, height: 64, width: 64, seed: 1 }).stateDict());
      dk.dispose();
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], 'pose.safetensors'));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
    });
    await settled(page);
    assert.match(await text(page, '#summary'), /^Dite-HRNet-18 for 16 joints/);
    assert.equal(await text(page, '#output-shape'), '1 × 16 × 64 × 48');
    assert.equal(Object.keys(await attention(page)).length, 62);
    assert.equal(await page.$eval('#joints', (box) => box.checked), true);
    assert.equal(await page.$$eval('#joint-list li', (list) => list.length), 16);
    assert.match(await text(page, '#joint-list'), /^right ankle/);
    assert.equal(await page.$eval('#normalisation', (select) => select.selectedOptions[0].textContent), 'as ImageNet');
    assert.match(await text(page, '#snippet'), /diteHRNet\(dk, \{ depth: 18, joints: 16, height: 256, width: 192 \}\)/);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('takes the latest of two files, and cancels on request', async () => {
    const page = await openNetworks(session);
    const file = (name, scores) => [{ name, type: '', bytes: classifier(scores) }];
    await drop(page, file('first.onnx', [1, 2]), file('second.onnx', [1, 2, 3]));
    await settled(page);
    assert.equal(await title(page), 'second.onnx');
    assert.equal(await text(page, '#output-shape'), '1 × 3');

    // a press of Cancel before the worker answers
    await page.evaluate((numbers) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(numbers)], 'third.onnx'));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
      if (document.getElementById('opening').hidden) throw new Error('no progress is shown');
      document.getElementById('cancel').click();
    }, [...classifier([1, 2, 3, 4])]);
    assert.equal(await settled(page), 'ready');
    assert.equal(await text(page, '#status'), 'Cancelled.');
    assert.equal(await title(page), 'second.onnx');

    await give(page, ['open.onnx', heatmaps()]);
    await page.click('#leave-sizes');
    assert.equal(await settled(page), 'ready');
    assert.equal(await title(page), 'second.onnx');
    assert.equal(await isHidden(page, 'sizes'), true);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('follows the webcam', async () => {
    const page = await openNetworks(session);
    await page.click('#webcam');
    await page.waitForFunction(() => document.getElementById('networks').dataset.state === 'live', { timeout: 20_000 });
    const runs = () => page.$eval('#networks', (main) => Number(main.dataset.runs));
    const before = await runs();
    await page.waitForFunction((least) => Number(document.getElementById('networks').dataset.runs) > least,
      { timeout: 30_000 }, before + 15);
    assert.match(await text(page, '#input-caption'), /^Webcam, 384 × 256 of \d+ × \d+$/);
    await page.waitForFunction(() => /^\d+$/.test(document.getElementById('fps').textContent));
    for (const weights of Object.values(await attention(page))) assert.ok(weights.every((weight) => weight >= 0 && weight <= 1));

    // another network while the webcam runs
    await drop(page, [{ name: 'classifier.onnx', type: '', bytes: classifier([1, 2]) }]);
    await page.waitForFunction(() => document.getElementById('output-shape').textContent === '1 × 2');
    await page.click('#webcam');
    await settled(page);
    assert.match(await text(page, '#input-caption'), /^Webcam still/);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('runs on a plain server, on one thread', async () => {
    const server = await servePlainly();
    const page = await session.browser.newPage();
    try {
      await page.goto(`${server.url}web/networks.html`);
      await settled(page);
      assert.match(await text(page, '#build'), /1 thread$/);
      assert.equal(Object.keys(await attention(page)).length, 4);
    } finally {
      await page.close();
      await server.close();
    }
  });
});

/** Runs in the page: compares its canvases with what the library computes for a photograph. */
async function compareExample(photo) {
  const { load } = await import('/web/dynakernel/index.js');
  const { SHOWN, makeExample, SIZE } = await import('/web/networks/example.js');
  const dk = await load({ threads: 1 });
  const net = makeExample(dk, SIZE, [SHOWN]);
  const bitmap = await createImageBitmap(await (await fetch(`/web/photos/${photo}.jpg`)).blob());
  // the middle of the picture, in the network's aspect
  const scale = Math.min(bitmap.width / SIZE.width, bitmap.height / SIZE.height);
  const [width, height] = [Math.round(SIZE.width * scale), Math.round(SIZE.height * scale)];
  const cut = new OffscreenCanvas(width, height);
  cut.getContext('2d', { willReadFrequently: true })
    .drawImage(bitmap, -Math.round((bitmap.width - SIZE.width * scale) / 2), -Math.round((bitmap.height - SIZE.height * scale) / 2));
  const { picture } = net.forward(dk.fromImage(cut, SIZE));

  const pixels = (canvas) => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    return copy.getImageData(0, 0, canvas.width, canvas.height).data;
  };
  const countDifferent = (id, draw) => {
    const expected = new OffscreenCanvas(1, 1);
    draw(expected);
    const [a, b] = [pixels(document.getElementById(id)), pixels(expected)];
    return a.length === b.length ? a.reduce((count, value, i) => count + (Math.abs(value - b[i]) > 1 ? 1 : 0), 0) : Infinity;
  };
  const result = {
    attention: Object.fromEntries(Object.entries(net.attention).map(([name, weights]) => [name, [...weights]])),
    different: countDifferent('output-canvas', (canvas) => picture.drawMap(canvas, { channel: 'rgb', range: [0, 1] })),
    differentInside: countDifferent('inner-canvas', (canvas) =>
      net.activation(SHOWN).drawMaps(canvas, { columns: 2, gap: 1, colormap: 'viridis' })),
  };
  dk.dispose();
  return result;
}
