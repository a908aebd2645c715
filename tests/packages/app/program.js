// The program that every tool bundles and every engine runs: it runs a block on numbers and on pictures, draws the maps,
// and runs a network of the entry dynakernel/dite-hrnet.

export const WIDTH = 72;
export const HEIGHT = 64;
const CELL = 8;

/** The picture: squares of one colour each. Every canvas holds exactly these bytes. */
const colour = (column, row) => [(column * 29) % 256, (row * 31) % 256, (column * row * 7) % 256];

/** Paints the picture on a canvas. */
export function paint(canvas) {
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  for (let row = 0; row < HEIGHT / CELL; row++) {
    for (let column = 0; column < WIDTH / CELL; column++) {
      context.fillStyle = `rgb(${colour(column, row).join()})`;
      context.fillRect(column * CELL, row * CELL, CELL, CELL);
    }
  }
  return canvas;
}

/** The same picture as bytes, for engines without a canvas. */
export function pixels() {
  const data = new Uint8ClampedArray(WIDTH * HEIGHT * 4);
  for (let i = 0; i < WIDTH * HEIGHT; i++) {
    data.set([...colour(Math.floor((i % WIDTH) / CELL), Math.floor(i / WIDTH / CELL)), 255], i * 4);
  }
  return { data, width: WIDTH, height: HEIGHT };
}

/**
 * Runs the block and returns a description of the results that JSON can hold.
 *
 * @param {{ load: Function, diteHRNet: Function, options?: object, pictures?: object[], target?: object }} host
 *   options are load()'s; pictures are canvases to read; target is the canvas for the maps, if there is one
 */
export async function program({ load, diteHRNet, options, pictures = [pixels()], target }) {
  try {
    const dk = await (options ? load(options) : load());
    const { simd, threads, threadsReason: reason } = dk.info;
    const block = dk.dynamicKernelAggregation({
      inChannels: 3, outChannels: 8, kernelSize: 3, padding: 1, numKernels: 4, seed: 1,
    });

    const numbers = Float32Array.from({ length: 3 * WIDTH * HEIGHT }, (_, i) => ((i * 37) % 101) / 50 - 1);
    const sums = { tensor: sum(block.forward(dk.tensor(numbers, [1, 3, HEIGHT, WIDTH])).toArray()) };
    let maps;
    pictures.forEach((picture, index) => {
      maps = block.forward(dk.fromImage(picture));
      sums[`picture ${index}`] = sum(maps.toArray());
    });
    sums.drawn = target ? drawnOn(target, maps) : drawnInMemory(maps);
    const pose = diteHRNet(dk, { depth: 18, joints: 2, height: 32, width: 32, seed: 1 });
    sums.pose = sum(pose.forward(dk.fromImage(pictures[0], { width: 32, height: 32 })).toArray());

    dk.dispose();
    return { simd, threads, reason, sums };
  } catch (error) {
    return { error: { name: error?.name, code: error?.code, message: String(error?.message ?? error) } };
  }
}

const VIEW = { colormap: 'gray', range: [-1, 1] };

function drawnOn(canvas, maps) {
  maps.drawMaps(canvas, { ...VIEW, columns: 4, gap: 0 });
  const { width, height } = canvas;
  // Reads a copy: Chromium prints a warning if a page reads a canvas of its own several times.
  const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  return sum(copy.getImageData(0, 0, width, height).data);
}

function drawnInMemory(maps) {
  const channels = Array.from({ length: maps.shape[1] }, (_, channel) => channel);
  return sum(channels.map((channel) => sum(maps.toImageData({ ...VIEW, channel }).data)));
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
