/* No pointer is formed before the array that it is for. */
#ifndef CHECK_POINTERS_H
#define CHECK_POINTERS_H

/* Puts arrays at the lowest address that the system gives, where such a pointer overflows, which UBSan
 * reports. Returns how many layers failed. As WebAssembly, which has no such reports, it does nothing. */
int check_pointers(void);

#endif
