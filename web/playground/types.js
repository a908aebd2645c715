/**
 * The shapes that only the playground's modules pass to each other.
 *
 * @import { Colormap } from '../dynakernel/index.js'
 */

/** @typedef {'robust' | 'auto' | 'shared' | [number, number]} MapRange  'robust' leaves outliers out */
/** @typedef {'colour' | 'channels'} KernelView */

/**
 * The part of the block that a person chose to see.
 *
 * @typedef {object} View
 * @property {number} channel  the output channel in focus
 * @property {KernelView} kernels
 * @property {Colormap} colormap
 * @property {MapRange} range
 */

export {};
