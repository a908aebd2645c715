// One network in two runtimes: dynakernel computes a dynamic block, onnxruntime-web what follows, and dynakernel goes on.
//
//     npm install dynakernel onnxruntime-web
//     node onnxruntime.mjs rest.onnx          # its input is [N, C, H, W]
//
// Each tensor crosses with one copy, which onnxruntime-web makes in any case: into its own heap, and out of it.
import { readFile } from 'node:fs/promises';
// @ts-ignore -- not among this repository's packages
import * as ort from 'onnxruntime-web';
import { load } from 'dynakernel';

const [file] = process.argv.slice(2);
if (!file) {
  console.error('usage: node onnxruntime.mjs MODEL.onnx');
  process.exit(2);
}
const bytes = await readFile(file);
const session = await ort.InferenceSession.create(bytes);
const [{ name, shape: [N, C, H, W] }] = session.inputMetadata;

const dk = await load();
const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: C, kernelSize: 3, padding: 1, seed: 1 });
const x = dk.tensor(Float32Array.from({ length: N * 3 * H * W }, (_, i) => Math.sin(i)), [N, 3, H, W]);

let y, back;
for (let frame = 0; frame < 3; frame++) {
  y = block.forward(x, { out: y });

  // to onnxruntime-web: its tensor shows our heap. Make it anew for each run, because the heap may have moved
  const results = await session.run({ [name]: new ort.Tensor('float32', y.data, y.shape) });
  const { data, dims } = results[session.outputNames[0]];

  // and back, into memory that is reused
  back ??= dk.zeros(dims);
  back.data.set(data);
}

// dynakernel alone gives the same
const expected = dk.onnxNetwork(bytes).forward(y).toArray();
const difference = back.toArray().reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
console.log(`[${y.shape}] -> [${back.shape}]; largest difference to dk.onnxNetwork: ${difference.toExponential(1)}`);
dk.dispose();
