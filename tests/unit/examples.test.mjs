// The examples, run as people run them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { parseSafetensors, toSafetensors } from '../../web/dynakernel/index.js';
import { loadRuntime } from '../helpers.mjs';

const example = (name) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
const script = example('contact-sheet.mjs');
const trainer = example('train.mjs');

let folder, photo;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'dynakernel-'));
  photo = join(folder, 'photo.png');
  const canvas = createCanvas(120, 90);
  const context = canvas.getContext('2d');
  context.fillStyle = '#3060c0';
  context.fillRect(0, 0, 120, 90);
  context.fillStyle = '#f0d020';
  context.fillRect(30, 20, 40, 40);
  writeFileSync(photo, canvas.toBuffer('image/png'));
});
after(() => rmSync(folder, { recursive: true }));

const runScript = (path, ...args) => new Promise((done) => {
  execFile(process.execPath, [...process.execArgv, path, ...args], (error, stdout, stderr) =>
    done({ status: error?.code ?? 0, stdout, stderr }));
});
const run = (...args) => runScript(script, ...args);

async function pixelsOf(path) {
  const image = await loadImage(path);
  const context = createCanvas(image.width, image.height).getContext('2d');
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}

test('contact-sheet.mjs is short', () => {
  assert.ok(readFileSync(script, 'utf8').trimEnd().split('\n').length < 40);
});

test('contact-sheet.mjs: a photograph in, a sheet of maps out', async () => {
  const sheet = join(folder, 'sheet.png');
  const { status, stdout, stderr } = await run(photo, sheet);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /sheet\.png: 16 maps of 256x192; attention 0\.\d{3}, /);

  const { width, height, data } = await pixelsOf(sheet);
  assert.deepEqual([width, height], [4 * 256 + 3 * 4, 4 * 192 + 3 * 4]);
  const pixel = (x, y) => data.subarray(4 * (y * width + x), 4 * (y * width + x) + 4);
  assert.equal(pixel(256, 10)[3], 0, 'the gap is transparent');
  for (let map = 0; map < 16; map++) { // each map has the square in it, in other colours than the ground
    const [left, top] = [(map % 4) * 260, Math.floor(map / 4) * 196];
    assert.notDeepEqual(pixel(left + 107, top + 85), pixel(left + 200, top + 160), `map ${map}`);
    assert.equal(pixel(left + 107, top + 85)[3], 255);
  }
});

test('contact-sheet.mjs: with a state dict', async () => {
  const dk = await loadRuntime();
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 16, kernelSize: 5, seed: 99 });
  const state = block.stateDict();
  state['aggregation.weight'].data.fill(0); // all maps are constant
  state['aggregation.bias'].data.fill(0);
  dk.dispose();
  const path = join(folder, 'state.safetensors');
  writeFileSync(path, toSafetensors(state));

  const sheet = join(folder, 'constant.png');
  const { status, stderr } = await run(photo, sheet, path);
  assert.equal(status, 0, stderr);
  const { data } = await pixelsOf(sheet);
  const middle = String(data.subarray(0, 4));
  assert.equal(String(data.subarray(4 * 100, 4 * 101)), middle);
});

test('contact-sheet.mjs: without arguments it says how it is used', async () => {
  const { status, stderr } = await run();
  assert.equal(status, 2);
  assert.match(stderr, /^usage: /);
});

test('train.mjs is short', () => {
  assert.ok(readFileSync(trainer, 'utf8').trimEnd().split('\n').length < 50);
});

test('train.mjs: the loss falls, and the state dict is that of the trained block', async () => {
  const file = join(folder, 'trained.safetensors');
  const { status, stdout, stderr } = await runScript(trainer, photo, file, '120');
  assert.equal(status, 0, stderr);
  const lines = stdout.trimEnd().split('\n').map((line) => line.match(/^step (\d+): loss (\d\.\d\de[+-]\d+)$/));
  assert.deepEqual(lines.map(([, step]) => Number(step)), [0, 50, 100, 119]);
  const losses = lines.map(([, , loss]) => Number(loss));
  assert.ok(losses.at(-1) < losses[0] / 20, `from ${losses[0]} to ${losses.at(-1)}`);

  const { __metadata__, ...state } = parseSafetensors(readFileSync(file));
  assert.deepEqual(JSON.parse(__metadata__.config), { padding: 1 });
  assert.equal(state['attention.bn.num_batches_tracked'].data[0], 120n);
  const dk = await loadRuntime();
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: 3, padding: 1 });
  block.loadStateDict(state);
  const ramp = Float32Array.from({ length: 3 * 8 * 8 }, (_, i) => (i % 8) / 8 - 0.5); // rises to the right
  const [width, row] = [8, 4];
  const y = block.forward(dk.tensor(ramp, [1, 3, 8, 8])).toArray();
  const mean = (map) => [2, 3, 4, 5].reduce((sum, column) => sum + y[map * 64 + row * width + column], 0) / 4;
  const [across, along] = [mean(0), mean(1)]; // Sobel's are -1/4 and 0
  assert.ok(across < -0.1 && across > -0.4 && Math.abs(along) < 0.05, `across ${across}, along ${along}`);
  dk.dispose();
});

test('train.mjs: without arguments it says how it is used', async () => {
  const { status, stderr } = await runScript(trainer);
  assert.equal(status, 2);
  assert.match(stderr, /^usage: /);
});

test('folder.mjs: the attention of each picture, as one runtime computes it', async () => {
  const pictures = join(folder, 'pictures');
  mkdirSync(pictures);
  const dk = await loadRuntime();
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 16, kernelSize: 3, padding: 1, seed: 5 });
  const state = join(folder, 'folder.safetensors');
  writeFileSync(state, toSafetensors(block.stateDict()));
  const expected = [];
  for (let i = 0; i < 7; i++) {
    const canvas = createCanvas(40 + i, 30);
    const context = canvas.getContext('2d');
    context.fillStyle = `hsl(${i * 50} 90% ${30 + 8 * i}%)`;
    context.fillRect(0, 0, 40 + i, 30);
    writeFileSync(join(pictures, `${i}.png`), canvas.toBuffer('image/png'));
    block.forward(dk.fromImage(canvas, { width: 256, height: 256, mean: 0.5, std: 0.5 })).dispose();
    expected.push([...block.lastAttention]);
  }
  writeFileSync(join(pictures, 'broken.png'), 'no picture');
  dk.dispose();
  const { status, stdout, stderr } = await runScript(example('folder.mjs'), pictures, state);
  assert.equal(status, 0, stderr);
  const lines = stdout.trimEnd().split('\n').map((line) => line.split(': '));
  assert.deepEqual(lines.map(([name]) => name), ['0.png', '1.png', '2.png', '3.png', '4.png', '5.png', '6.png', 'broken.png']);
  assert.match(lines.at(-1)[1], /image/i);
  lines.slice(0, -1).forEach(([, words], i) => words.split(' ').forEach((word, k) =>
    assert.ok(Math.abs(Number(word) - expected[i][k]) < 1e-4, `picture ${i}: ${words}, expected ${expected[i]}`)));
  assert.ok(new Set(lines.map(([, words]) => words)).size === 8, 'each picture has its own attention');
});

test('folder.mjs: without arguments it says how it is used', async () => {
  const { status, stderr } = await runScript(example('folder.mjs'));
  assert.equal(status, 2);
  assert.match(stderr, /^usage: /);
});
