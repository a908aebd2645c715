// Code that must compile in a project with the web worker's library. There are canvases, but no elements.
import { load } from 'dynakernel';
import type { Runtime } from 'dynakernel';

export async function worker(dk: Runtime, frame: ImageBitmap) {
  const canvas = new OffscreenCanvas(2, 2);
  dk.fromImage(canvas);
  dk.fromImage(new ImageData(2, 2)).drawMap(canvas);
  dk.fromImage(frame);
  // @ts-expect-error createImageBitmap() of it first
  dk.fromImage(new Blob());
  return load({ wasm: await fetch('a.wasm'), signal: AbortSignal.timeout(100) });
}
