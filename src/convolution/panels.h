/* Convolution as a matrix product, panel by panel: what im2col and pointwise convolution share. */
#ifndef DK_PANELS_H
#define DK_PANELS_H

#include "convolution/convolution.h"

uint64_t panels_workspace(const geometry *shape); /* bytes of one thread */

/* chosen is the algorithm that asks, for its assertions. */
void panels_convolve(const algorithm *chosen, const convolution *work);

#endif
