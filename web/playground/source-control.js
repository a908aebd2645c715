/** @import { Source } from '../shared/types.js' */
/** @import { Loop } from './loop.js' */
/** @import { Pipeline } from './pipeline.js' */
/** @import { SourcePanel } from './source-panel.js' */
import { cameraSentence, sentence } from '../shared/errors.js';
import { release, stillOf } from '../shared/sources.js';
import { Camera } from './camera.js';

/**
 * @typedef {object} SourceControlEvents
 * @property {() => void} onOpening  another source is waited for
 * @property {(source: Source) => void} onShown
 * @property {() => void} onKept  what was waited for did not come; the source before stays
 */

/** Which picture runs: opens what a person asks for, one after the other, and the webcam. */
export class SourceControl {
  #opening = 0;
  /** @type {'off' | 'starting' | 'on'} */
  #webcam = 'off';

  /**
   * @param {SourcePanel} panel
   * @param {Pipeline} pipeline  whose source this is
   * @param {Loop} loop
   * @param {SourceControlEvents} events
   */
  constructor(panel, pipeline, loop, events) {
    this.panel = panel;
    this.pipeline = pipeline;
    this.loop = loop;
    this.events = events;
    this.camera = new Camera(async () => {
      await this.#stillFromWebcam();
      panel.showError('The webcam was unplugged or switched off.');
    });
  }

  /**
   * Shows what `read` gives, unless something else was opened in the meantime.
   *
   * @param {() => Promise<Source | null>} read
   */
  async open(read) {
    const opening = ++this.#opening;
    this.events.onOpening();
    let source = null;
    try {
      source = await read();
    } catch (error) {
      if (opening === this.#opening) this.#keep(sentence(error));
      return;
    }
    if (opening !== this.#opening || !source) return release(source);
    if (this.#webcam !== 'off') this.#leaveWebcam();
    this.#show(source);
  }

  /** @param {Source} source */
  #show(source) {
    const previous = this.pipeline.source;
    this.pipeline.source = source;
    if (previous !== source) release(previous);
    this.panel.showError('');
    this.events.onShown(source);
  }

  /** What was asked for is not shown. @param {string} reason  '' where a person changed their mind */
  #keep(reason) {
    this.panel.mark(this.pipeline.source); // or the photograph asked for could not be chosen again
    this.panel.showError(reason);
    this.events.onKept();
  }

  /** The button that starts the webcam, cancels its start, and stops it. */
  async toggleWebcam() {
    if (this.#webcam === 'on') return this.#stillFromWebcam();
    if (this.#webcam === 'starting') {
      this.camera.stop();
      this.#setWebcam('off');
      return this.#keep('');
    }
    this.#opening++; // what is still being opened is wanted no longer
    this.events.onOpening();
    this.#setWebcam('starting');
    this.panel.showError('');
    try {
      const source = await this.camera.start();
      if (!source) return;
      this.#setWebcam('on');
      this.#show(source);
      this.loop.follow(/** @type {HTMLVideoElement} */ (source.image));
    } catch (error) {
      this.#setWebcam('off');
      this.#keep(cameraSentence(error));
    }
  }

  /** Stops the webcam and keeps its last picture. */
  async #stillFromWebcam() {
    const { source } = this.pipeline;
    if (!(source?.image instanceof HTMLVideoElement)) return;
    const still = await stillOf(source.image).catch(() => null); // null where the device has gone
    if (this.pipeline.source !== source) return;
    this.#leaveWebcam();
    if (still) this.#show(still);
  }

  #leaveWebcam() {
    this.camera.stop();
    this.loop.follow(null);
    this.#setWebcam('off');
  }

  /** @param {'off' | 'starting' | 'on'} state */
  #setWebcam(state) {
    this.#webcam = state;
    this.panel.showWebcam(state);
  }
}
