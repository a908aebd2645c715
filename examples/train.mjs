// Trains a block to find edges in a photograph, and saves its state dict for this package and for PyTorch:
//
//     node examples/train.mjs photo.jpg block.safetensors [steps]
import { writeFile } from 'node:fs/promises';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { cosineSchedule, load, toSafetensors } from '../web/dynakernel/index.js';

const [photo, file, count = '300'] = process.argv.slice(2);
if (!file) {
  console.error('usage: node examples/train.mjs PHOTO BLOCK.safetensors [STEPS]');
  process.exit(2);
}

const dk = await load();
const image = await loadImage(photo);
const x = dk.zeros([4, 3, 96, 96]); // a batch of four: the quarters of the photograph
for (let batch = 0; batch < 4; batch++) {
  const quarter = createCanvas(Math.ceil(image.width / 2), Math.ceil(image.height / 2));
  quarter.getContext('2d').drawImage(image, -(batch % 2) * quarter.width, -(batch >> 1) * quarter.height);
  dk.fromImage(quarter, { out: x, batch, width: 96, height: 96, mean: 0.5, std: 0.25 });
}

// The target is Sobel's filter, across and along, of the mean of the channels. With one kernel the block's aggregation
// is a plain convolution.
const config = { inChannels: 3, outChannels: 2, kernelSize: 3, padding: 1 };
const sobel = dk.kernelAggregation({ ...config, numKernels: 1, bias: false });
const [across, along] = [[1, 0, -1, 2, 0, -2, 1, 0, -1], [1, 2, 1, 0, 0, 0, -1, -2, -1]];
const taps = [across, across, across, along, along, along].flat();
sobel.loadStateDict({ weight: { shape: [1, 2, 3, 3, 3], data: Float32Array.from(taps, (tap) => tap / 12) } });
const target = sobel.forward(x, dk.tensor([1, 1, 1, 1], [4, 1]));

const block = dk.dynamicKernelAggregation({ ...config, seed: 1 }).train();
block.requiresGrad = true;
const optimizer = dk.adam(block);
const steps = Number(count), schedule = cosineSchedule({ lr: 0.02, steps });
for (let step = 0, y, loss, gradient; step < steps; step++) {
  y = block.forward(x, { out: y });
  ({ loss, gradient } = dk.mseLoss(y, target, { out: gradient }));
  if (step % 50 === 0 || step === steps - 1) console.log(`step ${step}: loss ${loss.toExponential(2)}`);
  optimizer.zeroGrad();
  block.backward(gradient, { input: false });
  optimizer.lr = schedule(step);
  optimizer.step();
}
await writeFile(file, toSafetensors(block.stateDict(), { config: JSON.stringify({ padding: 1 }) }));
dk.dispose();
