// What --growth measures: for each plot its lines, and for each line its layers.
import { readWorkload } from '../../web/bench/workload.js';

/** @typedef {import('../../web/bench/workload.js').Workload} Workload */
/** @typedef {{ name: string, points: { x: number, workload: Workload }[] }} Line */
/** @typedef {{ id: 'size' | 'channels' | 'kernels' | 'batch', title: string, axis: string, lines: Line[] }} LayerPlot */

/**
 * The three kinds of convolution.
 *
 * @type {{ [name: string]: (channels: number) => Partial<import('../../web/bench/workload.js').WorkloadSource> }}
 */
const kinds = {
  '3×3': (channels) => ({ k: 3, p: 1, cin: channels, cout: channels }),
  '1×1': (channels) => ({ k: 1, cin: channels, cout: channels }),
  'depthwise 3×3': (channels) => ({ k: 3, p: 1, cin: channels, cout: channels, g: channels }),
};

const layer = (kind, channels, side, more = {}) => {
  const source = /** @type {any} */ ({ ...kinds[kind](channels), h: side, w: side, ...more });
  return readWorkload(`${kind} of ${channels} channels at ${side}×${side}`, source);
};

/** A line for each kind. */
const eachKind = (values, workloadOf) => Object.keys(kinds).map((kind) =>
  ({ name: kind, points: values.map((value) => ({ x: value[0], workload: workloadOf(kind, value[1]) })) }));

/** A line for each layer, over values of one of its numbers. */
const eachLayer = (layers, key, values) => layers.map(([kind, channels, side]) => ({
  name: `${kind} of ${channels} channels at ${side}×${side}`,
  points: values.map((value) => ({ x: value, workload: layer(kind, channels, side, { [key]: value }) })),
}));

/** @type {LayerPlot[]} */
export const LAYER_PLOTS = [
  {
    id: 'size', title: 'Size of the image', axis: 'H · W pixels, 64 channels, K = 4',
    lines: eachKind([7, 14, 28, 56, 112, 224].map((side) => [side * side, side]), (kind, side) => layer(kind, 64, side)),
  },
  {
    id: 'channels', title: 'Channels', axis: 'C = O channels, 14×14 pixels, K = 4',
    lines: eachKind([8, 16, 32, 64, 128, 256, 512].map((count) => [count, count]), (kind, count) => layer(kind, count, 14)),
  },
  {
    id: 'kernels', title: 'Kernels', axis: 'K kernels',
    lines: eachLayer([['3×3', 512, 7], ['3×3', 256, 14], ['1×1', 256, 14], ['3×3', 64, 56]], 'K', [1, 2, 4, 8, 16]),
  },
  {
    id: 'batch', title: 'Images of a batch', axis: 'N images, K = 4',
    lines: eachLayer([['3×3', 64, 28], ['1×1', 128, 28], ['depthwise 3×3', 64, 28]], 'n', [1, 2, 4, 8, 16]),
  },
];

/**
 * Networks of equal layers: their depth is varied.
 *
 * @type {{ name: string, channels: number, side: number, add: (g: any, x: any, name: string) => any }[]}
 */
export const STACKS = [
  {
    name: '3×3 of 64 channels at 28×28', channels: 64, side: 28,
    add: (g, x, name) => g.relu(g.conv2d(x, { name, outChannels: 64, kernelSize: 3, padding: 1 })),
  },
  {
    name: 'dynamic depthwise 3×3 of 40 channels at 16×16', channels: 40, side: 16,
    add: (g, x, name) => g.dynamicKernelAggregation(x, { name, outChannels: 40, kernelSize: 3, padding: 1, groups: 40 }),
  },
];

export const DEPTHS = [1, 2, 4, 8, 16, 32, 64];

/**
 * Bytes that a forward pass must move if nothing stays in a cache: the input and the bank of kernels are read, the
 * output is written.
 *
 * @param {Workload} workload
 */
export const bytesOf = (workload) => {
  const { N, C, O, K, H, W, Ho, Wo } = workload;
  return 4 * (N * C * H * W + N * O * Ho * Wo) + K * kernelBytesOf(workload);
};

/** Bytes of one kernel. @param {Workload} workload */
export const kernelBytesOf = ({ C, O, G, R }) => 4 * O * (C / G) * R * R;
