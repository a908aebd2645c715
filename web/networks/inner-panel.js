/** @import { Colormap, Runtime } from '../dynakernel/index.js' */
/** @import { Result } from './types.js' */
import { byId, setText, showError } from '../shared/dom.js';
import { drawNumbers, numbersText } from './maps.js';
import { mapSides } from './outputs.js';

/** The values of one layer, as maps or numbers. */
export class InnerPanel {
  #title = byId('inner-title', HTMLElement);
  #hint = byId('inner-hint', HTMLElement);
  #error = byId('inner-error', HTMLElement);
  #picture = byId('inner-picture', HTMLElement);
  #canvas = byId('inner-canvas', HTMLCanvasElement);
  #caption = byId('inner-caption', HTMLElement);
  #numbers = byId('inner-numbers', HTMLPreElement);
  #colormap = byId('inner-colormap', HTMLSelectElement);
  #colormapField = byId('inner-colormap-field', HTMLElement);

  /**
   * @param {Runtime} dk
   * @param {() => void} onChange is called after a person chose other colours
   */
  constructor(dk, onChange) {
    this.dk = dk;
    this.#colormap.addEventListener('change', onChange);
  }

  /**
   * Shows the inner value of a run; null if none is asked for.
   *
   * @param {Result['inner']} inner
   */
  show(inner) {
    const value = inner?.value ?? null;
    const [, height, width] = value ? mapSides(value.shape) : [0, 0, 0];
    const isMaps = height > 1 && width > 1;
    setText(this.#title, inner ? inner.name : 'Inside a layer');
    this.#hint.hidden = inner !== null;
    showError(this.#error, inner?.problem ? `The values of this layer cannot be kept. ${inner.problem}` : '');
    this.#picture.hidden = !isMaps;
    this.#colormapField.hidden = !isMaps;
    this.#numbers.hidden = !value || isMaps;
    setText(this.#caption, '');
    if (!inner || !value) return;
    if (isMaps) {
      const colormap = /** @type {Colormap} */ (this.#colormap.value);
      const caption = drawNumbers(this.dk, this.#canvas, value, { colormap });
      setText(this.#caption, `${caption}.`);
      this.#canvas.setAttribute('aria-label', `${inner.name}: ${caption}`);
    } else setText(this.#numbers, numbersText(value));
  }
}
