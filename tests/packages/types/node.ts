// Code that must compile in a project for Node without the DOM library, and code that must not.
import { readFileSync } from 'node:fs';
import { load, parseSafetensors } from 'dynakernel';
import type { ImageSource, Runtime } from 'dynakernel';

export async function server(dk: Runtime) {
  dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 3 }).loadStateDict(readFileSync('a'));
  parseSafetensors(readFileSync('a'));
  await load({ wasm: new URL('file:///a.wasm'), signal: AbortSignal.timeout(100) });
  await load({ wasm: readFileSync('a.wasm') });
  await load({ wasm: await fetch('https://example.com/a.wasm'), signal: new AbortController().signal });
  // @ts-expect-error await it first
  await load({ wasm: fetch('https://example.com/a.wasm') });
  // @ts-expect-error
  await load({ signal: new AbortController() });
  // @ts-expect-error the file's pixels are needed
  const picture: ImageSource = readFileSync('cat.png');
  // @ts-expect-error
  dk.fromImage(new URL('file:///cat.png'));
  return picture;
}
