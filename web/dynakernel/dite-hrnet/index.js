/**
 * Dite-HRNet, ready-made: human poses in pictures, from the authors' checkpoints.
 *
 * @example
 * import { load, parseCheckpoint } from 'dynakernel';
 * import { cropBox, decodeHeatmaps, diteHRNet } from 'dynakernel/dite-hrnet';
 *
 * const dk = await load();
 * const pose = diteHRNet(dk, { depth: 18 });
 * pose.loadStateDict(parseCheckpoint(await (await fetch('dite_hrnet_18.pth')).arrayBuffer()));
 *
 * const size = { width: 192, height: 256 };
 * const crop = cropBox(person, size); // person: { x, y, width, height }, from a detector
 * const image = dk.fromImage(photo, { crop, ...size, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
 * const [joints] = decodeHeatmaps(pose.forward(image), { box: crop });
 * for (const { x, y, score } of joints) if (score > 0.3) draw(x, y);
 */
import { guarded } from '../boundary.js';
import { integer, isObject, readOptions } from '../check.js';
import { DynakernelError, given } from '../errors.js';
import { shapeText } from '../shape.js';
import { MODULES, poseNetwork } from './network.js';

export { cropBox, decodeHeatmaps } from './decode.js';

/** @typedef {import('../network/network.js').Network} Network */
/** @typedef {import('../runtime.js').Runtime} Runtime */
/** @typedef {import('../box.js').Box} Box */
/** @typedef {import('./decode.js').KeyPoint} KeyPoint */

/**
 * @typedef {object} DiteHRNetOptions
 * @property {18 | 30} depth
 * @property {number} [joints] heat maps of a person: 17 for COCO, 16 for MPII (17)
 * @property {number} [height] of the images, a multiple of 32 (256)
 * @property {number} [width] of the images, a multiple of 32 (192)
 * @property {number} [batch] images at once (1)
 * @property {readonly string[]} [keep] names of layers whose values stay readable: net.activation(name) ([])
 * @property {number | undefined} [seed] the seed of the initial parameters, 0 to 2^32 - 1. By default a random one
 */

/** The longest side of an image. */
const MAX_SIDE = 2 ** 14;

/**
 * Makes a Dite-HRNet (Li et al., IJCAI 2022). Its input `image` is [N, 3, H, W], one person each, and its output
 * `heatmaps` [N, joints, H/4, W/4]. forward() takes other batches and sizes too, and then plans anew.
 *
 * The names of its parameters are those of MMPose: `backbone.*` and `keypoint_head.final_layer.*`. A .pth file of the
 * authors loads as it is. Images must be RGB, minus the mean [0.485, 0.456, 0.406], over [0.229, 0.224, 0.225].
 *
 * @param {Runtime} dk
 * @param {DiteHRNetOptions} options
 * @returns {Network}
 * @throws {DynakernelError} ERR_CONFIG, ERR_MEMORY, ERR_DISPOSED
 * @example
 * const pose = diteHRNet(dk, { depth: 18, joints: 17, height: 256, width: 192 });
 * pose.loadStateDict(parseCheckpoint(pth));
 * const heatmaps = pose.forward(image); // [1, 17, 64, 48]
 */
export function diteHRNet(dk, options) {
  return guarded('diteHRNet', () => {
    if (!isObject(dk) || typeof dk.network !== 'function') {
      throw new DynakernelError('ERR_CONFIG', `diteHRNet needs the runtime that load() returns; got ${given(dk)}`);
    }
    const { depth, joints = 17, height = 256, width = 192, batch = 1, keep, seed } =
      readOptions(options, 'diteHRNet', ['depth', 'joints', 'height', 'width', 'batch', 'keep', 'seed']);
    if (depth !== 18 && depth !== 30) {
      throw new DynakernelError('ERR_CONFIG', `diteHRNet: depth must be 18 or 30; got ${given(depth)}`);
    }
    const modules = MODULES[/** @type {18 | 30} */ (depth)];
    const count = integer(joints, 'diteHRNet: joints', 1, MAX_SIDE);
    const image = [integer(batch, 'diteHRNet: batch', 1, MAX_SIDE), 3, side(height, 'height'), side(width, 'width')];
    return dk.network({ image }, (g, inputs) => {
      checkImage(inputs.image.shape);
      return { heatmaps: poseNetwork(g, inputs.image, { modules, joints: count }) };
    }, { keep, seed });
  });
}

/**
 * @param {unknown} length
 * @param {string} name
 */
function side(length, name) {
  const whole = integer(length, `diteHRNet: ${name}`, 1, MAX_SIDE);
  if (whole % 32 === 0) return whole;
  throw new DynakernelError('ERR_CONFIG', `diteHRNet: ${name} must be a multiple of 32; got ${whole}`);
}

/** @param {readonly number[]} shape of an image that is passed later */
function checkImage(shape) {
  if (shape.length === 4 && shape[1] === 3 && shape[2] % 32 === 0 && shape[3] % 32 === 0) return;
  throw new DynakernelError('ERR_SHAPE',
    `Dite-HRNet takes images [N, 3, H, W] with H and W multiples of 32; got ${shapeText(shape)}`);
}
