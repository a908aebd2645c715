/** Runs in a page: times frames like the playground's, from the pixels of one canvas to eight maps on another. */
import { loadPeers } from './peers/browser.js';
import { load } from '../web/dynakernel/index.js';
import { median, timeInTurn } from '../web/bench/timing.js';
import { blockOptions, makeNumbers, readWorkload, stateDict } from '../web/bench/workload.js';

const size = 512;
const layer = readWorkload('frame', { cin: 3, cout: 8, k: 3, p: 1, h: size, w: size });

/**
 * @param {{ peers: string[], simd: 'auto' | 'baseline' | 'relaxed', threads: number,
 *   pace: import('../web/bench/timing.js').Pace }} request
 */
export async function measureFrames({ peers, simd, threads, pace }) {
  const numbers = makeNumbers(layer);
  const dk = await load({ simd, threads });
  const block = dk.dynamicKernelAggregation(blockOptions(layer));
  block.loadStateDict(stateDict(numbers.state));
  const picture = await movingPicture();
  const maps = document.createElement('canvas');
  document.body.append(picture.canvas, maps);

  /** @type {{ [stage: string]: number[] }} */
  const stages = { 'canvas to tensor': [], forward: [], 'maps to canvas': [] };
  /** @type {import('../web/dynakernel/index.js').Tensor | undefined} */
  let x;
  /** @type {typeof x} */
  let y;
  const frame = () => {
    picture.advance(); // not timed, because a video does this by itself
    const times = [performance.now()];
    x = dk.fromImage(picture.canvas, { out: x });
    times.push(performance.now());
    y = block.forward(x, { out: y });
    times.push(performance.now());
    y.drawMaps(maps, { columns: 4, gap: 4 });
    times.push(performance.now());
    Object.values(stages).forEach((samples, i) => samples.push(times[i + 1] - times[i]));
  };

  const engines = await loadPeers(peers, { threads });
  const layers = [];
  for (const engine of engines) {
    const prepared = await engine.prepare(layer, numbers);
    if (prepared) layers.push({ id: engine.id, prepared });
  }
  // The browser must paint after each round. Otherwise its work on the canvases piles up.
  const painted = () => new Promise(requestAnimationFrame);
  const [, ...timings] = await timeInTurn([{ run: frame }, ...layers.map(({ prepared }) => prepared)], pace, painted);
  for (const { prepared } of layers) await prepared.dispose();

  const settled = (/** @type {number[]} */ samples) => samples.slice(samples.length >> 1); // the first half warms up
  const medians = Object.entries(stages).map(([stage, samples]) => ({ stage, ms: median(settled(samples)) }));
  const displayed = await displayRate(frame);
  dk.dispose();
  return {
    frame: medians.reduce((sum, { ms }) => sum + ms, 0),
    stages: Object.fromEntries(medians.map(({ stage, ms }) => [stage, ms])),
    layers: Object.fromEntries(layers.map(({ id }, i) => [id, timings[i]])),
    displayed,
  };
}

/** A canvas with a photograph that moves like a video. */
async function movingPicture() {
  const response = await fetch('/web/photos/astronaut.jpg');
  const photo = await createImageBitmap(await response.blob());
  const canvas = document.createElement('canvas');
  canvas.width = size;
  canvas.height = size;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('this browser gives no 2D context');
  let step = 0;
  return {
    canvas,
    advance() {
      const zoom = 1.1 + 0.1 * Math.sin(step++ / 20);
      context.drawImage(photo, 0, 0, size * zoom, size * zoom);
      context.getImageData(0, 0, 1, 1); // makes the browser draw now instead of at the frame's first read
    },
  };
}

/**
 * Runs a frame at each paint of the browser for three seconds. Returns the frames per second.
 *
 * @param {() => void} frame
 * @returns {Promise<number>}
 */
function displayRate(frame) {
  return new Promise((resolve) => {
    let first = NaN;
    let frames = 0;
    const paint = (/** @type {number} */ now) => {
      if (frames === 0) first = now;
      if (now - first >= 3000) {
        resolve((1000 * frames) / (now - first));
        return;
      }
      frame();
      frames++;
      requestAnimationFrame(paint);
    };
    requestAnimationFrame(paint);
  });
}
