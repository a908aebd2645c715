// toImageData, drawMap, drawMaps: maps as pictures.
import assert from 'node:assert/strict';
import { createCanvas } from '@napi-rs/canvas';
import { after, before, test } from 'node:test';
import { COLORMAPS, palette } from '../../web/dynakernel/colormaps.js';
import { assertRefused, loadRuntime, randomTensor } from '../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const pixelsOf = ({ data }) => Array.from({ length: data.length / 4 }, (_, i) => [...data.subarray(4 * i, 4 * i + 4)]);
const canvasPixels = (canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);

/** Asserts that pixels have the palette's colours at the nearest of 256 steps; halfway, either of two. */
function assertColours(pixels, name, values, [low, high]) {
  const entries = palette(name);
  const colour = (step) => [...entries.subarray(4 * step, 4 * step + 4)];
  assert.equal(pixels.length, values.length);
  values.forEach((value, i) => {
    const position = high > low ? Math.min(Math.max((value - low) / (high - low), 0), 1) * 255 : 128;
    const choices = [Math.round(position - 1e-4), Math.round(position + 1e-4)].map(colour);
    assert.ok(choices.some((choice) => String(choice) === String(pixels[i])),
      `${name}, ${value} in ${low}..${high}: ${pixels[i]}, expected ${choices[0]}`);
  });
}

test("colour maps are within 2/255 of matplotlib's", () => {
  const steps = [0, 1, 20, 37, 64, 85, 100, 128, 150, 171, 200, 222, 240, 254, 255];
  const references = {
    gray: steps.map((step) => [step, step, step]),
    viridis: [
      [68, 1, 84], [68, 2, 85], [72, 29, 111], [69, 50, 127], [58, 82, 139], [48, 103, 141], [42, 118, 142],
      [32, 144, 140], [32, 165, 133], [54, 184, 119], [112, 206, 86], [167, 219, 51], [215, 226, 25], [250, 230, 34],
      [253, 231, 36],
    ],
    turbo: [
      [48, 18, 59], [49, 21, 66], [66, 75, 181], [70, 120, 240], [40, 187, 235], [26, 228, 182], [63, 245, 138],
      [164, 252, 59], [218, 226, 54], [250, 183, 55], [244, 101, 22], [212, 50, 5], [169, 21, 1], [125, 5, 2],
      [122, 4, 2],
    ],
    coolwarm: [
      [58, 76, 192], [59, 77, 193], [82, 110, 220], [104, 137, 238], [141, 175, 253], [170, 198, 253], [189, 210, 246],
      [221, 220, 219], [239, 205, 187], [246, 182, 154], [240, 139, 109], [222, 98, 78], [201, 59, 55], [181, 8, 39],
      [179, 3, 38],
    ],
  };
  assert.deepEqual(COLORMAPS, Object.keys(references));
  for (const [name, reference] of Object.entries(references)) {
    const entries = palette(name);
    assert.equal(entries.length, 1024);
    steps.forEach((step, i) => {
      for (let channel = 0; channel < 3; channel++) {
        const difference = Math.abs(entries[4 * step + channel] - reference[i][channel]);
        assert.ok(difference <= 2, `${name}[${step}] channel ${channel} is off by ${difference}`);
      }
      assert.equal(entries[4 * step + 3], 255);
    });
  }
});

test('one map, each colour map', () => {
  const t = dk.tensor([0, 1, 2, 3, 4, 5, 6, 7, -3, -2, -1, 0, 1, 0, 2, 0], [1, 2, 2, 4]);
  const picture = t.toImageData();
  assert.deepEqual([picture.width, picture.height, picture.colorSpace], [4, 2, 'srgb']);
  assert.ok(picture.data instanceof Uint8ClampedArray);
  assertColours(pixelsOf(picture), 'gray', [0, 1, 2, 3, 4, 5, 6, 7], [0, 7]);
  const second = [-3, -2, -1, 0, 1, 0, 2, 0];
  for (const colormap of ['gray', 'viridis', 'turbo']) {
    assertColours(pixelsOf(t.toImageData({ channel: 1, colormap })), colormap, second, [-3, 2]);
  }
  assertColours(pixelsOf(t.toImageData({ channel: 1, colormap: 'coolwarm' })), 'coolwarm', second, [-3, 3]);
});

test('range: auto, shared, given', () => {
  const t = dk.tensor([0, 1, 2, 3, -8, 4, 5, 10], [2, 2, 1, 2]);
  const values = (batch, channel) => [...t.toArray()].slice(4 * batch + 2 * channel, 4 * batch + 2 * channel + 2);
  const drawn = (options) => pixelsOf(t.toImageData(options));
  const map = values(1, 0);
  assertColours(drawn({ batch: 1 }), 'gray', map, [-8, 4]);
  assertColours(drawn({ batch: 1, range: 'shared' }), 'gray', map, [-8, 10]);
  assertColours(drawn({ batch: 1, range: 'shared', colormap: 'coolwarm' }), 'coolwarm', map, [-10, 10]);
  assertColours(drawn({ batch: 1, range: [-16, 0], colormap: 'viridis' }), 'viridis', map, [-16, 0]);
  assertColours(drawn({ batch: 1, range: [-16, 0], colormap: 'coolwarm' }), 'coolwarm', map, [-16, 0]);
  assertColours(drawn({ batch: 1, range: [3, 3] }), 'gray', map, [3, 3]);
});

test('constant maps, NaN and infinity', () => {
  const t = dk.tensor([5, 5, NaN, Infinity, -Infinity, 0, 1, NaN, NaN], [3, 1, 3]);
  assert.deepEqual(pixelsOf(t.toImageData({ channel: 0 })), [[128, 128, 128, 255], [128, 128, 128, 255], [0, 0, 0, 0]]);
  assert.deepEqual(pixelsOf(t.toImageData({ channel: 1, range: [0, 1] })),
    [[255, 255, 255, 255], [0, 0, 0, 255], [0, 0, 0, 255]]);
  const nothing = dk.tensor([NaN, Infinity], [1, 2]);
  for (const colormap of COLORMAPS) {
    assert.deepEqual(pixelsOf(nothing.toImageData({ colormap }))[0], [0, 0, 0, 0]);
    assert.deepEqual(nothing.drawMap(createCanvas(1, 1), { colormap }), [0, 0]);
  }
});

test('rgb', () => {
  const t = dk.tensor([0, 1, 0.6, 0.25, 1, 0], [1, 3, 1, 2]);
  assert.deepEqual(pixelsOf(t.toImageData({ channel: 'rgb', range: [0, 1] })), [[0, 153, 255, 255], [255, 64, 0, 255]]);
  const wide = dk.tensor([-1, 3, 0, 2, 2, 0], [1, 3, 1, 2]);
  assert.deepEqual(pixelsOf(wide.toImageData({ channel: 'rgb', colormap: 'coolwarm' })),
    [[0, 64, 191, 255], [255, 191, 64, 255]], 'auto over the three planes; no colour map');
  const second = dk.tensor([9, 9, 9, 0, 1, 0.6], [2, 3, 1, 1]);
  assert.deepEqual(pixelsOf(second.toImageData({ batch: 1, channel: 'rgb' })), [[0, 255, 153, 255]]);

  // a picture of 8 bits survives fromImage and toImageData
  const data = Uint8ClampedArray.from({ length: 400 }, (_, i) => (i % 4 === 3 ? 255 : (i * 37) % 256));
  const x = dk.fromImage({ data, width: 10, height: 10 });
  assert.deepEqual(x.toImageData({ channel: 'rgb', range: [0, 1] }).data, data);
});

test('large maps go through in strips', () => {
  const [width, height] = [1000, 700];
  const t = dk.tensor(Float32Array.from({ length: width * height * 3 }, (_, i) => i % 251), [1, 3, height, width]);
  const gray = t.toImageData({ channel: 1, range: [0, 255] }).data;
  const rgb = t.toImageData({ channel: 'rgb', range: [0, 255] }).data;
  const values = t.toArray();
  for (let i = 0; i < width * height; i += 997) {
    assert.equal(gray[4 * i], values[width * height + i], `pixel ${i}`);
    for (const c of [0, 1, 2]) assert.equal(rgb[4 * i + c], values[c * width * height + i], `pixel ${i}`);
  }
  t.dispose();
});

test('tensors of two and three dimensions', () => {
  const t = dk.tensor([0, 1, 2, 3, 4, 5], [2, 3]);
  assertColours(pixelsOf(t.toImageData()), 'gray', [0, 1, 2, 3, 4, 5], [0, 5]);
  const maps = dk.tensor([0, 1, 2, 3, 4, 5], [3, 1, 2]);
  assertColours(pixelsOf(maps.toImageData({ channel: 2 })), 'gray', [4, 5], [4, 5]);
  assert.equal(maps.toImageData({ channel: 'rgb' }).width, 2);
});

test('an ImageData if the platform has that class', () => {
  class ImageData {
    constructor(width, height) {
      Object.assign(this, { width, height, data: new Uint8ClampedArray(width * height * 4), colorSpace: 'srgb' });
    }
  }
  globalThis.ImageData = ImageData;
  try {
    const picture = dk.tensor([0, 1], [1, 2]).toImageData();
    assert.ok(picture instanceof ImageData);
    assert.deepEqual(pixelsOf(picture), [[0, 0, 0, 255], [255, 255, 255, 255]]);
  } finally {
    delete globalThis.ImageData;
  }
});

test('drawMap: the pixels of toImageData, on a canvas of the map\'s size', () => {
  const t = randomTensor(dk, [1, 3, 7, 11]);
  const canvas = createCanvas(50, 5);
  for (const options of [
    undefined, { channel: 2, colormap: 'turbo' }, { channel: 'rgb' }, { range: [-1, 1], colormap: 'coolwarm' },
  ]) {
    const range = t.drawMap(canvas, options);
    assert.deepEqual([canvas.width, canvas.height], [11, 7]);
    assert.deepEqual(canvasPixels(canvas).data, t.toImageData(options).data);
    assert.equal(range.length, 2);
  }
  assert.deepEqual(dk.tensor([-1, 3], [1, 2]).drawMap(canvas), [-1, 3], 'the range, for a legend');
  assert.deepEqual(dk.tensor([-1, 3], [1, 2]).drawMap(canvas, { colormap: 'coolwarm' }), [-3, 3]);
});

test('drawMap makes no new picture for each frame', () => {
  const canvas = createCanvas(6, 4);
  const context = canvas.getContext('2d');
  let made = 0;
  const { createImageData } = context;
  context.createImageData = (...args) => {
    made++;
    return createImageData.apply(context, args);
  };
  canvas.getContext = () => context;
  const t = randomTensor(dk, [1, 2, 4, 6]);
  for (let i = 0; i < 5; i++) t.drawMap(canvas, { channel: i % 2 });
  assert.equal(made, 1);
});

test('drawMaps: a grid, with transparent gaps', () => {
  const [C, height, width] = [5, 3, 4];
  const t = randomTensor(dk, [2, C, height, width]);
  const check = (options, columns, gap, ranges) => {
    const canvas = createCanvas(7, 7);
    canvas.getContext('2d').fillRect(0, 0, 7, 7); // must not remain
    const drawn = t.drawMaps(canvas, options);
    const rows = Math.ceil(C / columns);
    assert.equal(canvas.width, columns * width + (columns - 1) * gap);
    assert.equal(canvas.height, rows * height + (rows - 1) * gap);
    const expected = new Uint8ClampedArray(canvas.width * canvas.height * 4);
    for (let c = 0; c < C; c++) {
      const { batch = 0, colormap = 'gray', range } = options;
      const map = t.toImageData({ batch, channel: c, colormap, range });
      const [left, top] = [(c % columns) * (width + gap), Math.floor(c / columns) * (height + gap)];
      for (let y = 0; y < height; y++) {
        expected.set(map.data.subarray(y * width * 4, (y + 1) * width * 4), ((top + y) * canvas.width + left) * 4);
      }
    }
    assert.deepEqual(canvasPixels(canvas).data, expected);
    assert.equal(drawn.length, C);
    if (ranges) assert.deepEqual(drawn, ranges);
  };
  check({}, 3, 1);
  check({ batch: 1, columns: 2, gap: 3, colormap: 'viridis' }, 2, 3);
  check({ columns: 100, gap: 0, range: 'shared', colormap: 'coolwarm' }, 5, 0);
  check({ columns: 1, range: [-1, 1] }, 1, 1, Array(5).fill([-1, 1]));
});

test('drawMaps: a large grid is drawn in strips', () => {
  const [C, height, width, gap] = [5, 300, 400, 60];
  const t = randomTensor(dk, [1, C, height, width]);
  const canvas = createCanvas(1, 1);
  t.drawMaps(canvas, { columns: 2, gap, colormap: 'turbo' });
  assert.deepEqual([canvas.width, canvas.height], [860, 1020]);
  const { data } = canvasPixels(canvas);
  const expected = new Uint8ClampedArray(data.length);
  for (let c = 0; c < C; c++) {
    const map = t.toImageData({ channel: c, colormap: 'turbo' });
    const [left, top] = [(c % 2) * (width + gap), Math.floor(c / 2) * (height + gap)];
    for (let y = 0; y < height; y++) {
      expected.set(map.data.subarray(y * width * 4, (y + 1) * width * 4), ((top + y) * canvas.width + left) * 4);
    }
  }
  assert.equal(data.findIndex((value, i) => value !== expected[i]), -1);
  t.dispose();
});

test('drawMaps clears a canvas of the same size', () => {
  const t = dk.zeros([1, 3, 2, 2]);
  const canvas = createCanvas(5, 5);
  canvas.getContext('2d').fillRect(0, 0, 5, 5);
  t.drawMaps(canvas, { columns: 2, gap: 1 });
  const { data } = canvasPixels(canvas);
  assert.equal(data[4 * 2 + 3], 0, 'the gap');
  assert.equal(data[4 * (5 * 4 + 4) + 3], 0, 'the unused cell');
});

test('refused tensors and options', () => {
  const t = dk.zeros([2, 3, 4, 4]);
  const canvas = createCanvas(4, 4);
  const everywhere = (options, code, ...words) => {
    assertRefused(() => t.toImageData(options), code, 'toImageData', ...words);
    assertRefused(() => t.drawMap(canvas, options), code, 'drawMap', ...words);
  };
  everywhere({ channel: 3 }, 'ERR_SHAPE', 'channel', '0 to 2', 'got 3');
  everywhere({ channel: -1 }, 'ERR_SHAPE', 'channel', 'got -1');
  everywhere({ channel: 1.5 }, 'ERR_CONFIG', 'channel', '1.5');
  everywhere({ channel: 'red' }, 'ERR_CONFIG', 'channel', '"red"');
  everywhere({ channel: null }, 'ERR_CONFIG', 'channel', 'null');
  everywhere({ batch: 2 }, 'ERR_SHAPE', 'batch', '0 to 1', 'got 2');
  everywhere({ batch: '0' }, 'ERR_CONFIG', 'batch', '"0"');
  everywhere({ colormap: 'jet' }, 'ERR_CONFIG', 'colormap', "'viridis'", '"jet"');
  everywhere({ colourmap: 'gray' }, 'ERR_CONFIG', '"colourmap"', 'colormap');
  for (const range of ['all', 5, null, [1], [1, 2, 3], [2, 1], [NaN, 1], [0, Infinity], ['0', 1], [0, 1e39], {}, Array(2)]) {
    everywhere({ range }, 'ERR_CONFIG', 'range', "'shared'");
    assertRefused(() => t.drawMaps(canvas, { range }), 'ERR_CONFIG', 'range');
  }
  everywhere(5, 'ERR_CONFIG', '5');

  const pair = dk.zeros([1, 2, 4, 4]);
  assertRefused(() => pair.toImageData({ channel: 'rgb' }), 'ERR_SHAPE', "'rgb'", '3 channels', 'has 2');
  for (const shape of [[], [4], [1, 1, 1, 4, 4], [1, 3, 0, 4], [0, 3, 4, 4]]) {
    assertRefused(() => dk.zeros(shape).toImageData(), 'ERR_SHAPE', '[N, C, H, W]', `[${shape.join(', ')}]`);
    assertRefused(() => dk.zeros(shape).drawMaps(canvas), 'ERR_SHAPE');
  }
  for (const columns of [0, -1, 1.5, '2', null]) {
    assertRefused(() => t.drawMaps(canvas, { columns }), 'ERR_CONFIG', 'columns');
  }
  for (const gap of [-1, 1.5, '2', null]) assertRefused(() => t.drawMaps(canvas, { gap }), 'ERR_CONFIG', 'gap');
  assertRefused(() => t.drawMaps(canvas, { channel: 0 }), 'ERR_CONFIG', '"channel"');
});

test('refused canvases', () => {
  const t = dk.zeros([1, 3, 4, 4]);
  for (const canvas of [undefined, null, 5, '#canvas', {}]) {
    assertRefused(() => t.drawMap(canvas), 'ERR_IMAGE', 'canvas');
    assertRefused(() => t.drawMaps(canvas), 'ERR_IMAGE', 'canvas');
  }
  assertRefused(() => t.drawMap({ getContext: () => ({}), width: 4, height: 4 }), 'ERR_IMAGE', 'cannot be drawn on');
  assertRefused(() => t.drawMap({ getContext: () => null, width: 4, height: 4 }), 'ERR_IMAGE', 'another kind than 2d');
  const transferred = { width: 4, height: 4, getContext() { throw new Error('control was transferred'); } };
  assertRefused(() => t.drawMap(transferred), 'ERR_IMAGE', 'control was transferred');
  const long = dk.zeros([1, 1, 1, 40000]);
  assertRefused(() => long.drawMap(createCanvas(1, 1)), 'ERR_IMAGE', '40000x1', '32767');
  assertRefused(() => t.drawMaps(createCanvas(1, 1), { gap: 32767 }), 'ERR_IMAGE', 'too large');
});
