// Every kind of module: how to make a small one, what its forward pass takes, and what it returns.
import { randomTensor } from './helpers.mjs';

const size = { inChannels: 3, outChannels: 4, kernelSize: 3 };
const seeded = { ...size, seed: 1 };

/** The shape of the image that the modules take, and those of the convolutions' outputs. */
export const IMAGE = [2, 3, 8, 9];
const OUTPUT = [2, 4, 6, 7];

/** An attention over 4 kernels, whose rows sum to one. */
const attention = (dk, N) => dk.tensor(Array.from({ length: N }, () => [0.5, 0.25, 0.125, 0.125]).flat(), [N, 4]);

/**
 * By the name of the runtime's method: the class, the options, what follows x in forward(), the output's shape, the word
 * for calls in messages, and the names of the state dict in PyTorch's order. `batchNorm` kinds refuse one image in
 * training mode.
 */
export const KINDS = {
  dynamicKernelAggregation: {
    Class: 'DynamicKernelAggregation', options: seeded, rest: () => [], output: OUTPUT, call: 'block', batchNorm: true,
    names: [
      'attention.conv1.weight', 'attention.bn.weight', 'attention.bn.bias', 'attention.bn.running_mean',
      'attention.bn.running_var', 'attention.bn.num_batches_tracked', 'attention.conv2.weight', 'attention.conv2.bias',
      'aggregation.weight', 'aggregation.bias',
    ],
  },
  kernelAttention: {
    Class: 'KernelAttention', options: { channels: 3, seed: 1 }, rest: () => [], output: [2, 4], call: 'attention',
    batchNorm: true,
    names: [
      'conv1.weight', 'bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var', 'bn.num_batches_tracked',
      'conv2.weight', 'conv2.bias',
    ],
  },
  kernelAggregation: {
    Class: 'KernelAggregation', options: seeded, rest: (dk, N) => [attention(dk, N)], output: OUTPUT,
    call: 'aggregation', names: ['weight', 'bias'],
  },
  dyConv2d: {
    Class: 'DyConv2d', options: seeded, rest: () => [], output: OUTPUT, call: 'block',
    names: ['weight', 'bias', 'attention.fc1.weight', 'attention.fc2.weight', 'attention.fc2.bias'],
  },
  odConv2d: {
    Class: 'OdConv2d', options: seeded, rest: () => [], output: OUTPUT, call: 'block', batchNorm: true,
    names: [
      'weight', 'attention.fc.weight', 'attention.bn.weight', 'attention.bn.bias', 'attention.bn.running_mean',
      'attention.bn.running_var', 'attention.bn.num_batches_tracked', 'attention.channel_fc.weight',
      'attention.channel_fc.bias', 'attention.filter_fc.weight', 'attention.filter_fc.bias',
      'attention.spatial_fc.weight', 'attention.spatial_fc.bias', 'attention.kernel_fc.weight',
      'attention.kernel_fc.bias',
    ],
  },
  condConv2d: {
    Class: 'CondConv2d', options: { ...seeded, bias: true }, rest: (dk, N) => [attention(dk, N)], output: OUTPUT,
    call: 'condConv2d', names: ['weight', 'bias'],
  },
  routing: {
    Class: 'Routing', options: { channels: 3, seed: 1 }, rest: () => [], output: [2, 4], call: 'routing',
    names: ['weight', 'bias'],
  },
  dynamicConvolution: {
    Class: 'DynamicConvolution', options: size,
    rest: (dk, N) => [randomTensor(dk, [N, 4, 3, 3, 3], 5), randomTensor(dk, [N, 4], 6)], output: OUTPUT,
    call: 'dynamicConvolution', names: [],
  },
};

/** The kinds whose forward pass convolves, and those that are blocks. */
export const CONVOLUTIONS = Object.keys(KINDS).filter((kind) => KINDS[kind].output.length === 4);
export const BLOCKS = ['dynamicKernelAggregation', 'dyConv2d', 'odConv2d'];

/** A module of a kind, and the tensors that its forward pass takes. dispose() frees all of them. */
export function makeKind(dk, kind, { N = IMAGE[0], ...changes } = {}) {
  const module = dk[kind]({ ...KINDS[kind].options, ...changes });
  const inputs = [randomTensor(dk, [N, ...IMAGE.slice(1)], 2), ...KINDS[kind].rest(dk, N)];
  return { module, inputs, dispose: () => [module, ...inputs].forEach((thing) => thing.dispose()) };
}
