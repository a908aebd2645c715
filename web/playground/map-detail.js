/** @import { Runtime, Tensor } from '../dynakernel/index.js' */
/** @import { Model } from './model.js' */
/** @import { View } from './types.js' */
import { byId, copyCanvas, setText } from '../shared/dom.js';
import { number } from '../shared/format.js';
import { figures } from './maps-panel.js';

/** Stage 4, lower part: the map in view, enlarged, with its colour bar and figures. */
export class MapDetail {
  #canvas = byId('map-detail', HTMLCanvasElement);
  #title = byId('detail-title', HTMLElement);
  #bar = byId('colour-bar', HTMLCanvasElement);
  #barLow = byId('bar-low', HTMLElement);
  #barHigh = byId('bar-high', HTMLElement);
  #low = byId('detail-low', HTMLElement);
  #high = byId('detail-high', HTMLElement);
  #mean = byId('detail-mean', HTMLElement);
  #size = byId('detail-size', HTMLElement);
  #pointer = byId('detail-pointer', HTMLElement);
  #barColormap = '';
  /** @type {Tensor} [1, 1, 1, 256], from 0 to 1 */
  #ramp;
  /** @type {{ x: number, y: number } | null} the pointer's position, from 0 to 1 across the canvas */
  #position = null;
  /** @type {() => void} */
  #readPointer = () => {};

  /** @param {Runtime} dk */
  constructor(dk) {
    this.#ramp = dk.tensor(
      Float32Array.from({ length: 256 }, (_, i) => i / 255),
      [1, 1, 1, 256],
    );
    this.#canvas.addEventListener('pointermove', (event) => {
      this.#position = { x: event.offsetX / this.#canvas.clientWidth, y: event.offsetY / this.#canvas.clientHeight };
      this.#readPointer();
    });
    this.#canvas.addEventListener('pointerleave', () => {
      this.#position = null;
      this.#readPointer();
    });
  }

  /**
   * Draws the map and its colour bar.
   *
   * @param {Model} model
   * @param {{ canvas: HTMLCanvasElement, range: [number, number] }} map  the grid's canvas of this channel, and the
   *   values at the ends of its colours
   * @param {Tensor} y
   * @param {View} view
   */
  draw(model, map, y, view) {
    copyCanvas(map.canvas, this.#canvas);
    setText(this.#barLow, number(map.range[0]));
    setText(this.#barHigh, number(map.range[1]));
    if (this.#barColormap !== view.colormap) {
      this.#barColormap = view.colormap;
      this.#ramp.drawMap(this.#bar, { colormap: view.colormap, range: [0, 1] });
    }
    const name = model.channelName(view.channel);
    setText(this.#title, `Channel ${view.channel}${name ? ` · ${name}` : ''}`);
    this.#readPointer = () =>
      setText(this.#pointer, this.#position && !y.disposed ? valueAt(y, view.channel, this.#position) : '–');
    this.#readPointer();
  }

  /**
   * Writes the map's size and its least, greatest and mean value.
   *
   * @param {Model} model
   * @param {Tensor} y
   * @param {View} view
   */
  showFigures(model, y, view) {
    const { low, high, mean } = figures(y, view.channel);
    const [, , height, width] = y.shape;
    setText(this.#low, number(low));
    setText(this.#high, number(high));
    setText(this.#mean, number(mean));
    setText(this.#size, `${width} × ${height}`);
    const name = `Channel ${view.channel} ${model.channelName(view.channel)}`.trim();
    const label = `${name}, ${width} × ${height}, values from ${number(low)} to ${number(high)}`;
    if (this.#canvas.getAttribute('aria-label') !== label) this.#canvas.setAttribute('aria-label', label);
  }
}

/**
 * Returns the value under the pointer and its place, as text.
 *
 * @param {Tensor} y
 * @param {number} channel
 * @param {{ x: number, y: number }} position
 */
function valueAt(y, channel, position) {
  const [, , height, width] = y.shape;
  const column = Math.min(width - 1, Math.max(0, Math.floor(position.x * width)));
  const row = Math.min(height - 1, Math.max(0, Math.floor(position.y * height)));
  return `${number(y.data[(channel * height + row) * width + column])} at ${column}, ${row}`;
}
