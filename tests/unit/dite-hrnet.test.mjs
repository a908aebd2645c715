// Dite-HRNet ready-made: options, crops and the decoding of heat maps. tests/network/dite-hrnet.test.mjs has the layers.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { cropBox, decodeHeatmaps, diteHRNet } from '../../web/dynakernel/dite-hrnet/index.js';
import { parseSafetensors } from '../../web/dynakernel/index.js';
import { Random } from '../../web/shared/random.js';
import { assertRefused, loadRuntime } from '../helpers.mjs';
import { images, weights } from '../network/dite-hrnet.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk.dispose());

test('options that are refused', () => {
  const refuse = (options, ...words) => assertRefused(() => diteHRNet(dk, options), 'ERR_CONFIG', ...words);
  for (const depth of [undefined, 17, '18', null]) refuse({ depth }, 'depth must be 18 or 30');
  refuse(undefined, 'depth', 'undefined');
  for (const side of ['height', 'width']) {
    for (const length of [0, -32, 33.5, '256', NaN]) refuse({ depth: 18, [side]: length }, side);
    for (const length of [16, 250, 257]) refuse({ depth: 18, [side]: length }, side, 'multiple of 32', `got ${length}`);
  }
  for (const joints of [0, 1.5, '17']) refuse({ depth: 18, joints }, 'joints');
  refuse({ depth: 18, batch: 0 }, 'batch');
  refuse({ depth: 18, seed: -1 }, 'seed');
  refuse({ depth: 18, keep: 'x' }, 'keep');
  refuse({ depth: 18, heigth: 256 }, 'heigth');
  assertRefused(() => diteHRNet({}, { depth: 18 }), 'ERR_CONFIG', 'load()', 'no properties');
  assertRefused(() => diteHRNet(null, { depth: 18 }), 'ERR_CONFIG', 'null');
});

test('a network of any size and batch, which runs with others too', () => {
  const net = diteHRNet(dk, { depth: 18, joints: 3, height: 32, width: 64, batch: 2, seed: 1, keep: ['backbone.stem.conv1.conv'] });
  assert.deepEqual([net.inputs, net.outputs], [{ image: [2, 3, 32, 64] }, { heatmaps: [2, 3, 8, 16] }]);
  const heatmaps = net.forward(dk.zeros([1, 3, 64, 32]));
  assert.deepEqual(heatmaps.shape, [1, 3, 16, 8]);
  assert.deepEqual(net.activation('backbone.stem.conv1.conv').shape, [1, 32, 32, 16]);
  assert.equal(Object.keys(net.attention).length, 62);
  assertRefused(() => net.forward(dk.zeros([1, 3, 64, 40])), 'ERR_SHAPE', 'multiples of 32', '[1, 3, 64, 40]');
  assert.equal(decodeHeatmaps(heatmaps)[0].length, 3);
  net.dispose();
});

test('Dite-HRNet-18 makes the heat maps that PyTorch makes, image by image too', () => {
  const fixture = new URL('../fixtures/dite-hrnet/dite18_64x96.safetensors', import.meta.url);
  const { heatmaps: { data: expected }, scales } = parseSafetensors(readFileSync(fixture));
  const { shape, data } = images();
  const net = diteHRNet(dk, { depth: 18, height: 64, width: 96, batch: 2 });
  const shapes = Object.fromEntries(Object.entries(net.stateDict()).map(([name, value]) => [name, value.shape]));
  assert.deepEqual(net.loadStateDict(weights(shapes, scales.data)), { missing: [], unexpected: [] });
  const both = net.forward(dk.tensor(data, shape));
  const single = [0, 1].flatMap((n) => [...net.forward(dk.tensor(data.subarray(n * 18432, (n + 1) * 18432), [1, 3, 64, 96])).toArray()]);
  const most = expected.reduce((greatest, value) => Math.max(greatest, Math.abs(value)), 0);
  for (const actual of [both.toArray(), single]) {
    assert.equal(actual.length, expected.length);
    const worst = expected.reduce((error, value, i) => Math.max(error, Math.abs(value - actual[i])), 0);
    assert.ok(worst <= 1e-4 * (1 + most), `off by ${worst}, where the greatest value is ${most}`);
  }
  net.dispose();
});

test('the crop of a box has the aspect of the input, and is larger by a quarter', () => {
  const size = { width: 192, height: 256 };
  assert.deepEqual(cropBox({ x: 100, y: 50, width: 80, height: 240 }, size), { x: 27.5, y: 20, width: 225, height: 300 });
  assert.deepEqual(cropBox({ x: 0, y: 0, width: 300, height: 100 }, size), { x: -37.5, y: -200, width: 375, height: 500 });
  assert.deepEqual(cropBox({ x: 5, y: 6, width: 30, height: 40 }, { ...size, padding: 1 }), { x: 5, y: 6, width: 30, height: 40 });
});

test('boxes and sizes that are refused', () => {
  const box = { x: 0, y: 0, width: 1, height: 1 };
  const size = { width: 3, height: 4 };
  for (const name of Object.keys(box)) {
    for (const side of [NaN, Infinity, '1', undefined, 1e10]) {
      assertRefused(() => cropBox({ ...box, [name]: side }, size), 'ERR_CONFIG', 'cropBox: the box', name);
    }
  }
  assertRefused(() => cropBox({ ...box, width: 0 }, size), 'ERR_CONFIG', 'width 0');
  assertRefused(() => cropBox(null, size), 'ERR_CONFIG', 'null');
  for (const value of [0, -1, NaN, '3', undefined]) {
    assertRefused(() => cropBox(box, { ...size, height: value }), 'ERR_CONFIG', 'cropBox: height', 'more than 0');
  }
  assertRefused(() => cropBox(box), 'ERR_CONFIG', 'width');
  assertRefused(() => cropBox(box, { ...size, padding: 0 }), 'ERR_CONFIG', 'padding');
});

/** Heat maps [1, joints, H, W] from functions of [row][column]. */
const heatmapsOf = (H, W, ...maps) => dk.tensor(
  Float32Array.from(maps.flatMap((map) => Array.from({ length: H * W }, (_, i) => map(Math.floor(i / W), i % W)))), [1, maps.length, H, W]);

/** A map of zeros with a few values. */
const points = (values) => (row, column) => values[`${row},${column}`] ?? 0;

const placesOf = (heatmaps, options) => decodeHeatmaps(heatmaps, options)[0].map(({ x, y, score }) => [x, y, score]);

test('a joint lies a quarter of a pixel nearer to the greater neighbour', () => {
  const places = placesOf(heatmapsOf(8, 9,
    points({ '3,4': 1, '3,5': 0.5, '2,4': 0.25 }), // right and up
    points({ '3,4': 1, '3,3': 0.5, '4,4': 0.25 }), // left and down
    points({ '3,4': 1 }), // no difference
    points({ '3,4': 1, '3,5': -0.5, '3,3': -0.5, '4,4': -1 }), // only up
  ));
  assert.deepEqual(places, [[4.25, 2.75, 1], [3.75, 3.25, 1], [4, 3, 1], [4, 2.75, 1]]);
});

test('near the edges joints stay where they are', () => {
  const at = (row, column) => points({ [`${row},${column}`]: 1, [`${row},${column + 1}`]: 0.5, [`${row + 1},${column}`]: 0.5 });
  const moved = [];
  const [H, W] = [6, 7];
  for (let row = 0; row < H; row++) {
    for (let column = 0; column < W; column++) {
      const [[x, y]] = placesOf(heatmapsOf(H, W, at(row, column)));
      const isMoved = row > 1 && row < H - 1 && column > 1 && column < W - 1; // MMPose's 1 < place < length - 1
      assert.deepEqual([x, y], isMoved ? [column + 0.25, row + 0.25] : [column, row]);
      moved.push(isMoved);
    }
  }
  assert.equal(moved.filter(Boolean).length, 3 * 4);
});

test('ties, flat maps, and maps without a value above 0', () => {
  const places = placesOf(heatmapsOf(6, 6,
    points({ '2,3': 1, '4,1': 1 }), // the first of equal values
    () => 0.5, () => 0, () => -3,
    points({ '2,2': NaN, '1,1': NaN, '4,4': 9 }), // the first NaN, as NumPy's argmax
    points({ '3,3': Infinity }),
  ));
  assert.deepEqual(places, [[3, 2, 1], [0, 0, 0.5], [-1, -1, 0], [-1, -1, -3], [-1, -1, NaN], [3, 3, Infinity]]);
});

test('boxes: places in the picture, as MMPose maps them back', () => {
  const random = new Random(4);
  const [N, joints, H, W] = [3, 5, 16, 12];
  const heatmaps = dk.tensor(Float32Array.from({ length: N * joints * H * W }, () => random.between(-1, 1)), [N, joints, H, W]);
  const boxes = Array.from({ length: N }, () =>
    ({ x: random.between(-50, 50), y: random.between(-50, 50), width: random.between(10, 300), height: random.between(10, 300) }));
  const raw = decodeHeatmaps(heatmaps);
  const found = decodeHeatmaps(heatmaps, { box: boxes });
  boxes.forEach(({ x, y, width, height }, n) => found[n].forEach((joint, j) => {
    // MMPose: place * scale / size + centre - scale / 2
    const expected = [raw[n][j].x * width / W + (x + width / 2) - width / 2, raw[n][j].y * height / H + (y + height / 2) - height / 2];
    assert.ok(Math.abs(joint.x - expected[0]) < 1e-9 && Math.abs(joint.y - expected[1]) < 1e-9);
    assert.equal(joint.score, raw[n][j].score);
  }));
  assert.deepEqual(decodeHeatmaps(heatmaps, { box: boxes[1] })[1], found[1]);
  assert.notDeepEqual(decodeHeatmaps(heatmaps, { box: boxes[1] })[0], found[0]);
});

test('heat maps and boxes that are refused', () => {
  const heatmaps = dk.zeros([2, 1, 4, 4]);
  const box = { x: 0, y: 0, width: 1, height: 1 };
  assertRefused(() => decodeHeatmaps(heatmaps.toArray()), 'ERR_CONFIG', 'tensor', 'Float32Array');
  assertRefused(() => decodeHeatmaps(), 'ERR_CONFIG', 'undefined');
  assertRefused(() => decodeHeatmaps(dk.zeros([4, 4])), 'ERR_SHAPE', '[N, joints, H, W]', '[4, 4]');
  assertRefused(() => decodeHeatmaps(dk.zeros([1, 0, 4, 4])), 'ERR_SHAPE', 'not empty');
  assertRefused(() => decodeHeatmaps(heatmaps, { box: [box] }), 'ERR_SHAPE', '2 images');
  assertRefused(() => decodeHeatmaps(heatmaps, { box: [box, box, box] }), 'ERR_SHAPE', '2 images');
  assertRefused(() => decodeHeatmaps(heatmaps, { box: [box, { ...box, width: -1 }] }), 'ERR_CONFIG', 'box 1', 'width -1');
  assertRefused(() => decodeHeatmaps(heatmaps, { box: null }), 'ERR_CONFIG', 'null');
  assertRefused(() => decodeHeatmaps(heatmaps, { boxes: [] }), 'ERR_CONFIG', '"boxes"');
  heatmaps.dispose();
  assertRefused(() => decodeHeatmaps(heatmaps), 'ERR_DISPOSED');
});

test('from a box in a picture to the picture again', () => {
  // a light cone in the picture; a heat map has its peak where the cone has it
  const [width, height, u, v] = [200, 150, 101, 72];
  const data = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    data.fill(255 - 6 * Math.hypot(i % width + 0.5 - u, Math.floor(i / width) + 0.5 - v), 4 * i, 4 * i + 4);
  }
  const crop = cropBox({ x: 80, y: 40, width: 60, height: 80 }, { width: 48, height: 64 });
  const image = dk.fromImage({ data, width, height }, { crop, width: 48, height: 64, channels: 1 });
  const [[{ x, y }]] = decodeHeatmaps(image, { box: crop });
  const pixel = crop.width / 48; // of the crop, in the picture
  assert.ok(Math.abs(x + pixel / 2 - u) <= pixel && Math.abs(y + pixel / 2 - v) <= pixel, `${x}, ${y}`);
});
