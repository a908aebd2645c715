// Computes with the library, in the same page, the results that the playground shows.

/**
 * Runs the library over the picture on screen and compares every canvas with toImageData.
 *
 * @param {import('puppeteer-core').Page} page
 * @param {{
 *   picture: string, preset?: string, seed?: number, temperature?: number, state?: string, manual?: number[],
 *   options?: object,
 * }} what  the address of the picture; the block, a preset of the playground or the address of a state dict; options of
 *   fromImage
 */
export function compareWithLibrary(page, what) {
  return page.evaluate(async ({ picture, preset, seed, temperature, state, manual, options = {} }) => {
    const { load, parseSafetensors } = await import('/web/dynakernel/index.js');
    const dk = await load();
    const bytes = async (address) => (await fetch(address)).blob();

    /** The methods that make the other kinds, which run in one piece. */
    const calls = { dyconv: 'dyConv2d', odconv: 'odConv2d' };

    /** Makes the block of a preset. Returns it with the library's functions that run it. */
    async function makePreset() {
      const { PRESETS } = await import('/web/playground/presets.js');
      const { kind, config: { numKernels, bias, temperature: usual, ...geometry }, values } =
        PRESETS.find(({ id }) => id === preset);
      const set = (module, prefix = '') => {
        const dict = module.stateDict();
        for (const [name, numbers] of Object.entries(values ?? {}))
          if (name.startsWith(prefix)) dict[name.slice(prefix.length)].data.set(numbers);
        module.loadStateDict(dict);
        return module;
      };
      if (kind === 'dynamic') {
        const seeded = seed === undefined ? {} : { seed };
        return dite(set(dk.dynamicKernelAggregation({ ...geometry, numKernels, bias, ...seeded })));
      }
      if (kind === 'condconv') {
        const module = set(dk.condConv2d({ ...geometry, bias, numExperts: numKernels }), 'conv.');
        const routing = set(dk.routing({ channels: 3, numExperts: numKernels }), 'routing_fn.');
        return {
          block: module,
          forward: (x) => module.forward(x, routing.forward(x)),
          byHand: (x, a) => module.forward(x, a),
        };
      }
      const settings = { ...geometry, numKernels, temperature: temperature ?? usual };
      const module = set(dk[calls[kind]](kind === 'dyconv' ? { ...settings, bias } : settings));
      const apart = dk.dynamicConvolution(geometry);
      return {
        block: module,
        forward: (x) => module.forward(x),
        byHand: (x, a) => {
          const { channel, filter, spatial } = module.lastAttentions ?? {};
          const scale = (values_) => values_ && dk.tensor(values_, [1, values_.length]);
          const { weight, bias: mixedBias } = module.mix(kind === 'dyconv'
            ? a : { kernel: a, channel: scale(channel), filter: scale(filter), spatial: scale(spatial) });
          return apart.forward(x, weight, mixedBias);
        },
      };
    }

    const dite = (block) => ({
      block,
      forward: (x) => block.forward(x),
      byHand: (x, a) => block.aggregation.forward(x, a),
    });

    async function makeBlock() {
      if (!state) return makePreset();
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
      return dite(made);
    }

    const { block, forward, byHand } = await makeBlock();
    const input = document.getElementById('input-canvas');
    const bitmap = await createImageBitmap(await bytes(picture));
    const x = dk.fromImage(bitmap, {
      width: input.width,
      height: input.height,
      channels: block.config.inChannels,
      ...options,
    });
    const automatic = forward(x);
    const attention = [...block.lastAttention];
    const y = manual ? byHand(x, dk.tensor(manual, [1, manual.length])) : automatic;
    const attentions = Object.fromEntries(Object.entries(block.lastAttentions ?? {}).map(([name, list]) => [name, [...list]]));

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
      attentions,
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
