/** @import { Entry } from './photos.js' */
import { byId, element } from '../shared/dom.js';
import { EFFECTS } from './effects.js';

/** The photographs, each with a check box and, in lessons with a target per photograph, its target. */
export class PhotoList {
  #list = byId('photos', HTMLElement);
  /** @type {Entry[]} */
  #entries = [];

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
  }

  get count() {
    return this.#entries.length;
  }

  /** @returns {Entry[]} */
  get chosen() {
    return this.#entries.filter(({ chosen }) => chosen);
  }

  /** @param {Entry[]} entries */
  add(entries) {
    this.#entries.push(...entries);
    this.#list.append(...entries.map((entry) => this.#item(entry)));
  }

  /** Shows or hides the targets. @param {boolean} shown */
  showEffects(shown) {
    this.#list.classList.toggle('with-effects', shown);
  }

  /** Returns the elements of a photograph. @param {Entry} entry */
  #item(entry) {
    const { photo: { name }, canvas, alt } = entry;
    canvas.setAttribute('aria-hidden', 'true');
    const box = element('input', { type: 'checkbox', name: 'photo', value: name, checked: true, autocomplete: 'off' });
    box.addEventListener('change', () => {
      entry.chosen = box.checked;
      this.onChange();
    });
    const effect = element(
      'select',
      { 'aria-label': `Target of ${name}`, autocomplete: 'off' },
      ...EFFECTS.map(({ id, title }) => element('option', { value: id, selected: id === entry.effect }, title)),
    );
    effect.addEventListener('change', () => {
      entry.effect = effect.value;
      this.onChange();
    });
    return element(
      'div',
      { class: 'photo' },
      element('label', { title: alt }, box, canvas, element('span', {}, name)),
      effect,
    );
  }
}
