/* Attributes of functions and loops. What we know of V8 and LLVM, as of November 2026: LLVM 19.1 (Emscripten
 * 3.1.69), V8 11.3 (Node 20) and V8 13.6 (Node 24).
 *
 *   INLINE            For functions whose callers pass constants. LLVM then compiles the body once for each
 *                     set of constants, and unrolls the loops that a constant bounds. Left alone, LLVM
 *                     keeps one body for all callers if it is large.
 *
 *   SMALL             For functions that run a few times a call, or work on a few numbers. LLVM at -O2
 *                     unrolls their loops, which makes the download larger and nothing faster.
 *
 *   SMALL_FILE        SMALL for all functions from here to SMALL_FILE_END.
 *
 *   APART             For functions that LLVM must not inline. Rare work inside a fast loop takes registers
 *                     from the loop and is compiled for speed. Large or fast work inside a SMALL caller is
 *                     compiled for size.
 *
 *   unroll(disable)   For inner loops that do enough in one turn. LLVM unrolls them by two or more, which
 *                     makes the download larger. V8 then loads the inputs of all turns first, and spills
 *                     accumulators to the stack.
 *
 *   tables            For inner loops in several versions, for example one for each number of taps. A table
 *                     of function pointers stops LLVM from inlining all versions into one caller. V8
 *                     optimises one function at a time, while its first code already runs. It takes 25 ms
 *                     for all of inner/rows_few_taps.c as one function, and 1 ms for the loop of 3x3 taps
 *                     alone.
 *
 *   halves            V8's option --wasm-revectorize makes one 256-bit operation of two 128-bit ones. It
 * begins with two adjacent stores. It pairs loads of the same base whose constant offsets differ by
 *                     16. It gives up if memory is written between the two halves, or if one load belongs to
 * two pairs.
 *
 *   steady_f32, _i32  For vector constants of a loop (base/simd.h). V8 13.6 rebuilds a constant that it can
 *                     see in each turn of a loop, with three instructions. V8 11.3 keeps it in a register. */
#ifndef DK_ATTRIBUTES_H
#define DK_ATTRIBUTES_H

#define INLINE static inline __attribute__((always_inline))

#define APART __attribute__((noinline))

#if defined(__clang__)
#define SMALL __attribute__((minsize))
#define SMALL_FILE _Pragma("clang attribute push(__attribute__((minsize)), apply_to = function)")
#define SMALL_FILE_END _Pragma("clang attribute pop")
#else
#define SMALL
#define SMALL_FILE
#define SMALL_FILE_END
#endif

#endif
