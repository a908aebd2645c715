// Dite-HRNet layer by layer: names and shapes of the state dict, and heat maps beside PyTorch's.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { MODULES, poseNetwork } from '../../web/dynakernel/dite-hrnet/network.js';
import { parseSafetensors } from '../../web/dynakernel/index.js';
import { graphMaker } from '../../web/dynakernel/network/layers.js';
import { images, weights } from './dite-hrnet.mjs';
import { evaluate } from './evaluate.mjs';
import { parametersOf, shapesOf } from './layers.mjs';

const folder = new URL('../fixtures/dite-hrnet/', import.meta.url);
const expected = JSON.parse(readFileSync(new URL('names.json', folder)));

const graphOf = (depth, image) => graphMaker({ image }, (g, inputs) =>
  ({ heatmaps: poseNetwork(g, inputs.image, { modules: MODULES[depth], joints: 17 }) }), { seed: 1 })(null);

for (const depth of [18, 30]) {
  test(`Dite-HRNet-${depth} has the names and shapes of PyTorch's state dict`, () => {
    const shapes = shapesOf(graphOf(depth, [1, 3, 64, 32]));
    const lines = Object.entries(shapes).map(([name, shape]) => `${name} [${shape.join(', ')}]`).sort();
    assert.equal(lines.length, expected[depth].arrays);
    assert.equal(createHash('sha256').update(lines.join('\n')).digest('hex'), expected[depth].sha256);
    const trained = Object.entries(shapes).filter(([name]) => !/\.(running_\w+|num_batches_tracked)$/.test(name));
    const parameters = trained.reduce((sum, [, shape]) => sum + shape.reduce((product, length) => product * length, 1), 0);
    assert.equal(parameters, expected[depth].parameters);
  });
}

test('Dite-HRNet-18 has 62 dynamic convolutions, and masks of the smallest branch that nothing reads', () => {
  const graph = graphOf(18, [1, 3, 64, 32]);
  assert.equal(graph.nodes.filter(({ op }) => op === 'dynamicConv2d').length, 62);
  assert.equal(graph.nodes.filter(({ op }) => op === 'attention').length, 62);
  assert.equal(graph.unused.length, 32); // a weight and a bias in each of 16 blocks
  for (const { stateName } of graph.unused) assert.match(stateName, /\.dcm\.conv_mask\.[123]\.(weight|bias)$/);
});

test('Dite-HRNet-18 makes the heat maps that PyTorch makes', () => {
  const { heatmaps, scales } = parseSafetensors(readFileSync(new URL('dite18_64x96.safetensors', folder)));
  const { shape, data } = images();
  const graph = graphOf(18, shape);
  const state = weights(shapesOf(graph), scales.data);
  for (const [name, value] of parametersOf(graph)) value.constant = state[name].data;
  const { outputs } = evaluate(graph, { image: data });
  assert.deepEqual(outputs.heatmaps.shape, heatmaps.shape);
  const most = heatmaps.data.reduce((greatest, value) => Math.max(greatest, Math.abs(value)), 0);
  const worst = heatmaps.data.reduce((error, value, i) => Math.max(error, Math.abs(value - outputs.heatmaps.data[i])), 0);
  assert.ok(worst <= 1e-4 * (1 + most), `off by ${worst}, where the greatest value is ${most}`);
});

test('the seed decides the initial parameters', () => {
  const [first, second] = [graphOf(18, [1, 3, 32, 32]), graphOf(18, [2, 3, 64, 32])].map(parametersOf);
  assert.deepEqual([...first.keys()], [...second.keys()]);
  for (const [name, value] of first) assert.deepEqual(value.constant, second.get(name).constant, name);
});
