// Compares the wrapper's names and numbers of the C library with its header.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  ABI_VERSION, DESCRIPTION, FUNCTIONS, HEADS, INITIALISATION, MAX_ELEMENTS, MAX_EXTENT, OPERATIONS, PRECISIONS,
  SAME_PADDING,
  THREAD_FUNCTIONS, checkStatus,
} from '../../web/dynakernel/abi.js';
import { OPS } from '../../web/dynakernel/network/infer.js';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { MAX_THREADS } from '../../web/dynakernel/threads.js';
import { algorithmsOf, assertRefused, loadRuntime, simd } from '../helpers.mjs';

const header = readFileSync(new URL('../../src/dynakernel.h', import.meta.url), 'utf8');

/** Names and numbers of an enumeration, without its prefix. */
function enumeration(prefix) {
  const entries = [...header.matchAll(new RegExp(`^\\s*${prefix}(\\w+) =\\s+(\\d+)`, 'gm'))];
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
    const code = name === 'THREADS' ? 'ERR_LOAD' : `ERR_${name}`;
    assertRefused(() => checkStatus(value, () => 'it'), code, 'it: ');
  }
});

test('initialisations, heads, precisions and the padding SAME have the numbers of the header', () => {
  const numbers = (prefix) => enumeration(prefix).map(([, value]) => value);
  assert.deepEqual(enumeration('DK_INITIALISE_').map(([name]) => camelCase(name)), Object.keys(INITIALISATION));
  assert.deepEqual(numbers('DK_INITIALISE_'), Object.values(INITIALISATION));
  assert.deepEqual(enumeration('DK_HEAD_').map(([name]) => camelCase(name)), Object.keys(HEADS));
  assert.deepEqual(numbers('DK_HEAD_'), Object.values(HEADS));
  assert.deepEqual(enumeration('DK_PRECISION_').map(([name]) => name.toLowerCase()), [...PRECISIONS]);
  assert.deepEqual(numbers('DK_PRECISION_'), [...PRECISIONS.keys()]);
  assert.match(header, new RegExp(`DK_SAME_PADDING = ${SAME_PADDING} `));
});

test('the ops of networks: numbers and names', () => {
  const names = enumeration('DK_OP_').map(([name, value]) => {
    assert.equal(camelCase(name), OPERATIONS[value], `DK_OP_${name} = ${value}`);
    return OPERATIONS[value];
  });
  assert.deepEqual(names, [...OPERATIONS], 'numbers rise without gaps');
  // the graph's gelu has two numbers, and copies are no op of a graph
  assert.deepEqual(names.filter((name) => name !== 'copy' && name !== 'geluTanh').sort(), [...OPS].sort());
  assert.match(header, new RegExp(`DK_DESCRIPTION = 0x${DESCRIPTION.toString(16)} `));
});

/** REDUCE_MEAN: reduceMean. */
const camelCase = (name) => name.toLowerCase().replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

test('functions: each is in the header and in the module', () => {
  const module = new WebAssembly.Module(readFileSync(new URL(`../../dist/dynakernel-${simd}.wasm`, import.meta.url)));
  const exported = WebAssembly.Module.exports(module).map(({ name }) => name);
  for (const name of FUNCTIONS) {
    assert.match(header, new RegExp(`DK_API [^;]*\\b${name}\\(`), name);
    assert.ok(exported.includes(name), name);
  }
});

test('each algorithm is accepted, and no other number', async () => {
  const dk = await loadRuntime();
  const heap = heapOf(dk);
  const statusOf = (algorithm) => heap.scope((take) => {
    const config = take(68), result = take(4);
    heap.words(config, 17).set([1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, algorithm, 0]);
    const status = heap.c.dk_aggregation_create(config, result);
    heap.c.dk_aggregation_destroy(heap.words(result, 1)[0]);
    return status;
  });
  const numbers = Array.from({ length: 40 }, (_, i) => i - 20);
  assert.deepEqual(numbers.filter((number) => statusOf(number) === 0), [...algorithmsOf(dk).keys()]);
  // Only the planner's table lists the algorithms, so a new row needs no other change.
  assert.doesNotMatch(readFileSync(new URL('../../src/aggregation.c', import.meta.url), 'utf8'),
    /DK_ALGORITHM_(?!AUTO|REFERENCE)/);
  dk.dispose();
});

/** A hash of the header's declarations for each number. A change adds a line with a new number and keeps the others. */
const DECLARED = { 1: 'fc9267a4aa69b78e', 2: 'e81808db24c83982', 3: '0606670d8dcfc8ba' };

test('the ABI number changes with what the header declares', async () => {
  const text = header
    .replace(/\/\*.*?\*\//gs, ' ')
    .replace(/#define DK_ABI_VERSION \d+/, '')
    .replace(/^DK_C_API [^;]*;/gm, ' ') // the module has no such functions
    .replace(/\s+/g, ' ')
    .replace(/ ?([^\w ]) ?/g, '$1'); // the format does not matter
  assert.match(text, /typedef struct dk_plan\{int32_t algorithm;int32_t tile;/);
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  assert.equal(Number(/^#define DK_ABI_VERSION (\d+)$/m.exec(header)[1]), ABI_VERSION);
  assert.equal(hash, DECLARED[ABI_VERSION], `src/dynakernel.h declares something else than under number ${
    ABI_VERSION}: raise DK_ABI_VERSION there and ABI_VERSION in abi.js, and add ${ABI_VERSION + 1}: '${hash}' here`);
  const dk = await loadRuntime();
  assert.equal(heapOf(dk).c.dk_abi(), ABI_VERSION);
  dk.dispose();
});

test('structs: the fields that are read by position', () => {
  const fields = (name) => {
    const [, body] = header.match(new RegExp(`typedef struct ${name} \\{([^}]*)\\} ${name};`));
    return body.replace(/\/\*.*?\*\//gs, '').match(/\w+(?:\[\d+\])?(?=\s*[;,])/g);
  };
  assert.deepEqual(fields('dk_attention_config'), ['channels', 'hidden', 'batch_norm', 'softmax', 'head[4]']);
  assert.deepEqual(fields('dk_attention'), [
    'config', 'outputs', 'temperature', 'hidden_weight', 'bn_weight', 'bn_bias', 'bn_running_mean', 'bn_running_var',
    'weight[4]', 'bias[4]', 'batches_tracked',
  ]);
  assert.deepEqual(fields('dk_aggregation_config'), [
    'in_channels', 'out_channels', 'kernel_size[2]', 'stride[2]', 'padding[4]', 'dilation[2]', 'groups', 'num_kernels',
    'bias', 'algorithm', 'precision',
  ]);
  assert.deepEqual(fields('dk_plan'), ['algorithm', 'tile', 'Ho', 'Wo', 'workspace']);
  assert.deepEqual(fields('dk_attention_gradients'), [
    'hidden_weight', 'bn_weight', 'bn_bias', 'weight[4]', 'bias[4]',
  ]);
  assert.deepEqual(fields('dk_mixture'), ['kernels', 'outputs', 'inputs', 'taps']);
  assert.deepEqual(fields('dk_mixture_gradients'), ['kernels', 'outputs', 'inputs', 'taps']);
  assert.deepEqual(fields('dk_aggregation_gradients'), ['weight', 'bias']);
});

test('limits', () => {
  const source = (file) => readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8');
  assert.match(header, /a tensor has at most 2\^29 elements/);
  assert.match(source('base/sizes.h'), /MAX_ELEMENTS = 1 << 29 /);
  assert.equal(MAX_ELEMENTS, 2 ** 29);
  assert.match(header, /kernel_size\[2\]; +\/\* Rh, Rw, 1 \.\. 32768 each \*\//);
  assert.match(source('aggregation.c'), /extents\[i\] > 1 << 15\)/);
  assert.equal(MAX_EXTENT, 2 ** 15);
  assert.match(source('base/parallel.h'), /MAX_THREADS = 16 /);
  assert.equal(MAX_THREADS, 16);
});

test('a build with threads exports the functions that start and stop them', () => {
  const file = new URL(`../../dist/dynakernel-${simd}-threads.wasm`, import.meta.url);
  const exported = WebAssembly.Module.exports(new WebAssembly.Module(readFileSync(file))).map(({ name }) => name);
  const needed = [...FUNCTIONS, ...THREAD_FUNCTIONS, 'dk_context_work', '__wasm_call_ctors', '__stack_pointer'];
  assert.deepEqual(needed.filter((name) => !exported.includes(name)), []);
});
