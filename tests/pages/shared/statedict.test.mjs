// Blocks in .safetensors files, as the pages read and write them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { toSafetensors } from '../../../web/dynakernel/index.js';
import { makeBlock } from '../../../web/shared/blocks.js';
import { UNCHANGED } from '../../../web/shared/normalisation.js';
import { StateDictError, readBlocks, refuseFormat, writeBlock } from '../../../web/shared/statedict.js';
import { loadRuntime } from '../../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const config = {
  inChannels: 3, outChannels: 6, kernelSize: 3, stride: 2, padding: 0, dilation: 2, groups: 3, numKernels: 2, seed: 1,
};
const prefixed = (state, prefix) => Object.fromEntries(Object.entries(state).map(([name, x]) => [prefix + name, x]));
const isRefused = (work, pattern) =>
  assert.throws(work, (error) => error instanceof StateDictError && pattern.test(error.message));

/** The options of each kind that its file must bring back. */
const kinds = {
  dynamic: { midChannels: 5, bias: true },
  dyconv: { bias: true, temperature: 7 },
  condconv: { bias: true },
  odconv: { bias: false, temperature: 2 },
};

for (const [kind, options] of Object.entries(kinds)) {
  test(`a ${kind} block that was written is read with its configuration, parameters and normalisation`, () => {
    const block = makeBlock(dk, kind, { ...config, ...options });
    const [{ prefix, definition }, ...others] = readBlocks(writeBlock(block, UNCHANGED), 'My block.safetensors');
    assert.deepEqual(others, []);
    assert.equal(prefix, '');
    assert.equal(definition.id, 'my-block');
    assert.equal(definition.kind, kind);
    assert.match(definition.summary, /^From My block\.safetensors\. .*Stride, padding.* are the file’s\./);
    assert.match(definition.summary, /Its pixels are not normalised\.$/);
    const { seed: _, ...written } = config;
    assert.deepEqual(definition.config, { ...written, ...options });
    const copy = makeBlock(dk, kind, definition.config);
    copy.loadStateDict(definition.state);
    assert.deepEqual(copy.stateDict(), block.stateDict());
  });
}

test('the widths of attentions that no option names follow from their shapes', () => {
  const luma = { ...config, inChannels: 1, groups: 1, bias: true };
  for (const [kind, options] of [['dyconv', { ratio: 5 }], ['odconv', { reduction: 20, bias: false }]]) {
    const block = makeBlock(dk, kind, { ...luma, ...options });
    const [{ definition }] = readBlocks(writeBlock(block, UNCHANGED), 'a');
    makeBlock(dk, kind, definition.config).loadStateDict(definition.state);
  }
});

test('the other kinds are found by the names of their authors’ code, gradients are not', () => {
  const options = { ...config, stride: 1, groups: 1 };
  const dyconv = makeBlock(dk, 'dyconv', { ...options, bias: true }).stateDict();
  const odconv = makeBlock(dk, 'odconv', options).stateDict();
  const condconv = makeBlock(dk, 'condconv', { ...options, bias: true }).stateDict();
  const network = {
    ...prefixed(dyconv, 'one.'), ...prefixed(odconv, 'two.'), ...prefixed(dyconv, 'train.grad.'),
    'timm.routing_fn.weight': condconv['routing_fn.weight'], 'timm.routing_fn.bias': condconv['routing_fn.bias'],
    'timm.conv_dw.weight': condconv['conv.weight'], 'timm.conv_dw.bias': condconv['conv.bias'],
    'timm.bn.weight': condconv['routing_fn.bias'],
  };
  const found = readBlocks(toSafetensors(network), 'net').map(({ prefix, definition: { kind } }) => [prefix, kind]);
  assert.deepEqual(found, [['one.', 'dyconv'], ['two.', 'odconv'], ['timm.conv_dw.', 'condconv']]);
  const beside = Object.fromEntries(Object.entries(condconv).map(([name, x]) => [name.replace(/^conv\./, ''), x]));
  const [{ prefix, definition }] = readBlocks(toSafetensors(beside), 'a');
  assert.deepEqual([prefix, definition.config.kernelSize, definition.config.outChannels], ['', 3, 6]);
  makeBlock(dk, 'condconv', definition.config).loadStateDict(definition.state);
});

test('a file without a temperature has the library’s, and says so', () => {
  const block = makeBlock(dk, 'dyconv', { ...config, bias: true, temperature: 3 });
  const [{ definition }] = readBlocks(toSafetensors(block.stateDict()), 'a');
  assert.equal(definition.config.temperature, 34);
  assert.match(definition.summary, /does not hold stride, padding, dilation and temperature: set them here\./);
});

test('what the shapes of a kind cannot mean is refused in words', () => {
  const rows = makeBlock(dk, 'condconv', { ...config, bias: false }).stateDict();
  isRefused(() => readBlocks(toSafetensors(rows), 'a'), /“a” holds CondConv’s kernels as rows of 54 numbers, which do not/);
  const sized = (stored) => readBlocks(toSafetensors(rows, { config: JSON.stringify(stored) }), 'a')[0].definition.config;
  assert.equal(sized({ out_channels: 6, kernel_size: 3, groups: 3 }).outChannels, 6);
  isRefused(() => sized({ out_channels: 5, kernel_size: 3, groups: 3 }), /rows of 54 numbers/);
  assert.equal(sized({ kernel_size: 3, groups: 3, padding: 'same', dilation: 2 }).padding, 2);
  isRefused(() => sized({ kernel_size: 3, groups: 3, padding: 'same', stride: 2 }), /has padding “same” with stride 2/);
  const dyconv = makeBlock(dk, 'dyconv', { ...config, bias: true }).stateDict();
  const wide = { ...dyconv, 'attention.fc1.weight': { shape: [5, 3, 1, 1], data: new Float32Array(15) } };
  isRefused(() => readBlocks(toSafetensors(wide), 'a'), /“a” has 5 hidden units for 2 kernels; DyConv has as many/);
});

test('a file without metadata takes the usual stride, padding and dilation, and says so', () => {
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: 5, seed: 1 });
  const [{ definition }] = readBlocks(toSafetensors(block.stateDict()), 'a.safetensors');
  const { stride, padding, dilation } = definition.config;
  assert.deepEqual({ stride, padding, dilation }, { stride: 1, padding: 2, dilation: 1 });
  assert.match(definition.summary, /A state dict does not hold stride, padding and dilation: set them here\./);
  const [{ definition: partly }] = readBlocks(toSafetensors(block.stateDict(), { config: '{"stride":2}' }), 'a');
  assert.match(partly.summary, /Stride is the file’s; it does not say padding and dilation: set them here\./);
});

test('pairs of a file’s configuration count as numbers if both are equal, and are refused if they differ', () => {
  const state = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: 3, seed: 1 }).stateDict();
  const read = (steps) => readBlocks(toSafetensors(state, { config: JSON.stringify(steps) }), 'a')[0].definition.config;
  const { stride, padding } = read({ stride: [2, 2], padding: [0, 0] });
  assert.deepEqual({ stride, padding }, { stride: 2, padding: 0 });
  assert.equal(read({ stride: [2, 2, 2] }).stride, 1);
  isRefused(() => read({ stride: [2, 1] }), /“a” has stride \[2, 1\]\. Here the stride is the same in both directions/);
});

test('each block of a network has its prefix; blocks for other inputs are left out', () => {
  const first = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: 3, seed: 1 }).stateDict();
  const wide = dk.dynamicKernelAggregation({ inChannels: 8, outChannels: 2, kernelSize: 3, seed: 1 }).stateDict();
  const network = { ...prefixed(wide, 'deep.'), ...prefixed(first, 'stem.'), ...prefixed(first, 'again.') };
  const prefixes = readBlocks(toSafetensors(network), 'net').map(({ prefix }) => prefix);
  assert.deepEqual(prefixes.sort(), ['again.', 'stem.']);
  isRefused(() => readBlocks(toSafetensors(wide), 'net'), /is a block for 8 input channels/);
});

test('other files are refused in words', () => {
  const state = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 2, kernelSize: 3, seed: 1 }).stateDict();
  const { 'attention.bn.weight': _, ...partial } = state;
  isRefused(() => readBlocks(toSafetensors(partial), 'a'), /“a” lacks attention\.bn\.weight,/);
  const other = toSafetensors({ 'conv.weight': state['aggregation.weight'] });
  isRefused(() => readBlocks(other, 'a'), /has no aggregation\.weight, attention\.fc1\.weight, .* or routing_fn\.weight, but conv\.weight\./);
  assert.match(refuseFormat('model.PTH'), /pickle/);
  assert.match(refuseFormat('model.onnx'), /the one format/);
  assert.equal(refuseFormat('cat.jpg'), '');
});
