// The .tflite files that LiteRT.js gets, read back by TensorFlow Lite's schema.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeFlatbuffer } from '../../bench/peers/flatbuffer.js';
import { transpose } from '../../bench/peers/layout.js';
import { constantModel, isSupported, runtimeModel } from '../../bench/peers/tflite-graph.js';
import { ownEngines } from '../../web/bench/engine.js';
import { makeNumbers, readWorkload } from '../../web/bench/workload.js';
import { assertClose, simd } from '../helpers.mjs';

/** Reads tables of a FlatBuffer by the numbers of their fields. */
class Table {
  constructor(bytes, position) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = position;
  }

  static root(bytes) {
    return new Table(bytes, new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true));
  }

  /** Where a field lies, or 0. */
  #slot(field) {
    const offsets = this.position - this.view.getInt32(this.position, true);
    const offset = 4 + 2 * field < this.view.getUint16(offsets, true) ? this.view.getUint16(offsets + 4 + 2 * field, true) : 0;
    return offset && this.position + offset;
  }

  int = (field) => (this.#slot(field) ? this.view.getInt32(this.#slot(field), true) : 0);
  byte = (field) => (this.#slot(field) ? this.view.getInt8(this.#slot(field)) : 0);
  #target = (slot) => slot + this.view.getUint32(slot, true);
  table = (field) => new Table(this.bytes, this.#target(this.#slot(field)));

  /** The first element's position and the number of elements. */
  list(field) {
    if (!this.#slot(field)) return [0, 0];
    const start = this.#target(this.#slot(field));
    return [start + 4, this.view.getUint32(start, true)];
  }

  tables(field) {
    const [start, length] = this.list(field);
    return Array.from({ length }, (_, i) => new Table(this.bytes, this.#target(start + 4 * i)));
  }

  ints(field) {
    const [start, length] = this.list(field);
    return Array.from({ length }, (_, i) => this.view.getInt32(start + 4 * i, true));
  }

  text(field) {
    const [start, length] = this.list(field);
    return new TextDecoder().decode(this.bytes.subarray(start, start + length));
  }
}

/** A model's tensors and operators. */
function readModel(bytes) {
  assert.equal(new TextDecoder().decode(bytes.subarray(4, 8)), 'TFL3');
  const model = Table.root(bytes);
  assert.equal(model.int(0), 3);
  const buffers = model.tables(4).map((buffer) => {
    const [start, length] = buffer.list(0);
    assert.equal(start % 16, 0, 'data is aligned for vectors');
    return bytes.slice(start, start + length);
  });
  const [graph] = model.tables(2);
  const tensors = graph.tables(0).map((tensor) => {
    const data = buffers[tensor.int(2)];
    return {
      name: tensor.text(3), shape: tensor.ints(0),
      data: data.length === 0 ? null : new (tensor.byte(1) === 2 ? Int32Array : Float32Array)(data.buffer),
    };
  });
  const codes = model.tables(1).map((code) => code.int(3));
  const operators = graph.tables(3).map((operator) => ({
    code: codes[operator.int(0)], inputs: operator.ints(1), outputs: operator.ints(2), optionsType: operator.byte(3), table: operator,
  }));
  return { tensors, operators, inputs: graph.ints(1), outputs: graph.ints(2) };
}

const CODES = { CONV_2D: 3, DEPTHWISE_CONV_2D: 4, FULLY_CONNECTED: 9, LOGISTIC: 14, RESHAPE: 22, PAD: 34, MEAN: 40 };

/** Runs a model of these few operators, in double precision. */
function interpret({ tensors, operators, inputs, outputs }, image) {
  const values = tensors.map(({ data }) => data && Array.from(data));
  values[inputs[0]] = Array.from(image);
  for (const { code, inputs: operands, outputs: [out], table } of operators) {
    const [a, b, c] = operands.map((place) => (place < 0 ? undefined : { shape: tensors[place].shape, data: values[place] }));
    values[out] = {
      [CODES.MEAN]: () => mean(a),
      [CODES.FULLY_CONNECTED]: () => connect(a, b, c, table.table(4).byte(0) === 1),
      [CODES.LOGISTIC]: () => a.data.map((value) => 1 / (1 + Math.exp(-value))),
      [CODES.RESHAPE]: () => a.data,
      [CODES.PAD]: () => pad(a, b.data[2]),
      [CODES.CONV_2D]: () => convolve(a, b, c, tensors[out].shape, table.table(4), false),
      [CODES.DEPTHWISE_CONV_2D]: () => convolve(a, b, c, tensors[out].shape, table.table(4), true),
    }[code]();
  }
  return values[outputs[0]];
}

const mean = ({ shape: [, H, W, C], data }) => Array.from({ length: C }, (_, c) =>
  Array.from({ length: H * W }, (_unused, i) => data[i * C + c]).reduce((sum, value) => sum + value, 0) / (H * W));

const connect = ({ data }, weight, bias, relu) => Array.from({ length: weight.shape[0] }, (_, o) => {
  const sum = data.reduce((total, value, i) => total + value * weight.data[o * data.length + i], bias?.data[o] ?? 0);
  return relu ? Math.max(0, sum) : sum;
});

function pad({ shape: [, H, W, C], data }, padding) {
  const width = W + 2 * padding;
  const result = new Array((H + 2 * padding) * width * C).fill(0);
  for (let i = 0; i < H * W * C; i++) {
    const [y, x, c] = [Math.floor(i / (W * C)), Math.floor(i / C) % W, i % C];
    result[((y + padding) * width + x + padding) * C + c] = data[i];
  }
  return result;
}

function convolve({ shape: [, H, W, C], data }, filter, bias, [, Ho, Wo, O], options, depthwise) {
  const R = filter.shape[1];
  const depth = depthwise ? 1 : filter.shape[3];
  const stride = options.int(1);
  const dilation = options.int(depthwise ? 5 : 4);
  // SAME with stride 1: what is missing, half of it before
  const before = options.byte(0) === 0 ? (dilation * (R - 1)) >> 1 : 0;
  const result = [];
  for (let i = 0; i < Ho * Wo * O; i++) {
    const [y, x, o] = [Math.floor(i / (Wo * O)), Math.floor(i / O) % Wo, i % O];
    const first = depthwise ? o : Math.floor(o / (O / (C / depth))) * depth;
    let sum = bias.data[o];
    for (let r = 0; r < R * R; r++) {
      const [row, column] = [y * stride - before + Math.floor(r / R) * dilation, x * stride - before + (r % R) * dilation];
      if (row < 0 || row >= H || column < 0 || column >= W) continue;
      for (let c = 0; c < depth; c++) {
        sum += data[(row * W + column) * C + first + c] * filter.data[depthwise ? r * O + o : (o * R * R + r) * depth + c];
      }
    }
    result.push(sum);
  }
  return result;
}

const workloads = {
  'a dense layer': { cin: 6, cout: 5, k: 3, p: 1, h: 7, w: 9 },
  'one without padding': { cin: 3, cout: 4, k: 3, h: 6, w: 5 },
  'one with stride, which no padding of its own fits': { cin: 4, cout: 6, k: 3, s: 2, p: 1, h: 8, w: 7 },
  'a dilated layer': { cin: 3, cout: 4, k: 3, p: 2, d: 2, h: 8, w: 8 },
  'a pointwise layer of two kernels': { cin: 8, cout: 7, k: 1, h: 5, w: 6, K: 2 },
  'a depthwise layer': { cin: 5, cout: 5, k: 5, p: 2, g: 5, h: 7, w: 6 },
  'a grouped layer without bias': { cin: 8, cout: 4, k: 3, p: 1, g: 2, h: 6, w: 6, bias: false },
};

describe('models for LiteRT.js', () => {
  for (const [name, source] of Object.entries(workloads)) {
    it(`compute the block: ${name}`, async () => {
      const workload = readWorkload(name, source);
      const numbers = makeNumbers(workload);
      const [engine] = await ownEngines({ simd, threads: 1 });
      const prepared = await engine.prepare(workload, numbers);
      prepared.run();
      const { C, O, H, W, Ho, Wo } = workload;
      const expected = transpose(prepared.output(), O, Ho * Wo);
      await prepared.dispose();
      await engine.close();
      const image = transpose(numbers.input, C, H * W);
      for (const write of [constantModel, runtimeModel]) {
        const model = readModel(write(workload, numbers));
        assert.deepEqual(model.tensors[model.inputs[0]].shape, [1, H, W, C]);
        assert.deepEqual(model.tensors[model.outputs[0]].shape, [1, Ho, Wo, O]);
        assertClose(Float32Array.from(interpret(model, image)), expected, `${write.name}, ${name}`);
      }
    });
  }

  it('have a constant filter, or one that is computed', () => {
    const workload = readWorkload('layer', { cin: 4, cout: 3, k: 3, p: 1, h: 5, w: 5 });
    const numbers = makeNumbers(workload);
    const filterOf = (write) => {
      const { operators, tensors } = readModel(write(workload, numbers));
      return tensors[operators.at(-1).inputs[1]];
    };
    assert.equal(filterOf(constantModel).data.length, 3 * 4 * 9);
    assert.equal(filterOf(runtimeModel).data, null);
    assert.deepEqual(readModel(constantModel(workload, numbers)).operators.map(({ code }) => code), [CODES.CONV_2D]);
  });

  it('are for one image', () => {
    assert.equal(isSupported(readWorkload('one', { cin: 4, cout: 3, k: 1, h: 5, w: 5 })), true);
    assert.equal(isSupported(readWorkload('two', { n: 2, cin: 4, cout: 3, k: 1, h: 5, w: 5 })), false);
  });
});

describe('a FlatBuffer', () => {
  const schema = {
    Parent: { number: [0, 'int'], small: [2, 'byte'], name: [3, 'text'], children: [4, 'Child[]'], any: [5, 'union'], one: [6, 'Child'] },
    Child: { numbers: [1, 'ints'], bytes: [2, 'bytes'] },
  };

  it('is read back, whatever its size', () => {
    const long = Uint8Array.from({ length: 5000 }, (_, i) => i & 255);
    const bytes = encodeFlatbuffer(schema, 'Parent', {
      number: -7, small: -1, name: 'größe', children: [{ numbers: [1, -2, 3] }, { bytes: long }, {}],
      any: ['Child', { numbers: [9] }], one: { numbers: [] },
    }, 'TEST');
    const root = Table.root(bytes);
    assert.deepEqual([root.int(0), root.int(1), root.byte(2), root.text(3)], [-7, 0, -1, 'größe']);
    const [first, second, third] = root.tables(4);
    assert.deepEqual([first.ints(1), third.ints(1)], [[1, -2, 3], []]);
    const [start, length] = second.list(2);
    assert.deepEqual(bytes.slice(start, start + length), long);
    assert.equal(start % 16, 0);
    assert.deepEqual([root.table(5).ints(1), root.table(6).ints(1)], [[9], []]);
  });

  it('refuses a field that its schema lacks', () => {
    assert.throws(() => encodeFlatbuffer(schema, 'Child', { other: 1 }, 'TEST'), /Child has no field other/);
  });
});
