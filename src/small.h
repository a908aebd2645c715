/* For functions that run a few times a call, or work on a few numbers: compiled for size. Loops
 * that the compiler would unroll and vectorise there cost a visitor download, and gain nothing. */
#ifndef DK_SMALL_H
#define DK_SMALL_H

#if defined(__clang__)
#define SMALL __attribute__((minsize))
#else
#define SMALL
#endif

#endif
