/** @import { Classroom, Kernels, PupilId, Snapshot } from './types.js' */
import { byId, element, setText } from '../shared/dom.js';
import { drawHeat } from './heat.js';
import { pupil } from './pupils.js';

/** The kernels of the block in focus, those of the block with one kernel, and those that they should learn. */
export class KernelsPanel {
  #hint = byId('kernels-hint', HTMLElement);
  #title = byId('kernels-focus-title', HTMLElement);
  #singleTitle = byId('kernels-single-title', HTMLElement);
  #lists = {
    focus: byId('kernels-focus', HTMLElement),
    single: byId('kernels-single', HTMLElement),
    wanted: byId('kernels-wanted', HTMLElement),
  };
  /** @type {PupilId} */
  #focus = 'dynamic';

  /** Shows the kernels that a lesson wants. @param {Classroom} classroom */
  build({ wanted, wantedNames, focus, pupils }) {
    this.#focus = focus;
    setText(this.#title, pupil(focus).title);
    const alone = focus === 'single' || !pupils.includes('single');
    this.#singleTitle.hidden = this.#lists.single.hidden = alone;
    const colour = wanted.planes === 3
      ? 'Grey is 0; brighter colours add that colour, darker ones take it away.'
      : 'Grey is 0, white positive, black negative.';
    const sides = wanted.outputs === 3 ? 'Side by side: for red, green and blue of the result. ' : '';
    setText(this.#hint, `${sides}${colour} Each kernel has its own scale.`);
    draw(this.#lists.wanted, wanted, (k) => wantedNames[k]);
  }

  /** Shows the kernels of a snapshot. @param {Snapshot} snapshot */
  show({ pupils }) {
    for (const { id, kernels } of pupils) {
      const name = (/** @type {number} */ k) => (kernels.count > 1 ? `Kernel ${k}` : 'Its kernel');
      if (id === this.#focus) draw(this.#lists.focus, kernels, name);
      else if (id === 'single') draw(this.#lists.single, kernels, name);
    }
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
