// Pixels of other colour spaces and formats, and typed arrays with false properties.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { rowsOf } from '../../web/dynakernel/pixels.js';
import { assertRefused, loadRuntime } from '../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const toLinear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const fromLinear = (light) => (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);

/** From linear Display P3 to XYZ and from there to linear sRGB, as CSS Color 4 has them. */
const P3_TO_XYZ = [
  [608311 / 1250200, 189793 / 714400, 198249 / 1000160],
  [35783 / 156275, 247089 / 357200, 198249 / 2500400],
  [0, 32229 / 714400, 5220557 / 5000800],
];
const XYZ_TO_SRGB = [
  [12831 / 3959, -329 / 214, -1974 / 3959],
  [-851781 / 878810, 1648619 / 878810, 36519 / 878810],
  [705 / 12673, -2585 / 12673, 705 / 667],
];
const times = (matrix, vector) => matrix.map((row) => row.reduce((sum, m, i) => sum + m * vector[i], 0));

/** The sRGB bytes of a colour 0 to 1 in another space. */
function reference(colour, space) {
  let light = space.endsWith('-linear') ? colour : colour.map(toLinear);
  if (space.startsWith('display-p3')) light = times(XYZ_TO_SRGB, times(P3_TO_XYZ, light));
  return light.map((value) => 255 * Math.min(1, Math.max(0, fromLinear(value))));
}

test('each colour space becomes sRGB', () => {
  const levels = [0, 1, 2, 5, 10, 40, 64, 128, 200, 254, 255];
  const colours = levels.flatMap((red) => levels.flatMap((green) => [[red, green, 30], [red, green, 255]]));
  const data = Uint8ClampedArray.from(colours.flatMap((colour) => [...colour, 255]));
  for (const colorSpace of ['srgb', 'srgb-linear', 'display-p3', 'display-p3-linear']) {
    const { rows } = rowsOf({ data, colorSpace }, colours.length, 1);
    const bytes = rows(0, 1);
    colours.forEach((colour, i) => {
      const expected = colorSpace === 'srgb' ? colour : reference(colour.map((value) => value / 255), colorSpace);
      for (let c = 0; c < 3; c++) {
        const difference = Math.abs(bytes[4 * i + c] - expected[c]);
        assert.ok(difference <= 0.6, `${colorSpace} ${colour}, channel ${c}: ${bytes[4 * i + c]}, not ${expected[c]}`);
      }
      assert.equal(bytes[4 * i + 3], 255);
    });
  }
});

test('fromImage converts, in slices too, and leaves the pixels as they are', () => {
  const [width, height] = [300, 500]; // more than one slice
  const data = Uint8ClampedArray.from({ length: width * height * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 37) % 256));
  const before = data.slice();
  const x = dk.fromImage({ data, width, height, colorSpace: 'display-p3' });
  const pixels = x.toArray();
  for (let i = 0; i < width * height; i += 501) {
    const expected = reference([...data.subarray(4 * i, 4 * i + 3)].map((value) => value / 255), 'display-p3');
    for (let c = 0; c < 3; c++) {
      assert.ok(Math.abs(255 * pixels[c * width * height + i] - expected[c]) <= 0.6, `pixel ${i}`);
    }
  }
  assert.deepEqual(data, before);
  x.dispose();
});

test('unknown spaces and formats are refused with advice', () => {
  const refuse = (fields, ...words) =>
    assertRefused(() => dk.fromImage({ data: new Uint8Array(16), width: 2, height: 2, ...fields }), 'ERR_IMAGE', ...words);
  for (const colorSpace of ['rec2100-pq', '', 'toString', 5, null]) {
    refuse({ colorSpace }, "'display-p3'", "getImageData(x, y, width, height, { colorSpace: 'srgb' })");
  }
  refuse({ pixelFormat: 'rgba-float16' }, 'rgba-unorm8', '"rgba-float16" with a Uint8Array');
  refuse({ pixelFormat: 'rgba-float32' }, '"rgba-float32"');
  for (const data of [new Uint16Array(16), new Float32Array(16), new Float64Array(16), new DataView(new ArrayBuffer(16))]) {
    refuse({ data }, 'Uint8Array', data.constructor.name, 'getImageData');
  }
});

test('memory that is shared, resizable or cut', () => {
  const bytes = Uint8Array.from({ length: 16 }, (_, i) => (i % 4 === 3 ? 255 : 16 * i));
  const expected = [...dk.fromImage({ data: bytes, width: 2, height: 2 }).data];
  const shared = new Uint8ClampedArray(new SharedArrayBuffer(20), 4);
  const resizable = new Uint8Array(new ArrayBuffer(16, { maxByteLength: 64 }));
  const growable = new Uint8Array(new SharedArrayBuffer(16, { maxByteLength: 64 }));
  for (const data of [shared, resizable, growable]) {
    data.set(bytes);
    assert.deepEqual([...dk.fromImage({ data, width: 2, height: 2 }).data], expected);
  }
  resizable.buffer.resize(8);
  assertRefused(() => dk.fromImage({ data: resizable, width: 2, height: 2 }), 'ERR_IMAGE', '16 bytes', 'got 8');
  const fixed = new Uint8Array(resizable.buffer, 0, 8);
  resizable.buffer.resize(4); // the view lies outside now
  assertRefused(() => dk.fromImage({ data: fixed, width: 2, height: 1 }), 'ERR_IMAGE', 'got 0');
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  assertRefused(() => dk.fromImage({ data: bytes, width: 2, height: 2 }), 'ERR_IMAGE', '16 bytes', 'got 0');
});

test('false properties of a typed array are ignored', () => {
  class Boastful extends Uint8Array {
    get length() {
      return 1 << 20;
    }

    subarray() {
      return new Uint8Array(1 << 20).fill(255);
    }
  }
  assertRefused(() => dk.fromImage({ data: new Boastful(16), width: 512, height: 512 }), 'ERR_IMAGE', 'got 16');
  assert.ok(dk.fromImage({ data: new Boastful(16), width: 2, height: 2 }).data.every((value) => value === 0));
  const named = new Float32Array(16);
  Object.defineProperty(named, Symbol.toStringTag, { value: 'Uint8Array' });
  assertRefused(() => dk.fromImage({ data: named, width: 2, height: 2 }), 'ERR_IMAGE', 'must be a Uint8Array');
  const proxied = new Proxy(new Uint8Array(16), {});
  assertRefused(() => dk.fromImage({ data: proxied, width: 2, height: 2 }), 'ERR_IMAGE', 'must be a Uint8Array');
});
