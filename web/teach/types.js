/**
 * What the page and its worker tell each other, and the shapes that their modules share.
 *
 * @import { BlockOptions, StateDict } from '../dynakernel/index.js'
 */

/**
 * A photograph: square, RGBA.
 *
 * @typedef {object} Photo
 * @property {string} name  for people
 * @property {Uint8ClampedArray<ArrayBuffer>} data
 * @property {number} side
 */

/**
 * A block of its own that is imitated.
 *
 * @typedef {object} Model
 * @property {string} title
 * @property {BlockOptions} config
 * @property {StateDict} [state]  without one, its seed decides
 */

/**
 * What is to be learnt, by how many kernels of which size. A lesson of one effect has it for every picture,
 * 'brightness' one for dark and one for bright pictures, 'picture' one for each photograph.
 *
 * @typedef {object} Lesson
 * @property {'effect' | 'brightness' | 'picture' | 'model'} kind
 * @property {string[]} effects  ids of EFFECTS; none where a model is imitated
 * @property {Model | null} model
 * @property {number} numKernels
 * @property {number} kernelSize  where no model gives it
 * @property {number} seed  of the learners' first parameters
 * @property {number} channel  the output channel on screen, where they are not red, green and blue
 */

/**
 * @typedef {object} Tuning
 * @property {'adam' | 'sgd'} optimizer
 * @property {number} lr
 * @property {'cosine' | 'constant'} schedule
 * @property {number} steps  of one run
 */

/**
 * @typedef {{ type: 'setup', id: number, lesson: Lesson, photos: Photo[], interval: number }
 *   | { type: 'tune', tuning: Tuning } | { type: 'channel', channel: number }
 *   | { type: 'export', id: number } | { type: 'run' | 'pause' | 'step' | 'reset' }} Request
 */

/**
 * Kernels on their way to the page, [count, O, C/G, R, R], where O counts the output channels on screen only.
 *
 * @typedef {object} Kernels
 * @property {number} count
 * @property {number} outputs
 * @property {number} planes  C/G
 * @property {number} size  R
 * @property {Float32Array<ArrayBuffer>} values
 */

/** @typedef {{ width: number, height: number, data: Uint8ClampedArray<ArrayBuffer> }} Pixels */

/**
 * A picture on screen that does not change while a lesson lasts.
 *
 * @typedef {object} Sample
 * @property {string} name
 * @property {string} effect  what is wanted of it, for people
 * @property {Pixels} input
 * @property {Pixels} target
 */

/**
 * What one of the two blocks makes of the samples.
 *
 * @typedef {object} Progress
 * @property {number} loss  mean over the latest batches; NaN before the first
 * @property {number[]} errors  mean squared, one a sample
 * @property {Pixels[]} predictions  one a sample
 * @property {Pixels[]} differences  one a sample
 * @property {Float32Array<ArrayBuffer>} attention  [samples, K]
 * @property {Kernels} kernels  the K
 * @property {Kernels} mixed  one a sample: what is applied to it
 */

/**
 * @typedef {object} Snapshot
 * @property {number} step
 * @property {number} end  the step at which this run ends
 * @property {number} rate  steps per second
 * @property {number} heapBytes
 * @property {[step: number, dynamic: number, single: number][]} losses  of the steps since the last snapshot
 * @property {Progress} dynamic
 * @property {Progress} single
 */

/**
 * @typedef {object} Classroom
 * @property {string} build  the library's, for the masthead
 * @property {Sample[]} samples
 * @property {Kernels} wanted  the teacher's
 * @property {string[]} wantedNames
 * @property {number} outChannels
 * @property {number} channel  the output channel on screen
 * @property {string} shape  the learner in words
 */

/**
 * lesson: the id of the setup that it is about; fresh: nothing has been learnt yet.
 *
 * @typedef {{ lesson?: number } & ({ type: 'ready', fresh: boolean, classroom: Classroom, snapshot: Snapshot }
 *   | { type: 'snapshot', state: 'running' | 'paused' | 'done', snapshot: Snapshot }
 *   | { type: 'state', id: number, step: number, bytes: Uint8Array<ArrayBuffer> }
 *   | { type: 'error', about: 'export', id: number, message: string }
 *   | { type: 'error', about: 'start' | 'setup' | 'training', message: string })} Answer
 */

export {};
