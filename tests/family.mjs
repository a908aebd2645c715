// Helpers of the tests that run every kind of dynamic convolution: PyTorch's results, models with the same calls for each
// kind, and the comparison of one pass.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { parseSafetensors } from '../web/dynakernel/index.js';
import { assertClose } from './helpers.mjs';
import { assertGradient } from './training.mjs';

const folder = new URL('fixtures/golden/family/', import.meta.url);

export const familyNames = readdirSync(folder).map((file) => file.replace('.safetensors', ''));

/** The names that the authors' modules give our options. Others are the same. */
const OPTIONS = {
  in_planes: 'inChannels', in_channels: 'inChannels', out_planes: 'outChannels', out_channels: 'outChannels',
  kernel_size: 'kernelSize', K: 'numKernels', kernel_num: 'numKernels', num_experts: 'numExperts',
};

/**
 * The results of the authors' module for one configuration. The file has the state dict, `input`, and for each MODE, eval
 * and perhaps train, `MODE.output`, `MODE.grad_output`, `MODE.grad.*` and `MODE.*_attention`.
 */
export function familyCase(name) {
  const file = parseSafetensors(readFileSync(new URL(`${name}.safetensors`, folder)));
  const { kind, ...options } = JSON.parse(file.__metadata__.config);
  const config = Object.fromEntries(Object.entries(options).map(([key, value]) => [OPTIONS[key] ?? key, value]));
  const state = Object.fromEntries(Object.entries(file).filter(([key]) => !/^(__metadata__$|input$|eval\.|train\.)/.test(key)));
  return { file, kind, config, state };
}

/** A copy of a tensor's shape and values. Disposes the tensor. */
function take(tensor) {
  const copy = { shape: [...tensor.shape], data: tensor.toArray() };
  tensor.dispose();
  return copy;
}

const added = (a, b) => ({ shape: a.shape, data: a.data.map((value, i) => value + b.data[i]) });

/** parts: the modules of a model, each under the prefix that its names have in a state dict. calls: the rest of a model. */
function modelOf(parts, calls) {
  const named = (dictOf) => Object.fromEntries(Object.entries(parts).flatMap(([prefix, module]) =>
    Object.entries(dictOf(module)).map(([name, value]) => [prefix + name, value])));
  const modules = Object.values(parts);
  return {
    modules,
    load(state) {
      const prefixOf = (name) => Object.keys(parts).filter((prefix) => name.startsWith(prefix)).sort().at(-1);
      for (const [prefix, module] of Object.entries(parts)) {
        const entries = Object.entries(state).filter(([name]) => prefixOf(name) === prefix);
        module.loadStateDict(Object.fromEntries(entries), { prefix });
      }
    },
    state: () => named((module) => module.stateDict()),
    gradients: () => named((module) => module.gradients()),
    start(mode) {
      for (const module of modules) module[mode]().requiresGrad = true;
    },
    dispose: () => modules.forEach((module) => module.dispose()),
    ...calls,
  };
}

/** A model of one module that computes its attention itself. */
function alone(module, attentions) {
  return modelOf({ '': module }, {
    forward: (x) => module.forward(x),
    backward: (gradOutput) => take(module.backward(gradOutput)),
    attentions,
    mix: () => module.mix(),
  });
}

/** The routing of a model, and the attention of its latest forward pass. */
function routingOf(dk, { inChannels, numExperts }, seed) {
  const routing = dk.routing({ channels: inChannels, numExperts, seed });
  let attention = null;
  const route = (x) => {
    attention?.dispose();
    attention = routing.forward(x);
    return attention;
  };
  return { routing, route, latest: () => attention, attentions: () => ({ kernel: routing.lastAttention }) };
}

/** Makes a model of each kind from the options of its module. */
const MAKERS = {
  dyconv(dk, config, seed) {
    const module = dk.dyConv2d({ ...config, seed });
    return alone(module, () => ({ kernel: module.lastAttention }));
  },

  odconv(dk, config, seed) {
    const module = dk.odConv2d({ ...config, seed });
    return alone(module, () => Object.fromEntries(Object.entries(module.lastAttentions).filter(([, values]) => values !== null)));
  },

  /** A CondConv with its routing. */
  condconv(dk, config, seed) {
    const module = dk.condConv2d({ ...config, seed });
    const { routing, route, latest, attentions } = routingOf(dk, { numExperts: 4, ...config }, seed);
    return modelOf({ '': module, 'routing_fn.': routing }, {
      forward: (x) => module.forward(x, route(x)),
      backward(gradOutput) {
        const direct = take(module.backward(gradOutput));
        return added(direct, take(routing.backward(module.attentionGradient)));
      },
      attentions,
      mix: () => module.mix(latest()),
    });
  },

  /** Two CondConvs with one routing. Its gradients are the sum over both. */
  shared(dk, { first: before, second: after }, seed) {
    const [first, second] = [before, after].map((config) => dk.condConv2d({ ...config, seed }));
    const { routing, route, attentions } = routingOf(dk, before, seed);
    return modelOf({ 'first.': first, 'second.': second, 'routing_fn.': routing }, {
      forward(x) {
        const a = route(x);
        const middle = first.forward(x, a);
        const y = second.forward(middle, a);
        middle.dispose();
        return y;
      },
      backward(gradOutput) {
        const middle = second.backward(gradOutput);
        const direct = take(first.backward(middle));
        middle.dispose();
        const ofRouting = [first, second].map((module) => take(routing.backward(module.attentionGradient)));
        return [direct, ...ofRouting].reduce(added);
      },
      attentions,
    });
  },

  /** Kernels and biases that come from elsewhere. They stand for parameters. weight, bias: their shapes. */
  given(dk, { weight, bias, ...geometry }) {
    const [, outChannels, perGroup, ...kernelSize] = weight;
    const module = dk.dynamicConvolution({ inChannels: perGroup * (geometry.groups ?? 1), outChannels, kernelSize, ...geometry });
    const kernels = dk.zeros(weight), biases = bias ? dk.zeros(bias) : null;
    const pairs = (first, second) => (biases ? { weight: first, bias: second } : { weight: first });
    return modelOf({ '': module }, {
      forward: (x) => module.forward(x, kernels, biases),
      backward: (gradOutput) => take(module.backward(gradOutput)),
      load(state) {
        kernels.data.set(state.weight.data);
        biases?.data.set(state.bias.data);
      },
      state: () => pairs({ shape: weight, data: kernels.toArray() }, { shape: bias, data: biases?.toArray() }),
      gradients: () => pairs(module.weightGradient, module.biasGradient),
      attentions: () => ({}),
      dispose: () => [module, kernels, biases].forEach((thing) => thing?.dispose()),
    });
  },
};

/**
 * A model of a kind: dyconv, condconv, odconv, shared or given. All have the calls of modelOf() and alone(). seed: of the
 * initial parameters.
 */
export const makeModel = (dk, kind, config, seed) => MAKERS[kind](dk, config, seed);

/**
 * Runs one pass forward and backward, and compares it with PyTorch's.
 *
 * @param {{ output, gradOutput, attentions, mixed?, gradients }} expected gradients: of `input` and of each parameter;
 *   attentions by ODConv's words; mixed: `weight` and perhaps `bias`
 */
export function assertPass(dk, model, x, expected, context) {
  const y = model.forward(x);
  assert.deepEqual(y.shape, expected.output.shape, context);
  assertClose(y.data, expected.output.data, `output of ${context}`);
  const attentions = model.attentions();
  assert.deepEqual(Object.keys(attentions).sort(), Object.keys(expected.attentions).sort(), `attentions of ${context}`);
  for (const [name, { data }] of Object.entries(expected.attentions)) {
    assertClose(attentions[name], data, `attention ${name} of ${context}`);
  }
  if (expected.mixed && model.mix) assertMixture(model.mix(), expected.mixed, context);

  const gradOutput = dk.tensor(expected.gradOutput.data, expected.gradOutput.shape);
  const input = model.backward(gradOutput);
  const gradients = { ...model.gradients(), input };
  assert.deepEqual(Object.keys(gradients).sort(), Object.keys(expected.gradients).sort(), `gradients of ${context}`);
  for (const [name, { shape, data }] of Object.entries(expected.gradients)) {
    assert.deepEqual([...gradients[name].shape], [...shape], `gradient of ${name}, ${context}`);
    assertGradient(gradients[name].data, data, `gradient of ${name}, ${context}`);
  }
  for (const tensor of [y, gradOutput]) tensor.dispose();
}

function assertMixture({ weight, bias }, expected, context) {
  for (const [name, tensor] of Object.entries({ weight, bias })) {
    if (!tensor) {
      assert.ok(!expected[name], `the mixture has no ${name}: ${context}`);
      continue;
    }
    assert.deepEqual(tensor.shape, expected[name].shape, `mixed ${name} of ${context}`);
    assertClose(tensor.data, expected[name].data, `mixed ${name} of ${context}`);
    tensor.dispose();
  }
}
