/* DK_ASSERT checks a precondition. It is on in the native and debug builds (-DDK_ASSERTS) and costs nothing
 * in the released ones. */
#ifndef DK_ASSERT_H
#define DK_ASSERT_H

#ifdef DK_ASSERTS
#include <assert.h>
#define DK_ASSERT(condition) assert(condition)
#else
#define DK_ASSERT(condition) ((void)0)
#endif

#endif
