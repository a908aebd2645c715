// The base of the modules: the C functions that a forward pass calls, and the public members of the classes.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Attention } from '../../web/dynakernel/attention.js';
import { Block } from '../../web/dynakernel/block.js';
import { Convolution } from '../../web/dynakernel/convolution.js';
import { Module } from '../../web/dynakernel/module.js';
import { Runtime, heapOf } from '../../web/dynakernel/runtime.js';
import { Tensor } from '../../web/dynakernel/tensor.js';
import { loadRuntime, randomTensor } from '../helpers.mjs';

let dk;
before(async () => { dk = await loadRuntime(); });
after(() => dk.dispose());

/** The names of the forward functions that work calls, in their order. */
function forwardCalls(work) {
  const { c } = heapOf(dk);
  const originals = Object.fromEntries(Object.entries(c).filter(([name]) => /_forward(_taped)?$/.test(name)));
  const calls = [];
  for (const [name, original] of Object.entries(originals)) {
    c[name] = (...args) => {
      calls.push(name);
      return original(...args);
    };
  }
  try {
    work();
  } finally {
    Object.assign(c, originals);
  }
  return calls;
}

describe('a forward pass writes a tape only if it is recorded', () => {
  for (const [name, make] of [
    ['block', () => dk.dynamicKernelAggregation({ inChannels: 4, outChannels: 2, kernelSize: 3 })],
    ['attention', () => dk.kernelAttention({ channels: 4 })],
    ['block', () => dk.dyConv2d({ inChannels: 4, outChannels: 2, kernelSize: 3 })],
    ['block', () => dk.odConv2d({ inChannels: 4, outChannels: 2, kernelSize: 3 })],
    ['attention', () => dk.routing({ channels: 4 })],
  ]) {
    test(name, () => {
      const x = randomTensor(dk, [2, 4, 8, 8]);
      const module = make();
      for (const mode of [false, true]) {
        module.train(mode);
        module.requiresGrad = false;
        assert.deepEqual(forwardCalls(() => module.forward(x).dispose()), [`dk_${name}_forward`]);
        module.requiresGrad = true;
        assert.deepEqual(forwardCalls(() => module.forward(x).dispose()), [`dk_${name}_forward_taped`]);
      }
      module.dispose();
    });
  }

  test('both ways give the same numbers', () => {
    const x = randomTensor(dk, [2, 4, 8, 8]);
    const block = dk.dynamicKernelAggregation({ inChannels: 4, outChannels: 2, kernelSize: 3, seed: 1 });
    const plain = block.forward(x).toArray();
    const { lastAttention } = block;
    block.requiresGrad = true;
    assert.deepEqual(block.forward(x).toArray(), plain);
    assert.deepEqual(block.lastAttention, lastAttention);
    block.dispose();
  });
});

describe('internal methods', () => {
  const INTERNAL = [
    [Module, ['gradientsOf', 'handleOf', 'isTraining', 'leavesOf', 'recordOf', 'wantsGradients']],
    [Attention, ['attentionOf', 'checkBatch', 'setTemperature', 'temperatureOf', 'withTemperature']],
    [Block, ['headCopy', 'headOf', 'mixedBlock', 'mixedLatest', 'partsOf']],
    [Convolution, ['convolutionOf', 'convolved', 'mixed', 'noteForward', 'outputShape', 'readyHandleOf']],
    [Tensor, ['hasView', 'isOnLoan', 'locate', 'noteWritten', 'shapeOf']],
    [Runtime, ['heapOf']],
  ];

  for (const [Class, names] of INTERNAL) {
    test(`of ${Class.name} are static, and not enumerable`, () => {
      const members = Object.getOwnPropertyNames(Class).filter((name) => !['length', 'name', 'prototype'].includes(name));
      assert.deepEqual(members.sort(), names);
      assert.deepEqual(Object.keys(Class), []);
    });

    test(`of ${Class.name} refuse other objects`, () => {
      for (const name of names) assert.throws(() => Class[name]({}, {}, ''), TypeError, name);
    });
  }

  test('are marked in the source, and no function is assigned to a variable later', () => {
    const folder = new URL('../../web/dynakernel/', import.meta.url);
    const found = readdirSync(folder).filter((file) => /^[a-z-]+\.js$/.test(file)).flatMap((file) => {
      const source = readFileSync(new URL(file, folder), 'utf8');
      assert.doesNotMatch(source, /^export let /m, `${file}: an editor cannot find what is assigned later`);
      return [...source.matchAll(/\/\*\*(?:(?!\*\/)[^])*\*\/\s+static (?:async )?(\w+)\(/g)]
        .filter(([comment]) => comment.includes('@internal')).map(([, name]) => name);
    });
    for (const [, names] of INTERNAL) for (const name of names) assert.ok(found.includes(name), name);
  });
});
