/** @import { About } from './types.js' */
/** @import { Pace } from './pace.js' */
import { byId, setText } from '../shared/dom.js';
import { time } from '../shared/format.js';
import { millions } from './layers-panel.js';

/** The name of the network, and its figures. */
export class TotalsPanel {
  #runTime = byId('run-time', HTMLElement);
  #fps = byId('fps', HTMLElement);
  #fpsGroup = byId('fps-group', HTMLElement);
  #dynamic = byId('dynamic-count', HTMLElement);

  /** Shows another network. @param {About} about */
  open({ title, summary, layers, inputs, making }) {
    setText(byId('title', HTMLElement), title);
    setText(byId('summary', HTMLElement), summary);
    setText(byId('layer-count', HTMLElement), String(layers.length));
    setText(byId('work', HTMLElement), `${millions(layers.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0))} M`);
    setText(byId('input-size', HTMLElement), Object.values(inputs).map((shape) => shape.join(' × ')).join(', '));
    setText(byId('made-in', HTMLElement), time(making));
    for (const figure of [this.#runTime, this.#fps, this.#dynamic]) setText(figure, '–');
  }

  /**
   * Shows the figures of the latest runs.
   *
   * @param {Pace} pace
   * @param {number} dynamic how many layers are dynamic
   * @param {boolean} isLive
   */
  show(pace, dynamic, isLive) {
    setText(this.#runTime, pace.median === null ? '–' : time(pace.median));
    if (this.#fpsGroup.hidden === isLive) this.#fpsGroup.hidden = !isLive;
    setText(this.#fps, isLive && pace.rate !== null ? pace.rate.toFixed(0) : '–');
    setText(this.#dynamic, String(dynamic));
  }
}
