// What the package exports: the wrapper in one file, which finds its WebAssembly and its workers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as bundle from 'dynakernel';
import * as sources from '../../web/dynakernel/index.js';
import { assertClose, golden } from '../helpers.mjs';

test('the package resolves to the bundle', () =>
  assert.match(import.meta.resolve('dynakernel'), /\/dist\/index\.js$/));

test('it exports what the sources export', () =>
  assert.deepEqual(Object.keys(bundle).sort(), Object.keys(sources).sort()));

for (const threads of [1, 2]) {
  test(`it gives PyTorch's answer on ${threads} thread(s)`, async () => {
    const { file, config, state } = golden('rgb_3x3');
    const dk = await bundle.load({ threads });
    assert.equal(dk.info.threads, threads);
    const block = dk.dynamicKernelAggregation(config);
    block.loadStateDict(state);
    const y = block.forward(dk.tensor(file.input.data, file.input.shape));
    assertClose(y.data, file['eval.output'].data, JSON.stringify(config));
    dk.dispose();
  });
}
