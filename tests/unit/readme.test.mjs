// Runs the code of README's section on the kinds of dynamic convolution.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { compileFunction } from 'node:vm';
import { loadRuntime, randomTensor } from '../helpers.mjs';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

/** The blocks of code in a language under a heading. */
function codeUnder(heading, language) {
  const section = readme.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  assert.ok(section, `README has the section "${heading}"`);
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, code]) => code);
}

/** A state dict that holds the parameters of all modules of the section, as a checkpoint of a whole model does. */
function checkpoint() {
  const options = { inChannels: 16, outChannels: 16, kernelSize: 3, padding: 1, seed: 5 };
  const modules = {
    'stage.0.conv.': dk.dynamicKernelAggregation(options), 'layer1.0.conv1.': dk.dyConv2d(options),
    'layer1.0.conv2.': dk.odConv2d(options), 'blocks.3.0.conv_pwl.': dk.condConv2d(options),
    'blocks.3.0.routing_fn.': dk.routing({ channels: 16, numExperts: 4, seed: 6 }),
  };
  return Object.fromEntries(Object.entries(modules).flatMap(([prefix, module]) =>
    Object.entries(module.stateDict()).map(([name, value]) => [prefix + name, value])));
}

test('the snippets of "Every kind of dynamic convolution" run one after the other', () => {
  const blocks = codeUnder('Every kind of dynamic convolution', 'js');
  assert.equal(blocks.length, 5);
  const given = {
    dk, pth: null, parseCheckpoint: checkpoint, console: { log: () => {} },
    x: randomTensor(dk, [2, 16, 9, 8], 1), target: randomTensor(dk, [2, 8, 9, 8], 2), wanted: randomTensor(dk, [2, 16, 9, 8], 3),
    kernels: randomTensor(dk, [2, 8, 16, 3, 3], 4), biases: randomTensor(dk, [2, 8], 5), outGradient: randomTensor(dk, [2, 8, 9, 8], 6),
  };
  const names = ['y', 'kernel', 'channel', 'filter', 'spatial', 'weight', 'dyConv', 'odConv', 'routing', 'condConv', 'second',
    'out', 'xGradient', 'weightGradient', 'biasGradient', 'a'];
  const code = `'use strict';\n${blocks.join('\n')}\nreturn { ${names.join(', ')} };`;
  const run = compileFunction(code, Object.keys(given), { filename: 'README.md' });
  const results = run(...Object.values(given));

  assert.deepEqual([results.y, results.out, results.xGradient].map(({ shape }) => shape), [[2, 16, 9, 8], [2, 8, 9, 8], [2, 16, 9, 8]]);
  assert.deepEqual(results.weight.shape, [2, 16, 16, 3, 3]);
  const lengths = ['kernel', 'channel', 'filter', 'spatial'].map((name) => results[name].length);
  assert.deepEqual(lengths, [8, 32, 32, 18]);
  const { lastAttention } = results.dyConv;
  for (const n of [0, 1]) {
    const sum = lastAttention.subarray(4 * n, 4 * n + 4).reduce((total, value) => total + value);
    assert.ok(Math.abs(sum - 1) < 1e-6, `the attention of image ${n} sums to ${sum}`);
  }
  assert.equal(results.dyConv.temperature, 1);
  // both convolutions add to the gradients of the routing, so they differ from those of the second alone
  const both = results.routing.gradients().weight.toArray();
  results.routing.zeroGrad();
  results.routing.backward(results.second.attentionGradient, { input: false });
  assert.notDeepEqual(results.routing.gradients().weight.toArray(), both);
  assert.deepEqual(results.weightGradient.shape, [2, 8, 16, 3, 3]);
  assert.deepEqual(results.biasGradient.shape, [2, 8]);
});
