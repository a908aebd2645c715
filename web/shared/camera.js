/** @import { Source } from './types.js' */
import { sentence } from './errors.js';

/** The webcam, as a video element that plays outside the document. */
export class Camera {
  /** @type {MediaStream | null} */
  #stream = null;
  #attempt = 0;

  /** @param {() => void} onEnded  is called when the device goes away by itself */
  constructor(onEnded) {
    this.onEnded = onEnded;
  }

  /**
   * Asks for the webcam. Rejects with a DOMException if it cannot start; resolves to null if stop() was called
   * meanwhile.
   *
   * @returns {Promise<Source | null>}
   */
  async start() {
    const attempt = ++this.#attempt;
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error('A page reaches the webcam only over https or on localhost, in a browser that has getUserMedia.');
    }
    /** @type {MediaStream | null} */
    let stream = null;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 640 }, height: { ideal: 480 } },
        audio: false,
      });
      const video = document.createElement('video');
      video.muted = true;
      video.playsInline = true;
      video.srcObject = stream;
      await video.play();
      if (attempt === this.#attempt) return this.#run(stream, video);
    } catch (error) {
      if (stream) endTracks(stream);
      if (attempt === this.#attempt) throw error;
      return null;
    }
    endTracks(stream);
    return null;
  }

  /**
   * Returns the running webcam as a source.
   *
   * @param {MediaStream} stream
   * @param {HTMLVideoElement} video  plays the stream
   * @returns {Source}
   */
  #run(stream, video) {
    this.#stream = stream;
    for (const track of stream.getTracks()) {
      track.addEventListener('ended', () => {
        if (this.#stream === stream) this.onEnded();
      });
    }
    return {
      kind: 'webcam',
      name: 'Webcam',
      stem: 'webcam',
      byElement: false,
      image: video,
      width: video.videoWidth,
      height: video.videoHeight,
    };
  }

  /** Switches the webcam off, even if it is still starting. */
  stop() {
    this.#attempt++;
    if (this.#stream) endTracks(this.#stream);
    this.#stream = null;
  }
}

/** @param {MediaStream} stream */
function endTracks(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/**
 * The meaning of getUserMedia's refusals, by DOMException name.
 *
 * @type {Record<string, string>}
 */
const CAMERA = {
  NotAllowedError:
    'The browser was not allowed to use the webcam. Allow it in the site’s settings, then start it again.',
  SecurityError: 'The browser does not let this page use the webcam. Allow it in the site’s settings, then try again.',
  NotFoundError: 'No webcam was found. Plug one in, then start it again.',
  NotReadableError: 'The webcam is there but gave no picture; another program may be using it.',
  AbortError: 'The webcam is there but gave no picture; another program may be using it.',
  OverconstrainedError: 'The webcam offers no picture that the page can use.',
};

/** Says for people why the webcam could not start. @param {unknown} error */
export function cameraSentence(error) {
  const name = error instanceof Error ? error.name : '';
  return CAMERA[name] ?? `The webcam could not be started. ${sentence(error)}`;
}
