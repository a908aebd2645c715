/** The errors of layers. */
import { DynakernelError } from '../../errors.js';

/**
 * For an argument or option that a layer does not take.
 *
 * @param {string} message
 */
export const refusal = (message) => new DynakernelError('ERR_CONFIG', message);

/**
 * For a shape that does not fit.
 *
 * @param {string} message
 */
export const shapeRefusal = (message) => new DynakernelError('ERR_SHAPE', message);
