/** The exports that the entries dynakernel and dynakernel/inline share: all but load(). */
export { parseCheckpoint } from './checkpoint/checkpoint.js';
export { DynakernelError } from './errors.js';
export { parseSafetensors } from './safetensors.js';
export { toSafetensors } from './safetensors-write.js';
export { cosineSchedule, stepSchedule, warmupSchedule } from './schedules.js';
export { toFloat32 } from './state-value.js';
