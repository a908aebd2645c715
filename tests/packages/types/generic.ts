// The types of the buffers under typed arrays. TypeScript has them since 5.7.
import { toSafetensors } from 'dynakernel';
import type { DynamicKernelAggregation, Picture, Tensor } from 'dynakernel';

export function buffers(y: Tensor, block: DynamicKernelAggregation, picture: Picture) {
  const floats: Float32Array<ArrayBuffer>[] = [y.toArray(), block.lastAttention ?? y.toArray()];
  const bytes: Uint8Array<ArrayBuffer> = toSafetensors({ y });
  const pixels: Uint8ClampedArray<ArrayBuffer> = picture.data;
  return [floats, bytes, pixels];
}
