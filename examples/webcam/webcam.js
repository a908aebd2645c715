// Runs a block on each frame of a webcam, in a worker, and draws its maps. Frames that come while the worker is busy are
// dropped. Without a webcam, a moving picture stands in for it.
//
// Serve the repository with any web server, and open /examples/webcam/.
import { DynakernelError, frames, loadInWorker } from 'dynakernel/worker';

const [width, height] = [320, 240];
const element = (id) => document.getElementById(id);
const canvas = element('maps');
const say = (text) => { element('status').textContent = text; };

// What stays: the runtime, the block and its tensors, for all starts.
const dk = await loadInWorker();
const block = await dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 4, kernelSize: 5, padding: 2, seed: 3 });
const x = await dk.zeros([1, 3, height, width]);
const y = await dk.zeros([1, 4, height, width]);
say('Ready');

let controller;
element('start').onclick = async () => {
  controller = new AbortController();
  setRunning(true);
  const { track, name } = await openCamera();
  const { signal } = controller;
  let count = 0;
  const begin = performance.now();
  try {
    for await (const frame of frames(track, { signal })) {
      performance.mark('frame');
      const steps = [ // three messages; the worker keeps their order
        dk.fromImage(frame, { out: x, width, height, mean: 0.5, std: 0.5 }),
        block.forward(x, { out: y }),
        y.drawMaps(canvas, { columns: 2, colormap: 'coolwarm' }),
      ];
      performance.measure('frame on the page', 'frame');
      await Promise.all(steps);
      count++;
      say(`${name}: ${Math.round(count / (performance.now() - begin) * 1000)} frames per second`);
      document.documentElement.dataset.frames = String(count);
    }
  } catch (error) {
    if (!(error instanceof DynakernelError)) throw error;
    say(error.message);
  } finally {
    track.stop();
    setRunning(false);
  }
};
element('stop').onclick = () => controller.abort();

function setRunning(isRunning) {
  element('start').disabled = isRunning;
  element('stop').disabled = !isRunning;
}

/** The webcam's track, or that of a moving picture. */
async function openCamera() {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width, height } });
    return { track: stream.getVideoTracks()[0], name: 'Webcam' };
  } catch {
    return { track: movingPicture(), name: 'No webcam, a moving picture' };
  }
}

function movingPicture() {
  const picture = Object.assign(document.createElement('canvas'), { width, height });
  const context = picture.getContext('2d');
  const [track] = picture.captureStream(30).getVideoTracks();
  (function paint(time = 0) {
    context.fillStyle = '#204080';
    context.fillRect(0, 0, width, height);
    context.fillStyle = '#f0d020';
    context.fillRect((time / 10) % width, 80, 60, 60);
    if (track.readyState === 'live') requestAnimationFrame(paint);
  })();
  return track;
}
