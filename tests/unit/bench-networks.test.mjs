// The networks that the benchmark runs: ONNX files that it writes, and weights that it gives to files without any.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { threadsNote } from '../../bench/networks/layers.mjs';
import { parseFile, readModels } from '../../bench/networks/models.mjs';
import { boundsOf, withWeights } from '../../bench/networks/weights.mjs';
import { writeGraph } from '../../bench/networks/write-graph.mjs';
import { MODULES, poseNetwork } from '../../web/dynakernel/dite-hrnet/network.js';
import { graphMaker } from '../../web/dynakernel/network/layers.js';
import { readModel } from '../../web/dynakernel/network/onnx/model.js';
import { readOnnx } from '../../web/dynakernel/network/onnx/read-onnx.js';
import { readTensor } from '../../web/dynakernel/network/onnx/tensors.js';
import { Random } from '../../web/shared/random.js';
import { assertClose } from '../helpers.mjs';
import { interpret } from '../network/interpret.mjs';

const light = readFileSync(new URL('../fixtures/onnx/light/light_squeezenet.onnx', import.meta.url));
const countOf = (graph, op) => graph.nodes.filter((node) => node.op === op).length;

describe('an ONNX file of a graph', () => {
  it('computes what the graph computes, for a batch too', () => {
    const build = (g, { x }) => {
      const stem = g.conv2d(x, { name: 'stem', outChannels: 8, kernelSize: [3, 1], stride: 2, padding: [1, 0] });
      const [first, second] = g.chunk(g.relu(g.batchNorm2d(stem, { name: 'bn' })), { chunks: 2, dim: 1 });
      const depthwise = { outChannels: 4, kernelSize: 3, padding: 1, groups: 4, bias: false };
      const a = g.add(g.dynamicKernelAggregation(first, { name: 'a', ...depthwise }),
        g.dynamicKernelAggregation(second, { name: 'b', outChannels: 4, kernelSize: 1 }));
      const flat = g.flatten(a, { startDim: 2 });
      const context = g.matmul(flat, g.permute(g.softmax(flat, { dim: -1 }), { dims: [0, 2, 1] }));
      const gate = g.sigmoid(g.reshape(g.matmul(context, flat), { shape: [2, 4, 3, 4] }));
      const shuffled = g.channelShuffle(g.cat([g.mul(second, gate), a], { dim: 1 }), { groups: 2 });
      return { y: g.interpolate(shuffled, { size: [6, 8], mode: 'nearest' }), context };
    };
    const graph = graphMaker({ x: [2, 3, 6, 8] }, build, { seed: 3 })(null);
    const read = readOnnx(writeGraph(graph, 'test'));
    const random = new Random(5);
    const inputs = { x: Float32Array.from({ length: 2 * 3 * 6 * 8 }, () => random.between(-1, 1)) };
    const [actual, expected] = [read, graph].map((one) => interpret(one, inputs).outputs);
    for (const name of ['y', 'context']) assertClose(actual[name].data, expected[name].data, name);
    assert.equal(countOf(read, 'dynamicConv2d'), 2);
  });

  it('can be one of a Dite-HRNet, whose 62 dynamic layers are recognised', () => {
    const build = (g, { image }) => ({ heatmaps: poseNetwork(g, image, { modules: MODULES[18], joints: 17 }) });
    const read = readOnnx(writeGraph(graphMaker({ image: [1, 3, 64, 32] }, build, { seed: 1 })(null), 'pose'));
    assert.equal(countOf(read, 'dynamicConv2d'), 62);
    assert.equal(countOf(read, 'attention'), 62);
    assert.deepEqual(read.outputs.map(({ name, value }) => [name, value.shape]), [['heatmaps', [1, 17, 16, 8]]]);
  });

  it('is refused if an op is not among those', () => {
    const graph = graphMaker({ x: [1, 2, 4, 4] }, (g, { x }) => ({ y: g.tanh(x) }), {})(null);
    assert.throws(() => writeGraph(graph, 'test'), /tanh/);
  });
});

describe('a model without weights', () => {
  it('gets weights from a seed, and nothing else changes', () => {
    const filled = withWeights(light, 1);
    assert.deepEqual(withWeights(light, 1), filled);
    assert.notDeepEqual(withWeights(light, 2), filled);
    const [before, after] = [light, filled].map((bytes) => readModel(bytes).graph);
    const rest = before.nodes.filter(({ op }) => op !== 'ConstantOfShape');
    assert.deepEqual(after.nodes, rest);
    assert.equal(after.initializers.length, before.initializers.length + before.nodes.length - rest.length);
    assert.deepEqual(readOnnx(filled).nodes.map(({ op }) => op), readOnnx(light).nodes.map(({ op }) => op));
  });

  it('has kernels of Kaiming\'s spread', () => {
    const { graph: { initializers } } = readModel(withWeights(light, 1));
    const kernel = initializers.find((tensor) => tensor.name === 'conv1_w_0');
    const { shape, data } = readTensor(kernel, () => 'a weight');
    const largest = Math.max(...Array.from(data, Math.abs));
    const bound = Math.sqrt(6 / (shape[1] * shape[2] * shape[3]));
    assert.ok(largest < bound && largest > 0.99 * bound, `${largest} of ${bound}`);
  });

  it('is left alone if it has weights', () => {
    const filled = withWeights(light, 1);
    assert.equal(withWeights(filled, 1), filled);
  });

  it('gets the bounds of each role', () => {
    assert.deepEqual(boundsOf([4, 6], { op: 'Gemm', place: 1, transposed: true }), [-Math.sqrt(1 / 6), Math.sqrt(1 / 6)]);
    assert.deepEqual(boundsOf([4, 6], { op: 'MatMul', place: 1 }), [-0.5, 0.5]);
    assert.ok(boundsOf([4], { op: 'BatchNormalization', place: 4 })[0] > 0, 'variances are positive');
    const [low, high] = boundsOf([4], { op: 'Conv', place: 2 });
    assert.equal(low, -high);
  });
});

describe('the files of the command line', () => {
  it('may have sizes', () => {
    assert.deepEqual(parseFile('a/b.onnx'), { path: 'a/b.onnx', shapes: {} });
    assert.deepEqual(parseFile('C:\\a.onnx:x=1x3x8x8,image:0=2'), { path: 'C:\\a.onnx', shapes: { x: [1, 3, 8, 8], 'image:0': [2] } });
    assert.throws(() => parseFile('a.onnx:x=1,3'), /x=1x3x320x320/);
    assert.throws(() => parseFile('a.pth'), /\.onnx/);
  });

  it('that cannot be read are failures', () => {
    const { models, failures } = readModels(['missing.onnx', 'model.pth']);
    assert.equal(models.length, 0);
    assert.match(failures[0], /^missing\.onnx: .*no such file/);
    assert.match(failures[1], /^model\.pth: /);
  });
});

describe('the note about threads', () => {
  const layer = (oneThread, ms) => ({ oneThread, ms });

  it('has the mean of long layers, the least, and all together', () => {
    const note = threadsNote([layer(2, 1), layer(8, 1), layer(0.4, 0.8)], 2);
    assert.match(note, /^2 threads over one: 4\.00 times as fast, the geometric mean of the 2 layers/);
    assert.match(note, /least 2\.00\); all layers together 3\.71 times as fast\.$/);
  });

  it('says so if no layer is long', () => {
    assert.match(threadsNote([layer(0.4, 0.8)], 2), /0\.50 times as fast; no layer takes more than 0\.5 ms/);
  });
});
