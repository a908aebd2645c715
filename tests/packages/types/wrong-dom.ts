// Code that must not compile in a project with the DOM library.
import { load } from 'dynakernel';
import type { Runtime, Tensor } from 'dynakernel';

export function wrong(dk: Runtime, y: Tensor, context: CanvasRenderingContext2D) {
  // @ts-expect-error
  dk.fromImage(document.createElement('div'));
  // @ts-expect-error createImageBitmap() of it first
  dk.fromImage(new Blob());
  // @ts-expect-error its canvas
  dk.fromImage(context);
  // @ts-expect-error
  dk.fromImage(fetch('cat.png'));
  // @ts-expect-error
  y.drawMap(new Image());
  // @ts-expect-error
  y.drawMap(context);
  // @ts-expect-error
  y.drawMap(document.querySelector('canvas'));
  // @ts-expect-error
  y.drawMap(document.querySelector('#canvas')!);
  // @ts-expect-error await it first
  load({ wasm: fetch('a.wasm') });
  // @ts-expect-error
  load({ wasm: new Blob() });
  // @ts-expect-error
  load({ wasm: new Request('a.wasm') });
  // @ts-expect-error its signal
  load({ signal: new AbortController() });
}
