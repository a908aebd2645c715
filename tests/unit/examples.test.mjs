// The examples, run as people run them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { toSafetensors } from '../../web/dynakernel/index.js';
import { loadRuntime } from '../helpers.mjs';

const script = fileURLToPath(new URL('../../examples/contact-sheet.mjs', import.meta.url));

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

const run = (...args) => new Promise((done) => {
  execFile(process.execPath, [...process.execArgv, script, ...args], (error, stdout, stderr) =>
    done({ status: error?.code ?? 0, stdout, stderr }));
});

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
