// Sources of odd sizes, with too many pixels, or with code that disturbs the call.
import assert from 'node:assert/strict';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { afterEach, beforeEach, test } from 'node:test';
import { assertRefused, loadRuntime } from '../helpers.mjs';

let dk;
beforeEach(async () => {
  dk = await loadRuntime();
});
afterEach(() => {
  for (const name of ['OffscreenCanvas', 'ImageData']) delete globalThis[name];
  dk?.dispose();
});

/** An object like a canvas, with pixels from `read`. */
const canvasLike = (width, height, read) => ({ width, height, getContext: () => ({ getImageData: read }) });

/** Grey pixels, as from getImageData(). */
const grey = (width, height, value = 51) => ({ data: new Uint8ClampedArray(width * height * 4).fill(value) });

const refuse = (source, ...words) => assertRefused(() => dk.fromImage(source), 'ERR_IMAGE', ...words);

test('canvas-likes and drawables of odd sizes', () => {
  const unread = () => assert.fail('was read');
  for (const length of ['1', 4.5, NaN, -1, Infinity, 2 ** 31, null, undefined, 3n, {}]) {
    refuse(canvasLike(length, 2, unread), 'width must be a whole number');
    refuse(canvasLike(2, length, unread), 'height must be a whole number');
  }
  for (const length of [4.5, NaN, -1]) {
    refuse({ naturalWidth: length, naturalHeight: 2 }, 'width must be a whole number');
    refuse({ videoWidth: 2, videoHeight: length }, 'height must be a whole number');
  }
  let asked = 0;
  const shifty = { ...canvasLike(0, 2, (x, y, width, height) => grey(width, height)) };
  Object.defineProperty(shifty, 'width', { get: () => [2, '3', -4][asked++] });
  assert.deepEqual(dk.fromImage(shifty).shape, [1, 3, 2, 2]);
  assert.equal(asked, 1, 'the width is asked for once');
});

test('canvases with wrong or missing pixels', () => {
  const data = new Uint8ClampedArray(16);
  refuse(canvasLike(2, 2, () => undefined), 'getImageData() must return', 'undefined');
  refuse(canvasLike(2, 2, () => null), 'getImageData() must return', 'null');
  refuse(canvasLike(2, 2, () => 5), 'getImageData() must return', '5');
  refuse(canvasLike(2, 2, () => ({})), 'Uint8Array', 'undefined');
  refuse(canvasLike(2, 2, () => ({ data: [...data] })), 'Uint8Array', 'an array of 16');
  refuse(canvasLike(2, 2, () => ({ data: new Uint16Array(16) })), 'Uint8Array', 'Uint16Array');
  refuse(canvasLike(2, 2, () => ({ data: data.subarray(4) })), '2x2', '16 bytes', 'got 12');
  refuse(canvasLike(2, 2, () => ({ data: new Uint8Array(20) })), '16 bytes', 'got 20');
  refuse(canvasLike(2, 2, () => { throw new RangeError('no pixels today'); }), 'no pixels today');
  refuse(canvasLike(2, 2, () => ({ get data() { throw new TypeError('no data today'); } })), 'no data today');
  refuse({ width: 2, height: 2, getContext: () => ({}) }, 'cannot be read');
  refuse({ width: 2, height: 2, get getContext() { throw new Error('no context today'); } }, 'no context today');
  refuse({ get data() { throw new Error('nothing'); }, width: 2, height: 2 }, 'nothing');
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  refuse(proxy, 'cannot be read');
  const lost = { width: 2, height: 2, getContext: () => ({ isContextLost: () => true, getImageData: () => grey(2, 2) }) };
  refuse(lost, 'lost its context', '2x2');
});

test('a picture of more pixels than maxPixels is refused before it is read', () => {
  const unread = { naturalWidth: 40000, naturalHeight: 40000 };
  refuse(unread, '40000x40000', '1600000000', '268435456', 'maxPixels');
  refuse({ width: 16385, height: 16384, getContext: () => assert.fail('asked for its context') }, '16385x16384', 'maxPixels');
  const data = new Uint8Array(400);
  assertRefused(() => dk.fromImage({ data, width: 10, height: 10 }, { maxPixels: 99 }), 'ERR_IMAGE', '10x10', '100', '99');
  assert.deepEqual(dk.fromImage({ data, width: 10, height: 10 }, { maxPixels: 100 }).shape, [1, 3, 10, 10]);
  // one row more than the limit is read if the limit is raised
  const tall = canvasLike(1, 2 ** 28 + 1, () => { throw new Error('was read'); });
  refuse(tall, '1x268435457', 'maxPixels');
  assertRefused(() => dk.fromImage(tall, { width: 1, height: 1, maxPixels: 2 ** 29 }), 'ERR_IMAGE', 'was read');
  for (const maxPixels of [0, -1, 1.5, NaN, Infinity, '100', null]) {
    assertRefused(() => dk.fromImage({ data, width: 10, height: 10 }, { maxPixels }), 'ERR_CONFIG', 'maxPixels');
  }
});

test('a source that disposes of the tensor or the runtime writes nowhere', () => {
  for (const moment of ['width', 'getContext', 'getImageData', 'the second getImageData']) {
    const [width, height] = [2048, 2100]; // two bands
    const out = dk.zeros([1, 3, 8, 8]);
    const others = [];
    let reads = 0;
    const act = (name) => {
      if (name !== moment) return;
      out.dispose();
      for (let i = 0; i < 20; i++) others.push(dk.zeros([1, 3, 8, 8])); // one has its memory now
    };
    const source = {
      get width() {
        act('width');
        return width;
      },
      height,
      getContext() {
        act('getContext');
        return {
          getImageData(x, y, columns, rows) {
            act(reads++ === 0 ? 'getImageData' : 'the second getImageData');
            return grey(columns, rows, 255);
          },
        };
      },
    };
    assertRefused(() => dk.fromImage(source, { out }), 'ERR_DISPOSED', 'out');
    for (const other of others) {
      assert.ok(other.data.every((value) => value === 0), `another tensor was written, at ${moment}`);
      other.dispose();
    }
  }
});

test('a source that disposes of the runtime', async () => {
  for (const options of [{}, { width: 3, height: 3 }]) {
    const other = await loadRuntime();
    const source = canvasLike(4, 4, (x, y, width, height) => {
      other.dispose();
      return grey(width, height);
    });
    assertRefused(() => other.fromImage(source, options), 'ERR_DISPOSED');
  }
});

test('a source that grows the heap or reads another picture', () => {
  const made = [];
  const source = canvasLike(2048, 2100, (x, y, width, height) => {
    const other = { ...grey(500, 500, 200), width: 500, height: 500 };
    made.push(dk.zeros([1 << 20]), dk.fromImage(other, { width: 3000, height: 10 }));
    return grey(width, height);
  });
  for (const options of [{}, { width: 9, height: 7 }]) {
    const out = dk.zeros([1, 3, options.height ?? 2100, options.width ?? 2048]);
    const x = dk.fromImage(source, { ...options, out });
    assert.ok(x.toArray().every((value) => Math.abs(value - 0.2) < 1e-6));
    x.dispose();
  }
  for (const tensor of made) tensor.dispose();
});

test('mean and std are read once', () => {
  let asked = 0;
  const mean = [0, 0, 0];
  Object.defineProperty(mean, 1, { get: () => (asked++ === 0 ? 0.5 : NaN) });
  const x = dk.fromImage({ ...grey(1, 1), width: 1, height: 1 }, { mean });
  assert.deepEqual([...x.toArray()].map((value) => Math.round(value * 10)), [2, -3, 2]);
  const endless = [];
  endless.length = 2 ** 32 - 1;
  assertRefused(() => dk.fromImage({ ...grey(1, 1), width: 1, height: 1 }, { mean: endless }), 'ERR_CONFIG', 'mean');
});

test('pixels of a mocked canvas are not freed', () => {
  globalThis.ImageData = class ImageData {
    constructor(data, width, height) {
      Object.assign(this, { data, width, height });
    }
  };
  const fixture = new ImageData(new Uint8ClampedArray(64).fill(51), 4, 4);
  const canvas = canvasLike(4, 4, () => fixture);
  const { MessageChannel } = globalThis;
  for (const channel of [MessageChannel, undefined]) {
    globalThis.MessageChannel = channel;
    try {
      for (let i = 0; i < 2; i++) assert.ok(Math.abs(dk.fromImage(canvas).data[47] - 0.2) < 1e-6);
    } finally {
      globalThis.MessageChannel = MessageChannel;
    }
    assert.equal(fixture.data.length, 64);
  }
});

test('a canvas that stays in another colour space is converted', () => {
  const asked = [];
  const source = canvasLike(1, 1, (x, y, width, height, settings) => {
    asked.push(settings?.colorSpace);
    return { data: Uint8ClampedArray.of(128, 64, 32, 255), colorSpace: 'display-p3' };
  });
  const bytes = [...dk.fromImage(source).toArray()].map((value) => Math.round(value * 255));
  assert.deepEqual(bytes, [138, 59, 21]);
  assert.deepEqual(asked, [undefined, 'srgb']);
});

/** Canvases that note their draws and stay blank beyond a size, like a browser's. */
function limitedCanvases(fits) {
  const draws = [];
  globalThis.OffscreenCanvas = function (width, height) {
    const canvas = { width, height, getContext: () => context };
    const context = {
      fillRect() {},
      drawImage: (source, ...rest) => draws.push([canvas.width, canvas.height, ...rest]),
      getImageData: (x, y, columns, rows) => grey(columns, rows, fits(canvas.width, canvas.height) ? 51 : 0),
    };
    return canvas;
  };
  return draws;
}

test('pictures are drawn without a source rectangle, a video at once', () => {
  const draws = limitedCanvases(() => true);
  class HTMLVideoElement {
    readyState = 2;
    videoWidth = 2048;
    videoHeight = 3000;
    get [Symbol.toStringTag]() {
      return 'HTMLVideoElement';
    }
  }
  dk.fromImage({ naturalWidth: 2048, naturalHeight: 3000 }).dispose();
  assert.deepEqual(draws.splice(0), [[2048, 2048, 0, 0, 2048, 3000], [2048, 2048, 0, -2048, 2048, 3000]]);
  dk.fromImage(new HTMLVideoElement()).dispose();
  assert.deepEqual(draws.splice(0), [[2048, 3000, 0, 0, 2048, 3000]]);
});

test('pictures that a browser draws as nothing are refused', () => {
  const draws = limitedCanvases(() => true);
  refuse({ naturalWidth: 2, naturalHeight: 2, complete: false }, 'decode()');
  refuse({ videoWidth: 2, videoHeight: 2, readyState: 1 }, 'first frame');
  assert.deepEqual(draws, []);
  limitedCanvases((width, height) => width <= 65535 && width * height <= 2 ** 28);
  refuse({ naturalWidth: 65536, naturalHeight: 2 }, '65536x2', 'createImageBitmap');
  dk.fromImage({ naturalWidth: 65535, naturalHeight: 2 }).dispose();
});

test('a canvas that is too large for the browser is refused, a blank one is not', () => {
  limitedCanvases((width, height) => width <= 65535 && width * height <= 2 ** 28);
  const blank = (width, height) => canvasLike(width, height, (x, y, columns, rows) => grey(columns, rows, 0));
  const options = { width: 4, height: 4, maxPixels: 2 ** 31 };
  assertRefused(() => dk.fromImage(blank(40000, 40000), options), 'ERR_IMAGE', '40000x40000', 'too large for this browser');
  assertRefused(() => dk.fromImage(blank(65536, 10), options), 'ERR_IMAGE', '65536x10');
  assert.ok(dk.fromImage(blank(5000, 5000), options).data.every((value) => value === 0));
  const full = canvasLike(65536, 10, (x, y, columns, rows) => grey(columns, rows));
  assert.ok(dk.fromImage(full, options).data.every((value) => value > 0.19), 'a canvas with pixels is read');
});

test('a large blank canvas is read if there is no canvas to test the size', async () => {
  const blank = canvasLike(40000, 500, (x, y, columns, rows) => grey(columns, rows, 0));
  assert.ok(dk.fromImage(blank, { width: 4, height: 4 }).data.every((value) => value === 0));
  const image = await loadImage(createCanvas(3, 2).toBuffer('image/png'));
  refuse(image, 'no canvas to draw');
});
