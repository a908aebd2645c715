/** The code that does what the page does. */

/** @import { About } from './types.js' */
/** @import { Normalisation } from '../shared/types.js' */
import { changesPixels, imageOptions } from '../shared/normalisation.js';

/**
 * @param {About} about
 * @param {string | null} picture the input that is a picture
 * @param {Normalisation} normalisation
 */
export function snippet(about, picture, normalisation) {
  const { inputs } = about;
  const others = Object.keys(inputs).filter((name) => name !== picture);
  return [
    ...imports(about),
    '',
    'const dk = await load();',
    ...making(about),
    '',
    ...(picture ? [imageLine(inputs[picture], normalisation)] : []),
    ...others.map((name, i) => `const x${i} = dk.zeros([${inputs[name].join(', ')}]); // ${name}`),
    `const output = net.forward(${argument(Object.keys(inputs), picture, others)});`,
    ...(about.diteHRNet ? ['const [joints] = decodeHeatmaps(output);'] : []),
    'console.log(output, net.attention, net.layers);',
  ].join('\n');
}

/** @param {About} about */
function imports({ kind, title }) {
  if (kind !== 'dite-hrnet') return ["import { load } from 'dynakernel';"];
  return [
    isSafetensors(title) ? "import { load } from 'dynakernel';" : "import { load, parseCheckpoint } from 'dynakernel';",
    "import { decodeHeatmaps, diteHRNet } from 'dynakernel/dite-hrnet';",
  ];
}

/**
 * The lines that make the network.
 *
 * @param {About} about
 */
function making({ kind, title, diteHRNet, inputs, open }) {
  const [, , height, width] = inputs.image ?? [];
  if (kind === 'example') {
    return [
      '// build adds the layers, as in web/networks/example.js',
      `const net = dk.network({ image: [1, 3, ${height}, ${width}] }, build);`,
    ];
  }
  const file = `const file = await (await fetch(${JSON.stringify(title)})).arrayBuffer();`;
  if (diteHRNet) {
    const { depth, joints } = diteHRNet;
    return [
      file,
      `const net = diteHRNet(dk, { depth: ${depth}, joints: ${joints}, height: ${height}, width: ${width} });`,
      `net.loadStateDict(${isSafetensors(title) ? 'file' : 'parseCheckpoint(file)'});`,
    ];
  }
  const shapes = open.map(({ name }) => `${keyText(name)}: [${inputs[name].join(', ')}]`).join(', ');
  return [file, `const net = dk.onnxNetwork(file${shapes && `, { shapes: { ${shapes} } }`});`];
}

/**
 * @param {number[]} shape
 * @param {Normalisation} normalisation
 */
function imageLine([, channels, height, width], normalisation) {
  const options = [`width: ${width}`, `height: ${height}`, ...(channels === 1 ? ['channels: 1'] : [])];
  if (changesPixels(normalisation)) {
    for (const [name, values] of Object.entries(imageOptions(normalisation, channels))) {
      options.push(`${name}: [${values.join(', ')}]`);
    }
  }
  return `const image = dk.fromImage(picture, { ${options.join(', ')} });`;
}

/**
 * @param {string[]} names of all inputs
 * @param {string | null} picture
 * @param {string[]} others
 */
function argument(names, picture, others) {
  if (names.length === 1) return picture ? 'image' : 'x0';
  const entries = names.map((name) => `${keyText(name)}: ${name === picture ? 'image' : `x${others.indexOf(name)}`}`);
  return `{ ${entries.join(', ')} }`;
}

/** @param {string} title */
const isSafetensors = (title) => /\.safetensors$/i.test(title);

/** @param {string} name */
const keyText = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));
