/** @import { Source } from './types.js' */
/** @import { SourcePanel } from './source-panel.js' */
import { sentence } from './errors.js';
import { release, stillOf } from './sources.js';
import { Camera, cameraSentence } from './camera.js';

/** What shows the source of the pictures. @typedef {{ source: Source | null }} Viewer */

/**
 * What follows a video frame by frame; null ends that.
 *
 * @typedef {{ follow: (video: HTMLVideoElement | null) => void }} Follower
 */

/**
 * @typedef {object} SourceControlEvents
 * @property {() => void} onOpening  the page begins to open another source
 * @property {(source: Source) => void} onShown  the new source is shown
 * @property {() => void} onKept  the new source could not be opened; the old source stays
 */

/** Opens the pictures that a person asks for, and the webcam. The latest request wins. */
export class SourceControl {
  #opening = 0;
  /** @type {'off' | 'starting' | 'on'} */
  #webcam = 'off';

  /**
   * @param {SourcePanel} panel
   * @param {Viewer} viewer  receives the source
   * @param {Follower} loop
   * @param {SourceControlEvents} events
   */
  constructor(panel, viewer, loop, events) {
    this.panel = panel;
    this.viewer = viewer;
    this.loop = loop;
    this.events = events;
    this.camera = new Camera(async () => {
      await this.#stillFromWebcam();
      panel.showError('The webcam was unplugged or switched off.');
    });
  }

  /**
   * Shows the source that `read` resolves to, unless a person opened another meanwhile.
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
    const previous = this.viewer.source;
    this.viewer.source = source;
    if (previous !== source) release(previous);
    this.panel.showError('');
    this.events.onShown(source);
  }

  /** Keeps the old source after a failure. @param {string} reason  a sentence; '' if the person cancelled */
  #keep(reason) {
    this.panel.mark(this.viewer.source); // so that the person can choose the failed photograph again
    this.panel.showError(reason);
    this.events.onKept();
  }

  /** Starts the webcam, cancels its start, or stops it: a press of its button. */
  async toggleWebcam() {
    if (this.#webcam === 'on') return this.#stillFromWebcam();
    if (this.#webcam === 'starting') {
      this.camera.stop();
      this.#setWebcam('off');
      return this.#keep('');
    }
    this.#opening++; // cancels a picture that is still being opened
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
    const { source } = this.viewer;
    if (!(source?.image instanceof HTMLVideoElement)) return;
    const still = await stillOf(source.image).catch(() => null); // null if the device has gone
    if (this.viewer.source !== source) return;
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
