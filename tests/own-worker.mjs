// A worker of one's own, for the tests of dynakernel/worker.
import { load } from '../web/dynakernel/index.js';
import { serve } from '../web/dynakernel/worker/serve.js';

serve({
  load,
  functions: {
    same: (dk, object) => object,
    makeNetwork: (dk, channels) => dk.network({ image: [1, 3, 8, 8] }, (g, { image }) =>
      g.conv2d(image, { name: 'stem', outChannels: channels, kernelSize: 3 })),
    later: async (dk, name) => ({ name, list: [1, 2] }),
    fails() { throw new Error('the reason'); },
    unsendable: () => ({ work: () => {} }),
    close: () => new Promise(() => { globalThis.close(); }),
    never: () => new Promise(() => {}),
    crash: () => new Promise(() => { setTimeout(() => { throw new Error('out of order'); }); }),
  },
});
