// What all kinds of modules have in common: names, shapes, seeds, refusals, gradients, optimizers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseSafetensors, toSafetensors } from '../../web/dynakernel/index.js';
import { heapOf } from '../../web/dynakernel/runtime.js';
import { assertClose, assertRefused, loadRuntime, randomTensor } from '../helpers.mjs';
import { BLOCKS, CONVOLUTIONS, IMAGE, KINDS, makeKind } from '../kinds.mjs';
import { copies } from '../training.mjs';

let dk, other;
before(async () => {
  dk = await loadRuntime();
  other = await loadRuntime();
});
after(() => [dk, other].forEach((runtime) => runtime?.dispose()));

const each = (work, kinds = Object.keys(KINDS)) => kinds.forEach((kind) => {
  const made = makeKind(dk, kind);
  try {
    work({ kind, ...KINDS[kind], ...made });
  } finally {
    made.dispose();
  }
});

test('the class, the output, and the names in the order of the reference', () => {
  each(({ kind, module, inputs, Class, output, names }) => {
    assert.equal(module.constructor.name, Class);
    assert.deepEqual(Object.keys(module.stateDict()), names, kind);
    const parameters = names.filter((name) => !/running|tracked/.test(name));
    assert.deepEqual(Object.keys(module.parameters()), parameters, kind);
    assert.deepEqual(Object.keys(module.gradients()), parameters, kind);
    const y = module.forward(...inputs);
    assert.deepEqual(y.shape, output, kind);
    const out = dk.zeros(output);
    assert.equal(module.forward(...inputs, { out }), out);
    assert.deepEqual(out.toArray(), y.toArray(), kind);
    for (const tensor of [y, out]) tensor.dispose();
  });
});

test('a seed gives the same parameters, another seed others', () => {
  for (const [kind, { options, names: { length } }] of Object.entries(KINDS)) {
    if (length === 0) continue;
    const state = (seed) => {
      const module = dk[kind]({ ...options, seed });
      const values = copies(module.parameters());
      module.dispose();
      return values;
    };
    assert.deepEqual(state(7), state(7), kind);
    assert.notDeepEqual(state(7), state(8), kind);
    assert.notDeepEqual(state(undefined), state(undefined), kind);
  }
});

test('the configuration makes the same module again', () => {
  each(({ kind, module, inputs }) => {
    const again = dk[kind](module.config);
    assert.deepEqual(again.config, module.config, kind);
    assert.ok(Object.isFrozen(module.config), kind);
    const [y, z] = [module, again].map((m) => m.forward(...inputs));
    assert.deepEqual(y.toArray(), z.toArray(), kind);
    for (const thing of [again, y, z]) thing.dispose();
  });
});

test('a state dict goes from one module to another, as an object, as a file and under a prefix', () => {
  each(({ kind, module, options, inputs, names }) => {
    const y = module.forward(...inputs);
    const file = toSafetensors(Object.fromEntries(
      Object.entries(module.stateDict()).map(([name, value]) => [`layer.0.${name}`, value])));
    for (const [source, load] of [
      [module.stateDict(), {}], [toSafetensors(module.stateDict()), {}], [file, { prefix: 'layer.0.' }],
      [parseSafetensors(file), { prefix: 'layer.0.', strict: false }],
    ]) {
      const fresh = dk[kind]({ ...options, ...('seed' in options ? { seed: 99 } : {}) });
      assert.deepEqual(fresh.loadStateDict(source, load), { missing: [], unexpected: [] });
      assert.deepEqual(fresh.stateDict(), module.stateDict(), kind);
      const z = fresh.forward(...inputs);
      assert.deepEqual(z.toArray(), y.toArray(), kind);
      for (const thing of [fresh, z]) thing.dispose();
    }
    y.dispose();
    const before = module.stateDict();
    for (const name of names.filter((candidate) => !candidate.endsWith('tracked'))) {
      const { [name]: gone, ...rest } = before;
      assertRefused(() => module.loadStateDict(rest), 'ERR_STATE', `missing: ${name}`);
      assertRefused(() => module.loadStateDict({ ...before, [name]: { shape: [gone.data.length, 2], data: new Float32Array(2 * gone.data.length) } }),
        'ERR_STATE', `${name} is [${gone.data.length}, 2], expected [${gone.shape.join(', ')}]`);
    }
    assertRefused(() => module.loadStateDict({ ...before, more: { shape: [1], data: [1] } }), 'ERR_STATE', 'unexpected: more');
    assert.deepEqual(module.stateDict(), before, kind);
  });
});

test('one image in training mode is refused only if there is batch norm', () => {
  for (const [kind, { batchNorm }] of Object.entries(KINDS)) {
    const { module, inputs, dispose } = makeKind(dk, kind, { N: 1 });
    module.train();
    const state = module.stateDict();
    if (batchNorm) {
      assertRefused(() => module.forward(...inputs), 'ERR_MODE', 'at least 2 images', '[1, 3, 8, 9]', 'eval()');
    } else {
      module.forward(...inputs).dispose();
    }
    assert.deepEqual(module.stateDict(), state, kind);
    module.eval().forward(...inputs).dispose();
    dispose();
  }
});

test('batch norm moves its running statistics in training mode', () => {
  each(({ kind, module, inputs, batchNorm }) => {
    const tracked = () => Object.entries(module.stateDict()).filter(([name]) => /running|tracked/.test(name));
    const before = tracked();
    module.forward(...inputs).dispose();
    assert.deepEqual(tracked(), before, kind);
    module.train().forward(...inputs).dispose();
    assert.equal(tracked().length > 0, batchNorm === true, kind);
    for (const [i, [name, { data }]] of tracked().entries()) {
      assert.notDeepEqual(data, before[i][1].data, `${kind} ${name}`);
      if (name.endsWith('tracked')) assert.deepEqual([...data], [1n]);
    }
  });
});

test('refused arguments of forward change nothing', () => {
  each(({ kind, module, inputs, options, output }) => {
    const [x, ...rest] = inputs;
    const y = module.forward(...inputs);
    const look = () => ({ plan: module.plan, attention: module.lastAttention, state: module.stateDict(), live: heapOf(dk).live });
    const before = look();
    const refuse = (args, code, ...words) => {
      const tensors = args.map((value) => (Array.isArray(value) ? dk.zeros(value) : value));
      assertRefused(() => module.forward(...tensors), code, ...words);
      tensors.forEach((tensor, i) => Array.isArray(args[i]) && tensor.dispose());
      assert.deepEqual(look(), before, kind);
    };
    refuse([], 'ERR_CONFIG', 'x must be a Tensor', 'undefined');
    for (const value of [null, 5, {}, new Float32Array(5)]) refuse([value, ...rest], 'ERR_CONFIG', 'x must be a Tensor');
    refuse([[2, 4, 8, 9], ...rest], 'ERR_SHAPE', '3 channels', '[2, 4, 8, 9]');
    refuse([[3, 8, 9], ...rest], 'ERR_SHAPE', '4 dimensions', '[3, 8, 9]');
    refuse([[0, 3, 8, 9], ...rest], 'ERR_SHAPE', 'empty', '[0, 3, 8, 9]');
    if (output.length === 4) refuse([[2, 3, 2, 9], ...rest], 'ERR_SHAPE', '3x3', '2x9');
    const foreign = other.zeros(IMAGE);
    refuse([foreign, ...rest], 'ERR_CONFIG', 'x belongs to another runtime');
    foreign.dispose();
    const gone = dk.zeros(IMAGE);
    gone.dispose();
    refuse([gone, ...rest], 'ERR_DISPOSED', 'x');
    const call = (settings) => module.forward(...inputs, settings);
    assertRefused(() => call({ out: null }), 'ERR_CONFIG', 'out must be a Tensor');
    assertRefused(() => call({ out: x }), 'ERR_SHAPE', 'out', `[${output.join(', ')}]`, '[2, 3, 8, 9]');
    assertRefused(() => call({ result: y }), 'ERR_CONFIG', '"result"', 'it takes out');
    assertRefused(() => call(5), 'ERR_CONFIG', 'options', 'got 5');
    for (const unknown of ['channel', 'num_kernels', 'kernel']) {
      assertRefused(() => dk[kind]({ ...options, [unknown]: 1 }), 'ERR_CONFIG', `${kind} has no option "${unknown}"`);
    }
    assertRefused(() => dk[kind](), 'ERR_CONFIG', `${kind} needs`, 'no options');
    assert.deepEqual(look(), before, kind);
    y.dispose();
  });
});

test('out must be no input', () => {
  each(({ kind, options, inputs: [x, ...rest] }) => {
    const square = dk[kind]({ ...options, outChannels: 3, padding: 1 });
    const others = kind === 'dynamicConvolution' ? [dk.zeros([2, 3, 3, 3, 3])] : rest;
    const args = kind === 'dynamicConvolution' ? [...others, null] : others;
    assertRefused(() => square.forward(x, ...args, { out: x }), 'ERR_CONFIG', 'out must not be an input');
    square.dispose();
  }, CONVOLUTIONS);
});

test('pairs and numbers, and padding that is same', () => {
  each(({ kind, options, inputs: [x, ...rest] }) => {
    const make = (changes) => dk[kind]({ ...options, ...changes });
    const [numbers, pairs] = [
      make({ stride: 2, padding: 1, dilation: 2 }),
      make({ kernelSize: [3, 3], stride: [2, 2], padding: [1, 1], dilation: [2, 2] }),
    ];
    const [y, z] = [numbers, pairs].map((module) => module.forward(x, ...rest));
    assert.deepEqual(y.toArray(), z.toArray(), kind);
    const same = make({ stride: [2, 3], padding: 'same' });
    const s = same.forward(x, ...rest);
    assert.equal(same.config.padding, 'same');
    assert.deepEqual(s.shape, [2, 4, 4, 3], kind);
    // TensorFlow's padding of 8 x 9: none above, 1 below; none on the left and right
    const padded = dk.zeros([2, 3, 9, 9]);
    for (let plane = 0; plane < 6; plane++) {
      padded.data.set(x.data.subarray(plane * 72, plane * 72 + 72), plane * 81);
    }
    const explicit = make({ stride: [2, 3] });
    if (kind.startsWith('dy') && kind !== 'dynamicConvolution' || kind === 'odConv2d') {
      // the attention must see the image without padding
      const { weight, bias } = same.mix();
      const plain = dk.dynamicConvolution({ inChannels: 3, outChannels: 4, kernelSize: 3, stride: [2, 3] });
      const t = plain.forward(padded, weight, bias);
      assertClose(s.toArray(), t.toArray(), kind);
      for (const thing of [weight, bias, plain, t]) thing?.dispose();
    } else {
      const t = explicit.forward(padded, ...rest);
      assertClose(s.toArray(), t.toArray(), kind);
      t.dispose();
    }
    for (const thing of [numbers, pairs, y, z, same, s, padded, explicit]) thing.dispose();
    for (const padding of ['SAME', 'valid', -1, [1], ['same', 1]]) {
      assertRefused(() => make({ padding }), 'ERR_CONFIG', `${kind}: padding`, "or 'same'");
    }
  }, CONVOLUTIONS);
});

test('planFor says what a forward pass will do, and plan what the latest did', () => {
  each(({ kind, module, inputs }) => {
    assert.equal(module.plan, null);
    const expected = module.planFor(IMAGE);
    assert.equal(typeof expected.algorithm, 'string');
    module.forward(...inputs).dispose();
    assert.deepEqual(module.plan, expected, kind);
    const { options } = KINDS[kind];
    const forced = dk[kind]({ ...options, algorithm: 'im2col' });
    assert.equal(forced.planFor(IMAGE).algorithm, 'im2col', kind);
    forced.dispose();
    assertRefused(() => module.planFor([1, 3, 1, 1]), 'ERR_SHAPE', '3x3');
    assertRefused(() => module.planFor('big'), 'ERR_SHAPE', 'got "big"');
  }, CONVOLUTIONS);
});

test('the mixed kernels give the output of the forward pass', () => {
  each(({ kind, module, inputs, options }) => {
    const y = module.forward(...inputs);
    const [x, attention] = inputs;
    const { weight, bias } = BLOCKS.includes(kind) ? module.mix() : module.mix(attention);
    assert.deepEqual(weight.shape, [2, 4, 3, 3, 3], kind);
    assert.deepEqual(bias?.shape ?? null, kind === 'odConv2d' ? null : [2, 4], kind);
    const { inChannels, outChannels, kernelSize } = options;
    const plain = dk.dynamicConvolution({ inChannels, outChannels, kernelSize });
    const z = plain.forward(x, weight, bias);
    assertClose(z.toArray(), y.toArray(), kind);
    for (const thing of [y, weight, bias, plain, z]) thing?.dispose();
  }, CONVOLUTIONS.filter((kind) => kind !== 'dynamicConvolution'));
});

test('mix of a block: an attention, the latest one, or a refusal', () => {
  each(({ kind, module, inputs }) => {
    assertRefused(() => module.mix(), 'ERR_MODE', 'latest forward pass', 'none yet');
    module.forward(...inputs).dispose();
    const attention = kind === 'odConv2d'
      ? Object.fromEntries(Object.entries(module.lastAttentions).map(([name, values]) =>
        [name, dk.tensor(values, [2, values.length / 2])]))
      : dk.tensor(module.lastAttention, [2, 4]);
    const [latest, given] = [module.mix(), module.mix(attention)];
    assert.deepEqual(given.weight.toArray(), latest.weight.toArray(), kind);
    assert.deepEqual(given.bias?.toArray(), latest.bias?.toArray(), kind);
    if (kind !== 'odConv2d') {
      for (const wrong of [null, 5, [1, 2]]) assertRefused(() => module.mix(wrong), 'ERR_CONFIG', 'attention must be a Tensor');
      const wide = dk.zeros([2, 5]);
      assertRefused(() => module.mix(wide), 'ERR_SHAPE', 'attention must be [N, K] = [2, 4]', '[2, 5]');
      wide.dispose();
    }
    const tensors = kind === 'odConv2d' ? Object.values(attention) : [attention];
    for (const thing of [...tensors, ...Object.values(latest), ...Object.values(given)]) thing?.dispose();
  }, BLOCKS);
});

/** The sum of output * direction, in double precision. */
function projected(module, inputs, direction) {
  const y = module.forward(...inputs);
  const sum = y.toArray().reduce((total, value, i) => total + value * direction[i], 0);
  y.dispose();
  return sum;
}

test('gradients are the slopes of the output along random directions', () => {
  each(({ kind, module, inputs, output, batchNorm }) => {
    // keep the hidden layer away from the bend of the ReLU
    const [shift] = Object.entries(module.parameters()).filter(([name]) => name.endsWith('bn.bias'));
    shift?.[1].data.forEach((_, i, all) => { all[i] = i % 2 ? 3 : -3; });
    for (const training of batchNorm ? [false, true] : [false]) {
      module.train(training).requiresGrad = true;
      module.zeroGrad();
      const gradOutput = randomTensor(dk, output, 11);
      const direction = gradOutput.toArray();
      projected(module, inputs, direction);
      const inputGradient = module.backward(gradOutput);
      const gradients = { x: [inputs[0], inputGradient.toArray()] };
      const parameters = module.parameters();
      for (const [name, values] of Object.entries(copies(module.gradients()))) gradients[name] = [parameters[name], values];
      if (module.attentionGradient) gradients.attention = [inputs[1], module.attentionGradient.toArray()];
      if (module.weightGradient) gradients.weights = [inputs[1], module.weightGradient.toArray()];
      if (module.biasGradient) gradients.biases = [inputs[2], module.biasGradient.toArray()];
      for (const [name, [tensor, gradient]] of Object.entries(gradients)) {
        const start = tensor.toArray();
        const way = randomTensor(dk, tensor.shape, 12);
        const steps = way.toArray();
        way.dispose();
        const step = 1e-2;
        const [high, low] = [step, -step].map((length) => {
          tensor.data.set(start.map((value, i) => value + length * steps[i]));
          return projected(module, inputs, direction);
        });
        tensor.data.set(start);
        const slope = (high - low) / (2 * step);
        const expected = gradient.reduce((total, value, i) => total + value * steps[i], 0);
        const size = Math.sqrt(gradient.reduce((total, value) => total + value * value, 0));
        assert.ok(Math.abs(slope - expected) <= 2e-2 * (size + Math.abs(expected)) + 1e-4,
          `${kind}, training ${training}, ${name}: slope ${slope}, gradient ${expected}, of length ${size}`);
      }
      for (const tensor of [gradOutput, inputGradient]) tensor.dispose();
    }
  });
});

test('a second backward adds the same again; input: false gives the same gradients', () => {
  each(({ kind, module, inputs }) => {
    module.requiresGrad = true;
    const y = module.forward(...inputs);
    module.backward(y).dispose();
    const once = copies(module.gradients());
    assert.equal(module.backward(y, { input: false }), null);
    for (const [name, values] of Object.entries(copies(module.gradients()))) {
      assertClose(values, once[name].map((value) => 2 * value), `${kind} ${name}`);
    }
    module.zeroGrad();
    for (const values of Object.values(copies(module.gradients()))) assert.ok(values.every((value) => value === 0), kind);
    y.dispose();
  });
});

test('SGD and Adam lower the loss of every kind, and continue from their state dicts', () => {
  const trained = Object.keys(KINDS).filter((kind) => KINDS[kind].names.length > 0);
  each(({ kind, module, inputs, options, output }) => {
    const target = randomTensor(dk, output, 21);
    const step = (one, optimizer) => {
      const y = one.forward(...inputs);
      const { loss, gradient } = dk.mseLoss(y, target);
      optimizer.zeroGrad();
      one.backward(gradient, { input: false });
      optimizer.step();
      for (const tensor of [y, gradient]) tensor.dispose();
      return loss;
    };
    module.train().requiresGrad = true;
    for (const make of [(one) => dk.adam(one, { lr: 1e-2 }), (one) => dk.sgd(one, { lr: 1e-2, momentum: 0.5 })]) {
      const optimizer = make(module);
      const first = step(module, optimizer);
      for (let i = 0; i < 10; i++) step(module, optimizer);
      assert.ok(step(module, optimizer) < first, kind);
      // the state has PyTorch's numbers: the order of parameters()
      const dict = optimizer.stateDict();
      const shapes = Object.values(module.parameters()).map(({ shape }) => [...shape]);
      assert.deepEqual(dict.param_groups[0].params, [...shapes.keys()], kind);
      for (const [i, shape] of shapes.entries()) {
        for (const [name, value] of Object.entries(dict.state[i])) if (name !== 'step') assert.deepEqual(value.shape, shape, kind);
      }
      const copy = dk[kind]({ ...options, seed: 50 }).train();
      copy.requiresGrad = true;
      copy.loadStateDict(module.stateDict());
      const resumed = make(copy);
      resumed.loadStateDict(toSafetensors(dict));
      for (let i = 0; i < 3; i++) assert.equal(step(copy, resumed), step(module, optimizer), kind);
      assert.deepEqual(copy.stateDict(), module.stateDict(), kind);
      for (const thing of [optimizer, copy, resumed]) thing.dispose();
    }
    target.dispose();
  }, trained);
});
