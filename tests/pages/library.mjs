// Computes with the library, in the same page, the results that the playground shows.

/**
 * Runs the library over the picture on screen and compares every canvas with toImageData.
 *
 * @param {import('puppeteer-core').Page} page
 * @param {{
 *   picture: string, preset?: string, seed?: number, state?: string, manual?: number[], options?: object,
 * }} what  the address of the picture; the block, a preset of the playground or the address of a state dict; options of
 *   fromImage
 */
export function compareWithLibrary(page, what) {
  return page.evaluate(async ({ picture, preset, seed, state, manual, options = {} }) => {
    const { load, parseSafetensors } = await import('/web/dynakernel/index.js');
    const dk = await load();
    const bytes = async (address) => (await fetch(address)).blob();

    async function makeBlock() {
      if (state) {
        const file = parseSafetensors(await (await bytes(state)).arrayBuffer());
        const config = JSON.parse(file.__metadata__.config);
        const made = dk.dynamicKernelAggregation({
          inChannels: config.in_channels,
          outChannels: config.out_channels,
          kernelSize: config.kernel_size,
          stride: config.stride,
          padding: config.padding,
          dilation: config.dilation,
          groups: config.groups,
          bias: config.bias,
          numKernels: config.num_kernels,
        });
        made.loadStateDict(Object.fromEntries(Object.keys(made.stateDict()).map((name) => [name, file[name]])));
        return made;
      }
      const { PRESETS } = await import('/web/playground/presets.js');
      const { config, values } = PRESETS.find(({ id }) => id === preset);
      const made = dk.dynamicKernelAggregation(seed === undefined ? config : { ...config, seed });
      if (values) {
        const dict = made.stateDict();
        for (const [name, numbers] of Object.entries(values)) dict[name].data.set(numbers);
        made.loadStateDict(dict);
      }
      return made;
    }

    const block = await makeBlock();
    const input = document.getElementById('input-canvas');
    const bitmap = await createImageBitmap(await bytes(picture));
    const x = dk.fromImage(bitmap, {
      width: input.width,
      height: input.height,
      channels: block.config.inChannels,
      ...options,
    });
    const automatic = block.forward(x);
    const attention = [...block.lastAttention];
    const y = manual ? block.aggregation.forward(x, dk.tensor(manual, [1, manual.length])) : automatic;

    const colormap = document.getElementById('colormap').value;
    const mode = document.getElementById('range').value;
    const range =
      mode === 'fixed' ? ['low', 'high'].map((end) => document.getElementById(`range-${end}`).valueAsNumber) : mode;
    const canvases = [...document.querySelectorAll('#maps canvas')];
    if (canvases.length !== block.config.outChannels)
      throw new Error(`there are ${canvases.length} maps; expected ${block.config.outChannels}`);
    let different = 0;
    const colours = new Set();
    for (const canvas of canvases) {
      const { width, height } = canvas; // Chromium warns on the console of canvases that are read often
      const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const drawn = copy.getImageData(0, 0, width, height);
      const expected = y.toImageData({ channel: Number(canvas.dataset.channel), colormap, range });
      if (drawn.width !== expected.width || drawn.height !== expected.height) {
        different += Infinity;
        continue;
      }
      for (let i = 0; i < expected.data.length; i++) if (drawn.data[i] !== expected.data[i]) different++;
      for (let i = 0; i < drawn.data.length; i += 4004) colours.add(drawn.data.slice(i, i + 3).join());
    }
    const shown = [...document.querySelectorAll('#kernels data')].map((element) => Number(element.value));
    const written = [...document.querySelectorAll('#kernels data')].map((element) => element.textContent);
    const sliders = [...document.querySelectorAll('#kernels input')].map((element) => element.valueAsNumber);
    const { algorithm } = block.plan;
    const result = {
      algorithm,
      attention,
      shown,
      written,
      sliders,
      maps: canvases.length,
      different,
      colours: colours.size,
      shape: [...y.shape],
    };
    block.dispose();
    dk.dispose();
    return result;
  }, what);
}
