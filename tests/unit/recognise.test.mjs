// Bytes that are not a safetensors file: the message names their kind and gives advice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { load, parseSafetensors } from '../../web/dynakernel/index.js';
import { assertRefused } from '../helpers.mjs';

const text = (string) => new TextEncoder().encode(string);
const latin = (string) => Buffer.from(string, 'latin1');
const PTH = 'parseCheckpoint(bytes)';

/** The beginning of a zip archive, up to its first name. */
const zip = (name) => Buffer.concat([latin('PK\x03\x04'), Buffer.alloc(22), latin(`${String.fromCharCode(name.length)}\0\0\0${name}`), Buffer.alloc(500)]);

const KINDS = {
  'a Git LFS pointer': [text(`version https://git-lfs.github.com/spec/v1\noid sha256:${'ab'.repeat(32)}\nsize 48312\n`), 'Git LFS', 'git lfs pull'],
  'an HTML page': [text('<!DOCTYPE html><html lang="en"><head><title>App</title></head></html>'), 'HTML', 'URL'],
  'an HTML page after spaces': [text('\n\n  <html><body>404</body></html>'), 'HTML'],
  'an XML error': [text('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'), 'XML'],
  'a .pth': [zip('archive/data.pkl'), 'PyTorch checkpoint', '.pth', PTH],
  'an .npz': [zip('weight.npy'), 'NumPy archive'],
  'a .keras': [zip('metadata.json'), 'Keras'],
  'a pickle': [latin('\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.'), 'pickle', '.pth', PTH],
  'a pickle of protocol 4': [latin('\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94.'), 'pickle', PTH],
  'an .npy': [latin("\x93NUMPY\x01\0v\0{'descr': '<f4', }"), 'NumPy array', '.npy'],
  gzip: [gzipSync(Buffer.alloc(100)), 'gzip', 'gunzip'],
  zstd: [latin('\x28\xb5\x2f\xfd\x24\0\0\0\0\0\0'), 'compressed'],
  GGUF: [latin('GGUF\x03\0\0\0\x23\x01\0\0\0\0\0\0'), 'GGUF'],
  HDF5: [latin('\x89HDF\r\n\x1a\n\0\0\0\0'), 'HDF5', '.h5'],
  ONNX: [latin('\x08\x07\x12\x07pytorch\x1a\x041.13:\xf0\x01'), 'ONNX'],
  'ONNX without a producer': [latin('\x08\x08:\xf0\x01\x0a\x10\x0a\x01x'), 'ONNX'],
  'TensorFlow Lite': [latin('\x1c\0\0\0TFL3\x14\0'), 'TensorFlow Lite'],
  JSON: [text('{ "architectures": ["X"], "hidden": 5 }'), 'JSON'],
  'an index': [text('{"metadata": {"total_size": 5}, "weight_map": {"a": "model-1.safetensors"}}'), 'index', 'files that it names'],
  'a text': [text('Entry not found'), 'text', 'Entry not found'],
  'a picture': [latin('\x89PNG\r\n\x1a\n\0\0\0\rIHDR'), 'picture'],
  'an empty file': [new Uint8Array(0), '0 bytes', 'empty'],
};

for (const [name, [bytes, ...words]] of Object.entries(KINDS)) {
  test(name, async () => {
    assertRefused(() => parseSafetensors(bytes), 'ERR_SAFETENSORS', ...words);
    const dk = await load({ threads: 1 });
    assertRefused(() => dk.kernelAttention({ channels: 3 }).loadStateDict(bytes), 'ERR_SAFETENSORS', ...words);
    dk.dispose();
  });
}

test('a file that is cut off is not mistaken for another kind', () => {
  // header lengths that look like the first bytes of other formats
  for (const length of [0x0280, 0x7b, 0x5b, 0x3c, 0x4b50, 0x0708, 0x8b1f]) {
    const bytes = Buffer.alloc(60, ' ');
    bytes.writeBigUInt64LE(BigInt(length));
    bytes.write('{"a":', 8);
    assert.throws(() => parseSafetensors(bytes), (error) => !error.message.includes('the file is '), `${length}`);
  }
});
