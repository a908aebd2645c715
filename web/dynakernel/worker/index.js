/**
 * dynakernel in a worker: the runtime of the entry dynakernel, whose calls return promises.
 *
 * @example
 * import { frames, loadInWorker } from 'dynakernel/worker';
 *
 * const dk = await loadInWorker();
 * const net = await dk.onnxNetwork(await (await fetch('style.onnx')).arrayBuffer());
 * const x = await dk.zeros([1, 3, 240, 320]), y = await dk.zeros([1, 3, 240, 320]);
 * for await (const frame of frames(video)) {
 *   await Promise.all([dk.fromImage(frame, { out: x }), net.forward(x, { out: y }), y.drawMap(canvas, { channel: 'rgb' })]);
 * }
 */
export { DynakernelError } from '../errors.js';
export { frames } from './frames.js';
export { loadInWorker } from './load.js';
export { transfer } from './transfer.js';

/** @typedef {import('./frames.js').Frame} Frame */
/** @typedef {import('./frames.js').FrameOptions} FrameOptions */
/** @typedef {import('./frames.js').FrameSource} FrameSource */
/** @typedef {import('./load.js').WorkerLike} WorkerLike */
/** @typedef {import('./load.js').WorkerOptions} WorkerOptions */
/** @typedef {import('./serve.js').WorkerFunctions} WorkerFunctions */
/** @typedef {import('./types.js').ReadyMade} ReadyMade */
/**
 * @template {WorkerFunctions} [Functions=ReadyMade]
 * @typedef {import('./types.js').RemoteRuntime<Functions>} RemoteRuntime
 */
/**
 * @template T
 * @typedef {import('./types.js').Remote<T>} Remote
 */
