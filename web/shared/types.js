/**
 * The shapes that the pages' shared modules pass to each other and to the pages.
 *
 * @import { BlockOptions, StateDict } from '../dynakernel/index.js'
 */

/**
 * The definition of a block. It comes from a preset or a file.
 *
 * @typedef {object} Definition
 * @property {string} id  a word for file names
 * @property {string} title
 * @property {string} summary  sentences for a person
 * @property {Required<Omit<BlockOptions, 'reduction' | 'midChannels' | 'seed' | 'algorithm'>>
 *   & Pick<BlockOptions, 'midChannels' | 'seed'>} config
 * @property {Record<string, ArrayLike<number>>} [values]  parameters made by hand, by state dict name
 * @property {StateDict} [state]  a whole state dict; wins over values
 * @property {Normalisation} [normalisation]  the normalisation of the pixels that the block was made for, if known
 * @property {string[]} [kernelNames]  K names
 * @property {string[]} [kernelHints]  K hints: the pictures for which the attention picks the kernel
 * @property {string[]} [channelNames]  O names
 */

/**
 * A picture, or the webcam.
 *
 * @typedef {object} Source
 * @property {'image' | 'webcam'} kind
 * @property {string} name  the name for people
 * @property {string} stem  the start of file names
 * @property {string} [file]  the file's name; absent for a webcam that runs
 * @property {boolean} byElement  true if only an image element decodes the file, as with SVG
 * @property {ImageData | HTMLVideoElement} image  the pixels; a large picture is shrunk
 * @property {number} width  the picture's width before it was shrunk
 * @property {number} height
 */

/**
 * Each channel's pixels become (pixel − mean) / std.
 *
 * @typedef {object} Normalisation
 * @property {string} title
 * @property {number[]} mean
 * @property {number[]} std
 */

export {};
