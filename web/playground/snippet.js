/** @import { Definition, Normalisation, Source } from '../shared/types.js' */
import { blockLines, forwardLines, manualLines, object } from '../shared/code.js';
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

/**
 * Returns code that computes and draws the map on screen.
 *
 * @param {Screen} screen
 */
export function snippet({ definition, fromFile, source, size, normalisation, manual, map }) {
  const { config, kind } = definition;
  const lines = [
    "import { load } from 'dynakernel';",
    '',
    'const dk = await load();',
    ...blockLines(kind, config, fromFile ? `${definition.id}.safetensors` : ''),
    '',
    ...sourceLines(source),
    `const x = dk.fromImage(image, ${object(pixelOptions(config.inChannels, size, normalisation))});`,
    ...(manual ? manualLines(kind, config, manual) : forwardLines(kind)),
  ];
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
