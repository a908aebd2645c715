/** @import { Entry } from './photos.js' */
import { byId, element } from '../shared/dom.js';
import { EFFECTS } from './effects.js';

/** The photographs, each with a check box and, in lessons with a target per photograph, its target. */
export class PhotoList {
  #list = byId('photos', HTMLElement);
  /** @type {Entry[]} */
  #entries = [];
  /** @type {Map<Entry, { box: HTMLInputElement, effect: HTMLSelectElement }>} */
  #controls = new Map();

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

  /** Whether there is a photograph of the person's own. */
  get hasOwn() {
    return this.#entries.some(({ id }) => !id);
  }

  /** The page's own photographs that are chosen, each with its target, as words for a link. */
  get words() {
    return this.chosen.filter(({ id }) => id).map(({ id, effect }) => `${id}.${effect}`);
  }

  /** Chooses the photographs and targets of a link. @param {string[]} words */
  set(words) {
    for (const entry of this.#entries.filter(({ id }) => id)) {
      const controls = this.#controls.get(entry);
      const [, target] = words.find((word) => word.startsWith(`${entry.id}.`))?.split('.') ?? [];
      entry.chosen = target !== undefined;
      entry.effect = target ?? entry.effect;
      if (controls) [controls.box.checked, controls.effect.value] = [entry.chosen, entry.effect];
    }
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
    this.#controls.set(entry, { box, effect });
    return element(
      'div',
      { class: 'photo' },
      element('label', { title: alt }, box, canvas, element('span', {}, name)),
      effect,
    );
  }
}
