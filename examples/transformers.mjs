// Hands pictures and tensors of transformers.js to dynakernel, and back, without a copy:
//
//     npm install dynakernel @huggingface/transformers
//     node transformers.mjs
// @ts-ignore -- not among this repository's packages
import { RawImage, Tensor } from '@huggingface/transformers';
import { load } from 'dynakernel';

const dk = await load();
const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 3, padding: 1, seed: 1 });

// A RawImage has the fields that fromImage reads. One of three channels: image.rgba()
const pixels = Uint8ClampedArray.from({ length: 64 * 48 * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 7) % 256));
const image = new RawImage(pixels, 64, 48, 4); // or await RawImage.read(url)
const x = dk.fromImage(image, { mean: 0.5, std: 0.5 });

// dynakernel's output as a tensor of transformers.js, which shows the heap: use it before the next call of dynakernel
const y = block.forward(x);
const features = new Tensor('float32', y.data, y.shape);
const pooled = features.mean(3).mean(2); // [1, 8]

// and back: a copy into memory that is reused
const head = dk.kernelAggregation({ inChannels: 8, outChannels: 3, kernelSize: 1, numKernels: 1, seed: 2 });
const input = dk.zeros([1, 8, 1, 1]), one = dk.tensor([1], [1, 1]);
input.data.set(pooled.data);
const scores = head.forward(input, one);

console.log(`[${features.dims}] -> [${pooled.dims}] -> [${scores.shape}]`);
const mean = y.toArray().subarray(0, 48 * 64).reduce((sum, value) => sum + value, 0) / (48 * 64);
console.log(`the first mean is ${pooled.data[0].toFixed(5)}, and ${mean.toFixed(5)} by hand`);
dk.dispose();
