/**
 * Dite-HRNet (Li et al., IJCAI 2022), layer by layer: a lightweight high-resolution network for human poses. The names
 * of layers are those of the authors' checkpoints.
 *
 * Every function takes g, the layers of the network that is being built; see network/layers.js. Branch 0 has the
 * highest resolution, and each other branch has half the one before.
 */

/** @typedef {import('../network/layers.js').NetworkLayers} NetworkLayers */
/** @typedef {import('../network/layers/value.js').NetworkValue} NetworkValue */

/** Channels of the branches. */
const CHANNELS = [40, 80, 160, 320];

/** Modules of each stage, by the depth in the network's name. */
export const MODULES = { 18: [2, 4, 2], 30: [3, 8, 3] };

/** Blocks of a module. */
const BLOCKS = 2;

/** Parts of a dynamic split convolution, and kernels of each part, by branch. */
const SPLITS = [1, 1, 2, 4];
const KERNELS = [4, 4, 2, 1];

/** Hidden channels of a branch's global context are a quarter or an eighth of the channels. */
const REDUCTIONS = [4, 4, 8, 8];

/** Hidden channels of the dense context are an eighth of all channels. */
const DENSE_REDUCTION = 8;

/**
 * From images to heat maps at a quarter of their size.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue} image [N, 3, H, W]
 * @param {{ modules: readonly number[], joints: number }} options
 * @returns {NetworkValue} [N, joints, H/4, W/4]
 */
export function poseNetwork(g, image, { modules, joints }) {
  const name = 'backbone';
  let branches = [stem(g, image, `${name}.stem`)];
  modules.forEach((count, stage) => {
    branches = transition(g, branches, stage, `${name}.transition${stage}`);
    for (let module = 0; module < count; module++) {
      branches = multiScale(g, branches, `${name}.stage${stage}.${module}`);
    }
  });
  const features = head(g, branches, `${name}.head_layer`);
  return g.conv2d(features, { name: 'keypoint_head.final_layer', outChannels: joints, kernelSize: 1 });
}

// ------------------------------------------------------------------------------------------------ stem

/**
 * The stem: a convolution with stride 2, then a dynamic global context block (DGC), whose two halves reduce the size
 * once more.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue} image
 * @param {string} name
 */
function stem(g, image, name) {
  const x = g.relu(convBN(g, image, { name: `${name}.conv1`, outChannels: 32, kernelSize: 3, stride: 2 }));
  const [first, second] = halves(g, x);

  const depthwise = { outChannels: 16, kernelSize: 3, groups: 16, numKernels: 4 };
  const pointwise = { kernelSize: 1, numKernels: 4 };

  let a = convBN(g, first, { name: `${name}.branch1.0`, ...depthwise, stride: 2 });
  a = globalContext(g, a, 4, `${name}.branch1.1`);
  a = g.relu(convBN(g, a, { name: `${name}.branch1.2`, ...pointwise, outChannels: 16 }));

  let b = convBN(g, second, { name: `${name}.branch2.0`, ...depthwise });
  b = globalContext(g, b, 4, `${name}.branch2.1`);
  b = g.relu(convBN(g, b, { name: `${name}.branch2.2`, ...pointwise, outChannels: 4 }));
  b = convBN(g, b, { name: `${name}.branch2.3`, ...pointwise, outChannels: 16 });
  b = g.relu(convBN(g, b, { name: `${name}.branch2.4`, ...depthwise, stride: 2 }));

  return joined(g, [a, b], 2);
}

// ---------------------------------------------------------------------------------------------- stages

/**
 * Adds a branch of half the resolution. The channels of the stem's output, which is the only branch before stage 0,
 * change too.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue[]} branches
 * @param {number} stage
 * @param {string} name
 */
function transition(g, branches, stage, name) {
  const last = branches[branches.length - 1];
  const added = stage + 1;
  const kept = stage === 0 ? [g.relu(separable(g, last, CHANNELS[0], 1, `${name}.0`))] : branches;
  return [...kept, g.relu(separable(g, last, CHANNELS[added], 2, `${name}.${added}.0`))];
}

/**
 * One module of a stage: blocks, then an exchange between the branches.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue[]} branches
 * @param {string} name
 */
function multiScale(g, branches, name) {
  let x = branches;
  for (let block = 0; block < BLOCKS; block++) x = dynamicMultiScaleContext(g, x, `${name}.layers.${block}`);
  return fuse(g, x, `${name}.fuse_layers`);
}

/**
 * The dynamic multi-scale context block (DMC). Half of each branch's channels passes unchanged. The other half goes
 * through the dense context of all branches, a dynamic split convolution and the branch's global context.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue[]} branches
 * @param {string} name
 */
function dynamicMultiScaleContext(g, branches, name) {
  const split = branches.map((x) => halves(g, x));
  const contexts = denseContext(g, split.map(([, active]) => active), `${name}.dcm`);
  return contexts.map((context, i) => {
    let x = dynamicSplitConvolution(g, context, i, `${name}.conv.${i}.conv`);
    x = globalContext(g, x, REDUCTIONS[i], `${name}.gcm.${i}`);
    return joined(g, [split[i][0], x], 2);
  });
}

/**
 * The dynamic split convolution (DSC): parts of the channels are convolved with kernels of different sizes, 3x3,
 * 5x5 and so on.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue} x
 * @param {number} branch
 * @param {string} name
 */
function dynamicSplitConvolution(g, x, branch, name) {
  const channels = x.shape[1];
  const count = SPLITS[branch];
  // what is left over goes to the first part
  const each = Math.floor(channels / count);
  const sizes = [channels - each * (count - 1), ...Array(count - 1).fill(each)];
  const parts = g.split(x, { splitSize: sizes, dim: 1 }).map((part, i) => convBN(g, part, {
    name: `${name}.${i}`, outChannels: sizes[i], kernelSize: 2 * i + 3, groups: sizes[i], numKernels: KERNELS[branch],
  }));
  return joined(g, parts, count);
}

// -------------------------------------------------------------------------------------------- contexts

/**
 * Global context modelling (GCM): the mean of all positions, weighted by a learned map, scales the channels.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue} x
 * @param {number} reduction
 * @param {string} name
 */
function globalContext(g, x, reduction, name) {
  const [N, C] = x.shape;
  const positions = attentionMap(g, x, `${name}.conv_mask`);
  // z[c] = sum over the positions p of x[c, p] * m[p]
  const z = g.matmul(g.reshape(x, { shape: [N, C, -1] }), g.reshape(positions, { shape: [N, -1, 1] }));
  const pixel = g.reshape(z, { shape: [N, C, 1, 1] });
  const scale = squeezeAndExcite(g, pixel, Math.floor(C / reduction), `${name}.channel_attention`);
  return g.batchNorm2d(g.mul(x, scale), { name: `${name}.bn` });
}

/**
 * Dense context modelling (DCM): all branches, pooled to the size of the smallest one, scale each other's channels.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue[]} branches
 * @param {string} name
 */
function denseContext(g, branches, name) {
  const last = branches.length - 1;
  const smallest = branches[last];
  const pooled = branches.slice(0, last).map((x, i) =>
    densePool(g, x, attentionMap(g, x, `${name}.conv_mask.${i}`), smallest.shape));
  unusedMask(g, smallest.shape[1], `${name}.conv_mask.${last}`);

  const all = g.cat([...pooled, smallest], { dim: 1 });
  const hidden = Math.floor(all.shape[1] / DENSE_REDUCTION);
  const scales = squeezeAndExcite(g, all, hidden, `${name}.channel_attention`);
  const parts = g.split(scales, { splitSize: branches.map(({ shape }) => shape[1]), dim: 1 });
  return branches.map((x, i) => g.mul(x, enlarged(g, parts[i], last - i)));
}

/**
 * The sums of a branch, weighted by its map, at the size of the smallest branch.
 *
 * The authors' view() reads the branch [C, H, W] as a flat array [P, C, S] of P positions and S = H * W / P elements
 * each. So a sum does not cover a window of one channel, but S neighbours in memory. Trained weights depend on that.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue} x
 * @param {NetworkValue} positions the map, [N, H * W]
 * @param {readonly number[]} smallest the shape of the smallest branch
 */
function densePool(g, x, positions, [N, , height, width]) {
  const C = x.shape[1];
  const P = height * width;
  const flat = g.reshape(x, { shape: [N, P, C, -1] });
  const sums = g.matmul(flat, g.reshape(positions, { shape: [N, P, -1, 1] })); // [N, P, C, 1]
  const planes = g.permute(g.reshape(sums, { shape: [N, P, C] }), { dims: [0, 2, 1] });
  return g.reshape(planes, { shape: [N, C, height, width] });
}

/**
 * A map over all positions whose sum is 1: [N, C, H, W] -> [N, H * W].
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue} x
 * @param {string} name
 */
function attentionMap(g, x, name) {
  const mask = g.conv2d(x, { name, outChannels: 1, kernelSize: 1 });
  return g.softmax(g.flatten(mask), { dim: 1 });
}

/**
 * The authors' module has a mask for the smallest branch as well, and never uses it. Checkpoints contain it.
 *
 * @param {NetworkLayers} g
 * @param {number} channels
 * @param {string} name
 */
function unusedMask(g, channels, name) {
  g.parameter({ name: `${name}.weight`, shape: [1, channels, 1, 1] });
  g.parameter({ name: `${name}.bias`, shape: [1] });
}

/**
 * Scales of channels, between 0 and 1: 1x1 convolution, batch norm, ReLU, 1x1 convolution, sigmoid.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue} x
 * @param {number} hidden
 * @param {string} name
 */
function squeezeAndExcite(g, x, hidden, name) {
  let scale = g.conv2d(x, { name: `${name}.0`, outChannels: hidden, kernelSize: 1, bias: false });
  scale = g.relu(g.batchNorm2d(scale, { name: `${name}.1` }));
  return g.sigmoid(g.conv2d(scale, { name: `${name}.3`, outChannels: x.shape[1], kernelSize: 1 }));
}

// ------------------------------------------------------------------------------------------------ fuse

/**
 * The exchange between branches.
 *
 * The authors' code adds up in place, and in the place of branch 0. Therefore it counts branch 0 twice in the first
 * row. The other rows see the result of that row instead of branch 0, and count it twice too. Trained weights depend
 * on that.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue[]} branches
 * @param {string} name
 */
function fuse(g, branches, name) {
  const fused = [...branches];
  branches.forEach((_, to) => {
    let sum = g.mul(exchanged(g, fused[0], 0, to, name), 2);
    for (let from = 1; from < branches.length; from++) sum = g.add(sum, exchanged(g, branches[from], from, to, name));
    fused[to] = g.relu(sum);
  });
  return fused;
}

/**
 * A branch at the size and with the channels of another one.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue} x
 * @param {number} from
 * @param {number} to
 * @param {string} path
 */
function exchanged(g, x, from, to, path) {
  const name = `${path}.${to}.${from}`;
  if (from === to) return x;
  if (from > to) {
    const narrow = convolved(g, x, { outChannels: CHANNELS[to], kernelSize: 1 }, name, 0);
    return enlarged(g, narrow, from - to);
  }
  // half the size at each step; the last step changes the channels, and has no ReLU
  let y = x;
  for (let step = 0; step < to - from; step++) {
    const isLast = step === to - from - 1;
    y = separable(g, y, CHANNELS[isLast ? to : from], 2, `${name}.${step}`);
    if (!isLast) y = g.relu(y);
  }
  return y;
}

// ------------------------------------------------------------------------------------------------ head

/**
 * From the lowest resolution to the highest: each result is enlarged and added to the next branch.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue[]} branches
 * @param {string} name
 */
function head(g, branches, name) {
  const upwards = [...branches].reverse();
  const outChannels = [...upwards.slice(1), branches[0]].map(({ shape }) => shape[1]);
  return upwards.slice(1).reduce((last, branch, i) => {
    const size = /** @type {[number, number]} */ (branch.shape.slice(2));
    const sum = g.add(branch, g.interpolate(last, { size, mode: 'bilinear', alignCorners: true }));
    return project(g, sum, outChannels[i + 1], `${name}.projects.${i + 1}`);
  }, project(g, upwards[0], outChannels[0], `${name}.projects.0`));
}

/**
 * @param {NetworkLayers} g
 * @param {NetworkValue} x
 * @param {number} outChannels
 * @param {string} name
 */
function project(g, x, outChannels, name) {
  const channels = x.shape[1];
  const depthwise = { outChannels: channels, kernelSize: 3, groups: channels };
  const spatial = convBN(g, x, { name: `${name}.depthwise_conv`, ...depthwise });
  return g.relu(convBN(g, spatial, { name: `${name}.pointwise_conv`, outChannels, kernelSize: 1 }));
}

// -------------------------------------------------------------------------------------- building blocks

/**
 * @typedef {object} ConvBNOptions
 * @property {string} name
 * @property {number} outChannels
 * @property {number} kernelSize
 * @property {number} [stride] (1)
 * @property {number} [groups] (1)
 * @property {number} [numKernels] of a dynamic convolution; with one kernel it is an ordinary one (1)
 */

/**
 * A convolution without bias, dynamic if it has several kernels, and batch norm.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue} x
 * @param {ConvBNOptions} options
 */
function convBN(g, x, { name, kernelSize, numKernels = 1, ...rest }) {
  const options = { name: `${name}.conv`, kernelSize, padding: (kernelSize - 1) / 2, bias: false, ...rest };
  const y = numKernels > 1 ? g.dynamicKernelAggregation(x, { ...options, numKernels }) : g.conv2d(x, options);
  return g.batchNorm2d(y, { name: `${name}.bn` });
}

/**
 * A depthwise 3x3 and a 1x1 convolution, each with batch norm.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue} x
 * @param {number} outChannels
 * @param {number} stride
 * @param {string} name
 */
function separable(g, x, outChannels, stride, name) {
  const channels = x.shape[1];
  const depthwise = { outChannels: channels, kernelSize: 3, stride, padding: 1, groups: channels };
  const spatial = convolved(g, x, depthwise, name, 0);
  return convolved(g, spatial, { outChannels, kernelSize: 1 }, name, 2);
}

/**
 * A convolution and its batch norm as elements `place` and `place + 1` of a Sequential.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue} x
 * @param {Omit<import('../network/layers/convolutions.js').Conv2dOptions, 'name'>} options
 * @param {string} name
 * @param {number} place
 */
function convolved(g, x, options, name, place) {
  const y = g.conv2d(x, { ...options, name: `${name}.${place}`, bias: false });
  return g.batchNorm2d(y, { name: `${name}.${place + 1}` });
}

/**
 * Two halves of the channels.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue} x
 */
const halves = (g, x) => g.chunk(x, { chunks: 2, dim: 1 });

/**
 * Joins the channels of several tensors and deals them in turn.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue[]} parts
 * @param {number} groups
 */
const joined = (g, parts, groups) =>
  (parts.length === 1 ? parts[0] : g.channelShuffle(g.cat(parts, { dim: 1 }), { groups }));

/**
 * Twice the size, several times.
 *
 * @param {NetworkLayers} g
 * @param {NetworkValue} x
 * @param {number} times
 */
const enlarged = (g, x, times) => (times === 0 ? x : g.interpolate(x, { scaleFactor: 2 ** times, mode: 'nearest' }));
