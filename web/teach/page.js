/** @import { LinkState } from '../shared/link.js' */
/** @import { Answer, Lesson, Progress, PupilId, Request, Snapshot } from './types.js' */
import { byId, setText, showError } from '../shared/dom.js';
import { sentence } from '../shared/errors.js';
import { listenForFiles, readStateFile, sortFiles } from '../shared/files.js';
import { stem } from '../shared/format.js';
import { Link } from '../shared/link.js';
import { LinkPanel } from '../shared/link-panel.js';
import { FIELDS, describeLink } from './address.js';
import { startWorker } from './client.js';
import { KernelsPanel } from './kernels-panel.js';
import { LessonPanel } from './lesson-panel.js';
import { MOST_PHOTOS, ownPhoto, shippedPhotos } from './photos.js';
import { pupil } from './pupils.js';
import { ResultsPanel } from './results-panel.js';
import { TakeAlong } from './take-along.js';
import { TrainPanel } from './train-panel.js';

/** Below this weight, a kernel counts as shut out. */
const CLOSED_WEIGHT = 1e-3;
/** @param {string} who */
const closedMessage = (who) =>
  `The attention of ${who} has closed: it gives every kernel a weight of 0, through which nothing more can be learnt. ` +
  'The learning rate was too high: lower it and press Reset.';

/** @typedef {'loading' | 'ready' | 'running' | 'paused' | 'done' | 'failed'} State */

/** Milliseconds between pictures of the progress. */
const INTERVAL = 100;
/** The same for a person who prefers reduced motion. */
const CALM_INTERVAL = 500;

/** The page: sends requests to the worker when a person acts, and shows its answers. */
export class TeachPage {
  #main = byId('teach', HTMLElement);
  #status = byId('status', HTMLElement);
  /** The number of the current lesson. Answers about an earlier one are dropped. */
  #lessonNumber = 0;
  /** The pupil that a person chose to look at. @type {PupilId} */
  #focus = 'dynamic';

  constructor() {
    this.#ask = startWorker((answer) => this.#hear(answer));
    this.lessonPanel = new LessonPanel({
      onLesson: () => this.#begin(),
      onFiles: (files) => this.#openFiles(files),
    });
    this.training = new TrainPanel({
      onRun: () => this.#ask({ type: this.#state === 'running' ? 'pause' : 'run' }),
      onStep: () => this.#ask({ type: 'step' }),
      onReset: () => this.#reset(),
      onTuning: (tuning) => {
        this.#ask({ type: 'tune', tuning });
        this.link.changed();
      },
    });
    this.results = new ResultsPanel(
      (channel) => this.#ask({ type: 'channel', channel }),
      (focus) => {
        this.#focus = focus;
        this.#ask({ type: 'focus', focus });
      },
    );
    this.kernels = new KernelsPanel();
    this.takeAlong = new TakeAlong({
      onExport: (id) => this.#ask({ type: 'export', id }),
      nameLesson: () => stem(this.lessonPanel.title),
    });
    const state = () => ({ ...this.lessonPanel.state, ...this.training.state });
    this.link = new Link(FIELDS, state, (linked, ignored) => this.#follow(linked, ignored));
    this.linkPanel = new LinkPanel(this.link, () => describeLink(state(), this.lessonPanel.photos.hasOwn));
    listenForFiles(byId('drop', HTMLElement), (files) => this.#openFiles(files));
  }

  /** @type {(request: Request) => void} */
  #ask;

  async start() {
    this.lessonPanel.photos.add(await shippedPhotos());
    const { state, ignored } = this.link.state;
    this.#follow(state, ignored);
  }

  /**
   * Begins what a link says.
   *
   * @param {LinkState} state
   * @param {string} ignored  a sentence about the parts of the link that mean nothing; '' for none
   */
  #follow(state, ignored) {
    this.linkPanel.say(ignored);
    this.lessonPanel.set(state);
    this.training.set(state);
    this.#ask({ type: 'tune', tuning: this.training.tuning });
    this.#begin();
  }

  // ---------------------------------------------------------------------------------------- lesson

  /** Begins the lesson that the panel defines. */
  #begin() {
    const chosen = this.lessonPanel.read();
    if (!chosen) return;
    this.link.changed();
    const { pupils } = chosen.lesson;
    if (!pupils.includes(this.#focus)) [this.#focus] = pupils;
    /** @type {Lesson} */
    const lesson = { ...chosen.lesson, focus: this.#focus, channel: 0 };
    this.#setState('loading');
    this.takeAlong.refuse('another lesson was begun before the block could be taken along');
    const interval = matchMedia('(prefers-reduced-motion: reduce)').matches ? CALM_INTERVAL : INTERVAL;
    this.#ask({ type: 'setup', id: ++this.#lessonNumber, lesson, photos: chosen.photos, interval });
  }

  #reset() {
    this.#setState('loading');
    this.#ask({ type: 'reset' });
    this.#announce('Back at random kernels.');
  }

  /**
   * Opens photographs and state dicts that a person chose, dropped or pasted.
   *
   * @param {File[]} files
   */
  async #openFiles(files) {
    const { images, state } = sortFiles(files);
    try {
      if (images.length) await this.#addPhotos(images);
      if (state) await this.#imitate(state);
    } catch (error) {
      this.lessonPanel.showError(sentence(error));
    }
  }

  /** Adds photographs to learn from. @param {File[]} files */
  async #addPhotos(files) {
    const { photos } = this.lessonPanel;
    const checkRoom = () => {
      if (photos.count + files.length <= MOST_PHOTOS) return;
      throw new Error(
        `there is room for ${MOST_PHOTOS} photographs; ${photos.count} are here, and ${files.length} more were given`,
      );
    };
    checkRoom();
    const added = await Promise.all(files.map((file, i) => ownPhoto(file, photos.count + i)));
    checkRoom(); // a person may have added others meanwhile
    photos.add(added);
    this.lessonPanel.showError('');
    this.#begin();
  }

  /** Makes the first block of a state dict the target. @param {File} file */
  async #imitate(file) {
    const [{ prefix, definition: { kind, config, state } }] = await readStateFile(file);
    const title = prefix ? `${prefix.replace(/\.$/, '')} of ${file.name}` : file.name;
    this.lessonPanel.imitate({ title, kind, config, state });
    this.#begin();
  }

  // ---------------------------------------------------------------------------------------- answers

  /** Handles an answer of the worker. @param {Answer} answer */
  #hear(answer) {
    if (answer.lesson !== undefined && answer.lesson !== this.#lessonNumber) return;
    switch (answer.type) {
      case 'ready':
        return this.#introduce(answer);
      case 'snapshot':
        return this.#show(answer);
      case 'state':
        return this.takeAlong.arrive(answer.id, answer);
      case 'error':
        return this.#fail(answer);
    }
  }

  /** Shows a new lesson, or the same one with another channel. @param {Extract<Answer, { type: 'ready' }>} answer */
  #introduce({ classroom, snapshot, fresh }) {
    setText(byId('build', HTMLElement), classroom.build);
    this.results.build(classroom);
    this.kernels.build(classroom);
    this.takeAlong.describe(classroom);
    if (fresh) this.training.begin(classroom);
    this.#draw(snapshot);
    if (fresh) this.#setState('ready');
  }

  /**
   * Shows the progress, and tells screen readers when training starts or stops.
   *
   * @param {Extract<Answer, { type: 'snapshot' }>} answer
   */
  #show({ state, snapshot }) {
    const before = this.#state;
    const closed = snapshot.pupils.find(isClosed);
    this.training.showError(closed ? closedMessage(pupil(closed.id).phrase) : '');
    this.#draw(snapshot);
    this.#setState(state);
    if (state === before && state === 'running') return;
    const { step, pupils } = snapshot;
    const verdict = this.training.verdict(pupils);
    if (state === 'running') this.#announce(`Training on ${this.lessonPanel.title}.`);
    else this.#announce(`${state === 'done' ? 'Done' : 'Paused'} at step ${step}. ${verdict}`);
  }

  /** Draws a snapshot in all panels. @param {Snapshot} snapshot */
  #draw(snapshot) {
    this.training.show(snapshot);
    this.results.show(snapshot);
    this.kernels.show(snapshot);
    this.takeAlong.show(snapshot);
    this.#main.dataset.step = String(snapshot.step);
  }

  /** Shows an error at the place that it concerns. @param {Extract<Answer, { type: 'error' }>} answer */
  #fail(answer) {
    const { about, message } = answer;
    if (about === 'export') return this.takeAlong.refuse(message, [answer.id]);
    if (about === 'training') {
      if (this.#state === 'running') this.#setState('paused');
      return this.training.showError(sentence(message));
    }
    this.#setState('failed');
    this.takeAlong.refuse(message);
    if (about === 'setup') return this.lessonPanel.showError(`This lesson cannot be given. ${sentence(message)}`);
    showError(byId('fatal-error', HTMLElement), `The library could not start. ${sentence(message)}`);
  }

  // ---------------------------------------------------------------------------------------- state

  /** @type {State} */
  #state = 'loading';

  /** Sets the page's state, for the panels, style sheets and tests. @param {State} state */
  #setState(state) {
    this.#state = state;
    this.#main.dataset.state = state;
    this.training.showState(state);
    this.takeAlong.enable(state !== 'loading' && state !== 'failed');
  }

  /** Tells screen readers. @param {string} message */
  #announce(message) {
    setText(this.#status, message);
  }
}

/** True if the attention shuts out every kernel for most of the samples. @param {Progress} progress */
function isClosed({ attention, errors }) {
  const isShut = (/** @type {number} */ weight) => weight < CLOSED_WEIGHT;
  const K = attention.length / errors.length;
  const closed = errors.filter((_, n) => attention.subarray(n * K, (n + 1) * K).every(isShut));
  return closed.length > errors.length / 2;
}
