// Code that must compile in a project with the DOM library.
import { load, toSafetensors } from 'dynakernel';
import type { Runtime, Tensor } from 'dynakernel';

export async function page(dk: Runtime, y: Tensor, source: BufferSource, frame: ImageBitmap) {
  const canvas = document.createElement('canvas');
  for (const picture of [canvas, new OffscreenCanvas(2, 2), new Image(), document.createElement('video'), frame,
    new ImageData(2, 2)]) dk.fromImage(picture);
  y.drawMap(canvas);
  y.drawMaps(new OffscreenCanvas(2, 2));
  canvas.getContext('2d')?.putImageData(y.toImageData(), 0, 0);
  const file = new Blob([toSafetensors({ y }), y.toArray()]);

  await load({ wasm: new URL('https://example.com/a.wasm'), signal: new AbortController().signal });
  await load({ wasm: await fetch('a.wasm'), signal: AbortSignal.timeout(100) });
  await load({ wasm: new WebAssembly.Module(source) });
  await load({ wasm: await WebAssembly.compile(source) });
  await load({ wasm: source });
  return file;
}
