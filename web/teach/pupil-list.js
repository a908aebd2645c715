/** @import { PupilId } from './types.js' */
import { byId, element } from '../shared/dom.js';
import { FIRST_PUPILS, PUPILS } from './pupils.js';

/** The blocks that can learn side by side, each with a check box. They are the chart's legend too. */
export class PupilList {
  #list = byId('pupils', HTMLElement);

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#list.replaceChildren(...PUPILS.map(({ id, title }) => {
      const checked = FIRST_PUPILS.includes(id);
      return element(
        'label',
        { class: id },
        element('input', { type: 'checkbox', name: 'pupil', value: id, checked, autocomplete: 'off' }),
        element('i', { 'aria-hidden': 'true' }),
        title,
      );
    }));
    this.#list.addEventListener('change', onChange);
  }

  /** Chooses blocks. @param {string[]} ids */
  set(ids) {
    for (const box of this.#list.querySelectorAll('input')) box.checked = ids.includes(box.value);
  }

  /** In the order of PUPILS. @returns {PupilId[]} */
  get chosen() {
    const boxes = [...this.#list.querySelectorAll('input')];
    return PUPILS.map(({ id }) => id).filter((id) => boxes.some(({ value, checked }) => checked && value === id));
  }
}
