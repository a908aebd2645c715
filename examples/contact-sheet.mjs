// Runs a block on a photograph and writes its output maps as a contact sheet:
//
//     node examples/contact-sheet.mjs photo.jpg sheet.png [block.safetensors]
//
// Without a state dict the block keeps its initial parameters, from a fixed seed.
import { readFile, writeFile } from 'node:fs/promises';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { load } from '../web/dynakernel/index.js';

const [photo, sheet, stateFile] = process.argv.slice(2);
if (!sheet) {
  console.error('usage: node examples/contact-sheet.mjs PHOTO SHEET.png [BLOCK.safetensors]');
  process.exit(2);
}

const image = await loadImage(photo);
const canvas = createCanvas(image.width, image.height);
canvas.getContext('2d').drawImage(image, 0, 0);

const dk = await load();
const block = dk.dynamicKernelAggregation({
  inChannels: 3, outChannels: 16, kernelSize: 5, padding: 2, seed: 3,
});
if (stateFile) block.loadStateDict(await readFile(stateFile));

const x = dk.fromImage(canvas, { width: 256, mean: 0.5, std: 0.5 });
const y = block.forward(x);
const output = createCanvas(1, 1);
y.drawMaps(output, { columns: 4, gap: 4, colormap: 'coolwarm' });
await writeFile(sheet, await output.encode('png'));

const weights = Array.from(block.lastAttention, (weight) => weight.toFixed(3)).join(', ');
console.log(`${sheet}: ${y.shape[1]} maps of ${y.shape[3]}x${y.shape[2]}; attention ${weights}`);
dk.dispose();
