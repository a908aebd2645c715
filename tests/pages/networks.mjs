// Steps and files that the tests of the page Networks share.
import { model, node, tensor } from '../network/onnx-writer.mjs';
import { drop, text } from './support.mjs';

/** Opens the page and waits until its example has run. */
export async function openNetworks(session, options = {}) {
  const page = await session.open({ ...options, path: 'web/networks.html' });
  await settled(page);
  return page;
}

/** Waits until the page has run all that was wanted, or asks for something. Returns its state. */
export async function settled(page) {
  try {
    await page.waitForFunction(
      () => ['ready', 'failed', 'asking'].includes(document.getElementById('networks').dataset.state),
      { timeout: 60_000, polling: 50 },
    );
  } catch (cause) {
    const shown = await page.evaluate(() => ({
      state: document.getElementById('networks').dataset.state,
      step: document.getElementById('step').textContent,
      errors: [...document.querySelectorAll('.error:not([hidden])')].map((element) => element.textContent),
    }));
    throw new Error(`Networks did not settle: ${JSON.stringify({ ...shown, problems: page.problems })}`, { cause });
  }
  return page.$eval('#networks', (main) => main.dataset.state);
}

/** Drops files and waits. */
export async function give(page, ...files) {
  await drop(page, files.map(([name, bytes]) => ({ name, type: '', bytes })));
  return settled(page);
}

/** Checks a radio button by its group and value, and waits. */
export async function check(page, name, value) {
  await page.$$eval(`input[name="${name}"]`,
    (inputs, wanted) => inputs.find((input) => input.value === wanted).click(), value);
  return settled(page);
}

/** Selects an option and waits. */
export async function pick(page, id, value) {
  await page.select(`#${id}`, value);
  return settled(page);
}

/** The attention on the page: the weights of each layer. */
export const attention = (page) => page.$$eval('#attention > li', (layers) => Object.fromEntries(layers.map((layer) =>
  [layer.querySelector('h3').textContent, [...layer.querySelectorAll('b')].map((value) => Number(value.textContent))])));

/** The cells of the list of layers. */
export const layers = (page) => page.$$eval('#layers tr', (rows) => rows.map((row) => ({
  name: row.querySelector('.layer-name').textContent,
  op: row.querySelector('small').textContent,
  output: row.cells[1].textContent,
  ms: Number(row.cells[4].textContent),
  bar: row.querySelector('i').getBoundingClientRect().width,
})));

/** The classes on the page, as text. */
export const classes = (page) => page.$$eval('#classes li', (items) => items.map((item) =>
  [item.querySelector('span').textContent, item.querySelector('b').textContent]));

/** The title of the network that is open. */
export const title = (page) => text(page, '#title');

// ------------------------------------------------------------------------------------------- files

const wave = (shape, scale = 0.5) => tensor(shape,
  Array.from({ length: shape.reduce((product, length) => product * length, 1) }, (_, i) => Math.sin(1.7 * i) * scale));

/** A classifier whose scores are given: it adds 0 times the picture's mean. */
export function classifier(scores) {
  const weight = tensor([3, scores.length], new Array(3 * scores.length).fill(0));
  return model({
    nodes: [
      node('GlobalAveragePool', ['image'], ['mean'], {}, { name: '/pool/GlobalAveragePool' }),
      node('Flatten', ['mean'], ['flat'], {}, { name: '/Flatten' }),
      node('Gemm', ['flat', 'weight', 'scores'], ['logits'], {}, { name: '/head/Gemm' }),
    ],
    inputs: { image: [1, 3, 32, 24] },
    outputs: ['logits'],
    constants: { weight, scores: tensor([scores.length], scores) },
  });
}

/** Heat maps at half the picture's size. Sizes are open, and must be even. */
export const heatmaps = (channels = 5) => model({
  nodes: [
    node('Conv', ['image', 'first'], ['a'], { pads: [1, 1, 1, 1], strides: [2, 2] }, { name: '/conv1/Conv' }),
    node('Relu', ['a'], ['b'], {}, { name: '/relu/Relu' }),
    node('MaxPool', ['image'], ['half'], { kernel_shape: [2, 2], strides: [2, 2] }, { name: '/pool/MaxPool' }),
    node('Concat', ['b', 'half'], ['both'], { axis: 1 }, { name: '/Concat' }),
    node('Conv', ['both', 'second'], ['y'], {}, { name: '/head/Conv' }),
  ],
  inputs: { image: ['batch', 3, 'height', 'width'] },
  outputs: ['y'],
  constants: { first: wave([8, 3, 3, 3]), second: wave([channels, 11, 1, 1]) },
});

/** A network that doubles the picture's size, and takes the mean with another input. */
export const enlarger = model({
  nodes: [
    node('Mul', ['image', 'gain'], ['louder'], {}, { name: '/Mul' }),
    node('Resize', ['louder', '', 'scales'], ['y'],
      { mode: 'nearest', nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' }, { name: '/up/Resize' }),
  ],
  inputs: { image: [1, 3, 24, 16], gain: [1, 3, 1, 1] },
  outputs: ['y'],
  constants: { scales: tensor([4], [1, 1, 2, 2]) },
});

/** A network that takes no picture. */
export const vectors = model({
  nodes: [node('Gemm', ['features', 'weight'], ['y'], {}, { name: '/Gemm' })],
  inputs: { features: [1, 6] },
  outputs: ['y'],
  constants: { weight: wave([6, 3]) },
});

/** A network with operators that the library does not run. */
export const unsupported = model({
  nodes: [
    node('NonMaxSuppression', ['x'], ['a'], {}, { name: '/head/nms' }),
    node('GridSample', ['x', 'x'], ['b'], {}, { name: '/warp/GridSample' }),
  ],
  inputs: { x: [1, 3, 8, 8] },
  outputs: ['a', 'b'],
});
