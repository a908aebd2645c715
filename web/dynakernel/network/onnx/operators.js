/** All operators that are read, by name. */
import { ACTIVATIONS } from './operators/activations.js';
import { COMPARISONS } from './operators/comparisons.js';
import { CONSTANTS } from './operators/constants.js';
import { CONVOLUTIONS } from './operators/convolutions.js';
import { ELEMENTWISE } from './operators/elementwise.js';
import { INDEXING } from './operators/indexing.js';
import { MATRICES } from './operators/matrices.js';
import { NORMALISATION } from './operators/normalisation.js';
import { POOLING } from './operators/pooling.js';
import { REDUCTIONS } from './operators/reductions.js';
import { RESIZE } from './operators/resize.js';
import { SHAPES } from './operators/shapes.js';

/** @type {import('./operators/table.js').Table} */
export const OPERATORS = {
  ...ACTIVATIONS, ...COMPARISONS, ...CONSTANTS, ...CONVOLUTIONS, ...ELEMENTWISE, ...INDEXING, ...MATRICES,
  ...NORMALISATION, ...POOLING, ...REDUCTIONS, ...RESIZE, ...SHAPES,
};
