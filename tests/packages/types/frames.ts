// VideoFrame. TypeScript declares it since 5.1.
import type { Runtime } from 'dynakernel';

export const read = (dk: Runtime, frame: VideoFrame) => dk.fromImage(frame);
