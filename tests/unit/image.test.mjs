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

/** A picture of the size of a box in whole pixels: what lies beyond the source is black. */
function cutOut({ data, width, height }, box) {
  const cut = { data: new Uint8ClampedArray(box.width * box.height * 4), width: box.width, height: box.height };
  for (let y = 0; y < box.height; y++) {
    for (let x = 0; x < box.width; x++) {
      const [u, v] = [box.x + x, box.y + y];
      if (u < 0 || u >= width || v < 0 || v >= height) continue;
      cut.data.set(data.subarray((v * width + u) * 4, (v * width + u + 1) * 4), (y * box.width + x) * 4);
    }
  }
  return cut;
}

/** A resized box: cut out with all pixels that it touches, then filtered with windows that the box places. */
function resizedBox(picture, box, W, H) {
  const [x, y] = [Math.floor(box.x), Math.floor(box.y)];
  const cut = cutOut(picture, { x, y, width: Math.ceil(box.x + box.width) - x, height: Math.ceil(box.y + box.height) - y });
  const shifted = (start, length, size, to) => {
    const [step, reach] = [length / to, Math.max(1, length / to)];
    return Array.from({ length: to }, (_, i) => {
      const weights = Array.from({ length: size }, (__, j) => Math.max(0, 1 - Math.abs(j + 0.5 - start - (i + 0.5) * step) / reach));
      const sum = weights.reduce((total, weight) => total + weight, 0);
      return weights.map((weight) => weight / sum);
    });
  };
  const columns = shifted(box.x - x, box.width, cut.width, W);
  const rows = shifted(box.y - y, box.height, cut.height, H);
  return planesOf(cut, 3).map((plane) => Float64Array.from({ length: W * H }, (_, i) => {
    let sum = 0;
    rows[Math.floor(i / W)].forEach((a, v) => columns[i % W].forEach((b, u) => { sum += a * b * plane[v * cut.width + u]; }));
    return sum;
  }));
}

const BOXES = [
  [0, 0, 45, 30], [3, 4, 20, 10], [0, 5, 45, 7], [-4, -3, 20, 10], [40, 25, 20, 10], [-5, -6, 60, 50], [10, 28, 5, 9], [44, 29, 1, 1],
].map(([x, y, width, height]) => ({ x, y, width, height }));

test('crop: whole pixels are those of a picture that was cut out before', () => {
  const picture = noise(45, 30, 5);
  for (const crop of BOXES) {
    const cut = cutOut(picture, crop);
    for (const options of [{}, { channels: 1, mean: 0.4, std: 0.3 }, { width: 13, height: 17 }, { width: 64, height: 9 }]) {
      const [actual, expected] = [dk.fromImage(picture, { crop, ...options }), dk.fromImage(cut, options)];
      assert.deepEqual(actual.shape, expected.shape);
      const what = `${JSON.stringify(crop)} ${JSON.stringify(options)}`;
      actual.toArray().forEach((value, i) => assert.ok(Math.abs(value - expected.data[i]) <= 2e-6, `${what}: [${i}]`));
    }
  }
});

test('crop: fractions of pixels', () => {
  const picture = noise(45, 30, 6);
  for (const [x, y, width, height, W, H] of [
    [0.5, 0.25, 10, 10, 10, 10], [3.7, 2.2, 20.5, 11.1, 7, 5], [-3.3, -2.9, 9.1, 30.2, 20, 40], [44.5, 29.5, 0.25, 0.3, 3, 2],
    [-100.5, -50.25, 300.75, 200.5, 11, 9], [0, 0, 44.999, 30, 45, 30],
  ]) {
    const crop = { x, y, width, height };
    assertPlanes(dk.fromImage(picture, { crop, width: W, height: H }), resizedBox(picture, crop, W, H), 1e-5);
  }
});

test('crop: the size of the tensor', () => {
  const picture = noise(40, 30);
  const shapeOf = (width, height, options) => dk.fromImage(picture, { crop: { x: 1, y: 2, width, height }, ...options }).shape;
  assert.deepEqual(shapeOf(9.4, 19.6), [1, 3, 20, 9]);
  assert.deepEqual(shapeOf(0.1, 0.2), [1, 3, 1, 1]);
  assert.deepEqual(shapeOf(10, 20, { width: 5 }), [1, 3, 10, 5]);
  assert.deepEqual(shapeOf(10, 20, { height: 5 }), [1, 3, 5, 3]);
  const out = dk.zeros([2, 3, 6, 4]);
  assert.equal(dk.fromImage(picture, { crop: BOXES[1], out, batch: 1 }), out);
});

test('crop: outside of the picture all is black', () => {
  for (const crop of [{ x: 40, y: 0, width: 4, height: 5 }, { x: 0, y: -9, width: 4, height: 9 }, { x: -2e9 / 4, y: 3, width: 7, height: 7 }]) {
    const x = dk.fromImage(noise(40, 30), { crop, width: 5, height: 6, mean: 0.5, std: 0.25 });
    assert.ok(x.data.every((value) => value === -2), JSON.stringify(crop));
  }
  const huge = dk.fromImage(noise(4, 4), { crop: { x: -(2 ** 29), y: -(2 ** 29), width: 2 ** 30, height: 2 ** 30 }, width: 3, height: 3 });
  assert.ok(huge.data.every((value) => value >= 0 && value < 1e-6));
});

test('crop: every kind of source', async () => {
  globalThis.OffscreenCanvas = function (width, height) {
    return createCanvas(width, height);
  };
  const picture = noise(45, 30, 7);
  const canvas = canvasOf(picture);
  const drawable = await loadImage(canvas.toBuffer('image/png'));
  const { Float16Array } = globalThis; // Node 24 has it
  const halves = Float16Array
    ? [{ width: 45, height: 30, pixelFormat: 'rgba-float16', data: Float16Array.from(picture.data, (byte) => byte / 255) }] : [];
  for (const crop of [...BOXES, { x: 3.5, y: -2.25, width: 30, height: 12.5 }]) {
    const expected = dk.fromImage(picture, { crop, width: 16, height: 12 });
    for (const source of [canvas, drawable, ...halves]) {
      const actual = dk.fromImage(source, { crop, width: 16, height: 12 });
      const tolerance = source === halves[0] ? 2e-3 : 0;
      actual.toArray().forEach((value, i) => assert.ok(Math.abs(value - expected.data[i]) <= tolerance, JSON.stringify(crop)));
    }
  }
  const wide = { ...picture, colorSpace: 'display-p3' };
  const [whole, part] = [dk.fromImage(wide), dk.fromImage(wide, { crop: { x: 4, y: 3, width: 2, height: 1 } })];
  assert.deepEqual([...part.toArray()], [0, 1, 2].flatMap((c) => [4, 5].map((x) => whole.data[(c * 30 + 3) * 45 + x])));
});

test('crop: only the pixels that it touches are read and drawn', () => {
  const reads = [];
  const getImageData = (x, y, width, height) => {
    reads.push([x, y, width, height]);
    return { data: new Uint8ClampedArray(width * height * 4).fill(255), width, height };
  };
  const canvas = { width: 30000, height: 20000, getContext: () => ({ getImageData }) };
  dk.fromImage(canvas, { crop: { x: 100.5, y: 19990, width: 20, height: 40 } });
  assert.deepEqual(reads.splice(0), [[100, 19990, 21, 10]]);

  const draws = [];
  globalThis.OffscreenCanvas = function (width, height) {
    return Object.assign(this, { width, height, getContext: () => ({ getImageData, drawImage: (_, ...rest) => draws.push(rest) }) });
  };
  dk.fromImage({ naturalWidth: 40000, naturalHeight: 40000 }, { crop: { x: -3, y: 7, width: 20, height: 5 } });
  assert.deepEqual([draws.splice(0), reads.splice(0)], [[[0, -7, 40000, 40000]], [[0, 0, 17, 5]]]);
  dk.fromImage(canvas, { crop: { x: -9, y: 0, width: 9, height: 9 } });
  assert.deepEqual(reads, [], 'nothing of the canvas is in the crop');
  assertRefused(() => dk.fromImage(canvas, { crop: { x: 0, y: 0, width: 11, height: 10 }, maxPixels: 109 }), 'ERR_IMAGE',
    'the crop of the canvas has 11x10 = 110 pixels', '109');
});

test('crop: values that are not boxes', () => {
  const refuse = (crop, ...words) => assertRefused(() => dk.fromImage(noise(4, 4), { crop }), 'ERR_CONFIG', 'fromImage: crop', ...words);
  const box = { x: 0, y: 0, width: 2, height: 2 };
  for (const crop of [null, 5, 'all', [], {}, () => box]) refuse(crop, '{ x, y, width, height }');
  for (const side of [NaN, Infinity, '1', null, undefined, 2 ** 31, -(2 ** 31)]) {
    for (const name of Object.keys(box)) refuse({ ...box, [name]: side }, name);
  }
  for (const side of [0, -1]) refuse({ ...box, width: side }, `width ${side}`, 'more than 0');
  assertRefused(() => dk.fromImage(noise(4, 4), { crop: { ...box, width: 2 ** 30, height: 2 ** 30 } }), 'ERR_MEMORY');
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
