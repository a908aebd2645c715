// What the wrapper believes about the C library, held against its header.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FUNCTIONS, MAX_ELEMENTS, MAX_EXTENT, checkStatus } from '../../web/dynakernel/abi.js';
import { MAX_THREADS } from '../../web/dynakernel/threads.js';
import { algorithmsOf, assertRefused, loadRuntime, simd } from '../helpers.mjs';

const header = readFileSync(new URL('../../src/dynakernel.h', import.meta.url), 'utf8');

/** Names and numbers of an enumeration, without its prefix. */
function enumeration(prefix) {
  const entries = [...header.matchAll(new RegExp(`^\\s*${prefix}(\\w+) = (\\d+)`, 'gm'))];
  assert.ok(entries.length > 0, prefix);
  return entries.map(([, name, value]) => [name, Number(value)]);
}

test('algorithms: number, name, file and type are one', async () => {
  const dk = await loadRuntime();
  const names = algorithmsOf(dk);
  dk.dispose();
  const listed = enumeration('DK_ALGORITHM_').sort(([, one], [, other]) => one - other);
  assert.deepEqual(listed.map(([, value]) => value), [...names.keys()], 'numbers have no gaps');
  assert.deepEqual(listed.map(([name]) => name.toLowerCase()), names);
  for (const name of names.slice(1)) {
    const file = new URL(`../../src/convolution/${name}.c`, import.meta.url);
    assert.ok(existsSync(file), `there is no src/convolution/${name}.c`);
    assert.match(readFileSync(file, 'utf8'), new RegExp(`\\.name = "${name}"`));
  }

  const wrapper = readFileSync(new URL('../../web/dynakernel/abi.js', import.meta.url), 'utf8');
  const [, type] = wrapper.match(/@typedef \{([^}]*)\} Algorithm$/m);
  assert.deepEqual(type.match(/\w+/g), names, 'the type Algorithm of web/dynakernel/abi.js, in the same order');
});

test('status codes: each error has its code', () => {
  checkStatus(0, () => 'nothing');
  for (const [name, value] of enumeration('DK_ERROR_')) {
    assertRefused(() => checkStatus(value, () => 'it'), `ERR_${name}`, 'it: ');
  }
});

test('functions: each is in the header and in the module', () => {
  const module = new WebAssembly.Module(readFileSync(new URL(`../../dist/dynakernel-${simd}.wasm`, import.meta.url)));
  const exported = WebAssembly.Module.exports(module).map(({ name }) => name);
  for (const name of FUNCTIONS) {
    assert.match(header, new RegExp(`DK_API [^;]*\\b${name}\\(`), name);
    assert.ok(exported.includes(name), name);
  }
});

test('structs: the fields that are read by position', () => {
  const fields = (name) => {
    const [, body] = header.match(new RegExp(`typedef struct ${name} \\{([^}]*)\\} ${name};`));
    return body.replace(/\/\*.*?\*\//gs, '').match(/\w+(?=\s*[;,])/g);
  };
  assert.deepEqual(fields('dk_attention'), [
    'C', 'M', 'K', 'conv1_weight', 'bn_weight', 'bn_bias', 'bn_running_mean', 'bn_running_var', 'conv2_weight',
    'conv2_bias', 'batches_tracked',
  ]);
  assert.deepEqual(fields('dk_aggregation_config'), [
    'in_channels', 'out_channels', 'kernel_size', 'stride', 'padding', 'dilation', 'groups', 'num_kernels', 'bias',
    'algorithm',
  ]);
  assert.deepEqual(fields('dk_plan'), ['algorithm', 'tile', 'Ho', 'Wo', 'workspace']);
  assert.deepEqual(fields('dk_attention_gradients'), [
    'conv1_weight', 'bn_weight', 'bn_bias', 'conv2_weight', 'conv2_bias',
  ]);
  assert.deepEqual(fields('dk_aggregation_gradients'), ['weight', 'bias']);
});

test('limits', () => {
  const source = (file) => readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8');
  assert.match(header, /a tensor has at most 2\^29 elements/);
  assert.match(source('base/sizes.h'), /MAX_ELEMENTS = 1 << 29 /);
  assert.equal(MAX_ELEMENTS, 2 ** 29);
  assert.match(header, /kernel_size; +\/\* R, 1 \.\. 32768 \*\//);
  assert.match(source('aggregation.c'), /limit = 1 << 15;/);
  assert.equal(MAX_EXTENT, 2 ** 15);
  assert.match(source('base/parallel.h'), /MAX_THREADS = 16 /);
  assert.equal(MAX_THREADS, 16);
});

test('a build with threads exports what starts and stops them', () => {
  const file = new URL(`../../dist/dynakernel-${simd}-threads.wasm`, import.meta.url);
  const exported = WebAssembly.Module.exports(new WebAssembly.Module(readFileSync(file))).map(({ name }) => name);
  const needed = [...FUNCTIONS, 'dk_context_set_threads', 'dk_context_work', 'dk_context_stop', '__wasm_call_ctors',
    '__stack_pointer'];
  assert.deepEqual(needed.filter((name) => !exported.includes(name)), []);
});
