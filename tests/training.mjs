// Helpers of the training tests: PyTorch's gradients and training runs, comparisons, a block with its loss.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { parseSafetensors } from '../web/dynakernel/index.js';
import { golden, randomTensor } from './helpers.mjs';

const fixtures = new URL('fixtures/', import.meta.url);

/** Asserts that values are within factor * (1 + max|expected|), the tolerance of every gradient. */
export function assertGradient(actual, expected, label, factor = 1e-4) {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  assertWithin(actual, expected, () => factor * (1 + largest), label);
}

/** Asserts that no value differs by more than allowed(index). */
export function assertWithin(actual, expected, allowed, label) {
  assert.equal(actual.length, expected.length, `${label}: length`);
  for (let i = 0; i < expected.length; i++) {
    if (Math.abs(actual[i] - expected[i]) <= allowed(i)) continue; // false for NaN
    assert.fail(`${label}: [${i}] is ${actual[i]}, expected ${expected[i]} within ${allowed(i)}`);
  }
}

/**
 * golden(), and `gradients(mode)`, which returns { input, ...parameters }. In golden files with both modes, eval.grad.*
 * of the parameters are wrong: they are gradients of training mode. tests/fixtures/eval-gradients has the right ones.
 */
export function goldenGradients(name) {
  const { file, config, state } = golden(name);
  const correction = new URL(`eval-gradients/${name}.safetensors`, fixtures);
  const tensors = { ...file, ...(existsSync(correction) ? parseSafetensors(readFileSync(correction)) : {}) };
  const gradients = (mode) => Object.fromEntries(Object.entries(tensors)
    .filter(([key]) => key.startsWith(`${mode}.grad.`))
    .map(([key, { data }]) => [key.slice(`${mode}.grad.`.length), data]));
  return { file, config, state, gradients };
}

const runFolder = new URL('training/', fixtures);

export const trainingRuns = readdirSync(runFolder).map((file) => file.replace('.safetensors', ''));

/** One of PyTorch's training runs: its configuration, the state before and after, and the loss of each step. */
export function trainingRun(name) {
  const file = parseSafetensors(readFileSync(new URL(`${name}.safetensors`, runFolder)));
  const { in_channels, out_channels, kernel_size, num_kernels, ...rest } = JSON.parse(file.__metadata__.config);
  const { optimizer, mode, steps, options } = JSON.parse(file.__metadata__.training);
  const { weight_decay: weightDecay, ...others } = options;
  const states = (prefix) => Object.fromEntries(Object.entries(file)
    .filter(([key]) => key.startsWith(`${prefix}attention.`) || key.startsWith(`${prefix}aggregation.`))
    .map(([key, value]) => [key.slice(prefix.length), value]));
  return {
    config: {
      inChannels: in_channels, outChannels: out_channels, kernelSize: kernel_size, numKernels: num_kernels, ...rest,
    },
    optimizer, mode, steps, options: { ...others, ...(weightDecay === undefined ? {} : { weightDecay }) },
    before: states(''), after: states('after.'), input: file.input, target: file.target, losses: file.loss.data,
  };
}

/** A small block that requires gradients, with an input and a target. accumulate() runs forward, loss and backward. */
export function smallTraining(dk, { image = [2, 3, 7, 6], mode = 'train', ...changes } = {}) {
  const config = { inChannels: image[1], outChannels: 4, kernelSize: 3, padding: 1, seed: 1, ...changes };
  const block = dk.dynamicKernelAggregation(config)[mode]();
  block.requiresGrad = true;
  const x = randomTensor(dk, image, 2);
  const y = block.forward(x);
  const target = randomTensor(dk, y.shape, 3);
  const gradient = dk.zeros(y.shape);
  const accumulate = () => {
    block.forward(x, { out: y });
    const { loss } = dk.mseLoss(y, target, { out: gradient });
    block.backward(gradient, { input: false });
    return loss;
  };
  const dispose = () => [block, x, y, target, gradient].forEach((thing) => thing.dispose());
  return { block, x, y, target, gradient, accumulate, dispose };
}

/** Copies of the tensors' values, by name. */
export const copies = (tensors) =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tensor.toArray()]));
