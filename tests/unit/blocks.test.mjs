// The entry of pages that run only blocks.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { load } from '../../web/dynakernel/blocks.js';
import { load as loadAll } from '../../web/dynakernel/index.js';
import { assertRefused, simd } from '../helpers.mjs';

test('a block runs as with the whole library', async () => {
  const config = { inChannels: 3, outChannels: 4, kernelSize: 3, padding: 1, seed: 5 };
  const outputs = [];
  for (const start of [load, loadAll]) {
    const dk = await start({ simd, threads: 1 });
    const x = dk.tensor(Float32Array.from({ length: 3 * 8 * 9 }, (_, i) => Math.sin(i)), [1, 3, 8, 9]);
    outputs.push(dk.dynamicKernelAggregation(config).forward(x).toArray());
    dk.dispose();
  }
  assert.deepEqual(outputs[0], outputs[1]);
});

test('networks and training are refused, with the way to them', async () => {
  const dk = await load({ simd, threads: 1 });
  const block = dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 4, kernelSize: 3 });
  const y = dk.zeros([1, 2]);
  for (const call of [
    () => dk.network({ x: [1, 3, 8, 8] }, (g, { x }) => g.relu(x)), () => dk.onnxNetwork(new Uint8Array(8)),
    () => dk.mseLoss(y, y), () => dk.l1Loss(y, y), () => dk.huberLoss(y, y), () => dk.sgd(block), () => dk.adam(block),
  ]) assertRefused(call, 'ERR_CONFIG', 'only blocks', 'index.js');
  dk.dispose();
});

test('it imports neither networks nor training', () => {
  const seen = new Set();
  const visit = (file) => {
    if (seen.has(file)) return;
    seen.add(file);
    const code = readFileSync(new URL(`../../web/dynakernel/${file}`, import.meta.url), 'utf8').replace(/\/\*[^]*?\*\//g, '');
    for (const [, name] of code.matchAll(/\bfrom '(\.[^']+)'/g)) visit(new URL(name, `file:///${file}`).pathname.slice(1));
  };
  visit('blocks.js');
  assert.ok(seen.has('runtime.js'));
  assert.deepEqual([...seen].filter((file) => /^(network|checkpoint)\/|optimizer|loss|features/.test(file)), []);
});
