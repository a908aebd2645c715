/** The worker that loadInWorker() starts: the entry dynakernel, and what else would hold up a page. */
import { decodeHeatmaps, diteHRNet } from '../dite-hrnet/index.js';
import { load, parseCheckpoint } from '../index.js';
import { serve } from './serve.js';

/** @type {import('./types.js').ReadyMade} */
const functions = {
  diteHRNet,
  decodeHeatmaps: (dk, heatmaps, options) => decodeHeatmaps(heatmaps, options),
  loadCheckpoint: (dk, target, bytes, options) => target.loadStateDict(parseCheckpoint(bytes), options),
};

serve({ load, functions: { ...functions } });
