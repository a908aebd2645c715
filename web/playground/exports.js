/** @import { Tensor } from '../dynakernel/index.js' */
/** @import { Normalisation, Source } from '../shared/types.js' */
/** @import { Model } from './model.js' */
/** @import { View } from './types.js' */
import { copyText } from '../shared/clipboard.js';
import { byId, download, element, setText, showError } from '../shared/dom.js';
import { writeBlock } from '../shared/statedict.js';
import { mapOptions } from './ranges.js';

/** Exports: maps as PNG, the block as .safetensors, the code. */

/**
 * Downloads a canvas as a PNG file.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {string} name  the file's name without its ending
 */
async function savePng(canvas, name) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (!(blob instanceof Blob)) throw new Error('This browser could not make a PNG of the canvas.');
  download(blob, `${name}.png`);
}

/**
 * Saves the map in view, with a pixel for each value.
 *
 * @param {Model} model
 * @param {Source} source
 * @param {Tensor} y
 * @param {View} view
 */
export function saveMap(model, source, y, view) {
  const canvas = element('canvas');
  y.drawMap(canvas, mapOptions(y, view.channel, view));
  return savePng(canvas, `${source.stem}-${model.definition.id}-channel-${view.channel}`);
}

/**
 * Saves all maps as a contact sheet, each in the range that the page draws it with.
 *
 * @param {Model} model
 * @param {Source} source
 * @param {Tensor} y
 * @param {View} view
 */
export function saveMaps(model, source, y, view) {
  const [, O, height, width] = y.shape;
  const columns = Math.ceil(Math.sqrt(O));
  const gap = 4;
  const sheet = element('canvas', {
    width: columns * (width + gap) - gap,
    height: Math.ceil(O / columns) * (height + gap) - gap,
  });
  const context = sheet.getContext('2d');
  if (!context)
    throw new Error(`This browser has no canvas of ${sheet.width} × ${sheet.height} pixels for the contact sheet.`);
  const map = element('canvas');
  for (let channel = 0; channel < O; channel++) {
    y.drawMap(map, mapOptions(y, channel, view));
    context.drawImage(map, (channel % columns) * (width + gap), Math.floor(channel / columns) * (height + gap));
  }
  return savePng(sheet, `${source.stem}-${model.definition.id}`);
}

/**
 * Saves the block as a .safetensors file.
 *
 * @param {Model} model
 * @param {Normalisation} normalisation  the normalisation of its pixels
 */
export function saveState(model, normalisation) {
  const bytes = writeBlock(model.block, normalisation);
  download(new Blob([bytes]), `${model.definition.id}.safetensors`);
}

/** The code on the page, and the button that copies it. */
export class SnippetPanel {
  #code = byId('snippet', HTMLElement);
  #hint = byId('code-hint', HTMLElement);
  #button = byId('copy', HTMLButtonElement);
  #error = byId('copy-error', HTMLElement);

  /** @param {(message: string) => void} announce */
  constructor(announce) {
    this.#button.addEventListener('click', async () => {
      const refusal = await copyText(this.#button, this.#code.textContent ?? '', this.#code);
      showError(this.#error, refusal);
      if (!refusal) announce('The code is on the clipboard.');
    });
  }

  /**
   * Shows the code.
   *
   * @param {string} code
   * @param {string[]} files  the files that the code fetches
   */
  show(code, files) {
    setText(this.#code, code);
    setText(
      this.#hint,
      `Draws the chosen map${files.length ? `; expects ${files.join(' and ')} beside your page` : ''}.`,
    );
  }
}
