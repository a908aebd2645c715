/* DK_ASSERT(condition): checks at the door of a function what its comment demands of the caller.
 *
 * build.sh turns the checks on (-DDK_ASSERTS) in the native programs and in the debug builds. A condition
 * that does not hold ends the program. In the release builds a condition is compiled to nothing and is not
 * evaluated. */
#ifndef DK_ASSERT_H
#define DK_ASSERT_H

#if !defined(DK_ASSERTS)
#define DK_ASSERT(condition) ((void)sizeof(condition))
#elif defined(__wasm__) /* which imports nothing that could print */
#define DK_ASSERT(condition) ((condition) ? (void)0 : __builtin_trap())
#else
#include <stdio.h>
#include <stdlib.h>
#define DK_ASSERT(condition)                                                                                 \
  ((condition)                                                                                               \
       ? (void)0                                                                                             \
       : (fprintf(stderr, "%s:%d: the assertion (%s) does not hold\n", __FILE__, __LINE__, #condition),      \
          abort()))
#endif

#endif
