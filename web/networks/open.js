/** From a file to a network, in the worker. */

/** @import { Network, Runtime, Shapes, StateDict } from '../dynakernel/index.js' */
/** @import { About, OpenInput, Refusal } from './types.js' */
import { DynakernelError, parseCheckpoint, parseSafetensors } from '../dynakernel/index.js';
import { diteHRNet } from '../dynakernel/dite-hrnet/index.js';
import { messageOf, sentence } from '../shared/errors.js';
import { bytes as byteText } from '../shared/format.js';
import { SIZE, makeExample } from './example.js';
import { recogniseDiteHRNet, refuseStateDict } from './recognise.js';
import { readOpenSizes, readUnsupported } from './refusal.js';

/**
 * A file that was read. `make` makes its network for these shapes of inputs, or those that it has by itself, so that the
 * named values stay readable.
 *
 * @typedef {Pick<About, 'kind' | 'title' | 'summary' | 'diteHRNet'> & {
 *   sizes: OpenInput[], make: (shapes: Shapes | null, keep: string[]) => Network }} Opened
 */

/** The file leaves sizes open, which a person must give. */
export class OpenSizes extends Error {
  /**
   * @param {OpenInput[]} open
   * @param {string} message
   */
  constructor(open, message) {
    super(message);
    this.open = open;
  }
}

/** The file is refused, for a reason that the page found. */
export class Refused extends Error {
  /** @param {Refusal} refusal */
  constructor(refusal) {
    super(refusal.title);
    this.refusal = refusal;
  }
}

/**
 * The example.
 *
 * @param {Runtime} dk
 * @returns {Opened}
 */
export function openExample(dk) {
  return {
    kind: 'example',
    title: 'Example: a darkroom',
    summary: 'Four small dynamic layers, written by hand and not trained: they sharpen or smooth the picture, brighten ' +
      'or darken it, cool or warm it, and look for fine, coarse or coloured edges, by the mean colour that they see. ' +
      'Change the picture and watch their attention.',
    diteHRNet: null,
    sizes: [],
    make: (_, keep) => makeExample(dk, SIZE, keep),
  };
}

/**
 * Reads a file.
 *
 * @param {Runtime} dk
 * @param {File} file
 * @param {(step: 'reading', share: number) => void} onProgress
 * @returns {Promise<Opened>}
 */
export async function openFile(dk, file, onProgress) {
  const bytes = await readFile(file, (share) => onProgress('reading', share));
  const kind = kindOf(file.name, bytes);
  if (kind === 'onnx') return openOnnx(dk, file, bytes);
  const state = kind === 'safetensors' ? parseSafetensors(bytes) : parseCheckpoint(bytes);
  return openStateDict(dk, file, /** @type {StateDict} */ (state));
}

/**
 * @param {Runtime} dk
 * @param {File} file
 * @param {Uint8Array} bytes
 * @returns {Opened}
 */
function openOnnx(dk, file, bytes) {
  /** @type {OpenInput[]} */
  const sizes = [];
  return {
    kind: 'onnx',
    title: file.name,
    summary: `An ONNX file of ${byteText(bytes.length)}.`,
    diteHRNet: null,
    sizes,
    make(shapes, keep) {
      try {
        // only sizes that the file leaves open may be given
        const given = shapes && Object.fromEntries(sizes.map(({ name }) => [name, shapes[name]]));
        return dk.onnxNetwork(bytes, { keep, ...(given ? { shapes: given } : {}) });
      } catch (error) {
        const open = error instanceof DynakernelError && error.code === 'ERR_CONFIG' ? readOpenSizes(error.message) : [];
        if (open.length > 0) sizes.splice(0, sizes.length, ...open);
        const message = messageOf(error);
        if (sizes.length === 0 || keep.length > 0 || readUnsupported(message).length > 0) throw error;
        throw new OpenSizes(sizes, open.length > 0 ? '' : sentence(error));
      }
    },
  };
}

/**
 * @param {Runtime} dk
 * @param {File} file
 * @param {StateDict} state
 * @returns {Opened}
 */
function openStateDict(dk, file, state) {
  const found = recogniseDiteHRNet(state);
  if (!found) throw new Refused(refuseStateDict(file.name, state));
  const { depth, joints } = found;
  return {
    kind: 'dite-hrnet',
    title: file.name,
    summary: `Dite-HRNet-${depth} for ${joints} joints, by the names in a file of ${byteText(file.size)}. It expects ` +
      'one person in the picture, upright.',
    diteHRNet: found,
    sizes: [{ name: 'image', dims: [1, 3, 'height', 'width'] }],
    make(shapes, keep) {
      const [, , height, width] = shapes?.image ?? [1, 3, 256, 192];
      const network = diteHRNet(dk, { depth, joints, height, width, keep, seed: 1 });
      const { missing } = network.loadStateDict(state, { strict: false }); // files may hold more than the network
      if (missing.length > 0) {
        network.dispose();
        throw new DynakernelError('ERR_STATE', `it is a Dite-HRNet-${depth} by its first names, but lacks ` +
          `${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ` and ${missing.length - 3} more` : ''}`);
      }
      return network;
    },
  };
}

/**
 * Reads a file in pieces, so that the page can say how far it is.
 *
 * @param {File} file
 * @param {(share: number) => void} onProgress
 */
async function readFile(file, onProgress) {
  const bytes = new Uint8Array(file.size);
  const reader = file.stream().getReader();
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes.subarray(0, length);
    bytes.set(value, length);
    length += value.length;
    onProgress(length / file.size);
  }
}

/**
 * The kind of a file, by its first bytes, because names end in anything.
 *
 * @param {string} name
 * @param {Uint8Array} bytes
 * @returns {'onnx' | 'safetensors' | 'checkpoint'}
 */
export function kindOf(name, bytes) {
  const isZip = bytes[0] === 0x50 && bytes[1] === 0x4b;
  const isPickle = bytes[0] === 0x80 && bytes[1] >= 2 && bytes[1] <= 5;
  if (isZip || isPickle) return 'checkpoint';
  // a safetensors file has the length of its header in eight bytes, then JSON
  if (bytes[6] === 0 && bytes[7] === 0 && bytes[8] === 0x7b) return 'safetensors';
  if (/\.safetensors$/i.test(name)) return 'safetensors';
  return /\.(pth|pt|ckpt|bin)$/i.test(name) ? 'checkpoint' : 'onnx';
}
