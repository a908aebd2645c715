// Shapes of inputs: the file's, the caller's, and the error if they differ.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOnnx } from '../../../web/dynakernel/network/onnx/read-onnx.js';
import { field, graph as graphProto, int, model, node, valueInfo } from '../onnx-writer.mjs';
import { assertRefused } from './support.mjs';

const build = (inputs) => model({ nodes: [node('Concat', Object.keys(inputs), ['y'], { axis: -1 })], inputs, outputs: ['y'] });
const shapesOf = (inputs, shapes) => readOnnx(build(inputs), shapes && { shapes }).inputs.map(({ shape }) => shape);

test('an open batch is 1, other open sizes must be given', () => {
  for (const name of ['N', 'n', 'batch', 'batch_size', 'Batch', 'bs']) assert.deepEqual(shapesOf({ x: [name, 3, 8] }), [[1, 3, 8]], name);
  assert.deepEqual(shapesOf({ x: ['N', 3, 8] }, { x: [5, 3, 8] }), [[5, 3, 8]]);
  assert.deepEqual(shapesOf({ x: ['N', 3, 'W'] }, { x: [2, 3, 4] }), [[2, 3, 4]]);
  assert.deepEqual(shapesOf({ x: null }, { x: [2, 3] }), [[2, 3]]);
  for (const shape of [['N', 3, 'H', 'W'], ['any', 3], ['', 3], [-1, 3], [0, 3], [3, 'N']]) {
    assertRefused(() => shapesOf({ x: shape }), 'ERR_CONFIG', 'leaves sizes', 'x [', '{ shapes: { x: [');
  }
  assertRefused(() => shapesOf({ image: ['N', 3, 'H', 'W'] }), 'ERR_CONFIG', 'image [N, 3, H, W]',
    '{ shapes: { image: [1, 3, 256, 256] } }');
  assertRefused(() => shapesOf({ 'data_0:x': [1, ''] }), 'ERR_CONFIG', 'data_0:x [1, ?]', '{ shapes: { "data_0:x": [1, 3] } }');
  assertRefused(() => shapesOf({ x: null }), 'ERR_CONFIG', 'x nothing');
});

test('a name stands for one length in all inputs', () => {
  assert.deepEqual(shapesOf({ a: ['N', 'T'], b: ['N', 'T'] }, { a: [2, 3] }), [[2, 3], [2, 3]]);
  assertRefused(() => shapesOf({ a: ['N', 2], b: ['N', 3] }, { a: [2, 2], b: [4, 3] }), 'ERR_SHAPE', 'the input b', '[N, 3]', '[4, 3]',
    'N = 2');
});

test('a shape that contradicts the file', () => {
  assertRefused(() => shapesOf({ x: [1, 3, 8] }, { x: [1, 4, 8] }), 'ERR_SHAPE', 'the input x', '[1, 3, 8]', '[1, 4, 8]');
  assertRefused(() => shapesOf({ x: ['N', 3, 8] }, { x: [1, 3] }), 'ERR_SHAPE', '[N, 3, 8]', '[1, 3]');
  assertRefused(() => shapesOf({ x: [1, 3] }, { z: [1, 3] }), 'ERR_CONFIG', '"z"', 'the inputs x');
  for (const shape of [null, 3, '1,3', [1, -3], [1, 0], [1, 2.5], [1, '3']]) assertRefused(() =>
    shapesOf({ x: [1, 3] }, { x: shape }), 'ERR_SHAPE', 'the shape of x', '[1, 3]');
  for (const shapes of [null, 3, [[1, 3]], 'x']) assertRefused(() =>
    readOnnx(build({ x: [1, 3] }), { shapes }), 'ERR_CONFIG', 'shapes must be an object', '{ shapes: { x: [1, 3] } }');
  assertRefused(() => shapesOf({ x: ['N', 3] }, { x: [1e9, 3] }), 'ERR_MEMORY', 'the input x', '1000000000');
  assertRefused(() => shapesOf({ x: null }, { x: [1, 1, 1, 1, 1, 1, 1] }), 'ERR_SHAPE', '7 dimensions');
});

test('inputs that are no tensors of numbers', () => {
  const withType = (type) => {
    const info = Buffer.concat([field(1, 'x'), ...(type ? [field(2, type)] : [])]);
    const parts = Buffer.concat([field(1, node('Identity', ['x'], ['y'])), field(11, info), field(12, valueInfo('y', null))]);
    return Buffer.concat([int(1, 8), field(7, parts), field(8, int(2, 17))]);
  };
  const elements = field(1, field(1, int(1, 1)));
  for (const [number, word] of [[4, 'sequence'], [5, 'map'], [8, 'sparse'], [9, 'optional']]) assertRefused(() =>
    readOnnx(withType(field(number, elements))), 'ERR_ONNX', 'the input "x"', word);
  assertRefused(() => readOnnx(withType(null)), 'ERR_ONNX', 'missing');
  assertRefused(() => readOnnx(withType(field(1, int(1, 8)))), 'ERR_ONNX', 'STRING');
  assertRefused(() => readOnnx(withType(field(1, int(1, 14)))), 'ERR_ONNX', 'COMPLEX64');
  assertRefused(() => readOnnx(withType(field(1, int(1, 999)))), 'ERR_ONNX', '999');
});

test('graphs without inputs or outputs, and names that come twice', () => {
  const wrap = (parts) => Buffer.concat([int(1, 8), field(7, parts), field(8, int(2, 17))]);
  const relu = node('Relu', ['x'], ['y']);
  assertRefused(() => readOnnx(model({ nodes: [relu], outputs: ['y'] })), 'ERR_ONNX', 'no inputs');
  assertRefused(() => readOnnx(model({ nodes: [relu], inputs: { x: [1] }, outputs: [] })), 'ERR_ONNX', 'no outputs');
  const twice = Buffer.concat([graphProto({ nodes: [relu], inputs: { x: [1] }, outputs: ['y'] }), field(11, valueInfo('x', [1]))]);
  assertRefused(() => readOnnx(wrap(twice)), 'ERR_ONNX', 'two inputs', '"x"');
  assertRefused(() => readOnnx(model({ nodes: [relu], inputs: { x: [1] }, outputs: ['y', 'y'] })), 'ERR_ONNX', 'two outputs', '"y"');
  assertRefused(() => readOnnx(model({ nodes: [relu], inputs: { x: [1] }, outputs: ['y', 'z'] })), 'ERR_ONNX', 'the output "z"');
});
