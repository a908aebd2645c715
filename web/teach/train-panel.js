/** @import { LinkState } from '../shared/link.js' */
/** @import { Classroom, PupilId, Snapshot, Tuning } from './types.js' */
import { byId, element, setEnabled, setText, showError } from '../shared/dom.js';
import { bytes, number } from '../shared/format.js';
import { drawChart } from './chart.js';
import { Curve } from './curve.js';
import { pupil } from './pupils.js';
import { verdict } from './verdict.js';

/** The learning rates at which each optimizer is fast and stable. */
const RATES = { adam: 0.02, sgd: 0.1 };

/** The text of the button that trains; 'Train' in the other states. @type {Record<string, string>} */
const RUN_LABELS = { running: 'Pause', paused: 'Go on', done: 'Train on' };

/** What a person should know of a pupil to compare it fairly. @type {Partial<Record<PupilId, string>>} */
const NOTES = {
  dyconv: 'DyConv’s temperature falls from 34 to 1 in the first tenth of a run, 3 at a time, as its authors lower it.',
  odconv: 'ODConv has no bias, so it cannot shift brightness, as Sepia does.',
};

/**
 * @typedef {object} TrainEvents
 * @property {() => void} onRun  a press of the button that starts and pauses
 * @property {() => void} onStep
 * @property {() => void} onReset
 * @property {(tuning: Tuning) => void} onTuning
 */

/** The progress in figures and as a chart, and the controls of the training. */
export class TrainPanel {
  #run = byId('run', HTMLButtonElement);
  #step = byId('step', HTMLButtonElement);
  #reset = byId('reset', HTMLButtonElement);
  #progress = byId('progress', HTMLProgressElement);
  #chart = byId('chart', HTMLElement);
  #lr = byId('lr', HTMLInputElement);
  #lrValue = byId('lr-value', HTMLOutputElement);
  #schedule = byId('schedule', HTMLSelectElement);
  #steps = byId('run-steps', HTMLSelectElement);
  #error = byId('training-error', HTMLElement);
  #figures = {
    steps: byId('steps', HTMLElement),
    rate: byId('rate', HTMLElement),
    heap: byId('heap', HTMLElement),
  };
  #totals = byId('totals', HTMLElement);
  #verdict = byId('verdict', HTMLElement);
  #notes = byId('pupil-notes', HTMLElement);
  #curve = new Curve();
  /** The pupils' losses on the page. @type {{ loss: HTMLElement, note: HTMLElement | null }[]} */
  #cells = [];
  /** @type {PupilId[]} */
  #pupils = [];
  /** The value of white in the pictures. */
  #range = 1;
  #section = byId('training', HTMLElement);
  /** True while the section has the focus because its buttons are disabled. */
  #holdsFocus = false;
  /** The latest snapshot's step and end; the end is 0 before the first run. */
  #reached = { step: 0, end: 0 };
  #size = { width: 0, height: 0 };
  /** @type {Record<Tuning['optimizer'], number>} the learning rate that a person chose for each optimizer */
  #rates = { ...RATES };

  /** @param {TrainEvents} events */
  constructor(events) {
    this.#run.addEventListener('click', events.onRun);
    this.#step.addEventListener('click', events.onStep);
    this.#reset.addEventListener('click', events.onReset);
    const changed = () => {
      this.#showRate();
      this.#showSteps();
      events.onTuning(this.tuning);
    };
    this.#lr.addEventListener('input', () => {
      this.#rates[this.#optimizer] = 10 ** this.#lr.valueAsNumber;
      changed();
    });
    for (const input of document.querySelectorAll('input[name="optimizer"]')) input.addEventListener('change', changed);
    for (const select of [this.#schedule, this.#steps]) select.addEventListener('change', changed);
    this.#showRate();
    new ResizeObserver(([{ contentRect }]) => {
      this.#size = { width: Math.round(contentRect.width), height: Math.round(contentRect.height) };
      this.#draw();
    }).observe(this.#chart);
  }

  /** @returns {Tuning['optimizer']} */
  get #optimizer() {
    return document.querySelector('input[name="optimizer"][value="sgd"]:checked') ? 'sgd' : 'adam';
  }

  /** @returns {Tuning} */
  get tuning() {
    return {
      optimizer: this.#optimizer,
      lr: this.#rates[this.#optimizer],
      schedule: this.#schedule.value === 'constant' ? 'constant' : 'cosine',
      steps: Number(this.#steps.value),
    };
  }

  /** The settings as a link has them. @returns {LinkState} */
  get state() {
    const { optimizer, lr, schedule, steps } = this.tuning;
    return { optimizer, rate: lr === RATES[optimizer] ? null : [lr], schedule, steps: String(steps) };
  }

  /** Shows the settings of a link. @param {LinkState} state */
  set({ optimizer, rate, schedule, steps }) {
    const choice = document.querySelector(`input[name="optimizer"][value="${optimizer}"]`);
    if (choice instanceof HTMLInputElement) choice.checked = true;
    this.#rates = { ...RATES, ...(rate ? { [optimizer]: rate[0] } : {}) };
    this.#schedule.value = schedule;
    this.#steps.value = steps;
    this.#showRate();
    this.#showSteps();
  }

  #showRate() {
    const rate = this.#rates[this.#optimizer];
    const text = rate.toPrecision(2);
    if (Math.abs(this.#lr.valueAsNumber - Math.log10(rate)) > 0.026) this.#lr.value = String(Math.log10(rate));
    this.#lr.setAttribute('aria-valuetext', text);
    setText(this.#lrValue, text);
  }

  /** Enables the buttons of a state. @param {'loading' | 'ready' | 'running' | 'paused' | 'done' | 'failed'} state */
  showState(state) {
    const waiting = state === 'loading' || state === 'failed';
    const buttons = [this.#run, this.#step, this.#reset];
    setText(this.#run, RUN_LABELS[state] ?? 'Train');
    if (waiting) this.#holdsFocus ||= buttons.some((button) => button === document.activeElement);
    setEnabled([
      [this.#run, !waiting],
      [this.#step, !waiting && state !== 'running'],
      [this.#reset, !waiting && state !== 'ready'],
    ], this.#section);
    if (waiting) return;
    // The focus returns to the buttons, unless a person moved it meanwhile.
    if (this.#holdsFocus && document.activeElement === this.#section) this.#run.focus();
    this.#holdsFocus = false;
  }

  /**
   * Prepares for a lesson: removes the curve and the error, and makes a figure for each pupil.
   *
   * @param {Classroom} classroom
   */
  begin({ pupils, range }) {
    this.#curve.clear();
    this.showError('');
    this.#pupils = pupils;
    this.#range = range;
    for (const old of this.#totals.querySelectorAll('.pupil')) old.remove();
    this.#cells = pupils.map((id) => {
      const { title, cooling } = pupil(id);
      const loss = element('dd', { id: `loss-${id}` }, '–');
      const note = cooling ? element('small', {}, '') : null;
      const cell = element('div', { class: `pupil ${id}` }, element('dt', {}, title, ...(note ? [note] : [])), loss);
      this.#heapCell.before(cell);
      return { loss, note };
    });
    const notes = pupils.map((id) => NOTES[id] ?? '').filter(Boolean);
    setText(this.#notes, notes.join(' '));
    this.#notes.hidden = notes.length === 0;
  }

  /** The last of the figures. */
  get #heapCell() {
    return /** @type {HTMLElement} */ (this.#figures.heap.parentElement);
  }

  /** Shows the progress. @param {Snapshot} snapshot */
  show({ step, end, rate, heapBytes, losses, pupils }) {
    const { rate: perSecond, heap } = this.#figures;
    this.#curve.add(losses);
    this.#reached = { step, end };
    this.#showSteps();
    setText(perSecond, rate > 0 ? number(rate) : '–');
    pupils.forEach(({ loss, temperature }, i) => {
      const { loss: cell, note } = this.#cells[i];
      setText(cell, step ? number(loss) : '–');
      if (note && temperature !== null) setText(note, `, temperature ${number(temperature).replace(/\.0+$/, '')}`);
    });
    setText(this.#verdict, step ? this.verdict(pupils) : 'Nothing has been learnt yet.');
    setText(heap, bytes(heapBytes));
    heap.dataset.bytes = String(heapBytes);
  }

  /** Says who learns best. @param {Snapshot['pupils']} pupils */
  verdict(pupils) {
    return verdict(pupils.map(({ id, loss }) => ({ phrase: pupil(id).phrase, loss })), this.#range);
  }

  /** The step at which this run ends, or the first run will end. */
  get #end() {
    return this.#reached.end || this.tuning.steps;
  }

  #showSteps() {
    const { step } = this.#reached;
    setText(this.#figures.steps, `${step} of ${this.#end}`);
    this.#progress.max = this.#end;
    this.#progress.value = Math.min(step, this.#end);
    this.#draw();
  }

  #draw() {
    if (!(this.#size.width > 0)) return;
    const series = this.#pupils.map(pupil);
    this.#chart.replaceChildren(drawChart(this.#curve.points, series, { end: this.#end, ...this.#size }));
  }

  /** @param {string} message */
  showError(message) {
    // Screen readers read the message once, not with every picture of the progress.
    if (this.#error.hidden === (message === '') && this.#error.textContent === message) return;
    showError(this.#error, message);
  }
}
