/* The size of functions.
 *
 * INLINE is for functions whose callers give them constants, for which they are compiled anew.
 *
 * SMALL is for functions that run a few times a call, or work on a few numbers: compiled for size.
 * Loops that the compiler would unroll and vectorise there cost a visitor download, and gain
 * nothing.
 *
 * APART is for functions that stay functions: what a fast loop calls now and then, which inside it would be
 * compiled for speed and take its registers; and what is large, or fast, and called by something small.
 *
 * Inner loops of which there are several, for one number of taps or another, are called through tables:
 * optimisers would make all of them part of their one caller, and engines, which optimise a
 * function at a time while its first code already runs, would be late with what the first image
 * needs. V8 takes 25 ms for all of inner/rows_few_taps.c as one function, 1 ms for the loop of 3 x 3 taps.
 */
#ifndef DK_SMALL_H
#define DK_SMALL_H

#define INLINE static inline __attribute__((always_inline))

#define APART __attribute__((noinline))

#if defined(__clang__)
#define SMALL __attribute__((minsize))
#else
#define SMALL
#endif

#endif
