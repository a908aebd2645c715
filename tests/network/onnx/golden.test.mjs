// Compares with the expected outputs of the ONNX project's test suite, and with models that other exporters wrote.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { decodeMessage } from '../../../web/dynakernel/network/onnx/protobuf.js';
import { readOnnx } from '../../../web/dynakernel/network/onnx/read-onnx.js';
import { TENSOR } from '../../../web/dynakernel/network/onnx/schema.js';
import { readTensor } from '../../../web/dynakernel/network/onnx/tensors.js';
import { evaluate } from '../evaluate.mjs';
import { assertClose, opsOf, sizeOf } from './support.mjs';

const folder = new URL('../../fixtures/onnx/', import.meta.url);
const cases = new URL('cases/', folder);
const read = (name, file) => readFileSync(new URL(`${name}/${file}`, cases));
const tensorOf = (name, file) => readTensor(decodeMessage(read(name, `test_data_set_0/${file}`), TENSOR), file);

// Two cases are large. The fixtures hold the checked part of the output and the part of the input that it depends on:
// every tenth row and column, because the windows are dilated, and the first rows of the first image.
const STEPS = { test_MaxPool2d_stride_padding_dilation: [1, 1, 10, 10] };

/** Iterates over the elements of a part of a tensor, with their places in the part and in the whole. */
function* places(part, whole, steps = part.map(() => 1)) {
  for (let i = 0; i < sizeOf(part); i++) {
    let [rest, place, stride] = [i, 0, 1];
    for (let axis = part.length - 1; axis >= 0; axis--) {
      place += (rest % part[axis]) * steps[axis] * stride;
      stride *= whole[axis];
      rest = Math.floor(rest / part[axis]);
    }
    yield [i, place];
  }
}

const names = readdirSync(cases);

test('there are 32 cases', () => assert.equal(names.length, 32));

for (const name of names) {
  test(name, () => {
    const graph = readOnnx(read(name, 'model.onnx'));
    const inputs = {};
    graph.inputs.forEach((value, i) => {
      const { shape, data } = tensorOf(name, `input_${i}.pb`);
      const whole = new Float32Array(sizeOf(value.shape));
      for (const [from, to] of places(shape, value.shape, STEPS[name])) whole[to] = data[from];
      inputs[value.name] = whole;
    });
    const { outputs } = evaluate(graph, inputs);
    graph.outputs.forEach((output, i) => {
      const { shape, data } = tensorOf(name, `output_${i}.pb`);
      if (sizeOf(shape) === sizeOf(output.value.shape)) assert.deepEqual(output.value.shape, shape);
      const part = Float32Array.from(places(shape, output.value.shape), ([, place]) => outputs[output.name].data[place]);
      assertClose(part, Float32Array.from(data), `${name} ${output.name}`);
    });
  });
}

const LIGHT = {
  shufflenet: { conv2d: 49, channelShuffle: 16, linear: 1, batchNorm: 49 },
  squeezenet: { conv2d: 26, concat: 8, maxPool: 3 },
  resnet50: { conv2d: 53, add: 16, batchNorm: 53 },
};

for (const [name, expected] of Object.entries(LIGHT)) {
  test(`${name} is read whole`, () => {
    const graph = readOnnx(readFileSync(new URL(`light/light_${name}.onnx`, folder)));
    const ops = opsOf(graph);
    for (const [op, times] of Object.entries(expected)) assert.equal(ops.filter((one) => one === op).length, times, op);
    assert.equal(sizeOf(graph.outputs[0].value.shape), 1000);
  });
}
