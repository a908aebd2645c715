// Every refused argument: the code, and the given and expected values in the message. A refused call changes nothing:
// the modules return the same numbers afterwards, and the heap does not grow.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { DynakernelError } from '../../web/dynakernel/index.js';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { assertRefused, loadRuntime, randomTensor } from '../helpers.mjs';
import { CONVOLUTIONS, KINDS } from '../kinds.mjs';

const config = { inChannels: 3, outChannels: 4, kernelSize: 3, seed: 1 };
const ATTENTION_SHAPE = [1, 4];

let dk, other, block, x, a, expected;
before(async () => {
  dk = await loadRuntime();
  other = await loadRuntime();
  block = dk.dynamicKernelAggregation(config);
  x = randomTensor(dk, [1, 3, 8, 9]);
  a = randomTensor(dk, ATTENTION_SHAPE);
  expected = snapshot();
});
after(() => [dk, other].forEach((runtime) => runtime?.dispose()));

afterEach(() => assert.deepEqual(snapshot(), expected));

/** The state that must not change: outputs, statistics, modes, memory. */
function snapshot() {
  const y = block.forward(x);
  const output = y.toArray();
  y.dispose();
  const modes = [block, block.attention, block.aggregation].map(({ training }) => training);
  return {
    output, attention: block.lastAttention, state: block.stateDict(), modes, plan: block.plan,
    heapBytes: dk.info.heapBytes, live: heapOf(dk).live,
  };
}

/** Tensors that exist for one call only. */
function withTensors(shapes, work) {
  const tensors = shapes.map((shape) => dk.zeros(shape));
  try {
    work(...tensors);
  } finally {
    for (const tensor of tensors) tensor.dispose();
  }
}

test('DynakernelError', () => {
  const cause = new Error('why');
  const error = new DynakernelError('ERR_SHAPE', 'message', { cause });
  assert.ok(error instanceof Error);
  assert.equal(error.code, 'ERR_SHAPE');
  assert.equal(error.name, 'DynakernelError');
  assert.equal(String(error), 'DynakernelError: message');
  assert.equal(error.cause, cause);
});

test('values in messages are short and never throw', () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`key${i}`, i]));
  class Long {}
  Object.defineProperty(Long, 'name', { value: 'L'.repeat(1e5) });
  for (const [value, text] of [
    [{}, 'an object with no properties'], [{ a: 1, b: 2 }, 'an object with a, b'],
    [many, 'an object with key0, key1, key2, key3, ... and 4,996 more'], [proxy, 'an object that cannot be read'],
    [{ get constructor() { throw new Error('no'); } }, 'an object that cannot be read'],
    [{ constructor: { name: Symbol('s') } }, 'an object with constructor'], [Object.create(null), 'an object with no properties'],
    [10n ** 50n, 'a bigint of more than 30 digits'], [new Long(), `a ${'L'.repeat(37)}...`],
    [Array(2 ** 32 - 1), 'an array of 4294967295'], ['x'.repeat(1e6), `"${'x'.repeat(57)}..."`],
    [{ ['k\n'.repeat(1000)]: 1 }, `an object with ${'k\\n'.repeat(19)}...${'k\\n'.repeat(19)}`],
  ]) {
    assertRefused(() => dk.kernelAttention({ channels: value }), 'ERR_CONFIG', `got ${text}`);
  }
});

test('no message is longer than a few lines', () => {
  const name = 'n'.repeat(1e5);
  for (const work of [
    () => dk.kernelAttention({ [name]: 1 }), () => dk.zeros(Array(1000).fill(2 ** 31)), () => dk.zeros(name),
    () => block.aggregation.planFor(Array(1000).fill(1)), () => dk.tensor([1], Array(1000).fill(7)),
  ]) {
    assert.throws(work, (error) => error instanceof DynakernelError && error.message.length < 400);
  }
  assert.equal(new DynakernelError('ERR_LOAD', 'x'.repeat(1e6)).message.length, 1499);
});

/** Whether a kind of module has an option. */
const takes = (kind, option) => !(kind === 'odConv2d' && option === 'bias') &&
  !(kind === 'dynamicConvolution' && ['bias', 'numKernels', 'seed'].includes(option));

test('configurations: sizes', () => {
  const refuse = (changes, ...words) => {
    for (const kind of CONVOLUTIONS) {
      const renamed = kind === 'condConv2d' && 'numKernels' in changes;
      const options = renamed ? { numExperts: changes.numKernels } : changes;
      const [option] = Object.keys(options);
      if (!takes(kind, option)) continue;
      const here = words.map((word) => (renamed ? word.replace('numKernels', 'numExperts') : word));
      assertRefused(() => dk[kind]({ ...KINDS[kind].options, ...options }), 'ERR_CONFIG', `${kind}: ${option}`, ...here);
    }
  };
  const names = ['inChannels', 'outChannels', 'kernelSize', 'stride', 'dilation', 'groups', 'numKernels'];
  for (const name of names) {
    for (const [value, word] of [
      [0, 'got 0'], [-1, 'got -1'], [1.5, 'got 1.5'], [NaN, 'got NaN'], [Infinity, 'got Infinity'], ['3', 'got "3"'],
      [null, 'got null'], [true, 'got true'], [3n, 'got 3n'], [{}, 'got an object'], [() => 3, 'a function'],
      [Symbol('s'), 'a symbol'],
    ]) {
      refuse({ [name]: value }, name, word, '1 or more');
    }
    refuse({ [name]: 2 ** 31 }, name, `got ${2 ** 31}`, 'at most');
    refuse({ [name]: 2 ** 32 + 1 }, name, 'at most');
  }
  for (const name of ['kernelSize', 'stride', 'padding', 'dilation']) {
    for (const [value, ...words] of [
      [[], 'got []'], [[3], 'got [3]'], [[3, 3, 3], 'got [3, 3, 3]'], [[3, -1], 'got [3, -1]'], [[3, 1.5], 'got [3, 1.5]'],
      [[3, '3'], 'got [3, "3"]'], [[3, null], 'got an array of 2'], [[[3, 3], 3], 'got an array of 2'],
      [[3, NaN], 'got [3, NaN]'], [Int32Array.of(3, 3), 'got an Int32Array of 2'], [Array(2), 'got [undefined, undefined]'],
    ]) {
      refuse({ [name]: value }, name, 'or a pair of them, [vertical, horizontal]', ...words);
    }
    refuse({ [name]: [3, 32769] }, name, 'at most 32768', 'got [3, 32769]');
    refuse({ [name]: [2 ** 40, 1] }, name, 'at most 32768');
  }
  for (const name of ['kernelSize', 'stride', 'dilation']) refuse({ [name]: [0, 3] }, name, '1 or more', 'got [0, 3]');
  for (const name of ['inChannels', 'outChannels', 'groups', 'numKernels']) refuse({ [name]: [3, 3] }, name, 'got [3, 3]');
  refuse({ padding: -1 }, 'padding', 'got -1', '0 or more');
  refuse({ padding: 'valid' }, 'padding', 'got "valid"', "or 'same'");
  refuse({ padding: 32769 }, 'padding', 'at most 32768');
  refuse({ bias: 1 }, 'bias', 'true or false', 'got 1');
  refuse({ algorithm: 'fft' }, 'algorithm', "'winograd'", 'got "fft"');
  refuse({ algorithm: 2 }, 'algorithm', 'got 2');
  for (const seed of [-1, 1.5, '1', 2 ** 32, NaN, null]) refuse({ seed }, 'seed');
});

test('configurations: groups', () => {
  assertRefused(() => dk.kernelAggregation({ ...config, inChannels: 6, groups: 4 }), 'ERR_CONFIG',
    'groups must divide inChannels', 'groups 4', '6');
  assertRefused(() => dk.kernelAggregation({ ...config, groups: 3 }), 'ERR_CONFIG',
    'groups must divide outChannels', 'groups 3', '4');
});

test('configurations: names', () => {
  const makers = [
    [dk.dynamicKernelAggregation, 'dynamicKernelAggregation', ['inChannels', 'outChannels', 'kernelSize']],
    [dk.kernelAggregation, 'kernelAggregation', ['inChannels', 'outChannels', 'kernelSize']],
    [dk.kernelAttention, 'kernelAttention', ['channels']],
  ];
  for (const [maker, what, required] of makers) {
    const make = (options) => maker.call(dk, options);
    for (const options of [undefined, {}, { numKernels: 4 }]) {
      assertRefused(() => make(options), 'ERR_CONFIG', what, ...required);
    }
    for (const options of [null, 3, 'x', [], true]) assertRefused(() => make(options), 'ERR_CONFIG', what, 'object');
  }
  assertRefused(() => dk.dynamicKernelAggregation({ ...config, inChannels: undefined }), 'ERR_CONFIG',
    'needs inChannels; got an object with outChannels');
  const unknown = (name, hint) =>
    assertRefused(() => dk.dynamicKernelAggregation({ ...config, [name]: 1 }), 'ERR_CONFIG', `"${name}"`, hint);
  unknown('in_channels', 'did you mean inChannels?');
  unknown('kernelsize', 'did you mean kernelSize?');
  unknown('num_kernels', 'did you mean numKernels?');
  unknown('Kernel-Size', 'did you mean kernelSize?');
  for (const name of ['strides', 'dilatoin', 'banana', '']) unknown(name, 'it takes inChannels, outChannels');
  assertRefused(() => dk.kernelAggregation({ ...config, reduction: 4 }), 'ERR_CONFIG', '"reduction"');
  assertRefused(() => dk.kernelAttention({ inChannels: 4 }), 'ERR_CONFIG', '"inChannels"');
});

test('configurations: attention', () => {
  for (const name of ['channels', 'reduction', 'numKernels', 'midChannels']) {
    for (const value of [0, -1, 2.5, '4', NaN, null]) {
      assertRefused(() => dk.kernelAttention({ channels: 4, [name]: value }), 'ERR_CONFIG', name, '1 or more');
    }
  }
  assertRefused(() => dk.dynamicKernelAggregation({ ...config, midChannels: 0 }), 'ERR_CONFIG', 'midChannels');
  assertRefused(() => dk.dynamicKernelAggregation({ ...config, reduction: 0 }), 'ERR_CONFIG', 'reduction');
});

test('configurations: an algorithm that cannot do them', () => {
  const cases = [
    [{ algorithm: 'depthwise' }, 'depthwise'], [{ algorithm: 'pointwise' }, 'pointwise'],
    [{ algorithm: 'winograd', stride: 2 }, 'winograd'], [{ algorithm: 'winograd', kernelSize: 5 }, 'winograd'],
  ];
  for (const [changes, word] of cases) {
    const run = () => {
      const module = dk.dynamicKernelAggregation({ ...config, ...changes });
      try {
        module.forward(x);
      } finally {
        module.dispose();
      }
    };
    assertRefused(run, 'ERR_CONFIG', word);
  }
});

test('configurations: larger than any tensor', () => {
  const huge = { inChannels: 2 ** 20, outChannels: 2 ** 20, kernelSize: 3 };
  for (const make of [dk.kernelAggregation, dk.dynamicKernelAggregation]) {
    assertRefused(() => make.call(dk, huge), 'ERR_MEMORY', 'bytes', String(4 * 2 ** 40 * 9 * 4));
  }
  assertRefused(() => dk.kernelAttention({ channels: 2 ** 29, midChannels: 2 ** 29 }), 'ERR_MEMORY', 'bytes');
  const wide = { channels: 1, midChannels: 2 ** 29, numKernels: 2 ** 29 };
  assertRefused(() => dk.kernelAttention(wide), 'ERR_MEMORY', 'bytes');
});

test('forward: values that are not tensors of this runtime', () => {
  for (const value of [undefined, null, 5, new Float32Array(192), { shape: [1, 3, 8, 8], data: [] }, [[1]]]) {
    assertRefused(() => block.forward(value), 'ERR_CONFIG', 'x must be a Tensor');
    assertRefused(() => block.attention.forward(value), 'ERR_CONFIG', 'x must be a Tensor');
    assertRefused(() => block.aggregation.forward(value, a), 'ERR_CONFIG', 'x must be a Tensor');
    assertRefused(() => block.aggregation.forward(x, value), 'ERR_CONFIG', 'attention must be a Tensor');
    assertRefused(() => block.aggregation.mix(value), 'ERR_CONFIG', 'attention must be a Tensor');
  }
  const foreign = other.zeros([1, 3, 8, 9]);
  assertRefused(() => block.forward(foreign), 'ERR_CONFIG', 'another runtime');
  assertRefused(() => block.forward(x, { out: other.zeros([1, 4, 6, 7]) }), 'ERR_CONFIG', 'out', 'another runtime');
  assertRefused(() => block.aggregation.forward(x, other.zeros([1, 4])), 'ERR_CONFIG', 'another runtime');
});

test('forward: shapes', () => {
  const refuse = (shape, ...words) => withTensors([shape], (input) => {
    assertRefused(() => block.forward(input), 'ERR_SHAPE', ...words);
    assertRefused(() => block.aggregation.forward(input, a), 'ERR_SHAPE', ...words);
    assertRefused(() => block.aggregation.planFor(shape), 'ERR_SHAPE', ...words);
  });
  for (const shape of [[], [3], [3, 8], [3, 8, 8], [1, 3, 8, 8, 1]]) {
    refuse(shape, '4 dimensions', `got ${shape.length}`);
    withTensors([shape], (input) =>
      assertRefused(() => block.attention.forward(input), 'ERR_SHAPE', '4 dimensions', `got ${shape.length}`));
  }
  for (const C of [1, 2, 4]) {
    refuse([1, C, 8, 8], '3 channels', `got ${C}`);
    withTensors([[1, C, 8, 8]], (input) =>
      assertRefused(() => block.attention.forward(input), 'ERR_SHAPE', '3 channels', `got ${C}`));
  }
  for (const shape of [[0, 3, 8, 8], [1, 3, 0, 8], [1, 3, 8, 0]]) {
    refuse(shape, 'empty', `[${shape.join(', ')}]`);
    withTensors([shape], (input) => assertRefused(() => block.attention.forward(input), 'ERR_SHAPE', 'empty'));
  }
  refuse([1, 3, 2, 8], 'the kernel is 3x3', '2x8');
  refuse([1, 3, 8, 2], 'the kernel is 3x3', '8x2');
  const dilated = dk.kernelAggregation({ ...config, dilation: 4, padding: 2 });
  withTensors([[1, 3, 4, 20]], (input) =>
    assertRefused(() => dilated.forward(input, a), 'ERR_SHAPE', 'kernel is 9x9', 'dilation 4', 'padding 2', '8x24'));
  dilated.dispose();
  for (const shape of [undefined, null, 'x', [1, 3, 8, -8], [1, 3, 8.5, 8]]) {
    assertRefused(() => block.aggregation.planFor(shape), 'ERR_SHAPE', 'whole numbers');
  }
});

test('forward: attention of another shape', () => {
  for (const shape of [[4], [1, 3], [1, 5], [2, 4], [1, 4, 1], [4, 1], [0, 4]]) {
    withTensors([shape], (attention) => {
      assertRefused(() => block.aggregation.forward(x, attention), 'ERR_SHAPE', '[1, 4]', `[${shape.join(', ')}]`);
    });
  }
  for (const shape of [[4], [1, 3], [1, 4, 1], [], [0, 4]]) {
    withTensors([shape], (attention) =>
      assertRefused(() => block.aggregation.mix(attention), 'ERR_SHAPE', '4]', `[${shape.join(', ')}]`));
  }
});

test('forward: out', () => {
  const wrong = [[4, 6, 7], [1, 4, 7, 6], [2, 4, 6, 7], [1, 4, 8, 9], [1, 168]];
  for (const shape of wrong) {
    withTensors([shape], (out) => {
      assertRefused(() => block.forward(x, { out }), 'ERR_SHAPE', '[1, 4, 6, 7]', `[${shape.join(', ')}]`);
      assertRefused(() => block.aggregation.forward(x, a, { out }), 'ERR_SHAPE', '[1, 4, 6, 7]');
      assertRefused(() => block.attention.forward(x, { out }), 'ERR_SHAPE', '[1, 4]');
    });
  }
  for (const out of [null, 5, new Float32Array(168), {}]) {
    assertRefused(() => block.forward(x, { out }), 'ERR_CONFIG', 'out must be a Tensor');
  }
  assertRefused(() => block.forward(x, { output: x }), 'ERR_CONFIG', '"output"', 'out');
  assertRefused(() => block.forward(x, x), 'ERR_CONFIG', 'block.forward');
  assertRefused(() => block.forward(x, 5), 'ERR_CONFIG', 'object');

  const same = dk.dynamicKernelAggregation({ inChannels: 4, outChannels: 4, kernelSize: 3, padding: 1 });
  withTensors([[1, 4, 5, 5]], (square) => {
    assertRefused(() => same.forward(square, { out: square }), 'ERR_CONFIG', 'must not be an input');
    assertRefused(() => same.aggregation.forward(square, a, { out: square }), 'ERR_CONFIG', 'must not be an input');
  });
  // conv1.weight [M, C, 1, 1] has the shape of an output, but belongs to the module.
  const small = dk.dynamicKernelAggregation({ inChannels: 4, outChannels: 4, kernelSize: 1, midChannels: 1 });
  withTensors([[1, 4, 1, 1]], (pixel) => {
    const out = small.parameters()['attention.conv1.weight'];
    assertRefused(() => small.forward(pixel, { out }), 'ERR_CONFIG', 'parameters');
  });
  same.dispose();
  small.dispose();
});

test('forward: an output larger than any tensor', () => {
  const wide = dk.kernelAggregation({ inChannels: 1, outChannels: 64, kernelSize: 1, padding: 8192, numKernels: 1 });
  withTensors([[1, 1, 1, 1], [1, 1]], (pixel, attention) => {
    const bytes = 64 * 16385 ** 2 * 4;
    assertRefused(() => wide.forward(pixel, attention), 'ERR_MEMORY', String(bytes), 'bytes');
    assertRefused(() => wide.planFor([1, 1, 1, 1]), 'ERR_MEMORY', String(bytes));
  });
  wide.dispose();
  const narrow = dk.kernelAggregation({ inChannels: 1, outChannels: 1, kernelSize: 1, stride: 2 ** 15 });
  assertRefused(() => narrow.planFor([1, 1, 2 ** 32 + 8, 8]), 'ERR_MEMORY', 'the input', '[1, 1, 4294967304, 8]');
  narrow.dispose();
});

test('training mode with a batch of one', () => {
  block.train();
  assertRefused(() => block.forward(x), 'ERR_MODE', 'at least 2', '[1, 3, 8, 9]', 'eval()');
  assertRefused(() => block.attention.forward(x), 'ERR_MODE', 'at least 2');
  block.eval();
  for (const mode of [0, 'train', null]) assertRefused(() => block.train(mode), 'ERR_CONFIG', 'mode');
});

test('a refused training pass leaves the running statistics', () => {
  const strict = dk.dynamicKernelAggregation({ ...config, kernelSize: 5 }).train();
  const state = strict.stateDict();
  withTensors([[2, 3, 4, 4], [2, 3, 8, 8], [2, 4, 3, 4]], (small, large, out) => {
    assertRefused(() => strict.forward(small), 'ERR_SHAPE');
    assertRefused(() => strict.forward(large, { out }), 'ERR_SHAPE');
    assert.deepEqual(strict.stateDict(), state);
    assert.equal(strict.lastAttention, null);
    assert.equal(strict.plan, null);
  });
  strict.dispose();
});
