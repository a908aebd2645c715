// Files that the playground opens and saves: images, state dicts, maps as PNG.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadImage, createCanvas } from '@napi-rs/canvas';
import { parseSafetensors, toSafetensors } from '../../web/dynakernel/index.js';
import { root } from '../../scripts/project.mjs';
import { compareWithLibrary } from './library.mjs';
import {
  allowClipboard,
  browserName,
  choose,
  downloaded,
  drop,
  fill,
  fixture,
  paste,
  rest,
  select,
  shownError,
  start,
  text,
} from './support.mjs';

const rocket = () => readFileSync(join(root, 'web/photos/rocket.jpg'));

describe(`files in ${browserName}`, () => {
  let session;
  before(async () => {
    session = await start();
  });
  after(() => session?.close());

  it('takes an image that is dropped', async () => {
    const page = await session.open();
    await drop(page, [{ name: 'My Rocket.jpg', type: 'image/jpeg', bytes: rocket() }]);
    await page.waitForFunction(() => document.getElementById('input-caption').textContent.startsWith('My Rocket.jpg'));
    await rest(page);
    await select(page, 'range', 'auto');
    const result = await compareWithLibrary(page, { preset: 'classic', picture: '/web/photos/rocket.jpg' });
    assert.equal(result.different, 0);
    assert.deepEqual(result.shown, result.attention);
    assert.equal(await page.$eval('#drop', (overlay) => overlay.hidden), true);
    assert.equal(await page.$$eval('#photos input:checked', (list) => list.length), 0);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('takes an image that is pasted', async () => {
    const page = await session.open();
    await allowClipboard(session);
    await paste(page, '/web/photos/rocket.jpg');
    await page.waitForFunction(() =>
      /^image.png, 384 × 256 of 640 × 427/.test(document.getElementById('input-caption').textContent),
    );
    await rest(page);
    await select(page, 'range', 'auto');
    assert.equal(
      (await compareWithLibrary(page, { preset: 'classic', picture: '/web/photos/rocket.jpg' })).different,
      0,
    );
    await page.close();
  });

  it('takes an image from the file dialog, and SVG', async () => {
    const page = await session.open();
    const input = await page.$('#image-file');
    await input.uploadFile(join(root, 'web/photos/rocket.jpg'));
    await page.waitForFunction(() => document.getElementById('input-caption').textContent.startsWith('rocket.jpg'));
    await rest(page);
    await drop(page, [
      {
        name: 'dot.svg',
        type: 'image/svg+xml',
        bytes: Buffer.from(
          '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="9" height="9"/></svg>',
        ),
      },
    ]);
    await page.waitForFunction(() => document.getElementById('input-caption').textContent === 'dot.svg, 40 × 30');
    await rest(page);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('shrinks a large picture, says its own size, and keeps no copy of one that cannot be read', async () => {
    const large = { name: 'large.png', type: 'image/png', bytes: createCanvas(3000, 1500).toBuffer('image/png') };
    const page = await session.open();
    await page.evaluate(() => {
      globalThis.bitmaps = 0;
      const { createImageBitmap: create } = globalThis;
      const { close } = ImageBitmap.prototype;
      globalThis.createImageBitmap = (...values) => {
        globalThis.bitmaps++;
        return create(...values);
      };
      ImageBitmap.prototype.close = function () {
        globalThis.bitmaps--;
        close.call(this);
      };
    });
    await drop(page, [large]);
    await page.waitForFunction(() =>
      document.getElementById('input-caption').textContent === 'large.png, 384 × 192 of 3000 × 1500',
    );
    assert.equal(await page.evaluate(() => globalThis.bitmaps), 0);
    await page.evaluate(() => {
      CanvasRenderingContext2D.prototype.getImageData = () => {
        throw new Error('too many pixels');
      };
    });
    await drop(page, [large]);
    assert.equal(await shownError(page, 'source-error'), 'Too many pixels.');
    assert.equal(await page.evaluate(() => globalThis.bitmaps), 0);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('says what is wrong with a file that is no image, and goes on', async () => {
    const page = await session.open();
    const caption = await text(page, '#input-caption');
    await drop(page, [{ name: 'notes.txt', type: 'text/plain', bytes: Buffer.from('no picture') }]);
    assert.match(await shownError(page, 'source-error'), /^“notes\.txt” \(text\/plain\) is not an image/);
    assert.equal(await text(page, '#input-caption'), caption);
    await drop(page, [
      { name: 'broken.png', type: 'image/png', bytes: Buffer.from('\x89PNG\r\n\x1a\n, and then nothing') },
    ]);
    await page.waitForFunction(() =>
      document.getElementById('source-error').textContent.startsWith('“broken.png” is not an image'),
    );
    await drop(page, [{ name: 'empty.png', type: 'image/png', bytes: Buffer.alloc(0) }]);
    await page.waitForFunction(() => document.getElementById('source-error').textContent === '“empty.png” is empty.');
    await choose(page, 'photo', 'rocket.jpg');
    assert.equal(await page.$eval('#source-error', (element) => element.hidden), true);
    await page.close();
  });

  for (const name of ['rgb_3x3', 'rgb_7x7', 'rgb_K6', 'rgb_stem_stride2']) {
    it(`runs the state dict of ${name}`, async () => {
      const page = await session.open();
      await drop(page, [{ name: `${name}.safetensors`, type: '', bytes: readFileSync(fixture(name)) }]);
      await rest(page);
      await select(page, 'range', 'auto');
      const result = await compareWithLibrary(page, {
        state: `/tests/fixtures/golden/${name}.safetensors`,
        picture: '/web/photos/coffee.jpg',
      });
      assert.equal(result.different, 0);
      assert.deepEqual(result.shown, result.attention);
      assert.equal(await page.$eval('#stride', (input) => input.value), name.endsWith('stride2') ? '2' : '1');
      assert.equal(await page.$$eval('#presets input:checked', (list) => list.length), 0);
      assert.deepEqual(page.problems, []);
      await page.close();
    });
  }

  it('normalises pixels as a state dict says, while its block runs', async () => {
    const { __metadata__: metadata, ...file } = parseSafetensors(readFileSync(fixture('rgb_3x3')));
    const state = Object.fromEntries(Object.entries(file).filter(([name]) => /^(attention|aggregation)\./.test(name)));
    const page = await session.open();
    const open = async (name, said) => {
      await drop(page, [{ name, type: '', bytes: toSafetensors(state, { ...metadata, ...said }) }]);
      await page.waitForFunction((title) => document.getElementById('preset-summary').textContent.includes(title), {}, name);
      await rest(page);
    };
    const chosen = () => page.$eval('#normalisation', (field) => field.selectedOptions[0].textContent);
    const attention = () => page.$$eval('#kernels data', (list) => list.map((element) => Number(element.value)));
    const expected = async (options) => (await compareWithLibrary(page, {
      state: '/tests/fixtures/golden/rgb_3x3.safetensors', picture: '/web/photos/coffee.jpg', options,
    })).attention;

    await select(page, 'range', 'auto');
    await select(page, 'normalisation', '2');
    await open('own.safetensors', { mean: '[0.4, 0.5, 0.6]', std: '0.2' });
    assert.equal(await chosen(), 'as the file says');
    assert.match(await text(page, '#preset-summary'), /by mean \[0\.4, 0\.5, 0\.6\] and standard deviation 0\.2\.$/);
    const own = { mean: [0.4, 0.5, 0.6], std: [0.2, 0.2, 0.2] };
    assert.deepEqual(await attention(), await expected(own));
    await select(page, 'normalisation', '0');
    assert.deepEqual(await attention(), await expected({}));
    await select(page, 'normalisation', '3');
    assert.deepEqual(await attention(), await expected(own));

    const saved = parseSafetensors(readFileSync(await downloaded(page, session.downloads, '#save-state')));
    assert.equal(saved.__metadata__.mean, '[0.4, 0.5, 0.6]');
    assert.equal(saved.__metadata__.std, '0.2');

    await open('symmetric.safetensors', { mean: '0.5', std: '0.5' });
    assert.equal(await chosen(), 'to −1 … 1');
    for (const [name, said] of [['silent.safetensors', {}], ['nonsense.safetensors', { mean: 'grey', std: '-1' }]]) {
      await open(name, said);
      assert.equal(await chosen(), 'not at all', 'as was chosen last');
      assert.equal(await page.$$eval('#normalisation option', (list) => list.length), 3);
    }
    await open('own.safetensors', { mean: '[0.4, 0.5, 0.6]', std: '0.2' });
    await choose(page, 'preset', 'classic');
    assert.equal(await chosen(), 'not at all');
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('guesses the padding of a file without metadata, and lets it be set', async () => {
    const file = parseSafetensors(readFileSync(fixture('rgb_7x7')));
    const page = await session.open();
    await drop(page, [{ name: 'plain.safetensors', type: '', bytes: toSafetensors(file) }]);
    await rest(page);
    assert.equal(await page.$eval('#padding', (input) => input.value), '3');
    assert.match(await text(page, '#preset-summary'), /does not hold stride, padding and dilation: set them here\.$/);
    await fill(page, 'padding', 0);
    assert.equal(await text(page, '#detail-size'), '378 × 250');

    await drop(page, [{ name: 'padded.safetensors', type: '', bytes: toSafetensors(file, { config: '{"padding": 1}' }) }]);
    await page.waitForFunction(() => document.getElementById('padding').value === '1');
    assert.match(
      await text(page, '#preset-summary'),
      /^From padded\.safetensors\. Padding is the file’s; it does not say stride and dilation: set them here\.$/,
    );
    await page.close();
  });

  it('feeds luma to a block of one input channel', async () => {
    const file = parseSafetensors(readFileSync(fixture('rgb_3x3')));
    const config = {
      in_channels: 1,
      out_channels: 8,
      kernel_size: 3,
      stride: 1,
      padding: 1,
      dilation: 1,
      groups: 1,
      bias: true,
      num_kernels: 4,
    };
    const state = Object.fromEntries(Object.entries(file).filter(([name]) => /^(attention|aggregation)\./.test(name)));
    const conv1 = file['attention.conv1.weight'].data;
    state['attention.conv1.weight'] = {
      shape: [4, 1, 1, 1],
      data: Float32Array.from({ length: 4 }, (_, m) => conv1[m * 3]),
    };
    const weight = file['aggregation.weight'].data;
    state['aggregation.weight'] = {
      shape: [4, 8, 1, 3, 3],
      data: Float32Array.from({ length: 288 }, (_, i) => weight[Math.floor(i / 9) * 27 + (i % 9)]),
    };
    const page = await session.open();
    await drop(page, [
      { name: 'grey.safetensors', type: '', bytes: toSafetensors(state, { config: JSON.stringify(config) }) },
    ]);
    await rest(page);
    assert.match(await text(page, '#input-caption'), /luma$/);
    assert.equal(await page.$eval('#kernel-view', (group) => group.disabled), true);
    const grey = await page.evaluate(() => {
      const { data } = document.getElementById('input-canvas').getContext('2d').getImageData(0, 0, 50, 50);
      return data.every((value, i) => i % 4 === 3 || value === data[i - (i % 4)]);
    });
    assert.ok(grey, 'the input is drawn in colour');
    assert.equal((await page.$$('#maps canvas')).length, 8);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('offers the blocks of a larger model', async () => {
    const merged = {};
    for (const [prefix, name] of [
      ['stem.', 'rgb_3x3'],
      ['body.0.', 'dense_3x3'],
      ['head.', 'rgb_7x7'],
    ]) {
      const file = parseSafetensors(readFileSync(fixture(name)));
      for (const [key, value] of Object.entries(file))
        if (/^(attention|aggregation)\./.test(key)) merged[prefix + key] = value;
    }
    const page = await session.open();
    await drop(page, [{ name: 'model.safetensors', type: '', bytes: toSafetensors(merged) }]);
    await rest(page);
    assert.deepEqual(await page.$$eval('#prefix option', (list) => list.map((option) => option.textContent)), [
      'head',
      'stem',
    ]);
    assert.match(await text(page, '#block-shape'), /kernels of 7×7/);
    await page.select('#prefix', await page.$eval('#prefix option:nth-child(2)', (option) => option.value));
    await rest(page);
    assert.match(await text(page, '#block-shape'), /kernels of 3×3/);
    await page.close();
  });

  it('says what is wrong with a state dict, and goes on with the block that ran', async () => {
    const page = await session.open();
    const bytes = readFileSync(fixture('rgb_3x3'));
    const file = parseSafetensors(bytes);
    const without = Object.fromEntries(Object.entries(file).filter(([name]) => name !== 'attention.bn.bias'));
    const misfit = { ...file, 'attention.conv2.weight': { shape: [5, 4, 1, 1], data: new Float32Array(20) } };
    const other = { 'layer.weight': { shape: [2], data: new Float32Array(2) } };
    for (const [name, content, message] of [
      [
        'sixteen.safetensors',
        readFileSync(fixture('dense_3x3')),
        /for 16 input channels.*3 \(red, green, blue\) or 1 \(luma\)/,
      ],
      ['short.safetensors', bytes.subarray(0, 2000), /^“short\.safetensors” cannot be read\. .*header/i],
      ['without.safetensors', toSafetensors(without), /lacks attention\.bn\.bias/],
      ['misfit.safetensors', toSafetensors(misfit), /attention\.conv2\.weight(?=.*\[5, 4, 1, 1\])(?=.*\[4, 4, 1, 1\])/],
      ['other.safetensors', toSafetensors(other), /no aggregation\.weight, .* or routing_fn\.weight, but layer\.weight/],
      ['block.pth', Buffer.from('pickle'), /safetensors\.torch\.save_file/],
    ]) {
      await page.$eval('#block-error', (element) => element.replaceChildren());
      await drop(page, [{ name, type: '', bytes: content }]);
      await page.waitForFunction(() => document.getElementById('block-error').textContent !== '');
      assert.match(await text(page, '#block-error'), message, name);
      assert.equal(await page.$eval('#presets input[value="classic"]', (input) => input.checked), true, name);
    }
    await choose(page, 'preset', 'seven');
    assert.equal(await page.$eval('#block-error', (element) => element.hidden), true);
    assert.deepEqual(page.problems, []);
    await page.close();
  });

  it('saves a map as PNG, all maps, and the state dict, which it reads again', async () => {
    const page = await session.open();
    await choose(page, 'preset', 'dilated');
    await page.$eval('#maps input[value="2"]', (input) => input.click());
    await rest(page);
    const map = await downloaded(page, session.downloads, '#save-map');
    assert.equal(basename(map), 'coffee-dilated-channel-2.png');
    const picture = await loadImage(map);
    const canvas = createCanvas(picture.width, picture.height);
    canvas.getContext('2d').drawImage(picture, 0, 0);
    const saved = canvas.getContext('2d').getImageData(0, 0, picture.width, picture.height).data;
    const shown = await page.$eval('#maps canvas[data-channel="2"]', (element) => [
      ...element.getContext('2d').getImageData(0, 0, element.width, element.height).data,
    ]);
    assert.deepEqual([...saved], shown);

    const sheet = await loadImage(await downloaded(page, session.downloads, '#save-maps'));
    assert.deepEqual([sheet.width, sheet.height], [3 * 384 + 8, 2 * 256 + 4]);

    const path = await downloaded(page, session.downloads, '#save-state');
    assert.equal(basename(path), 'dilated.safetensors');
    const weights = await page.$$eval('#kernels data', (list) => list.map((element) => element.value));
    await choose(page, 'preset', 'reference');
    await drop(page, [{ name: 'again.safetensors', type: '', bytes: readFileSync(path) }]);
    await rest(page);
    assert.deepEqual(await page.$$eval('#kernels data', (list) => list.map((element) => element.value)), weights);
    assert.equal(await page.$eval('#dilation', (input) => input.value), '4');
    await page.close();
  });
});
