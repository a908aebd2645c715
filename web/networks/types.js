/**
 * What the page and its worker send each other. The worker has one network; the page starts another worker for another
 * network. With isSame, `open` makes the network of the same file again, for other shapes.
 *
 * @import { Info, NetworkLayer, ProfiledLayer, Shapes } from '../dynakernel/index.js'
 */

/**
 * An array of numbers with its shape, as a worker sends it.
 *
 * @typedef {{ shape: number[], data: Float32Array }} Numbers
 */

/**
 * An input whose sizes the file leaves open. A dimension is a length, or the name of an open one, '' if it has none.
 *
 * @typedef {{ name: string, dims: (number | string)[] }} OpenInput
 */

/**
 * Operators that a network cannot run: the operator, why this use of it is refused ('' if every use is), the nodes,
 * and what a person can do.
 *
 * @typedef {{ operator: string, why: string, nodes: string, advice: string }} Unsupported
 */

/** @typedef {{ title: string, message: string, operators: Unsupported[], code: string }} Refusal */

/** @typedef {{ x: number, y: number, score: number }} KeyPoint */

/**
 * A network that was opened.
 *
 * @typedef {object} About
 * @property {'example' | 'onnx' | 'dite-hrnet'} kind
 * @property {string} title
 * @property {string} summary a sentence about it
 * @property {{ depth: 18 | 30, joints: number } | null} diteHRNet if it is one
 * @property {Shapes} inputs
 * @property {Shapes} outputs
 * @property {OpenInput[]} open the inputs whose sizes a person may change
 * @property {NetworkLayer[]} layers
 * @property {Info} info
 * @property {number} making milliseconds to read and to plan it
 */

/**
 * A run of the network.
 *
 * @typedef {object} Result
 * @property {number} id of the request
 * @property {{ [name: string]: Numbers }} outputs
 * @property {{ [layer: string]: Float32Array }} attention
 * @property {KeyPoint[] | null} joints of the first output that has four dimensions, in pixels of the input
 * @property {number} ms
 * @property {ProfiledLayer[] | null} profile if it was asked for
 * @property {{ name: string, value: Numbers | null, problem: string } | null} inner the inner value that was asked for
 */

/**
 * @typedef {{ type: 'open', file: File | null, shapes: Shapes | null, isSame: boolean }
 *   | { type: 'run', id: number, inputs: { [name: string]: Numbers }, profile: boolean, inner: string | null,
 *       joints: boolean }} Request
 */

/**
 * @typedef {{ type: 'progress', step: 'reading' | 'planning', share: number }
 *   | { type: 'sizes', open: OpenInput[], message: string }
 *   | { type: 'ready', about: About }
 *   | { type: 'refused', refusal: Refusal }
 *   | { type: 'result', result: Result }
 *   | { type: 'failed', id: number, message: string }} Answer
 */

export {};
