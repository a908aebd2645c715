/**
 * The shapes that the pages' shared modules pass to each other and to the pages.
 *
 * @import { StateDict } from '../dynakernel/index.js'
 */

/**
 * A kind of dynamic convolution; 'dynamic' is Dite-HRNet's.
 *
 * @typedef {'dynamic' | 'dyconv' | 'condconv' | 'odconv'} KindId
 */

/**
 * The configuration of a block of any kind. A kind ignores the options that it does not have.
 *
 * @typedef {object} BlockConfig
 * @property {number} inChannels
 * @property {number} outChannels
 * @property {number} kernelSize
 * @property {number} stride
 * @property {number} padding
 * @property {number} dilation
 * @property {number} groups
 * @property {boolean} bias
 * @property {number} numKernels
 * @property {number} [midChannels]  Dite-HRNet's
 * @property {number} [ratio]  DyConv's
 * @property {number} [reduction]  ODConv's
 * @property {number} [temperature]  DyConv's and ODConv's
 * @property {number} [seed]
 */

/**
 * The attentions of a pass, for N images: the weights of the kernels [N, K], and the scales of the input channels
 * [N, C], the output channels [N, O] and the taps [N, R·R]. A scale is null if the block has none.
 *
 * @typedef {object} Attentions
 * @property {Float32Array} kernel
 * @property {Float32Array | null} channel
 * @property {Float32Array | null} filter
 * @property {Float32Array | null} spatial
 */

/**
 * The definition of a block. It comes from a preset or a file.
 *
 * @typedef {object} Definition
 * @property {string} id  a word for file names
 * @property {string} title
 * @property {string} summary  sentences for a person
 * @property {KindId} kind
 * @property {BlockConfig} config
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
