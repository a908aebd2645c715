// Buffers that threads share. TypeScript tells them from other buffers since 5.9.
import type { Tensor } from 'dynakernel';

export function live(y: Tensor): Float32Array<ArrayBuffer> {
  // @ts-expect-error
  return y.data;
}
