// dk.fromImage: pixels in, planes out.
import assert from 'node:assert/strict';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { afterEach, beforeEach, test } from 'node:test';
import { Random } from '../../web/shared/random.js';
import { assertRefused, loadRuntime } from '../helpers.mjs';

let dk;
beforeEach(async () => { // a new runtime each time, because a runtime keeps its canvas
  dk = await loadRuntime();
});
afterEach(() => {
  delete globalThis.OffscreenCanvas;
  dk?.dispose();
});

/** An opaque picture of seeded noise. */
function noise(width, height, seed = 1) {
  const random = new Random(seed);
  const data = Uint8ClampedArray.from({ length: width * height * 4 }, (_, i) => (i % 4 === 3 ? 255 : random.below(256)));
  return { data, width, height };
}

function canvasOf({ data, width, height }) {
  const canvas = createCanvas(width, height);
  const context = canvas.getContext('2d');
  const image = context.createImageData(width, height);
  image.data.set(data);
  context.putImageData(image, 0, 0);
  return canvas;
}

/** [channels][pixels] of values 0 to 1. */
function planesOf({ data, width, height }, channels) {
  const plane = (value) => Float64Array.from({ length: width * height }, (_, i) => value(4 * i) / 255);
  if (channels === 1) return [plane((i) => 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2])];
  return [0, 1, 2].map((channel) => plane((i) => data[i + channel]));
}

/** One axis of a triangle filter, widened when shrinking: for each output, [input, weight] pairs. */
function triangle(from, to) {
  const scale = from / to;
  const reach = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const taps = [];
    for (let j = Math.max(0, Math.floor(centre - reach)); j < Math.min(from, Math.ceil(centre + reach)); j++) {
      const weight = 1 - Math.abs(j + 0.5 - centre) / reach;
      if (weight > 0) taps.push([j, weight]);
    }
    const sum = taps.reduce((total, [, weight]) => total + weight, 0);
    return taps.map(([j, weight]) => [j, weight / sum]);
  });
}

function resize(plane, width, height, W, H) {
  const [columns, rows] = [triangle(width, W), triangle(height, H)];
  return Float64Array.from({ length: W * H }, (_, i) => {
    let sum = 0;
    for (const [y, a] of rows[Math.floor(i / W)]) {
      for (const [x, b] of columns[i % W]) sum += a * b * plane[y * width + x];
    }
    return sum;
  });
}

function assertPlanes(tensor, planes, tolerance = 1e-6) {
  const data = tensor.toArray();
  assert.equal(data.length, planes.length * planes[0].length);
  planes.forEach((plane, c) => plane.forEach((value, i) => {
    const actual = data[c * plane.length + i];
    if (Math.abs(actual - value) > tolerance) assert.fail(`channel ${c} pixel ${i}: ${actual}, expected ${value}`);
  }));
}

test('RGB and luma at every odd size', () => {
  for (const [width, height] of [[1, 1], [3, 1], [1, 5], [4, 4], [7, 3], [31, 2], [33, 17]]) {
    const picture = noise(width, height, width);
    for (const channels of [3, 1]) {
      const x = dk.fromImage(picture, { channels });
      assert.deepEqual(x.shape, [1, channels, height, width]);
      assertPlanes(x, planesOf(picture, channels));
      x.dispose();
    }
  }
});

test('a canvas is read without drawing it', () => {
  const picture = noise(20, 10);
  assertPlanes(dk.fromImage(canvasOf(picture)), planesOf(picture, 3));
});

test('sources: bytes in every kind of view', () => {
  const { data, width, height } = noise(6, 4);
  const expected = planesOf({ data, width, height }, 3);
  const offset = new Uint8Array(data.length + 1);
  offset.set(data, 1);
  for (const bytes of [data, new Uint8Array(data), Buffer.from(data), offset.subarray(1)]) {
    assertPlanes(dk.fromImage({ data: bytes, width, height }), expected);
  }
});

test('large pictures go through in strips', () => {
  const tall = noise(700, 900); // 2.5 MB
  assertPlanes(dk.fromImage(tall), planesOf(tall, 3));
  const wide = noise(300_000, 1); // a row that is longer than a strip
  assertPlanes(dk.fromImage(wide, { channels: 1 }), planesOf(wide, 1));
});

test('mean and std: numbers, arrays, typed arrays', () => {
  const picture = noise(5, 4);
  const [mean, std] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];
  const expected = planesOf(picture, 3).map((plane, c) => plane.map((value) => (value - mean[c]) / std[c]));
  assertPlanes(dk.fromImage(picture, { mean, std }), expected, 1e-5);
  assertPlanes(dk.fromImage(picture, { mean: Float64Array.from(mean), std: Float32Array.from(std) }), expected, 1e-5);
  assertPlanes(dk.fromImage(picture, { mean: 0.5, std: -2 }),
    planesOf(picture, 3).map((plane) => plane.map((value) => (value - 0.5) / -2)));
  assertPlanes(dk.fromImage(picture, { channels: 1, mean: [0.5], std: 0.25 }),
    planesOf(picture, 1).map((plane) => plane.map((value) => (value - 0.5) / 0.25)), 1e-5);
});

test('resizing, larger, smaller and both, antialiased', () => {
  const picture = noise(45, 30);
  for (const [width, height] of [[45, 31], [90, 60], [20, 13], [7, 90], [1, 1], [44, 30]]) {
    for (const channels of [3, 1]) {
      const x = dk.fromImage(picture, { width, height, channels });
      assert.deepEqual(x.shape, [1, channels, height, width]);
      assertPlanes(x, planesOf(picture, channels).map((plane) => resize(plane, 45, 30, width, height)), 1e-5);
      x.dispose();
    }
  }
  const large = noise(800, 600);
  const x = dk.fromImage(large, { width: 37, height: 41, mean: 0.5, std: 0.5 });
  const normalised = (value) => (value - 0.5) / 0.5;
  const expected = planesOf(large, 3).map((plane) => resize(plane, 800, 600, 37, 41).map(normalised));
  assertPlanes(x, expected, 2e-5);
});

test('one of width and height keeps the aspect ratio', () => {
  const picture = noise(40, 30);
  assert.deepEqual(dk.fromImage(picture, { width: 20 }).shape, [1, 3, 15, 20]);
  assert.deepEqual(dk.fromImage(picture, { height: 60 }).shape, [1, 3, 60, 80]);
  assert.deepEqual(dk.fromImage(noise(100, 1), { width: 10 }).shape, [1, 3, 1, 10], 'at least one pixel');
});

test('out: rows that were read before the picture fails are written', () => {
  const out = dk.zeros([1, 3, 2100, 2048]); // two bands
  let reads = 0;
  const getImageData = (x, y, width, height) => {
    if (reads++ > 0) throw new Error('no second band today');
    return { data: new Uint8ClampedArray(width * height * 4).fill(255), width, height };
  };
  const source = { width: 2048, height: 2100, getContext: () => ({ getImageData }) };
  assertRefused(() => dk.fromImage(source, { out }), 'ERR_IMAGE', 'no second band today');
  assert.deepEqual([out.data[0], out.data[2048 * 2099]], [1, 0]);
  out.dispose();
});

test('out: one image of a batch, at its size and with its channels', () => {
  const [first, second] = [noise(9, 7, 1), noise(18, 14, 2)];
  const out = dk.zeros([2, 3, 7, 9]);
  assert.equal(dk.fromImage(first, { out, batch: 1 }), out);
  assert.ok(out.data.subarray(0, 189).every((value) => value === 0), 'image 0 is untouched');
  assert.equal(dk.fromImage(second, { out }), out);
  const halved = planesOf(second, 3).map((plane) => resize(plane, 18, 14, 9, 7));
  assertPlanes({ toArray: () => out.toArray().subarray(0, 189) }, halved, 1e-5);
  assertPlanes({ toArray: () => out.toArray().subarray(189) }, planesOf(first, 3));

  const luma = dk.zeros([1, 1, 7, 9]);
  assertPlanes(dk.fromImage(first, { out: luma }), planesOf(first, 1));
  assertPlanes(dk.fromImage(first, { out: luma, channels: 1, width: 9, height: 7 }), planesOf(first, 1));
});

test('an out of another shape', () => {
  const picture = noise(9, 7);
  const refuse = (shape, options, ...words) => {
    const out = dk.zeros(shape);
    assertRefused(() => dk.fromImage(picture, { out, ...options }), 'ERR_SHAPE', ...words);
    assert.ok(out.data.every((value) => value === 0));
    out.dispose();
  };
  refuse([1, 4, 7, 9], {}, '[N, 3, H, W]', '[1, 4, 7, 9]');
  refuse([3, 7, 9], {}, '[3, 7, 9]');
  refuse([1, 3, 7, 0], {}, 'empty', '[1, 3, 7, 0]');
  refuse([1, 3, 7, 9], { channels: 1 }, '[N, 1, 7, 9]', '[1, 3, 7, 9]');
  refuse([1, 3, 7, 9], { width: 8 }, '[N, 3, 7, 8]', '[1, 3, 7, 9]');
  refuse([1, 3, 7, 9], { height: 8 }, '[N, 3, 8, 9]', '[1, 3, 7, 9]');
  refuse([2, 3, 7, 9], { batch: 2 }, 'batch', '0 to 1', 'got 2');
  refuse([2, 3, 7, 9], { batch: -1 }, 'batch', 'got -1');
  assertRefused(() => dk.fromImage(picture, { batch: 1 }), 'ERR_SHAPE', 'batch', '0 to 0');
  assertRefused(() => dk.fromImage(picture, { out: picture }), 'ERR_CONFIG', 'out must be a Tensor');
  const attention = dk.kernelAttention({ channels: 1, midChannels: 1, numKernels: 1 });
  const out = attention.parameters()['conv1.weight']; // [1, 1, 1, 1]
  assertRefused(() => dk.fromImage(picture, { out, width: 1, height: 1 }), 'ERR_CONFIG', 'parameters');
  attention.dispose();
});

test('options', () => {
  const picture = noise(4, 4);
  const refuse = (options, ...words) => assertRefused(() => dk.fromImage(picture, options), 'ERR_CONFIG', ...words);
  for (const channels of [0, 2, 4, '3', null]) refuse({ channels }, 'channels', '3 (RGB) or 1 (luma)');
  for (const width of [0, -1, 1.5, NaN, '10', null]) {
    refuse({ width }, 'width', '1 or more');
    refuse({ height: width }, 'height', '1 or more');
  }
  for (const mean of [NaN, Infinity, '0', null, [0, 0], [0, 0, 0, 0], [0, NaN, 0], [0, '0', 0], {}, 1e39]) {
    refuse({ mean }, 'mean', '3 channels', 'finite');
    refuse({ std: mean }, 'std', '3 channels', 'finite');
  }
  for (const std of [0, -0, [1, 0, 1], 1e-50]) refuse({ std }, 'std', 'not 0');
  refuse({ batch: 0.5 }, 'batch');
  refuse({ size: 10 }, '"size"');
  refuse(5, 'fromImage');
  assertRefused(() => dk.fromImage(picture, { width: 2 ** 20, height: 2 ** 20 }), 'ERR_MEMORY', 'bytes');
});

test('values that are not pictures', () => {
  const refuse = (source, ...words) => assertRefused(() => dk.fromImage(source), 'ERR_IMAGE', ...words);
  const data = new Uint8Array(16);
  refuse(undefined, 'undefined');
  refuse(null, 'null');
  refuse('photo.jpg', '"photo.jpg"', 'Image');
  refuse({}, 'got an object');
  refuse([], 'got');
  refuse(new Blob([]), 'Blob', 'createImageBitmap');
  refuse({ data, width: 2, height: 3 }, '2x3', '24 bytes', 'got 16');
  refuse({ data: new Uint8Array(12), width: 2, height: 2 }, '16 bytes', 'got 12');
  for (const length of [0, -1, 1.5, '2', undefined]) refuse({ data, width: length, height: 2 }, 'width');
  refuse({ data, width: 2, height: NaN }, 'height', 'NaN');
  for (const other of [new Float32Array(16), Array.from(data), data.buffer, null]) {
    refuse({ data: other, width: 2, height: 2 }, 'Uint8Array');
  }
  refuse({ width: 0, height: 2, getContext: () => assert.fail('asked for its context') }, 'empty', '0x2');
});

test('pictures that must be drawn share one canvas', async () => {
  const made = [];
  globalThis.OffscreenCanvas = function (width, height) {
    made.push(createCanvas(width, height));
    return made[made.length - 1];
  };
  const pictures = [noise(12, 8, 1), noise(12, 8, 2), noise(5, 9, 3)];
  for (const picture of pictures) {
    const image = await loadImage(canvasOf(picture).toBuffer('image/png'));
    const x = dk.fromImage(image);
    assert.deepEqual(x.shape, [1, 3, picture.height, picture.width]);
    assertPlanes(x, planesOf(picture, 3));
    // a transparent picture replaces the former one
    const clear = await loadImage(createCanvas(picture.width, picture.height).toBuffer('image/png'));
    assert.ok(dk.fromImage(clear).data.every((value) => value === 0));
  }
  assert.equal(made.length, 1);
});

test('a large picture is drawn in bands', async () => {
  const sizes = [];
  globalThis.OffscreenCanvas = function (width, height) {
    sizes.push([width, height]);
    return createCanvas(width, height);
  };
  const source = createCanvas(2048, 3000);
  const context = source.getContext('2d');
  for (let y = 0; y < 3000; y++) { // each row has a colour of its own
    context.fillStyle = `rgb(${y % 256}, ${y >> 8}, 7)`;
    context.fillRect(0, y, 2048, 1);
  }
  const x = dk.fromImage(await loadImage(source.toBuffer('image/png')));
  assert.deepEqual(sizes, [[2048, 2048]]);
  for (const y of [0, 1, 2047, 2048, 2999]) {
    const pixel = [0, 1, 2].map((c) => Math.round(x.data[(c * 3000 + y) * 2048 + 100] * 255));
    assert.deepEqual(pixel, [y % 256, y >> 8, 7], `row ${y}`);
  }
  x.dispose();
});

test('a platform without canvases', async () => {
  const image = await loadImage(createCanvas(2, 2).toBuffer('image/png'));
  assertRefused(() => dk.fromImage(image), 'ERR_IMAGE', 'no canvas to draw');
});

test('pictures that are not ready or not readable', () => {
  const refuse = (source, ...words) => assertRefused(() => dk.fromImage(source), 'ERR_IMAGE', ...words);
  class HTMLImageElement { naturalWidth = 0; naturalHeight = 0; width = 50; height = 50; }
  class HTMLVideoElement { videoWidth = 0; videoHeight = 0; width = 640; height = 480; }
  class ImageBitmap { width = 0; height = 0; }
  refuse(new HTMLImageElement(), 'HTMLImageElement', 'decode()', '0x0');
  refuse(new HTMLVideoElement(), 'HTMLVideoElement', 'first frame', '0x0');
  refuse(new ImageBitmap(), 'ImageBitmap', 'closed');

  const foreign = Object.assign(new Error('The canvas has been tainted.'), { name: 'SecurityError' });
  const tainted = { width: 2, height: 2, getContext: () => ({ getImageData() { throw foreign; } }) };
  refuse(tainted, 'another origin', 'crossOrigin');

  let made = 0;
  globalThis.OffscreenCanvas = function (width, height) {
    made++;
    return { width, height, getContext: () => ({ drawImage() {}, getImageData() { throw foreign; } }) };
  };
  refuse({ naturalWidth: 2, naturalHeight: 2 }, 'another origin');
  refuse({ naturalWidth: 2, naturalHeight: 2 }, 'another origin');
  assert.equal(made, 2, 'a tainted canvas is not used again');

  globalThis.OffscreenCanvas = function (width, height) {
    return { width, height, getContext: () => ({ drawImage() { throw new Error('broken state'); } }) };
  };
  refuse({ naturalWidth: 2, naturalHeight: 2 }, 'cannot be drawn', 'broken state');
});

test('a canvas without a 2d context is drawn', () => {
  globalThis.OffscreenCanvas = function (width, height) {
    const canvas = createCanvas(width, height);
    const context = canvas.getContext('2d');
    context.drawImage = () => {
      context.fillStyle = '#ff0000';
      context.fillRect(0, 0, width, height);
    };
    return canvas;
  };
  const webgl = { width: 3, height: 2, getContext: () => null };
  assert.deepEqual([...dk.fromImage(webgl).data], [...Array(6).fill(1), ...Array(12).fill(0)]);
});

test('a canvas in a wider colour space is read as sRGB', () => {
  const asked = [];
  const context = {
    getImageData(x, y, width, height, settings) {
      asked.push(settings?.colorSpace);
      const data = new Uint8ClampedArray(width * height * 4).fill(51);
      return { data, colorSpace: settings?.colorSpace ?? 'display-p3' };
    },
  };
  const x = dk.fromImage({ width: 1, height: 1, getContext: () => context });
  assert.deepEqual(asked, [undefined, 'srgb']);
  assertPlanes(x, [[0.2], [0.2], [0.2]]);
});
