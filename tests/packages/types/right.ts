// Code that must compile in every project, whatever its libraries.
import {
  DynakernelError, cosineSchedule, load, parseSafetensors, stepSchedule, toSafetensors, warmupSchedule,
} from 'dynakernel';
import type {
  AdamOptions, AggregationOptions, Algorithm, AttentionOptions, BackwardOptions, BlockOptions, BuildNetwork, Colormap, DrawableCanvas,
  DynamicKernelAggregation, ErrorCode, Extent, GridOptions, HuberOptions, ImageOptions, ImageSource, Info, KernelAggregation,
  KernelAttention, LoadOptions, LoadResult, LoadStateOptions, LossOptions, LossResult, MapOptions, Module, NestedNumbers,
  Network, NetworkValue,
  Optimizer, Picture, Plan, Range, Runtime, SafetensorsFile, Schedule, SgdOptions, StateDict, StateSource, StateValue,
  Tensor, Tensors, TypedArray, WasmFile, WasmSource,
} from 'dynakernel';
import { cropBox, decodeHeatmaps, diteHRNet } from 'dynakernel/dite-hrnet';
import type { Box, DiteHRNetOptions, KeyPoint } from 'dynakernel/dite-hrnet';
import { load as loadInline } from 'dynakernel/inline';
import wasm from 'dynakernel/wasm/baseline';
import relaxed from 'dynakernel/wasm/relaxed.wasm';

export async function network(bytes: ArrayBuffer, signal: LoadOptions['signal'], out?: Tensor): Promise<number> {
  const dk: Runtime = await load({ simd: 'auto', threads: 2, signal, wasm: undefined });
  const block = dk.dynamicKernelAggregation({
    inChannels: 3, outChannels: 8, kernelSize: 3, padding: 1, stride: undefined, seed: undefined,
    algorithm: 'winograd',
  });
  const { missing }: LoadResult = block.loadStateDict(bytes, { prefix: 'stem.', strict: false });
  block.loadStateDict(new Uint8Array(bytes));
  block.loadStateDict(parseSafetensors(bytes));
  block.loadStateDict({ 'attention.conv1.weight': dk.zeros([4, 3, 1, 1]) });
  const x = dk.tensor([[1, 2], [3, 4]], [2, 2]);
  dk.tensor(new Float64Array(4), [4]).dispose();
  const y = block.forward(x, { out });
  const numbers: number[] = Array.from(y.toArray());
  y.data[0] = numbers[1] ?? 0;
  const weights: Float32Array | null = block.lastAttention;
  const { algorithm, seed }: { algorithm: Algorithm, seed: number } = block.config;
  const extent: Extent = block.aggregation.config.stride;
  const stride: number = typeof extent === 'number' ? extent : extent[0];
  dk.kernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: [1, 7], stride: [2, 1], padding: [0, 3] });
  const { loss, gradient }: LossResult = dk.huberLoss(y, x, { delta: 0.5, out });
  block.train().requiresGrad = true;
  const inner: Tensor = block.backward(gradient);
  const none: null = block.backward(gradient, { input: false });
  const optimizer: Optimizer = dk.adam([block, block.attention], { lr: 0.1, betas: [0.9, 0.99] });
  optimizer.lr = cosineSchedule({ lr: 0.1, steps: 100, warmup: undefined })(3);
  const plan: Plan | null = block.plan;
  const dict: StateDict = block.stateDict();
  const half: StateValue = { shape: [1], data: new Uint16Array(1), dtype: 'F16' };
  const file = toSafetensors({ ...dict, x, half }, { format: 'pt' });
  const value: TypedArray | undefined = parseSafetensors(file)['x']?.data;
  block.parameters()['aggregation.weight']?.data.fill(0);
  return loss + Number(stride) + seed + missing.length + (plan?.tile ?? 0) + (weights?.length ?? 0) + (value?.length ?? 0) +
    inner.shape.length + Number(none) + algorithm.length;
}

// A network in JavaScript, and one that is ready-made.
const build: BuildNetwork = (g, { image }) => {
  if (!image) throw new Error('no image');
  let x: NetworkValue = g.conv2d(image, { name: 'stem.0', outChannels: 8, kernelSize: [3, 1], padding: 'same', bias: false });
  x = g.relu(g.batchNorm2d(x, { name: 'stem.1', eps: undefined }));
  const [first, second] = g.chunk(x, { chunks: 2, dim: 1 });
  if (first && second) x = g.cat([g.mul(first, 2), g.dynamicKernelAggregation(second, { name: 'stem.3', outChannels: 4, kernelSize: 1 })], { dim: 1 });
  return { features: g.interpolate(x, { scaleFactor: 2, mode: 'bilinear' }) };
};

export function pose(dk: Runtime, photo: ImageData16, person: Box): KeyPoint[] {
  const net: Network = dk.network({ image: [1, 3, 32, 32] }, build, { seed: 1, keep: ['stem.0'] });
  const channels: number | undefined = net.forward(dk.fromImage(photo)).shape[1];
  const { features, others } = net.forward<Tensors>({ image: dk.zeros([1, 3, 32, channels ?? 32]) });
  features?.dispose(), others?.dispose();
  net.dispose();
  const options: DiteHRNetOptions = { depth: 18, joints: undefined };
  const crop = cropBox(person, { width: 192, height: 256 });
  const heatmaps: Tensor = diteHRNet(dk, options).forward(dk.fromImage(photo, { crop, width: 192, height: 256 }));
  return decodeHeatmaps(heatmaps, { box: crop })[0] ?? [];
}

type ImageData16 = { data: Uint8Array, width: number, height: number };

// A canvas of a package for Node, and a picture as bytes.
type Canvas = { width: number, height: number, getContext(kind: '2d'): object };

export function drawn(dk: Runtime, y: Tensor, canvas: Canvas) {
  const x = dk.fromImage(canvas, { width: 64, mean: [0.5, 0.5, 0.5], std: new Float32Array(3) });
  dk.fromImage({ data: new Uint8Array(16), width: 2, height: 2 }, { out: x });
  const picture: Picture = y.toImageData({ channel: 'rgb', range: 'shared' });
  dk.fromImage(picture);
  const ranges: [number, number][] = y.drawMaps(canvas, { columns: 2, colormap: 'viridis' });
  return [y.drawMap(canvas, { range: [-1, 1] }), ...ranges];
}

export function refusal(error: unknown): ErrorCode | undefined {
  return error instanceof DynakernelError ? error.code : undefined;
}

export const fromBundler: Promise<Runtime>[] = [load({ wasm }), load({ wasm: relaxed }), loadInline()];
export const schedule: Schedule = warmupSchedule({ warmup: 3, lr: stepSchedule({ lr: 0.1, every: 3 }) });

// Nothing is any.
type Sound<Type> = 0 extends 1 & Type ? 'any' : 'sound';
type Values<Type> = { [Name in keyof Type]-?: Sound<Type[Name]> }[keyof Type];
type Inputs<Call extends (...inputs: never) => unknown> =
  Values<{ [Place in Extract<keyof Parameters<Call>, `${number}`>]: Parameters<Call>[Place] }>;
export const sound: 'sound' = 'sound' as
  | Values<AdamOptions> | Values<AggregationOptions> | Values<AttentionOptions> | Values<BackwardOptions>
  | Values<BlockOptions> | Values<DrawableCanvas> | Values<DynamicKernelAggregation> | Values<GridOptions>
  | Values<HuberOptions> | Values<ImageOptions> | Values<Info> | Values<KernelAggregation> | Values<KernelAttention>
  | Values<LoadOptions> | Values<LoadResult> | Values<LoadStateOptions> | Values<LossOptions> | Values<LossResult>
  | Values<MapOptions> | Values<Module> | Values<Optimizer> | Values<Picture> | Values<Plan> | Values<Runtime>
  | Values<SgdOptions> | Values<StateValue> | Values<Tensor>
  | Sound<Colormap> | Sound<ImageSource> | Sound<NestedNumbers> | Sound<Range> | Sound<SafetensorsFile>
  | Sound<StateSource>
  | Sound<TypedArray> | Sound<WasmFile> | Sound<WasmSource> | Sound<typeof wasm> | Sound<typeof relaxed>
  | Sound<TypedArray[number]> | Sound<ReturnType<Tensor['toArray']>> | Sound<ReturnType<Tensor['toImageData']>>
  | Sound<ReturnType<typeof toSafetensors>> | Sound<ReturnType<typeof parseSafetensors>>
  | Sound<ReturnType<DrawableCanvas['getContext']>> | Sound<Awaited<ReturnType<typeof load>>>
  | Inputs<Runtime['fromImage']> | Inputs<Runtime['tensor']> | Inputs<Tensor['drawMap']>
  | Inputs<Module['loadStateDict']>
  | Inputs<typeof parseSafetensors> | Inputs<typeof toSafetensors> | Inputs<typeof load>;
