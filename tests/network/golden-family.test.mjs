// Every kind of dynamic convolution as a layer of a network: it takes the state dict of the authors' own module, and makes
// its output and its attentions.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { familyCase, familyNames } from '../family.mjs';
import { assertClose, loadRuntime } from '../helpers.mjs';

const dk = await loadRuntime();
after(() => dk.dispose());

/** The layers of a kind. The parameters have the names of the authors' module, without a prefix. */
const LAYERS = {
  dyconv: (g, x, options) => g.dyConv2d(x, { name: '', ...options }),
  odconv: (g, x, options) => g.odConv2d(x, { name: '', ...options }),
  condconv: (g, x, { numExperts, ...options }) =>
    g.condConv2d(x, g.routing(x, { name: 'routing_fn', numExperts }), { name: '', numExperts, ...options }),
};

for (const name of familyNames) {
  test(`${name} as a layer`, () => {
    const { file, kind, config, state } = familyCase(name);
    const { inChannels: _, ...options } = config;
    const net = dk.network({ x: file.input.shape }, (g, { x }) => LAYERS[kind](g, x, options), { seed: 1 });
    net.loadStateDict(state);
    const x = dk.tensor(file.input.data, file.input.shape);
    assertClose(net.forward(x).toArray(), file['eval.output'].data, `output of ${name} ${JSON.stringify(config)}`);
    assert.deepEqual(net.layers.map(({ op }) => op), ['attention', 'dynamicConv2d']);
    const [attentions] = Object.values(net.attentions);
    for (const [one, numbers] of Object.entries(attentions)) {
      const expected = file[`eval.${one}_attention`];
      if (expected) assertClose(numbers, expected.data, `${one} attention of ${name}`);
      else assert.equal(numbers, null, `${one} attention of ${name}`);
    }
    net.dispose();
    x.dispose();
  });
}
