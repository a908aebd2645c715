/** @import { Shapes } from '../dynakernel/index.js' */
/** @import { FilePanel } from './file-panel.js' */
/** @import { About, Answer, Refusal } from './types.js' */
import { Engine } from './engine.js';

/**
 * A network that is open, or is being opened: its worker, and the file; null for the example.
 *
 * @typedef {{ engine: Engine, file: File | null }} Place
 */

/** @typedef {Place & { about: About }} OpenPlace */

/**
 * @typedef {object} OpenerEvents
 * @property {(place: OpenPlace, isSame: boolean) => void} onReady  `current` is another network from now on, or, with
 *   isSame, the same network for other sizes
 * @property {(message: string) => void} onStopped  the current network's worker stopped
 * @property {(message: string) => void} onKept  the current network stays; a message for screen readers, '' for none
 */

/** Opens networks. The current one stays until the next one is ready; the latest request wins. */
export class Opener {
  /** @type {OpenPlace | null} */
  current = null;
  /** What is being opened. Its engine is the current one's if only sizes change. @type {Place | null} */
  #opening = null;
  #isAsking = false;
  /** The worker that refused a file, for the next one: a start takes time. @type {Engine | null} */
  #spare = null;

  /**
   * @param {FilePanel} panel
   * @param {OpenerEvents} events
   */
  constructor(panel, events) {
    this.panel = panel;
    this.events = events;
  }

  /** What a person waits for, or what the page waits for. @returns {'opening' | 'asking' | null} */
  get state() {
    return this.#opening ? (this.#isAsking ? 'asking' : 'opening') : null;
  }

  /** Whether the current network changes its sizes, and cannot run meanwhile. */
  get isResizing() {
    return this.#opening !== null && this.#opening.engine === this.current?.engine;
  }

  /** Opens a network beside the current one. @param {File | null} file  null for the example */
  open(file) {
    if (!this.isResizing) this.#opening?.engine.close();
    const engine = this.#spare ?? new Engine();
    this.#spare = null;
    engine.onAnswer = (answer) => this.#answer(engine, answer);
    this.#begin({ engine, file });
    this.panel.showRefusal(null, false);
    this.panel.offerSizes([], null, '');
    this.panel.showProgress(file ? `Reading ${file.name}…` : 'Making the example…', null);
    engine.open(file, null, false);
  }

  /** Opens the same file for other sizes. @param {Shapes} shapes */
  resize(shapes) {
    const place = this.#opening ?? this.current;
    if (!place) return;
    this.#begin({ engine: place.engine, file: place.file });
    this.panel.showProgress('Planning…', null);
    place.engine.open(place.file, shapes, true);
  }

  /** Ends what is being opened; or, if nothing is, the current network, which runs too long: the example follows. */
  cancel() {
    if (this.#opening && !this.isResizing) {
      this.#opening.engine.close();
      return this.current ? this.#keep('Cancelled.') : this.open(null);
    }
    this.current?.engine.close();
    this.current = null;
    this.open(null);
  }

  /** @param {Place} place */
  #begin(place) {
    this.#opening = place;
    this.#isAsking = false;
  }

  /**
   * @param {Engine} engine
   * @param {Answer} answer
   */
  #answer(engine, answer) {
    if (this.#opening?.engine !== engine) {
      if (engine === this.#spare) this.#spare = null;
      if (answer.type === 'refused' && this.current?.engine === engine) this.events.onStopped(answer.refusal.message);
      return;
    }
    if (answer.type === 'progress') this.#showStep(answer, this.#opening.file);
    else if (answer.type === 'ready') this.#use({ ...this.#opening, about: answer.about });
    else if (answer.type === 'sizes') this.#ask(answer, this.#opening.file);
    else if (answer.type === 'refused') this.#refuse(engine, answer.refusal);
  }

  /**
   * @param {Extract<Answer, { type: 'progress' }>} progress
   * @param {File | null} file
   */
  #showStep({ step, share }, file) {
    const name = file?.name ?? 'the example';
    if (step === 'reading') this.panel.showProgress(`Reading ${name}…`, share);
    else this.panel.showProgress(`Planning ${name}…`, null);
  }

  /** @param {OpenPlace} place */
  #use(place) {
    const isSame = this.isResizing;
    if (!isSame) this.current?.engine.close();
    this.current = place;
    this.#opening = null;
    const { about } = place;
    this.panel.showRefusal(null, true);
    this.panel.offerSizes(about.open, about.inputs, '');
    this.panel.showOpened(about.kind === 'example');
    this.panel.showProgress('First run…', null);
    this.events.onReady(place, isSame);
  }

  /**
   * Asks for the sizes that a file leaves open, or says why the sizes before did not do.
   *
   * @param {Extract<Answer, { type: 'sizes' }>} answer
   * @param {File | null} file
   */
  #ask({ open, message }, file) {
    if (this.isResizing) return this.#keep('', message);
    this.#isAsking = true;
    this.panel.hideProgress();
    this.panel.offerSizes(open, null, message, file?.name);
    this.events.onKept('');
  }

  /**
   * @param {Engine} engine
   * @param {Refusal} refusal
   */
  #refuse(engine, refusal) {
    if (this.isResizing) return this.#keep('', refusal.message);
    if (engine.isBroken) engine.close();
    else this.#spare = engine;
    this.#keep('');
    this.panel.showRefusal(refusal, this.current !== null);
  }

  /**
   * Goes on with the current network.
   *
   * @param {string} message  for screen readers
   * @param {string} [problem]  why its sizes could not change
   */
  #keep(message, problem = '') {
    this.#opening = null;
    this.#isAsking = false;
    this.panel.hideProgress();
    if (problem) this.panel.showSizesProblem(problem);
    else this.panel.offerSizes(this.current?.about.open ?? [], this.current?.about.inputs ?? null, '');
    this.events.onKept(message);
  }
}
