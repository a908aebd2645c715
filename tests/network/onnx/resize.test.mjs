// Resize and Upsample of every opset.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ints, tensor } from '../onnx-writer.mjs';
import { assertRefused, assertTensor, count, graphOf, opsOf, run, t } from './support.mjs';

const x = t([1, 1, 1, 4], [1, 2, 3, 4]);
const scales = (...values) => tensor([values.length], values);
const none = tensor([0], []);
const width = (result, expected, what) => assertTensor(result, [1, 1, 1, expected.length], expected, what);

test('Upsample and Resize 10: asymmetric, rounded down', () => {
  width(run('Upsample', [x], { scales: { f: [1, 1, 1, 2] } }, { opset: 7 }), [1, 1, 2, 2, 3, 3, 4, 4]);
  width(run('Upsample', [x, scales(1, 1, 1, 1.5)], {}, { opset: 9 }), [1, 1, 2, 3, 3, 4]);
  width(run('Upsample', [x, scales(1, 1, 1, 2)], { mode: 'linear' }, { opset: 9 }), [1, 1.5, 2, 2.5, 3, 3.5, 4, 4]);
  width(run('Resize', [x, scales(1, 1, 1, 0.5)], {}, { opset: 10 }), [1, 3]);
});

// [mode, coordinates, scale, expected]: worked out by hand, PyTorch's and TensorFlow's conventions
const CASES = [
  ['nearest', { nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' }, 1.5, [1, 1, 2, 3, 3, 4]],
  ['nearest', { nearest_mode: 'ceil', coordinate_transformation_mode: 'asymmetric' }, 1.5, [1, 2, 3, 3, 4, 4]],
  ['nearest', { nearest_mode: 'round_prefer_floor', coordinate_transformation_mode: 'asymmetric' }, 0.75, [1, 2, 4]],
  ['nearest', { nearest_mode: 'round_prefer_floor', coordinate_transformation_mode: 'asymmetric' }, 2, [1, 1, 2, 2, 3, 3, 4, 4]],
  ['nearest', { nearest_mode: 'round_prefer_ceil', coordinate_transformation_mode: 'asymmetric' }, 2, [1, 2, 2, 3, 3, 4, 4, 4]],
  ['nearest', {}, 2, [1, 1, 2, 2, 3, 3, 4, 4]],
  ['nearest', {}, 3, [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]],
  ['nearest', { coordinate_transformation_mode: 'tf_half_pixel_for_nn', nearest_mode: 'floor' }, 1.5, [1, 2, 2, 3, 4, 4]],
  ['nearest', { coordinate_transformation_mode: 'align_corners' }, 2, [1, 1, 2, 2, 3, 3, 4, 4]],
  ['linear', {}, 2, [1, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4]],
  ['linear', {}, 0.5, [1.5, 3.5]],
  ['linear', { coordinate_transformation_mode: 'align_corners' }, 1.75, [1, 1.5, 2, 2.5, 3, 3.5, 4]],
  ['linear', { coordinate_transformation_mode: 'pytorch_half_pixel' }, 0.25, [1]],
  ['linear', { coordinate_transformation_mode: 'half_pixel' }, 0.25, [2.5]],
  ['linear', { coordinate_transformation_mode: 'half_pixel_symmetric' }, 2, [1, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4]],
];

for (const [mode, attributes, scale, expected] of CASES) {
  test(`${mode} ${JSON.stringify(attributes)} by ${scale}`, () => {
    for (const opset of [11, 13, 18, 19]) width(run('Resize', [x, none, scales(1, 1, 1, scale)], { mode, ...attributes }, { opset }),
      expected, `opset ${opset}`);
  });
}

test('whole factors, however they are written, are the same resize', () => {
  for (const attributes of [{}, { nearest_mode: 'round_prefer_ceil' }, { coordinate_transformation_mode: 'pytorch_half_pixel' },
    { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
      { coordinate_transformation_mode: 'tf_half_pixel_for_nn', nearest_mode: 'floor' }]) {
    const graph = graphOf('Resize', [count([1, 1, 2, 2]), null, scales(1, 1, 2, 3)], attributes);
    assert.deepEqual(graph.nodes[0].attributes,
      { mode: 'nearest', coordinates: 'asymmetric', nearestMode: 'floor', scales: [2, 3], size: [4, 6] });
  }
});

test('sizes, axes, and policies that keep the aspect', () => {
  width(run('Resize', [x, null, null, ints([1, 1, 1, 2])], { mode: 'linear' }), [1.5, 3.5]);
  width(run('Resize', [x, none, none, ints([1, 1, 1, 6])], { nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' }),
    [1, 1, 2, 3, 3, 4]);
  width(run('Resize', [x, null, scales(2)], { axes: [3] }, { opset: 18 }), [1, 1, 2, 2, 3, 3, 4, 4]);
  const shapeOf = (policy, sizes) =>
    graphOf('Resize', [count([1, 1, 4, 8]), null, null, ints(sizes)], { axes: [2, 3], keep_aspect_ratio_policy: policy },
    { opset: 18 }).outputs[0].value.shape;
  assert.deepEqual(shapeOf('stretch', [8, 8]), [1, 1, 8, 8]);
  assert.deepEqual(shapeOf('not_larger', [8, 8]), [1, 1, 4, 8]);
  assert.deepEqual(shapeOf('not_smaller', [8, 8]), [1, 1, 8, 16]);
});

test('one axis, two axes, and nothing to do', () => {
  assertTensor(run('Resize', [count([1, 2, 2]), null, scales(1, 1, 2)], {}), [1, 2, 4], [0, 0, 1, 1, 2, 2, 3, 3]);
  assertTensor(run('Resize', [count([1, 1, 2, 2]), null, scales(1, 1, 2, 2)],
    { mode: 'linear', coordinate_transformation_mode: 'align_corners' }), [1, 1, 4, 4],
    [0, 1, 2, 3].flatMap((i) => [0, 1, 2, 3].map((j) => i * 2 / 3 + j / 3)));
  assert.deepEqual(opsOf(graphOf('Resize', [x, null, scales(1, 1, 1, 1)], { mode: 'cubic' })), ['reshape']);
});

test('what is not resized', () => {
  const refuse = (inputs, attributes, ...words) =>
    assertRefused(() => graphOf('Resize', inputs, attributes, { opset: 18 }), 'ERR_ONNX', ...words);
  refuse([x, null, scales(1, 1, 1, 2)], { mode: 'cubic' }, 'Resize (mode cubic)');
  refuse([x, null, scales(2, 1, 1, 1)], {}, 'batch or channels');
  refuse([count([1, 1, 2, 2, 2]), null, scales(1, 1, 2, 2, 2)], {}, 'of 5 dimensions');
  refuse([x, null, scales(1, 1, 1, 0.5)], { mode: 'linear', antialias: 1 }, 'antialias');
  refuse([x, null, scales(1, 1, 1, 2)], { coordinate_transformation_mode: 'tf_crop_and_resize' }, 'tf_crop_and_resize');
  refuse([x, null, scales(1, 2)], {}, '4 axes', 'got 2');
  refuse([x, null, scales(1, 1, 1, -1)], {}, 'above 0');
  refuse([x, null, scales(1, 1, 1, NaN)], {}, 'above 0');
  refuse([x, null, scales(1, 1, 1, 0.1)], {}, 'at least 1');
  refuse([x], {}, 'scales or sizes');
  width(run('Resize', [x, null, scales(1, 1, 1, 2)], { mode: 'linear', antialias: 1 }, { opset: 18 }),
    [1, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4], 'antialias changes no enlargement');
});
