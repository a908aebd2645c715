// The page: runs the program here and in a module worker, and stores both results on the document.
import { load } from 'dynakernel';
import { diteHRNet } from 'dynakernel/dite-hrnet';
import { paint, program } from './program.js';

/** The worker's messages and result. Not every browser's tools show a worker's console. */
function askWorker() {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  const target = document.createElement('canvas').transferControlToOffscreen();
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => {
      resolve(data);
      worker.terminate();
    };
    worker.onerror = (event) => resolve({ error: { message: event.message || 'the worker could not be loaded' } });
    worker.postMessage(target, [target]);
  });
}

export async function start() {
  const target = document.createElement('canvas');
  document.body.append(target);
  const pictures = [paint(document.createElement('canvas')), paint(new OffscreenCanvas(1, 1))];
  const page = await program({ load, diteHRNet, pictures, target });
  const worker = await askWorker();
  document.documentElement.dataset.result = JSON.stringify({ page, worker });
}
