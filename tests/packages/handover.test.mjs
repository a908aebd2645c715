// The examples that hand tensors over, with the packed package and with the libraries that they hand over to. Only
// native parts that these examples do not call are replaced (handover/package.json): they take 400 MB.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { installed, run } from './pack.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const libraries = fileURLToPath(new URL('handover', import.meta.url));
let folder;

before(() => {
  const lock = join(libraries, 'node_modules/.package-lock.json');
  if (!existsSync(lock) || statSync(lock).mtimeMs < statSync(join(libraries, 'package-lock.json')).mtimeMs) {
    run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: libraries });
  }
  folder = installed();
  mkdirSync(join(folder, 'node_modules/@huggingface'), { recursive: true });
  for (const name of ['onnxruntime-web', '@huggingface/transformers']) {
    symlinkSync(join(libraries, 'node_modules', name), join(folder, 'node_modules', name));
  }
  for (const name of ['onnxruntime.mjs', 'transformers.mjs']) copyFileSync(join(root, 'examples', name), join(folder, name));
});

for (const [model, words] of [
  ['test_Conv2d_padding', /^\[2,3,6,6\] -> \[2,4,3,3\]; largest difference to dk\.onnxNetwork: (\S+)$/m],
  ['test_ReLU', /^\[2,3,4,5\] -> \[2,3,4,5\]; largest difference to dk\.onnxNetwork: (\S+)$/m],
]) {
  test(`onnxruntime-web continues a network: ${model}`, () => {
    const file = join(root, 'tests/fixtures/onnx/cases', model, 'model.onnx');
    const [, difference] = words.exec(run(process.execPath, ['onnxruntime.mjs', file], { cwd: folder }));
    assert.ok(Number(difference) < 2e-5, difference);
  });
}

test('transformers.js takes pictures and tensors, and gives them', () => {
  const output = run(process.execPath, ['transformers.mjs'], { cwd: folder });
  assert.match(output, /^\[1,8,48,64\] -> \[1,8\] -> \[1,3,1,1\]$/m);
  const [, theirs, ours] = /the first mean is (\S+), and (\S+) by hand/.exec(output);
  assert.notEqual(Number(ours), 0);
  assert.ok(Math.abs(theirs - ours) <= 2e-5, output);
});
