/** @import { Source, Normalisation } from './types.js' */
import { byId, element, setText, showError } from './dom.js';
import { listenForChoice } from './files.js';
import { NORMALISATIONS } from './normalisation.js';
import { PHOTOS, photoOf, smallAddress } from './photos.js';

/** @import { Photo } from './photos.js' */

/**
 * @typedef {object} SourceEvents
 * @property {(photo: Photo) => void} onPhoto
 * @property {(files: File[]) => void} onFiles
 * @property {() => void} onWebcam  a press of the button that starts and stops the webcam
 * @property {(normalisation: Normalisation) => void} onNormalisation
 */

/** The choice of the picture and its normalisation. */
export class SourcePanel {
  canvas = byId('input-canvas', HTMLCanvasElement);
  #caption = byId('input-caption', HTMLElement);
  #photos = byId('photos', HTMLElement);
  #webcam = byId('webcam', HTMLButtonElement);
  #error = byId('source-error', HTMLElement);
  #normalisation = byId('normalisation', HTMLSelectElement);
  /** The options of #normalisation. */
  #normalisations = NORMALISATIONS;

  /** @param {SourceEvents} events */
  constructor(events) {
    this.#photos.replaceChildren(
      ...PHOTOS.map((photo) =>
        element(
          'label',
          { title: photo.alt },
          element('input', { type: 'radio', name: 'photo', value: photo.file, class: 'visually-hidden' }),
          element('img', { src: smallAddress(photo), alt: '', width: 64, height: 48, fetchpriority: 'low' }),
          element('span', {}, photo.name),
        ),
      ),
    );
    this.#photos.addEventListener('change', (event) => {
      const photo = PHOTOS.find(({ file }) => event.target instanceof HTMLInputElement && event.target.value === file);
      if (photo) events.onPhoto(photo);
    });
    listenForChoice('image-file', events.onFiles);
    this.#webcam.addEventListener('click', events.onWebcam);
    this.#normalisation.addEventListener('change', () =>
      events.onNormalisation(this.#normalisations[this.#normalisation.selectedIndex]),
    );
  }

  /**
   * Shows the normalisation. If it came with a file, the page offers it beside the usual ones.
   *
   * @param {Normalisation} normalisation
   */
  setNormalisation(normalisation) {
    this.#normalisations = [...new Set([...NORMALISATIONS, normalisation])];
    this.#normalisation.replaceChildren(
      ...this.#normalisations.map(({ title }, i) => element('option', { value: i }, title)),
    );
    this.#normalisation.selectedIndex = this.#normalisations.indexOf(normalisation);
  }

  /**
   * Describes the picture in its caption.
   *
   * @param {Source} source
   * @param {{ width: number, height: number }} size  the size of the input
   * @param {number} channels
   */
  describe(source, { width, height }, channels) {
    const resized = width !== source.width || height !== source.height;
    const original = resized ? ` of ${source.width} × ${source.height}` : '';
    const text = `${source.name}, ${width} × ${height}${original}${channels === 1 ? ', luma' : ''}`;
    setText(this.#caption, text);
    if (this.canvas.getAttribute('aria-label') !== text) this.canvas.setAttribute('aria-label', text);
    this.mark(source);
  }

  /**
   * Checks the radio button of the photograph that the source is; none if it is no photograph.
   *
   * @param {Source | null} source
   */
  mark(source) {
    const photo = source && photoOf(source);
    for (const input of this.#photos.querySelectorAll('input')) input.checked = input.value === photo?.file;
  }

  /** @param {'off' | 'starting' | 'on'} state */
  showWebcam(state) {
    setText(this.#webcam, { off: 'Start webcam', starting: 'Starting… Cancel', on: 'Stop webcam' }[state]);
  }

  /** @param {string} message */
  showError(message) {
    showError(this.#error, message);
  }
}
