// Finds the pictures among the files that a person gives.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readStateFile, sortFiles } from '../../../web/shared/files.js';

const file = (name, ...content) => new File(content, name);

test('state dicts in any format are told from pictures, and the first one counts', () => {
  const names = ['cat.jpg', 'first.SafeTensors', 'notes.txt', 'second.safetensors'];
  const { images, state } = sortFiles(names.map((name) => file(name)));
  assert.deepEqual(images.map(({ name }) => name), ['cat.jpg', 'notes.txt']);
  assert.equal(state.name, 'first.SafeTensors');
  assert.equal(sortFiles([file('model.pth')]).state.name, 'model.pth');
  assert.equal(sortFiles([file('cat.png')]).state, undefined);
});

test('a state dict that cannot be read is refused in words', async () => {
  await assert.rejects(readStateFile(file('model.pth')), /pickle/);
  await assert.rejects(readStateFile(file('a.safetensors', 'nonsense')), /^Error: “a\.safetensors” cannot be read\. .+\.$/);
});
