// Blocks in .safetensors files, as the pages read and write them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { toSafetensors } from '../../../web/dynakernel/index.js';
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
const isRefused = (work, pattern) =>
  assert.throws(work, (error) => error instanceof StateDictError && pattern.test(error.message));

test('a block that was written is read with its configuration, parameters and normalisation', () => {
  const block = dk.dynamicKernelAggregation(config);
  const [{ prefix, definition }] = readBlocks(writeBlock(block, UNCHANGED), 'My block.safetensors');
  assert.equal(prefix, '');
  assert.equal(definition.id, 'my-block');
  assert.equal(definition.summary, 'From My block.safetensors. Stride, padding and dilation are the file’s. ' +
    'Its pixels are not normalised.');
  const { midChannels, ...options } = definition.config;
  const { seed: _, ...written } = config;
  assert.deepEqual(options, { ...written, bias: true });
  const copy = dk.dynamicKernelAggregation(definition.config);
  copy.loadStateDict(definition.state);
  assert.equal(copy.config.midChannels, midChannels);
  assert.deepEqual(copy.stateDict(), block.stateDict());
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
  const prefixed = (state, prefix) => Object.fromEntries(Object.entries(state).map(([name, x]) => [prefix + name, x]));
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
  isRefused(() => readBlocks(other, 'a'), /has no aggregation\.weight, but conv\.weight\./);
  assert.match(refuseFormat('model.PTH'), /pickle/);
  assert.match(refuseFormat('model.onnx'), /the one format/);
  assert.equal(refuseFormat('cat.jpg'), '');
});
