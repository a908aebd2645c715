// The library's errors about files, as the page Networks takes them apart. The errors are the library's own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOnnx } from '../../../web/dynakernel/network/onnx/read-onnx.js';
import { likelyLength } from '../../../web/networks/file-panel.js';
import { adviceFor } from '../../../web/networks/advice.js';
import { readOpenSizes, readUnsupported, refusalOf } from '../../../web/networks/refusal.js';
import { model, node } from '../../network/onnx-writer.mjs';

/** The error with which the library refuses a model. */
function errorOf(parts, opset) {
  try {
    readOnnx(model(parts, opset));
  } catch (error) {
    return error;
  }
  throw new Error('the model was not refused');
}

test('operators that are not supported become a list, with nodes and advice', () => {
  const error = errorOf({
    nodes: [
      node('NonMaxSuppression', ['x'], ['a'], {}, { name: '/head/nms' }),
      node('GridSample', ['x', 'x'], ['b'], {}, { name: 'warp' }),
      node('Resize', ['x', '', '', 'sizes'], ['c'], { mode: 'cubic' }, { name: 'up: cubic (2)' }),
      node('FusedConv', ['x'], ['d'], {}, { name: 'fused', domain: 'com.microsoft' }),
      ...[1, 2, 3, 4, 5, 6].map((i) => node('LSTM', ['x'], [`e${i}`], {}, { name: `lstm${i}` })),
    ],
    inputs: { x: [1, 3, 8, 8], sizes: { shape: [4], type: 'int64' } },
    outputs: ['a', 'b', 'c', 'd', 'e1', 'e2', 'e3', 'e4', 'e5', 'e6'],
  });
  assert.equal(error.code, 'ERR_ONNX');
  const list = readUnsupported(error.message);
  assert.deepEqual(list.map(({ operator }) => operator),
    ['NonMaxSuppression', 'GridSample', 'Resize', 'com.microsoft.FusedConv', 'LSTM']);
  assert.equal(list[0].nodes, '/head/nms');
  assert.equal(list[2].nodes, 'up: cubic (2)');
  assert.notEqual(list[2].why, '');
  assert.match(list[4].nodes, /^lstm1, lstm2, \.\.\. and \d more$/);
  assert.match(list[3].advice, /optimiser/);
  for (const { operator, advice } of list) assert.ok(advice.length > 20, operator);

  const refusal = refusalOf('model.onnx', error);
  assert.match(refusal.title, /“model\.onnx” has 5 operators/);
  assert.equal(refusal.operators.length, 5);
});

test('another error stays a sentence', () => {
  const refusal = refusalOf('a.onnx', errorOf({ nodes: [], inputs: { x: [1] }, outputs: ['y'] }));
  assert.deepEqual(refusal.operators, []);
  assert.match(refusal.message, /^[A-Z].*\.$/s);
});

test('open sizes are read, with the names of dimensions', () => {
  const parts = (inputs) => ({ nodes: [node('Relu', [Object.keys(inputs)[0]], ['y'])], inputs, outputs: ['y'] });
  const open = (inputs) => readOpenSizes(errorOf(parts(inputs)).message);
  assert.deepEqual(open({ image: ['batch', 3, 'height', 'width'] }),
    [{ name: 'image', dims: ['batch', 3, 'height', 'width'] }]);
  assert.deepEqual(open({ 'a, b [c]': [1, '', 'w'], other: [2, 2], z: null }), [
    { name: 'a, b [c]', dims: [1, '', 'w'] }, { name: 'z', dims: ['', '', '', ''] },
  ]);
  assert.deepEqual(readOpenSizes('the model has no outputs'), []);
});

test('likely lengths follow the name of a dimension, then its place', () => {
  assert.deepEqual(['batch_size', 'N'].map((name) => likelyLength(name, 3)), [1, 1]);
  assert.deepEqual(['height', 'W'].map((name) => likelyLength(name, 0)), [224, 224]);
  assert.deepEqual([0, 1, 2, 3, 4].map((place) => likelyLength('', place)), [1, 3, 224, 224, 16]);
});

test('the reason counts before the operator', () => {
  assert.match(adviceFor('BatchNormalization', 'in training mode'), /eval\(\)/);
  assert.match(adviceFor('TopK', ''), /extract_model/);
  assert.match(adviceFor('QLinearConv', ''), /float32/);
  assert.match(adviceFor('com.microsoft.QLinearAdd', ''), /float32/);
  assert.match(adviceFor('Where', 'a computed condition'), /onnxsim/);
  assert.match(adviceFor('Unheard', ''), /No exporter option is known/);
});
