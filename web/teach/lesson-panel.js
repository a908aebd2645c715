/** @import { LinkState } from '../shared/link.js' */
/** @import { Offer } from './lessons.js' */
/** @import { Lesson, Model, Photo } from './types.js' */
import { byId, element, numberProblem, setEnabled, setText, showError, tab } from '../shared/dom.js';
import { listenForChoice } from '../shared/files.js';
import { EFFECTS } from './effects.js';
import { DYNAMIC_OFFERS, OFFERS } from './lessons.js';
import { PhotoList } from './photo-list.js';
import { PupilList } from './pupil-list.js';

/**
 * @typedef {object} LessonEvents
 * @property {() => void} onLesson  the lesson changed
 * @property {(files: File[]) => void} onFiles
 */

/** The controls that define the lesson. */
export class LessonPanel {
  #summary = byId('lesson-summary', HTMLElement);
  #brightness = byId('brightness-group', HTMLElement);
  #dark = byId('effect-dark', HTMLSelectElement);
  #bright = byId('effect-bright', HTMLSelectElement);
  #modelGroup = byId('model-group', HTMLElement);
  #modelSeed = byId('model-seed', HTMLInputElement);
  #numKernels = byId('num-kernels', HTMLSelectElement);
  #kernelSize = byId('kernel-size', HTMLSelectElement);
  #seed = byId('seed', HTMLInputElement);
  #error = byId('lesson-error', HTMLElement);
  /** @type {Offer} */
  #offer = DYNAMIC_OFFERS[0];
  /** @type {Model | null} the block of a state dict that a person opened */
  #opened = null;

  /** @param {LessonEvents} events */
  constructor(events) {
    const changed = () => {
      this.#showOffer();
      events.onLesson();
    };
    this.photos = new PhotoList(changed);
    this.pupils = new PupilList(changed);
    for (const [id, offers] of /** @type {const} */ ([['dynamic-targets', DYNAMIC_OFFERS], ['targets', OFFERS]])) {
      const tabs = byId(id, HTMLElement);
      tabs.replaceChildren(...offers.map((offer) => tab('lesson', offer, offer === this.#offer)));
      tabs.addEventListener('change', (event) => {
        const { target } = event;
        const chosen = offers.find(({ id: value }) => target instanceof HTMLInputElement && target.value === value);
        if (!chosen) return;
        this.#offer = chosen;
        changed();
      });
    }
    for (const [select, id] of /** @type {const} */ ([[this.#dark, 'blur'], [this.#bright, 'sharpen']]))
      select.replaceChildren(...effectOptions(id));
    for (const control of [this.#dark, this.#bright, this.#numKernels, this.#kernelSize, this.#seed])
      control.addEventListener('change', changed);
    this.#modelSeed.addEventListener('change', () => {
      this.#opened = null;
      changed();
    });
    for (const id of ['state-file', 'image-file']) listenForChoice(id, events.onFiles);
    this.#showOffer();
  }

  /** @param {string} message */
  showError(message) {
    showError(this.#error, message);
  }

  /** Makes a block the target from now on. @param {Model} model */
  imitate(model) {
    this.#opened = model;
    this.#choose(OFFERS[OFFERS.length - 1]);
  }

  /** @param {Offer} offer */
  #choose(offer) {
    this.#offer = offer;
    for (const input of document.querySelectorAll('input[name="lesson"]'))
      if (input instanceof HTMLInputElement) input.checked = input.value === offer.id;
    this.showError('');
    this.#showOffer();
  }

  /** The lesson as a link has it. A block from a file is none. @returns {LinkState} */
  get state() {
    const { id, kind } = this.#offer;
    const isOpened = kind === 'model' && this.#opened;
    return {
      lesson: isOpened ? null : id,
      seed: this.#seed.valueAsNumber,
      blocks: this.pupils.chosen,
      kernels: this.#numKernels.value,
      size: this.#kernelSize.value,
      dark: kind === 'brightness' ? this.#dark.value : null,
      bright: kind === 'brightness' ? this.#bright.value : null,
      model: kind === 'model' && !isOpened ? this.#modelSeed.valueAsNumber : null,
      pictures: this.photos.words.length > 0 ? this.photos.words : null,
    };
  }

  /** Shows the lesson of a link. @param {LinkState} state */
  set(state) {
    this.#opened = null;
    this.#seed.value = state.seed;
    this.#numKernels.value = state.kernels;
    this.#kernelSize.value = state.size;
    this.#dark.value = state.dark;
    this.#bright.value = state.bright;
    this.#modelSeed.value = state.model;
    this.pupils.set(state.blocks);
    this.photos.set(state.pictures);
    const offers = [...DYNAMIC_OFFERS, ...OFFERS];
    this.#choose(offers.find(({ id }) => id === state.lesson) ?? offers[0]);
  }

  /** Reads the lesson. @returns {{ lesson: Omit<Lesson, 'channel' | 'focus'>, photos: Photo[] } | null} null if it is invalid */
  read() {
    const problem = this.#problem();
    showError(this.#error, problem);
    if (problem) return null;
    const { kind, id } = this.#offer;
    const chosen = this.photos.chosen;
    const effects = {
      effect: [id],
      brightness: [this.#dark.value, this.#bright.value],
      picture: chosen.map(({ effect }) => effect),
      model: [],
    }[kind];
    return {
      lesson: {
        kind,
        effects,
        model: kind === 'model' ? this.#opened ?? this.#seeded() : null,
        pupils: this.pupils.chosen,
        numKernels: Number(this.#numKernels.value),
        kernelSize: Number(this.#kernelSize.value),
        seed: this.#seed.valueAsNumber,
      },
      photos: chosen.map(({ photo }) => photo),
    };
  }

  /** The lesson in a few words. */
  get title() {
    return this.#offer.title;
  }

  /** Returns a block with random kernels as the target. @returns {Model} */
  #seeded() {
    const R = Number(this.#kernelSize.value);
    return {
      title: `the block of seed ${this.#modelSeed.value}`,
      kind: 'dynamic',
      config: {
        inChannels: 3, outChannels: 3, kernelSize: R, stride: 1, padding: R >> 1, dilation: 1, groups: 1, bias: true,
        numKernels: 4, seed: this.#modelSeed.valueAsNumber,
      },
    };
  }

  /** Returns a sentence that says why the lesson is invalid, or ''. */
  #problem() {
    const seeded = this.#offer.kind === 'model' && !this.#opened;
    const problem = numberProblem(this.#seed) || (seeded ? numberProblem(this.#modelSeed) : '');
    if (problem) return problem;
    if (this.pupils.chosen.length === 0) return 'No block is chosen: choose one to train.';
    const { chosen } = this.photos;
    if (chosen.length === 0) return 'No photograph is chosen: choose one to learn from.';
    if (this.#offer.kind === 'picture' && chosen.length === 1)
      return 'One photograph alone has nothing to be told apart from: choose a second one, or one target for all.';
    return '';
  }

  #showOffer() {
    const { kind, summary } = this.#offer;
    this.#brightness.hidden = kind !== 'brightness';
    this.#modelGroup.hidden = kind !== 'model';
    setEnabled([[this.#kernelSize, !(kind === 'model' && this.#opened)]], this.#numKernels);
    this.photos.showEffects(kind === 'picture');
    setText(this.#summary, kind === 'model' && this.#opened ? `What ${this.#opened.title} does.` : summary);
  }
}

/** Returns an option for each effect. @param {string} chosen  the id of the selected effect */
const effectOptions = (chosen) =>
  EFFECTS.map(({ id, title }) => element('option', { value: id, selected: id === chosen }, title));
