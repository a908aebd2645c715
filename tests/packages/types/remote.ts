// Objects in a worker: code that must compile in a project with the DOM library.
import { DynakernelError, frames, loadInWorker, transfer } from 'dynakernel/worker';
import type { Remote, RemoteRuntime, WorkerFunctions } from 'dynakernel/worker';
import { serve } from 'dynakernel/serve';
import { load } from 'dynakernel';
import type {
  DynamicKernelAggregation, ImageOptions, Info, LoadResult, Module, Network, NetworkLayer, Optimizer, Plan, Runtime, StateDict,
  Tensor, Tensors,
} from 'dynakernel';
import type { KeyPoint } from 'dynakernel/dite-hrnet';

export async function page(bytes: ArrayBuffer, canvas: HTMLCanvasElement, video: HTMLVideoElement, options: ImageOptions) {
  const dk: RemoteRuntime = await loadInWorker({ threads: 2, simd: 'auto', signal: AbortSignal.timeout(100), worker: undefined });
  const info: Readonly<Info> = await dk.info;
  const block: Remote<DynamicKernelAggregation> = await dk.dynamicKernelAggregation({
    inChannels: 3, outChannels: 8, kernelSize: [3, 1], padding: 1,
  });
  const x: Remote<Tensor> = await dk.tensor(transfer(new Float32Array(192)), [1, 3, 8, 8]);
  await dk.tensor([[1, 2], [3, 4]], [2, 2]);
  const y: Remote<Tensor> = await block.forward(x, { out: undefined });
  await block.forward(x, { out: y });

  // what never changes is no promise
  const shape: readonly number[] = y.shape;
  const { inChannels, seed }: { inChannels: number, seed: number } = block.config;
  const numbers: Float32Array = await y.data;
  const weights: Float32Array | null = await block.lastAttention;
  const plan: Plan | null = await block.plan;

  // of two signatures each has its result
  const inner: Remote<Tensor> = await block.backward(y);
  const none: null = await block.backward(y, { input: false });
  const { loss, gradient }: { loss: number, gradient: Remote<Tensor> } = await dk.mseLoss(y, x, { out: y });

  // state dicts, and parameters as handles
  const result: LoadResult = await block.loadStateDict(transfer(bytes), { strict: false });
  await block.loadStateDict({ 'attention.conv1.weight': await dk.zeros([4, 3, 1, 1]) });
  const dict: StateDict = await block.stateDict();
  const parameters: { [name: string]: Remote<Tensor> } = await block.parameters();
  const same: Remote<DynamicKernelAggregation> = await block.train();
  const { weight, bias }: { weight: Remote<Tensor>, bias: Remote<Tensor> | null } = await (await block.aggregation).mix(y);

  // properties that can be set
  await block.set('requiresGrad', true);
  const optimizer: Remote<Optimizer> = await dk.adam([block, await block.attention], { lr: 0.1 });
  await optimizer.set('lr', 0.2);
  const module: Remote<Module> = block;

  // networks, and the functions of the worker
  const net: Remote<Network> = await dk.onnxNetwork(bytes, { shapes: { image: [1, 3, 8, 8] } });
  const out: Remote<Tensor> = await net.forward(x, { out: y });
  const { boxes } = await net.forward<Tensors>({ image: x });
  const layers: NetworkLayer[] = await net.layers;
  const pose: Remote<Network> = await dk.diteHRNet({ depth: 18, joints: 17 });
  await dk.loadCheckpoint(pose, bytes, { prefix: 'a.' });
  const joints: KeyPoint[][] = await dk.decodeHeatmaps(out, { box: { x: 0, y: 0, width: 1, height: 1 } });

  // pictures in and out
  for await (const frame of frames(video, { signal: AbortSignal.timeout(1) })) {
    await dk.fromImage(frame, { ...options, out: x });
    const range: [number, number] = await y.drawMap(canvas, { colormap: 'viridis' });
    await y.drawMaps(canvas.transferControlToOffscreen(), { columns: range.length });
  }
  for (const picture of [canvas, video, new Image(), new ImageData(2, 2)]) await dk.fromImage(picture);
  const width: number = (await y.toImageData()).width;
  await y.dispose();
  const isGone: boolean = await y.disposed;

  // @ts-expect-error a promise
  const wrong: Float32Array = y.data;
  // @ts-expect-error functions do not cross
  await dk.network({ x: [1] }, (g, { x: value }) => value);
  // @ts-expect-error a tensor of this thread
  await block.forward((await load()).zeros([1]));
  // @ts-expect-error set() sets it
  block.requiresGrad = true;
  // @ts-expect-error a shape cannot be set
  await y.set('shape', [1]);
  // @ts-expect-error a number
  await optimizer.set('lr', 'fast');
  return [info, shape, inChannels, seed, numbers, weights, plan, inner, none, loss, gradient, result, dict, parameters, same,
    weight, bias, module, boxes, layers, joints, width, isGone, wrong];
}

/** A worker of one's own, and its page. */
const functions = {
  double: (dk: Runtime, x: Tensor): Tensor => dk.tensor(x.data.map((value) => 2 * value), x.shape),
  later: async (dk: Runtime, name: string) => ({ name, info: dk.info }),
} satisfies WorkerFunctions;
serve({ load, functions });

export async function own(worker: Worker) {
  const dk = await loadInWorker<typeof functions>({ worker });
  const doubled: Remote<Tensor> = await dk.double(await dk.zeros([2]));
  const { name, info }: { name: string, info: Readonly<Info> } = await dk.later('x');
  // @ts-expect-error this worker has no such function
  await dk.diteHRNet({ depth: 18 });
  return [doubled, name, info, new DynakernelError('ERR_CONFIG', name)];
}
