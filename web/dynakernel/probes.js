/** Asks the engine what it can run. */

/**
 * Whether the engine validates a module with one function of this code, which leaves a v128 value.
 *
 * @param {number[]} code
 */
const canRun = (code) => WebAssembly.validate(new Uint8Array([
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // "\0asm", version 1
  1, 5, 1, 0x60, 0, 1, 0x7b, // type: () -> v128
  3, 2, 1, 0, // function 0 has type 0
  10, code.length + 4, 1, code.length + 2, 0, ...code, 0x0b, // the code, without locals
]));

const ZEROS = [0x41, 0, 0xfd, 0x0f]; // i32.const 0, i8x16.splat
const RELAXED_MADD = [0xfd, 0x85, 0x02]; // f32x4.relaxed_madd

export const hasSimd = () => canRun(ZEROS);
export const hasRelaxedSimd = () => canRun([...ZEROS, ...ZEROS, ...ZEROS, ...RELAXED_MADD]);
