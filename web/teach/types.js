/**
 * The messages between the page and its worker, and the shapes that their modules share.
 *
 * @import { StateDict } from '../dynakernel/index.js'
 * @import { BlockConfig, KindId } from '../shared/types.js'
 */

/** @typedef {'dynamic' | 'dyconv' | 'condconv' | 'odconv' | 'single'} PupilId  a block that learns; see PUPILS */

/**
 * A square photograph, RGBA.
 *
 * @typedef {object} Photo
 * @property {string} name  a name for people
 * @property {Uint8ClampedArray<ArrayBuffer>} data
 * @property {number} side
 */

/**
 * Another block that the learners imitate.
 *
 * @typedef {object} Model
 * @property {string} title
 * @property {KindId} kind
 * @property {BlockConfig} config
 * @property {StateDict} [state]  its parameters; without it they follow from the seed
 */

/**
 * A lesson: the targets, and the number and size of the kernels. The kind 'effect' has one effect for every picture,
 * 'brightness' has one for dark and one for bright pictures, 'picture' has one for each photograph, and 'model'
 * imitates a block.
 *
 * @typedef {object} Lesson
 * @property {'effect' | 'brightness' | 'picture' | 'model'} kind
 * @property {string[]} effects  ids of EFFECTS; empty for the kind 'model'
 * @property {Model | null} model  the block to imitate
 * @property {PupilId[]} pupils  those that learn side by side, in the order of PUPILS; at least one
 * @property {PupilId} focus  the one whose attention and kernels are on screen
 * @property {number} numKernels
 * @property {number} kernelSize  unused for the kind 'model'
 * @property {number} seed  decides the learners' first parameters
 * @property {number} channel  the output channel on screen; unused if there are three: red, green and blue
 */

/**
 * The settings of the training.
 *
 * @typedef {object} Tuning
 * @property {'adam' | 'sgd'} optimizer
 * @property {number} lr  the learning rate
 * @property {'cosine' | 'constant'} schedule
 * @property {number} steps  the number of steps in a run
 */

/**
 * A message to the worker.
 *
 * @typedef {{ type: 'setup', id: number, lesson: Lesson, photos: Photo[], interval: number }
 *   | { type: 'tune', tuning: Tuning } | { type: 'channel', channel: number } | { type: 'focus', focus: PupilId }
 *   | { type: 'export', id: number } | { type: 'run' | 'pause' | 'step' | 'reset' }} Request
 */

/**
 * Kernels for the page, [count, O, C/G, R, R]; O counts only the output channels on screen.
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
 * A picture on screen and its target. Both stay the same during a lesson.
 *
 * @typedef {object} Sample
 * @property {string} name
 * @property {string} effect  the target's name for people
 * @property {Pixels} input
 * @property {Pixels} target
 */

/**
 * The results of a pupil on the samples.
 *
 * @typedef {object} Progress
 * @property {PupilId} id
 * @property {number} loss  the mean over the latest batches; NaN before the first step
 * @property {number[]} errors  the mean squared error of each sample
 * @property {Pixels[]} predictions  the output for each sample
 * @property {Pixels[]} differences  the output minus the target, for each sample
 * @property {Float32Array<ArrayBuffer>} attention  [samples, K]
 * @property {Kernels} kernels  the K kernels
 * @property {Kernels} mixed  the mixed kernel of each sample
 * @property {number | null} temperature  of its attention; null if it has none
 */

/**
 * The progress of all pupils at a step.
 *
 * @typedef {object} Snapshot
 * @property {number} step
 * @property {number} end  the step at which this run ends
 * @property {number} rate  steps per second
 * @property {number} heapBytes
 * @property {Losses[]} losses  those of the steps since the last snapshot
 * @property {Progress[]} pupils  in the lesson's order
 */

/** @typedef {{ step: number, losses: number[] }} Losses  a loss for each pupil, in the lesson's order */

/**
 * The part of a lesson on screen that no step changes.
 *
 * @typedef {object} Classroom
 * @property {string} build  the library's version and build, for the masthead
 * @property {Sample[]} samples
 * @property {Kernels} wanted  the teacher's kernels
 * @property {string[]} wantedNames
 * @property {number} outChannels
 * @property {number} channel  the output channel on screen
 * @property {PupilId[]} pupils
 * @property {PupilId} focus
 * @property {number} range  the value that is drawn white; black is minus that
 * @property {KindId} kind  that of the pupil in focus
 * @property {BlockConfig} config
 */

/**
 * A message from the worker. `lesson` is the id of its setup; `fresh` says that nothing has been learnt yet.
 *
 * @typedef {{ lesson?: number } & ({ type: 'ready', fresh: boolean, classroom: Classroom, snapshot: Snapshot }
 *   | { type: 'snapshot', state: 'running' | 'paused' | 'done', snapshot: Snapshot }
 *   | { type: 'state', id: number, step: number, bytes: Uint8Array<ArrayBuffer> }
 *   | { type: 'error', about: 'export', id: number, message: string }
 *   | { type: 'error', about: 'start' | 'setup' | 'training', message: string })} Answer
 */

export {};
