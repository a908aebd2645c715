/** @import { Model } from './model.js' */
import { byId, setText } from '../shared/dom.js';

/** The slider is logarithmic: each unit doubles the temperature. */
const HOTTEST = 34;
const COLDEST = 0.25;

/** Stage 2: the temperature of an attention that has one. */
export class TemperatureControl {
  #group = byId('temperature-group', HTMLElement);
  #slider = byId('temperature', HTMLInputElement);
  #value = byId('temperature-value', HTMLOutputElement);

  /** @param {(temperature: number) => void} onChange */
  constructor(onChange) {
    this.#slider.min = String(Math.log2(COLDEST));
    this.#slider.max = String(Math.log2(HOTTEST));
    this.#slider.addEventListener('input', () => {
      const temperature = readable(2 ** this.#slider.valueAsNumber);
      this.#write(temperature);
      onChange(temperature);
    });
  }

  /** Shows the temperature of another block, if it has one. @param {Model} model */
  setModel({ block: { temperature } }) {
    this.#group.hidden = temperature === null;
    if (temperature === null) return;
    this.#slider.value = String(Math.log2(temperature));
    this.#write(readable(temperature));
  }

  /** @param {number} temperature */
  #write(temperature) {
    setText(this.#value, String(temperature));
    this.#slider.setAttribute('aria-valuetext', String(temperature));
  }
}

/** Rounds to two significant digits, so that the code on the page stays short. @param {number} temperature */
const readable = (temperature) => Number(temperature.toPrecision(2));
