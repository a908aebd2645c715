// Runs answer.py under the Python that has PyTorch.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findPyTorch } from '../../scripts/python.mjs';
import { parseSafetensors, toSafetensors } from '../../web/dynakernel/index.js';

/** A folder for files, and ask(request, tensors), which returns answer.py's response. Tensors may be { shape, data }. */
export function startPyTorch() {
  const python = findPyTorch();
  assert.ok(python, 'no Python here has PyTorch: apt-get install python3-torch python3-numpy');
  const folder = mkdtempSync(join(tmpdir(), 'dynakernel-'));
  const script = fileURLToPath(new URL('answer.py', import.meta.url));

  function ask(request, tensors = {}) {
    const [question, answer] = ['question', 'answer'].map((name) => join(folder, `${name}.safetensors`));
    const values = Object.fromEntries(Object.entries(tensors).map(([name, { shape, data, dtype }]) => [name, { shape, data, dtype }]));
    writeFileSync(question, toSafetensors(values, { request: JSON.stringify(request) }));
    execFileSync(python, [script, question, answer], { stdio: ['ignore', 'inherit', 'inherit'] });
    return parseSafetensors(readFileSync(answer));
  }
  return { python, folder, ask, stop: () => rmSync(folder, { recursive: true }) };
}

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Options with Python's names: inChannels becomes in_channels, and those of inner objects too. */
export const snakeNames = (options) => Object.fromEntries(Object.entries(options).map(([name, value]) =>
  [snake(name), value?.constructor === Object ? snakeNames(value) : value]));
