/* What other algorithms ask of convolution/direct.c. */
#ifndef DK_DIRECT_H
#define DK_DIRECT_H

#include <stdint.h>

/* The cost (convolution/costs.h) of one output row of count channels by inner/rows_direct.h. taps, of all
 * input channels, is a double because it may not fit 32 bits. */
double direct_row_cost(double taps, int32_t count, int32_t Wo);

#endif
