// dynakernel as a trainer: it uses the public wrapper, as examples/train.mjs does.
import { openRuntime } from '../../web/bench/engine.js';
import { blockOptions, stateDict } from '../../web/bench/workload.js';
import { burstOf } from './timing.mjs';

/**
 * @param {{ simd: 'auto' | 'baseline' | 'relaxed', threads: number }} options
 * @returns {Promise<import('./session.mjs').Trainer>}
 */
export async function dynakernel(options) {
  const { dk, engine } = await openRuntime(options);
  return {
    ...engine,
    async prepare(workload, { input, target: values, state, lr }) {
      const { N, C, O, H, W, Ho, Wo } = workload;
      const block = dk.dynamicKernelAggregation(blockOptions(workload));
      block.loadStateDict(stateDict(state));
      block.requiresGrad = true;
      const optimizer = dk.adam(block, { lr });
      const x = dk.zeros([N, C, H, W]);
      const y = dk.zeros([N, O, Ho, Wo]);
      const gradient = dk.zeros(y.shape);
      const target = dk.tensor(values, y.shape);
      function step() {
        x.data.set(input);
        block.forward(x, { out: y });
        const { loss } = dk.mseLoss(y, target, { out: gradient });
        optimizer.zeroGrad();
        block.backward(gradient, { input: false });
        optimizer.step();
        return loss;
      }
      return {
        burst: burstOf(step),
        dispose() {
          for (const thing of [optimizer, block, x, y, gradient, target]) thing.dispose();
        },
      };
    },
  };
}
