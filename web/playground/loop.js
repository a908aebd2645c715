/** @import { Times } from './pipeline.js' */
import { STAGE } from './pipeline.js';

/** The number of frames that run after a change, because engines optimise code while it runs. */
const SETTLE = 16;
/** The times shown are medians of this many frames. */
const WINDOW = 9;

/** @typedef {{ times: Times, fps: number | null, live: boolean }} Report  times are medians; fps is null until known */

/**
 * Runs frames: a few after each change, one for each frame of a video, or frames without pause.
 */
export class Loop {
  /** @type {HTMLVideoElement | null} */
  #video = null;
  #videoFrame = false;
  #continuous = false;
  #pending = STAGE.none;
  #repeat = STAGE.none;
  #settling = 0;
  #scheduled = false;
  /** @type {Record<string, number[]>} */
  #history = {};
  /** @type {number[]} the times at which the frames of the last second ran */
  #frames = [];

  /**
   * @param {(first: number, more: boolean) => Times | null} frame  runs and draws a frame from stage `first` on; `more`
   *   says if other frames follow; returns null if the frame failed
   * @param {(report: Report) => void} report
   */
  constructor(frame, report) {
    this.frame = frame;
    this.report = report;
    document.addEventListener('visibilitychange', () => this.#schedule());
  }

  get live() {
    return this.#video !== null || this.#continuous;
  }

  /** True if no frame is left to run. */
  get resting() {
    return !this.live && this.#settling === 0 && this.#pending === STAGE.none;
  }

  /** Asks for frames. @param {number} first  the first STAGE that a change affects */
  request(first) {
    this.#pending = Math.min(this.#pending, first);
    if (first < STAGE.drawing) {
      this.#repeat = Math.min(first, this.#settling > 0 ? this.#repeat : STAGE.none);
      this.#settling = SETTLE;
      this.#history = {};
    }
    this.#schedule();
  }

  /** Follows a video frame by frame; null ends that. @param {HTMLVideoElement | null} video */
  follow(video) {
    this.#video = video;
    this.#frames = [];
    this.#history = {};
    if (video) this.#watch(video);
    this.request(STAGE.pixels);
  }

  /** Switches frames without pause on or off. @param {boolean} on */
  setContinuous(on) {
    this.#continuous = on;
    this.#frames = [];
    this.request(STAGE.pixels);
  }

  /** @param {HTMLVideoElement} video */
  #watch(video) {
    if (!('requestVideoFrameCallback' in video)) return;
    video.requestVideoFrameCallback(() => {
      if (this.#video !== video) return;
      this.#videoFrame = true;
      this.#watch(video);
    });
  }

  #schedule() {
    if (this.#scheduled || this.resting || document.hidden) return;
    this.#scheduled = true;
    requestAnimationFrame((now) => {
      this.#scheduled = false;
      this.#tick(now);
      this.#schedule();
    });
  }

  /** @param {number} now */
  #tick(now) {
    const first = this.#next();
    if (first === STAGE.none) return;
    const times = this.frame(first, !this.resting);
    if (!times) {
      this.#settling = 0;
      return;
    }
    this.#record(times);
    this.#frames.push(now);
    while (now - this.#frames[0] > 1000) this.#frames.shift();
    this.report({ times: this.#medians(), fps: this.#rate(), live: this.live });
  }

  /** Returns the first stage that this tick runs. */
  #next() {
    let first = this.#pending;
    this.#pending = STAGE.none;
    if (this.#settling > 0) {
      this.#settling--;
      first = Math.min(first, this.#repeat);
    }
    if (this.#continuous) first = STAGE.pixels;
    if (this.#video && (this.#videoFrame || !('requestVideoFrameCallback' in this.#video))) first = STAGE.pixels;
    this.#videoFrame = false;
    return first;
  }

  /** @param {Times} times */
  #record(times) {
    for (const [stage, time] of Object.entries(times)) {
      const history = (this.#history[stage] ??= []);
      history.push(time);
      if (history.length > WINDOW) history.shift();
    }
  }

  /** @returns {Times} */
  #medians() {
    return Object.fromEntries(
      Object.entries(this.#history).map(([stage, times]) => {
        const sorted = [...times].sort((a, b) => a - b);
        return [stage, sorted[sorted.length >> 1]];
      }),
    );
  }

  /** Returns the frames per second over the last second of a live run, or null. */
  #rate() {
    const count = this.#frames.length;
    if (!this.live || count < 5) return null;
    return ((count - 1) * 1000) / (this.#frames[count - 1] - this.#frames[0]);
  }
}
