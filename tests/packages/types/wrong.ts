// Code that must not compile in any project. If a line has no error, the directive above it is an error.
import { DynakernelError, cosineSchedule, load, parseSafetensors, toSafetensors } from 'dynakernel';
import * as everything from 'dynakernel';
import type { DynamicKernelAggregation, Network, Runtime, Tensor } from 'dynakernel';

export function wrong(dk: Runtime, block: DynamicKernelAggregation, x: Tensor, net: Network, error: DynakernelError) {
  // @ts-expect-error numbers are no text
  const text: string = x.toArray();
  // @ts-expect-error
  const live: string = x.data;
  // @ts-expect-error
  const loss: string = dk.mseLoss(x, x).loss;
  // @ts-expect-error
  dk.tensor('123', [3]);
  // @ts-expect-error
  dk.tensor([1, 2, 3], 3);
  // @ts-expect-error
  dk.zeros(['3']);
  // @ts-expect-error shapes are frozen
  x.shape[0] = 2;
  // @ts-expect-error
  x.data = new Float32Array(3);

  // @ts-expect-error the classes are no values
  everything.Tensor;
  // @ts-expect-error
  everything.Runtime;
  // @ts-expect-error the inside is not there
  everything.Heap;
  // @ts-expect-error
  everything.default;

  // @ts-expect-error kernelSize is missing
  dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 8 });
  // @ts-expect-error
  dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 3, paddding: 1 });
  // @ts-expect-error
  dk.kernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 3, algorithm: 'fastest' });
  // @ts-expect-error a pair has two numbers
  dk.kernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: [3, 3, 3] });
  // @ts-expect-error
  block.config.stride = 2;
  // @ts-expect-error
  block.forward([1, 2, 3]);
  // @ts-expect-error
  block.forward(x, { output: x });
  // @ts-expect-error an output is a tensor
  net.forward<number>(x);
  // @ts-expect-error null without the gradient of the input
  block.backward(x, { input: false }).dispose();
  // @ts-expect-error null before the first pass
  block.lastAttention.length;
  // @ts-expect-error
  dk.adam(x);
  // @ts-expect-error
  dk.sgd(block, { momentum: 'high' });
  // @ts-expect-error
  cosineSchedule({ lr: 0.1 });

  // @ts-expect-error
  load({ simd: 'avx' });
  // @ts-expect-error
  load({ threads: '2' });
  // @ts-expect-error
  load({ wasm: 42 });
  // @ts-expect-error
  load({ wasm: { url: 'dynakernel.wasm' } });
  // @ts-expect-error await it first
  load({ wasm: Promise.resolve('dynakernel.wasm') });
  // @ts-expect-error
  load({ signal: true });

  // @ts-expect-error
  block.loadStateDict('block.safetensors');
  // @ts-expect-error
  block.loadStateDict({ weight: [1, 2, 3] });
  // @ts-expect-error
  parseSafetensors([1, 2, 3]);
  // @ts-expect-error
  toSafetensors({ weight: [1, 2, 3] });

  // @ts-expect-error load it first
  dk.fromImage('cat.png');
  // @ts-expect-error
  dk.fromImage({ width: 2, height: 2 });
  // @ts-expect-error
  dk.fromImage({ data: [1, 2, 3, 4], width: 1, height: 1 });
  // @ts-expect-error
  x.drawMap('#canvas');
  // @ts-expect-error
  x.drawMap({ width: 2, height: 2 });
  // @ts-expect-error
  x.toImageData({ colormap: 'jet' });
  // @ts-expect-error
  x.toImageData({ range: [1] });

  // @ts-expect-error there is no such code
  if (error.code === 'ERR_TYPO') return;
  // @ts-expect-error
  new DynakernelError('ERR_TYPO', 'message');
  return [text, live, loss];
}
