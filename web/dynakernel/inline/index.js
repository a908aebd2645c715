/** The entry dynakernel/inline: the API of ../index.js, with a load() that needs no other files. */
export * from '../common.js';
export { load } from './load.js';
