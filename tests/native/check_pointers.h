/* Checks that the library forms no pointer that lies before its array. */
#ifndef CHECK_POINTERS_H
#define CHECK_POINTERS_H

/* Puts arrays at the lowest address that the system gives. Such a pointer overflows there, and UBSan reports
 * it. Returns 1 if too few layers were covered, else 0. It does nothing in WebAssembly: UBSan reports nothing
 * there. */
int check_pointers(void);

#endif
