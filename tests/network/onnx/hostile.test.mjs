// Files that are broken or hostile. They are refused as ERR_ONNX, fast and without much memory.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { DynakernelError } from '../../../web/dynakernel/errors.js';
import { readOnnx } from '../../../web/dynakernel/network/onnx/read-onnx.js';
import { Random } from '../../../web/shared/random.js';
import { attribute, field, graph as graphProto, int, ints, model, node, tensor, valueInfo, varint } from '../onnx-writer.mjs';
import { diteLike } from './dite-like.mjs';
import { assertRefused } from './support.mjs';

const refuse = (bytes, ...words) => assertRefused(() => readOnnx(bytes), 'ERR_ONNX', ...words);
const relu = { nodes: [node('Relu', ['x'], ['y'])], inputs: { x: [1, 2] }, outputs: ['y'] };
const wrap = (...parts) => Buffer.concat([int(1, 8), ...parts, field(8, int(2, 17))]);

test('what is no ONNX file is named', () => {
  refuse(Buffer.from('<!DOCTYPE html><html></html>'), 'HTML page');
  refuse(Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:ab\n'), 'Git LFS');
  refuse(Buffer.from('PK\x03\x04'.padEnd(60, 'x')), 'zip archive');
  refuse(Buffer.alloc(0), 'empty');
  refuse(Buffer.from('Not found'), 'a text', 'Not found');
  refuse(Buffer.alloc(100), 'no valid ONNX file');
  for (const value of [undefined, null, 'model.onnx', 3, {}, [8, 7]]) refuse(value, 'ArrayBuffer');
  const moved = new Uint8Array(8);
  structuredClone(moved.buffer, { transfer: [moved.buffer] });
  refuse(moved, 'detached');
});

test('every kind of view and buffer is read', () => {
  const file = model(relu);
  const shared = new SharedArrayBuffer(file.length);
  new Uint8Array(shared).set(file);
  const copy = new Uint8Array(file).buffer;
  const odd = new Uint8Array([9, ...file]).subarray(1);
  for (const bytes of [file, copy, new DataView(copy), odd, new Uint8Array(shared), shared]) {
    assert.equal(readOnnx(bytes).nodes.length, 1);
  }
});

test('models without a graph, with other opsets, with sparse tensors', () => {
  refuse(Buffer.concat([int(1, 8), field(8, int(2, 17))]), 'no graph');
  const graph = field(7, graphProto(relu));
  for (const opset of [0, 5, 23, 2n ** 63n]) refuse(Buffer.concat([int(1, 8), graph, field(8, int(2, opset))]), 'opset', 'opset_version');
  refuse(Buffer.concat([int(1, 8), graph]), 'names 0');
  refuse(wrap(graph, field(8, int(2, 9))), 'names 2');
  refuse(wrap(field(7, [graphProto(relu), field(15, field(1, tensor([1], [1])))])), 'sparse');
  assert.equal(readOnnx(Buffer.concat([int(1, 8), graph, field(8, [field(1, 'ai.onnx'), int(2, 17)]),
    field(8, [field(1, 'com.microsoft'), int(2, 1)])])).nodes.length, 1);
});

test('broken protobuf', () => {
  const graph = field(7, graphProto(relu));
  refuse(Buffer.concat([int(1, 8), Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f])]), 'reaches beyond');
  refuse(Buffer.concat([int(1, 8), Buffer.from([0x3a, ...new Array(10).fill(0xff)])]), '64 bits');
  refuse(Buffer.concat([int(1, 8), Buffer.from([0x28, ...new Array(11).fill(0x80), 1])]), '64 bits');
  refuse(Buffer.concat([int(1, 8), Buffer.from([0x28, ...new Array(9).fill(0x80), 2])]), '64 bits');
  refuse(Buffer.concat([int(1, 8), Buffer.from([0x38, 1])]), 'graph', 'a varint', 'a length');
  refuse(Buffer.concat([int(1, 8), Buffer.from([0x3b])]), 'start of a group');
  refuse(Buffer.concat([int(1, 8), Buffer.from([0xf3, 0x07])]), 'start of a group');
  refuse(Buffer.concat([int(1, 8), Buffer.from([0xf6, 0x07])]), 'wire type 6');
  refuse(Buffer.concat([int(1, 8), Buffer.from([0x02, 0])]), 'field number 0');
  refuse(Buffer.concat([int(1, 8), Buffer.from([0xf1, 0x07, 1, 2])]), 'cut off');
  refuse(Buffer.concat([int(1, 8), Buffer.from([0x08])]), 'cut off');
  const packedFloats = field(5, [int(1, 1), int(2, 1), field(4, Buffer.alloc(5))]);
  refuse(wrap(field(7, [graphProto(relu), packedFloats])), 'no list of floats');
  const cutNumbers = field(5, [int(1, 1), int(2, 7), field(7, Buffer.from([1, 0x80]))]);
  refuse(wrap(field(7, [graphProto(relu), cutNumbers])), 'cut off');
  // unknown fields of every kind are skipped
  const unknown = Buffer.concat([int(100, 5), Buffer.concat([varint(101 * 8 + 1), Buffer.alloc(8)]), field(102, 'text'),
    Buffer.concat([varint(103 * 8 + 5), Buffer.alloc(4)])]);
  assert.equal(readOnnx(wrap(unknown, graph)).nodes.length, 1);
});

test('a file that is cut off anywhere', () => {
  const file = new Uint8Array(model({ ...relu, nodes: [node('Add', ['x', 'c'], ['y'])], constants: { c: tensor([2], [1, 2]) } }));
  for (let length = 0; length < file.length; length++) assertRefused(() => readOnnx(file.slice(0, length)), 'ERR_ONNX');
});

test('graphs in graphs in graphs', () => {
  let inner = graphProto({ nodes: [node('Relu', ['x'], ['b'])], outputs: ['b'] });
  for (let depth = 0; depth < 40; depth++) inner =
    graphProto({ nodes: [node('If', ['c'], ['b'],
    { then_branch: { graph: inner }, else_branch: { graph: graphProto({ nodes: [], outputs: ['x'] }) } })], outputs: ['b'] });
  const bytes = wrap(field(7, [inner, field(11, valueInfo('x', [1])), field(5, [tensor([], [1], { type: 'bool' }), field(8, 'c')])]));
  refuse(bytes, 'nested');
  let messages = Buffer.alloc(0);
  for (let depth = 0; depth < 5000; depth++) messages =
    Buffer.concat([varint(depth % 3 === 0 ? 58 : depth % 3 === 1 ? 42 : 10), varint(messages.length), messages]);
  assertRefused(() => readOnnx(wrap(field(7, messages))), 'ERR_ONNX');
});

test('names of one length that begin and end alike, long ones and others than ASCII', () => {
  const middles = Array.from({ length: 300 }, (_, i) => String(i).padStart(4, '0'));
  const long = 'n'.repeat(70);
  const names = ['x', ...middles.flatMap((middle) => [`a${middle}z`, `${long}${middle}${long}`, `\u00e4${middle}\u{1f600}`]), 'y'];
  const nodes = names.slice(1).map((name, i) => node(i % 2 ? 'Relu' : 'Tanh', [names[i]], [name]));
  const graph = readOnnx(model({ nodes, inputs: { x: [1, 2] }, outputs: ['y'] }));
  assert.deepEqual(graph.nodes.map(({ outputs: [{ name }] }) => name), names.slice(1));
});

test('nodes in a circle, out of order, with names that come twice or are missing', () => {
  const build = (nodes, constants = {}) => model({ nodes, inputs: { x: [1, 2] }, outputs: ['y'], constants });
  refuse(build([node('Add', ['x', 'b'], ['a']), node('Add', ['x', 'a'], ['b']), node('Relu', ['b'], ['y'])]), 'uses "b" before', 'circle');
  refuse(build([node('Add', ['x', 'y'], ['y'])]), 'uses "y" before');
  refuse(build([node('Relu', ['a'], ['y']), node('Relu', ['x'], ['a'])]), 'uses "a" before', 'unsorted');
  refuse(build([node('Relu', ['nothing'], ['y'])]), 'Relu "y"', 'uses "nothing", which no node');
  refuse(build([node('Relu', ['x'], ['y']), node('Neg', ['x'], ['y'])]), 'makes "y"');
  refuse(build([node('Relu', ['x'], ['y', 'y'])]), 'makes "y"');
  refuse(build([node('Relu', ['x'], ['x']), node('Relu', ['x'], ['y'])]), 'makes "x"', 'already');
  refuse(build([node('Relu', ['x'], ['y']), node('Neg', ['y'], ['x'])]), 'makes "x"', 'already'); // nothing needs it
  refuse(build([node('Relu', ['x'], ['c']), node('Relu', ['c'], ['y'])], { c: tensor([1], [1]) }), '"c"');
  const twice = Buffer.concat([graphProto(relu), ...[1, 2].map(() => field(5, [tensor([1], [1]), field(8, 'c')]))]);
  refuse(wrap(field(7, twice)), 'two inputs or initializers have the name "c"');
});

test('a node with very many attributes', () => {
  const attributes = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`a${i}`, { i: 1 }]));
  refuse(model({ nodes: [node('Relu', ['x'], ['y'], attributes)], inputs: { x: [1, 2] }, outputs: ['y'] }), '101 attributes');
});

test('nodes with too few or many inputs, attributes of other types, twice, or missing', () => {
  const build = (one, constants = {}) => model({ nodes: [one], inputs: { x: [1, 2, 3, 3] }, outputs: ['y'], constants });
  refuse(build(node('Relu', [], ['y'])), 'Relu', '1 inputs', 'has 0');
  refuse(build(node('Relu', ['x', 'x'], ['y'])), 'has 2');
  refuse(build(node('Add', ['x', ''], ['y'])), '2 inputs');
  refuse(build(node('Add', ['', 'x'], ['y'])), '2 inputs');
  refuse(build(node('Softmax', ['x'], ['y'], { axis: 'one' })), 'axis', 'INT', 'STRING');
  refuse(build(node('Softmax', ['x'], ['y'], { axis: { f: 1 } })), 'axis', 'INT', 'FLOAT');
  refuse(build(node('Transpose', ['x'], ['y'], { perm: 1 })), 'perm', 'INTS', 'got INT');
  refuse(build(node('Elu', ['x'], ['y'], { alpha: 1 })), 'alpha', 'FLOAT');
  refuse(build(node('Concat', ['x', 'x'], ['y'])), 'must have the attribute axis');
  const double = Buffer.concat([node('Softmax', ['x'], ['y']), field(5, attribute('axis', 1)), field(5, attribute('axis', 2))]);
  refuse(build(double), 'axis twice');
  const reference = Buffer.concat([node('Softmax', ['x'], ['y']), field(5, Buffer.concat([attribute('axis', 1), field(21, 'outer')]))]);
  refuse(build(reference), 'function');
  // an old file has no types, and leaves out the value 0
  const untyped = Buffer.concat([node('Softmax', ['x'], ['y']), field(5, [field(1, 'axis'), int(3, 1)])]);
  assert.equal(readOnnx(build(untyped)).nodes[0].attributes.axis, 1);
  const zero = Buffer.concat([node('Softmax', ['x'], ['y']), field(5, [field(1, 'axis'), int(20, 2)])]);
  assert.equal(readOnnx(build(zero)).nodes[0].attributes.axis, 0);
  refuse(build(Buffer.concat([node('Softmax', ['x'], ['y']), field(5, [field(1, 'axis'), field(4, 'one')])])), 'axis', 'INT');
});

test('operators of no name and of the names of object methods', () => {
  for (const op of ['', 'constructor', '__proto__', 'toString']) refuse(model({ ...relu, nodes: [node(op, ['x'], ['y'])] }), 'cannot run');
  assert.deepEqual(readOnnx(model({ nodes: [node('Relu', ['__proto__'], ['constructor'])], inputs: { ['__proto__']: [1] },
    outputs: ['constructor'] })).outputs[0].name, 'constructor');
});

/** The CPU time of a call in milliseconds, even if the call throws. Time spent waiting does not count. */
function timeOf(work) {
  const start = process.cpuUsage();
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof DynakernelError, `a DynakernelError, not ${error?.stack}`);
    assert.ok(['ERR_ONNX', 'ERR_CONFIG', 'ERR_SHAPE', 'ERR_MEMORY'].includes(error.code), error.code);
  }
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

test('more messages than any model has', () => {
  const many = Buffer.alloc(2_000_002, Buffer.from([0x0a, 0]));
  refuse(wrap(field(7, [graphProto(relu), many])), 'more than 1000000 messages');
});

test('work that grows out of a small file is limited', () => {
  const scalar = (value) => tensor([], [value], { type: 'int64' });
  const chain = (op, length, more = () => []) => model({
    nodes: [...Array.from({ length }, (_, i) => node(op, [i ? `c${i}` : 'c', ...more(i)], [`c${i + 1}`])),
      node('Add', ['x', `c${length}`], ['y'])],
    inputs: { x: [1] }, outputs: ['y'],
      constants: { c: tensor([1000, 1000], new Array(1e6).fill(1), { type: 'uint8' }), two: ints([1, 2]), n: scalar(2) },
  });
  const files = {
    'squares of a matrix': model({ nodes: [...Array.from({ length: 30 }, (_, i) => node('MatMul', [`c${i}`, `c${i}`], [`c${i + 1}`])),
      node('Add', ['x', 'c30'], ['y'])], inputs: { x: [1] }, outputs: ['y'],
      constants: { c0: tensor([500, 500], new Array(250000).fill(0)) } }),
    'doubling': model({ nodes: [...Array.from({ length: 60 }, (_, i) => node('Concat', [`c${i}`, `c${i}`], [`c${i + 1}`], { axis: 0 })),
      node('Add', ['x', 'c60'], ['y'])], inputs: { x: [1] }, outputs: ['y'], constants: { c0: tensor([1], [1]) } }),
    'doubling of integers': chain('Tile', 40, () => ['two']),
    'many large additions': chain('Neg', 2000),
    'doubling of a value': model({ nodes: [...Array.from({ length: 60 }, (_, i) =>
      node('Concat', [i ? `c${i}` : 'x', i ? `c${i}` : 'x'], [`c${i + 1}`], { axis: 0 })), node('Relu', ['c60'], ['y'])],
      inputs: { x: [1] }, outputs: ['y'] }),
    'a product of one value, doubled': model({ nodes: [...Array.from({ length: 3000 }, (_, i) =>
      node('Mul', [i ? `c${i}` : 'x', i ? `c${i}` : 'x'], [`c${i + 1}`])), node('Relu', ['c3000'], ['y'])], inputs: { x: [1] },
      outputs: ['y'] }),
    'many reshapes': model({ nodes: [...Array.from({ length: 5000 }, (_, i) =>
      node('Reshape', [i ? `c${i}` : 'x', i % 2 ? 'one' : 'two'], [`c${i + 1}`])), node('Relu', ['c5000'], ['y'])], inputs: { x: [1] },
      outputs: ['y'], constants: { one: ints([1]), two: ints([1, 1]) } }),
    'nodes of one name': model({ nodes: [...Array.from({ length: 5000 }, (_, i) =>
      node('Relu', [i ? `c${i}` : 'x'], [`c${i + 1}`], {}, { name: 'same' })), node('Relu', ['c5000'], ['y'])], inputs: { x: [1] },
      outputs: ['y'] }),
    'single numbers between packed ones': wrap(field(7,
      [graphProto(relu), field(5,
      [int(1, 40000), int(2, 7), field(8, 'c'),
      ...Array.from({ length: 20000 }, () => Buffer.concat([field(7, varint(1)), int(7, 1)]))])])),
    'many splits': model({ nodes: [node('Split', ['x'], Array.from({ length: 5000 }, (_, i) => `p${i}`), { axis: 0 }),
      node('Sum', Array.from({ length: 5000 }, (_, i) => `p${i}`), ['y'])], inputs: { x: [5000] }, outputs: ['y'] }, 13),
    'Gather of many places': model({ nodes: [node('Gather', ['x', 'i'], ['y'])], inputs: { x: [100000] }, outputs: ['y'],
      constants: { i: ints(Array.from({ length: 50000 }, (_, i) => (i * i) % 99991)) } }),
    'a product over a long axis': model({ nodes: [node('ReduceProd', ['x'], ['y'], { keepdims: 0 })], inputs: { x: [200, 200, 200] },
      outputs: ['y'] }),
  };
  for (const [name, file] of Object.entries(files)) {
    const ms = timeOf(() => readOnnx(file));
    assert.ok(ms < 2000, `${name}: ${Math.round(ms)} ms`);
  }
});

test('seeded mutations of valid files', () => {
  const folder = new URL('../../fixtures/onnx/', import.meta.url);
  const files = readdirSync(new URL('cases/', folder)).map((name) => readFileSync(new URL(`cases/${name}/model.onnx`, folder)));
  files.push(diteLike(2), diteLike(1), readFileSync(new URL('light/light_squeezenet.onnx', folder)));
  const random = new Random(42);
  const below = (limit) => Math.floor(random.between(0, limit));
  let refused = 0;
  for (let round = 0; round < 1500; round++) {
    const file = new Uint8Array(files[round % files.length]).slice();
    const changes = 1 + below(4);
    for (let i = 0; i < changes; i++) file[below(file.length)] = [0, 1, 127, 128, 255, below(256)][below(6)];
    const cut = below(4) === 0 ? file.slice(0, below(file.length)) : file;
    const ms = timeOf(() => {
      try {
        readOnnx(cut);
      } catch (error) {
        refused++;
        throw error;
      }
    });
    assert.ok(ms < 2000, `round ${round}: ${Math.round(ms)} ms`);
  }
  assert.ok(refused > 300, `${refused} of 1500 are refused`);
});
