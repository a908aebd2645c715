/** @import { Runtime } from '../dynakernel/index.js' */
/** @import { Report } from './loop.js' */
import { byId, setText } from '../shared/dom.js';
import { buildText, bytes, time } from '../shared/format.js';

const STAGES = /** @type {const} */ (['pixels', 'attention', 'convolution', 'drawing']);

/** The time of each stage, beside the stage and as a bar; frames per second; memory; the library's build. */
export class PerformancePanel {
  #cells = STAGES.map((stage) => byId(`ms-${stage}`, HTMLElement));
  #parts = [...byId('budget', HTMLElement).children].map((part) => /** @type {HTMLElement} */ (part));
  #total = byId('ms-total', HTMLElement);
  #fps = byId('fps', HTMLElement);
  #fpsLabel = byId('fps-label', HTMLElement);
  #heap = byId('heap', HTMLElement);

  /** @param {Runtime} dk */
  constructor(dk) {
    this.dk = dk;
    setText(byId('build', HTMLElement), buildText(dk.info));
  }

  /** @param {Report} report */
  show({ times, fps, live }) {
    let total = 0;
    STAGES.forEach((stage, i) => {
      const milliseconds = times[stage] ?? 0;
      total += milliseconds;
      if (times[stage] !== undefined) setText(this.#cells[i], time(milliseconds));
      this.#parts[i].style.flexGrow = String(milliseconds);
    });
    setText(this.#total, time(total));
    setText(this.#fpsLabel, live ? 'Frames per second' : 'Frames per second, at best');
    if (!live) setText(this.#fps, total > 0 ? Math.min(9999, 1000 / total).toFixed(0) : '–');
    else setText(this.#fps, fps === null ? '…' : fps.toFixed(0));
    this.#heap.dataset.bytes = String(this.dk.info.heapBytes);
    setText(this.#heap, bytes(this.dk.info.heapBytes));
  }
}
