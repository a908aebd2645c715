// Canvases that cannot be drawn on are refused and stay unchanged.
import assert from 'node:assert/strict';
import { createCanvas } from '@napi-rs/canvas';
import { afterEach, before, test } from 'node:test';
import { assertRefused, loadRuntime } from '../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
afterEach(() => {
  for (const name of ['OffscreenCanvas', 'ImageData']) delete globalThis[name];
});

/** A canvas that notes when its size is set. */
function watched(getContext, { width = 30, height = 20 } = {}) {
  const changes = [];
  return {
    changes,
    getContext,
    get width() {
      return width;
    },
    set width(value) {
      changes.push(['width', value]);
      width = value;
    },
    get height() {
      return height;
    },
    set height(value) {
      changes.push(['height', value]);
      height = value;
    },
  };
}

/** A context that accepts every call, except for the members in `others`. */
const contextWith = (others = {}) => ({
  createImageData: (width, height) => ({ data: new Uint8ClampedArray(width * height * 4), width, height }),
  putImageData() {},
  ...others,
});

function fails(message) {
  return () => {
    throw new TypeError(message);
  };
}

test('a refused canvas is never touched', () => {
  const t = dk.zeros([1, 3, 4, 4]);
  const refusals = {
    'another kind than 2d': () => null, // webgl, webgpu, bitmaprenderer
    'control was transferred': fails('control was transferred'),
    'its context is lost': () => contextWith({ isContextLost: () => true }),
    'no picture today': () => contextWith({ createImageData: fails('no picture today') }),
    'no putting today': () => contextWith({ putImageData: fails('no putting today') }),
    'cannot be drawn on': () => contextWith({ createImageData: () => ({ data: new Uint8ClampedArray(4) }) }),
  };
  for (const [words, getContext] of Object.entries(refusals)) {
    for (const draw of ['drawMap', 'drawMaps']) {
      const canvas = watched(getContext);
      assertRefused(() => t[draw](canvas), 'ERR_IMAGE', words);
      assert.deepEqual(canvas.changes, [], `${draw}, ${words}`);
    }
  }
  const canvas = watched(() => contextWith());
  Object.defineProperty(canvas, 'height', { get: () => 20, set: fails('no size today') });
  assertRefused(() => t.drawMap(canvas), 'ERR_IMAGE', 'no size today');
  assert.equal(canvas.width, 30, 'the width is back');
  const stubborn = watched(() => contextWith());
  Object.defineProperty(stubborn, 'height', { get: () => 20, set() {} });
  assertRefused(() => t.drawMap(stubborn), 'ERR_IMAGE', 'does not take the size 4x4', '4x20');
  assert.equal(stubborn.width, 30);
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  assertRefused(() => t.drawMap(proxy), 'ERR_IMAGE', 'cannot be drawn on');
});

test('a loop over frames puts each picture once', () => {
  const puts = [];
  const canvas = watched(() => context);
  const context = contextWith({ putImageData: (picture, ...place) => puts.push(place) });
  const t = dk.zeros([1, 1, 4, 4]);
  t.drawMap(canvas);
  assert.deepEqual(puts.splice(0), [[0, 0, 0, 0, 0, 0], [0, 0]], 'no pixel before the canvas has its size');
  t.drawMap(canvas);
  assert.deepEqual(puts, [[0, 0]]);
});

test('a canvas that disposes of the runtime', async () => {
  const other = await loadRuntime();
  const canvas = watched(() => {
    other.dispose();
    return contextWith();
  });
  assertRefused(() => other.zeros([1, 1, 4, 4]).drawMap(canvas), 'ERR_DISPOSED');
  assert.deepEqual(canvas.changes, []);
});

/** A picture of zeros, like a context's. */
const emptyPicture = (width, height) => ({ data: new Uint8ClampedArray(width * height * 4), width, height });

test('code of the canvas or of an option that disposes of the tensor', () => {
  /** Each calls dispose() in one piece of the caller's code. */
  const places = {
    getContext: (dispose) => [watched(() => (dispose(), contextWith()))],
    isContextLost: (dispose) => [watched(() => contextWith({ isContextLost: () => (dispose(), false) }))],
    createImageData: (dispose) => [watched(() => contextWith({
      createImageData: (width, height) => (dispose(), emptyPicture(width, height)),
    }))],
    width: (dispose) => [Object.defineProperty(watched(() => contextWith()), 'width', { get: () => (dispose(), 4), set() {} })],
    range: (dispose) => [watched(() => contextWith()), { get range() { return dispose(), 'auto'; } }],
    colormap: (dispose) => [watched(() => contextWith()), { range: [0, 1], get colormap() { return dispose(), 'gray'; } }],
  };
  for (const draw of ['drawMap', 'drawMaps']) {
    for (const [place, make] of Object.entries(places)) {
      const t = dk.zeros([1, 1, 4, 4]);
      let reuse;
      const [canvas, options] = make(() => {
        if (t.disposed) return;
        t.dispose();
        reuse = dk.tensor(Array(16).fill(1), [1, 1, 4, 4]); // takes the memory
      });
      assertRefused(() => t[draw](canvas, options), 'ERR_DISPOSED', 'the tensor');
      assert.ok(reuse, `${draw}, ${place}: the code ran`);
      reuse.dispose();
    }
  }
  const t = dk.zeros([4, 4]);
  assertRefused(() => t.toImageData({ get range() { return t.dispose(), [0, 1]; } }), 'ERR_DISPOSED');
  globalThis.ImageData = class {
    constructor(width, height) {
      other.dispose();
      Object.assign(this, emptyPicture(width, height));
    }
  };
  const other = dk.zeros([4, 4]);
  assertRefused(() => other.toImageData(), 'ERR_DISPOSED');
});

test('a tensor that is disposed between two strips: no more strips', () => {
  const t = dk.zeros([1, 1, 1100, 500]);
  const puts = [];
  const canvas = watched(() => contextWith({
    putImageData(picture, x, y, ...dirty) {
      if (dirty.length > 0) return; // no pixel is put
      puts.push(y);
      t.dispose();
    },
  }));
  assertRefused(() => t.drawMap(canvas), 'ERR_DISPOSED');
  assert.deepEqual(puts, [0]);
});

test('a canvas that refuses a later strip has the earlier ones, and its former size if that changed', () => {
  const t = dk.zeros([1, 1, 1100, 500]);
  for (const [size, changes] of [[{ width: 500, height: 1100 }, []], [{}, [['width', 500], ['height', 1100], ['width', 30], ['height', 20]]]]) {
    const puts = [];
    const canvas = watched(() => contextWith({
      putImageData(picture, x, y, ...dirty) {
        if (dirty.length > 0) return;
        if (y > 0) throw new TypeError('no second strip today');
        puts.push(y);
      },
    }), size);
    assertRefused(() => t.drawMap(canvas), 'ERR_IMAGE', 'no second strip today');
    assert.deepEqual(puts, [0]);
    assert.deepEqual(canvas.changes, changes);
  }
});

test('a canvas that moves the memory of the pixels', async () => {
  const other = await loadRuntime();
  const t = other.tensor(Array.from({ length: 16 }, (_, i) => i), [4, 4]);
  const drawn = [];
  const canvas = watched(() => contextWith({
    createImageData(width, height) {
      other.trim();
      for (let i = 0; i < 20; i++) other.tensor(Array(16).fill(7), [16]); // one takes the memory
      return emptyPicture(width, height);
    },
    putImageData: (picture) => { drawn.push([...picture.data]); },
  }), { width: 4, height: 4 });
  t.drawMap(canvas, { range: [0, 255] });
  assert.deepEqual(drawn, [[...t.toImageData({ range: [0, 255] }).data]]);
  other.dispose();
});

test('a real canvas keeps its picture when pixels are refused', () => {
  const t = dk.zeros([1, 3, 4, 4]);
  const canvas = createCanvas(6, 5);
  const context = canvas.getContext('2d');
  context.fillStyle = '#336699';
  context.fillRect(0, 0, 6, 5);
  const before = [...context.getImageData(0, 0, 6, 5).data];
  globalThis.ImageData = class ImageData { }; // foreign to this canvas
  context.putImageData = fails('parameter 1 is not of type ImageData');
  assertRefused(() => t.drawMap(canvas), 'ERR_IMAGE', 'not of type ImageData');
  assert.deepEqual([canvas.width, canvas.height], [6, 5]);
  assert.deepEqual([...context.getImageData(0, 0, 6, 5).data], before);
});

test('a size that stays blank in this browser is refused, others are not', () => {
  const tried = [];
  globalThis.OffscreenCanvas = function (width, height) {
    tried.push(`${width}x${height}`);
    const draws = width * height <= 2 ** 26;
    const context = { fillRect() {}, getImageData: () => ({ data: [0, 0, 0, draws ? 255 : 0] }) };
    return { width, height, getContext: () => context };
  };
  const t = dk.zeros([1, 2, 4, 4]);
  const large = watched(fails('asked for its context'));
  assertRefused(() => t.drawMaps(large, { columns: 1, gap: 30000 }), 'ERR_IMAGE', 'asked for its context');
  assert.deepEqual(tried, ['4x30008'], 'a long side is tried');
  const wide = dk.zeros([1, 4, 1, 8]);
  assertRefused(() => wide.drawMaps(large, { columns: 2, gap: 17000 }), 'ERR_IMAGE', '17016x17002', 'too large', 'blank');
  assert.deepEqual(large.changes, []);
  const drawn = watched(() => contextWith());
  for (let i = 0; i < 2; i++) wide.drawMaps(drawn, { columns: 2, gap: 6000 });
  assert.deepEqual([drawn.width, drawn.height], [6016, 6002]);
  assert.deepEqual(tried.slice(1), ['17016x17002', '6016x6002'], 'each size once');
  dk.zeros([1, 1, 4, 4]).drawMap(drawn);
  assert.equal(tried.length, 3, 'an ordinary size is not tried');
});

test('a picture that is too large for the platform', () => {
  const t = dk.zeros([1, 1, 4, 4]);
  globalThis.ImageData = class ImageData {
    constructor() {
      throw new RangeError('Out of memory at ImageData creation');
    }
  };
  assertRefused(() => t.toImageData(), 'ERR_MEMORY', '4x4', '64 bytes', 'Out of memory');
  globalThis.ImageData = class ImageData { };
  assertRefused(() => t.toImageData(), 'ERR_IMAGE', '4x4', 'undefined');
  delete globalThis.ImageData;
  const { Uint8ClampedArray } = globalThis;
  globalThis.Uint8ClampedArray = class {
    constructor(length) {
      throw new RangeError(`Array buffer allocation failed: ${length}`);
    }
  };
  try {
    assertRefused(() => t.toImageData(), 'ERR_MEMORY', '64 bytes', 'allocation failed');
  } finally {
    globalThis.Uint8ClampedArray = Uint8ClampedArray;
  }
});
