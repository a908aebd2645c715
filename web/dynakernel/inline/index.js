/** The entry dynakernel/inline: the API of ../index.js, and a load() that needs no other files. */
export { DynakernelError } from '../errors.js';
export { parseSafetensors, toSafetensors } from '../safetensors.js';
export { cosineSchedule, stepSchedule, warmupSchedule } from '../schedules.js';
export { load } from './load.js';
