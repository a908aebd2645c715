/** @import { Workload } from './workload.js' */
import { byId, element, setText } from '../shared/dom.js';
import { describe, kindOf } from './workload.js';

/** The set "A taste": one workload of each common kind of convolution. */
const TASTE = [
  'canvas_rgb_3x3_512', 'canvas_rgb_7x7_512', 'dense_64_3x3_56', 'dw_16_3x3_128x96', 'dw_40_3x3_32x24', 'pw_128_128_56',
];

const DENSE = ['Dense', 'Strided', 'Dilated', 'Grouped', 'Batch'];

/** @type {{ id: string, title: string, has: (workload: Workload) => boolean }[]} */
export const SETS = [
  { id: 'taste', title: 'A taste', has: ({ name }) => TASTE.includes(name) },
  { id: 'canvas', title: 'Canvas', has: (workload) => kindOf(workload) === 'Canvas' },
  { id: 'dense', title: 'Dense', has: (workload) => DENSE.includes(kindOf(workload)) },
  { id: 'depthwise', title: 'Depthwise', has: (workload) => kindOf(workload) === 'Depthwise' },
  { id: 'pointwise', title: 'Pointwise', has: (workload) => kindOf(workload) === 'Pointwise' },
  { id: 'all', title: 'All', has: () => true },
];

/** The choice of the workloads: a set, or any of them. */
export class Selection {
  #workloads;
  #boxes;
  #sets;
  #title = byId('choice-title', HTMLElement);

  /**
   * @param {Workload[]} workloads
   * @param {() => void} changed
   */
  constructor(workloads, changed) {
    this.#workloads = workloads;
    this.#boxes = workloads.map(({ name }) => element('input', { type: 'checkbox', name: 'workload', value: name }));
    byId('workloads', HTMLElement).append(...workloads.map((workload, i) =>
      element('label', {}, this.#boxes[i],
        element('span', {}, element('b', {}, kindOf(workload)), ` ${describe(workload)}`))));
    this.#sets = SETS.map(({ id }) => element('input', { type: 'radio', name: 'set', value: id }));
    byId('sets', HTMLElement).append(...SETS.map(({ title }, i) =>
      element('label', {}, this.#sets[i], element('span', {}, title))));

    this.#sets.forEach((radio, i) => radio.addEventListener('change', () => {
      this.#choose(SETS[i].has);
      changed();
    }));
    for (const box of this.#boxes) {
      box.addEventListener('change', () => {
        this.#show();
        changed();
      });
    }
    this.#choose(SETS[0].has);
  }

  /** The choice as a link has it: a set, or the names of workloads. @returns {{ set: string | null, workloads: string[] | null }} */
  get state() {
    const set = SETS.find((_, i) => this.#sets[i].checked);
    return set ? { set: set.id, workloads: null } : { set: null, workloads: this.chosen.map(({ name }) => name) };
  }

  /** Shows the choice of a link. @param {{ [name: string]: any }} state */
  set({ set, workloads }) {
    const { has } = SETS.find(({ id }) => id === set) ?? SETS[0];
    this.#choose(workloads ? ({ name }) => workloads.includes(name) : has);
  }

  get chosen() {
    return this.#workloads.filter((_, i) => this.#boxes[i].checked);
  }

  /** Checks the workloads of a set. @param {(workload: Workload) => boolean} has */
  #choose(has) {
    this.#boxes.forEach((box, i) => {
      box.checked = has(this.#workloads[i]);
    });
    this.#show();
  }

  /** Checks the set that equals the choice, if there is one. */
  #show() {
    SETS.forEach(({ has }, i) => {
      this.#sets[i].checked = this.#workloads.every((workload, w) => this.#boxes[w].checked === has(workload));
    });
    setText(this.#title, `${this.chosen.length} of ${this.#workloads.length} workloads`);
  }
}
