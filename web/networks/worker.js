/** The worker that has one network. The page never waits for it, and ends it to cancel. */

/** @import { Network, Runtime, Shapes } from '../dynakernel/index.js' */
/** @import { Answer, Request, Result } from './types.js' */
import { load } from '../dynakernel/index.js';
import { decodeHeatmaps } from '../dynakernel/dite-hrnet/index.js';
import { messageOf, sentence } from '../shared/errors.js';
import { OpenSizes, Refused, openFile, openExample } from './open.js';
import { refusalOf } from './refusal.js';

/** @typedef {import('./open.js').Opened} Opened */

/** Milliseconds that measuring the layers should take. */
const MEASURING = 400;

/** @type {Runtime | null} */
let dk = null;
/** @type {Opened | null} */
let opened = null;
/** @type {Network | null} */
let network = null;
/** The name of the inner value that the network keeps. @type {string | null} */
let kept = null;

/**
 * Sends an answer to the page.
 *
 * @param {Answer} message
 * @param {ArrayBuffer[]} [transfer]
 */
const answer = (message, transfer = []) => self.postMessage(message, { transfer });

/** @type {Promise<void>} requests run in their order */
let queue = Promise.resolve();
self.addEventListener('message', (/** @type {MessageEvent<Request>} */ { data }) => {
  queue = queue.then(() => (data.type === 'open' ? open(data) : run(data)));
});

/** @param {Request & { type: 'open' }} request */
async function open({ file, shapes, isSame }) {
  const name = file?.name ?? 'The example';
  if (!isSame) opened = null;
  try {
    dk ??= await load();
    const begin = performance.now();
    const report = (/** @type {'reading' | 'planning'} */ step, /** @type {number} */ share) =>
      answer({ type: 'progress', step, share });
    opened ??= file ? await openFile(dk, file, report) : openExample(dk);
    report('planning', 1);
    const made = opened.make(shapes, []);
    network?.dispose();
    network = made;
    kept = null;
    const { kind, title, summary, diteHRNet, sizes } = opened;
    answer({
      type: 'ready',
      about: {
        kind, title, summary, diteHRNet, open: sizes, inputs: network.inputs, outputs: network.outputs,
        layers: network.layers, info: dk.info, making: performance.now() - begin,
      },
    });
  } catch (error) {
    if (error instanceof OpenSizes) return answer({ type: 'sizes', open: error.open, message: error.message });
    if (!network) opened = null; // its bytes are not needed any more
    if (error instanceof Refused) answer({ type: 'refused', refusal: error.refusal });
    else answer({ type: 'refused', refusal: refusalOf(name, error) });
  }
}

/** @param {Request & { type: 'run' }} request */
function run(request) {
  try {
    const result = compute(request);
    const buffers = [...Object.values(result.outputs), ...(result.inner?.value ? [result.inner.value] : [])]
      .map(({ data }) => /** @type {ArrayBuffer} */ (data.buffer));
    answer({ type: 'result', result }, buffers);
  } catch (error) {
    answer({ type: 'failed', id: request.id, message: messageOf(error) });
  }
}

/**
 * @param {Request & { type: 'run' }} request
 * @returns {Result}
 */
function compute({ id, inputs, profile, inner, joints }) {
  if (!dk || !opened || !network) throw new Error('there is no network to run');
  const problem = inner === kept ? '' : keep(opened, network, inner);
  const net = network;
  const runtime = dk;
  const tensors = Object.entries(inputs).map(([name, { shape, data }]) =>
    /** @type {const} */ ([name, runtime.tensor(data, shape)]));
  const x = tensors.length === 1 ? tensors[0][1] : Object.fromEntries(tensors);
  try {
    const begin = performance.now();
    const made = /** @type {any} */ (net.forward(x)); // one tensor, or several by name
    const ms = performance.now() - begin;
    const names = Object.keys(net.outputs);
    /** @type {[string, import('../dynakernel/index.js').Tensor][]} */
    const outputs = names.map((name) => [name, names.length === 1 ? made : made[name]]);
    const heatmaps = joints && outputs.find(([, { shape }]) => shape.length === 4);
    /** @type {Result} */
    const result = {
      id,
      ms,
      outputs: Object.fromEntries(outputs.map(([name, y]) => [name, { shape: [...y.shape], data: y.toArray() }])),
      attention: net.attention,
      joints: heatmaps ? decodeHeatmaps(heatmaps[1], { box: boxOf(net.inputs) })[0] : null,
      profile: null,
      inner: inner === null ? null : { name: inner, value: kept === inner ? activation(net, inner) : null, problem },
    };
    for (const [, y] of outputs) y.dispose();
    if (profile) measure(net, x, result);
    return result;
  } finally {
    for (const [, tensor] of tensors) tensor.dispose();
  }
}

/**
 * Measures the layers, then the whole network: the first run of a network is slower than those that follow.
 *
 * @param {Network} net
 * @param {Parameters<Network['forward']>[0]} x
 * @param {Result} result
 */
function measure(net, x, result) {
  const runs = Math.max(1, Math.min(50, Math.round(MEASURING / result.ms)));
  result.profile = net.profile(x, { runs });
  const times = Array.from({ length: Math.min(runs, 5) }, () => {
    const begin = performance.now();
    const made = /** @type {any} */ (net.forward(x)); // one tensor, or several by name
    const ms = performance.now() - begin;
    for (const y of Object.keys(net.outputs).length === 1 ? [made] : Object.values(made)) y.dispose();
    return ms;
  });
  result.ms = times.sort((a, b) => a - b)[times.length >> 1];
}

/**
 * Makes the network again, so that it keeps this inner value.
 *
 * @param {Opened} file
 * @param {Network} old
 * @param {string | null} name
 * @returns {string} why it cannot; '' if it can
 */
function keep(file, old, name) {
  try {
    network = file.make(old.inputs, name === null ? [] : [name]);
    kept = name;
    old.dispose();
    return '';
  } catch (error) {
    return sentence(error);
  }
}

/**
 * @param {Network} net
 * @param {string} name
 */
function activation(net, name) {
  const value = net.activation(name);
  const numbers = { shape: [...value.shape], data: value.toArray() };
  value.dispose();
  return numbers;
}

/**
 * The picture as a box, in which joints are placed.
 *
 * @param {Shapes} inputs
 */
function boxOf(inputs) {
  const [, , height, width] = Object.values(inputs).find((shape) => shape.length === 4) ?? [1, 1, 1, 1];
  return { x: 0, y: 0, width, height };
}
