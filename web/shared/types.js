/**
 * The shapes that the pages' shared modules pass to each other and to the pages.
 *
 * @import { BlockOptions, StateDict } from '../dynakernel/index.js'
 */

/**
 * What a block is made from: a preset or a file.
 *
 * @typedef {object} Definition
 * @property {string} id  a word for file names
 * @property {string} title
 * @property {string} summary  one sentence for a person
 * @property {Required<Omit<BlockOptions, 'reduction' | 'midChannels' | 'seed' | 'algorithm'>>
 *   & Pick<BlockOptions, 'midChannels' | 'seed'>} config
 * @property {Record<string, ArrayLike<number>>} [values]  parameters made by hand, by state dict name
 * @property {StateDict} [state]  a whole state dict; wins over values
 * @property {Normalisation} [normalisation]  of the pixels that the block was made for, where that is known
 * @property {string[]} [kernelNames]  K
 * @property {string[]} [kernelHints]  K, what the attention looks for
 * @property {string[]} [channelNames]  O
 */

/**
 * @typedef {object} Source
 * @property {'image' | 'webcam'} kind
 * @property {string} name  as a person would say it
 * @property {string} stem  for file names, and for the snippet
 * @property {string} [file]  the file's own name, where there is one
 * @property {boolean} byElement  only an image element decodes the file: it is SVG
 * @property {ImageData | HTMLVideoElement} image  its pixels; of large pictures fewer than they have
 * @property {number} width  the picture's own
 * @property {number} height
 */

/**
 * @typedef {object} Normalisation
 * @property {string} title
 * @property {number[]} mean
 * @property {number[]} std
 */

export {};
