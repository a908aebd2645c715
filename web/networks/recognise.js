/** State dicts: which of them are a network that the page can make, and what to say of the others. */

/** @import { StateDict } from '../dynakernel/index.js' */
/** @import { Refusal } from './types.js' */

/**
 * A Dite-HRNet's depth is told by the modules of its first stage.
 *
 * @type {{ [modules: number]: 18 | 30 }}
 */
const DEPTHS = { 2: 18, 3: 30 };

const LAST = 'keypoint_head.final_layer.weight';

/**
 * Recognises a Dite-HRNet by its names, and its joints by the shape of its last layer.
 *
 * @param {StateDict} state
 * @returns {{ depth: 18 | 30, joints: number } | null}
 */
export function recogniseDiteHRNet(state) {
  const names = Object.keys(state);
  if (!names.includes('backbone.stem.branch1.0.conv.attention.conv1.weight')) return null;
  const modules = new Set(names.flatMap((name) => /^backbone\.stage0\.(\d+)\./.exec(name)?.[1] ?? []));
  const depth = DEPTHS[modules.size];
  const joints = state[LAST]?.shape[0];
  return depth && joints ? { depth, joints } : null;
}

/**
 * Says what is in a state dict that is no network by itself, and what a person can do.
 *
 * @param {string} file the file's name
 * @param {StateDict} state
 * @returns {Refusal}
 */
export function refuseStateDict(file, state) {
  const names = Object.keys(state);
  const shown = names.slice(0, 3).map((name) => `${name} [${state[name].shape.join(', ')}]`);
  const rest = names.length - shown.length;
  const count = names.length === 1 ? 'one tensor' : `${names.length} tensors`;
  return {
    title: `“${file}” has weights, but not the network that uses them`,
    message: `It holds ${count}: ${shown.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}. A state dict does not say ` +
      'which layers there are and how they are joined; of those, only Dite-HRNet-18 and 30 are known here by their ' +
      'names. Export the network from PyTorch as ONNX, and drop that file:',
    operators: [],
    code: "torch.onnx.export(model.eval(), torch.zeros(1, 3, 224, 224), 'model.onnx', opset_version=17)",
  };
}
