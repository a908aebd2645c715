/** An ONNX file as messages, checked as far as all files are alike. */
import { DynakernelError, given, messageOf } from '../../errors.js';
import { isBuffer } from '../../numbers.js';
import { describeFile } from '../../recognise.js';
import { inlineFunctions } from './functions.js';
import { decodeMessage, wireError } from './protobuf.js';
import { MODEL } from './schema.js';

/** @typedef {import('./protobuf.js').Message} Message */

/** The versions of the standard operators that are read. */
const [OLDEST, NEWEST] = [6, 22];

/**
 * @param {unknown} bytes
 * @returns {{ graph: Message, opset: number }}
 * @throws {DynakernelError} ERR_ONNX if the bytes are no ONNX file
 */
export function readModel(bytes) {
  const file = asBytes(bytes);
  const model = decode(file);
  if (!model.graph) throw wireError('it has no graph');

  const opset = readOpset(model.opsets);
  // a function without standard operators names no version of them
  const graph = inlineFunctions(model.graph, model.functions, opset, (opsets) =>
    (opsets.some(isStandard) ? readOpset(opsets) : opset));
  return { graph, opset };
}

/** @param {Message} opset */
const isStandard = (opset) => !opset.domain || opset.domain === 'ai.onnx';

/**
 * The version of the standard operators.
 *
 * @param {readonly Message[]} opsets
 * @returns {number}
 */
function readOpset(opsets) {
  const standard = opsets.filter(isStandard);
  if (standard.length !== 1) {
    throw wireError(`it must name one version of the standard operators; it names ${standard.length}`);
  }
  const opset = standard[0].version ?? 0;
  if (opset >= OLDEST && opset <= NEWEST) return opset;
  throw new DynakernelError('ERR_ONNX',
    `the model has opset ${opset}; opsets ${OLDEST} to ${NEWEST} are read: export it with ` +
    'torch.onnx.export(..., opset_version=17), or convert it with onnx.version_converter');
}

/** @param {Uint8Array} file */
function decode(file) {
  const kind = file.length === 0 || !looksRight(file) ? describeFile(file) : '';
  if (kind) throw new DynakernelError('ERR_ONNX', `an ONNX file is needed; ${kind}`);
  try {
    return decodeMessage(file, MODEL);
  } catch (error) {
    const description = describeFile(file);
    if (!description || description.includes('an ONNX model')) throw error;
    throw new DynakernelError('ERR_ONNX', `an ONNX file is needed; ${description}`);
  }
}

/**
 * Whether the file begins with a field that a model has. Nearly all begin with the version of the
 * format, which few files of other kinds do.
 *
 * @param {Uint8Array} file
 */
const looksRight = (file) => file[0] === 0x08 && file[1] < 0x20;

/**
 * The bytes, by a view that TextDecoder reads.
 *
 * @param {unknown} bytes
 * @returns {Uint8Array}
 */
function asBytes(bytes) {
  const isView = ArrayBuffer.isView(bytes);
  if (!isView && !isBuffer(bytes)) {
    throw new DynakernelError('ERR_ONNX', 'the bytes of an ONNX file are needed, as an ArrayBuffer or a view on one ' +
      `(await response.arrayBuffer(), readFileSync(path)); got ${given(bytes)}`);
  }
  try {
    const { buffer, byteOffset, byteLength } =
      isView ? bytes : { buffer: bytes, byteOffset: 0, byteLength: bytes.byteLength };
    void new Uint8Array(buffer); // refuses a detached buffer, on which views say that they are empty
    const file = new Uint8Array(buffer, byteOffset, byteLength);
    return Object.prototype.toString.call(buffer) === '[object SharedArrayBuffer]' ? file.slice() : file;
  } catch (error) {
    throw new DynakernelError('ERR_ONNX',
      'the bytes cannot be read; a buffer that was transferred, to a worker perhaps, is ' +
      `detached here: ${messageOf(error)}`);
  }
}
