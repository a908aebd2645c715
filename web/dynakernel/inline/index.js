/** The entry dynakernel/inline: the API of ../index.js, and a load() that needs no other files. */
export * from '../common.js';
export { load } from './load.js';
