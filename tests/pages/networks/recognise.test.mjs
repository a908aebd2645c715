// What the page Networks makes of files: kinds, state dicts, the parts of a drop.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseCheckpoint } from '../../../web/dynakernel/index.js';
import { sortFiles } from '../../../web/networks/files.js';
import { pictureInput, visiblePart } from '../../../web/networks/input.js';
import { innerNames } from '../../../web/networks/layers-panel.js';
import { kindOf } from '../../../web/networks/open.js';
import { recogniseDiteHRNet, refuseStateDict } from '../../../web/networks/recognise.js';

const fixture = (path) => readFileSync(new URL(`../../fixtures/${path}`, import.meta.url));

test('files are known by their first bytes, whatever their names', () => {
  for (const [path, kind] of [
    ['checkpoints/plain.pth', 'checkpoint'], ['checkpoints/legacy.pth', 'checkpoint'],
    ['golden/single_kernel.safetensors', 'safetensors'], ['onnx/light/light_squeezenet.onnx', 'onnx'],
  ]) assert.equal(kindOf('model', fixture(path)), kind, path);
  assert.equal(kindOf('a.safetensors', new Uint8Array(3)), 'safetensors', 'its own reader says what is wrong');
  assert.equal(kindOf('a.pth', new Uint8Array(3)), 'checkpoint');
});

test('a Dite-HRNet is recognised, with its depth and joints', () => {
  const dite = (modules, joints) => Object.fromEntries([
    'backbone.stem.branch1.0.conv.attention.conv1.weight',
    ...Array.from({ length: modules }, (_, i) => `backbone.stage0.${i}.layers.0.dcm.conv_mask.0.weight`),
    'backbone.stage1.0.x.weight', 'backbone.stage1.1.x.weight', 'backbone.stage1.2.x.weight',
  ].map((name) => [name, { shape: [1], data: new Float32Array(1) }])
    .concat([['keypoint_head.final_layer.weight', { shape: [joints, 40, 1, 1], data: new Float32Array(1) }]]));
  assert.deepEqual(recogniseDiteHRNet(dite(2, 17)), { depth: 18, joints: 17 });
  assert.deepEqual(recogniseDiteHRNet(dite(3, 16)), { depth: 30, joints: 16 });
  assert.equal(recogniseDiteHRNet(dite(1, 17)), null);
  assert.equal(recogniseDiteHRNet({}), null);
});

test('another state dict is described', () => {
  const state = parseCheckpoint(fixture('checkpoints/plain.pth'));
  const { title, message, code } = refuseStateDict('plain.pth', state);
  const names = Object.keys(state);
  assert.match(title, /^“plain\.pth” has weights/);
  assert.ok(message.includes(`${names.length} tensors: ${names[0]} [${state[names[0]].shape.join(', ')}]`), message);
  assert.match(code, /torch\.onnx\.export/);
});

test('a drop is sorted into a network, labels and a picture', () => {
  const files = ['cat.JPG', 'classes.txt', 'net.pt', 'second.onnx'].map((name) => new File([], name));
  const { network, labels, picture } = sortFiles(files);
  assert.deepEqual([network.name, labels.name, picture.name], ['net.pt', 'classes.txt', 'cat.JPG']);
  assert.equal(sortFiles([new File([], 'model')]).network.name, 'model');
  assert.equal(sortFiles([new File([], 'x', { type: 'image/png' })]).picture.name, 'x');
});

test('the part of a picture that a network sees', () => {
  const picture = { width: 600, height: 400 };
  const size = { width: 192, height: 256 };
  assert.deepEqual(visiblePart(picture, size, 'cut'), { x: 150, y: 0, width: 300, height: 400 });
  assert.deepEqual(visiblePart(picture, size, 'pad'), { x: 0, y: -200, width: 600, height: 800 });
  assert.deepEqual(visiblePart(picture, size, 'stretch'), { x: 0, y: 0, width: 600, height: 400 });
  assert.equal(pictureInput({ mask: [1, 5, 8, 8], image: [2, 3, 8, 8], other: [1, 1, 8, 8] }), 'image');
  assert.equal(pictureInput({ x: [1, 3], y: [1, 3, 1, 1] }), null);
});

test('the name of an inner value is one that only one layer has', () => {
  const layer = (name, fused = [], op = 'conv2d') => ({ name, op, fused });
  assert.deepEqual(innerNames([
    layer('a'), layer('b', ['b.relu']), layer('c', ['c.bn', 'relu']), layer('d', ['relu']), layer('add'), layer('add'),
    layer('e', [], 'copy'),
  ]), ['a', 'b.relu', 'c.bn', 'd', null, null, null]);
});
