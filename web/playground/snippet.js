/** @import { Definition, Normalisation, Source } from '../shared/types.js' */
import { changesPixels, imageOptions } from '../shared/normalisation.js';

/**
 * The values that decide the map on screen.
 *
 * @typedef {object} Screen
 * @property {Definition} definition
 * @property {boolean} fromFile  true if the code loads the parameters from the file that "Save state dict" saves
 * @property {Source} source
 * @property {{ width: number, height: number }} size
 * @property {Normalisation} normalisation
 * @property {Float32Array | null} manual
 * @property {{ channel: number, colormap: string, range: string | readonly number[] }} map  the options of drawMap
 */

/** The library's defaults. The code leaves them out. */
const DEFAULTS = { stride: 1, padding: 0, dilation: 1, groups: 1, bias: true, numKernels: 4 };

/**
 * Returns code that computes and draws the map on screen.
 *
 * @param {Screen} screen
 */
export function snippet({ definition, fromFile, source, size, normalisation, manual, map }) {
  // load the library, make the block
  const { config } = definition;
  const lines = [
    "import { load } from 'dynakernel';",
    '',
    'const dk = await load();',
    `const block = dk.dynamicKernelAggregation(${object(blockOptions(config, fromFile))});`,
  ];
  if (fromFile) {
    lines.push(
      `const response = await fetch('${definition.id}.safetensors'); // from “Save state dict”`,
      'block.loadStateDict(new Uint8Array(await response.arrayBuffer()));',
    );
  }
  // read the picture, run the block
  lines.push('', ...sourceLines(source));
  lines.push(`const x = dk.fromImage(image, ${object(pixelOptions(config.inChannels, size, normalisation))});`);
  if (manual) {
    const weights = Array.from(manual, (value) => Number(value.toFixed(4))).join(', ');
    lines.push(
      `const a = dk.tensor([${weights}], [1, ${config.numKernels}]); // by hand`,
      'const y = block.aggregation.forward(x, a);',
    );
  } else {
    lines.push('const y = block.forward(x);', 'console.log(block.lastAttention);');
  }
  // draw the map
  const range = Array.isArray(map.range)
    ? `[${map.range.map((value) => Number(value.toPrecision(4))).join(', ')}]`
    : `'${map.range}'`;
  lines.push(
    '',
    "const canvas = document.createElement('canvas');",
    'document.body.append(canvas);',
    `y.drawMap(canvas, { channel: ${map.channel}, colormap: '${map.colormap}', range: ${range} });`,
  );
  return `${lines.join('\n')}\n`;
}

/**
 * Returns the options of the block that are not the defaults.
 *
 * @param {Definition['config']} config
 * @param {boolean} fromFile
 */
function blockOptions({ inChannels, outChannels, kernelSize, midChannels, seed, ...rest }, fromFile) {
  /** @type {Record<string, unknown>} */
  const options = { inChannels, outChannels, kernelSize };
  for (const [name, value] of Object.entries(DEFAULTS)) {
    const chosen = /** @type {Record<string, unknown>} */ (rest)[name];
    if (chosen !== value) options[name] = chosen;
  }
  if (midChannels !== undefined && midChannels !== (inChannels === 3 ? rest.numKernels : 1))
    options.midChannels = midChannels;
  if (!fromFile && seed !== undefined) options.seed = seed;
  return options;
}

/**
 * Returns the options of fromImage.
 *
 * @param {number} channels
 * @param {{ width: number, height: number }} size
 * @param {Normalisation} normalisation
 */
function pixelOptions(channels, { width, height }, normalisation) {
  /** @type {Record<string, unknown>} */
  const options = { width, height };
  if (channels !== 3) options.channels = channels;
  return changesPixels(normalisation) ? { ...options, ...imageOptions(normalisation, channels) } : options;
}

/** Returns the lines that read the picture. @param {Source} source */
function sourceLines(source) {
  if (source.kind === 'webcam') {
    return [
      "const image = document.createElement('video');",
      'image.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });',
      'await image.play();',
    ];
  }
  const address = encodeURIComponent(source.file ?? '').replaceAll("'", '%27');
  if (!source.byElement)
    return [`const image = await createImageBitmap(await (await fetch('${address}')).blob());`];
  return ['const image = new Image();', `image.src = '${address}';`, 'await image.decode();'];
}

/** Formats options as an object literal, on one line if it is short. @param {Record<string, unknown>} options */
function object(options) {
  const entries = Object.entries(options).map(
    ([name, value]) => `${name}: ${Array.isArray(value) ? `[${value.join(', ')}]` : value}`,
  );
  const short = `{ ${entries.join(', ')} }`;
  if (short.length <= 60) return short;
  // Several options on each line, up to a width.
  const lines = [''];
  for (const entry of entries) {
    if (lines[lines.length - 1].length + entry.length > 72) lines.push('');
    lines[lines.length - 1] += `${lines[lines.length - 1] ? ' ' : '  '}${entry},`;
  }
  return `{\n${lines.join('\n  ')}\n}`;
}
