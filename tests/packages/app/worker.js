// The worker: the same program on offscreen canvases.
import { load } from 'dynakernel';
import { diteHRNet } from 'dynakernel/dite-hrnet';
import { paint, program } from './program.js';

const printed = [];
for (const level of ['log', 'info', 'warn', 'error']) {
  console[level] = (...values) => printed.push(`${level}: ${values.join(' ')}`);
}

globalThis.onmessage = async ({ data: target }) => {
  const pictures = [paint(new OffscreenCanvas(1, 1)), paint(new OffscreenCanvas(1, 1))];
  globalThis.postMessage({ ...await program({ load, diteHRNet, pictures, target }), printed });
};
