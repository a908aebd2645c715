/** Recognises other files by their first bytes, for the messages that refuse them. */

/** The number of bytes that are examined. */
const BEGINNING = 4096;

const PYTORCH = 'read it with parseCheckpoint(bytes)';

/**
 * Kinds of files: a pattern of their first bytes as Latin-1, a description, and advice.
 *
 * @type {readonly (readonly [RegExp, string, string])[]}
 */
const KINDS = [
  [/^version https:\/\/git-lfs/, 'a Git LFS pointer, not the file that it points to',
    'fetch the file itself, with `git lfs pull` or from the repository\'s download link'],
  [/^\s*<(!doctype html|html|head|body|!--)/i, 'an HTML page',
    'servers send one if a file is missing: check the URL in a browser'],
  [/^\s*<(\?xml|[a-z]+[\s>])/i, 'an XML document, perhaps the error of a storage server', 'read its text'],
  [/^PK\x03\x04.{22}.{4}[^\0]{0,80}\.npy/s, 'a NumPy archive (.npz)',
    'convert it: safetensors.numpy.save_file(dict(numpy.load(file)), \'model.safetensors\')'],
  [/^PK\x03\x04.{22}.{4}[^\0]{0,80}\.json/s, 'a zip archive, perhaps a Keras model (.keras)',
    'unpack it, or save the weights as a safetensors file'],
  [/^PK[\x03\x05]/, 'a zip archive: a PyTorch checkpoint (.pth, .pt, .bin) as torch.save writes it', PYTORCH],
  [/^\x80[\x02-\x05][^\0]/, 'a Python pickle: a PyTorch checkpoint (.pth, .pt) of the older kind', PYTORCH],
  [/^\x93NUMPY/, 'a NumPy array (.npy)',
    'convert it: safetensors.numpy.save_file({\'name\': numpy.load(file)}, \'model.safetensors\')'],
  [/^\x1f\x8b\x08/, 'compressed with gzip', 'unpack it first: gunzip, or a DecompressionStream in a page'],
  [/^BZh|^\xfd7zXZ|^\x28\xb5\x2f\xfd|^7z\xbc\xaf/, 'a compressed file', 'unpack it first'],
  [/^GGUF|^ggjt|^lmgg/, 'a GGUF model of llama.cpp', 'take the safetensors file that it was made from'],
  [/^\x89HDF/, 'an HDF5 file, as Keras writes it (.h5)', 'save the weights as a safetensors file'],
  [/^....TFL3/s, 'a TensorFlow Lite model', 'save the weights as a safetensors file'],
  [/^\x00asm/, 'a WebAssembly module', 'the weights are another file'],
  [/^\x08[\x01-\x20](\x12.(pytorch|tf2onnx|onnx|[\x20-\x7e])|:|[\x1a\x22\x2a\x32])/s, 'an ONNX model',
    'dk.onnxNetwork(bytes) runs it'],
  [/^\s*\{\s*"[^]*"weight_map"/, 'the index (JSON) of a model in several files', 'load the files that it names'],
  [/^\s*[{[]\s*["{}[\]\d-]/, 'a JSON text', 'the weights are another file, whose name ends in .safetensors'],
  [/^(\x89PNG|\xff\xd8\xff|RIFF|GIF8)/, 'a picture', 'dk.fromImage takes it once it is decoded'],
  [/^[\t\n\r\x20-\x7e\x80-\xff]*$/, 'a text', 'a server may have sent a message instead of the file'],
];

/**
 * The kind of a file as the end of a message; '' if it is unknown.
 *
 * @param {Uint8Array} file
 */
export function describeFile(file) {
  const beginning = String.fromCharCode(...file.slice(0, BEGINNING));
  if (beginning === '') return 'the file is empty: perhaps a download was cut off';
  const kind = KINDS.find(([pattern]) => pattern.test(beginning));
  if (!kind) return '';
  const [, name, wayOut] = kind;
  const quote = name === 'a text' ? ` that begins with ${JSON.stringify(beginning.trim().slice(0, 40))}` : '';
  return `the file is ${name}${quote}; ${wayOut}`;
}
