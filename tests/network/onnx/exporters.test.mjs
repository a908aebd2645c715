// Reads what the exporters of today write, and compares with PyTorch's outputs. tests/pytorch/export_fixtures.py makes
// the fixtures and says what they are.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { parseSafetensors } from '../../../web/dynakernel/index.js';
import { readOnnx } from '../../../web/dynakernel/network/onnx/read-onnx.js';
import { evaluate } from '../evaluate.mjs';
import { assertClose, opsOf } from './support.mjs';

const folder = new URL('../../fixtures/exporters/', import.meta.url);

/** What a recognised layer computes by itself. */
const NO_PARTS = { conv2d: 0, linear: 0, multiply: 0, divide: 0, sigmoid: 0, softmax: 0, reduceSum: 0, reduceMean: 0, matmul: 0 };

/** The inputs of dynamicConv2d. */
const INPUTS = ['x', 'a', 'weight', 'bias', 'f', 's', 'q'];

/** The inputs of each dynamic layer, in every file of a network that has any. */
const DYNAMIC = {
  block: ['x a weight bias'],
  'dynamic-network': ['x a weight', 'x a weight', 'x a weight bias', 'x a weight'],
  dyconv: ['x a weight bias'],
  condconv: ['x a weight bias'],
  odconv: ['x a weight f s q'],
  'odconv-family': ['x a weight s q', 'x weight f s q', 'x a weight f s', 'x weight f s'],
  'dyconv-family': ['x a weight bias', 'x a weight', 'x a weight bias'],
  'condconv-residual': ['x a weight', 'x a weight', 'x a weight', 'x a weight bias'],
  // StyleGAN2's modulation scales a constant kernel by channels
  'computed-kernels': ['x weight f s'],
};

/** How many of an op every file of a network has. */
const EXPECTED = {
  block: { dynamicConv2d: 1, attention: 1, conv2d: 0 },
  'dynamic-network': { dynamicConv2d: 4, attention: 4, channelShuffle: 1, conv2d: 1 },
  dyconv: { dynamicConv2d: 1, attention: 1, ...NO_PARTS },
  condconv: { dynamicConv2d: 1, attention: 1, ...NO_PARTS },
  odconv: { dynamicConv2d: 1, attention: 1, ...NO_PARTS },
  'odconv-family': { dynamicConv2d: 4, attention: 4, ...NO_PARTS },
  'dyconv-family': { dynamicConv2d: 3, attention: 3, ...NO_PARTS },
  'condconv-residual': { dynamicConv2d: 4, attention: 2, silu: 2, pad: 0, ...NO_PARTS },
  'computed-kernels': { conv2d: 5 },
  mobile: { hardSwish: 3, hardSigmoid: 1, silu: 1 },
  residual: { conv2d: 4, linear: 1 },
  shuffle: { channelShuffle: 2, linear: 1, softmax: 1 },
  transformer: { softmax: 1, gelu: 1 },
  'fused-attention': { softmax: 2, gelu: 1 },
  unet: { convTranspose2d: 1, resize: 3, averagePool: 1, maxPool: 1 },
  'super-resolution': { prelu: 2, depthToSpace: 2, leakyRelu: 1, resize: 1 },
  norms: { averagePool: 1, elu: 1 },
  indexing: { conv2d: 1 },
  blurred: { convTranspose2d: 1 },
};

/** The tensors of a fixture, by name. */
const fixture = (file) => parseSafetensors(gunzipSync(readFileSync(new URL(file, folder))));

const names = readdirSync(folder).map((file) => file.replace('.safetensors.gz', ''));

test('every network has a fixture', () => assert.deepEqual(names.sort(), Object.keys(EXPECTED).sort()));

for (const name of names) {
  const tensors = fixture(`${name}.safetensors.gz`);
  for (const key of Object.keys(tensors).filter((one) => one.startsWith('file.'))) {
    test(`${name}, ${key.slice(5)}`, () => check(name, key, tensors));
  }
}

function check(name, key, tensors) {
  const kind = ['open.', 'batch.'].find((one) => key.endsWith(`-${one.slice(0, -1)}`)) ?? '';
  const input = tensors[`${kind}input`];
  const graph = readOnnx(tensors[key].data, { shapes: { x: input.shape } });
  const { outputs } = evaluate(graph, { x: input.data });
  assert.equal(graph.outputs.length, Object.keys(tensors).filter((one) => one.startsWith(`${kind}output.`)).length);
  graph.outputs.forEach((output, i) => {
    const expected = tensors[`${kind}output.${i}`];
    assert.deepEqual(output.value.shape, expected.shape);
    assertClose(outputs[output.name].data, expected.data, output.name);
  });
  const dynamic = graph.nodes.filter(({ op }) => op === 'dynamicConv2d');
  const given = dynamic.map(({ inputs }) => INPUTS.filter((_, i) => inputs[i]).join(' '));
  assert.deepEqual(given, DYNAMIC[name] ?? []);
  const ops = opsOf(graph);
  for (const [op, times] of Object.entries(EXPECTED[name])) {
    assert.equal(ops.filter((one) => one === op).length, times, `${op} in ${ops.join(' ')}`);
  }
}
