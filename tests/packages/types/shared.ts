// Buffers that threads share, which TypeScript tells from others since 5.9.
import type { Tensor } from 'dynakernel';

export function live(y: Tensor): Float32Array<ArrayBuffer> {
  // @ts-expect-error
  return y.data;
}
