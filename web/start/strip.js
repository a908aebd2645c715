/** @import { Runtime } from '../dynakernel/index.js' */
/** @import { Photo } from '../shared/photos.js' */
/** @import { Source } from '../shared/types.js' */
import { byId, element, setText } from '../shared/dom.js';
import { buildText, weight } from '../shared/format.js';
import { PHOTOS } from '../shared/photos.js';
import { openPhoto } from '../shared/sources.js';
import { drawKernel } from '../playground/kernel-art.js';
import { Model } from '../playground/model.js';
import { Pipeline, STAGE } from '../playground/pipeline.js';
import { PRESETS } from '../playground/presets.js';
import { mapOptions } from '../playground/ranges.js';

/** The longest side of the pictures in pixels. */
const SIDE = 320;

/** Photographs that differ most in colour. */
const SHOWN = ['rocket', 'coffee', 'chelsea'];

/** @type {import('../playground/types.js').View} */
const VIEW = { channel: 0, kernels: 'colour', colormap: 'coolwarm', range: 'robust' };

/** One block over several photographs: what it sees, the kernel that it mixes, and the map that comes out. */
export class Strip {
  #list = byId('strip', HTMLOListElement);
  #time = byId('strip-time', HTMLElement);

  /** @param {Runtime} dk */
  constructor(dk) {
    this.pipeline = new Pipeline(dk);
    this.pipeline.size = SIDE;
    this.pipeline.model = new Model(dk, PRESETS[0]);
    setText(byId('build', HTMLElement), buildText(dk.info));
  }

  /** Computes and draws all photographs, in the rows that the page has for them. */
  async show() {
    const photos = PHOTOS.filter(({ id }) => SHOWN.includes(id)).sort((a, b) => SHOWN.indexOf(a.id) - SHOWN.indexOf(b.id));
    const rows = [...this.#list.children];
    const sources = await Promise.all(photos.map((photo) => openPhoto(photo)));
    sources.forEach((source, i) => {
      this.#run(source);
      this.#draw(/** @type {HTMLElement} */ (rows[i]), photos[i]);
    });
    // The first pass is slower than those that follow.
    const spent = sources.map((source) => this.#run(source)).reduce((sum, time) => sum + time, 0);
    setText(this.#time, `${sources.length} pictures in ${spent.toFixed(1)} ms on this device`);
  }

  /**
   * Runs the block over a picture.
   *
   * @param {Source} source
   * @returns {number} milliseconds
   */
  #run(source) {
    this.pipeline.source = source;
    const begin = performance.now();
    this.pipeline.run(STAGE.pixels);
    return performance.now() - begin;
  }

  /**
   * @param {HTMLElement} row
   * @param {Photo} photo
   */
  #draw(row, { id, name, alt }) {
    const { model, picture, a, y } = this.pipeline;
    if (!model || !picture || !a || !y) return;
    const [seen, drawn] = row.querySelectorAll('canvas');
    const kernel = /** @type {HTMLElement} */ (row.querySelector('.mixed'));
    picture.drawMap(seen, { channel: 'rgb', range: [0, 1] });
    seen.setAttribute('aria-label', alt);
    model.mix(a);
    drawKernel(kernel, model, {
      tensor: model.mixed, n: VIEW.channel, view: VIEW.kernels, channel: VIEW.channel, title: 'Mixed kernel',
    });
    y.drawMap(drawn, mapOptions(y, VIEW.channel, VIEW));
    drawn.setAttribute('aria-label', `The map of ${name}`);
    const weights = a.toArray();
    const most = weights.indexOf(Math.max(...weights));
    const bars = /** @type {HTMLElement} */ (row.querySelector('.bars'));
    bars.replaceChildren(...Array.from(weights, (value) => {
      const bar = element('i');
      bar.style.setProperty('--weight', weight(value));
      return bar;
    }));
    setText(/** @type {HTMLElement} */ (row.querySelector('figcaption')), `mostly ${model.kernelName(most)}`);
    const link = /** @type {HTMLAnchorElement} */ (row.querySelector('a'));
    link.href = `playground.html?picture=${id}`;
  }
}
