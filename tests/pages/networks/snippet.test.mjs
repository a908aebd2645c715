// The code that the page Networks shows, and the pace of its runs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from '../../../web/networks/pace.js';
import { snippet } from '../../../web/networks/snippet.js';
import { IMAGENET, UNCHANGED } from '../../../web/shared/normalisation.js';

const about = (changes) => ({
  kind: 'onnx', title: 'a "b".onnx', summary: '', diteHRNet: null, inputs: { image: [1, 3, 64, 48] }, outputs: {}, open: [],
  layers: [], info: {}, making: 1, ...changes,
});

test('an ONNX file, with sizes and normalisation', () => {
  const code = snippet(about({ open: [{ name: 'image', dims: [1, 3, '', ''] }] }), 'image', IMAGENET);
  assert.ok(code.includes('fetch("a \\"b\\".onnx")'), code);
  assert.ok(code.includes('dk.onnxNetwork(file, { shapes: { image: [1, 3, 64, 48] } });'), code);
  assert.ok(code.includes('{ width: 48, height: 64, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }'), code);
  assert.ok(code.includes('net.forward(image)'), code);
});

test('several inputs, one of them a grey picture with a name of symbols', () => {
  const inputs = { mask: [1, 4], 'input.1': [1, 1, 8, 8] };
  const code = snippet(about({ inputs }), 'input.1', UNCHANGED);
  assert.ok(code.includes('{ width: 8, height: 8, channels: 1 }'), code);
  assert.ok(code.includes('const x0 = dk.zeros([1, 4]); // mask'), code);
  assert.ok(code.includes('net.forward({ mask: x0, "input.1": image })'), code);
});

test('checkpoints of Dite-HRNet', () => {
  const pose = { kind: 'dite-hrnet', diteHRNet: { depth: 30, joints: 16 } };
  const pth = snippet(about({ ...pose, title: 'p.pth' }), 'image', IMAGENET);
  assert.ok(pth.includes('diteHRNet(dk, { depth: 30, joints: 16, height: 64, width: 48 })'), pth);
  assert.ok(pth.includes('net.loadStateDict(parseCheckpoint(file));'), pth);
  const safetensors = snippet(about({ ...pose, title: 'p.safetensors' }), 'image', IMAGENET);
  assert.ok(safetensors.includes('net.loadStateDict(file);') && !safetensors.includes('parseCheckpoint'), safetensors);
});

test('the pace is a median, and a rate once there are enough runs', () => {
  const pace = new Pace();
  assert.deepEqual([pace.median, pace.rate], [null, null]);
  for (const ms of [5, 100, 3, 4, 6]) pace.add(ms);
  assert.equal(pace.median, 5);
  assert.ok(Number(pace.rate) > 0);
  pace.clear();
  assert.deepEqual([pace.median, pace.rate], [null, null]);
});
