/** @import { Source } from '../shared/types.js' */

/** The webcam as a video element that plays outside of the document. */
export class Camera {
  /** @type {MediaStream | null} */
  #stream = null;
  #attempt = 0;

  /** @param {() => void} onEnded  the device went away by itself */
  constructor(onEnded) {
    this.onEnded = onEnded;
  }

  /**
   * Asks for the webcam. Rejects with a DOMException, or resolves to null where stop() came first.
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
   * @param {MediaStream} stream
   * @param {HTMLVideoElement} video  which plays it
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

  /** Switches the webcam off; also one that is still starting. */
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
