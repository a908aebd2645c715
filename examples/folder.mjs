// Runs a block on every picture of a folder, on all cores, and prints the attention of each:
//
//     node examples/folder.mjs photos/ [block.safetensors]
//
// Each core has a worker with a runtime of one thread. A picture is decoded where it is computed, so that nothing large
// crosses. A worker asks for the next picture when it has finished one.
import { readFileSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { load } from '../web/dynakernel/index.js';

if (isMainThread) await runPool(process.argv.slice(2));
else await work(workerData);

async function runPool(args) {
  const [folder, stateFile] = args;
  if (!folder) {
    console.error('usage: node examples/folder.mjs FOLDER [BLOCK.safetensors]');
    process.exitCode = 2;
    return;
  }
  const names = readdirSync(folder).filter((name) => /\.(png|jpe?g|webp)$/i.test(name)).sort();
  const results = new Map(), rest = names.values();
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), names.length) }, () => new Promise((done, failed) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: stateFile });
    worker.on('message', ({ name, result }) => {
      if (name) results.set(name, result);
      const next = rest.next();
      worker.postMessage(next.done ? null : { name: next.value, path: join(folder, next.value) });
    });
    worker.on('error', failed).on('exit', done);
  })));
  for (const name of names) console.log(`${name}: ${results.get(name)}`);
}

async function work(stateFile) {
  const dk = await load({ threads: 1 });
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 16, kernelSize: 3, padding: 1, seed: 3 });
  if (stateFile) block.loadStateDict(readFileSync(stateFile));
  const x = dk.zeros([1, 3, 256, 256]);
  let y;
  parentPort.on('message', async (task) => {
    if (!task) return parentPort.close();
    const { name, path } = task;
    parentPort.postMessage({ name, result: await attentionOf(path).catch(({ message }) => message) });
  });
  parentPort.postMessage({}); // ready

  async function attentionOf(path) {
    const image = await loadImage(path);
    const canvas = createCanvas(image.width, image.height);
    canvas.getContext('2d').drawImage(image, 0, 0);
    dk.fromImage(canvas, { out: x, width: 256, height: 256, mean: 0.5, std: 0.5 });
    y = block.forward(x, { out: y });
    return Array.from(block.lastAttention, (weight) => weight.toFixed(4)).join(' ');
  }
}
