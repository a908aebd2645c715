/**
 * What a runtime does beyond blocks: networks and training. An entry hands it to start.js, so that a page that shows
 * only blocks (blocks.js) need not load it.
 */
export { huberLoss, l1Loss, mseLoss } from './loss.js';
export { graphMaker } from './network/layers.js';
export { createNetwork } from './network/network.js';
export { onnxNetwork } from './network/onnx/onnx-network.js';
export { adam, sgd } from './optimizer.js';
