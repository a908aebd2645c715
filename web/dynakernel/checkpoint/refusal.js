/** The one kind of error that reading a checkpoint throws. */
import { DynakernelError } from '../errors.js';

/** @param {string} message */
export const refusal = (message) => new DynakernelError('ERR_CHECKPOINT', `checkpoint: ${message}`);
