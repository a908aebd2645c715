// Blocks of every kind, by the methods that the pages share.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heapOf } from '../../../web/dynakernel/runtime.js';
import { makeBlock } from '../../../web/shared/blocks.js';
import { KINDS } from '../../../web/shared/kinds.js';
import { assertClose, loadRuntime, randomTensor } from '../../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

const config = {
  inChannels: 3, outChannels: 6, kernelSize: 3, stride: 2, padding: 1, dilation: 1, groups: 3, bias: true, numKernels: 4,
  temperature: 2, seed: 3,
};

for (const kind of Object.keys(KINDS)) {
  for (const numKernels of [4, 1]) {
    const options = { ...config, numKernels };

    test(`${kind}, K = ${numKernels}: a look, a forward pass and the attention’s own weights give the same output`, () => {
      const block = makeBlock(dk, kind, options);
      const x = randomTensor(dk, [2, 3, 9, 8]);
      const y = block.look(x, {});
      const { kernel, channel, filter, spatial } = block.attentions;
      assert.equal(kernel.length, 2 * numKernels);
      const scales = [channel, filter, spatial].map((scale) => scale?.length ?? 0);
      assert.deepEqual(scales, kind === 'odconv' ? [2 * 3, 2 * 6, 2 * 9] : [0, 0, 0]);
      assert.deepEqual(block.forward(x, {}).toArray(), y.toArray());
      const a = dk.tensor(kernel, [2, numKernels]);
      assertClose(block.apply(x, a, {}).toArray(), y.toArray(), `${kind}, applied`);
      assert.ok(block.plan, 'the plan is known');
      block.check([1, 3, 9, 8]);
      assert.throws(() => block.check([1, 4, 9, 8]), { code: 'ERR_SHAPE' });
      block.dispose();
    });

    test(`${kind}, K = ${numKernels}: the mixture is that of the formula`, () => {
      const block = makeBlock(dk, kind, options);
      const x = randomTensor(dk, [2, 3, 9, 8], 2);
      block.look(x, {});
      const { channel, filter, spatial } = block.attentions;
      const a = randomTensor(dk, [2, numKernels], 5);
      const { weight } = block.mix(a);
      const kernels = block.kernels;
      assert.equal(kernels.length, block.shape.reduce((product, length) => product * length, 1));
      const [O, taps] = [6, 9];
      // ODConv has no weight for a kernel that is alone
      const weightOf = (n, k) => (kind === 'odconv' && numKernels === 1 ? 1 : a.data[n * numKernels + k]);
      const expected = Array.from({ length: 2 * O * taps }, (_, i) => {
        const [n, o, t] = [Math.floor(i / (O * taps)), Math.floor(i / taps) % O, i % taps];
        let sum = 0;
        for (let k = 0; k < numKernels; k++) sum += weightOf(n, k) * kernels[(k * O + o) * taps + t];
        const c = Math.floor(o / 2); // groups = 3: output o reads channel o / 2
        return sum * (filter?.[n * O + o] ?? 1) * (channel?.[n * 3 + c] ?? 1) * (spatial?.[n * taps + t] ?? 1);
      });
      assertClose(weight.toArray(), expected, `${kind}, mixed`);
      block.dispose();
    });
  }

  test(`${kind}: its state dict makes the same block, and its steps learn`, () => {
    const block = makeBlock(dk, kind, config);
    const copy = makeBlock(dk, kind, { ...config, seed: 9 });
    const x = randomTensor(dk, [3, 3, 9, 8]);
    const target = randomTensor(dk, [3, 6, 5, 4], 2);
    copy.loadStateDict(block.stateDict());
    assert.deepEqual(copy.look(x, {}).toArray(), block.look(x, {}).toArray());
    assert.ok(block.stateDict()[block.kind.kernels], `${block.kind.kernels} is in the state dict`);
    block.observe(x);
    block.requiresGrad = true;
    const optimizer = dk.adam(block.modules, { lr: 0.05 });
    const losses = Array.from({ length: 40 }, () => {
      optimizer.zeroGrad();
      const y = block.forward(x, {});
      const { loss, gradient } = dk.mseLoss(y, target);
      block.backward(gradient);
      optimizer.step();
      return loss;
    });
    assert.ok(losses.at(-1) < losses[0] * 0.7, `from ${losses[0]} to ${losses.at(-1)}`);
    assert.equal(block.temperature, KINDS[kind].softmax ? 2 : null);
    copy.dispose();
    block.dispose();
  });

  test(`${kind}: gives its memory back`, () => {
    const x = randomTensor(dk, [1, 3, 9, 8]);
    const { live } = heapOf(dk);
    const block = makeBlock(dk, kind, config);
    const y = block.look(x, {});
    const a = dk.tensor(block.attentions.kernel, [1, 4]);
    block.apply(x, a, { out: y });
    for (const tensor of [a, y]) tensor.dispose();
    block.dispose();
    assert.equal(heapOf(dk).live, live);
    assert.throws(() => makeBlock(dk, kind, { ...config, outChannels: 4 }), { code: 'ERR_CONFIG' });
    assert.equal(heapOf(dk).live, live);
  });
}
