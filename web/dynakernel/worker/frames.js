/** Frames of a video, a camera or a canvas, one after the other, without a queue. */
import { guarded } from '../boundary.js';
import { readOptions } from '../check.js';
import { DynakernelError, given, messageOf } from '../errors.js';
import { className } from '../numbers.js';

/** @import { Platform } from '../platform.js' */

/** @typedef {import('../load.js').LoadOptions} LoadOptions */

/**
 * A source of frames: a video element, a camera's track, or a canvas.
 *
 * @typedef {Platform<'HTMLVideoElement'> | Platform<'MediaStreamTrack'> | Platform<'HTMLCanvasElement'>} FrameSource
 */

/** @typedef {Platform<'VideoFrame'> | Platform<'ImageBitmap'>} Frame */

/**
 * @typedef {object} FrameOptions
 * @property {LoadOptions['signal']} [signal] ends the loop
 */

/**
 * Waits for one frame at a time.
 *
 * @typedef {object} Grabber
 * @property {() => Promise<VideoFrame | ImageBitmap | null>} next the newest frame that was not returned yet; null at
 *   the end
 * @property {() => void} close ends a pending next() too
 */

/**
 * The frames of a source, for a loop. While the loop's body is busy, frames are dropped: it always gets the newest one,
 * and none is queued. A frame is closed when the body ends, if no call has moved it to a worker. The loop ends with the
 * source: a track that ended, a video that is over. `break` ends it too.
 *
 * A camera's track is read by MediaStreamTrackProcessor, or by a hidden video in browsers without it (Firefox, Safari).
 * A video is read as its frames are shown. Frames are VideoFrames, or ImageBitmaps in browsers without VideoFrame and for
 * canvases.
 *
 * @param {FrameSource} source
 * @param {FrameOptions} [options]
 * @returns {AsyncGenerator<Frame, void, undefined>}
 * @throws {DynakernelError} ERR_IMAGE if the source cannot be read; ERR_CONFIG
 * @example
 * const stream = await navigator.mediaDevices.getUserMedia({ video: true });
 * const [track] = stream.getVideoTracks();
 * for await (const frame of frames(track)) {
 *   await Promise.all([dk.fromImage(frame, { out: x }), net.forward(x, { out: y }), y.drawMap(canvas)]);
 * }
 */
export function frames(source, options) {
  return guarded('frames', () => {
    const { signal } = readOptions(options, 'frames', ['signal']);
    const kind = className(source);
    const make = GRABBERS[kind];
    if (!make) {
      throw new DynakernelError('ERR_CONFIG', 'frames takes a video element, a MediaStreamTrack or a canvas; got ' +
        `${given(source)}${kind === 'MediaStream' ? ": pass one of its getVideoTracks()" : ''}`);
    }
    if (kind === 'MediaStreamTrack' && /** @type {any} */ (source).kind !== 'video') {
      throw new DynakernelError('ERR_CONFIG', 'frames takes a track of video; got one of audio');
    }
    return loop(() => make(source), signal);
  });
}

/**
 * @param {() => Grabber | Promise<Grabber>} make
 * @param {AbortSignal | undefined} signal
 */
async function* loop(make, signal) {
  const grabber = await attempt(make);
  const stop = () => grabber.close(); // ends next()
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  try {
    for (;;) {
      const frame = await attempt(() => grabber.next());
      if (!frame) return;
      try {
        yield frame;
      } finally {
        frame.close();
      }
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    grabber.close();
  }
}

/**
 * @template Result
 * @param {() => Result | Promise<Result>} work of the platform
 * @returns {Promise<Result>}
 */
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    throw new DynakernelError('ERR_IMAGE', `the source of frames cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** By the class of the source.
 * @type {{ readonly [kind: string]: (source: any) => Grabber | Promise<Grabber> }} */
const GRABBERS = {
  MediaStreamTrack: (track) => ('MediaStreamTrackProcessor' in globalThis ? ofTrack(track) : ofHiddenVideo(track)),
  CanvasCaptureMediaStreamTrack: (track) => GRABBERS.MediaStreamTrack(track),
  HTMLVideoElement: (video) => ofVideo(video),
  HTMLCanvasElement: (canvas) => ofCanvas(canvas),
};

/** @param {MediaStreamTrack} track */
function ofTrack(track) {
  // a buffer of one frame: a newer frame replaces it
  const processor = new (/** @type {any} */ (globalThis).MediaStreamTrackProcessor)({ track, maxBufferSize: 1 });
  const reader = processor.readable.getReader();
  return {
    next: async () => (await reader.read()).value ?? null,
    close: () => void reader.cancel().catch(() => {}),
  };
}

/** @param {MediaStreamTrack} track */
async function ofHiddenVideo(track) {
  const video = document.createElement('video');
  Object.assign(video, { srcObject: new MediaStream([track]), muted: true, playsInline: true });
  const grabber = ofVideo(video);
  await video.play();
  return { ...grabber, close: () => { grabber.close(); video.srcObject = null; } };
}

/** @param {HTMLVideoElement} video */
function ofVideo(video) {
  const grab = () => (typeof VideoFrame === 'function' ? new VideoFrame(video) : createImageBitmap(video));
  const hasCallback = typeof video.requestVideoFrameCallback === 'function';
  const [ask, cancel] = hasCallback
    ? [(/** @type {() => void} */ shown) => video.requestVideoFrameCallback(shown),
      (/** @type {number} */ id) => video.cancelVideoFrameCallback(id)]
    : [requestAnimationFrame, cancelAnimationFrame];
  // a repaint does not tell whether the video shows another frame
  let last = -1;
  const isNew = () => hasCallback || (video.currentTime !== last && ((last = video.currentTime), true));
  const isReady = () => video.readyState >= 2 && isNew(); // HAVE_CURRENT_DATA
  const [track] = /** @type {MediaStream | null} */ (video.srcObject)?.getVideoTracks() ?? [];
  return newest(ask, cancel, isReady, grab, [[video, 'ended'], ...track ? [/** @type {const} */ ([track, 'ended'])] : []]);
}

/** @param {HTMLCanvasElement} canvas */
const ofCanvas = (canvas) =>
  newest(requestAnimationFrame, cancelAnimationFrame, () => true, () => createImageBitmap(canvas), []);

/**
 * Grabs the frame that a source shows, once for each frame that it has shown.
 *
 * @param {(shown: () => void) => number} ask for a call when the next frame is shown
 * @param {(id: number) => void} cancel
 * @param {() => boolean} isNew whether that is another frame than before
 * @param {() => VideoFrame | Promise<ImageBitmap>} grab
 * @param {(readonly [EventTarget, string])[]} ends events that end the source
 * @returns {Grabber}
 */
function newest(ask, cancel, isNew, grab, ends) {
  let isFresh = false, isOver = false;
  /** @type {(() => void) | null} */
  let wake = null;
  const awake = () => {
    wake?.();
    wake = null;
  };
  const shown = () => {
    if (isNew()) {
      isFresh = true;
      awake();
    }
    if (!isOver) id = ask(shown);
  };
  let id = ask(shown);
  const close = () => {
    isOver = true;
    cancel(id);
    for (const [target, event] of ends) target.removeEventListener(event, close);
    awake();
  };
  for (const [target, event] of ends) target.addEventListener(event, close);
  return {
    async next() {
      if (!isFresh && !isOver) await new Promise((/** @type {(value: void) => void} */ resolve) => { wake = resolve; });
      if (isOver) return null;
      isFresh = false;
      return grab();
    },
    close,
  };
}
