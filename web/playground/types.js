/**
 * The shapes that only the playground's modules pass to each other.
 *
 * @import { Colormap } from '../dynakernel/index.js'
 */

/** @typedef {'robust' | 'auto' | 'shared' | [number, number]} MapRange  robust: without outliers */
/** @typedef {'colour' | 'channels'} KernelView */

/**
 * What the person chose to look at.
 *
 * @typedef {object} View
 * @property {number} channel  the output channel in focus
 * @property {KernelView} kernels
 * @property {Colormap} colormap
 * @property {MapRange} range
 */

export {};
