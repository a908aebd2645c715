/* DK_ASSERT(condition) checks at the start of a function what its comment requires of callers.
 *
 * build.sh turns the checks on (-DDK_ASSERTS) in native programs and in debug builds. A condition that does
 * not hold ends the program. In release builds a condition is not evaluated and compiles to nothing. */
#ifndef DK_ASSERT_H
#define DK_ASSERT_H

#if !defined(DK_ASSERTS)
#define DK_ASSERT(condition) ((void)sizeof(condition))
#elif defined(__wasm__) /* the module imports nothing that could print */
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
