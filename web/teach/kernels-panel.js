/** @import { Classroom, Kernels, Snapshot } from './types.js' */
import { byId, element, setText } from '../shared/dom.js';
import { drawHeat } from './heat.js';

/** The kernels of both blocks, and the kernels that they should learn. */
export class KernelsPanel {
  #hint = byId('kernels-hint', HTMLElement);
  #lists = {
    dynamic: byId('kernels-dynamic', HTMLElement),
    single: byId('kernels-single', HTMLElement),
    wanted: byId('kernels-wanted', HTMLElement),
  };

  /** Shows the kernels that a lesson wants. @param {Classroom} classroom */
  build({ wanted, wantedNames }) {
    const colour = wanted.planes === 3
      ? 'Grey is 0; brighter colours add that colour, darker ones take it away.'
      : 'Grey is 0, white positive, black negative.';
    const sides = wanted.outputs === 3 ? 'Side by side: for red, green and blue of the result. ' : '';
    setText(this.#hint, `${sides}${colour} Each kernel has its own scale.`);
    draw(this.#lists.wanted, wanted, (k) => wantedNames[k]);
  }

  /** Shows the kernels of both blocks. @param {Snapshot} snapshot */
  show({ dynamic, single }) {
    draw(this.#lists.dynamic, dynamic.kernels, (k) => `Kernel ${k}`);
    draw(this.#lists.single, single.kernels, () => 'Its kernel');
  }
}

/**
 * Draws kernels into a list, an item per kernel.
 *
 * @param {HTMLElement} list
 * @param {Kernels} kernels
 * @param {(k: number) => string} name
 */
function draw(list, kernels, name) {
  while (list.childElementCount > kernels.count) list.lastElementChild?.remove();
  while (list.childElementCount < kernels.count)
    list.append(element('li', {}, element('span', {}), element('div', { class: 'thumbs' })));
  [...list.children].forEach((item, k) => {
    const [label, thumbs] = /** @type {HTMLElement[]} */ ([...item.children]);
    setText(label, name(k));
    drawHeat(thumbs, kernels, k, name(k));
  });
}
