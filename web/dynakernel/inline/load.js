/** load() of the entry dynakernel/inline. */
import * as features from '../features.js';
import { loadWith } from '../start.js';
import * as files from './files.js';

/** @type {typeof import('../load.js').load} */
export const load = (options) => loadWith(files, features, options);
