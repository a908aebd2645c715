// Compares every kind of dynamic convolution with the authors' own modules: 12 configurations, in both modes, with gradients.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertPass, familyCase, familyNames, makeModel } from '../family.mjs';
import { loadRuntime } from '../helpers.mjs';

let dk;
before(async () => {
  dk = await loadRuntime();
});
after(() => dk?.dispose());

test('there are 12 cases of three kinds, most of them in training mode', () => {
  const cases = familyNames.map(familyCase);
  assert.equal(cases.length, 12);
  assert.deepEqual([...new Set(cases.map(({ kind }) => kind))].sort(), ['condconv', 'dyconv', 'odconv']);
  assert.equal(cases.filter(({ file }) => file['train.output']).length, 10);
});

for (const name of familyNames) {
  const { file, kind, config, state } = familyCase(name);
  for (const mode of ['eval', 'train']) {
    if (!file[`${mode}.output`]) continue;
    test(`${name}, ${mode}`, () => {
      const context = `${name} ${JSON.stringify(config)} ${mode}`;
      const model = makeModel(dk, kind, config);
      model.load(state);
      assertSameBits(model.state(), state, context);
      model.start(mode);
      const x = dk.tensor(file.input.data, file.input.shape);
      assertPass(dk, model, x, {
        output: file[`${mode}.output`], gradOutput: file[`${mode}.grad_output`],
        attentions: picked(file, new RegExp(`^${mode}\\.(.*)_attention$`)),
        gradients: picked(file, new RegExp(`^${mode}\\.grad\\.(.*)$`)),
      }, context);
      for (const thing of [x, model]) thing.dispose();
    });
  }
}

/** The entries whose names match, under what the pattern's group matches. */
function picked(file, pattern) {
  const matches = Object.entries(file).map(([name, value]) => [name.match(pattern)?.[1], value]);
  return Object.fromEntries(matches.filter(([name]) => name !== undefined));
}

/** Asserts that a state dict has the names, the shapes and every bit of what was loaded. */
function assertSameBits(dict, loaded, context) {
  assert.deepEqual(Object.keys(dict).sort(), Object.keys(loaded).sort(), context);
  for (const [name, { shape, data }] of Object.entries(loaded)) {
    // the files hold this scalar as an array of one
    const expected = name.endsWith('num_batches_tracked') ? [] : shape;
    assert.deepEqual([...dict[name].shape], expected, `${name} of ${context}`);
    assert.deepEqual(dict[name].data, data, `${name} of ${context}`);
  }
}
